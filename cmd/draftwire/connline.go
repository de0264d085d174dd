package main

import (
	"cmp"
	"crypto/tls"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
)

// connEnd is what the line of a connection says.
type connEnd struct {
	h                *draftwire.Handshake
	stats            draftwire.Stats
	conn             uint64
	subprotocol      string
	code             draftwire.CloseCode
	lasted           time.Duration
	dropped          uint64 // messages that its version cannot carry
	fault, hint      string // "": none
	tls, cipher, via string // "": none

	session *gateway.Session // nil: of a server
	by      gateway.Side
	losses  []lossCount
}

// lossCount is how often a session has lost something.
type lossCount struct {
	name string
	n    int
}

// connLine is the work of the line of a connection.
type connLine struct {
	line
	end connEnd
}

// connLines are lent: the line allocates nothing, and takes little of the small stack that a
// connection has.
var connLines = sync.Pool{New: func() any { return new(connLine) }}

// of makes x what is known of a connection that has ended, and of the session that it is in,
// if that is not nil.
func (x *connEnd) of(c *draftwire.Conn, err error, s *gateway.Session) {
	h := c.Handshake()
	*x = connEnd{h: h, stats: c.Stats(), subprotocol: c.Subprotocol(), lasted: time.Since(h.Began()), session: s}
	x.code, _ = ending(c.Version(), err)
	if h.Via() != "" {
		x.via = ipOf(h.Via())
	}
	if t := h.TLS(); t != nil {
		x.tls, x.cipher = tls.VersionName(t.Version), tls.CipherSuiteName(t.CipherSuite)
	}
	if x.fault = failure(err); x.fault != "" {
		x.hint = hintOf(err)
	}
	if pe, ok := errors.AsType[*draftwire.ProtocolError](err); ok && pe.Tolerance != 0 {
		x.hint = pe.Hint()
	}
	if s != nil {
		x.by, _ = s.By()
		for l, n := range s.Losses() {
			x.losses = append(x.losses, lossCount{"lost_" + string(l), n})
		}
		sortLosses(x.losses)
	}
}

func sortLosses(of []lossCount) {
	slices.SortFunc(of, func(a, b lossCount) int { return cmp.Compare(a.name, b.name) })
}

// addTo adds the fields, in the order of the alphabet.
func (x *connEnd) addTo(l *line) {
	h := x.h
	if x.session != nil {
		l.text("backend", x.session.Backend)
	}
	l.number("bytes_in", x.stats.BytesIn)
	l.number("bytes_out", x.stats.BytesOut)
	l.textIf("cipher", x.cipher)
	l.text("client_ip", ipOf(h.Remote()))
	if x.session != nil {
		l.text("close_by", string(x.by))
	}
	l.number("close_code", uint64(x.code))
	l.id("conn", x.conn)
	l.text("deflate", short(h.Deflate()))
	l.text("draft", h.Version().String())
	if x.dropped > 0 {
		l.number("dropped", x.dropped)
	}
	l.seconds("duration_s", seconds(x.lasted))
	l.textIf("error", x.fault)
	l.text("event", "conn.close")
	l.textIf("hint", x.hint)
	l.text("host", short(h.Host()))
	if x.session != nil {
		l.text("listener", x.session.Listener)
	}
	for _, loss := range x.losses {
		l.number(loss.name, uint64(loss.n))
	}
	l.number("msgs_in", x.stats.MessagesIn)
	l.number("msgs_out", x.stats.MessagesOut)
	l.text("origin", short(h.Origin()))
	l.text("path", redact(h.Target()))
	if x.session != nil {
		l.text("route", x.session.Route)
	}
	l.truth("secure", h.Secure())
	l.text("subprotocol", short(x.subprotocol))
	l.textIf("tls", x.tls)
	l.text("user_agent", short(h.Field("User-Agent")))
	l.textIf("via", x.via)
}
