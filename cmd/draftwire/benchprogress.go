package main

import (
	"fmt"
	"io"
	"time"
)

// stage is what a run is about, for progress.
type stage struct {
	name   string
	began  time.Time
	length time.Duration // 0: not known
}

func (b *bench) enter(name string, length time.Duration) {
	b.stage.Store(&stage{name, time.Now(), length})
}

// showProgress redraws a line at each tick, until stop is called, which takes
// the line away.
func (b *bench) showProgress(w io.Writer, tick <-chan time.Time) (stop func()) {
	quit, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		var before int64
		for {
			select {
			case <-quit:
				io.WriteString(w, "\r\x1b[K")
				return
			case <-tick:
			}
			var line string
			line, before = b.progressLine(time.Now(), before)
			fmt.Fprintf(w, "\r%s\x1b[K", line)
		}
	}()
	return func() {
		close(quit)
		<-gone
	}
}

// progressLine tells the elapsed time, the answers since the line before and
// the errors so far.
func (b *bench) progressLine(now time.Time, before int64) (line string, answers int64) {
	var errs int64
	opened := 0
	for _, t := range b.tallies {
		n, e := t.soFar()
		answers, errs = answers+n, errs+e
		t.mu.Lock()
		opened += t.opened
		t.mu.Unlock()
	}
	if answers < before {
		before = 0 // the count began again after the warm-up
	}
	s := b.stage.Load()
	line = now.Sub(s.began).Round(time.Second).String()
	if s.length > 0 {
		line += " of " + s.length.String()
	}
	if s.name != "" {
		line = s.name + ", " + line
	}
	if answers == 0 {
		line += fmt.Sprintf("  %d connections", opened)
	} else {
		line += fmt.Sprintf("  %d msgs/s", answers-before)
	}
	return line + fmt.Sprintf("  %d errors", errs), answers
}
