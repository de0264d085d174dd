package gateway

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/pool"
)

// A peer is a client or a backend: a WebSocket connection of any version, or a
// stream of bytes.
type peer interface {
	// read returns the next piece of a message, which holds until the next read.
	// Without wait it is errWait where none has come whole.
	read(wait bool) (draftwire.Part, error)
	// buffered reports whether more has come that was not read. It need not be a
	// piece of a message.
	buffered() bool
	// write passes a piece on. hold tells that more follows at once.
	write(p draftwire.Part, hold bool) error
	// flush sends what write held.
	flush() error
	// deaf reports whether a close cannot be said now: inside text of a hixie peer.
	deaf() bool
	// close ends the connection in order, as far as the peer can hear it.
	close(code draftwire.CloseCode, reason string) error
	// cut ends it at once.
	cut()
	// version is Unknown for a stream.
	version() draftwire.Version
}

var background = context.Background()

// ended is a context that has: a call with it does what it can without waiting.
var ended = func() context.Context {
	ctx, cancel := context.WithCancel(background)
	cancel()
	return ctx
}()

// errWait: there is nothing to read yet.
var errWait = context.Canceled

// socket is a peer that speaks WebSocket.
type socket struct {
	*draftwire.Conn
	midst  atomic.Bool // a part of a message was written, and not its last
	late   bool        // a message has begun, but there was nothing of it to write
	corked bool
	unread bool // it was not read at the gateway's last look (under Gateway.mu)
}

func (s *socket) read(wait bool) (draftwire.Part, error) {
	if wait {
		return s.ReadPart(background)
	}
	return s.ReadPart(ended)
}

func (s *socket) buffered() bool { return s.Buffered() }

func (s *socket) write(p draftwire.Part, hold bool) error {
	if hold && !s.corked {
		s.Cork()
		s.corked = true
	}
	p.First = p.First || s.late
	if s.late = p.First && !p.Last && !p.FrameEnd && len(p.Data) == 0; s.late {
		return nil
	}
	if p.First && p.Last {
		return s.WritePart(background, p)
	}
	s.midst.Store(true)
	err := s.WritePart(background, p)
	s.midst.Store(!p.Last)
	return err
}

func (s *socket) flush() error {
	if !s.corked {
		return nil
	}
	s.corked = false
	return s.Flush(background)
}

func (s *socket) deaf() bool {
	return s.midst.Load() && !s.Version().Supports(draftwire.CapFragments)
}

func (s *socket) close(code draftwire.CloseCode, reason string) error {
	if s.deaf() { // an answer would be waited for in vain
		return s.CloseNow()
	}
	return s.Close(code, reason)
}

func (s *socket) cut()                       { s.CloseNow() }
func (s *socket) version() draftwire.Version { return s.Version() }

// stream is a peer that gives and takes bare bytes.
type stream struct {
	net.Conn
	text    bool                  // what it sends is text
	timeout time.Duration         // of a write
	buf     *pool.Buf             // held while it is read
	rest    int                   // bytes at the beginning of buf: a character cut at the end of the last read
	broken  atomic.Pointer[error] // why a write failed, for the reader
}

// streamRead is how much is read of a stream at a time.
const streamRead = 32 << 10

func (s *stream) read(bool) (draftwire.Part, error) {
	if s.buf == nil {
		s.buf = pool.Get(streamRead)
	}
	p := s.buf.B[:cap(s.buf.B)]
	for {
		n, err := s.Conn.Read(p[s.rest:])
		if n == 0 {
			return s.last(err)
		}
		part := draftwire.Part{Op: draftwire.OpBinary, Data: p[:s.rest+n], First: true, Last: true, FrameEnd: true}
		if s.text {
			part.Op = draftwire.OpText
			if part.Data, part.Repaired = s.wholeText(part.Data); len(part.Data) == 0 {
				continue
			}
		}
		return part, nil
	}
}

// last is the end of a stream and, before that, the character that it cut.
func (s *stream) last(err error) (draftwire.Part, error) {
	if s.rest > 0 {
		s.rest = 0
		return draftwire.Part{Op: draftwire.OpText, Data: []byte(string(utf8.RuneError)), First: true, Last: true, FrameEnd: true, Repaired: true}, nil
	}
	pool.Put(s.buf)
	s.buf = nil
	if e := s.broken.Load(); e != nil {
		return draftwire.Part{}, *e
	}
	return draftwire.Part{}, streamEnd(err)
}

// wholeText returns p without the beginning of a character at its end, which it
// keeps for the next read. What is not UTF-8 at all becomes U+FFFD.
func (s *stream) wholeText(p []byte) (text []byte, mended bool) {
	cut := len(p)
	for k := 1; k < utf8.UTFMax && k <= len(p); k++ {
		if b := p[len(p)-k]; utf8.RuneStart(b) {
			if !utf8.FullRune(p[len(p)-k:]) {
				cut = len(p) - k
			}
			break
		}
	}
	text = p[:cut]
	if mended = !utf8.Valid(text); mended {
		text = []byte(string([]rune(string(text))))
	} else if cut < len(p) {
		text = append([]byte(nil), text...) // the rest moves to its place
	}
	s.rest = copy(p, p[cut:])
	return text, mended
}

// streamEnd is the end of a stream: in order, or broken.
func streamEnd(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return &draftwire.CloseError{Code: draftwire.CodeNoStatus}
	}
	if errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) {
		return draftwire.ErrClosed
	}
	return err
}

func (s *stream) buffered() bool { return false }

func (s *stream) write(p draftwire.Part, _ bool) error {
	s.SetWriteDeadline(time.Now().Add(s.timeout))
	_, err := s.Conn.Write(p.Data)
	if err != nil {
		s.broken.CompareAndSwap(nil, &err)
		s.Conn.Close() // so that who reads it hears of it, as a Conn does by itself
	}
	return err
}

func (s *stream) flush() error { return nil }
func (s *stream) deaf() bool   { return false }

// streamLinger bounds the wait for a stream's end behind ours.
const streamLinger = 2 * time.Second

// close ends our half, so that what was sent arrives, and leaves the rest to the
// reader, which sees the peer's end.
func (s *stream) close(draftwire.CloseCode, string) error {
	if cw, ok := s.Conn.(interface{ CloseWrite() error }); ok {
		cw.CloseWrite()
		s.SetReadDeadline(time.Now().Add(streamLinger))
		return nil
	}
	return s.Conn.Close()
}

func (s *stream) cut()                       { s.Conn.Close() }
func (s *stream) version() draftwire.Version { return draftwire.Unknown }
