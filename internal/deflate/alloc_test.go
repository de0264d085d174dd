//go:build !race

package deflate

import (
	"io"
	"testing"
)

// Units allocate nothing, in neither direction (without the race detector, under
// which pools forget at random).
func TestAllocations(t *testing.T) {
	for _, takeover := range []bool{false, true} {
		for _, size := range sizes {
			c, e := Compressor{Takeover: takeover}, Expander{Takeover: takeover}
			u := text(size.n, 1)
			z := make([]byte, 0, 2*size.n)
			unit := func() {
				z = c.Append(z[:0], u, true)
				e.Gather(z)
				for {
					_, err := e.Expand(int64(size.n))
					if err == io.EOF {
						break
					}
					if err != nil {
						t.Fatal(err)
					}
				}
				e.Drop()
			}
			for range 500 { // until the windows are full
				unit()
			}
			if n := testing.AllocsPerRun(200, unit); n > 0 {
				t.Errorf("%s, takeover %v: %v allocations", size.name, takeover, n)
			}
		}
	}
}
