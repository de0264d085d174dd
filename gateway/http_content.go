package gateway

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
)

// What a route has for ordinary requests: one of four kinds of content.

// content answers ordinary requests.
type content interface {
	serve(x *exchange)
}

// newContent returns a route's content; nil if it has none.
func newContent(cfg *Route, shared *backends, old *route) (content, error) {
	switch {
	case cfg.Files != "":
		info, err := os.Stat(cfg.Files)
		if err == nil && !info.IsDir() {
			err = fmt.Errorf("%s is not a folder", cfg.Files)
		}
		return &files{cfg.Files}, err
	case cfg.Redirect != "":
		return redirect(cfg.Redirect), nil
	case cfg.Status != 0:
		return fixed(cfg.Status), nil
	}
	own := &backends{health: shared.health, open: shared.open}
	if len(cfg.HTTP) == 0 {
		for _, b := range shared.list {
			if b.web != nil {
				own.list = append(own.list, b)
			}
		}
		if len(own.list) == 0 {
			return nil, nil
		}
	} else {
		var before []*backend
		if old != nil {
			before = old.pages()
		}
		var err error
		if own.list, err = backendsOf(cfg.HTTP, before); err != nil {
			return nil, err
		}
	}
	for _, b := range own.list {
		b.web.dialTimeout.Store(int64(cfg.DialTimeout.timeout()))
	}
	return &proxy{own}, nil
}

// pages returns the backends of ordinary requests.
func (r *route) pages() []*backend {
	if p, ok := r.web.(*proxy); ok {
		return p.list
	}
	return nil
}

// all returns all backends of the route, each once.
func (r *route) all() []*backend {
	list := slices.Clone(r.backends.list)
	for _, b := range r.pages() {
		if !slices.Contains(list, b) {
			list = append(list, b)
		}
	}
	return list
}

// up reports whether both kinds of requests have a backend that is up.
func (r *route) up() bool {
	p, ok := r.web.(*proxy)
	return r.backends.up() && (!ok || p.up())
}

// servesHTTP reports whether any route has content.
func (st *state) servesHTTP() bool {
	return slices.ContainsFunc(st.routes, func(r *route) bool { return r.web != nil })
}

// closeIdle closes the connections to backends that no request uses.
func (st *state) closeIdle() {
	for _, r := range st.routes {
		for _, b := range r.pages() {
			b.web.closeIdle()
		}
	}
}

// redirect sends clients to another URL, in which a * at the end stands for the path and the
// query of the request.
type redirect string

func (to redirect) serve(x *exchange) {
	location := string(to)
	if base, ok := strings.CutSuffix(location, "*"); ok {
		target, err := x.s.route.target("", x.Handshake.Target())
		if err != nil {
			x.refuse(noRoute(err))
			return
		}
		location = base + target[1:]
	}
	status := http.StatusFound
	if x.r.Method != http.MethodGet && x.r.Method != http.MethodHead {
		status = http.StatusTemporaryRedirect // which keeps the method
	}
	x.w.Header().Set("Location", location)
	answer(x.w, status, http.StatusText(status))
}

// checkRedirect returns what is wrong with a redirect.
func checkRedirect(to string) error {
	u, err := url.Parse(strings.TrimSuffix(to, "*"))
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || strings.HasSuffix(to, "*") && !strings.HasSuffix(to, "/*") {
		return fmt.Errorf("%q is not like https://example.com/page or https://example.com/*", to)
	}
	return nil
}

// fixed answers all requests with one status.
type fixed int

func (status fixed) serve(x *exchange) {
	if status == http.StatusUpgradeRequired {
		x.refuse(notWebSocket(x.served))
		return
	}
	answer(x.w, int(status), http.StatusText(int(status)))
}
