package console

import (
	"net/http"
	"strings"
)

// judge returns why a request is refused before it is looked at; nil where it is not. It knows
// three ways in which a page of somebody else may use the operator's browser. A request of
// another site is marked by Sec-Fetch-Site, and by Origin in browsers that lack that. A form can
// send neither JSON nor the token. A WebSocket is open to every page, so there is none. (A name
// of somebody else that leads to this port is refused by its Host, before the console.)
func (c *Console) judge(r *http.Request) *problem {
	if r.Header.Get("Upgrade") != "" || hasToken(r.Header.Values("Connection"), "upgrade") {
		return &problem{http.StatusBadRequest, "The console has no WebSocket.", ""}
	}
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	site, origin := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Origin")
	foreign := origin != "" && !isOwn(origin, r.Host)
	switch {
	case reads && !strings.HasPrefix(r.URL.Path, c.o.Prefix+"api/"):
		return nil // a link to the page may stand anywhere
	case foreign, site == "cross-site", site == "same-site":
		return &problem{http.StatusForbidden, "A page of another site may not ask the console.", ""}
	case reads:
		return nil
	case site != "" && site != "same-origin": // browsers leave it out where the page came without TLS from another machine
		return &problem{http.StatusForbidden, "An order comes from the console's own page, or from no page.", ""}
	case !isJSON(r.Header.Get("Content-Type")):
		return &problem{http.StatusUnsupportedMediaType, "An order is application/json.", ""}
	case !c.orders():
		hint := "" // serve has no token
		if c.o.Token != nil {
			hint = "start the gateway with --config FILE, and name a file with a token in it: admin: {token_file: FILE}"
		}
		return &problem{http.StatusConflict, "This console takes no orders.", hint}
	case !c.o.Token(r):
		c.noteRefused(r)
		return noToken
	}
	return nil
}

var noToken = &problem{http.StatusUnauthorized, "This needs the token of the admin port.", "it is the line in the file that admin: token_file names"}

// orders reports whether the console takes any.
func (c *Console) orders() bool { return c.o.Token != nil && c.o.TokenFile() }

// isOperator reports whether a request comes from this machine, or has the token.
func (c *Console) isOperator(r *http.Request) bool {
	return c.o.Here(r) || c.o.Token != nil && c.o.Token(r)
}

// mayRead reports whether a request may see what users say: it is the operator's, and the
// configuration lets it.
func (c *Console) mayRead(r *http.Request) bool { return c.o.Payload() && c.isOperator(r) }

// isOwn reports whether an origin is that of the host that was asked.
func isOwn(origin, host string) bool {
	_, name, ok := strings.Cut(origin, "://")
	return ok && strings.EqualFold(name, host)
}

func isJSON(contentType string) bool {
	kind, _, _ := strings.Cut(contentType, ";")
	return strings.EqualFold(strings.TrimSpace(kind), "application/json")
}

// hasToken reports whether a list in fields of HTTP has a word.
func hasToken(values []string, word string) bool {
	for _, v := range values {
		for s := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(s), word) {
				return true
			}
		}
	}
	return false
}
