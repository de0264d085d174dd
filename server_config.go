package draftwire

// liveConfig is what may be replaced while a Server serves. A connection keeps the one
// that it began with.
type liveConfig struct {
	config *config
	flash  string
	proxy  *ProxyProtocol
}

// SetOptions replaces Options for the handshakes that begin from now on, all at
// once. Connections that are open, and handshakes that have begun, keep those
// that they have, their Observer too; what bounds the heads of ordinary HTTP
// stays what it was at first. The error is what Check says of o; then nothing
// has changed. It may be called at any time, before Serve too.
func (s *Server) SetOptions(o AcceptOptions) error {
	s.setup()
	c := s.compile(&o)
	if c.bad != nil {
		return c.bad
	}
	s.change(func(l *liveConfig) { l.config = c })
	return nil
}

// SetFlashPolicy replaces FlashPolicy for the connections that come from now on.
func (s *Server) SetFlashPolicy(policy string) {
	s.setup()
	s.change(func(l *liveConfig) { l.flash = policy })
}

// SetProxy replaces Proxy for the connections that come from now on. The error is what
// Check says of p; then nothing has changed.
func (s *Server) SetProxy(p *ProxyProtocol) error {
	s.setup()
	if err := p.Check(); err != nil {
		return err
	}
	s.change(func(l *liveConfig) { l.proxy = p })
	return nil
}

func (s *Server) change(f func(l *liveConfig)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := *s.live.Load()
	f(&l)
	s.live.Store(&l)
}
