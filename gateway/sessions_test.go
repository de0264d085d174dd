package gateway

import (
	"math/rand/v2"
	"testing"
)

// Each side is looked at in the second for which it was planned, or in the next one that comes; what is far
// ahead is looked at in vain before, and what has ended never.
func TestSessionsDue(t *testing.T) {
	const seed, seconds = 7, 1000
	r := rand.New(rand.NewPCG(seed, 0))
	var x sessions
	wants := make(map[*Session]*[2]int64) // the second of the next look, 0: none is planned
	plan := func(s *Session, side int) {
		second := x.looked + r.Int64N(2*dueSeconds)
		x.plan(s, side, second)
		wants[s][side] = max(x.looked+1, second)
	}
	var due []dueSide
	for second := int64(1); second < seconds; second++ {
		for range r.IntN(20) {
			s := new(Session)
			x.add(s)
			wants[s] = new([2]int64)
			for side := range 2 {
				if r.IntN(4) > 0 {
					plan(s, side)
				}
			}
		}
		for range r.IntN(20) {
			if n := len(x.all); n > 0 {
				s := x.all[r.IntN(n)]
				x.remove(s)
				x.remove(s) // which does nothing
				delete(wants, s)
			}
		}
		if r.IntN(50) == 0 {
			second += dueSeconds * r.Int64N(3) // the process was stopped
		}
		due = x.take(second, due[:0])
		for _, d := range due {
			want, ok := wants[d.s]
			switch {
			case !ok:
				t.Fatalf("in second %d a session is due that has ended", second)
			case want[d.side] == 0:
				t.Fatalf("in second %d a side is due of which no look is planned", second)
			case want[d.side] > second:
				x.plan(d.s, d.side, want[d.side])
				continue
			}
			if want[d.side] = 0; r.IntN(2) == 0 {
				plan(d.s, d.side)
			}
		}
		for s, want := range wants {
			for side := range want {
				if want[side] != 0 && want[side] <= second {
					t.Fatalf("in second %d a side was not looked at that was due in %d", second, want[side])
				}
			}
			if x.all[s.place-1] != s {
				t.Fatal("a session does not know its place")
			}
		}
		if len(x.all) != len(wants) {
			t.Fatalf("%d sessions, want %d", len(x.all), len(wants))
		}
	}
}
