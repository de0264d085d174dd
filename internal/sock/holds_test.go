package sock

import (
	"testing"
	"testing/synctest"
	"time"
)

// flushes counts the calls of FlushHeld, and when the last one came.
type flushes struct {
	n    int
	last time.Time
}

func (f *flushes) FlushHeld() { f.n, f.last = f.n+1, time.Now() }

// sleep lets time pass, and what it begins end.
func sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// TestHolds: what is held is flushed within the time, whichever connection held something
// before it, and the timer rests when nothing is held.
func TestHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = time.Millisecond
		var x holds
		var a, b flushes
		start := time.Now()
		x.add(&a, most)
		x.add(&b, most) // the turn of a has ended
		sleep(most / 2)
		x.add(&b, most)
		sleep(most)
		if a.n != 0 || b.n != 1 || b.last.Sub(start) != most {
			t.Errorf("%d and %d flushes, the last after %v", a.n, b.n, b.last.Sub(start))
		}
		x.add(&a, most)
		sleep(most)
		if a.n != 1 || a.last.Sub(start) != 2*most {
			t.Errorf("%d flushes, the last after %v", a.n, a.last.Sub(start))
		}
		sleep(time.Second)
		if a.n != 1 || b.n != 1 || x.runs {
			t.Errorf("%d and %d flushes, and the timer runs: %v", a.n, b.n, x.runs)
		}
		x.add(&b, most)
		sleep(most)
		if b.n != 2 {
			t.Errorf("%d flushes of what was held after a rest", b.n)
		}
	})
}
