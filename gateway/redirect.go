package gateway

import (
	"net/http"
	"strings"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/origin"
)

// place is where a server is: what stands in a URL before its path, in a form that can be
// compared.
type place struct {
	secure bool
	host   string // in lower case, without the scheme's default port
}

func placeOf(secure bool, host string) place {
	scheme := "ws"
	if secure {
		scheme = "wss"
	}
	return place{secure, strings.ToLower(origin.StripPort(scheme, host))}
}

// redirect returns the Location that the client gets of a backend's redirect; "" if the
// answer is none.
func (s *Session) redirect(b *backend, v *visit, from *draftwire.HandshakeError) string {
	where := from.Fields.Get("Location")
	if from.Status/100 != 3 || from.Status == http.StatusNotModified || where == "" {
		return ""
	}
	return s.location(b, v.host, where)
}

// location returns a Location of a backend as the client may follow it. Where it names the
// backend itself, its own name or one that the gateway told it, it becomes the same place
// under the client's URL. Others stay as they are. told is the Host that the gateway sent, ""
// for the backend's own.
func (s *Session) location(b *backend, told, where string) string {
	base := b.url.EscapedPath()
	if strings.HasPrefix(where, "/") && !strings.HasPrefix(where, "//") {
		return s.route.clientTarget(base, where)
	}
	scheme, rest, ok := strings.Cut(where, "//")
	if !ok {
		return where
	}
	inside, own := b.url.Scheme == "wss", s.public()
	secure, known := map[string]bool{"": inside, "http:": false, "ws:": false, "https:": true, "wss:": true}[strings.ToLower(scheme)]
	end := strings.IndexAny(rest+"/", "/?#")
	host, path := rest[strings.LastIndexByte(rest[:end], '@')+1:end], rest[end:]
	named := placeOf(secure, host)
	if !known || named != own && named != placeOf(inside, b.url.Host) && named != placeOf(inside, told) {
		return where
	}
	return schemeAs(scheme, own.secure) + "//" + own.host + s.route.clientTarget(base, path)
}

// schemeAs returns http: or ws:, whichever scheme is, as the one that is secure or not. "" is
// the scheme of the URL that was asked for.
func schemeAs(scheme string, secure bool) string {
	if scheme == "" {
		return ""
	}
	name := "http"
	if hasPrefixFold(scheme, "ws") {
		name = "ws"
	}
	if secure {
		name += "s"
	}
	return name + ":"
}

// public returns where the client has found the gateway.
func (s *Session) public() place {
	for _, l := range s.g.state.Load().cfg.Listen {
		if scheme, host, ok := strings.Cut(l.PublicURL, "://"); ok && l.Name == s.Listener {
			return placeOf(scheme == "wss", strings.TrimSuffix(host, "/"))
		}
	}
	return placeOf(s.handshake.Secure(), s.handshake.Host())
}
