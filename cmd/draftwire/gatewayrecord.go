package main

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/recording"
	"github.com/draftwire/draftwire/wire"
	"github.com/sirupsen/logrus"
)

// tape records what goes between chosen clients of a gateway and the gateway. What is told of
// comes from the goroutines of connections, which must not wait for a disk: it goes to a queue, and
// what has no room there is counted.
type tape struct {
	cfg    gateway.Record
	redact recording.Redaction
	log    *logrus.Logger
	file   *os.File
	w      *recording.Writer

	mu      sync.Mutex
	more    sync.Cond // of queue and over
	queue   []taped
	queued  int // bytes
	conns   map[*draftwire.Conn]*tapedConn
	number  uint64
	dropped int64
	over    bool
	done    chan struct{}
	// For the goroutine that writes.
	failed bool // something could not be written, which was said
	held   int  // bytes of messages whose frames come
}

// taped is an event that waits to be written.
type taped struct {
	of *tapedConn
	e  recording.Event
	// Of a frame: the last of its message, and compressed.
	fin, packed bool
}

// tapedConn is a connection that is recorded.
type tapedConn struct {
	number  uint64
	version draftwire.Version
	lost    bool // an event had no room: said with the next one that has
	// For the goroutine that writes.
	parts [2]tapedMessage
}

// tapedMessage is a message whose frames come.
type tapedMessage struct {
	op      wire.Op
	payload []byte
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

// tapedSize is what an event counts beside its payload.
const tapedSize = 256

// openTape begins a recording; nil where none is configured.
func openTape(cfg gateway.Record, log *logrus.Logger) (*tape, error) {
	if cfg.Folder == "" {
		return nil, nil
	}
	cfg = cfg.WithDefaults()
	t := &tape{cfg: cfg, log: log, conns: map[*draftwire.Conn]*tapedConn{}, done: make(chan struct{})}
	t.more.L = &t.mu
	names := append(slices.Clone(recording.DefaultNames), cfg.Redact...)
	t.redact = recording.Redaction{Fields: append(slices.Clone(recording.DefaultFields), cfg.Redact...), Names: names, Payload: cfg.RedactPayload}
	name := filepath.Join(cfg.Folder, fmt.Sprintf("%s-%d.dwr", time.Now().UTC().Format("20060102T150405"), os.Getpid()))
	var err error
	if t.file, err = os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	t.w, err = recording.NewWriter(t.file, recording.Header{Program: "draftwire " + readBuild().Version, Redacted: names})
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
	t.over = true
	t.more.Signal()
	t.mu.Unlock()
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
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over || t.queued > tapeQueue/2 || len(t.conns) >= t.places() {
		t.dropped++
		return 0, nil
	}
	t.number++
	x := &tapedConn{number: t.number, version: h.Version()}
	t.conns[c] = x
	t.add(x, taped{e: recording.Event{Kind: recording.KindConn, At: h.Began().Sub(t.w.Began()), Version: h.Version(), ClientAt: h.Remote(), ServerAt: s.Backend, Listener: listener, Route: s.Route, Secure: h.Secure()}})
	t.add(x, taped{e: recording.Event{Kind: recording.KindRequest, From: recording.Client, At: h.Began().Sub(t.w.Began()), Head: t.redact.Head([]byte(h.Request()))}})
	t.add(x, taped{e: recording.Event{Kind: recording.KindAnswer, From: recording.Server, Version: h.Version(), Head: t.redact.Head([]byte(h.Response()))}})
	return int(t.cfg.Message), func(f *draftwire.Frame) { t.frame(x, f) }
}

// closed ends the recording of a connection.
func (t *tape) closed(c *draftwire.Conn, err error) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	x := t.conns[c]
	if x == nil {
		return
	}
	delete(t.conns, c)
	e := recording.Event{Kind: recording.KindEnd, How: "abnormal"}
	if ce, ok := errors.AsType[*draftwire.CloseError](err); ok && ce.Code != wire.CodeAbnormal {
		e.How = "clean"
		if ce.Code.OnWire() {
			e.Code = int(ce.Code)
		}
		if !t.redact.Payload {
			reason, _ := t.redact.Text([]byte(ce.Reason))
			e.Reason = string(reason)
		}
	}
	t.add(x, taped{e: e})
}

// frame is told of a frame.
func (t *tape) frame(x *tapedConn, f *draftwire.Frame) {
	if f.Op == wire.OpNone {
		return
	}
	item := taped{fin: f.Fin, packed: f.RSV()&4 != 0 && f.Op != wire.OpDiscard, e: recording.Event{
		Kind: recording.KindFrame, From: recording.Client, Op: f.Op, Type: f.Type, Masked: f.Masked, Size: f.Length, Payload: bytes.Clone(f.Payload),
	}}
	if f.Sent {
		item.e.From = recording.Server
	}
	// Before hybi-07 the head is masked too, and the key stands elsewhere, or is made.
	if n := len(f.Head); f.Masked && n >= 4 && x.version >= draftwire.Hybi07 {
		item.e.Mask = bytes.Clone(f.Head[n-4:])
	}
	item.e.Withheld = int64(len(f.Payload)) < f.Length
	t.mu.Lock()
	defer t.mu.Unlock()
	t.add(x, item)
}

// add adds an event to the queue. The caller holds the lock.
func (t *tape) add(x *tapedConn, i taped) {
	size := tapedSize + len(i.e.Payload) + len(i.e.Head)
	if t.over || t.queued+size > tapeQueue && i.e.Kind != recording.KindEnd {
		t.dropped++
		x.lost = true
		return
	}
	i.of, i.e.Conn = x, x.number
	if i.e.At == 0 {
		i.e.At = time.Since(t.w.Began())
	}
	if len(t.queue) == 0 {
		t.more.Signal()
	}
	if x.lost {
		x.lost = false
		t.queue = append(t.queue, taped{of: x, e: recording.Event{Kind: recording.KindLost, Conn: x.number, At: i.e.At, Lost: 1}})
		t.queued += tapedSize
	}
	t.queue = append(t.queue, i)
	t.queued += size
}

// tapeBatch is how long events may wait for others to be written with: to wake the goroutine that
// writes for each of them costs more than to write it.
const tapeBatch = 5 * time.Millisecond

// run writes what waits.
func (t *tape) run() {
	defer close(t.done)
	var list []taped
	for {
		t.mu.Lock()
		for len(t.queue) == 0 && !t.over {
			t.more.Wait()
		}
		over := t.over
		t.mu.Unlock()
		if !over {
			time.Sleep(tapeBatch)
		}
		t.mu.Lock()
		list, t.queue = t.queue, list[:0]
		dropped := t.dropped
		t.dropped = 0
		t.mu.Unlock()
		if dropped > 0 {
			t.log.WithField("events", dropped).Warn("the recording lacks what came while its queue was full, or too many connections were recorded")
		}
		size := 0
		for i := range list {
			size += tapedSize + len(list[i].e.Payload) + len(list[i].e.Head)
			t.write(&list[i])
		}
		clear(list)
		t.failed = t.failed || t.check(t.w.Flush())
		t.mu.Lock()
		t.queued -= size
		over = t.over && len(t.queue) == 0
		t.mu.Unlock()
		if over {
			return
		}
	}
}

// check says once that something cannot be written.
func (t *tape) check(err error) bool {
	if err == nil || t.failed {
		return false
	}
	t.log.WithError(err).Error("the recording ends")
	return true
}

// write writes an event, and the message that ends with it.
func (t *tape) write(i *taped) {
	e := &i.e
	if e.Kind != recording.KindFrame {
		if e.Kind == recording.KindEnd {
			for side := range i.of.parts {
				t.forget(&i.of.parts[side])
			}
		}
		t.put(e)
		return
	}
	side := 0
	if e.From == recording.Server {
		side = 1
	}
	m := &i.of.parts[side]
	ofMessage := e.Op.IsData() || e.Op == wire.OpContinuation
	if e.Op.IsData() {
		t.forget(m)
		*m = tapedMessage{op: e.Op, whole: true}
	}
	if ofMessage {
		t.gather(m, i)
	}
	if e.Op.IsControl() && !e.Withheld {
		e.Payload, _ = t.redact.Text(e.Payload)
	}
	if t.redact.Payload && e.Op == wire.OpClose {
		e.Payload = e.Payload[:min(len(e.Payload), 2)]
	}
	if ofMessage && (t.redact.Payload || m.op == wire.OpText) || t.redact.Payload && e.Op != wire.OpClose {
		e.Withheld, e.Payload = true, nil // a text has it in its message, without what is secret
	}
	t.put(e)
	if !ofMessage || !i.fin {
		return
	}
	x := recording.Event{Kind: recording.KindMessage, Conn: e.Conn, At: e.At, From: e.From, Op: m.op, Size: m.size, Payload: m.payload, Withheld: !m.whole || t.redact.Payload}
	switch {
	case x.Withheld:
		x.Payload = nil
	case m.op == wire.OpText:
		x.Payload, _ = t.redact.Text(m.payload)
	}
	t.put(&x)
	t.forget(m)
}

// gather adds a frame to its message.
func (t *tape) gather(m *tapedMessage, i *taped) {
	m.size += i.e.Size
	n := len(i.e.Payload)
	if !m.whole || i.e.Withheld || i.packed || len(m.payload)+n > int(t.cfg.Message) || t.held+n > tapeHeld {
		t.held -= len(m.payload)
		m.payload, m.whole = nil, false
		return
	}
	m.payload = append(m.payload, i.e.Payload...)
	t.held += n
}

// forget gives up what is held of a message.
func (t *tape) forget(m *tapedMessage) {
	t.held -= len(m.payload)
	*m = tapedMessage{}
}

func (t *tape) put(e *recording.Event) {
	if t.failed {
		return
	}
	if err := t.w.Write(e); errors.Is(err, recording.ErrFull) {
		if t.check(fmt.Errorf("%w (record: file)", err)) {
			t.failed = true
		}
	} else {
		t.failed = t.check(err)
	}
}
