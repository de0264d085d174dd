package generation

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
)

// envPair is the variable with the number of the descriptor of the pair.
const envPair = "DRAFTWIRE_PARENT"

// protocol is the number of the protocol on the pair. Both processes must have the same.
const protocol = 1

// hello is the answer to GET /generation.
type hello struct {
	Protocol int      `json:"protocol"`
	First    int      `json:"first"`   // the descriptor of the first socket; the others follow
	Sockets  []string `json:"sockets"` // their names
}

// link is one end of the pair. Gone is closed when the pair has ended.
type link struct {
	net.Conn
	gone chan struct{}
	end  sync.Once
}

func newLink(nc net.Conn) *link { return &link{Conn: nc, gone: make(chan struct{})} }

// Read implements net.Conn. HTTP/2 always reads, so it is where the end of the other process
// is noticed first.
func (l *link) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	if err != nil {
		l.over()
	}
	return n, err
}

// Close implements net.Conn.
func (l *link) Close() error {
	l.over()
	return l.Conn.Close()
}

func (l *link) over() { l.end.Do(func() { close(l.gone) }) }

var errGone = errors.New("the other process has ended")

// client returns a client of the other end.
func (l *link) client() *http.Client {
	var taken bool
	var mu sync.Mutex
	t := &http.Transport{Protocols: http2(), DialContext: func(context.Context, string, string) (net.Conn, error) {
		mu.Lock()
		defer mu.Unlock()
		if taken {
			return nil, errGone
		}
		taken = true
		return l, nil
	}}
	return &http.Client{Transport: t}
}

// serve answers the other end until the pair ends.
func (l *link) serve(h http.Handler) {
	s := &http.Server{Handler: h, Protocols: http2()}
	s.Serve(&single{link: l})
}

// http2 is HTTP/2 without TLS, from the first byte.
func http2() *http.Protocols {
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	return p
}

// single is a listener that accepts one connection.
type single struct {
	*link
	mu    sync.Mutex
	taken bool
}

// Accept implements net.Listener. The second call waits for the end of the link.
func (s *single) Accept() (net.Conn, error) {
	s.mu.Lock()
	first := !s.taken
	s.taken = true
	s.mu.Unlock()
	if first {
		return s.link, nil
	}
	<-s.gone
	return nil, net.ErrClosed
}

// Addr implements net.Listener.
func (s *single) Addr() net.Addr { return s.LocalAddr() }
