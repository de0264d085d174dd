package load

import (
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/draftwire/draftwire"
)

// MaxLatency is the longest time that is told apart.
const MaxLatency = time.Minute

// newHistogram counts microseconds to three digits, in some 140 KiB.
func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, MaxLatency.Microseconds(), 3)
}

func recordTime(h *hdrhistogram.Histogram, d time.Duration) {
	h.RecordValue(min(max(d.Microseconds(), 1), MaxLatency.Microseconds())) // within its bounds: no error
}

// tally counts what one version has come to.
type tally struct {
	version draftwire.Version
	wanted  int // connections
	explain func(Failure) (string, Severity)
	shards  []shard

	mu       sync.Mutex
	opening  *hdrhistogram.Histogram
	opened   int
	failed   int // connections that could not be opened
	broken   int // connections that ended while they were needed
	worst    Severity
	reasons  []Reason
	firstErr error // of Dial
}

// shard holds the answers of some of a version's connections. A histogram for each
// connection would cost too much, and the workers would wait for the lock of a single one.
type shard struct {
	mu      sync.Mutex
	latency *hdrhistogram.Histogram
	bytes   int64
	wrong   int64
	last    time.Duration // when the last answer came, from the beginning of the phase
}

// Reason is why connections failed, and how many.
type Reason struct {
	Text  string `json:"text"`
	Count int    `json:"count"`
}

// maxReasons bounds how many are told apart: a peer may choose the words.
const (
	maxReasons   = 10
	otherReasons = "other reasons"
)

func newTally(v draftwire.Version, conns int, explain func(Failure) (string, Severity)) *tally {
	t := &tally{version: v, wanted: conns, explain: explain, opening: newHistogram()}
	t.shards = make([]shard, min(runtime.GOMAXPROCS(0), conns, 16))
	for i := range t.shards {
		t.shards[i].latency = newHistogram()
	}
	return t
}

// addRight counts a right answer: how long it took, when it came and its size.
func (s *shard) addRight(took, at time.Duration, size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	recordTime(s.latency, took)
	s.bytes += int64(size)
	s.last = max(s.last, at)
}

func (s *shard) addWrong() {
	s.mu.Lock()
	s.wrong++
	s.mu.Unlock()
}

// restart forgets the right answers of the warm-up, but not the wrong ones.
func (t *tally) restart() {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		s.latency.Reset()
		s.bytes = 0
		s.last = 0
		s.mu.Unlock()
	}
}

func (t *tally) addOpened(took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.opened++
	recordTime(t.opening, took)
}

// addFailed counts a connection that could not be opened.
func (t *tally) addFailed(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failed++
	if t.firstErr == nil {
		t.firstErr = err
	}
	t.because(Failure{Version: t.version, Err: err})
}

// addBroken counts a connection that ended while it was needed.
func (t *tally) addBroken(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.broken++
	t.because(Failure{Version: t.version, Opened: true, Err: err})
}

// because runs under mu.
func (t *tally) because(f Failure) {
	text, severity := t.explain(f)
	t.worst = max(t.worst, severity)
	t.reasons = addReason(t.reasons, Reason{text, 1})
}

// hopeless reports whether so many connections have failed, and none was opened, that the
// others are not worth waiting for.
func (t *tally) hopeless() bool {
	const enough = 16
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.opened == 0 && t.failed >= enough
}

func addReason(list []Reason, r Reason) []Reason {
	find := func(text string) int {
		return slices.IndexFunc(list, func(x Reason) bool { return x.Text == text })
	}
	i := find(r.Text)
	if i < 0 && len(list) >= maxReasons {
		r.Text = otherReasons
		i = find(r.Text)
	}
	if i < 0 {
		return append(list, r)
	}
	list[i].Count += r.Count
	return list
}

// addTo adds what was counted so far.
func (t *tally) addTo(p *Progress) {
	t.mu.Lock()
	p.Opened += t.opened
	p.Errors += int64(t.failed + t.broken)
	t.mu.Unlock()
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		p.Answers += s.latency.TotalCount()
		p.Errors += s.wrong
		s.mu.Unlock()
	}
}
