// Package wsconn is the engine of a connection of any version: it moves bytes between a
// socket and a session, keeps the deadlines, the contexts and the closing handshake, and
// knows nothing of HTTP, of servers or of how the connection was opened.
//
// A Conn has two halves, each with its own lock and its own error. The reader (reader.go)
// is for one goroutine at a time: it fills a buffer, takes events off it, answers pings
// and closes, and makes messages of what remains (message.go, loop.go). The writer
// (writer.go) is for any number of goroutines: they append frames to one queue (send.go,
// prepared.go), and one of them writes it. What both halves need of each other is in Conn:
// the state, of which the two flags inputPending and outputHeld are, and the cause of its end.
package wsconn

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/draftwire/draftwire/internal/session"
	"github.com/draftwire/draftwire/internal/sock"
	"github.com/draftwire/draftwire/wire"
)

// Conn is one connection. Its zero value is of no use: see Init. An idle connection holds
// it, so what is not needed by all stands behind pointers: see input, rareWriter and rare.
type Conn struct {
	lim        *Limits
	hooks      Hooks
	version    wire.Version
	hastyPeer  bool          // Config.HastyPeer
	readBehind uint16        // what was read behind our close: reader.tooMuchBehindClose
	state      atomic.Uint32 // closing and so on

	// What a write touches lies close together: a program that writes to ten thousand
	// connections finds none of them in the processor's cache.
	w     writer
	ses   session.Session
	r     reader
	stats stats

	mu   sync.Mutex
	rare atomic.Pointer[rare]
}

// rare is what few connections need. It is made when a connection first does.
type rare struct {
	cause       error                       // of the end; set by markClosed, before the bit closed; under Conn.mu
	ctx         atomic.Pointer[fullContext] // made when it is first asked for
	readEnd     error                       // sticky: how the connection ended, for readers; under reader.mu
	answerBy    time.Duration               // our close has gone: the peer answers until then; 0 before; under Conn.mu
	read, write watch
	pings       pings
	ahead       time.Duration    // the write deadline, where the stream is no socket; for who writes
	released    chan struct{}    // closed when the stream is; under Conn.mu
	failure     error            // NoteFailure's; under Conn.mu
	held        *wire.CloseError // the peer's close, which the program answers; under Conn.mu
	answer      *time.Timer      // answers it where the program does not; under Conn.mu
	second      *sock.Second     // of the body of a Messages; under reader.mu
	later       func()           // handOver's
	drained     int              // bytes that came while lingering; for turns
	pauses      int              // that had no Resume; under Conn.mu
	aways       int              // of these, that are Leaves; under Conn.mu
	resumed     chan struct{}    // closed by a Resume; made by AwaitResume, under Conn.mu

	onPing, onPong atomic.Pointer[func([]byte) error] // OnPing, OnPong
	cutOff         bool                               // CutOff; under reader.mu
}

// Limits bound what the connections of one server may cost: see draftwire.Limits.
type Limits struct {
	CloseTimeout time.Duration
	WriteTimeout time.Duration
	IdleTimeout  time.Duration // 0 is none
	PostLimit    int
	Owner        any // what has these limits, for Conn.Owner
}

// Hooks are told what becomes of a connection.
type Hooks interface {
	// Closed is called once, when the connection has ended: cause says why.
	Closed(cause error)
	// Discarded is called for each frame that the version tells a client to discard, if it
	// held something.
	Discarded()
	// Released is called once, when its stream is closed.
	Released()
	// Ended is called once behind Closed, and behind the last call of Message: of a driven
	// connection by its loop, otherwise where Left was called.
	Ended()
	// Message is called for each message of a connection that a loop drives. p is lent until
	// it returns; it must not wait.
	Message(op wire.Op, p []byte)
	// Part is called in place of Message where Parts was said to LeaveToLoop: for each part of
	// a message, whose data is lent as above.
	Part(p Part)
	// Run is called in place of Part, where Forward was called, for messages that have come
	// whole: p, which is lent as above, are their frames. It is false where it has not taken
	// them: then they come by Part.
	Run(p []byte, run *session.Run) bool
	// Read is called behind one or several Parts, before the connection waits for more.
	Read()
	// Drained is called, where Lagging was true, when all that was written has gone.
	Drained()
	// PeerClosed is called when a peer has closed that AllowHalfOpen has been said for, and the
	// connection is left to a loop.
	PeerClosed(ce *wire.CloseError)
}

// Config is what a connection is made from.
type Config struct {
	Draft   *wire.Draft
	Session session.Config
	Limits  *Limits
	Hooks   Hooks
	Source  *sock.Reader    // the stream, and what was read of it already
	Parent  context.Context // of the connection's context; nil is none
	// HastyPeer says that peers of the version are known not to answer a close: the
	// connection waits hastyCloseWait for the answer, and not the CloseTimeout.
	HastyPeer bool
}

// hastyCloseWait bounds the wait for an answer to our close that may not come.
const hastyCloseWait = time.Second

// Init makes c, a new one, the connection that cfg describes.
func (c *Conn) Init(cfg *Config) {
	c.lim, c.hooks, c.hastyPeer = cfg.Limits, cfg.Hooks, cfg.HastyPeer
	c.version = cfg.Draft.Version
	if cfg.Parent != nil {
		c.needRare().ctx.Store(newContext(cfg.Parent))
	}
	c.r.init(c, cfg.Source)
	c.w.c = c
	c.ses.Init(cfg.Draft, &cfg.Session)
}

// The bits of Conn.state. A connection is open while none of the first three is set.
const (
	closing     uint32 = 1 << iota // Close was called
	closed                         // the connection has ended, cause says why
	released                       // its stream is closed too; set under mu
	looping                        // a ReadLoop has the reader, or a loop
	halfOpen                       // AllowHalfOpen was called
	peerClosed                     // the peer has closed, and the answer is the program's
	writeClosed                    // CloseWrite was called
	heard                          // something has come since Heard was called
	staying                        // a Messages reads as a busy connection is read
	driven                         // LeaveToLoop was called
	paused                         // Pause was called, or Leave
	away                           // Leave was called
	stuck                          // driven: a goroutine waits for the peer to take what a turn has written
	handed                         // driven: a goroutine has the reader, to end the connection
	announced                      // Hooks.Closed has returned
	readEnded                      // for readers too: rare.readEnd is what they get; set under reader.mu
	left                           // no other function is called but Hooks.Ended, or that was
	relayed                        // driven: LeaveToLoop was called with Parts
	lagging                        // relayed: a goroutine waits for the peer to take what was written
	drained                        // lagging has ended, which is not told yet
	toldClosed                     // Hooks.PeerClosed was called
	forwards                       // relayed: Forward was called
	lingering                      // driven: turns wait for the end of the stream, as lingerClose does

	// By these two the halves see each other without a lock: a change of the own one, then a
	// load of the other's, on both sides (Dekker's pattern). The reader, before it waits for
	// input, clears inputPending and then looks at outputHeld; the writer sets outputHeld and
	// then looks at inputPending. As both orders are sequentially consistent, at least one of
	// them sees the other: what is held never stays behind a reader that waits.
	inputPending // the reader has input that it has not looked at: answers to it may be held
	outputHeld   // the writer holds something back that goes before the reader waits
)

// is reports whether one of the bits is set.
func (c *Conn) is(bit uint32) bool { return c.state.Load()&bit != 0 }

// Heard reports whether anything has come since it was called last: see
// draftwire.Conn.Heard.
func (c *Conn) Heard() bool { return c.state.And(^heard)&heard != 0 }

// Place returns a number that is the owner's, for the place of the connection among others.
func (c *Conn) Place() *int32 { return &c.r.place }

// Owner returns Limits.Owner.
func (c *Conn) Owner() any { return c.lim.Owner }

// Cause is why the connection has ended, nil while it has not.
func (c *Conn) Cause() error { return c.whyClosed() }

// Driven reports whether LeaveToLoop was called.
func (c *Conn) Driven() bool { return c.is(driven) }

// Closed reports whether the connection has ended.
func (c *Conn) Closed() bool { return c.is(closed) }

// NoteFailure keeps why the program is about to close the connection, for Failure: unless
// it has ended, when nobody asks any more.
func (c *Conn) NoteFailure(err error) {
	x := c.needRare()
	c.mu.Lock()
	defer c.mu.Unlock()
	if x.cause == nil {
		x.failure = err
	}
}

// Failure returns what NoteFailure kept, or nil.
func (c *Conn) Failure() error {
	x := c.rare.Load()
	if x == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return x.failure
}

// supports reports whether the connection's version can say something.
func (c *Conn) supports(what wire.Caps) bool { return c.version.Supports(what) }

// epoch is the zero of the engine's clock, which is never 0 again: 0 stands for no time. A
// time in eight bytes suffices for deadlines, of which each connection has several. It may
// be negative: tests have a clock that begins earlier (testing/synctest).
var epoch = time.Now().Add(-time.Nanosecond)

// now is the time by the engine's clock.
func now() time.Duration { return time.Since(epoch) }

// at is a time of the engine's clock as a deadline; 0 is none.
func at(t time.Duration) time.Time {
	if t == 0 {
		return time.Time{}
	}
	return epoch.Add(t)
}

// closeTimeout bounds the wait for the peer's answer to our close.
func (c *Conn) closeTimeout() time.Duration {
	if c.hastyPeer && c.ses.Role() == wire.Server {
		return min(c.lim.CloseTimeout, hastyCloseWait)
	}
	return c.lim.CloseTimeout
}

// Context returns a context that ends when the connection ends; context.Cause tells why.
func (c *Conn) Context() context.Context { return connContext{c} }

// SetReadLimit bounds the payload of messages that begin after the call, in bytes; 0 or
// less is no bound. It is for the goroutine that reads.
func (c *Conn) SetReadLimit(n int64) { c.ses.SetLimit(n) }

// SetInvalidText says what happens to text that is not UTF-8. It is for the goroutine that
// reads, before it reads.
func (c *Conn) SetInvalidText(p wire.TextPolicy) { c.ses.SetText(p) }

// TraceFrames makes tell be called for each frame, until stop is called: see
// draftwire.Conn.TraceFrames.
func (c *Conn) TraceFrames(payload int, tell func(*wire.Frame)) (stop func()) {
	return c.ses.TraceFrames(payload, tell)
}

// Stats counts what a connection has carried.
type Stats struct {
	MessagesIn, MessagesOut uint64
	BytesIn, BytesOut       uint64
	Repaired                uint64
}

// stats are the reader's counts, for other goroutines.
type stats struct{ messagesIn, bytesIn atomic.Uint64 }

// Stats returns what the connection has carried so far.
func (c *Conn) Stats() Stats {
	if c.r.mu.TryLock() { // otherwise the reader waits, and has published its counts before
		if c.r.input != nil {
			c.r.publishCounts()
		}
		c.r.mu.Unlock()
	}
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	return Stats{
		MessagesIn: c.stats.messagesIn.Load(), MessagesOut: c.w.messages,
		BytesIn: c.stats.bytesIn.Load(), BytesOut: c.w.bytes,
		Repaired: c.ses.RepairedMessages(),
	}
}

// needRare returns c.rare, and makes it where there is none.
func (c *Conn) needRare() *rare {
	if x := c.rare.Load(); x != nil {
		return x
	}
	c.rare.CompareAndSwap(nil, new(rare))
	return c.rare.Load()
}

// endCause returns the cause of the end, nil where there is none. It is called under c.mu, or
// when the bit closed was seen.
func (c *Conn) endCause() error {
	if x := c.rare.Load(); x != nil {
		return x.cause
	}
	return nil
}

// answerBy returns rare.answerBy. It is called under c.mu.
func (c *Conn) answerBy() time.Duration {
	if x := c.rare.Load(); x != nil {
		return x.answerBy
	}
	return 0
}

// readWatch returns the watch of the reader, nil where it has none.
func (c *Conn) readWatch() *watch {
	if x := c.rare.Load(); x != nil {
		return &x.read
	}
	return nil
}

// writeWatch returns the watch of the writer, nil where it has none.
func (c *Conn) writeWatch() *watch {
	if x := c.rare.Load(); x != nil {
		return &x.write
	}
	return nil
}
