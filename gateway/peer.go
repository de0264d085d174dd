package gateway

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"time"
	"unicode/utf8"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/pool"
)

// A peer is a client or a backend: a WebSocket connection of any version, or a
// stream of bytes.
type peer interface {
	// read returns the next piece of a message, which holds until the next read.
	read() (draftwire.Part, error)
	// buffered reports whether more has come that was not read.
	buffered() bool
	// write passes a piece on. hold tells that more follows at once.
	write(p draftwire.Part, hold bool) error
	// flush sends what write held.
	flush() error
	// close ends the connection in order, as far as the peer can hear it.
	close(code draftwire.CloseCode, reason string) error
	// cut ends it at once.
	cut()
	// version is Unknown for a stream.
	version() draftwire.Version
}

var background = context.Background()

// socket is a peer that speaks WebSocket.
type socket struct {
	*draftwire.Conn
	w      io.WriteCloser // of the message under way, nil between them
	corked bool
}

func (s *socket) read() (draftwire.Part, error) { return s.ReadPart(background) }
func (s *socket) buffered() bool                { return s.Buffered() }

func (s *socket) write(p draftwire.Part, hold bool) error {
	if hold && !s.corked {
		s.Cork()
		s.corked = true
	}
	if p.First && p.Last {
		return s.Write(background, p.Op, p.Data)
	}
	if p.First {
		w, err := s.Writer(background, p.Op)
		if err != nil {
			return err
		}
		s.w = w
	}
	if len(p.Data) > 0 {
		if _, err := s.w.Write(p.Data); err != nil {
			return err
		}
	}
	if !p.Last {
		return nil
	}
	w := s.w
	s.w = nil
	return w.Close()
}

func (s *socket) flush() error {
	if !s.corked {
		return nil
	}
	s.corked = false
	return s.Flush(background)
}

func (s *socket) close(code draftwire.CloseCode, reason string) error { return s.Close(code, reason) }
func (s *socket) cut()                                                { s.CloseNow() }
func (s *socket) version() draftwire.Version                          { return s.Version() }

// stream is a peer that gives and takes bare bytes.
type stream struct {
	net.Conn
	text    bool          // what it sends is text
	timeout time.Duration // of a write
	buf     *pool.Buf     // held while it is read
	rest    int           // bytes at the beginning of buf: a character cut at the end of the last read
}

// streamRead is how much is read of a stream at a time.
const streamRead = 32 << 10

func (s *stream) read() (draftwire.Part, error) {
	if s.buf == nil {
		s.buf = pool.Get(streamRead)
	}
	p := s.buf.B[:cap(s.buf.B)]
	for {
		n, err := s.Conn.Read(p[s.rest:])
		if n += s.rest; n == 0 || err != nil && n == s.rest {
			pool.Put(s.buf)
			s.buf = nil
			return draftwire.Part{}, streamEnd(err)
		}
		part := draftwire.Part{Op: draftwire.OpBinary, Data: p[:n], First: true, Last: true, FrameEnd: true}
		if s.text {
			part.Op = draftwire.OpText
			if part.Data = s.wholeText(p[:n]); len(part.Data) == 0 {
				continue
			}
		}
		return part, nil
	}
}

// wholeText returns p without the beginning of a character at its end, which it
// keeps for the next read. What is not UTF-8 at all becomes U+FFFD.
func (s *stream) wholeText(p []byte) []byte {
	cut := len(p)
	for k := 1; k < utf8.UTFMax && k <= len(p); k++ {
		if b := p[len(p)-k]; utf8.RuneStart(b) {
			if !utf8.FullRune(p[len(p)-k:]) {
				cut = len(p) - k
			}
			break
		}
	}
	text := p[:cut]
	if !utf8.Valid(text) {
		text = []byte(string([]rune(string(text))))
	} else if cut < len(p) {
		text = append([]byte(nil), text...) // the rest moves to its place
	}
	s.rest = copy(p, p[cut:])
	return text
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
	return err
}

func (s *stream) flush() error { return nil }

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
