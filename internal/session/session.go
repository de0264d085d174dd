// Package session is the protocol of one connection behind its handshake, without the
// connection: the codec of its version, compression, the check of text, the automatic
// answers and the closing handshake. The caller gives it bytes and gets events, and gives it
// messages and gets bytes.
//
// Like the codec it has two halves that share no state: Next, Remaining and EOF belong to
// the goroutine that reads, the Append methods to the goroutine that writes, under the
// caller's lock.
package session

import (
	"cmp"
	"errors"
	"io"
	"sync/atomic"

	"github.com/draftwire/draftwire/internal/deflate"
	"github.com/draftwire/draftwire/internal/utf8x"
	"github.com/draftwire/draftwire/wire"
)

// Session is the protocol state of one connection.
type Session struct {
	draft *wire.Draft
	codec wire.Codec
	z     *compression // nil where none was agreed on
	role  wire.Role

	// the writing half
	closeSent bool
	inMessage bool    // a message has begun and its last frame has not been sent
	binary    bool    // the version has binary messages
	messageOp wire.Op // of the message that has begun
	sentText  utf8x.Validator

	// the reading half
	closeReceived bool
	receivedText  utf8x.Validator
	err           *wire.ProtocolError

	extra atomic.Pointer[extra] // of both halves; see needExtra
}

// extra is what few sessions have.
type extra struct {
	repair
	repairs bool // invalid text is no error
	tracing
}

// repair is the state of a side that replaces invalid text of its peer with U+FFFD.
type repair struct {
	replacer utf8x.Replacer
	scratch  []byte
	repaired bool          // in this message
	messages atomic.Uint64 // that were repaired
}

// compression is the state of a connection with compression.
type compression struct {
	in  inflation
	out deflation

	deepStack atomic.Bool // OnDeepStack was called, maybe while somebody closes the connection
}

// Config is what a session is made from.
type Config struct {
	wire.CodecConfig
	Limit int64 // of a message in bytes, after it was expanded; 0 is no limit
	// Deflate is the compression that was agreed on, nil for none. Messages, and frames of
	// deflate-frame, below Threshold bytes are sent as they are.
	Deflate   *deflate.Params
	Threshold int
	// Text says what happens to invalid text from the peer.
	Text wire.TextPolicy
}

// New returns the session of a connection that speaks d.
func New(d *wire.Draft, cfg Config) *Session {
	s := new(Session)
	s.Init(d, &cfg)
	return s
}

// Init initializes s, which must be zero, as New does.
func (s *Session) Init(d *wire.Draft, cfg *Config) {
	s.draft, s.role, s.binary = d, cfg.Role, d.Version.Supports(wire.CapBinary)
	s.SetText(cfg.Text)
	if cfg.Deflate != nil && cfg.Deflate.Name != "" {
		s.compress(cfg)
	}
	s.codec = d.NewCodec(cfg.CodecConfig)
	s.SetLimit(cfg.Limit)
}

// needExtra returns s.extra, and makes it where there is none.
func (s *Session) needExtra() *extra {
	if x := s.extra.Load(); x != nil {
		return x
	}
	s.extra.CompareAndSwap(nil, new(extra))
	return s.extra.Load()
}

// repairing returns the state of a side that repairs text; nil where invalid text is an error.
func (s *Session) repairing() *repair {
	if x := s.extra.Load(); x != nil && x.repairs {
		return &x.repair
	}
	return nil
}

// SetText sets what happens to invalid text from the peer. It must be called before the
// first text is read.
func (s *Session) SetText(p wire.TextPolicy) {
	replace := cmp.Or(p, s.draft.InvalidText[s.role]) == wire.ReplaceText
	if replace || s.extra.Load() != nil {
		s.needExtra().repairs = replace
	}
}

// compress sets up the compression that was agreed on.
func (s *Session) compress(cfg *Config) {
	p := cfg.Deflate
	cfg.RSV1 = wire.RSV1Message
	if p.PerFrame {
		cfg.RSV1 = wire.RSV1Frame
	}
	s.z = &compression{
		in:  inflation{x: p.Expander(cfg.Role), perFrame: p.PerFrame},
		out: deflation{c: p.Compressor(cfg.Role), perFrame: p.PerFrame, threshold: cfg.Threshold},
	}
}

// SetLimit changes the limit of a message.
func (s *Session) SetLimit(n int64) {
	if s.z == nil {
		s.codec.SetLimit(n)
		return
	}
	s.z.in.limit = n
	if n > 0 {
		n += n/256 + 64 // data that does not compress grows a little, and the limit is for the expanded message
	}
	s.codec.SetLimit(n)
}

// Next consumes bytes of p up to and including one event, as wire.Codec's Decode does,
// expands compressed data, and checks or repairs text. What follows the peer's close is
// consumed and discarded (hixie-76 5.3, RFC 6455 5.5.1). The error is a *wire.ProtocolError
// and sticks.
func (s *Session) Next(p []byte, ev *wire.Event) (int, error) {
	if s.closeReceived || s.err != nil {
		*ev = wire.Event{}
		if s.err != nil {
			return len(p), s.err
		}
		return len(p), nil
	}
	n := 0
	var err error
	if !s.Pending() {
		n, err = s.coder().Decode(p, ev)
		if err == nil && s.z == nil && ev.Op == wire.OpBinary {
			return n, nil // fast path: nothing is to be checked
		}
		if err == nil && s.z != nil && ev.Op.IsData() {
			err = s.inflate(ev)
		}
	}
	if s.Pending() && err == nil {
		err = s.offloadExpand(ev)
	}
	return n, s.deliver(err, ev)
}

// Pending reports whether Next has another event without more bytes.
func (s *Session) Pending() bool { return s.z != nil && s.z.in.pending }

// Compresses reports whether compression was agreed on.
func (s *Session) Compresses() bool { return s.z != nil }

// InPlace reports whether the data of events is always part of the input. It is not where
// data is expanded or text is repaired.
func (s *Session) InPlace() bool { return s.z == nil && s.repairing() == nil }

// Remaining returns how many of the next bytes are payload that Next makes one event of, in
// place. It is 0 where that is not known.
func (s *Session) Remaining() int64 {
	if s.closeReceived || !s.InPlace() {
		return 0
	}
	return s.codec.Remaining()
}

// ReleaseScratch gives back the memory that is needed only while events are handled. The
// data of the last event is not valid after it.
func (s *Session) ReleaseScratch() {
	if s.z != nil && !s.z.in.pending && s.z.in.x.Gathered() == 0 {
		s.z.in.x.Drop()
	}
}

// deliver makes the last checks of an event, or keeps the error.
func (s *Session) deliver(err error, ev *wire.Event) error {
	if err != nil {
		*ev = wire.Event{}
		s.err, _ = errors.AsType[*wire.ProtocolError](err) // as it always is
		return err
	}
	switch ev.Op {
	case wire.OpText:
		return s.checkText(ev)
	case wire.OpClose:
		s.closeReceived = true
	}
	return nil
}

// checkText checks or repairs the text of an event.
func (s *Session) checkText(ev *wire.Event) error {
	if r := s.repairing(); r != nil {
		r.text(ev)
		return nil
	}
	ok := true
	if ev.First && ev.Last {
		ok = utf8x.Valid(ev.Data)
	} else {
		if ev.First {
			s.receivedText.Reset()
		}
		ok = s.receivedText.Write(ev.Data) && (!ev.Last || s.receivedText.Done())
	}
	if !ok {
		*ev = wire.Event{}
		s.err = &wire.ProtocolError{Version: s.draft.Version, Fault: wire.FaultText, Section: s.draft.TextSection,
			Code: wire.CodeInvalidData, Msg: "text is not UTF-8"}
		return s.err
	}
	return nil
}

// text replaces what is invalid in the text of an event.
func (r *repair) text(ev *wire.Event) {
	if ev.First {
		r.repaired = false
	}
	if r.replacer.Clean(ev.Data) {
		return
	}
	r.scratch = r.replacer.Append(r.scratch[:0], ev.Data, ev.Last)
	ev.Data = r.scratch
	if cap(r.scratch) > maxScratch {
		r.scratch = nil
	}
	if r.replacer.Replaced() && !r.repaired {
		r.repaired = true
		r.messages.Add(1)
	}
}

// MessageRepaired reports whether the message that is being read, or the last one that was
// read, had invalid text that was replaced.
func (s *Session) MessageRepaired() bool {
	r := s.repairing()
	return r != nil && r.repaired
}

// RepairedMessages returns the number of messages that had invalid text that was replaced.
// It may be called by any goroutine.
func (s *Session) RepairedMessages() uint64 {
	if x := s.extra.Load(); x != nil {
		return x.messages.Load()
	}
	return 0
}

// maxScratch bounds the memory that a repaired message leaves with the session.
const maxScratch = 4 << 10

// EOF returns how the stream ended: io.EOF after the peer's close, and otherwise a
// *wire.CloseError. Its code is CodeNoStatus for a clean close in a version without close
// codes, whose peers may just leave, and CodeAbnormal for any other end.
func (s *Session) EOF() error {
	switch {
	case s.err != nil:
		return s.err
	case s.closeReceived:
		return io.EOF
	case s.codec.EOF() == nil && !s.draft.Version.Supports(wire.CapCloseCode):
		// hixie-75 6: the end of the stream is the close. hixie-76: most clients close the
		// stream and send nothing, and so do servers of the time (em-websocket).
		return &wire.CloseError{Code: wire.CodeNoStatus}
	}
	return &wire.CloseError{Code: wire.CodeAbnormal}
}

// AppendReply appends the automatic answer to an event: a pong with the body of the ping
// (RFC 6455 5.5.3), or the answer to a close (5.5.1) unless ours was sent first. The answer
// repeats the code of the close, or the body of a close without code, as hybi-03 wants it.
func (s *Session) AppendReply(dst []byte, ev *wire.Event) ([]byte, error) {
	switch {
	case s.closeSent:
		return dst, nil
	case ev.Op == wire.OpPing:
		return s.coder().AppendFrame(dst, wire.OpPong, true, ev.Data)
	case ev.Op == wire.OpClose:
		body := ""
		if ev.Code == wire.CodeNoStatus {
			body = string(ev.Data)
		}
		return s.AppendClose(dst, ev.Code, body)
	}
	return dst, nil
}

// AppendFrame appends a frame of a message. The first frame has the operation of the
// message, later ones OpContinuation. Errors are faults of the caller: wire.ErrUnsupported,
// wire.ErrInvalidText, wire.ErrClosed.
func (s *Session) AppendFrame(dst []byte, op wire.Op, fin bool, p []byte) ([]byte, error) {
	if fin && !s.inMessage && !s.closeSent && s.z == nil && (op == wire.OpBinary && s.binary || op == wire.OpText && utf8x.Valid(p)) {
		return s.coder().AppendFrame(dst, op, true, p) // fast path: no state changes
	}
	kind, err := s.mayFrame(op, fin, p)
	if err != nil {
		return dst, err
	}
	if s.z != nil && (kind.IsData() || kind == wire.OpContinuation) && s.z.out.packs(kind, fin, len(p)) {
		if s.z.deepStack.Load() {
			dst, err = s.packHere(dst, kind, fin, p)
		} else {
			o := s.packOffload(dst, kind, fin, p)
			o.run()
			dst, err = o.result()
		}
	} else {
		dst, err = s.coder().AppendFrame(dst, kind, fin, p)
	}
	if err == nil {
		s.framed(kind, fin)
	}
	return dst, err
}

// PayloadAsIs reports whether the payload of a message's frame is sent as it is, neither
// masked nor compressed.
func (s *Session) PayloadAsIs() bool { return s.role == wire.Server && s.z == nil }

// AppendFraming does what AppendFrame does where PayloadAsIs, but leaves out the payload.
// The caller sends it between the first head bytes of what is appended and the rest.
func (s *Session) AppendFraming(dst []byte, op wire.Op, fin bool, p []byte) (out []byte, head int, err error) {
	kind, err := s.mayFrame(op, fin, p)
	if err != nil {
		return dst, 0, err
	}
	if dst, head, err = s.coder().AppendFraming(dst, kind, fin, p); err == nil {
		s.framed(kind, fin)
	}
	return dst, head, err
}

// mayFrame checks that a frame may be sent now, and returns its operation on the wire.
func (s *Session) mayFrame(op wire.Op, fin bool, p []byte) (wire.Op, error) {
	kind := op
	switch {
	case s.closeSent:
		return 0, wire.ErrClosed
	case op == wire.OpContinuation && s.inMessage:
		op = s.messageOp
	case op.IsData() && !s.inMessage:
		s.messageOp = op
		s.sentText.Reset()
	case op == wire.OpPing || op == wire.OpPong:
		if !s.draft.Version.Supports(wire.CapPing) {
			return 0, wire.NewUnsupportedError(s.draft.Version, "ping and pong")
		}
		return op, nil
	default:
		return 0, errSequence
	}
	if op == wire.OpBinary && !s.binary {
		return 0, wire.NewUnsupportedError(s.draft.Version, "binary messages")
	}
	if op == wire.OpText && !s.validText(fin, p) {
		return 0, wire.ErrInvalidText
	}
	return kind, nil
}

// framed notes that a frame was appended.
func (s *Session) framed(kind wire.Op, fin bool) {
	if kind.IsData() || kind == wire.OpContinuation {
		s.inMessage = !fin
	}
}

// validText checks the text of a frame that is to be sent.
func (s *Session) validText(fin bool, p []byte) bool {
	if fin && !s.inMessage {
		return utf8x.Valid(p)
	}
	return s.sentText.Write(p) && (!fin || s.sentText.Done())
}

var errSequence = errors.New("draftwire: frame out of sequence")

// AppendClose appends our close, once, with as much of code and reason as the version can
// say. Nothing is appended after it.
func (s *Session) AppendClose(dst []byte, code wire.CloseCode, reason string) ([]byte, error) {
	if s.closeSent {
		return dst, nil
	}
	dst, err := s.coder().AppendClose(dst, code, reason)
	if err == nil {
		s.closeSent = true
	}
	return dst, err
}

// CloseSent reports whether our close was appended.
func (s *Session) CloseSent() bool { return s.closeSent }

// FailureCode returns the code to close with after Next has returned err.
func FailureCode(err error) wire.CloseCode {
	var pe *wire.ProtocolError
	if errors.As(err, &pe) {
		return pe.Code
	}
	return wire.CodeInternal
}

// Draft returns what the session speaks.
func (s *Session) Draft() *wire.Draft { return s.draft }

// Role returns the side that the session is on.
func (s *Session) Role() wire.Role { return s.role }
