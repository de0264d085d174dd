// Package recorder records what goes between clients and the server of a program, a draftwire.Server or
// whatever has an Observer, to a file of package recording.
//
// No connection waits for the disk: a frame is encoded at once into memory, from which a goroutine
// writes to the file within 20 ms, and what has no room there is counted. What is secret is taken out before.
// Messages that are compressed on the wire are recorded without their payload, refused handshakes not
// at all, nor the keys of masks before hybi-07.
package recorder

import (
	"cmp"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/recording"
	"github.com/draftwire/draftwire/wire"
)

// The defaults of Options.
const (
	DefaultMessage = 64 << 10
	DefaultFile    = 1 << 30
)

// Options are the options of a recorder. Fields that are zero have their defaults.
type Options struct {
	// Program names the program in the file.
	Program string
	// Redaction is what is taken out. Default nothing; recording.DefaultFields and DefaultNames are
	// what is secret in most programs.
	Redaction recording.Redaction
	// Message is the longest message whose payload is recorded, in bytes. At most 512 MiB divided by it
	// are the connections that are recorded at a time. Default 64 KiB.
	Message int
	// File is how long the file may get, in bytes; the recording ends with the first event that has
	// no room. Default 1 GiB.
	File int64
	// Begin is called for each connection that opens, with the event of its beginning, whose
	// ServerAt, Listener and Route it may set. The connection is recorded if it returns true.
	// Default: all are.
	Begin func(c *draftwire.Conn, e *recording.Event) bool
	// Failed is called once when the recording has ended as the file is full, which matches
	// recording.ErrFull, or could not be written. Connections go on. It must not call Close.
	Failed func(err error)
	// Dropped is called now and then with the number of events that had no room in memory, and of
	// connections that were too many. It must not call Close.
	Dropped func(n int64)
}

// Recorder writes a recording. It is safe for any number of connections.
type Recorder struct {
	o       Options
	file    *os.File
	w       *recording.Writer // to spool
	spool   spool
	idle    atomic.Bool   // the goroutine that writes waits for more
	more    chan struct{} // has an element when it may go on
	dropped atomic.Int64
	failed  atomic.Bool  // something could not be written, which was said
	stopped atomic.Bool  // Close was called
	held    atomic.Int64 // bytes of messages whose frames come
	over    chan struct{}
	done    chan struct{}
	closing sync.Once
	err     atomic.Pointer[error] // of the file, for Close

	mu     sync.Mutex
	conns  map[*draftwire.Conn]*conn
	number uint64
}

// conn is a connection that is recorded.
type conn struct {
	number  uint64
	version draftwire.Version

	mu    sync.Mutex      // frames of both directions may come at a time
	event recording.Event // the one that is being written; empty between two frames
	stop  func()          // ends the trace of its frames
	lost  bool            // an event had no room: said with the next one that has
	ended bool
	parts [2]message
}

// message is a message whose frames come.
type message struct {
	op      wire.Op
	payload []byte // of the frames so far
	size    int64
	whole   bool // all of its payload is here, as it was sent
}

// maxQueue is how many bytes may wait to be written.
const maxQueue = 64 << 20

// maxHeld bounds what is held of unfinished messages, and maxFrames what may be held of frames
// that have not come whole, of which each connection has one in each direction: clients decide how
// many of both there are.
const (
	maxHeld   = 64 << 20
	maxFrames = 1 << 30
)

// places is how many connections are recorded at a time.
func (r *Recorder) places() int { return maxFrames / (2 * max(r.o.Message, 1)) }

// Create begins a recording in a new file, which is readable for its owner alone. Its error is that of the
// file. Close must be called.
func Create(name string, o Options) (*Recorder, error) {
	o.Message = cmp.Or(o.Message, DefaultMessage)
	o.File = cmp.Or(o.File, DefaultFile)
	r := &Recorder{o: o, conns: map[*draftwire.Conn]*conn{}, more: make(chan struct{}, 1), over: make(chan struct{}), done: make(chan struct{})}
	var err error
	if r.file, err = os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
		return nil, err
	}
	if r.w, err = recording.NewWriter(&r.spool, recording.Header{Program: o.Program, Redacted: o.Redaction.Names}); err == nil {
		err = r.spool.drain(r.file)
	}
	if err != nil {
		r.file.Close()
		return nil, err
	}
	r.w.Max = max(o.File, 0)
	go r.run()
	return r, nil
}

// Close ends the recording: what waits is written. Connections go on. It returns what could not be
// written, if that is so.
func (r *Recorder) Close() error {
	r.closing.Do(func() {
		r.stopped.Store(true)
		close(r.over)
		<-r.done
		if err := r.file.Close(); err != nil {
			r.err.CompareAndSwap(nil, &err)
		}
	})
	if err := r.err.Load(); err != nil {
		return *err
	}
	return nil
}

// Observer returns what makes a server's connections be recorded: it is one of the observers of the server's
// options (draftwire.JoinObservers).
func (r *Recorder) Observer() *draftwire.Observer {
	return &draftwire.Observer{Opened: r.opened, Closed: r.closed}
}

// opened begins to record a connection, if it is one that is wanted.
func (r *Recorder) opened(c *draftwire.Conn) {
	h := c.Handshake()
	began := h.Began().Sub(r.w.Began())
	e := recording.Event{Kind: recording.KindConn, At: began, Version: h.Version(), ClientAt: h.Remote(), Secure: h.Secure()}
	if r.o.Begin != nil && !r.o.Begin(c, &e) {
		return
	}
	x := r.place(c)
	if x == nil {
		r.dropped.Add(1)
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	r.put(x, &e, false)
	r.put(x, &recording.Event{Kind: recording.KindRequest, From: recording.Client, At: began, Head: []byte(h.Request())}, false)
	r.put(x, &recording.Event{Kind: recording.KindAnswer, From: recording.Server, Version: h.Version(), Head: []byte(h.Response())}, false)
	x.stop = c.TraceFrames(r.o.Message, func(f *draftwire.Frame) { r.frame(x, f) })
}

// place makes room for a connection; nil where there is none.
func (r *Recorder) place(c *draftwire.Conn) *conn {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.isOver() || r.spool.len() > maxQueue/2 || len(r.conns) >= r.places() {
		return nil
	}
	r.number++
	x := &conn{number: r.number, version: c.Version()}
	r.conns[c] = x
	return x
}

// closed ends the recording of a connection.
func (r *Recorder) closed(c *draftwire.Conn, err error) {
	r.mu.Lock()
	x := r.conns[c]
	delete(r.conns, c)
	r.mu.Unlock()
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
	r.put(x, &e, false)
	r.end(x)
}

// end ends the recording of a connection, whose lock the caller holds.
func (r *Recorder) end(x *conn) {
	x.ended = true
	x.stop()
	for side := range x.parts {
		r.forget(&x.parts[side])
	}
}

// frame is told of a frame, and writes it, and the message that ends with it.
func (r *Recorder) frame(x *conn, f *draftwire.Frame) {
	if f.Op == wire.OpNone {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.ended {
		return
	}
	if r.isOver() { // nor is there a reason to gather frames for it
		r.end(x)
		return
	}
	e := &x.event
	defer func() { *e = recording.Event{} }() // its payload is the connection's
	from, m := recording.Client, &x.parts[0]
	if f.Sent {
		from, m = recording.Server, &x.parts[1]
	}
	ofMessage := f.Op.IsData() || f.Op == wire.OpContinuation
	if f.Op.IsData() {
		r.forget(m)
		*m = message{op: f.Op, whole: true}
	}
	*e = recording.Event{Kind: recording.KindFrame, At: r.now(), From: from, Op: f.Op, Type: f.Type, Masked: f.Masked, Size: f.Length, Payload: f.Payload}
	// Before hybi-07 the head is masked too, and the key stands elsewhere, or is made.
	if n := len(f.Head); f.Masked && n >= 4 && x.version >= draftwire.Hybi07 {
		e.Mask = f.Head[n-4:]
	}
	e.Withheld = int64(len(f.Payload)) < f.Length
	at := e.At
	r.put(x, e, m.op == wire.OpText)
	if !ofMessage {
		return
	}
	m.size += f.Length
	whole := r.gather(m, f)
	if !f.Fin {
		return
	}
	*e = recording.Event{Kind: recording.KindMessage, At: at, From: from, Op: m.op, Size: m.size, Payload: whole, Withheld: !m.whole}
	r.put(x, e, false)
	r.forget(m)
}

// gather adds a frame to its message, and returns the payload so far.
func (r *Recorder) gather(m *message, f *draftwire.Frame) []byte {
	n := len(f.Payload)
	packed := f.RSV()&4 != 0
	if !m.whole || int64(n) < f.Length || packed || len(m.payload)+n > int(r.o.Message) {
		r.forget(m)
		m.whole = false
		return nil
	}
	if f.Fin && len(m.payload) == 0 {
		return f.Payload
	}
	if r.held.Add(int64(n)) > maxHeld {
		r.held.Add(-int64(n))
		r.forget(m)
		m.whole = false
		return nil
	}
	m.payload = append(m.payload, f.Payload...)
	return m.payload
}

// forget gives up what is held of a message.
func (r *Recorder) forget(m *message) {
	r.held.Add(-int64(len(m.payload)))
	m.payload = nil
}

// isOver reports whether nothing more is written: the file is full or broken, or Close was called.
func (r *Recorder) isOver() bool { return r.failed.Load() || r.stopped.Load() }

// now is the time of an event.
func (r *Recorder) now() time.Duration { return time.Since(r.w.Began()) }

// put writes an event of a connection, without what is to be taken out, where there is room. text
// says that it is a frame of a text message. The caller holds the connection's lock.
func (r *Recorder) put(x *conn, e *recording.Event, text bool) {
	if r.isOver() {
		return
	}
	if r.spool.len() > maxQueue && e.Kind != recording.KindEnd {
		r.dropped.Add(1)
		x.lost = true
		return
	}
	e.Conn = x.number
	if e.At == 0 {
		e.At = r.now()
	}
	if x.lost {
		x.lost = false
		r.check(r.w.Write(&recording.Event{Kind: recording.KindLost, Conn: x.number, At: e.At, Lost: 1}))
	}
	r.o.Redaction.Apply(e, text)
	r.check(r.w.Write(e))
	if r.idle.Load() && r.idle.Swap(false) {
		select {
		case r.more <- struct{}{}:
		default: // it has not taken the last one yet
		}
	}
}

// batchTime is how long events may wait for others to be written with: to wake the goroutine that
// writes for each of them costs more than to write it.
const batchTime = 20 * time.Millisecond

// run writes to the file what waits.
func (r *Recorder) run() {
	defer close(r.done)
	batch := time.NewTimer(0)
	defer batch.Stop()
	var written int64
	for ended := false; !ended; {
		r.idle.Store(true)
		if written == r.w.Size() { // what comes from here on sends to more
			select {
			case <-r.more:
			case <-r.over:
			}
		}
		batch.Reset(batchTime)
		select {
		case <-batch.C:
		case <-r.over:
			ended = true
		}
		written = r.w.Size()
		r.check(r.w.Flush())
		r.check(r.spool.drain(r.file))
		if n := r.dropped.Swap(0); n > 0 && r.o.Dropped != nil {
			r.o.Dropped(n)
		}
	}
}

// check says once that something cannot be written, and ends the recording.
func (r *Recorder) check(err error) {
	if err == nil || r.failed.Swap(true) {
		return
	}
	r.err.Store(&err)
	if r.o.Failed != nil {
		r.o.Failed(err)
	}
}
