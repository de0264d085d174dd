// Package session is one connection after its handshake, without the
// connection: a codec, the duties of UTF-8, the automatic answers and the
// closing handshake. Bytes go in, events and bytes come out.
//
// Like the codec it has two halves that share no state: Next, EOF for the
// reader; the Append functions for the writer, under the caller's lock.
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

// Session is one connection's protocol state.
type Session struct {
	draft *wire.Draft
	codec wire.Codec
	z     *compression // nil where none was agreed on
	role  wire.Role

	// reader
	closed bool // the peer's close has come
	text   utf8x.Validator
	err    error
	repair *repair // nil where bad text fails

	// writer
	said   bool // our close has gone
	open   bool // a message has begun and not ended
	binary bool // the version has it
	wop    wire.Op
	wtext  utf8x.Validator
}

// repair is what a side has beside where bad text from the peer becomes U+FFFD.
type repair struct {
	repl     utf8x.Replacer
	scratch  []byte
	bad      bool          // the message in hand was repaired
	messages atomic.Uint64 // that were
}

// compression is what a connection with compression has beside.
type compression struct {
	in  inflation
	out deflation
}

// Config is what a session is made from.
type Config struct {
	wire.CodecConfig
	Limit int64 // of a message, expanded; 0 is no bound
	// Deflate is the compression that was agreed on, nil for none; messages and
	// frames below Threshold bytes are sent as they are.
	Deflate   *deflate.Params
	Threshold int
	// Text says what happens to text from the peer that is not UTF-8.
	Text wire.TextPolicy
}

// New returns the session of a connection that speaks d.
func New(d *wire.Draft, cfg Config) *Session {
	s := new(Session)
	s.Init(d, &cfg)
	return s
}

// Init makes s, a new one, what New returns.
func (s *Session) Init(d *wire.Draft, cfg *Config) {
	s.draft, s.role, s.binary = d, cfg.Role, d.Version.Supports(wire.CapBinary)
	s.SetText(cfg.Text)
	if cfg.Deflate != nil && cfg.Deflate.Name != "" {
		s.compress(cfg)
	}
	s.codec = d.NewCodec(cfg.CodecConfig)
	s.SetLimit(cfg.Limit)
}

// SetText says what happens to text from the peer that is not UTF-8, before the
// first is read.
func (s *Session) SetText(p wire.TextPolicy) {
	s.repair = nil
	if cmp.Or(p, s.draft.InvalidText[s.role]) == wire.ReplaceText {
		s.repair = new(repair)
	}
}

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

// SetLimit changes the bound of a message.
func (s *Session) SetLimit(n int64) {
	if s.z == nil {
		s.codec.SetLimit(n)
		return
	}
	s.z.in.limit = n
	if n > 0 {
		n += n/256 + 64 // what does not compress grows a little; the limit is for the expanded
	}
	s.codec.SetLimit(n)
}

// Next takes bytes from p up to and including one event, as wire.Codec's
// Decode does, and expands, checks or repairs text. What follows the peer's
// close is taken and dropped (hixie-76 5.3, RFC 6455 5.5.1). The error is a
// *wire.ProtocolError and sticks.
func (s *Session) Next(p []byte, ev *wire.Event) (int, error) {
	if s.closed || s.err != nil {
		*ev = wire.Event{}
		return len(p), s.err
	}
	n := 0
	var err error
	if !s.Pending() {
		n, err = s.codec.Decode(p, ev)
		if err == nil && s.z == nil && ev.Op == wire.OpBinary {
			return n, nil // by far the most: nothing is to be checked
		}
		if err == nil && s.z != nil && ev.Op.IsData() {
			err = s.inflate(ev)
		}
	}
	if s.Pending() && err == nil {
		err = s.expandAside(ev)
	}
	return n, s.deliver(err, ev)
}

// Pending reports whether Next has an event without more bytes.
func (s *Session) Pending() bool { return s.z != nil && s.z.in.pending }

// Compresses reports whether compression was agreed on.
func (s *Session) Compresses() bool { return s.z != nil }

// InPlace reports whether the data of events is always part of the input, not
// expanded or repaired elsewhere.
func (s *Session) InPlace() bool { return s.z == nil && s.repair == nil }

// Left returns how many bytes of payload are still to come before anything
// else, where they stay InPlace: Next makes one event of them. 0 where that
// cannot be said.
func (s *Session) Left() int64 {
	if s.closed || !s.InPlace() {
		return 0
	}
	return s.codec.Left()
}

// Idle lets go of what is only needed while events are handled. The data of the
// last event is then no longer valid.
func (s *Session) Idle() {
	if s.z != nil && !s.z.in.pending && s.z.in.x.Gathered() == 0 {
		s.z.in.x.Drop()
	}
}

// deliver does the last checks on an event, or keeps the error.
func (s *Session) deliver(err error, ev *wire.Event) error {
	if err != nil {
		*ev = wire.Event{}
		s.err = err
		return err
	}
	switch ev.Op {
	case wire.OpText:
		return s.checkText(ev)
	case wire.OpClose:
		s.closed = true
	}
	return nil
}

func (s *Session) checkText(ev *wire.Event) error {
	if s.repair != nil {
		s.repair.text(ev)
		return nil
	}
	ok := true
	if ev.First && ev.Last {
		ok = utf8x.Valid(ev.Data)
	} else {
		if ev.First {
			s.text.Reset()
		}
		ok = s.text.Write(ev.Data) && (!ev.Last || s.text.Done())
	}
	if !ok {
		*ev = wire.Event{}
		s.err = &wire.ProtocolError{Version: s.draft.Version, Fault: wire.FaultText, Section: s.draft.TextSection,
			Code: wire.CodeInvalidData, Msg: "text is not UTF-8"}
		return s.err
	}
	return nil
}

func (r *repair) text(ev *wire.Event) {
	if ev.First {
		r.bad = false
	}
	if r.repl.Clean(ev.Data) {
		return
	}
	r.scratch = r.repl.Append(r.scratch[:0], ev.Data, ev.Last)
	ev.Data = r.scratch
	if cap(r.scratch) > maxScratch {
		r.scratch = nil
	}
	if r.repl.Replaced() && !r.bad {
		r.bad = true
		r.messages.Add(1)
	}
}

// Mended reports whether text of the message in hand, or of the last one, was
// repaired.
func (s *Session) Mended() bool { return s.repair != nil && s.repair.bad }

// Repaired returns how many messages had text that was repaired. It is for any
// goroutine.
func (s *Session) Repaired() uint64 {
	if s.repair == nil {
		return 0
	}
	return s.repair.messages.Load()
}

// maxScratch bounds the memory that repaired text leaves behind.
const maxScratch = 4 << 10

// EOF tells how the stream ended: io.EOF behind the peer's close,
// a *wire.CloseError for an end in order where the version has no closing
// handshake or the peer left it out, with CodeAbnormal.
func (s *Session) EOF() error {
	switch {
	case s.err != nil:
		return s.err
	case s.closed:
		return io.EOF
	case s.codec.EOF() == nil && !s.draft.Version.Supports(wire.CapCloseCode):
		// hixie-75 6: TCP's end is the end. hixie-76: most clients just leave, and so do
		// servers of the time (em-websocket).
		return &wire.CloseError{Code: wire.CodeNoStatus}
	}
	return &wire.CloseError{Code: wire.CodeAbnormal}
}

// AppendReply appends the automatic answer to an event: a pong with the body
// of the ping (RFC 6455 5.5.3), the answer to a close (5.5.1) unless ours went
// first. The answer has the code of the close, or the body of one without code,
// which hybi-03 wants back.
func (s *Session) AppendReply(dst []byte, ev *wire.Event) ([]byte, error) {
	switch {
	case s.said:
		return dst, nil
	case ev.Op == wire.OpPing:
		return s.codec.AppendFrame(dst, wire.OpPong, true, ev.Data)
	case ev.Op == wire.OpClose:
		body := ""
		if ev.Code == wire.CodeNoStatus {
			body = string(ev.Data)
		}
		return s.AppendClose(dst, ev.Code, body)
	}
	return dst, nil
}

// AppendFrame appends a frame of a message. The first frame has its operation,
// later ones OpContinuation. Errors are the caller's fault: wire.ErrUnsupported,
// wire.ErrInvalidText, wire.ErrClosed.
func (s *Session) AppendFrame(dst []byte, op wire.Op, fin bool, p []byte) ([]byte, error) {
	if fin && !s.open && !s.said && s.z == nil && (op == wire.OpBinary && s.binary || op == wire.OpText && utf8x.Valid(p)) {
		return s.codec.AppendFrame(dst, op, true, p) // by far the most: nothing is to be noted
	}
	kind, err := s.mayFrame(op, fin, p)
	if err != nil {
		return dst, err
	}
	if s.z != nil && (kind.IsData() || kind == wire.OpContinuation) && s.z.out.packs(kind, fin, len(p)) {
		e := s.packing(dst, kind, fin, p)
		e.run()
		dst, err = e.result()
	} else {
		dst, err = s.codec.AppendFrame(dst, kind, fin, p)
	}
	if err == nil {
		s.framed(kind, fin)
	}
	return dst, err
}

// Direct reports whether the payload of a message's frame goes out as it is.
func (s *Session) Direct() bool { return s.role == wire.Server && s.z == nil }

// AppendBorders does what AppendFrame does where Direct, but leaves the payload
// to the caller, who sends it between the first head bytes of what is appended
// and the rest.
func (s *Session) AppendBorders(dst []byte, op wire.Op, fin bool, p []byte) (out []byte, head int, err error) {
	kind, err := s.mayFrame(op, fin, p)
	if err != nil {
		return dst, 0, err
	}
	if dst, head, err = s.codec.AppendBorders(dst, kind, fin, p); err == nil {
		s.framed(kind, fin)
	}
	return dst, head, err
}

// mayFrame checks a frame and returns what it is on the wire: OpContinuation
// inside a message.
func (s *Session) mayFrame(op wire.Op, fin bool, p []byte) (wire.Op, error) {
	kind := op
	switch {
	case s.said:
		return 0, wire.ErrClosed
	case op == wire.OpContinuation && s.open:
		op = s.wop
	case op.IsData() && !s.open:
		s.wop = op
		s.wtext.Reset()
	case op == wire.OpPing || op == wire.OpPong:
		if !s.draft.Version.Supports(wire.CapPing) {
			return 0, wire.ErrUnsupported
		}
		return op, nil
	default:
		return 0, errSequence
	}
	if op == wire.OpBinary && !s.binary {
		return 0, wire.ErrUnsupported
	}
	if op == wire.OpText && !s.validText(fin, p) {
		return 0, wire.ErrInvalidText
	}
	return kind, nil
}

// framed notes that a frame was encoded.
func (s *Session) framed(kind wire.Op, fin bool) {
	if kind.IsData() || kind == wire.OpContinuation {
		s.open = !fin
	}
}

func (s *Session) validText(fin bool, p []byte) bool {
	if fin && !s.open {
		return utf8x.Valid(p)
	}
	return s.wtext.Write(p) && (!fin || s.wtext.Done())
}

var errSequence = errors.New("draftwire: frame out of sequence")

// AppendClose appends our close, once: as much of code and reason as the
// version can say. Nothing else is sent after it.
func (s *Session) AppendClose(dst []byte, code wire.CloseCode, reason string) ([]byte, error) {
	if s.said {
		return dst, nil
	}
	dst, err := s.codec.AppendClose(dst, code, reason)
	if err == nil {
		s.said = true
	}
	return dst, err
}

// Said reports whether our close has gone.
func (s *Session) Said() bool { return s.said }

// FailureCode returns the code to close with after err of Next.
func FailureCode(err error) wire.CloseCode {
	var pe *wire.ProtocolError
	if errors.As(err, &pe) {
		return pe.Code
	}
	return wire.CodeInternal
}

// CodecEOF tells whether the stream may end here: wire.Codec's EOF.
func (s *Session) CodecEOF() error { return s.codec.EOF() }
