package main

import (
	"errors"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/draftwire/draftwire"
)

// maxLatency is the longest time that is told apart.
const maxLatency = time.Minute

// newHistogram counts microseconds to three digits, in some 140 KiB.
func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, maxLatency.Microseconds(), 3)
}

func recordTime(h *hdrhistogram.Histogram, d time.Duration) {
	h.RecordValue(min(max(d.Microseconds(), 1), maxLatency.Microseconds())) // within its bounds: no error
}

// tally is what is counted of one version.
type tally struct {
	version draftwire.Version
	wanted  int
	shards  []shard

	mu        sync.Mutex
	opening   *hdrhistogram.Histogram
	opened    int
	failed    int // connections that could not be opened
	broken    int // connections that broke
	code      int // the exit code that the worst of it asks for
	reasons   []reason
	firstFail error
}

// shard holds the answers of some of a version's connections. A histogram for
// each connection would cost too much, one for all would be fought over.
type shard struct {
	mu      sync.Mutex
	latency *hdrhistogram.Histogram
	bytes   int64
	wrong   int64
	last    time.Duration // when the last answer came, from the beginning of the lap
}

// reason is why something failed, and how often.
type reason struct {
	Text  string `json:"text"`
	Count int    `json:"count"`
}

// maxReasons bounds how many are told apart: a peer may choose the words.
const (
	maxReasons   = 10
	otherReasons = "other reasons"
)

func newTally(s share) *tally {
	t := &tally{version: s.version, wanted: s.conns, opening: newHistogram()}
	t.shards = make([]shard, min(runtime.GOMAXPROCS(0), s.conns, 16))
	for i := range t.shards {
		t.shards[i].latency = newHistogram()
	}
	return t
}

func (s *shard) right(took, at time.Duration, size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	recordTime(s.latency, took)
	s.bytes += int64(size)
	s.last = max(s.last, at)
}

func (s *shard) mistaken() {
	s.mu.Lock()
	s.wrong++
	s.mu.Unlock()
}

// restart forgets the answers of the warm-up, but not what was wrong there.
func (t *tally) restart() {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		s.latency.Reset()
		s.bytes, s.last = 0, 0
		s.mu.Unlock()
	}
}

func (t *tally) hasOpened(took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.opened++
	recordTime(t.opening, took)
}

func (t *tally) hasFailed(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failed++
	err = dialFailed(err)
	if t.firstFail == nil {
		t.firstFail = err
	}
	t.because(exitFailure, reasonText(err))
}

// hopeless reports whether enough connections have failed, and none succeeded,
// not to wait for the rest.
func (t *tally) hopeless() bool {
	const enough = 16
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.opened == 0 && t.failed >= enough
}

// hasBroken notes the end of a connection that was still needed.
func (t *tally) hasBroken(err error) {
	code := exitFailure
	var e *exitError
	if errors.As(err, &e) {
		code = e.code
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.broken++
	t.because(code, reasonText(err))
}

// because runs under mu.
func (t *tally) because(code int, text string) {
	t.code = worseCode(t.code, code)
	t.reasons = addReason(t.reasons, reason{text, 1})
}

func addReason(list []reason, r reason) []reason {
	same := func(text string) int {
		return slices.IndexFunc(list, func(x reason) bool { return x.Text == text })
	}
	i := same(r.Text)
	if i < 0 && len(list) >= maxReasons {
		r.Text = otherReasons
		i = same(r.Text)
	}
	if i < 0 {
		return append(list, r)
	}
	list[i].Count += r.Count
	return list
}

// reasonText is an error without what differs from connection to connection.
func reasonText(err error) string {
	text := errorText(err)
	var oe *net.OpError
	if errors.As(err, &oe) && oe.Source != nil {
		text = strings.ReplaceAll(text, oe.Source.String()+"->", "")
	}
	return short(text)
}

// worseCode prefers a broken protocol to an abnormal end, and that to others.
func worseCode(a, b int) int {
	order := []int{exitDone, exitFailure, exitAbnormal, exitProtocol}
	if slices.Index(order, a) > slices.Index(order, b) {
		return a
	}
	return b
}

// soFar are the answers and errors that progress shows.
func (t *tally) soFar() (answers, errs int64) {
	t.mu.Lock()
	errs = int64(t.failed + t.broken)
	t.mu.Unlock()
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		answers += s.latency.TotalCount()
		errs += s.wrong
		s.mu.Unlock()
	}
	return answers, errs
}
