package spread

import (
	"sync/atomic"
	"testing"
)

// Each element is in one part.
func TestEach(t *testing.T) {
	for _, n := range []int{0, 1, 15, 16, 17, 1000} {
		seen := make([]atomic.Int32, n)
		Each(n, func(from, to int) {
			if from >= to {
				t.Errorf("a part from %d to %d", from, to)
			}
			for i := from; i < to; i++ {
				seen[i].Add(1)
			}
		})
		for i := range seen {
			if seen[i].Load() != 1 {
				t.Errorf("of %d, element %d came %d times", n, i, seen[i].Load())
			}
		}
	}
}
