package metrics

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/draftwire/draftwire/wire"
)

// The values of labels for everything that has no value of its own.
const (
	other   = "other"
	unknown = "unknown"
)

// How many values the program may choose for a label. Further ones become "other".
const (
	maxListeners = 100
	maxRoutes    = 500
	maxBackends  = 500
	maxValues    = 50  // limits, losses, windows
	maxValue     = 200 // bytes
)

// values is a bounded set of values of a label, which the program chooses.
type values struct {
	max  int
	mu   sync.RWMutex
	seen map[string]struct{}
}

// pass returns w if it is in the set or there is room for it, and otherwise "other".
func (s *values) pass(w string) string {
	w = strings.ToValidUTF8(w, "?") // otherwise a counter would panic
	s.mu.RLock()
	_, ok := s.seen[w]
	s.mu.RUnlock()
	if ok {
		return w
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.seen[w]; ok {
		return w
	}
	if len(s.seen) >= s.max || len(w) > maxValue {
		return other
	}
	if s.seen == nil {
		s.seen = make(map[string]struct{})
	}
	s.seen[w] = struct{}{}
	return w
}

// drafts is the number of versions, Unknown among them.
var drafts = wire.AllVersions.Len() + 1

// draft is the label of a version.
func draft(v wire.Version) string {
	if int(v) >= drafts {
		v = wire.Unknown
	}
	return v.String()
}

var reasons = func() map[string]bool {
	known := map[string]bool{"tls": true, "tls_version": true, "tls_suite": true, "tls_certificate": true}
	for _, r := range wire.Reasons() {
		known[string(r.Reason)] = true
	}
	return known
}()

// reason is the label of a failed handshake. A failure in TLS has reasons of its own, which
// its error may tell.
func reason(he *wire.HandshakeError) string {
	r := string(he.Reason)
	if he.Reason == wire.ReasonIO && isTLS(he) {
		r = "tls"
		var reasoned interface {
			error
			Reason() string
		}
		if errors.As(he.Err, &reasoned) {
			r = reasoned.Reason()
		}
	}
	if reasons[r] {
		return r
	}
	return other
}

// isTLS reports whether the TLS handshake of the connection failed.
func isTLS(he *wire.HandshakeError) bool {
	return he.Err != nil && strings.HasPrefix(he.Err.Error(), "tls: ")
}

// closeCode is the label of a close code: a registered one (RFC 6455 7.4.1) is its number, any
// other is its range.
func closeCode(c wire.CloseCode) string {
	switch {
	case c >= wire.CodeNormal && c <= wire.CodeTLS:
		return strconv.Itoa(int(c))
	case c >= 1000 && c <= 4999:
		return strconv.Itoa(int(c)/1000) + "xxx"
	}
	return other
}

func tlsVersion(v uint16) string {
	if v >= tls.VersionTLS10 && v <= tls.VersionTLS13 {
		return tls.VersionName(v)
	}
	return other
}

var ciphers = func() map[uint16]string {
	names := make(map[uint16]string)
	for _, list := range [][]*tls.CipherSuite{tls.CipherSuites(), tls.InsecureCipherSuites()} {
		for _, c := range list {
			names[c.ID] = c.Name
		}
	}
	return names
}()

func cipher(id uint16) string {
	if n, ok := ciphers[id]; ok {
		return n
	}
	return other
}

func tlsProfile(name string) string {
	switch name {
	case "modern", "legacy", "museum":
		return name
	}
	return other
}

// dialReasons are the reasons why a backend was not reached, besides those of package wire.
var dialReasons = map[string]bool{"refused": true, "timeout": true, "dns": true, "tls": true, "unreachable": true, "canceled": true, "closed": true}

// DialReason returns the reason for BackendDialFailed from the error of a dial: dns, refused,
// unreachable, tls, timeout, canceled, a reason of package wire if the backend has answered,
// or "other".
func DialReason(err error) string {
	var (
		he      *wire.HandshakeError
		dns     *net.DNSError
		rec     tls.RecordHeaderError
		verify  *tls.CertificateVerificationError
		name    x509.HostnameError
		timeout interface{ Timeout() bool }
	)
	switch {
	case errors.As(err, &dns):
		return "dns"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "unreachable"
	case errors.As(err, &rec), errors.As(err, &verify), errors.As(err, &name):
		return "tls"
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	case errors.As(err, &he) && reasons[string(he.Reason)]:
		return string(he.Reason)
	}
	return other
}
