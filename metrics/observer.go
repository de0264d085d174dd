package metrics

import (
	"errors"
	"strings"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/wire"
	"github.com/prometheus/client_golang/prometheus"
)

// Observer returns an observer that counts what happens on a listener. The program chooses
// the name, for example the address in the configuration. After 100 different names the
// further ones are "other".
func (m *Metrics) Observer(listener string) *draftwire.Observer {
	l := m.listener(listener)
	return &draftwire.Observer{Opened: l.opened, Refused: l.refused, Closed: l.closed, Tolerated: l.tolerated}
}

// listenerObserver is Metrics for one listener.
type listenerObserver struct {
	*Metrics
	name  string
	slots []listenerSlots // by version
}

func (m *Metrics) listener(name string) *listenerObserver {
	return &listenerObserver{Metrics: m, name: m.listenerSet.pass(name), slots: make([]listenerSlots, drafts)}
}

// listenerSlots are what counts the connections of a listener in one version.
type listenerSlots struct {
	open     [2]slot[prometheus.Gauge] // without and with TLS
	accepted slot[prometheus.Counter]
}

// draftSlots are what counts the connections in one version.
type draftSlots struct {
	handshake, lasted slot[prometheus.Observer]
	seen              slot[prometheus.Gauge]
	closes            [numCodes][numInitiators]slot[prometheus.Counter]
}

func (l *listenerObserver) opened(c *draftwire.Conn) {
	h, v := c.Handshake(), c.Version()
	t := h.TLS()
	l.connectionsOf(v, t != nil).Inc()
	l.slots[index(v)].accepted.get(func() prometheus.Counter {
		return l.handshakes.WithLabelValues(l.name, draft(v), "accepted")
	}).Inc()
	of := &l.byDraft[index(v)]
	of.handshake.get(func() prometheus.Observer { return l.handshakeDuration.WithLabelValues(draft(v)) }).Observe(h.Took().Seconds())
	of.seen.get(func() prometheus.Gauge { return l.lastSeen.WithLabelValues(draft(v)) }).Set(unix(h.Began().Add(h.Took())))
	if t != nil {
		l.tlsConnections.WithLabelValues(tlsVersion(t.Version), cipher(t.CipherSuite)).Inc()
	}
}

// connectionsOf is the gauge of open connections.
func (l *listenerObserver) connectionsOf(v wire.Version, secure bool) prometheus.Gauge {
	row := 0
	if secure {
		row = 1
	}
	return l.slots[index(v)].open[row].get(func() prometheus.Gauge {
		return l.connections.WithLabelValues(l.name, draft(v), yesNo(secure))
	})
}

func (l *listenerObserver) closed(c *draftwire.Conn, err error) {
	h, v := c.Handshake(), c.Version()
	l.connectionsOf(v, h.TLS() != nil).Dec()
	code, who := closeOf(v, err)
	of := &l.byDraft[index(v)]
	l.closesOf(v, code, who).Inc()
	of.lasted.get(func() prometheus.Observer { return l.duration.WithLabelValues(draft(v)) }).
		Observe((time.Since(h.Began()) - h.Took()).Seconds())
}

// closesOf is the counter of closes.
func (m *Metrics) closesOf(v wire.Version, code wire.CloseCode, who initiator) prometheus.Counter {
	return m.byDraft[index(v)].closes[codeRow(code)][who].get(func() prometheus.Counter {
		return m.closes.WithLabelValues(draft(v), closeCode(code), initiators[who])
	})
}

// closeOf returns the close code that err stands for, and the side that began the close. In a
// version without codes a clean close is 1005.
func closeOf(v wire.Version, err error) (code wire.CloseCode, who initiator) {
	if errors.Is(err, wire.ErrClosed) {
		who = byUs
	}
	if ce, ok := errors.AsType[*wire.CloseError](err); ok {
		if ce.Code == wire.CodeAbnormal && who == byPeer {
			who = byNobody
		}
		return ce.Code, who
	}
	if pe, ok := errors.AsType[*wire.ProtocolError](err); ok {
		return pe.Code, byUs
	}
	switch {
	case who == byUs && !v.Supports(wire.CapCloseCode):
		return wire.CodeNoStatus, who
	case who == byUs:
		return wire.CodeAbnormal, who
	}
	return wire.CodeAbnormal, byNobody
}

func (l *listenerObserver) refused(_ string, head []byte, he *draftwire.HandshakeError) {
	v := draft(he.Version)
	// A peer that sends nothing is a health check, or a browser that has opened a spare
	// connection. Such connections would falsify the share of failures.
	if len(head) == 0 && (he.Reason == wire.ReasonIO || he.Reason == wire.ReasonTimeout) && !isTLS(he) {
		l.handshakes.WithLabelValues(l.name, v, "silent").Inc()
		return
	}
	l.handshakes.WithLabelValues(l.name, v, "refused").Inc()
	l.failures.WithLabelValues(l.name, v, reason(he)).Inc()
}

func (l *listenerObserver) tolerated(_ string, t draftwire.Tolerances) {
	for name := range strings.SplitSeq(t.String(), ",") {
		if name != "" {
			l.Metrics.tolerated.WithLabelValues(name).Inc()
		}
	}
}
