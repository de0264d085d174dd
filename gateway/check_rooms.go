package gateway

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"reflect"
	"slices"
	"strings"
)

// Check reports everything that is wrong with h. Load and New do the same.
func (h Hub) Check() error {
	h = h.WithDefaults()
	var f faults
	f.keys("hub: ", reflect.ValueOf(&h).Elem())
	h.check(&f)
	return errors.Join(f...)
}

// check checks what carries the messages of rooms.
func (h *Hub) check(f *faults) {
	embedded := h.URL == hubEmbedded
	switch {
	case h.URL != "" && !embedded && !isHubURL(h.URL):
		f.add("hub: url: %q is neither embedded nor like nats://HOST:4222 or tls://HOST:4222", withoutSecret(h.URL))
	case strings.Contains(h.URL, "@"):
		f.add("hub: url: a secret does not belong here: put it into the file of token_file or credentials")
	}
	if !isHubPrefix(h.Prefix) {
		f.add("hub: prefix: %q has something else than letters, digits and hyphens, or is longer than 64", h.Prefix)
	}
	if h.Listen != "" {
		f.hubAddress("hub: listen", h.Listen)
	}
	if h.Cluster != "" {
		f.hubAddress("hub: cluster", h.Cluster)
	}
	for _, r := range h.Routes {
		f.hubAddress("hub: routes", r)
	}
	for _, x := range []struct {
		key string
		set bool
	}{{"listen", h.Listen != ""}, {"cluster", h.Cluster != ""}, {"routes", len(h.Routes) > 0}, {"name", h.Name != ""}, {"dir", h.Dir != ""}} {
		if x.set && !embedded {
			f.add("hub: %s: it is for an embedded server: set url to embedded", x.key)
		}
	}
	switch {
	case embedded && h.Cluster+h.Listen != "" && h.TokenFile == "":
		f.add("hub: token_file: an embedded server that others reach needs it: a file with the same secret for all, of 16 characters or more")
	case len(h.Routes) > 0 && h.Cluster == "":
		f.add("hub: routes: it needs cluster, an address at which the others reach this server")
	case (h.TLS.Cert == "") != (h.TLS.Key == ""):
		f.add("hub: tls: cert and key belong together")
	case embedded && h.TLS != (HubTLS{}) && (h.TLS.Cert == "" || h.TLS.CA == ""):
		f.add("hub: tls: an embedded server needs cert, key and ca")
	}
}

// minHubToken is how long the secret of a hub is at least, in bytes.
const minHubToken = 16

// Token reads the secret of the hub, the only line of TokenFile. Without such a file it is empty.
func (h Hub) Token() (string, error) {
	if h.TokenFile == "" {
		return "", nil
	}
	p, err := os.ReadFile(h.TokenFile)
	if err != nil {
		return "", fmt.Errorf("hub: token_file: %w", err)
	}
	token := strings.TrimSpace(string(p))
	if len(token) < minHubToken || strings.ContainsAny(token, " \t\r\n") {
		return "", fmt.Errorf("hub: token_file: %s: a token has at least %d characters, in one line: openssl rand -hex 32 makes one", h.TokenFile, minHubToken)
	}
	return token, nil
}

// Load reads the files; without any of them it returns nil. Servers of a cluster judge each other by them.
func (h HubTLS) Load() (*tls.Config, error) {
	if h == (HubTLS{}) {
		return nil, nil
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if h.CA != "" {
		p, err := os.ReadFile(h.CA)
		if err != nil {
			return nil, fmt.Errorf("hub: tls: ca: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(p) {
			return nil, fmt.Errorf("hub: tls: ca: %s has no certificate in PEM", h.CA)
		}
		t.ClientCAs, t.ClientAuth = t.RootCAs, tls.RequireAndVerifyClientCert
	}
	if h.Cert != "" {
		own, err := tls.LoadX509KeyPair(h.Cert, h.Key)
		if err != nil {
			return nil, fmt.Errorf("hub: tls: cert: %w", err)
		}
		t.Certificates = []tls.Certificate{own}
	}
	return t, nil
}

// checkFiles checks the files that h names.
func (h *Hub) checkFiles(f *faults) {
	if _, err := h.Token(); err != nil {
		f.add("%v", err)
	}
	if h.TLS.Cert != "" && h.TLS.Key != "" || h.TLS.CA != "" {
		if _, err := h.TLS.Load(); err != nil {
			f.add("%v", err)
		}
	}
	if h.Credentials != "" {
		if _, err := os.ReadFile(h.Credentials); err != nil {
			f.add("hub: credentials: %v", err)
		}
	}
	if h.Dir != "" && isFile(h.Dir) {
		f.add("hub: dir: %q is not a folder", h.Dir)
	}
}

// hubEmbedded is the URL of a server in this process.
const hubEmbedded = "embedded"

// isHubURL reports whether s is one or several URLs of servers of NATS.
func isHubURL(s string) bool {
	for u := range strings.SplitSeq(s, ",") {
		u = strings.TrimSpace(u)
		rest, ok := strings.CutPrefix(u, "nats://")
		if !ok {
			rest, ok = strings.CutPrefix(u, "tls://")
		}
		if !ok || rest == "" || strings.ContainsAny(rest, " /?#") {
			return false
		}
	}
	return true
}

// withoutSecret is a URL without what may be a password in it.
func withoutSecret(s string) string {
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		return "..." + s[i:]
	}
	return s
}

func isHubPrefix(s string) bool {
	return s != "" && len(s) <= 64 && !strings.ContainsFunc(s, func(r rune) bool {
		return r != '-' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
}

// hubAddress checks an address of TCP.
func (f *faults) hubAddress(what, s string) {
	host, port, err := net.SplitHostPort(s)
	if _, known := portOf(port); err != nil || port == "" || !known || strings.ContainsAny(host, " /") {
		f.add("%s: %q is not HOST:PORT", what, s)
	}
}

// checkRooms checks the rooms of all routes.
func (c *Config) checkRooms(f *faults) {
	for i := range c.Routes {
		r := &c.Routes[i]
		if r.Rooms == nil {
			continue
		}
		at := "route " + r.Name + ": rooms: "
		if n := r.Rooms.History; n > max(c.Hub.History, 0) {
			f.add("%shistory: hub keeps %d messages of a room, and this wants %d: raise the history of hub", at, max(c.Hub.History, 0), n)
		}
		if _, ok := parseSent(r.Rooms.Resume); !ok {
			f.add("%sresume: %q is not one of %s", at, r.Rooms.Resume, sentForms)
		}
		if r.Rooms.Linger < 0 || r.Rooms.Retry < 0 {
			f.add("%slinger and retry are times, and not none", at)
		}
		if r.Mirror != nil {
			f.add("%sa route with rooms has no mirror", at)
		}
		if r.Rooms.Backend == "one" {
			if len(r.Backends) == 0 {
				f.add("%sbackend: one needs backends; for rooms in which members talk with each other set it to none", at)
			}
			if slices.ContainsFunc(r.Backends, func(b Backend) bool { return isStream(b.URL) }) {
				f.add("%sbackend: a tcp: or unix: backend has no messages; it needs ws:, wss:, http: or https:", at)
			}
			if strings.HasPrefix(r.Balance, "hash") && strings.Join(strings.Fields(r.Balance), " ") != "hash path" {
				f.add("%sthe connection of a room is that of no client: balance may be least or hash path", at)
			}
		}
	}
}
