package metrics

import (
	"errors"
	"strings"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/wire"
)

// Observer returns an observer that counts what happens on a listener. The name
// is the program's, for example its address in the configuration; of more than 100
// names the rest is "other".
func (m *Metrics) Observer(listener string) *draftwire.Observer {
	l := &listening{m, m.listenerSet.pass(listener)}
	return &draftwire.Observer{Opened: l.opened, Refused: l.refused, Closed: l.closed, Tolerated: l.tolerated}
}

type listening struct {
	*Metrics
	name string
}

func (l *listening) opened(c *draftwire.Conn) {
	h, v := c.Handshake(), draft(c.Version())
	l.connections.WithLabelValues(l.name, v, yesNo(h.TLS != nil)).Inc()
	l.handshakes.WithLabelValues(l.name, v, "accepted").Inc()
	l.handshakeDuration.WithLabelValues(v).Observe(h.Took.Seconds())
	l.lastSeen.WithLabelValues(v).Set(unix(h.Began.Add(h.Took)))
	if h.TLS != nil {
		l.tlsConnections.WithLabelValues(tlsVersion(h.TLS.Version), cipher(h.TLS.CipherSuite)).Inc()
	}
}

func (l *listening) closed(c *draftwire.Conn, err error) {
	h, v := c.Handshake(), draft(c.Version())
	l.connections.WithLabelValues(l.name, v, yesNo(h.TLS != nil)).Dec()
	code, who := ending(c.Version(), err)
	l.closes.WithLabelValues(v, closeCode(code), who).Inc()
	l.duration.WithLabelValues(v).Observe(time.Since(h.Began.Add(h.Took)).Seconds())
}

// ending is the close code that err stands for, and who began. Where the version
// has no codes, an end in order is 1005.
func ending(v wire.Version, err error) (code wire.CloseCode, who string) {
	var ce *wire.CloseError
	var pe *wire.ProtocolError
	who = "peer"
	if errors.Is(err, wire.ErrClosed) {
		who = "local"
	}
	switch {
	case errors.As(err, &ce):
		if ce.Code == wire.CodeAbnormal && who == "peer" {
			who = "none"
		}
		return ce.Code, who
	case errors.As(err, &pe):
		return pe.Code, "local"
	case who == "local" && !v.Supports(wire.CapCloseCode):
		return wire.CodeNoStatus, who
	case who == "local":
		return wire.CodeAbnormal, who
	}
	return wire.CodeAbnormal, "none"
}

func (l *listening) refused(_ string, head []byte, he *draftwire.HandshakeError) {
	v := draft(he.Version)
	// A connection that said nothing is a health check or a browser's spare one: it
	// would make the share of failures a lie.
	if len(head) == 0 && (he.Reason == wire.ReasonIO || he.Reason == wire.ReasonTimeout) && !isTLS(he) {
		l.handshakes.WithLabelValues(l.name, v, "silent").Inc()
		return
	}
	l.handshakes.WithLabelValues(l.name, v, "refused").Inc()
	l.failures.WithLabelValues(l.name, v, reason(he)).Inc()
}

func (l *listening) tolerated(_ string, t draftwire.Tolerances) {
	for name := range strings.SplitSeq(t.String(), ",") {
		if name != "" {
			l.Metrics.tolerated.WithLabelValues(name).Inc()
		}
	}
}
