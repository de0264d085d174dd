package draftwire

// An Observer is told what happens; the package itself never logs. Any
// function may be nil. They are called from the connection's goroutine and
// must not block.
type Observer struct {
	// Opened: a connection is open.
	Opened func(c *Conn)
	// Refused: a handshake did not succeed. remote is the peer's address, head
	// what came of the request.
	Refused func(remote string, head []byte, err *HandshakeError)
	// Closed: a connection that was opened has ended. In err errors.As finds a
	// *CloseError where the peer said why; otherwise it is what broke the connection.
	// Where the handler returned an error while the connection was open, it is a
	// *HandlerError, in which errors.Is finds the handler's error too.
	Closed func(c *Conn, err error)
	// Tolerated: a fault of the peer was accepted.
	Tolerated func(remote string, t Tolerances)
	// Discarded: a server has sent a frame that is neither text nor a close, which a
	// client has to discard (hixie-75 4.2, hixie-76 4.2). What it held is lost, which may be
	// a message: where bytes stand before it that belong to no frame.
	Discarded func(c *Conn)
}

var noObserver Observer

func (o *Observer) opened(c *Conn) {
	if o.Opened != nil {
		o.Opened(c)
	}
}

func (o *Observer) refused(remote string, head []byte, err *HandshakeError) {
	if o.Refused != nil {
		o.Refused(remote, head, err)
	}
}

func (o *Observer) closed(c *Conn, err error) {
	if o.Closed != nil {
		o.Closed(c, err)
	}
}

func (o *Observer) tolerated(remote string, t Tolerances) {
	if t != 0 && o.Tolerated != nil {
		o.Tolerated(remote, t)
	}
}

func (o *Observer) discarded(c *Conn) {
	if o.Discarded != nil {
		o.Discarded(c)
	}
}

// JoinObservers returns an observer that tells each of obs, in their order. nil
// ones are left out. The head that Refused gets is the same for all: it is not to
// be changed.
func JoinObservers(obs ...*Observer) *Observer {
	j := new(Observer)
	for _, o := range obs {
		if o == nil {
			continue
		}
		j.Opened = both(j.Opened, o.Opened, func(f, g func(*Conn)) func(*Conn) {
			return func(c *Conn) { f(c); g(c) }
		})
		j.Refused = both(j.Refused, o.Refused, func(f, g refusedFunc) refusedFunc {
			return func(remote string, head []byte, err *HandshakeError) { f(remote, head, err); g(remote, head, err) }
		})
		j.Closed = both(j.Closed, o.Closed, func(f, g func(*Conn, error)) func(*Conn, error) {
			return func(c *Conn, err error) { f(c, err); g(c, err) }
		})
		j.Tolerated = both(j.Tolerated, o.Tolerated, func(f, g func(string, Tolerances)) func(string, Tolerances) {
			return func(remote string, t Tolerances) { f(remote, t); g(remote, t) }
		})
		j.Discarded = both(j.Discarded, o.Discarded, func(f, g func(*Conn)) func(*Conn) {
			return func(c *Conn) { f(c); g(c) }
		})
	}
	return j
}

type refusedFunc = func(remote string, head []byte, err *HandshakeError)

// both joins two functions with then, unless one of them is nil: what nobody asks
// for is then not called at all.
func both[F refusedFunc | func(*Conn) | func(*Conn, error) | func(string, Tolerances)](f, g F, then func(f, g F) F) F {
	switch {
	case f == nil:
		return g
	case g == nil:
		return f
	}
	return then(f, g)
}
