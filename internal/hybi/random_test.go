package hybi

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"strings"
	"sync"
	"testing"

	"github.com/draftwire/draftwire/wire"
)

// BenchmarkClientFrame is what a short frame of a client costs: its mask is most of it.
func BenchmarkClientFrame(b *testing.B) {
	payload := make([]byte, 125)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		c := NewCodec(profile6455, wire.CodecConfig{Role: wire.Client})
		var dst []byte
		for pb.Next() {
			dst, _ = c.AppendFrame(dst[:0], wire.OpText, true, payload)
		}
	})
}

// masked is a frame of a client's and its mask.
func masked(t *testing.T, c *Codec) [4]byte {
	t.Helper()
	frame, err := c.AppendFrame(nil, wire.OpText, true, []byte("hello"))
	if err != nil || len(frame) != 2+4+5 {
		t.Fatalf("%x, %v", frame, err)
	}
	key := [4]byte(frame[2:])
	if Mask(frame[6:], key, 0); string(frame[6:]) != "hello" {
		t.Fatalf("unmasked %q", frame[6:])
	}
	return key
}

// No mask comes twice, of one client or of many at once, and the bits of masks are set
// as often as not.
func TestMasksOfClientsAreFresh(t *testing.T) {
	const clients, frames = 8, 5000
	var mu sync.Mutex
	seen, twice, ones := make(map[[4]byte]bool), 0, 0
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			c := NewCodec(profile6455, wire.CodecConfig{Role: wire.Client})
			for range frames {
				key := masked(t, c)
				mu.Lock()
				if seen[key] {
					twice++
				}
				seen[key] = true
				ones += bits.OnesCount32(binary.BigEndian.Uint32(key[:]))
				mu.Unlock()
			}
		})
	}
	all.Wait()
	// Of 40,000 values of 32 bits some 0.2 are expected to come twice.
	if twice > 5 {
		t.Errorf("%d masks came twice", twice)
	}
	if n := clients * frames * 32; ones < n*49/100 || ones > n*51/100 {
		t.Errorf("%d of %d bits are set", ones, n)
	}
}

// What a mask was made of is cleared, and what is still unused is not touched.
func TestUsedRandomBytesAreCleared(t *testing.T) {
	k := &block{}
	var p [4]byte
	for i := range 3*blockSize/4 + 1 {
		k.mask(p[:])
		used := blockSize - 4*(i%(blockSize/4)+1)
		if k.unused != used || !bytes.Equal(k.b[used:], make([]byte, blockSize-used)) || used > 16 && bytes.Equal(k.b[:used], make([]byte, used)) {
			t.Fatalf("mask %d: %d bytes left, %x", i, k.unused, k.b)
		}
	}
}

// A source of the caller's gives each mask, and no byte of it is read ahead.
func TestMasksOfASourceAreItsBytes(t *testing.T) {
	src := strings.NewReader("abcdefgh")
	c := NewCodec(profile6455, wire.CodecConfig{Role: wire.Client, Rand: src})
	if key := masked(t, c); string(key[:]) != "abcd" || src.Len() != 4 {
		t.Errorf("mask %q, %d bytes left", key, src.Len())
	}
	if key := masked(t, c); string(key[:]) != "efgh" {
		t.Errorf("mask %q", key)
	}
	if _, err := c.AppendFrame(nil, wire.OpText, true, nil); err == nil {
		t.Error("a mask of nothing")
	}
}
