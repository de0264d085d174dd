package faultnet

import (
	"io"
	"net"
	"sync"
	"time"
)

// Way is how a [Middle] treats the connections that it relays. The zero value passes all on.
type Way struct {
	Up    bool          // what follows is for bytes from the client, else for those to it
	At    int           // behind how many of them something happens; 0 is never
	How   Fault         // Reset, HalfClose, or Delay
	After time.Duration // of Delay
	Step  int           // in both directions: how many bytes are passed on at a time; 0 is as they come
	Small bool          // the buffers of the system are small
}

// Middle stands between real TCP ends on 127.0.0.1 and relays, cuts and stalls.
type Middle struct {
	l    net.Listener
	to   string
	mu   sync.Mutex
	way  Way
	busy sync.WaitGroup
}

// NewMiddle returns one in front of an address.
func NewMiddle(to string) (*Middle, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	m := &Middle{l: l, to: to}
	m.busy.Go(m.serve)
	return m, nil
}

// Addr is where clients connect.
func (m *Middle) Addr() string { return m.l.Addr().String() }

// Set is for the connections that come from now on.
func (m *Middle) Set(w Way) {
	m.mu.Lock()
	m.way = w
	m.mu.Unlock()
}

// Close stops listening and waits for the connections to end.
func (m *Middle) Close() {
	m.l.Close()
	m.busy.Wait()
}

func (m *Middle) serve() {
	for {
		c, err := m.l.Accept()
		if err != nil {
			return
		}
		m.mu.Lock()
		w := m.way
		m.mu.Unlock()
		m.busy.Go(func() { m.relay(c.(*net.TCPConn), w) })
	}
}

func (m *Middle) relay(client *net.TCPConn, w Way) {
	defer client.Close()
	s, err := net.Dial("tcp", m.to)
	if err != nil {
		return
	}
	server := s.(*net.TCPConn)
	defer server.Close()
	if w.Small {
		for _, c := range []*net.TCPConn{client, server} {
			c.SetReadBuffer(4 << 10)
			c.SetWriteBuffer(4 << 10)
		}
	}
	down := w
	if w.Up {
		down.At = 0
	} else {
		w.At = 0
	}
	var back sync.WaitGroup
	back.Go(func() { down.pass(server, client) })
	w.pass(client, server)
	back.Wait()
}

// pass passes one direction on until it ends. Where it breaks, both ends are reset.
func (w Way) pass(from, to *net.TCPConn) {
	buf := make([]byte, 4<<10)
	for total := 0; ; {
		n, err := from.Read(buf)
		now := n
		hit := w.At > 0 && total < w.At && w.At <= total+n
		if hit {
			now = w.At - total
		}
		if w.write(to, buf[:now]) != nil || hit && w.happen(from, to) || w.write(to, buf[now:n]) != nil {
			reset(from, to)
			return
		}
		total += n
		switch {
		case err == io.EOF:
			to.CloseWrite()
			return
		case err != nil:
			reset(from, to)
			return
		}
	}
}

// happen makes happen what is to. It reports whether that breaks the connection.
func (w Way) happen(from, to *net.TCPConn) bool {
	switch w.How {
	case Reset:
		return true
	case HalfClose:
		to.CloseWrite()
		io.Copy(io.Discard, from)
	case Delay:
		<-time.After(w.After)
	}
	return false
}

func (w Way) write(to *net.TCPConn, p []byte) error {
	for len(p) > 0 {
		n := len(p)
		if w.Step > 0 {
			n = min(n, w.Step)
		}
		if _, err := to.Write(p[:n]); err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

func reset(conns ...*net.TCPConn) {
	for _, c := range conns {
		c.SetLinger(0)
		c.Close()
	}
}
