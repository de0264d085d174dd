package session

import (
	"strings"
	"testing"

	"github.com/draftwire/draftwire/internal/deflate"
	"github.com/draftwire/draftwire/rfc6455"
	"github.com/draftwire/draftwire/wire"
)

// A panic of DEFLATE reaches the caller, and the offload that
// failed is not used again.
func TestPanicOfOffload(t *testing.T) {
	p := &deflate.Params{Name: deflate.PerMessage}
	s := New(&rfc6455.Draft, Config{CodecConfig: wire.CodecConfig{Role: wire.Server}, Deflate: p})
	codec := s.codec
	for range 3 {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			s.codec = nil // pack calls it
			s.AppendFrame(nil, wire.OpText, true, []byte("abc"))
		}()
	}
	s.codec = codec
	out, err := s.AppendFrame(nil, wire.OpText, true, []byte(strings.Repeat("abc", 100)))
	if err != nil || len(out) == 0 || len(out) > 100 {
		t.Errorf("%d bytes, %v", len(out), err)
	}
}
