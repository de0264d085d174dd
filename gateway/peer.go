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
	"github.com/draftwire/draftwire/internal/sock"
)

// A peer is a client or a backend: a WebSocket connection of any version, or a stream of
// bytes.
type peer interface {
	receiver
	// read returns the next part of a message. It is valid until the next read.
	read() (draftwire.Part, error)
	// tryRead is read without waiting: ok is false where no whole part has come yet.
	tryRead() (p draftwire.Part, ok bool, err error)
	// buffered reports whether bytes have come that were not read. They need not be a
	// whole part.
	buffered() bool
}

var background = context.Background()

// socket is a peer that speaks WebSocket.
type socket struct {
	*draftwire.Conn
	inMessage     atomic.Bool // a part of a message was written that was not its last
	deferredFirst bool        // the first part of a message was empty, and is sent with the next
	corked        bool
	unread        bool // dropGone found it not read (guarded by Gateway.mu)
	onLoop        bool // a backend's: a loop can read it
	// fresh is the backend's connection while it has no keepalive yet: to set it takes four
	// system calls, which a session that ends at once does not need. For tend alone.
	fresh *sock.Socket
}

func (s *socket) read() (draftwire.Part, error) { return s.ReadPart(background) }

func (s *socket) tryRead() (p draftwire.Part, ok bool, err error) { return s.TryReadPart() }

func (s *socket) buffered() bool { return s.Buffered() }

func (s *socket) write(p draftwire.Part, hold bool) error {
	if hold && !s.corked {
		s.Cork()
		s.corked = true
	}
	p.First = p.First || s.deferredFirst
	s.deferredFirst = p.First && !p.Last && !p.FrameEnd && len(p.Data) == 0
	if s.deferredFirst {
		return nil
	}
	if p.First && p.Last {
		return s.WritePart(background, p)
	}
	s.inMessage.Store(true)
	err := s.WritePart(background, p)
	s.inMessage.Store(!p.Last)
	return err
}

func (s *socket) lagging() bool { return s.Lagging() }

func (s *socket) flush() error {
	if !s.corked {
		return nil
	}
	s.corked = false
	return s.Flush(background)
}

func (s *socket) cannotClose() bool {
	return s.inMessage.Load() && !s.Version().Supports(draftwire.CapFragments)
}

func (s *socket) closeWrite(code draftwire.CloseCode, reason string) error {
	if s.cannotClose() {
		return s.CloseNow()
	}
	return s.CloseWrite(code, reason)
}

func (s *socket) close(code draftwire.CloseCode, reason string) error {
	if s.cannotClose() { // Close would wait for an answer that cannot come
		return s.CloseNow()
	}
	return s.Close(code, reason)
}

func (s *socket) cut()                       { s.CloseNow() }
func (s *socket) version() draftwire.Version { return s.Version() }

// stream is a peer that sends and gets bare bytes. What one read gives is a message.
type stream struct {
	net.Conn
	text    bool                  // what it sends is passed on as text
	timeout time.Duration         // of a write
	buf     *pool.Buf             // held while it is read
	rest    int                   // bytes at the beginning of buf: a character that the last read has cut
	broken  atomic.Pointer[error] // why a write failed, for the goroutine that reads
}

// streamRead is how many bytes are read from a stream at a time.
const streamRead = 32 << 10

func (s *stream) read() (draftwire.Part, error) {
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

// last returns the end of the stream. A character that it has cut comes first, as U+FFFD.
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

// wholeText returns p without the beginning of a character at its end, which waits for the
// next read. Bytes that are not UTF-8 become U+FFFD.
func (s *stream) wholeText(p []byte) (text []byte, repaired bool) {
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
	if repaired = !utf8.Valid(text); repaired {
		text = []byte(string([]rune(string(text))))
	} else if cut < len(p) {
		text = append([]byte(nil), text...) // the copy below overwrites its place
	}
	s.rest = copy(p, p[cut:])
	return text, repaired
}

// streamEnd is the error of a stream that has ended: a clean close, ErrClosed where the
// gateway has closed it, or what broke it.
func streamEnd(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return &draftwire.CloseError{Code: draftwire.CodeNoStatus}
	}
	if errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) {
		return draftwire.ErrClosed
	}
	return err
}

func (s *stream) buffered() bool                         { return false }
func (s *stream) tryRead() (draftwire.Part, bool, error) { return draftwire.Part{}, false, nil }

func (s *stream) write(p draftwire.Part, _ bool) error {
	s.SetWriteDeadline(time.Now().Add(s.timeout))
	_, err := s.Conn.Write(p.Data)
	if err != nil {
		s.broken.CompareAndSwap(nil, &err)
		s.Conn.Close() // wakes the goroutine that reads, as a draftwire.Conn does by itself
	}
	return err
}

func (s *stream) flush() error      { return nil }
func (s *stream) lagging() bool     { return false }
func (s *stream) cannotClose() bool { return false }

// streamLinger bounds the wait for the end of a stream after ours.
const streamLinger = 2 * time.Second

// closeWrite ends our half of the stream, so that what was sent arrives. The goroutine that
// reads waits for the peer's half.
func (s *stream) closeWrite(draftwire.CloseCode, string) error {
	half, ok := s.Conn.(interface{ CloseWrite() error })
	if !ok {
		return s.Conn.Close()
	}
	half.CloseWrite()
	return s.SetReadDeadline(time.Now().Add(streamLinger))
}

func (s *stream) close(code draftwire.CloseCode, reason string) error {
	return s.closeWrite(code, reason)
}

func (s *stream) cut()                       { s.Conn.Close() }
func (s *stream) version() draftwire.Version { return draftwire.Unknown }
