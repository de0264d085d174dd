package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Bounds of lines that wait to be written.
const (
	logDelay    = 20 * time.Millisecond // how long the line of a connection waits for others
	logBatch    = 32 << 10              // bytes that do not wait any longer
	logMost     = 2 << 20               // bytes that wait, and as many that are being written; further lines are lost
	logAgain    = 10 * time.Millisecond // until a writer is tried again that takes nothing just now
	logRetry    = time.Second           // until a writer is tried again that has failed
	logFarewell = 3 * time.Second       // how long the end of the program waits for lines to be written
)

// pipeWhole is how much a pipe takes as a whole (PIPE_BUF of Linux; POSIX has less). Two
// processes of a gateway may write to one pipe, and no line is to stand within another's.
const pipeWhole = 4096

// logOut is where the lines of a log go. At first whoever logs writes. After start a goroutine
// does, so nobody waits for who reads the log. The line of a connection then waits for others
// for at most logDelay; every other line goes at once, behind all that came before it.
type logOut struct {
	w    io.Writer
	part int                      // the most bytes of one write, but for a longer line
	told func(lost uint64) []byte // makes the line about lost lines
	drop atomic.Pointer[func()]   // is called for each lost line; nil: nobody

	mu      sync.Mutex
	mode    logMode
	eager   bool // w is a terminal: no line waits
	waiting []byte
	lost    uint64 // lines that nothing has been said of

	writing []byte // of the goroutine
	some    chan struct{}
	now     chan struct{}
	stop    chan struct{}
	done    chan struct{}
}

// logMode is who writes.
type logMode uint8

const (
	logDirect  logMode = iota // who logs
	logWaiting                // the goroutine
	logOver                   // nobody: the program ends, and w takes nothing
)

func newLogOut(w io.Writer) *logOut {
	o := &logOut{w: w, part: logBatch, eager: isTerminal(w)}
	if f, ok := w.(*os.File); ok {
		if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
			o.part = pipeWhole
		}
	}
	return o
}

// start makes a goroutine write, until the function that it returns is called. That returns
// when all lines have been written, or after logFarewell.
func (o *logOut) start() (stop func()) {
	o.some, o.now = make(chan struct{}, 1), make(chan struct{}, 1)
	o.stop, o.done = make(chan struct{}), make(chan struct{})
	o.mu.Lock()
	o.mode = logWaiting
	o.mu.Unlock()
	go o.run()
	return sync.OnceFunc(func() {
		close(o.stop)
		select {
		case <-o.done:
		case <-time.After(logFarewell):
			o.mu.Lock()
			o.mode = logOver
			o.mu.Unlock()
		}
	})
}

// Write implements io.Writer for logrus. A line that cannot be written is no error of who
// logs.
func (o *logOut) Write(p []byte) (int, error) {
	o.put(p, o.now)
	return len(p), nil
}

// add adds the line of a connection.
func (o *logOut) add(p []byte) { o.put(p, o.some) }

// put adds a line and wakes the goroutine, which may then write or wait a little.
func (o *logOut) put(p []byte, wake chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.mode == logDirect:
		o.w.Write(p)
		return
	case o.mode == logOver || len(o.waiting)+len(p) > logMost:
		o.lost++
		if f := o.drop.Load(); f != nil {
			(*f)()
		}
		return
	}
	o.waiting = append(o.waiting, p...)
	if o.eager || len(o.waiting) >= logBatch {
		wake = o.now
	}
	select {
	case wake <- struct{}{}:
	default:
	}
}

// run writes lines until stop is closed and all are written.
func (o *logOut) run() {
	defer close(o.done)
	pause := time.NewTimer(0)
	for {
		select {
		case <-o.some:
		case <-o.now:
		case <-o.stop:
			o.finish()
			return
		}
		wait, now := logDelay, o.now
		if err := o.flush(); err != nil {
			wait, now = pauseAfter(err), nil
			wake(o.some) // for what is left
		}
		pause.Reset(wait)
		select {
		case <-pause.C:
		case <-now:
			wake(o.now)
		case <-o.stop:
		}
	}
}

// wake leaves word in a channel, unless there is one.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// pauseAfter is how long to wait after an error.
func pauseAfter(err error) time.Duration {
	if errors.Is(err, syscall.EAGAIN) { // who reads is slow
		return logAgain
	}
	return logRetry
}

// finish writes what is left, and lets those that log write from then on.
func (o *logOut) finish() {
	for {
		err := o.flush()
		if errors.Is(err, syscall.EAGAIN) {
			time.Sleep(logAgain)
		}
		o.mu.Lock()
		switch {
		case err != nil && !errors.Is(err, syscall.EAGAIN):
			o.mode = logOver
		case err == nil && len(o.waiting) == 0 && o.lost == 0:
			o.mode = logDirect
		}
		over := o.mode != logWaiting
		o.mu.Unlock()
		if over {
			return
		}
	}
}

// flush writes what an error has left, and the lines that wait.
func (o *logOut) flush() error {
	if err := o.write(); err != nil {
		return err
	}
	o.mu.Lock()
	if o.waiting, o.writing = o.writing[:0], o.waiting; cap(o.waiting) > 4*logBatch {
		o.waiting = nil // there was a flood
	}
	lost := o.lost
	o.lost = 0
	o.mu.Unlock()
	if lost > 0 {
		o.writing = append(o.writing, o.told(lost)...)
	}
	return o.write()
}

// write writes what the goroutine has taken, in parts of whole lines.
func (o *logOut) write() error {
	from := 0
	defer func() { o.writing = o.writing[:copy(o.writing, o.writing[from:])] }()
	for from < len(o.writing) {
		n, err := o.w.Write(wholeLines(o.writing[from:], o.part))
		from += n
		if err != nil {
			return err
		}
	}
	return nil
}

// wholeLines returns the first lines of p, up to most bytes, but at least one line.
func wholeLines(p []byte, most int) []byte {
	if len(p) <= most {
		return p
	}
	if i := bytes.LastIndexByte(p[:most], '\n'); i >= 0 {
		return p[:i+1]
	}
	if i := bytes.IndexByte(p, '\n'); i >= 0 {
		return p[:i+1]
	}
	return p
}
