package draftwire

import (
	"path"
	"strings"

	"github.com/draftwire/draftwire/wire"
)

// OriginAllowed reports whether a page of origin may connect to host, as Accept
// decides it: whether one of patterns, which are those of AcceptOptions.Origins,
// matches, or where there are none, whether origin is a page of host itself. host
// is what the Host field says, a port included; case does not matter.
func OriginAllowed(patterns []string, origin, host string) bool {
	origin = wire.LowerASCII(origin)
	scheme, authority, ok := strings.Cut(origin, "://")
	if len(patterns) == 0 {
		return ok && stripPort(scheme, authority) == stripPort(scheme, strings.ToLower(host))
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

// match: "*" stands for any run of characters but "/".
func match(pattern, s string) bool {
	ok, err := path.Match(pattern, s)
	return ok && err == nil
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
// the string is answered whole if it, or a member of it, is one of ours.
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
			for _, m := range strings.FieldsFunc(p, func(r rune) bool { return r == ',' || r == ' ' }) {
				if known(m) {
					return p, true
				}
			}
		}
	}
	return "", len(offered) == 0 || !whole
}
