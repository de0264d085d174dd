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
//
// Where the port's server has its connections read by loops, these accept them, and call the
// server; otherwise a goroutine does, the pump, and the server calls Accept.
type door struct {
	net.Listener
	from net.Listener // the same socket, as it accepts
	keep bool         // the socket stays open while no port holds it

	begin  sync.Once // of the pump
	mu     sync.Mutex
	change sync.Cond     // of holder and closed
	holder *lease        // nil while no port holds the door
	closed bool          // by its last holder
	pumps  bool          // the pump has begun
	loops  *sock.Loops   // that accept; nil while none do
	given  func()        // waits for what those before have accepted; nil: there were none
	pumped chan struct{} // closed when the pump accepts no more
	shut   chan struct{} // closed when the socket is
	shuts  sync.Once
}

// lease is the time for which a port holds a door. It is a listener, and closing it leaves
// the socket open if another port holds the door by then.
type lease struct {
	*door
	accepts chan accepted
	accept  func(net.Conn) // for loops; nil: the server has not asked for them yet, or calls Accept
	onLoops chan struct{}  // closed when loops call accept
	over    chan struct{}
	end     sync.Once
}

type accepted struct {
	nc  net.Conn
	err error
}

// openDoor returns a door for a listener.
func openDoor(l net.Listener, keep bool) *door {
	d := &door{Listener: l, from: sock.Accepts(l), keep: keep, pumped: make(chan struct{}), shut: make(chan struct{})}
	d.change.L = &d.mu
	return d
}

func (d *door) lease() *lease {
	return &lease{door: d, accepts: make(chan accepted), onLoops: make(chan struct{}), over: make(chan struct{})}
}

// handOver makes to the holder of the door, and ends the lease that held it before.
func (d *door) handOver(to *lease) {
	d.mu.Lock()
	before := d.holder
	d.holder = to
	d.changed()
	d.mu.Unlock()
	if before != nil {
		before.Close()
	}
}

// serve begins to accept, if the door does not do so yet. Until a port wants a connection
// all stay in the socket's queue: this process may still fail to start, and another one that
// has the socket too would serve them.
func (d *door) serve() {
	d.begin.Do(func() {
		d.mu.Lock()
		d.pumps = true
		d.mu.Unlock()
		go d.pump()
	})
}

// changed tells of a change of holder or closed. The caller holds the lock.
func (d *door) changed() {
	d.change.Broadcast()
	d.letLoops()
}

// letLoops makes loops accept while the holder wants them to. The caller holds the lock.
func (d *door) letLoops() {
	wanted := d.holder != nil && d.holder.accept != nil && !d.isShut()
	switch {
	case wanted && d.loops == nil:
		if d.loops = sock.NewLoops(); d.loops != nil && d.loops.Listen(d.Listener, d.take) != nil {
			d.loops.Close()
			d.loops = nil
		}
	case !wanted && d.loops != nil:
		d.given = d.loops.Unlisten(d.Listener)
		d.loops.Close()
		d.loops = nil
	}
}

func (d *door) isShut() bool {
	select {
	case <-d.shut:
		return true
	default:
		return false
	}
}

// take gives what a loop has accepted to the holder.
func (d *door) take(nc net.Conn) {
	d.mu.Lock()
	var accept func(net.Conn)
	if d.holder != nil {
		accept = d.holder.accept
	}
	d.mu.Unlock()
	if accept != nil {
		accept(nc)
		return
	}
	go func() { // the holder has changed meanwhile
		if !d.give(accepted{nc, nil}) {
			nc.Close()
		}
	}()
}

// close closes the socket. What was accepted before is the holder's, before Serve of its server returns.
func (d *door) close() (err error) {
	d.shuts.Do(func() {
		d.mu.Lock()
		close(d.shut)
		d.letLoops()
		d.mu.Unlock()
		err = d.from.Close()
	})
	return err
}

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
		var accept func(net.Conn)
		if holder != nil {
			accept = holder.accept
		}
		d.mu.Unlock()
		switch {
		case holder == nil:
			return false
		case a.nc != nil && accept != nil:
			go accept(a.nc) // the pump does not wait for a server, which may wait for the pump
			return true
		}
		onLoops := holder.onLoops
		if a.nc == nil { // loops have no use for an error
			onLoops = nil
		}
		select {
		case holder.accepts <- a:
			return true
		case <-onLoops:
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

// ServeOnLoops lets loops accept, which call accept for each connection, until the lease or the
// socket is closed, and what was accepted before is in the server's hands. It returns false, at once, where they cannot.
func (l *lease) ServeOnLoops(accept func(net.Conn)) bool {
	if !sock.IsSocket(l.Listener) {
		return false
	}
	l.mu.Lock()
	if l.pumps {
		l.mu.Unlock()
		return false
	}
	l.accept = accept
	l.letLoops()
	ok := l.loops != nil || l.holder != l || l.isShut()
	if !ok {
		l.accept = nil
	}
	l.mu.Unlock()
	if !ok {
		return false
	}
	close(l.onLoops)
	select {
	case <-l.over:
	case <-l.shut:
	}
	l.awaitGiven()
	return true
}

// awaitGiven waits until what loops have accepted is in the hands of a holder.
func (d *door) awaitGiven() {
	d.mu.Lock()
	given := d.given
	d.mu.Unlock()
	if given != nil {
		given()
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
			l.changed()
		}
		l.mu.Unlock()
		close(l.over)
		if last && !l.keep {
			err = l.door.close()
			l.serve() // if nobody did: it ends at once
			<-l.pumped
		}
	})
	return err
}
