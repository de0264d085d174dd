package draftwire

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/draftwire/draftwire/internal/ascii"
	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/wire"
)

// place is host and scheme of a URL, as the client saw them.
type place struct {
	host   string
	secure bool
}

// clientURL returns host and scheme of the URL that the client used, and puts
// the client's address into info where a trusted proxy names it.
func (o *acceptor) clientURL(req *wire.Request, info *Handshake) place {
	u := place{req.Host(), req.Secure}
	if len(o.TrustForwarded) == 0 {
		return u
	}
	peer, err := netip.ParseAddrPort(info.Remote)
	if err != nil || !contains(o.TrustForwarded, peer.Addr()) {
		return u
	}
	direct := u
	var client netip.AddrPort
	switch old, standard := req.Fields.Has("X-Forwarded-For"), req.Fields.Has("Forwarded"); {
	case old && standard:
		// Most proxies write one family and let the other pass, as the client wrote
		// it: what both do not say alike is believed of neither.
		client = o.walk(req.Fields, "Forwarded", lastHop, &u)
		if client.Addr() != o.walk(req.Fields, "X-Forwarded-For", lastXHop, &place{}).Addr() {
			return direct
		}
	case standard:
		client = o.walk(req.Fields, "Forwarded", lastHop, &u)
	default:
		client = o.walk(req.Fields, "X-Forwarded-For", lastXHop, &u)
		// Of several proxies the first one saw the client.
		if l := req.Fields.First("X-Forwarded-Proto", 1); len(l) > 0 {
			u.setScheme(l[0])
		}
		if l := req.Fields.First("X-Forwarded-Host", 1); len(l) > 0 {
			u.setHost(l[0])
		}
	}
	if client.IsValid() {
		info.Remote, info.Via = client.String(), info.Remote
	}
	return u
}

func (u *place) setScheme(s string) {
	switch strings.ToLower(s) {
	case "https", "wss":
		u.secure = true
	case "http", "ws":
		u.secure = false
	}
}

func (u *place) setHost(s string) {
	if httphead.IsAuthority(s) {
		u.host = s
	}
}

// hop is what one proxy says of who asked it.
type hop struct {
	node        netip.AddrPort // not valid where it does not say
	proto, host string
}

// walk goes from the proxy in front of us towards the client, as far as those
// who speak are trusted and can be read, and returns the last address that it
// finds. What stands further left anybody may have written: it is not even read, so
// that it costs nothing. last reads the last element of a value, and tells which comma
// it stands behind, -1 for none.
func (o *acceptor) walk(f wire.Fields, name string, last func(string) (h hop, comma int, ok bool), u *place) (client netip.AddrPort) {
	for i := len(f) - 1; i >= 0; i-- {
		if !ascii.EqualFold(f[i].Name, name) {
			continue
		}
		for rest, comma := f[i].Value, 0; comma >= 0; rest = rest[:max(comma, 0)] {
			var h hop
			var ok bool
			if h, comma, ok = last(rest); !ok {
				return client
			}
			u.setScheme(h.proto)
			u.setHost(h.host)
			if !h.node.IsValid() {
				return client
			}
			if client = h.node; !contains(o.TrustForwarded, client.Addr()) {
				return client
			}
		}
	}
	return client
}

// lastXHop reads the end of X-Forwarded-For: addresses, some with a port.
func lastXHop(s string) (h hop, comma int, ok bool) {
	comma = strings.LastIndexByte(s, ',')
	return hop{node: parseNode(strings.Trim(s[comma+1:], " \t"))}, comma, true
}

// lastHop reads the end of a Forwarded field (RFC 7239 4): what stands behind the last
// comma, or, where that is no element, behind one further left, as the others may stand
// in quotes. What a proxy wrote behind a comma of its own so means the same whatever
// stands before it, a quote that somebody left open too. No element begins within the
// quotes of another: it would end in their second half, which nothing may stand before.
func lastHop(s string) (h hop, comma int, ok bool) {
	comma = strings.LastIndexByte(s, ',')
	if h, ok = parseHop(s[comma+1:]); ok || strings.IndexByte(s[comma+1:], '"') < 0 {
		return h, comma, ok
	}
	for !ok && comma >= 0 {
		comma = strings.LastIndexByte(s[:comma], ',')
		h, ok = parseHop(s[comma+1:])
	}
	return h, comma, ok
}

// parseHop reads one element: pairs joined by semicolons. It reads no further than to
// where it finds that s is none, so that to try from each comma takes linear time.
func parseHop(s string) (h hop, ok bool) {
	var once [3]bool
	for {
		s = strings.TrimLeft(s, " \t")
		if s == "" {
			return h, true
		}
		if s[0] == ';' {
			s = s[1:]
			continue
		}
		i := strings.IndexAny(s, "=,;\" \t")
		if i < 1 || s[i] != '=' {
			return h, false
		}
		name := s[:i]
		value, after, ok := cutValue(s[i+1:])
		s = strings.TrimLeft(after, " \t")
		if !ok || !httphead.IsToken(name) || s != "" && s[0] != ';' {
			return h, false
		}
		if k := slices.Index(hopParameters[:], strings.ToLower(name)); k >= 0 {
			if once[k] { // which one holds?
				return h, false
			}
			once[k] = true
			h.set(k, value)
		}
	}
}

// hopParameters are those of an element that are looked at (RFC 7239 5).
var hopParameters = [3]string{"for", "proto", "host"}

func (h *hop) set(parameter int, value string) {
	switch parameter {
	case 0:
		h.node = parseNode(value)
	case 1:
		h.proto = value
	case 2:
		h.host = value
	}
}

// cutValue takes a value off s, quoted or not. Some write addresses with a
// colon without the quotes.
func cutValue(s string) (value, rest string, ok bool) {
	if s == "" || s[0] != '"' {
		i := strings.IndexAny(s, " \t,;\"\\=")
		if i < 0 {
			i = len(s)
		}
		return s[:i], s[i:], i > 0
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], true
		case '\\':
			if i++; i == len(s) {
				return "", "", false
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}

// parseNode reads an address with or without a port, one of IPv6 with or without
// brackets. The port is 0 where it is not said, or hidden. What is no address,
// "unknown" or "_hidden", gives none.
func parseNode(s string) (none netip.AddrPort) {
	host, port, has := s, "", false
	if rest, ok := strings.CutPrefix(s, "["); ok {
		if host, port, ok = strings.Cut(rest, "]"); !ok || !strings.Contains(host, ":") {
			return none
		}
		if port != "" {
			if port, has = strings.CutPrefix(port, ":"); !has {
				return none
			}
		}
	} else if strings.Count(s, ":") == 1 {
		host, port, has = strings.Cut(s, ":")
	}
	a, err := netip.ParseAddr(host)
	if err != nil || a.Zone() != "" {
		return none
	}
	var n uint64
	if has && !strings.HasPrefix(port, "_") {
		if n, err = strconv.ParseUint(port, 10, 16); err != nil {
			return none
		}
	}
	return netip.AddrPortFrom(a.Unmap(), uint16(n))
}
