//go:build amd64 || arm64

package draftwire

import (
	"testing"
	"unsafe"

	"github.com/draftwire/draftwire/internal/hixie"
	"github.com/draftwire/draftwire/internal/hybi"
)

// What every connection holds fits a class of the allocator: one byte more would cost
// 16, or 32.
func TestSizes(t *testing.T) {
	for what, size := range map[string]struct{ is, most uintptr }{
		"a Conn":              {unsafe.Sizeof(Conn{}), 256},
		"a Handshake":         {unsafe.Sizeof(Handshake{}), 80},
		"one with its heads":  {unsafe.Sizeof(Handshake{}) + unsafe.Sizeof(rest{}), 160},
		"the codec of a hybi": {unsafe.Sizeof(hybi.Codec{}), 64},
		"that of a hixie":     {unsafe.Sizeof(hixie.Codec{}), 48},
	} {
		if size.is > size.most {
			t.Errorf("%s has %d bytes, above %d", what, size.is, size.most)
		}
	}
}
