package load

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/draftwire/draftwire"
)

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		weights []int
		conns   int
		want    []int
	}{
		{[]int{100}, 50, []int{50}},
		{[]int{40, 30, 30}, 50, []int{20, 15, 15}},
		{[]int{1, 1, 1}, 50, []int{17, 17, 16}},
		{[]int{50, 30, 20}, 7, []int{4, 2, 1}}, // 3.5, 2.1, 1.4
		{[]int{1, 9999, 1}, 50, []int{1, 48, 1}},
		{[]int{9999, 9999, 1}, 4, []int{1, 2, 1}},
		{[]int{1, 1, 1, 1, 1, 1, 1, 1, 10000}, 9, []int{1, 1, 1, 1, 1, 1, 1, 1, 1}},
		{[]int{3, 1}, 1, []int{1, 1}}, // too few: each has one all the same
	} {
		var mix []Share
		for _, w := range c.weights {
			mix = append(mix, Share{Weight: w})
		}
		got := spread(mix, c.conns)
		if !slices.Equal(got, c.want) {
			t.Errorf("%v: got %v, want %v", c.weights, got, c.want)
		}
		var tallies []*tally
		for _, n := range got {
			tallies = append(tallies, &tally{wanted: n})
		}
		if order := interleave(tallies); len(order) != max(c.conns, len(mix)) || order[0] != 0 || len(mix) > 1 && order[1] != 1 {
			t.Errorf("%v: %v", c.weights, order)
		}
	}
}

// Each payload is told from all others that may be under way.
func TestPayload(t *testing.T) {
	filler := newFiller(300 << 10)
	if len(filler) != 300<<10 || !utf8.Valid(filler) {
		t.Fatalf("%d bytes", len(filler))
	}
	o := &Options{Sizes: []int{3, 40, 300 << 10}, Op: draftwire.OpText}
	w := &worker{o: o, filler: filler, buf: slices.Clone(filler), id: 0xabcdef01}
	for n := range uint64(5000) {
		w.wants = n
		p := w.payload(n)
		if !w.isNext(p) {
			t.Fatalf("%d is not itself", n)
		}
		w.wants = n + 1
		if w.isNext(p) {
			t.Fatalf("%d is %d", n, n+1)
		}
		if w.wants = n + uint64(len(o.Sizes)); w.isNext(p) {
			t.Fatalf("%d is %d", n, w.wants)
		}
		w.wants = n
		p[len(p)-1] ^= 0x20
		if w.isNext(p) {
			t.Fatalf("%d has another end", n)
		}
		p[len(p)-1] ^= 0x20
		if w.id++; len(p) > stampLen && w.isNext(p) {
			t.Fatalf("%d is another connection's", n)
		}
		w.id--
	}
}

func TestCheckAllocates(t *testing.T) {
	v := newTally(draftwire.RFC6455, 1, nil)
	o := &Options{Sizes: []int{125, 2000}, Op: draftwire.OpText}
	filler := newFiller(2000)
	w := &worker{o: o, filler: filler, buf: slices.Clone(filler), tally: v, shard: &v.shards[0]}
	p, now := &phase{start: time.Now(), workers: []*worker{w}}, time.Now()
	n := testing.AllocsPerRun(1000, func() {
		data := w.payload(w.wants)
		if _, ok := p.due(0, int(w.wants)); !ok || p.ended(now) {
			t.Fatal("over")
		}
		w.check(p, draftwire.OpText, data, now)
	})
	if n != 0 || v.shards[0].wrong != 0 {
		t.Errorf("%v allocations a message, %d wrong", n, v.shards[0].wrong)
	}
}

// What a peer says cannot grow without end, and the worst failure is kept.
func TestReasons(t *testing.T) {
	v := newTally(draftwire.RFC6455, 1, func(f Failure) (string, Severity) {
		if !f.Opened || f.Version != draftwire.RFC6455 {
			t.Errorf("explained: %+v", f)
		}
		switch {
		case errors.Is(f.Err, errViolation):
			return "reason 0", Violation
		case errors.Is(f.Err, errAbnormal):
			return "reason 1", Abnormal
		}
		return f.Err.Error(), Failed
	})
	for i := range 100 {
		v.addBroken(fmt.Errorf("reason %d", i%50))
	}
	if v.worst != Failed {
		t.Errorf("the worst is %d", v.worst)
	}
	v.addBroken(errViolation)
	v.addBroken(errAbnormal)
	total := 0
	for _, r := range v.reasons {
		total += r.Count
	}
	if len(v.reasons) != maxReasons+1 || total != 102 || v.reasons[0] != (Reason{"reason 0", 3}) || v.reasons[maxReasons].Text != otherReasons || v.worst != Violation {
		t.Errorf("%d %v", v.worst, v.reasons)
	}
}

var errViolation, errAbnormal = errors.New("violation"), errors.New("abnormal")

func TestHistogramBounds(t *testing.T) {
	h := newHistogram()
	recordTime(h, time.Hour)
	recordTime(h, 0)
	if h.TotalCount() != 2 || h.Min() != 1 || h.Max() < 60_000_000 || h.Max() > 60_100_000 {
		t.Errorf("%d values from %d to %d", h.TotalCount(), h.Min(), h.Max())
	}
}

func TestProgress(t *testing.T) {
	r := New(Options{Mix: []Share{{draftwire.RFC6455, 1}}, Connections: 2})
	v := r.tallies[0]
	check := func(want Progress) {
		t.Helper()
		got := r.Progress()
		if got.Elapsed = 0; got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	check(Progress{Stage: Connecting})
	v.addOpened(time.Millisecond)
	check(Progress{Stage: Connecting, Opened: 1})
	r.enter(WarmingUp, time.Minute)
	for range 5 {
		v.shards[0].addRight(time.Millisecond, 0, 1)
	}
	check(Progress{Stage: WarmingUp, Length: time.Minute, Opened: 1, Answers: 5})
	v.restart()
	v.shards[0].addWrong()
	v.shards[0].addRight(time.Millisecond, 0, 1)
	v.addBroken(ErrLate)
	r.enter(Measuring, 0)
	check(Progress{Stage: Measuring, Opened: 1, Answers: 1, Errors: 2})
}
