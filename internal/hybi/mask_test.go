package hybi

import (
	"bytes"
	"testing"
)

func TestMask(t *testing.T) {
	key := [4]byte{0x37, 0xFA, 0x21, 0x3D}
	for n := range 300 {
		for pos := range 5 {
			b := bytes.Repeat([]byte{0xA5}, n)
			want := make([]byte, n)
			for i := range want {
				want[i] = 0xA5 ^ key[(i+pos)%4]
			}
			Mask(b, key, pos)
			if !bytes.Equal(b, want) {
				t.Fatalf("%d bytes at %d: %x, want %x", n, pos, b, want)
			}
		}
	}
}

func BenchmarkMask(b *testing.B) {
	for name, n := range map[string]int{"125": 125, "1KiB": 1 << 10, "64KiB": 64 << 10} {
		b.Run(name, func(b *testing.B) {
			p := make([]byte, n)
			b.SetBytes(int64(n))
			for b.Loop() {
				Mask(p, [4]byte{1, 2, 3, 4}, 1)
			}
		})
	}
}
