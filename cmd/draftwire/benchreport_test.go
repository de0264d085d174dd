package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire/cmd/draftwire/internal/load"
)

func TestBenchVerdict(t *testing.T) {
	for _, c := range []struct {
		code   int
		change func(*load.Report, *benchOptions)
	}{
		{exitDone, func(r *load.Report, o *benchOptions) {}},
		{exitDone, func(r *load.Report, o *benchOptions) { o.maxP99 = 31 * time.Millisecond }},
		{exitCondition, func(r *load.Report, o *benchOptions) { o.maxP99 = 29 * time.Millisecond }},
		{exitFailure, func(r *load.Report, o *benchOptions) { o.maxP99, r.Total.Errors, r.Worst = 1, 1, load.Failed }},
		{exitAbnormal, func(r *load.Report, o *benchOptions) { r.Total.Errors, r.Worst = 1, load.Abnormal }},
		{exitProtocol, func(r *load.Report, o *benchOptions) { r.Total.Errors, r.Worst = 1, load.Violation }},
		{exitFailure, func(r *load.Report, o *benchOptions) { r.Total.Messages = 0 }},
		{exitInterrupted, func(r *load.Report, o *benchOptions) { r.Interrupted, r.Total.Errors = true, 1 }},
	} {
		r, o := &load.Report{Total: load.Result{Messages: 100, P99: 30_000}}, benchOptions{}
		c.change(r, &o)
		code, err := exitDone, verdict(r, o)
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
}

func TestBenchProgress(t *testing.T) {
	type p = load.Progress
	for _, c := range []struct {
		before, now p
		want        string
	}{
		{p{}, p{Elapsed: time.Second, Opened: 1}, "connecting, 1s  1 connections  0 errors"},
		{p{}, p{Stage: load.WarmingUp, Elapsed: 1100 * time.Millisecond, Length: time.Minute, Opened: 1, Answers: 5}, "warming up, 1s of 1m0s  5 msgs/s  0 errors"},
		{p{Answers: 5}, p{Stage: load.Measuring, Elapsed: 3 * time.Second, Length: 10 * time.Second, Answers: 1, Errors: 2}, "3s of 10s  1 msgs/s  2 errors"},
		{p{Answers: 1}, p{Stage: load.Measuring, Elapsed: 4 * time.Second, Answers: 2, Errors: 2}, "4s  1 msgs/s  2 errors"},
	} {
		if got := progressLine(c.before, c.now); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	w, tick := newStream(), make(chan time.Time)
	stop := showProgress(w, tick, func() load.Progress { return load.Progress{} })
	tick <- time.Now()
	tick <- time.Now()
	stop()
	if got := w.String(); strings.Count(got, "\r") != 3 || !strings.HasSuffix(got, "errors\x1b[K\r\x1b[K") || strings.Contains(got, "\n") {
		t.Errorf("%q", got)
	}
}
