package gateway

import (
	"net"
	"sync"

	"github.com/draftwire/draftwire/internal/sock"
)

// door is an open socket that one port at a time holds. What the socket accepts goes to the
// port that holds it. So a port whose settings have changed can hand the socket over to its
// successor, and no client is refused. (A second descriptor of the same socket is no way to
// do it: package net makes the socket blocking for a moment when it duplicates it, and an
// Accept call in that moment never returns.)
type door struct {
	net.Listener
	from net.Listener // the same socket, as it accepts
	keep bool         // the socket stays open while no port holds it

	begin  sync.Once // of the pump
	mu     sync.Mutex
	change sync.Cond // of holder and closed
	holder *lease    // nil while no port holds the door
	closed bool
	pumped chan struct{} // closed when the socket accepts no more
}

// lease is the time for which a port holds a door. It is a listener, and closing it leaves
// the socket open if another port holds the door by then.
type lease struct {
	*door
	accepts chan accepted
	over    chan struct{}
	end     sync.Once
}

type accepted struct {
	nc  net.Conn
	err error
}

// openDoor returns a door for a listener.
func openDoor(l net.Listener, keep bool) *door {
	d := &door{Listener: l, from: sock.Accepts(l), keep: keep, pumped: make(chan struct{})}
	d.change.L = &d.mu
	return d
}

func (d *door) lease() *lease {
	return &lease{door: d, accepts: make(chan accepted), over: make(chan struct{})}
}

// handOver makes to the holder of the door, and ends the lease that held it before.
func (d *door) handOver(to *lease) {
	d.mu.Lock()
	before := d.holder
	d.holder = to
	d.change.Broadcast()
	d.mu.Unlock()
	if before != nil {
		before.Close()
	}
}

// serve begins to accept, if the door does not do so yet. Until a port wants a connection
// all stay in the socket's queue: this process may still fail to start, and another one that
// has the socket too would serve them.
func (d *door) serve() { d.begin.Do(func() { go d.pump() }) }

// pump accepts until the socket is closed.
func (d *door) pump() {
	defer close(d.pumped)
	for {
		nc, err := d.from.Accept()
		if !d.give(accepted{nc, err}) {
			if nc != nil {
				nc.Close()
			}
			return
		}
	}
}

// give waits until a holder takes what was accepted. It returns false when the door is
// closed.
func (d *door) give(a accepted) bool {
	for {
		d.mu.Lock()
		for d.holder == nil && !d.closed {
			d.change.Wait()
		}
		holder := d.holder
		d.mu.Unlock()
		if holder == nil {
			return false
		}
		select {
		case holder.accepts <- a:
			return true
		case <-holder.over:
		}
	}
}

// holds reports whether this lease holds the door.
func (l *lease) holds() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.holder == l
}

// Accept implements net.Listener.
func (l *lease) Accept() (net.Conn, error) {
	l.serve()
	select {
	case a := <-l.accepts:
		return a.nc, a.err
	case <-l.over:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener: it ends the lease. If the lease holds the door, Close also
// closes the socket, unless the door keeps it for the next holder.
func (l *lease) Close() (err error) {
	l.end.Do(func() {
		l.mu.Lock()
		last := l.holder == l
		if last {
			l.holder, l.closed = nil, !l.keep
			l.change.Broadcast()
		}
		l.mu.Unlock()
		close(l.over)
		if last && !l.keep {
			err = l.from.Close()
			l.serve() // if nobody did: it ends at once
			<-l.pumped
		}
	})
	return err
}
