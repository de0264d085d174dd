// Package session is one connection after its handshake, without the
// connection: a codec, the duties of UTF-8, the automatic answers and the
// closing handshake. Bytes go in, events and bytes come out.
//
// Like the codec it has two halves that share no state: Next, EOF for the
// reader; the Append functions for the writer, under the caller's lock.
package session

import (
	"errors"
	"io"
	"unicode/utf8"

	"github.com/draftwire/draftwire/internal/deflate"
	"github.com/draftwire/draftwire/internal/utf8x"
	"github.com/draftwire/draftwire/wire"
)

// Session is one connection's protocol state.
type Session struct {
	version wire.Version
	section string
	codec   wire.Codec
	replace bool // bad text from the peer becomes U+FFFD

	// reader
	err     error
	closed  bool // the peer's close has come
	text    utf8x.Validator
	repl    utf8x.Replacer
	scratch []byte // holds replaced text
	in      inflation

	// writer
	out   deflation
	said  bool // our close has gone
	open  bool // a message has begun and not ended
	wop   wire.Op
	wtext utf8x.Validator
}

// Config is what a session is made from.
type Config struct {
	wire.CodecConfig
	Limit int64 // of a message, expanded; 0 is no bound
	// Deflate is the compression that was agreed on, nil for none; messages and
	// frames below Threshold bytes are sent as they are.
	Deflate   *deflate.Params
	Threshold int
}

// New returns the session of a connection that speaks d.
func New(d *wire.Draft, cfg Config) *Session {
	s := &Session{
		version: d.Version,
		section: d.TextSection,
		replace: d.InvalidText[cfg.Role] == wire.ReplaceText,
	}
	if p := cfg.Deflate; p != nil && p.Name != "" {
		cfg.RSV1 = wire.RSV1Message
		if p.PerFrame {
			cfg.RSV1 = wire.RSV1Frame
		}
		s.in = inflation{x: p.Expander(cfg.Role), perFrame: p.PerFrame}
		s.out = deflation{c: p.Compressor(cfg.Role), perFrame: p.PerFrame, threshold: cfg.Threshold}
	}
	s.codec = d.NewCodec(cfg.CodecConfig)
	s.SetLimit(cfg.Limit)
	return s
}

// SetLimit changes the bound of a message.
func (s *Session) SetLimit(n int64) {
	s.in.limit = n
	if s.in.x != nil && n > 0 {
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
	if s.in.pending {
		return 0, s.deliver(s.expand(ev), ev)
	}
	n, err := s.codec.Decode(p, ev)
	if err == nil && s.in.x != nil && ev.Op.IsData() {
		err = s.inflate(ev)
	}
	return n, s.deliver(err, ev)
}

// Pending reports whether Next has an event without more bytes.
func (s *Session) Pending() bool { return s.in.pending }

// Idle lets go of what is only needed while events are handled. The data of the
// last event is then no longer valid.
func (s *Session) Idle() {
	if s.in.x != nil && !s.in.pending && s.in.x.Gathered() == 0 {
		s.in.x.Drop()
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
	if s.replace {
		if !s.repl.Clean(ev.Data) {
			s.scratch = s.repl.Append(s.scratch[:0], ev.Data, ev.Last)
			ev.Data = s.scratch
			if cap(s.scratch) > maxScratch {
				s.scratch = nil
			}
		}
		return nil
	}
	if ev.First {
		s.text.Reset()
	}
	if !s.text.Write(ev.Data) || ev.Last && !s.text.Done() {
		*ev = wire.Event{}
		s.err = &wire.ProtocolError{Version: s.version, Fault: wire.FaultText, Section: s.section,
			Code: wire.CodeInvalidData, Msg: "text is not UTF-8"}
		return s.err
	}
	return nil
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
	case s.codec.EOF() == nil && !s.version.Supports(wire.CapCloseCode):
		// hixie-75 6: TCP's end is the end. hixie-76: most clients just leave.
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
	if s.said {
		return dst, wire.ErrClosed
	}
	switch {
	case op == wire.OpContinuation && s.open:
		op = s.wop
	case op.IsData() && !s.open:
		s.wtext.Reset()
	case op == wire.OpPing || op == wire.OpPong:
		if !s.version.Supports(wire.CapPing) {
			return dst, wire.ErrUnsupported
		}
		return s.codec.AppendFrame(dst, op, true, p)
	default:
		return dst, errSequence
	}
	if op == wire.OpBinary && !s.version.Supports(wire.CapBinary) {
		return dst, wire.ErrUnsupported
	}
	if op == wire.OpText && !s.validText(fin, p) {
		return dst, wire.ErrInvalidText
	}
	kind := op
	if s.open {
		kind = wire.OpContinuation
	}
	var err error
	if s.out.c != nil {
		dst, err = s.out.appendFrame(s.codec, dst, kind, fin, p)
	} else {
		dst, err = s.codec.AppendFrame(dst, kind, fin, p)
	}
	if err == nil {
		s.open, s.wop = !fin, op
	}
	return dst, err
}

func (s *Session) validText(fin bool, p []byte) bool {
	if fin && !s.open {
		return utf8.Valid(p)
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
