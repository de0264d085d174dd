package draftwire

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
