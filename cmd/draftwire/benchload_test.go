package main

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/draftwire/draftwire"
)

func TestBenchSpread(t *testing.T) {
	for _, c := range []struct {
		mix   string
		conns int
		want  []int
	}{
		{"13=100", 50, []int{50}},
		{"76=40,8=30,13=30", 50, []int{20, 15, 15}},
		{"76=1,8=1,13=1", 50, []int{17, 17, 16}},
		{"76=50,8=30,13=20", 7, []int{4, 2, 1}}, // 3.5, 2.1, 1.4
		{"76=1,8=9999,13=1", 50, []int{1, 48, 1}},
		{"76=9999,8=9999,13=1", 4, []int{1, 2, 1}},
		{"75=1,76=1,hybi-02=1,4=1,5=1,6=1,7=1,8=1,13=10000", 9, []int{1, 1, 1, 1, 1, 1, 1, 1, 1}},
	} {
		mix, err := parseMix(c.mix)
		if err != nil {
			t.Fatal(err)
		}
		if err := spread(mix, c.conns); err != nil {
			t.Fatal(err)
		}
		var got []int
		for _, s := range mix {
			got = append(got, s.conns)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.mix, got, c.want)
		}
		if order := interleave(mix); len(order) != c.conns || order[0] != 0 || len(mix) > 1 && order[1] != 1 {
			t.Errorf("%s: %v", c.mix, order)
		}
	}
}

// Each payload is told from all others that may be under way.
func TestBenchPayload(t *testing.T) {
	filler := newFiller(300 << 10)
	if len(filler) != 300<<10 || !utf8.Valid(filler) {
		t.Fatalf("%d bytes", len(filler))
	}
	o := &benchOptions{sizes: []int{3, 40, 300 << 10}, op: draftwire.OpText}
	l := &loader{o: o, filler: filler, buf: slices.Clone(filler), id: 0xabcdef01}
	for n := range uint64(5000) {
		l.wants = n
		size := l.sizeOf(n)
		p := l.buf[:size]
		writeStamp(p, n, l.id)
		if !l.isNext(p) {
			t.Fatalf("%d is not itself", n)
		}
		l.wants = n + 1
		if l.isNext(p) {
			t.Fatalf("%d is %d", n, n+1)
		}
		if l.wants = n + uint64(len(o.sizes)); l.isNext(p) {
			t.Fatalf("%d is %d", n, l.wants)
		}
		l.wants = n
		p[size-1] ^= 0x20
		if l.isNext(p) {
			t.Fatalf("%d has another end", n)
		}
		p[size-1] ^= 0x20
		if l.id++; size > stampLen && l.isNext(p) {
			t.Fatalf("%d is another connection's", n)
		}
		l.id--
	}
}

func TestBenchJudgeAllocates(t *testing.T) {
	v := newTally(share{version: draftwire.RFC6455, conns: 1})
	o := &benchOptions{sizes: []int{125, 2000}, op: draftwire.OpText}
	filler := newFiller(2000)
	l := &loader{o: o, filler: filler, buf: slices.Clone(filler), tally: v, shard: &v.shards[0]}
	p, now := &lap{start: time.Now(), live: []*loader{l}}, time.Now()
	n := testing.AllocsPerRun(1000, func() {
		data := l.buf[:l.sizeOf(l.wants)]
		writeStamp(data, l.wants, l.id)
		if _, ok := p.due(0, int(l.wants)); !ok || p.ended(now) {
			t.Fatal("over")
		}
		l.judge(p, draftwire.OpText, data, now)
	})
	if n != 0 || v.shards[0].wrong != 0 {
		t.Errorf("%v allocations a message, %d wrong", n, v.shards[0].wrong)
	}
}

// What a peer says cannot grow without end.
func TestBenchReasons(t *testing.T) {
	v := newTally(share{version: draftwire.RFC6455, conns: 1})
	for i := range 100 {
		v.hasBroken(fmt.Errorf("reason %d", i%50))
	}
	v.hasBroken(exitf(exitProtocol, "reason 0"))
	v.hasBroken(exitf(exitAbnormal, "reason 1"))
	total := 0
	for _, r := range v.reasons {
		total += r.Count
	}
	if len(v.reasons) != maxReasons+1 || total != 102 || v.reasons[0] != (reason{"reason 0", 3}) || v.reasons[maxReasons].Text != otherReasons || v.code != exitProtocol {
		t.Errorf("%d %v", v.code, v.reasons)
	}
}

func TestBenchVerdict(t *testing.T) {
	for _, c := range []struct {
		code   int
		change func(*benchReport, *benchOptions)
	}{
		{exitDone, func(r *benchReport, o *benchOptions) {}},
		{exitDone, func(r *benchReport, o *benchOptions) { o.maxP99 = 31 * time.Millisecond }},
		{exitCondition, func(r *benchReport, o *benchOptions) { o.maxP99 = 29 * time.Millisecond }},
		{exitFailure, func(r *benchReport, o *benchOptions) { o.maxP99, r.total.wrong, r.total.code = 1, 1, exitFailure }},
		{exitAbnormal, func(r *benchReport, o *benchOptions) { r.total.broken, r.total.code = 1, exitAbnormal }},
		{exitFailure, func(r *benchReport, o *benchOptions) { r.total.latency.Reset() }},
		{exitInterrupted, func(r *benchReport, o *benchOptions) { r.interrupted, r.total.broken = true, 1 }},
	} {
		r, o := &benchReport{total: newSum("total")}, benchOptions{}
		for range 100 {
			recordTime(r.total.latency, 30*time.Millisecond)
		}
		c.change(r, &o)
		code, err := exitDone, r.verdict(o)
		var e *exitError
		if errors.As(err, &e) {
			code = e.code
		}
		if code != c.code {
			t.Errorf("got %v, want exit %d", err, c.code)
		}
	}
}

func TestShortTime(t *testing.T) {
	for us, want := range map[int64]string{
		1: "1µs", 999: "999µs", 1234: "1.23ms", 9999: "10ms", 12345: "12.3ms", 123456: "123ms", 1234567: "1.23s", 59_999_999: "1m0s",
	} {
		if got := shortTime(us); got != want {
			t.Errorf("%d: got %s, want %s", us, got, want)
		}
	}
	h := newHistogram()
	recordTime(h, time.Hour)
	recordTime(h, 0)
	if h.TotalCount() != 2 || h.Min() != 1 || h.Max() < 60_000_000 || h.Max() > 60_100_000 {
		t.Errorf("%d values from %d to %d", h.TotalCount(), h.Min(), h.Max())
	}
}
