package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/recording"
	"github.com/draftwire/draftwire/wire"
	"github.com/sirupsen/logrus"
)

// tape records what goes between chosen clients of a gateway and the gateway. Connections tell of
// their frames, whose goroutines must not wait for a disk: a frame is encoded at once into memory,
// from which a goroutine writes to the file, and what has no room there is counted.
type tape struct {
	cfg     gateway.Record
	redact  recording.Redaction
	log     *logrus.Logger
	file    *os.File
	w       *recording.Writer // to spool
	spool   spool
	idle    atomic.Bool   // the goroutine that writes waits for more
	more    chan struct{} // has an element when it may go on
	dropped atomic.Int64
	failed  atomic.Bool  // something could not be written, which was said
	held    atomic.Int64 // bytes of messages whose frames come
	over    chan struct{}
	done    chan struct{}

	mu     sync.Mutex
	conns  map[*draftwire.Conn]*tapedConn
	number uint64
	ended  bool
}

// tapedConn is a connection that is recorded.
type tapedConn struct {
	number  uint64
	version draftwire.Version

	mu    sync.Mutex      // frames of both directions may come at a time
	event recording.Event // the one that is being written
	lost  bool            // an event had no room: said with the next one that has
	ended bool
	parts [2]tapedMessage
}

// tapedMessage is a message whose frames come.
type tapedMessage struct {
	op      wire.Op
	payload []byte // of the frames so far
	size    int64
	whole   bool // all of its payload is here, as it was sent
}

// tapeQueue is how many bytes may wait to be written.
const tapeQueue = 64 << 20

// tapeHeld bounds what is held of unfinished messages, and tapeFrames what may be held of frames
// that have not come whole, of which each connection has one in each direction: clients decide how
// many of both there are.
const (
	tapeHeld   = 64 << 20
	tapeFrames = 1 << 30
)

// places is how many connections are recorded at a time.
func (t *tape) places() int { return tapeFrames / (2 * max(int(t.cfg.Message), 1)) }

// openTape begins a recording; nil where none is configured.
func openTape(cfg gateway.Record, log *logrus.Logger) (*tape, error) {
	if cfg.Folder == "" {
		return nil, nil
	}
	cfg = cfg.WithDefaults()
	t := &tape{cfg: cfg, log: log, conns: map[*draftwire.Conn]*tapedConn{}, more: make(chan struct{}, 1), over: make(chan struct{}), done: make(chan struct{})}
	names := append(slices.Clone(recording.DefaultNames), cfg.Redact...)
	t.redact = recording.Redaction{Fields: append(slices.Clone(recording.DefaultFields), cfg.Redact...), Names: names, Payload: cfg.RedactPayload}
	name := filepath.Join(cfg.Folder, fmt.Sprintf("%s-%d.dwr", time.Now().UTC().Format("20060102T150405"), os.Getpid()))
	var err error
	if t.file, err = os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	if t.w, err = recording.NewWriter(&t.spool, recording.Header{Program: "draftwire " + readBuild().Version, Redacted: names}); err == nil {
		err = t.spool.drain(t.file)
	}
	if err != nil {
		t.file.Close()
		return nil, fmt.Errorf("record: %w", err)
	}
	t.w.Max = max(int64(cfg.File), 0)
	log.WithField("file", name).Info("recording")
	go t.run()
	return t, nil
}

// close ends the recording: what waits is written.
func (t *tape) close() {
	if t == nil {
		return
	}
	t.mu.Lock()
	t.ended = true
	t.mu.Unlock()
	close(t.over)
	<-t.done
	t.file.Close()
}

// wants reports whether a client is recorded.
func (t *tape) wants(h *draftwire.Handshake, route string) bool {
	if len(t.cfg.Routes) > 0 && !slices.Contains(t.cfg.Routes, route) {
		return false
	}
	if len(t.cfg.Clients) > 0 {
		a, err := netip.ParseAddr(ipOf(h.Remote()))
		if err != nil || !slices.ContainsFunc(t.cfg.Clients, func(p netip.Prefix) bool { return p.Contains(a.Unmap().WithZone("")) }) {
			return false
		}
	}
	return t.cfg.Sample >= 100 || rand.IntN(100) < t.cfg.Sample
}

// opened begins to record a connection, if it is one that is wanted. It returns what is to be told
// of its frames, and with how much of their payload; nil for none.
func (t *tape) opened(c *draftwire.Conn, listener string) (payload int, tell func(*draftwire.Frame)) {
	if t == nil {
		return 0, nil
	}
	h := c.Handshake()
	s, ok := h.Value().(*gateway.Session)
	if !ok || !t.wants(h, s.Route) {
		return 0, nil
	}
	x := t.place(c)
	if x == nil {
		t.dropped.Add(1)
		return 0, nil
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	began := h.Began().Sub(t.w.Began())
	t.put(x, &recording.Event{Kind: recording.KindConn, At: began, Version: h.Version(), ClientAt: h.Remote(), ServerAt: s.Backend, Listener: listener, Route: s.Route, Secure: h.Secure()}, false)
	t.put(x, &recording.Event{Kind: recording.KindRequest, From: recording.Client, At: began, Head: []byte(h.Request())}, false)
	t.put(x, &recording.Event{Kind: recording.KindAnswer, From: recording.Server, Version: h.Version(), Head: []byte(h.Response())}, false)
	return int(t.cfg.Message), func(f *draftwire.Frame) { t.frame(x, f) }
}

// place makes room for a connection; nil where there is none.
func (t *tape) place(c *draftwire.Conn) *tapedConn {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended || t.spool.len() > tapeQueue/2 || len(t.conns) >= t.places() {
		return nil
	}
	t.number++
	x := &tapedConn{number: t.number, version: c.Version()}
	t.conns[c] = x
	return x
}

// closed ends the recording of a connection.
func (t *tape) closed(c *draftwire.Conn, err error) {
	if t == nil {
		return
	}
	t.mu.Lock()
	x := t.conns[c]
	delete(t.conns, c)
	t.mu.Unlock()
	if x == nil {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	e := recording.Event{Kind: recording.KindEnd, How: "abnormal"}
	if ce, ok := errors.AsType[*draftwire.CloseError](err); ok && ce.Code != wire.CodeAbnormal {
		e.How, e.Reason = "clean", ce.Reason
		if ce.Code.OnWire() {
			e.Code = int(ce.Code)
		}
	}
	t.put(x, &e, false)
	x.ended = true
	for side := range x.parts {
		t.forget(&x.parts[side])
	}
}

// frame is told of a frame, and writes it, and the message that ends with it.
func (t *tape) frame(x *tapedConn, f *draftwire.Frame) {
	if f.Op == wire.OpNone {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.ended {
		return
	}
	from, m := recording.Client, &x.parts[0]
	if f.Sent {
		from, m = recording.Server, &x.parts[1]
	}
	ofMessage := f.Op.IsData() || f.Op == wire.OpContinuation
	if f.Op.IsData() {
		t.forget(m)
		*m = tapedMessage{op: f.Op, whole: true}
	}
	e := &x.event
	*e = recording.Event{Kind: recording.KindFrame, At: t.now(), From: from, Op: f.Op, Type: f.Type, Masked: f.Masked, Size: f.Length, Payload: f.Payload}
	// Before hybi-07 the head is masked too, and the key stands elsewhere, or is made.
	if n := len(f.Head); f.Masked && n >= 4 && x.version >= draftwire.Hybi07 {
		e.Mask = f.Head[n-4:]
	}
	e.Withheld = int64(len(f.Payload)) < f.Length
	at := e.At
	t.put(x, e, m.op == wire.OpText)
	if !ofMessage {
		return
	}
	m.size += f.Length
	whole := t.gather(m, f)
	if !f.Fin {
		return
	}
	*e = recording.Event{Kind: recording.KindMessage, At: at, From: from, Op: m.op, Size: m.size, Payload: whole, Withheld: !m.whole}
	t.put(x, e, false)
	t.forget(m)
}

// gather adds a frame to its message, and returns the payload so far.
func (t *tape) gather(m *tapedMessage, f *draftwire.Frame) []byte {
	n := len(f.Payload)
	packed := f.RSV()&4 != 0
	if !m.whole || int64(n) < f.Length || packed || len(m.payload)+n > int(t.cfg.Message) {
		t.forget(m)
		m.whole = false
		return nil
	}
	if f.Fin && len(m.payload) == 0 {
		return f.Payload
	}
	if t.held.Add(int64(n)) > tapeHeld {
		t.held.Add(-int64(n))
		t.forget(m)
		m.whole = false
		return nil
	}
	m.payload = append(m.payload, f.Payload...)
	return m.payload
}

// forget gives up what is held of a message.
func (t *tape) forget(m *tapedMessage) {
	t.held.Add(-int64(len(m.payload)))
	m.payload = nil
}

// now is the time of an event.
func (t *tape) now() time.Duration { return time.Since(t.w.Began()) }

// put writes an event of a connection, without what is to be taken out, where there is room. text
// says that it is a frame of a text message. The caller holds the connection's lock.
func (t *tape) put(x *tapedConn, e *recording.Event, text bool) {
	if t.failed.Load() {
		return
	}
	if t.spool.len() > tapeQueue && e.Kind != recording.KindEnd {
		t.dropped.Add(1)
		x.lost = true
		return
	}
	e.Conn = x.number
	if e.At == 0 {
		e.At = t.now()
	}
	if x.lost {
		x.lost = false
		t.check(t.w.Write(&recording.Event{Kind: recording.KindLost, Conn: x.number, At: e.At, Lost: 1}))
	}
	t.redact.Apply(e, text)
	t.check(t.w.Write(e))
	if t.idle.Load() && t.idle.Swap(false) {
		select {
		case t.more <- struct{}{}:
		default: // it has not taken the last one yet
		}
	}
}

// tapeBatch is how long events may wait for others to be written with: to wake the goroutine that
// writes for each of them costs more than to write it.
const tapeBatch = 20 * time.Millisecond

// run writes to the file what waits.
func (t *tape) run() {
	defer close(t.done)
	batch := time.NewTimer(0)
	defer batch.Stop()
	var written int64
	for ended := false; !ended; {
		t.idle.Store(true)
		if written == t.w.Size() { // what comes from here on sends to more
			select {
			case <-t.more:
			case <-t.over:
			}
		}
		batch.Reset(tapeBatch)
		select {
		case <-batch.C:
		case <-t.over:
			ended = true
		}
		written = t.w.Size()
		t.check(t.w.Flush())
		t.check(t.spool.drain(t.file))
		if n := t.dropped.Swap(0); n > 0 {
			t.log.WithField("events", n).Warn("the recording lacks what came while its queue was full, or too many connections were recorded")
		}
	}
}

// check says once that something cannot be written, and ends the recording.
func (t *tape) check(err error) {
	if err == nil || t.failed.Swap(true) {
		return
	}
	if errors.Is(err, recording.ErrFull) {
		err = fmt.Errorf("%w (record: file)", err)
	}
	t.log.WithError(err).Error("the recording ends")
}

// spool holds what waits to be written to a file. Its Write does not wait.
type spool struct {
	n       atomic.Int64 // bytes that wait, with those that are being written
	mu      sync.Mutex
	waiting [][]byte
	free    [][]byte
	writing [][]byte // what drain writes
}

// spoolChunk is how much is waited with in one piece, and spoolKept how many pieces are kept for
// later.
const (
	spoolChunk = 256 << 10
	spoolKept  = 16
)

func (s *spool) len() int { return int(s.n.Load()) }

// Write implements io.Writer.
func (s *spool) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for rest := p; len(rest) > 0; {
		i := len(s.waiting) - 1
		if i < 0 || len(s.waiting[i]) == spoolChunk {
			s.waiting = append(s.waiting, s.chunk())
			i++
		}
		n := min(len(rest), spoolChunk-len(s.waiting[i]))
		s.waiting[i] = append(s.waiting[i], rest[:n]...)
		rest = rest[n:]
	}
	s.n.Add(int64(len(p)))
	return len(p), nil
}

// chunk returns an empty piece. The caller holds the lock.
func (s *spool) chunk() []byte {
	n := len(s.free)
	if n == 0 {
		return make([]byte, 0, spoolChunk)
	}
	c := s.free[n-1]
	s.free = s.free[:n-1]
	return c
}

// drain writes what waits. One goroutine may call it.
func (s *spool) drain(f *os.File) (err error) {
	s.mu.Lock()
	s.waiting, s.writing = s.writing[:0], s.waiting
	s.mu.Unlock()
	for i, c := range s.writing {
		if err == nil {
			_, err = f.Write(c)
		}
		s.n.Add(-int64(len(c)))
		s.writing[i] = nil
		s.mu.Lock()
		if len(s.free) < spoolKept {
			s.free = append(s.free, c[:0])
		}
		s.mu.Unlock()
	}
	return err
}
