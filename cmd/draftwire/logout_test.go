package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
)

// sink is a writer whose faults a test chooses.
type sink struct {
	mu     sync.Mutex
	got    bytes.Buffer
	writes int
	fail   func(p []byte) (int, error) // nil: none
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	fail := s.fail
	s.mu.Unlock()
	n, err := len(p), error(nil)
	if fail != nil {
		n, err = fail(p)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	s.got.Write(p[:n])
	return n, err
}

func (s *sink) set(fail func(p []byte) (int, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = fail
}

func (s *sink) text() (string, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got.String(), s.writes
}

// behind returns a log into a sink whose lines a goroutine writes.
func behind(t *testing.T) (*sink, *logrus.Logger, *logOut, func()) {
	t.Helper()
	to := &sink{}
	log, err := newLogger(to, logOptions{level: "info", format: "json"})
	if err != nil {
		t.Fatal(err)
	}
	return to, log, log.Out.(*logOut), writeBehind(log)
}

// The first line of a connection is written at once, those behind it together and in time, and
// any other line at once, behind all before it.
func TestLinesAreWrittenInTimeAndInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to, log, out, stop := behind(t)
		want := func(text string, writes int) {
			t.Helper()
			synctest.Wait()
			if got, n := to.text(); got != text || n != writes {
				t.Errorf("wrote %q in %d writes, want %q in %d", got, n, text, writes)
			}
		}
		out.add([]byte("1\n"))
		want("1\n", 1)
		out.add([]byte("2\n"))
		out.add([]byte("3\n"))
		want("1\n", 1)
		time.Sleep(logDelay)
		want("1\n2\n3\n", 2)
		out.add([]byte("4\n"))
		time.Sleep(logDelay / 2)
		out.Write([]byte("5\n"))
		want("1\n2\n3\n4\n5\n", 3)
		out.add([]byte("6\n"))
		stop()
		want("1\n2\n3\n4\n5\n6\n", 4)
		out.add([]byte("7\n"))
		want("1\n2\n3\n4\n5\n6\n7\n", 5) // behind the end who logs writes
		log.Warn("x")
		if text, _ := to.text(); !strings.HasSuffix(text, "\"x\"}\n") {
			t.Errorf("the last line is %q", text)
		}
	})
}

// Many lines do not wait for the time to pass.
func TestAFullBatchIsWrittenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to, _, out, stop := behind(t)
		defer stop()
		out.add([]byte("first\n"))
		synctest.Wait()
		row := []byte(strings.Repeat("x", 1023) + "\n")
		for range logBatch / len(row) {
			out.add(row)
		}
		synctest.Wait()
		if text, n := to.text(); len(text) != len("first\n")+logBatch || n != 2 {
			t.Errorf("%d bytes in %d writes", len(text), n)
		}
	})
}

// A writer that takes nothing holds nobody up: so many lines wait for it, the others are
// counted, and the log says how many there were.
func TestAWriterThatTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to, _, out, stop := behind(t)
		dropped := 0
		drop := func() { dropped++ }
		out.drop.Store(&drop)
		open := make(chan struct{})
		to.set(func(p []byte) (int, error) { <-open; return len(p), nil })
		const rows = 10_000
		for i := range rows {
			out.add(fmt.Appendf(nil, "%04d %s\n", i, strings.Repeat("x", 1000)))
			if i == 0 {
				synctest.Wait()
			}
		}
		if cap(out.waiting) > 3*logMost {
			t.Errorf("%d bytes wait", cap(out.waiting))
		}
		to.set(nil)
		close(open)
		time.Sleep(logDelay)
		out.add([]byte("then\n"))
		stop()
		text, _ := to.text()
		lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
		kept := len(lines) - 2
		for i, line := range lines[:kept] {
			if !strings.HasPrefix(line, fmt.Sprintf("%04d ", i)) {
				t.Fatalf("line %d is %.20q", i, line)
			}
		}
		if kept < logMost/1006 || dropped != rows-kept || !strings.Contains(lines[kept], fmt.Sprintf(`"lines":%d`, rows-kept)) || lines[kept+1] != "then" {
			t.Errorf("%d lines are kept; then %q", kept, lines[kept:])
		}
	})
}

// A writer that fails is tried again, from where it failed: nothing is lost or doubled.
func TestAWriterThatFailsForAWhile(t *testing.T) {
	for _, fault := range []error{syscall.EAGAIN, syscall.ENOSPC, io.ErrShortWrite, errors.New("?")} {
		synctest.Test(t, func(t *testing.T) {
			to, _, out, stop := behind(t)
			to.set(func(p []byte) (int, error) { return min(3, len(p)), fault })
			var want strings.Builder
			for i := range 100 {
				line := fmt.Sprintf("line %d\n", i)
				want.WriteString(line)
				out.add([]byte(line))
				time.Sleep(logDelay)
			}
			to.set(nil)
			time.Sleep(logRetry)
			synctest.Wait()
			if got, _ := to.text(); got != want.String() {
				t.Errorf("%v: wrote %q", fault, got)
			}
			stop()
		})
	}
}

// The end does not wait for a writer that takes nothing, nor for one that fails.
func TestTheEndDoesNotWaitForTheLog(t *testing.T) {
	for _, tt := range []struct {
		fail func([]byte) (int, error)
		most time.Duration
	}{
		{func([]byte) (int, error) { time.Sleep(time.Hour); return 0, syscall.EPIPE }, logFarewell},
		{func([]byte) (int, error) { return 0, syscall.EAGAIN }, logFarewell},
		{func([]byte) (int, error) { return 0, syscall.EPIPE }, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			to, log, out, stop := behind(t)
			to.set(tt.fail)
			out.add([]byte("1\n"))
			log.Error("2")
			began := time.Now()
			stop()
			if took := time.Since(began); took > tt.most {
				t.Errorf("the end took %s", took)
			}
			log.Error("3") // does not wait either
			out.add([]byte("4\n"))
			if took := time.Since(began); took > tt.most {
				t.Errorf("a line behind the end took %s", took)
			}
			time.Sleep(10 * time.Hour) // until the writer lets go
		})
	}
}

// Lines of many goroutines stay whole, and those of each in their order.
func TestLinesOfManyGoroutines(t *testing.T) {
	to, _, out, stop := behind(t)
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 2000 {
				line := fmt.Appendf(nil, "%d %d %s\n", g, i, strings.Repeat("x", i%100))
				if i%50 == 0 {
					out.Write(line)
				} else {
					out.add(line)
				}
			}
		})
	}
	all.Wait()
	stop()
	text, _ := to.text()
	var next [8]int
	for line := range strings.Lines(text) {
		var g, i int
		var rest string
		fmt.Sscanf(line, "%d %d %s", &g, &i, &rest)
		if i != next[g] || len(rest) != i%100 {
			t.Fatalf("%q after line %d of goroutine %d", line, next[g], g)
		}
		next[g]++
	}
	if next != [8]int{2000, 2000, 2000, 2000, 2000, 2000, 2000, 2000} {
		t.Errorf("%v lines", next)
	}
}

func TestWholeLines(t *testing.T) {
	for _, tt := range []struct {
		text string
		most int
		want string
	}{
		{"a\nb\n", 10, "a\nb\n"}, {"a\nb\n", 3, "a\n"}, {"a\nb\n", 2, "a\n"}, {"abcdef\nb\n", 3, "abcdef\n"}, {"abcdef", 3, "abcdef"}, {"", 3, ""},
	} {
		if got := wholeLines([]byte(tt.text), tt.most); string(got) != tt.want {
			t.Errorf("of %q up to %d: %q", tt.text, tt.most, got)
		}
	}
}
