// Package gorillafuzz gives the same calls and the same bytes to github.com/gorilla/websocket and to
// compat/gorilla, and compares what comes of them: messages, errors by kind, calls of handlers, and what
// goes over the wire. It is a module of its own, so that the library does not depend on gorilla.
package gorillafuzz

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	ours "github.com/draftwire/draftwire/compat/gorilla"
	gorilla "github.com/gorilla/websocket"
)

// conn is what the Conn of both has.
type conn interface {
	ReadMessage() (int, []byte, error)
	NextReader() (int, io.Reader, error)
	ReadJSON(any) error
	WriteMessage(int, []byte) error
	NextWriter(int) (io.WriteCloser, error)
	WriteControl(int, []byte, time.Time) error
	WriteJSON(any) error
	SetReadLimit(int64)
	SetWriteDeadline(time.Time) error
	SetPingHandler(func(string) error)
	SetPongHandler(func(string) error)
	SetCloseHandler(func(int, string) error)
	EnableWriteCompression(bool)
	SetCompressionLevel(int) error
	Subprotocol() string
	Close() error
}

var (
	_ conn = (*gorilla.Conn)(nil)
	_ conn = (*ours.Conn)(nil)
)

// settings are those of an Upgrader or a Dialer.
type settings struct {
	compression bool
	writeSize   int
	protocols   []string
	header      http.Header // of the request or the answer
	url         string
}

// library is one of both.
type library struct {
	name     string
	upgrade  func(s *settings, w http.ResponseWriter, r *http.Request) (conn, error)
	dial     func(s *settings, dial func(string, string) (net.Conn, error)) (conn, *http.Response, error)
	prepared func(c conn, messageType int, data []byte) error
	join     func(c conn, term string) io.Reader
	close    func(error) (code int, text string, ok bool) // what a CloseError says
	special  func(error) string                           // the name of an error that programs compare with
}

var libraries = [2]library{
	{
		name: "gorilla",
		upgrade: func(s *settings, w http.ResponseWriter, r *http.Request) (conn, error) {
			u := gorilla.Upgrader{EnableCompression: s.compression, WriteBufferSize: s.writeSize, ReadBufferSize: 4096, Subprotocols: s.protocols}
			c, err := u.Upgrade(w, r, s.header)
			if err != nil {
				return nil, err
			}
			return c, nil
		},
		dial: func(s *settings, dial func(string, string) (net.Conn, error)) (conn, *http.Response, error) {
			d := gorilla.Dialer{EnableCompression: s.compression, WriteBufferSize: s.writeSize, Subprotocols: s.protocols, NetDial: dial}
			c, resp, err := d.Dial(s.url, s.header)
			if err != nil {
				return nil, resp, err
			}
			return c, resp, nil
		},
		prepared: func(c conn, messageType int, data []byte) error {
			pm, err := gorilla.NewPreparedMessage(messageType, data)
			if err != nil {
				return err
			}
			return c.(*gorilla.Conn).WritePreparedMessage(pm)
		},
		join: func(c conn, term string) io.Reader { return gorilla.JoinMessages(c.(*gorilla.Conn), term) },
		close: func(err error) (int, string, bool) {
			if ce, ok := err.(*gorilla.CloseError); ok {
				return ce.Code, ce.Text, true
			}
			return 0, "", false
		},
		special: func(err error) string {
			if _, ok := err.(gorilla.HandshakeError); ok {
				return "HandshakeError"
			}
			return named(err, gorilla.ErrCloseSent, gorilla.ErrReadLimit, gorilla.ErrBadHandshake)
		},
	},
	{
		name: "compat/gorilla",
		upgrade: func(s *settings, w http.ResponseWriter, r *http.Request) (conn, error) {
			u := ours.Upgrader{EnableCompression: s.compression, WriteBufferSize: s.writeSize, ReadBufferSize: 4096, Subprotocols: s.protocols}
			c, err := u.Upgrade(w, r, s.header)
			if err != nil {
				return nil, err
			}
			return c, nil
		},
		dial: func(s *settings, dial func(string, string) (net.Conn, error)) (conn, *http.Response, error) {
			d := ours.Dialer{EnableCompression: s.compression, WriteBufferSize: s.writeSize, Subprotocols: s.protocols, NetDial: dial}
			c, resp, err := d.Dial(s.url, s.header)
			if err != nil {
				return nil, resp, err
			}
			return c, resp, nil
		},
		prepared: func(c conn, messageType int, data []byte) error {
			pm, err := ours.NewPreparedMessage(messageType, data)
			if err != nil {
				return err
			}
			return c.(*ours.Conn).WritePreparedMessage(pm)
		},
		join: func(c conn, term string) io.Reader { return ours.JoinMessages(c.(*ours.Conn), term) },
		close: func(err error) (int, string, bool) {
			if ce, ok := err.(*ours.CloseError); ok {
				return ce.Code, ce.Text, true
			}
			return 0, "", false
		},
		special: func(err error) string {
			if _, ok := err.(ours.HandshakeError); ok {
				return "HandshakeError"
			}
			return named(err, ours.ErrCloseSent, ours.ErrReadLimit, ours.ErrBadHandshake)
		},
	},
}

func named(err, closeSent, readLimit, badHandshake error) string {
	switch err {
	case closeSent:
		return "ErrCloseSent"
	case readLimit:
		return "ErrReadLimit"
	case badHandshake:
		return "ErrBadHandshake"
	}
	return ""
}

// kind says what a program can tell of an error.
func (l *library) kind(err error) string {
	if err == nil {
		return "nil"
	}
	if code, text, ok := l.close(err); ok {
		return fmt.Sprintf("CloseError %d %q", code, text)
	}
	if s := l.special(err); s != "" {
		return s
	}
	switch {
	case err == io.EOF:
		return "io.EOF"
	case err == io.ErrUnexpectedEOF:
		return "io.ErrUnexpectedEOF"
	case errors.Is(err, errHandler):
		return "of the handler"
	case errors.Is(err, errWire):
		return "of the wire"
	}
	if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
		return "timeout"
	}
	if errors.Is(err, net.ErrClosed) {
		return "closed"
	}
	return "other"
}

var (
	errHandler = errors.New("of the handler")
	errWire    = errors.New("of the wire")
)

// tape is the input of a fuzzer, as decisions. Behind its end all are 0.
type tape []byte

func (t *tape) byte() byte {
	if len(*t) == 0 {
		return 0
	}
	b := (*t)[0]
	*t = (*t)[1:]
	return b
}

// one returns one of choices.
func one[T any](t *tape, choices ...T) T { return choices[int(t.byte())%len(choices)] }

// text returns up to most bytes of the tape.
func (t *tape) text(most int) string {
	n := min(int(t.byte())%(most+1), len(*t))
	s := string((*t)[:n])
	*t = (*t)[n:]
	return s
}

// wire is a connection whose peer says what it is told to, and then ends the stream.
type wire struct {
	mu     sync.Mutex
	in     []byte
	chunk  int                      // the most that a Read returns
	answer func(sent []byte) []byte // what comes when that was sent, once; may be nil
	out    []byte
	broken bool // writes fail
	closed chan struct{}
	once   sync.Once
}

func newWire(in []byte, chunk int) *wire {
	return &wire{in: in, chunk: chunk, closed: make(chan struct{})}
}

func (w *wire) Read(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-w.closed:
		return 0, net.ErrClosed
	default:
	}
	if len(w.in) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), w.chunk)], w.in)
	w.in = w.in[n:]
	return n, nil
}

func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-w.closed:
		return 0, net.ErrClosed
	default:
	}
	if w.broken {
		return 0, errWire
	}
	w.out = append(w.out, p...)
	if w.answer != nil {
		if in := w.answer(w.out); in != nil {
			w.in, w.out, w.answer = append(in, w.in...), nil, nil
		}
	}
	return len(p), nil
}

// written returns what was written, and forgets it.
func (w *wire) written() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.out
	w.out = nil
	return p
}

func (w *wire) Close() error {
	err := net.ErrClosed
	w.once.Do(func() { close(w.closed); err = nil })
	return err
}

type addr struct{}

func (addr) Network() string { return "tcp" }
func (addr) String() string  { return "wire" }

func (w *wire) LocalAddr() net.Addr              { return addr{} }
func (w *wire) RemoteAddr() net.Addr             { return addr{} }
func (w *wire) SetDeadline(time.Time) error      { return nil }
func (w *wire) SetReadDeadline(time.Time) error  { return nil }
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

// hijacked is a response that is taken over.
type hijacked struct {
	wire   *wire
	header http.Header
	status int
	body   []byte
	taken  bool
}

func (h *hijacked) Header() http.Header { return h.header }
func (h *hijacked) WriteHeader(n int)   { h.status = n }
func (h *hijacked) Write(p []byte) (int, error) {
	h.body = append(h.body, p...)
	return len(p), nil
}
func (h *hijacked) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	h.taken = true
	// Readers of this size are those of net/http.
	return h.wire, bufio.NewReadWriter(bufio.NewReaderSize(h.wire, 4096), bufio.NewWriterSize(h.wire, 4096)), nil
}

const key = "dGhlIHNhbXBsZSBub25jZQ=="

// handshake is a request that every server takes.
func handshake(compression bool) *http.Request {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://example.com/", nil)
	if err != nil {
		panic(err)
	}
	r.RequestURI = "/"
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "websocket")
	r.Header.Set("Sec-WebSocket-Version", "13")
	r.Header.Set("Sec-WebSocket-Key", key)
	if compression {
		r.Header.Set("Sec-WebSocket-Extensions", "permessage-deflate; server_no_context_takeover; client_no_context_takeover")
	}
	return r
}

// open returns an open connection of l on w.
func (l *library) open(t *testing.T, server bool, s *settings, w *wire) conn {
	t.Helper()
	if server {
		// What the peer says comes when the handshake is done: gorilla refuses it before.
		in := w.in
		w.in = nil
		c, err := l.upgrade(s, &hijacked{wire: w, header: http.Header{}}, handshake(s.compression))
		if err != nil {
			t.Fatalf("%s: %v", l.name, err)
		}
		w.written()
		w.in = in
		return c
	}
	s.url = "ws://example.com/"
	w.answer = accepting(s.compression, "")
	in := w.in
	w.in = nil
	c, _, err := l.dial(s, func(string, string) (net.Conn, error) { return w, nil })
	if err != nil {
		t.Fatalf("%s: %v", l.name, err)
	}
	w.in = in
	return c
}
