package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/cmd/draftwire/internal/load"
)

// runBench opens the connections, loads the server, prints what was measured and closes.
func runBench(ctx context.Context, o benchOptions, std stdio, signals <-chan os.Signal) error {
	ctx, stop := interruptible(ctx, signals)
	defer stop()
	o.load.Explain = func(f load.Failure) (string, load.Severity) { return explainFailure(f, o.load.Timeout) }
	run := load.New(o.load)
	hide := func() {}
	if !o.quiet && isTerminal(std.err) {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		hide = showProgress(std.err, tick.C, run.Progress)
	}
	r, err := run.Measure(ctx)
	hide()
	code := draftwire.CodeNormal
	if ctx.Err() != nil {
		code = draftwire.CodeGoingAway
	}
	stop() // the next signal is for closing
	defer closeAll(run, code, signals)
	if err != nil {
		return dialFailed(err)
	}
	if r == nil {
		return &exitError{code: exitInterrupted} // before anything was measured
	}
	if err := writeBench(std.out, r, o); err != nil {
		return err
	}
	if !o.quiet {
		comment(std.err, r)
	}
	return verdict(r, o)
}

// closeAll closes all connections with a closing handshake; a signal cuts them.
func closeAll(run *load.Run, code draftwire.CloseCode, signals <-chan os.Signal) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		run.Close(code)
	}()
	select {
	case <-done:
	case <-signals:
		run.CloseNow()
		<-done
	}
}

// explainFailure says why a connection of a run failed. Connections that failed in the same way
// have the same text.
func explainFailure(f load.Failure, timeout time.Duration) (string, load.Severity) {
	if !f.Opened {
		return reasonText(dialFailed(f.Err)), load.Failed
	}
	code, reason := ending(f.Version, f.Err)
	err := broken(f.Err, code)
	switch {
	case errors.Is(f.Err, load.ErrLate):
		return fmt.Sprintf("no answer within %s", timeout), load.Failed
	case errors.Is(f.Err, draftwire.ErrTooBig):
		return "an answer is larger than any message", load.Failed
	case err == nil:
		return short(strings.TrimSpace(fmt.Sprintf("the server closed: %d %s", code, visible(reason)))), load.Failed
	case code == draftwire.CodeAbnormal:
		return reasonText(err), load.Abnormal
	}
	return reasonText(err), load.Violation
}

// reasonText is an error without what differs from connection to connection.
func reasonText(err error) string {
	text := errorText(err)
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Source != nil {
		text = strings.ReplaceAll(text, op.Source.String()+"->", "")
	}
	return short(text)
}

// showProgress redraws a line at each tick until stop is called, which removes it.
func showProgress(w io.Writer, tick <-chan time.Time, progress func() load.Progress) (stop func()) {
	quit, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		var before load.Progress
		for {
			select {
			case <-quit:
				io.WriteString(w, "\r\x1b[K")
				return
			case <-tick:
			}
			now := progress()
			fmt.Fprintf(w, "\r%s\x1b[K", progressLine(before, now))
			before = now
		}
	}()
	return func() {
		close(quit)
		<-gone
	}
}

var stageNames = map[load.Stage]string{load.Connecting: "connecting, ", load.WarmingUp: "warming up, ", load.Measuring: ""}

// progressLine says how long a run lasts, its answers in the second since before, and its
// errors so far.
func progressLine(before, now load.Progress) string {
	line := stageNames[now.Stage] + now.Elapsed.Round(time.Second).String()
	if now.Length > 0 {
		line += " of " + now.Length.String()
	}
	if now.Answers == 0 {
		line += fmt.Sprintf("  %d connections", now.Opened)
	} else {
		if now.Answers < before.Answers {
			before.Answers = 0 // they are counted anew after the warm-up
		}
		line += fmt.Sprintf("  %d msgs/s", now.Answers-before.Answers)
	}
	return line + fmt.Sprintf("  %d errors", now.Errors)
}
