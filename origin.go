package draftwire

import (
	"slices"
	"strings"

	"github.com/draftwire/draftwire/wire"
)

// OriginAllowed reports whether a page of origin may connect to host, as Accept
// decides it: whether one of patterns, which are those of AcceptOptions.Origins,
// matches, or where there are none, whether origin is a page of host itself. host
// is what the Host field says, a port included; case does not matter.
//
// A page of host itself is one of http or https, whichever the server speaks: the pages of
// old devices come by http though they connect by wss. List "https://HOST" to take none
// that came in clear.
func OriginAllowed(patterns []string, origin, host string) bool {
	origin = wire.LowerASCII(origin)
	scheme, authority, ok := strings.Cut(origin, "://")
	if len(patterns) == 0 {
		return ok && slices.Contains(pageSchemes, scheme) && stripPort(scheme, authority) == stripPort(scheme, strings.ToLower(host))
	}
	for _, p := range patterns {
		p = wire.LowerASCII(p)
		switch {
		case p == "*" || p == origin:
			return true
		case strings.Contains(p, "://"):
			if match(p, origin) {
				return true
			}
		case ok && match(p, hostOf(authority)), ok && match(p, authority):
			return true
		}
	}
	return false
}

// pageSchemes are those of pages, as clients of all years write them.
var pageSchemes = []string{"http", "https", "ws", "wss"}

// match: "*" stands for any run of characters but "/", and all others for themselves.
func match(pattern, s string) bool {
	star, from := -1, 0 // the last star, and where in s what is behind it was tried
	p, i := 0, 0
	for i < len(s) || p < len(pattern) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, i
			p++
		case p < len(pattern) && i < len(s) && pattern[p] == s[i]:
			p++
			i++
		case star >= 0 && from < len(s) && s[from] != '/':
			from++ // one more for the star
			p, i = star+1, from
		default:
			return false
		}
	}
	return true
}

// stripPort takes the scheme's default port off.
func stripPort(scheme, authority string) string {
	if scheme == "https" || scheme == "wss" {
		return strings.TrimSuffix(authority, ":443")
	}
	return strings.TrimSuffix(authority, ":80")
}

func hostOf(authority string) string {
	if i := strings.LastIndexByte(authority, ':'); i >= 0 && !strings.HasSuffix(authority, "]") {
		return authority[:i]
	}
	return authority
}

// chooseProtocol picks a subprotocol: what to answer, and its name among ours.
// With whole, the client fails unless its one string comes back as it is, so
// the string is answered whole if it, or one of its first members, is one of ours.
func chooseProtocol(ours, offered []string, whole bool) (answer string, ok bool) {
	known := func(p string) bool {
		for _, o := range ours {
			if o == p || o == "*" {
				return true
			}
		}
		return false
	}
	for _, p := range offered {
		if known(p) {
			return p, true
		}
		if whole {
			n := 0
			for m := range strings.FieldsFuncSeq(p, func(r rune) bool { return r == ',' || r == ' ' }) {
				if n++; n > wire.MostOffers {
					break
				}
				if known(m) {
					return p, true
				}
			}
		}
	}
	return "", len(offered) == 0 || !whole
}
