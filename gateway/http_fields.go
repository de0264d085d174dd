package gateway

import (
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"

	"github.com/draftwire/draftwire/internal/httphead"
)

// What a backend gets of an ordinary request: the same fields as of a handshake
// (Session.fields), and those that only ordinary requests need.

// rewrite makes the request to the backend, but for what depends on the backend (visitWeb).
func (x *exchange) rewrite(pr *httputil.ProxyRequest) {
	out := pr.Out
	out.Header = x.fields()
	if x.s.route.PreserveHost {
		out.Host = x.Handshake.Host()
	}
	if pr.In.ContentLength != 0 {
		out.Body = &requestBody{Reader: out.Body, x: x, trailer: out.Trailer}
	} else {
		out.Trailer = nil
	}
	for name := range out.Trailer {
		if !x.passesTrailer(name) {
			delete(out.Trailer, name)
		}
	}
}

// fields returns the fields of the request to the backend, spelled as they came.
func (x *exchange) fields() http.Header {
	r, all := x.s.route, x.Handshake.Fields()
	out := headerOf(x.s.fields())
	if r.Origin != "" {
		out["Origin"] = []string{r.Origin}
	} else if !r.drop[fieldKey("Origin")] {
		for _, f := range all {
			if strings.EqualFold(f.Name, "Origin") {
				out[f.Name] = append(out[f.Name], f.Value)
			}
		}
	}
	if all.HasToken("TE", "trailers") {
		out["Te"] = []string{"trailers"}
	}
	for name, values := range out { // net/http looks for it under this name
		if strings.EqualFold(name, "Expect") {
			delete(out, name)
			if x.r.ProtoAtLeast(1, 1) {
				out["Expect"] = values
			}
		}
	}
	if to := x.upgrade(); to != "" {
		out["Connection"], out["Upgrade"] = []string{"Upgrade"}, []string{to}
	}
	return out
}

// upgrade returns the protocol that the client wishes to go on with; "" if there is none
// or the route does not pass it. HTTP/2 is never passed: the backend would then take
// requests that no route has seen.
func (x *exchange) upgrade() string {
	all := x.Handshake.Fields()
	to := all.Get("Upgrade")
	name, _, _ := strings.Cut(to, "/")
	if x.s.route.Upgrades != "pass" || x.r.ProtoMajor != 1 || x.r.ProtoMinor == 0 || !all.HasToken("Connection", "Upgrade") ||
		all.Count("Upgrade") != 1 || !httphead.IsToken(name) || hasPrefixFold(name, "h2") || hasPrefixFold(name, "http") || hasPrefixFold(name, "tls") {
		return ""
	}
	return to
}

// passesTrailer reports whether the backend may get a trailer with that name.
func (x *exchange) passesTrailer(name string) bool {
	key := fieldKey(name)
	return !hop[key] && !x.s.route.drop[key] && !notPassed(key) && !isClaim(key)
}

// visitWeb returns the request to a backend.
func (x *exchange) visitWeb(b *backend, out *http.Request) (*http.Request, error) {
	target, err := x.s.route.target(b.url.EscapedPath(), x.Handshake.Target())
	if err != nil {
		return nil, noRoute(err)
	}
	req := *out
	req.URL = &url.URL{Scheme: b.web.scheme, Host: b.url.Host, Opaque: target}
	if strings.HasPrefix(target, "//") { // which Opaque would make a host
		if req.URL, err = url.Parse(b.web.scheme + "://" + b.url.Host + target); err != nil || req.URL.RequestURI() != target {
			return nil, noRoute(errSlashes)
		}
	}
	if !x.s.route.PreserveHost || req.Host == "" {
		req.Host = b.url.Host
	}
	if u := b.url.User; u != nil {
		req.Header = out.Header.Clone()
		for name := range req.Header {
			if strings.EqualFold(name, "Authorization") {
				delete(req.Header, name)
			}
		}
		password, _ := u.Password()
		req.SetBasicAuth(u.Username(), password)
	}
	return &req, nil
}

// requestBody is the client's body. A backend that is silent while the client sends is not
// late.
type requestBody struct {
	io.Reader
	x       *exchange
	trailer http.Header // of the request to the backend; its names are fixed
}

// Read implements io.Reader.
func (b *requestBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	switch {
	case err == io.EOF:
		for name := range b.trailer {
			b.trailer[name] = b.x.r.Trailer[name]
		}
		b.x.sending.Store(false)
	case err != nil:
		b.x.bodyErr.CompareAndSwap(nil, &err)
		b.x.cancel()
	}
	b.x.silence.begin()
	return n, err
}

// Close implements io.Closer. The body is the server's to close: another backend may be
// tried with it.
func (b *requestBody) Close() error { return nil }
