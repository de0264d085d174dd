package draftwire

// rules are what may be replaced while a server serves. A connection keeps those
// that it began with.
type rules struct {
	*acceptor
	flash string
	proxy *ProxyProtocol
}

// SetOptions replaces Options for the handshakes that begin from now on, all at
// once. Connections that are open, and handshakes that have begun, keep those
// that they have, their Observer too; what bounds the heads of ordinary HTTP
// stays what it was at first. The error is what Check says of o; then nothing
// has changed. It may be called at any time, before Serve too.
func (s *Server) SetOptions(o AcceptOptions) error {
	s.setup()
	a := s.acceptor(&o)
	if a.bad != nil {
		return a.bad
	}
	s.change(func(r *rules) { r.acceptor = a })
	return nil
}

// SetFlashPolicy replaces FlashPolicy for the connections that come from now on.
func (s *Server) SetFlashPolicy(policy string) {
	s.setup()
	s.change(func(r *rules) { r.flash = policy })
}

// SetProxy replaces Proxy for the connections that come from now on. The error is
// that of a value without Read.
func (s *Server) SetProxy(p *ProxyProtocol) error {
	s.setup()
	if err := p.check(); err != nil {
		return err
	}
	s.change(func(r *rules) { r.proxy = p })
	return nil
}

func (s *Server) change(f func(r *rules)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := *s.live.Load()
	f(&r)
	s.live.Store(&r)
}
