package draftwire

import (
	"context"
	"io"
	"iter"
	"net"

	"github.com/draftwire/draftwire/internal/sock"
	"github.com/draftwire/draftwire/internal/wsconn"
)

// Conn is one WebSocket connection of any version, on the server's or the
// client's side.
//
// Reading is for one goroutine at a time, writing for any number. Some goroutine has
// to read for pings to be answered and a close to be seen: a program that only
// writes calls CloseRead.
//
// A context that ends interrupts the call it was given to. An interrupted read loses
// nothing: the next one goes on where it stopped. A write that was cut off
// cannot be taken back, so it closes the connection.
type Conn struct {
	c    wsconn.Conn
	info *Handshake
}

// Version returns the version that the connection speaks.
func (c *Conn) Version() Version { return c.info.version }

// Subprotocol returns the subprotocol that was agreed on, or "".
func (c *Conn) Subprotocol() string { return c.info.protocol }

// Handshake returns how the connection was opened.
func (c *Conn) Handshake() *Handshake { return c.info }

// Context ends when the connection ends; context.Cause tells why.
func (c *Conn) Context() context.Context { return c.c.Context() }

// LocalAddr returns this side's address of the connection below.
func (c *Conn) LocalAddr() net.Addr { return c.c.Stream().LocalAddr() }

// RemoteAddr returns the peer's address of the connection below.
func (c *Conn) RemoteAddr() net.Addr { return c.c.Stream().RemoteAddr() }

// Read reads the next message whole. The bytes are the caller's, for as long as it
// keeps them. Small messages that came together may share memory: one that is kept
// keeps up to 3 KiB of it, and a large one up to a third more than its length; a
// program that keeps few of many clones those (bytes.Clone).
//
// In the error at the end of the connection errors.As finds a *CloseError, and
// errors.Is ErrClosed after this side's Close; a message above the limit is ErrTooBig
// and closes. If ctx ends, the error is ctx's and the connection goes on: the next
// Read gets the message.
func (c *Conn) Read(ctx context.Context) (Op, []byte, error) { return c.c.Read(ctx) }

// Write sends one message, op being OpText or OpBinary. Any number of
// goroutines may write. Binary on a version without it is ErrUnsupported; text
// that is not UTF-8 is ErrInvalidText; neither harms the connection. p is the
// caller's again when Write returns.
//
// An answer that is written while more messages are there to read waits for
// theirs: see Cork. What then cannot be sent is an error of a later call.
func (c *Conn) Write(ctx context.Context, op Op, p []byte) error { return c.c.Write(ctx, op, p) }

// Message is one whole message.
type Message struct {
	Op   Op // OpText or OpBinary
	Data []byte
}

// Messages yields the messages until the connection or ctx ends. Their Data is the caller's to keep,
// as that of Read. The last pair has the error; a clean close (CodeNormal, CodeGoingAway, CodeNoStatus) ends
// the loop without one.
func (c *Conn) Messages(ctx context.Context) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		pace := wsconn.NewPace()
		for {
			op, p, err := c.c.Read(ctx)
			if err != nil {
				if !isClean(err) {
					yield(Message{}, err)
				}
				return
			}
			if !yield(Message{op, p}, nil) || pace.Busy(&c.c) && !c.messagesBusy(ctx, yield) {
				return
			}
		}
	}
}

// messagesBusy is Messages while the connection is busy, and reports whether it goes on then.
//
//go:noinline
func (c *Conn) messagesBusy(ctx context.Context, yield func(Message, error) bool) bool { // noinline: keeps a cold frame off the 2 KiB stack
	more, err := c.c.MessagesBusy(ctx, func(op Op, p []byte) bool { return yield(Message{op, p}, nil) })
	if err != nil && !isClean(err) {
		yield(Message{}, err)
	}
	return more
}

// Close does the closing handshake: it sends what the version can say of code
// and reason, waits for the peer's answer, at most the close timeout, and ends
// the stream. A reason longer than 123 bytes is cut at a character. Messages
// that come meanwhile are dropped. It returns nil once the peer has answered
// or where the version has no closing handshake; a client also waits, up to two
// seconds, for the server to end the stream.
//
// A code that must not be sent (RFC 6455 7.4.1) is ErrUnsupported and leaves
// the connection open; CodeNoStatus sends none. Closing again is no error.
func (c *Conn) Close(code CloseCode, reason string) error { return c.c.Close(code, reason) }

// CloseWrite sends our close and ends what this side may say, as its namesake does on TCP;
// what the peer says before its own close can still be read. Its close then is the error of
// the call that reads, and ends the connection; so does the close timeout. On hixie-75 the
// close is the end of our half of the stream. Code and reason are as for Close. After
// AllowHalfOpen it also answers the peer's close, and then is Close.
func (c *Conn) CloseWrite(code CloseCode, reason string) error { return c.c.CloseWrite(code, reason) }

// AllowHalfOpen leaves the answer to the peer's close to the program: for one that
// has more to say, or passes the answer of somebody else on. A call that reads returns the
// peer's close as ever, but the connection goes on for writing, until Close or CloseWrite
// answers. Where neither does within the close timeout, the connection answers by itself. On
// hixie, whose peers may close by the end of their half of the stream alone, that is held
// too. RFC 6455 5.5.1 lets an endpoint send what it has begun before it answers.
//
// It is for the goroutine that reads, before it reads.
func (c *Conn) AllowHalfOpen() { c.c.AllowHalfOpen() }

// CloseNow ends the connection without a closing handshake.
func (c *Conn) CloseNow() error {
	c.c.CloseNow()
	return nil
}

// CloseRead reads in a goroutine of its own for a program that only writes:
// pings are answered and a close is seen. A message from the peer is a policy
// violation and closes. The context returned ends with the connection or ctx.
func (c *Conn) CloseRead(ctx context.Context) context.Context { return c.c.CloseRead(ctx) }

// Ping sends a ping and waits for its pong, which a goroutine that reads has to see: call
// it beside one. On versions without ping it is ErrUnsupported.
func (c *Conn) Ping(ctx context.Context) error { return c.c.Ping(ctx) }

// PostPing sends a ping, and waits neither for the peer nor for its pong: for a program that
// pings many connections to see whether they live, which Heard tells of any byte. ErrBusy says
// that the peer has not taken what was sent before; the ping is then left out. On versions
// without ping it is ErrUnsupported.
func (c *Conn) PostPing() error { return c.c.PostPing() }

// ReadBorrowed is Read without the copy: the bytes are lent, until the next call
// that reads. They may be changed, and be given to Write of this or another
// connection; a program that keeps them copies them.
func (c *Conn) ReadBorrowed(ctx context.Context) (Op, []byte, error) { return c.c.ReadBorrowed(ctx) }

// ReadLoop reads messages and gives them to fn, one after the other, until fn
// returns an error, the connection ends or ctx does, and returns that error, as
// Read would. The bytes are lent until fn returns: fn may change them and give
// them to Write, and copies what it keeps.
//
// It is the fastest way to read: where messages come often, the runtime's poller
// calls fn, which saves a read for each message.
//
// fn must not read from the connection: that is an error. Close may be called
// while the loop runs, by fn too: it then does not wait for the peer's answer;
// ReadLoop does, and returns.
func (c *Conn) ReadLoop(ctx context.Context, fn func(op Op, p []byte) error) error {
	return c.c.ReadLoop(ctx, fn)
}

// Reader waits for the next message and returns a reader of its payload, which
// ends with io.EOF. What the caller leaves unread is dropped by the next Read
// or Reader. ctx holds for the reader too.
func (c *Conn) Reader(ctx context.Context) (Op, io.Reader, error) {
	op, r, err := c.c.Reader(ctx)
	if err != nil {
		return 0, nil, err
	}
	return op, r, nil
}

// Writer starts a message in parts and returns its writer. Each Write is a
// frame, or on hixie a part of the one frame; Close ends the message. Other
// messages wait until then; pings and closes may go in between.
func (c *Conn) Writer(ctx context.Context, op Op) (io.WriteCloser, error) {
	w, err := c.c.Writer(ctx, op)
	if err != nil {
		return nil, err
	}
	return w, nil
}

// Part is a part of a message, as it came.
type Part struct {
	Op          Op     // OpText or OpBinary
	Data        []byte // lent, until the next call that reads
	First, Last bool   // whether the message begins and ends with it
	FrameEnd    bool   // a frame of the peer ends here
	Repaired    bool   // so far the message has U+FFFD in place of what is no UTF-8 (InvalidText)
}

// ReadPart reads the next part of a message, as soon as there is one: for
// passing on messages without gathering them. Text may be cut inside a
// character. What the caller leaves unread of a message is dropped by the next
// Read, ReadBorrowed or Reader. Errors are those of Read.
func (c *Conn) ReadPart(ctx context.Context) (Part, error) {
	p, err := c.c.ReadPart(ctx)
	return Part(p), err
}

// TryReadPart is ReadPart where there is a part without waiting for bytes: of input that
// has come behind what the last call that reads gave. Otherwise ok is false, and err nil.
func (c *Conn) TryReadPart() (p Part, ok bool, err error) {
	q, ok, err := c.c.TryReadPart()
	return Part(q), ok, err
}

// WritePart sends a part of a message, which First and Last place in it; FrameEnd
// and Repaired are not looked at. Each part is a frame, or on hixie a part of the
// one frame. Other messages wait until the Last; pings and closes may go in between.
// It is for passing on what ReadPart reads. One goroutine at a time may
// send parts; a part that fails behind the first ends the connection, as its message
// cannot be ended.
func (c *Conn) WritePart(ctx context.Context, p Part) error {
	return c.c.WritePart(ctx, wsconn.Part(p))
}

// Buffered reports whether input has come that is not read yet, behind what the
// last call that reads gave: a program that passes messages on then corks the
// other side, and flushes it before it waits.
func (c *Conn) Buffered() bool { return c.c.Buffered() }

// Cork holds back what is written, until Flush is called or 32 KiB are held: for
// several messages with one system call. Answers to messages that came together
// need none: what is written while there is more to read goes out when the
// connection waits for input again, or after a millisecond.
func (c *Conn) Cork() { c.c.Cork() }

// Flush ends the hold of Cork and sends what was held.
func (c *Conn) Flush(ctx context.Context) error { return c.c.Flush(ctx) }

// WritePrepared sends a prepared message, as Write would. Only servers gain, and
// only where messages are not compressed with takeover: see Compression.
func (c *Conn) WritePrepared(ctx context.Context, m *PreparedMessage) error {
	return c.c.WritePrepared(ctx, &m.m)
}

// Post sends a prepared message as WritePrepared does, but never waits for the peer:
// what its socket does not take at once goes out as the peer reads, within the write
// timeout, and what is posted meanwhile waits behind it, up to Limits.PostLimit. Order
// is kept. ErrBusy is for a message that would be more than that, and for one that comes
// while a Writer has begun another: it is not sent, and the connection goes on.
func (c *Conn) Post(m *PreparedMessage) error { return c.c.Post(&m.m) }

// PostAll posts several messages in their order, as Post does each of them, and sends small ones
// together: a burst for a member of a room takes one system call. posted is how many of them are on
// their way; err is that of the next one, and those behind it are not sent.
func (c *Conn) PostAll(messages ...*PreparedMessage) (posted int, err error) {
	return c.c.PostAll(len(messages), func(i int) *wsconn.Prepared { return &messages[i].m })
}

// SetReadLimit bounds the payload of messages that begin after the call, in bytes. As in
// Limits, 0 is the default, which is what the options of the connection say, and negative
// is no bound. It is for the goroutine that reads.
func (c *Conn) SetReadLimit(n int64) {
	if n == 0 {
		n = c.set().limits.ReadLimit
	}
	c.c.SetReadLimit(n)
}

// SetInvalidText is AcceptOptions.InvalidText for this connection. It is for the
// goroutine that reads, before it reads.
func (c *Conn) SetInvalidText(p TextPolicy) { c.c.SetInvalidText(p) }

// TraceFrames makes tell be called for each frame that this connection receives or sends, with
// up to payload bytes of what is in it, until stop is called. It may be called at any time, and
// several times: by Observer.Opened for chosen clients, whose first frame then is told of too, or
// in the middle, where a frame of which a part has passed already is left out. A received frame is
// told of when it has come whole or has been refused, one that is sent when it is encoded. tell is
// called by the goroutine that reads and by those that write, perhaps at the same time; it must
// not block, and what it gets is valid only until it returns. A call that is under way may go on
// behind stop. A connection without a trace has no cost of it.
func (c *Conn) TraceFrames(payload int, tell func(*Frame)) (stop func()) {
	return c.c.TraceFrames(payload, tell)
}

// PeerGone reports whether the system knows that the peer has reset the connection, or
// has given it up as the peer does not answer: for a program that does not read at the
// moment, and so is not told. It is for TCP on Linux; elsewhere it is false.
func (c *Conn) PeerGone() bool { return sock.Gone(c.c.Stream()) }

// Heard reports whether anything has come from the peer since the last call of Heard: a
// message or a part of one, a ping, a pong. A program that pings tells by it a peer that
// answers in an odd way from one that is gone: many answer with an empty pong, and some only
// send pings of their own. It is for one goroutine; bytes count when a call that reads has
// taken them.
func (c *Conn) Heard() bool { return c.c.Heard() }

// Stats counts what a connection has carried.
type Stats struct {
	MessagesIn, MessagesOut uint64
	BytesIn, BytesOut       uint64 // payload
	Repaired                uint64 // messages that came with text that is not UTF-8, and got U+FFFD in its place
}

// Stats returns what the connection has carried so far. While ReadLoop's fn runs,
// what has come since the loop last waited is not in it.
func (c *Conn) Stats() Stats { return Stats(c.c.Stats()) }
