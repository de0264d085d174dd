package origin

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/draftwire/draftwire/internal/ascii"
	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/wire"
)

// Client returns the client's address and the URL that it used, by what the proxies on
// the list trusted say in the fields of a request. peer is the address and port of the
// connection's peer. client is not valid where no proxy names one: then the peer is the
// client.
func Client(trusted []netip.Prefix, req *wire.Request, peer string) (url PublicURL, client netip.AddrPort) {
	direct := PublicURL{req.Host(), req.Secure}
	if len(trusted) == 0 {
		return direct, client
	}
	from, err := netip.ParseAddrPort(peer)
	if err != nil || !Contains(trusted, from.Addr()) {
		return direct, client
	}
	url = direct
	switch old, standard := req.Fields.Has("X-Forwarded-For"), req.Fields.Has("Forwarded"); {
	case old && standard:
		// Most proxies write one family and let the other pass, as the client wrote
		// it: where the two disagree neither is believed.
		client = walk(trusted, req.Fields, "Forwarded", lastHop, &url)
		if client.Addr() != walk(trusted, req.Fields, "X-Forwarded-For", lastXHop, &PublicURL{}).Addr() {
			return direct, netip.AddrPort{}
		}
	case standard:
		client = walk(trusted, req.Fields, "Forwarded", lastHop, &url)
	default:
		client = walk(trusted, req.Fields, "X-Forwarded-For", lastXHop, &url)
		// Of several proxies the first one saw the client.
		if l := req.Fields.First("X-Forwarded-Proto", 1); len(l) > 0 {
			url.setScheme(l[0])
		}
		if l := req.Fields.First("X-Forwarded-Host", 1); len(l) > 0 {
			url.setHost(l[0])
		}
	}
	return url, client
}

// Contains reports whether one of the networks contains a.
func Contains(networks []netip.Prefix, a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	return slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(a) })
}

// hop is what one proxy says of the request that came to it.
type hop struct {
	node        netip.AddrPort // not valid where it does not say
	proto, host string
}

// walk goes from the proxy in front of the server towards the client, as long as the
// proxy that speaks is trusted and can be read, and returns the last address that it
// finds. Anybody may have written what stands further left, so walk does not even read
// it. last reads the last element of a value, and tells which comma it stands behind, -1
// for none.
func walk(trusted []netip.Prefix, f wire.Fields, name string, last func(string) (h hop, comma int, ok bool), u *PublicURL) (client netip.AddrPort) {
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
			client = h.node
			if !Contains(trusted, client.Addr()) {
				return client
			}
		}
	}
	return client
}

// lastXHop reads the end of X-Forwarded-For: addresses, some with a port.
func lastXHop(s string) (h hop, comma int, ok bool) {
	comma = strings.LastIndexByte(s, ',')
	return hop{node: parseNode(ascii.Trim(s[comma+1:]))}, comma, true
}

// lastHop reads the end of a Forwarded field (RFC 7239 4): what stands behind the last
// comma, or, where that is no element, behind a comma further left, as the later ones may
// stand in quotes. So what a proxy wrote behind a comma of its own means the same whatever
// stands before it, even a quote that somebody left open. No element begins within the
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

// parseHop reads one element: pairs joined by semicolons. It stops where it finds that s
// is no element, so that trying from each comma takes linear time.
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
			if once[k] { // nobody can tell which one is meant
				return h, false
			}
			once[k] = true
			h.set(k, value)
		}
	}
}

// hopParameters are those of an element that are read (RFC 7239 5).
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
			i++
			if i == len(s) {
				return "", "", false
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}

// parseNode reads an address with or without a port, one of IPv6 with or without
// brackets. The port is 0 where none is given or it is hidden. "unknown", "_hidden" and
// all else that is no address give the zero value.
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
