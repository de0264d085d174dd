package gateway

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/draftwire/draftwire/internal/httphead"
	"go.yaml.in/yaml/v3"
)

// DefaultResponseTimeout is how long a backend may be silent before and within its answer to
// an ordinary request: long polls are silent for minutes.
const DefaultResponseTimeout = 10 * time.Minute

// UnmarshalYAML implements yaml.Unmarshaler: a backend may be written as its URL alone.
func (b *Backend) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		return n.Decode(&b.URL)
	}
	type plain Backend
	return n.Decode((*plain)(b))
}

// webConnections returns how many connections may be of ordinary HTTP.
func (l *Limits) webConnections() int {
	if l.HTTPConnections < 0 {
		return math.MaxInt32
	}
	return l.HTTPConnections
}

// checkHTTP checks what a route does with ordinary requests.
func (r *Route) checkHTTP(f *faults, at string) {
	var has []string
	for name, set := range map[string]bool{"http": len(r.HTTP) > 0, "files": r.Files != "", "redirect": r.Redirect != "", "status": r.Status != 0} {
		if set {
			has = append(has, name)
		}
	}
	slices.Sort(has)
	switch {
	case len(has) > 1:
		f.add("%s: only one of %s can answer ordinary requests", at, strings.Join(has, ", "))
	case len(has) == 0 && len(r.Backends) == 0 && (r.Rooms == nil || r.Rooms.Backend == "one"):
		f.add("%s: backends: at least one is needed, or one of http, files, redirect, status", at)
	}
	urls := map[string]bool{}
	for i := range r.HTTP {
		b, err := newBackend(&r.HTTP[i])
		switch {
		case err != nil:
			f.add("%s: http: %v", at, err)
			continue
		case b.web == nil:
			f.add("%s: http: %q is not a http: or https: URL", at, b.name)
		case len(r.HTTP[i].Tolerate) > 0:
			f.add("%s: http: %q: tolerances are for WebSocket", at, b.name)
		}
		f.unique(at+": http", urls, b.name)
	}
	if r.Redirect != "" {
		if err := checkRedirect(r.Redirect); err != nil {
			f.add("%s: redirect: %v", at, err)
		}
	}
}

// checkHealth checks the path of a port's health.
func (l *Listener) checkHealth(f *faults, at string) {
	if l.Health == "" {
		return
	}
	if list, ok := readings(l.Health); !ok || len(list) != 1 || l.Health == "/" || !httphead.IsTarget(l.Health) || strings.ContainsAny(l.Health, "?#*") {
		f.add("%s: health: %q is not a path like /healthz", at, l.Health)
	}
}
