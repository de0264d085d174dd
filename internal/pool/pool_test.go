package pool

import "testing"

func TestSizes(t *testing.T) {
	for _, n := range []int{0, 1, 512, 513, 8 << 10, 128 << 10, 1 << 20} {
		b := Get(n)
		if len(b.B) != 0 || cap(b.B) < n {
			t.Errorf("Get(%d): length %d, capacity %d", n, len(b.B), cap(b.B))
		}
		b.B = append(b.B, make([]byte, n+1)...)
		Put(b)
	}
	Put(nil)
	if b := Get(100); cap(b.B) < 100 {
		t.Errorf("a reused buffer has capacity %d", cap(b.B))
	}
}
