package draftwire

import (
	"bytes"
	"log"
	"net"
	"net/http"
	"runtime/debug"
)

// panicked ends a connection behind a panic, and logs that.
func (s *Server) panicked(nc net.Conn, e any) {
	nc.Close()
	s.logPanic(nc, e)
}

func (s *Server) logPanic(nc net.Conn, e any) {
	if e != http.ErrAbortHandler {
		s.logf("draftwire: panic serving %s: %v\n%s", nc.RemoteAddr(), e, debug.Stack())
	}
}

func (s *Server) logf(format string, args ...any) {
	if s.ErrorLog != nil {
		s.ErrorLog.Printf(format, args...)
		return
	}
	log.Printf(format, args...)
}

// httpLog is net/http's logger.
func (s *Server) httpLog() *log.Logger {
	if s.ErrorLog != nil {
		return s.ErrorLog
	}
	return log.New(panicsOnly{}, "", 0)
}

// panicsOnly passes on what the program did, and drops what a peer did.
type panicsOnly struct{}

func (panicsOnly) Write(p []byte) (int, error) {
	if bytes.HasPrefix(p, []byte("http: panic serving")) || bytes.HasPrefix(p, []byte("http2: panic serving")) {
		log.Print(string(p))
	}
	return len(p), nil
}
