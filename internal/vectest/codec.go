package vectest

import (
	"bytes"
	"slices"
	"testing"

	"github.com/draftwire/draftwire/internal/session"
	"github.com/draftwire/draftwire/vectors"
	"github.com/draftwire/draftwire/wire"
)

// key is a connection's, for the version whose masks need one.
var key = []byte("01234567890123456789")

// Codec checks what every codec must hold beside its vectors: what one side
// encodes the other decodes, at the borders of the length forms, in one frame
// and in several; and neither direction allocates.
func Codec(t *testing.T, d *wire.Draft) {
	sizes := []int{0, 1, 125, 126, 127, 128, 16383, 16384, 65535, 65536, 1 << 20}
	for _, role := range []wire.Role{wire.Server, wire.Client} {
		other := wire.Client - role
		for _, n := range sizes {
			p := bytes.Repeat([]byte("\u6f22"), n/3+1)[:n-n%3]
			p = append(p, "xy"[:n%3]...)
			enc := d.NewCodec(wire.CodecConfig{Role: role, MaskKey: key})
			b, err := enc.AppendFrame(nil, wire.OpText, true, p)
			if err != nil {
				t.Fatal(err)
			}
			cut := n / 2
			if b, err = enc.AppendFrame(b, wire.OpText, false, p[:cut]); err != nil {
				t.Fatal(err)
			}
			if b, err = enc.AppendFrame(b, wire.OpContinuation, true, p[cut:]); err != nil {
				t.Fatal(err)
			}
			got := Feed(t, d, config(other, int64(n)), b)
			want := vectors.Event{Op: "text", Data: p}
			if !got.Equal(Got{Events: []vectors.Event{want, want}}) {
				t.Errorf("%s sends %d bytes: %v", role, n, got)
			}
			if n > 1 { // a limit of 0 is none
				if got := Feed(t, d, config(other, int64(n)-1), b); got.Fault != wire.FaultTooBig {
					t.Errorf("%s sends %d bytes, one above the limit: %v", role, n, got)
				}
			}
		}
		allocs(t, d, role)
	}
}

// config is of a session without extensions.
func config(role wire.Role, limit int64) session.Config {
	return session.Config{CodecConfig: wire.CodecConfig{Role: role, MaskKey: key}, Limit: limit}
}

func allocs(t *testing.T, d *wire.Draft, role wire.Role) {
	enc := d.NewCodec(wire.CodecConfig{Role: role, Rand: zeros{}, MaskKey: key})
	dec := d.NewCodec(wire.CodecConfig{Role: wire.Client - role, MaskKey: key})
	p := bytes.Repeat([]byte("x"), 1000)
	buf, err := enc.AppendFrame(nil, wire.OpText, true, p)
	if err != nil {
		t.Fatal(err)
	}
	frame := slices.Clone(buf)
	again := slices.Clone(buf) // is unmasked in place
	var ev wire.Event
	if n := testing.AllocsPerRun(100, func() {
		buf, _ = enc.AppendFrame(buf[:0], wire.OpText, true, p)
	}); n != 0 {
		t.Errorf("AppendFrame of a %s allocates %v times", role, n)
	}
	if n := testing.AllocsPerRun(100, func() {
		for b := append(again[:0], frame...); len(b) > 0; {
			k, err := dec.Decode(b, &ev)
			if err != nil {
				t.Fatal(err)
			}
			b = b[k:]
		}
	}); n != 0 {
		t.Errorf("Decode at a %s allocates %v times", wire.Client-role, n)
	}
}

// zeros is a source of masks that leaves the payload as it is.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
