package draftwire

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

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
		client = o.walk(hopsOf(req.Fields), &u)
		if client.Addr() != o.walk(xHopsOf(req.Fields), &place{}).Addr() {
			return direct
		}
	case standard:
		client = o.walk(hopsOf(req.Fields), &u)
	default:
		client = o.walk(xHopsOf(req.Fields), &u)
		// Of several proxies the first one saw the client.
		if l := req.Fields.List("X-Forwarded-Proto"); len(l) > 0 {
			u.setScheme(l[0])
		}
		if l := req.Fields.List("X-Forwarded-Host"); len(l) > 0 {
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
	bad         bool // it cannot be read
}

// walk goes from the proxy in front of us towards the client, as far as those
// who speak are trusted and can be read, and returns the last address that it
// finds. What stands further left anybody may have written.
func (o *acceptor) walk(hops []hop, u *place) (client netip.AddrPort) {
	for i := len(hops) - 1; i >= 0 && !hops[i].bad; i-- {
		h := &hops[i]
		u.setScheme(h.proto)
		u.setHost(h.host)
		if !h.node.IsValid() {
			break
		}
		if client = h.node; !contains(o.TrustForwarded, client.Addr()) {
			break
		}
	}
	return client
}

// xHopsOf reads X-Forwarded-For: addresses, some with a port.
func xHopsOf(f wire.Fields) (hops []hop) {
	for i := range f {
		if !strings.EqualFold(f[i].Name, "X-Forwarded-For") {
			continue
		}
		for s := range strings.SplitSeq(f[i].Value, ",") {
			hops = append(hops, hop{node: parseNode(strings.Trim(s, " \t"))})
		}
	}
	return hops
}

// hopsOf reads the Forwarded fields (RFC 7239 4).
func hopsOf(f wire.Fields) (hops []hop) {
	for i := range f {
		if !strings.EqualFold(f[i].Name, "Forwarded") {
			continue
		}
		for s := f[i].Value; ; {
			h, rest, ok := cutHop(s)
			if !ok {
				// A quote that somebody left open does not swallow what the next
				// proxy wrote behind the comma.
				h = hop{bad: true}
				_, rest, ok = strings.Cut(s, ",")
				if !ok {
					rest = ""
				}
			} else if ok = rest != ""; ok {
				rest = rest[1:]
			}
			hops = append(hops, h)
			if s = rest; !ok {
				break
			}
		}
	}
	return hops
}

// cutHop takes an element off s: pairs joined by semicolons. rest is empty or
// begins with the comma behind it.
func cutHop(s string) (h hop, rest string, ok bool) {
	var once [3]bool
	for {
		s = strings.TrimLeft(s, " \t")
		if s == "" || s[0] == ',' {
			return h, s, true
		}
		if s[0] == ';' {
			s = s[1:]
			continue
		}
		i := strings.IndexByte(s, '=')
		if i < 1 {
			return h, s, false
		}
		name := s[:i]
		value, after, ok := cutValue(s[i+1:])
		s = strings.TrimLeft(after, " \t")
		if !ok || !httphead.IsToken(name) || s != "" && s[0] != ';' && s[0] != ',' {
			return h, s, false
		}
		if k := slices.Index(hopParameters[:], strings.ToLower(name)); k >= 0 {
			if once[k] { // which one holds?
				return h, s, false
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
