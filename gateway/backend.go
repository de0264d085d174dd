package gateway

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/wire"
)

// backends are those of a route.
type backends struct {
	list   []*backend
	health Health
	next   atomic.Uint32 // whose turn it is among equals
	open   *atomic.Int64 // clients of the route, in all configurations
}

// backend is a server behind the gateway.
type backend struct {
	name    string // as the configuration says it, but for a password
	raw     string // as the configuration says it
	url     *url.URL
	version draftwire.Version // Unknown for a stream
	network string            // of a stream
	addr    string
	tls     *tls.Config

	open     atomic.Int64                 // connections
	dialing  atomic.Int64                 // those that are being opened
	until    atomic.Int64                 // unix time in nanoseconds: after a failure of its own, when it is to be tried again first
	doubt    atomic.Pointer[netip.Prefix] // whose client it did not take; nil since it took one
	sick     atomic.Bool                  // the last check failed
	checking atomic.Bool                  // a check is under way
	err      atomic.Pointer[error]        // of the last failure
}

// newBackends takes over the backends of the route's old self, so that their
// counts go on.
func newBackends(cfg *Route, old *route) (*backends, error) {
	b := &backends{health: cfg.Health, open: new(atomic.Int64)}
	if old != nil {
		b.open = old.backends.open
	}
	for _, c := range cfg.Backends {
		n, err := newBackend(&c)
		if err != nil {
			return nil, err
		}
		if old != nil {
			for _, o := range old.backends.list {
				if o.raw == n.raw && (o.tls == nil) == (n.tls == nil) {
					n = o
				}
			}
		}
		b.list = append(b.list, n)
	}
	return b, nil
}

func newBackend(c *Backend) (*backend, error) {
	b := &backend{name: c.URL, raw: c.URL}
	if path, ok := strings.CutPrefix(c.URL, "unix:"); ok && path != "" {
		b.network, b.addr = "unix", path
		return b, nil
	}
	u, err := url.Parse(c.URL)
	if err != nil {
		return nil, fmt.Errorf("backend %q: %w", c.URL, err)
	}
	b.name = u.Redacted()
	if u.Host == "" || u.Hostname() == "" && u.Scheme != "tcp" {
		return nil, fmt.Errorf("backend %q has no host", b.name)
	}
	if _, err := strconv.ParseUint(cmp.Or(u.Port(), "1"), 10, 16); err != nil {
		return nil, fmt.Errorf("backend %q: %q is no port", b.name, u.Port())
	}
	switch u.Scheme {
	case "tcp":
		b.network, b.addr = "tcp", u.Host
		if _, port, err := net.SplitHostPort(u.Host); err != nil || port == "" || strings.Trim(u.Path, "/") != "" || u.User != nil || u.RawQuery != "" {
			return nil, fmt.Errorf("backend %q is not tcp://HOST:PORT", b.name)
		}
	case "ws", "wss":
		if err := b.webSocket(u); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("backend %q is none of ws:, wss:, tcp: and unix: URLs", b.name)
	}
	if c.Insecure {
		if u.Scheme != "wss" {
			return nil, fmt.Errorf("backend %q: insecure is for wss alone", b.name)
		}
		b.tls = &tls.Config{InsecureSkipVerify: true}
	}
	return b, nil
}

// webSocket reads the rest of a ws or wss URL.
func (b *backend) webSocket(u *url.URL) (err error) {
	b.version = draftwire.RFC6455
	q := u.Query()
	if v := q.Get("version"); v != "" {
		if b.version, err = draftwire.ParseVersion(v); err != nil {
			return fmt.Errorf("backend %q: %s", b.name, strings.TrimPrefix(err.Error(), "draftwire: "))
		}
		if !draftwire.Served().Has(b.version) {
			return fmt.Errorf("backend %q: version %s is not spoken here; spoken are %s", b.name, b.version, draftwire.Served())
		}
		q.Del("version")
	}
	if len(q) > 0 || u.Fragment != "" {
		return fmt.Errorf("backend %q: the query is the client's; only version may stand here", b.name)
	}
	u.RawQuery = ""
	b.url = u
	b.network, b.addr = "tcp", net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), map[string]string{"ws": "80", "wss": "443"}[u.Scheme]))
	if _, _, err := net.SplitHostPort(b.addr); err != nil { // a bracket that net/url lets stand
		return fmt.Errorf("backend %q: %w", b.name, err)
	}
	return nil
}

// up reports whether the backend is thought to be there.
func (b *backend) up() bool { return !b.sick.Load() }

// ready reports whether the backend is to be tried before those that are not.
func (b *backend) ready(now time.Time) bool { return b.up() && b.until.Load() <= now.UnixNano() }

// failed notes a failure to open a connection to it.
func (b *backend) failed(err error) { b.err.Store(&err) }

// rest lets others be tried before it for that time.
func (b *backend) rest(d time.Duration) { b.until.Store(time.Now().Add(d).UnixNano()) }

// took notes that it took a client.
func (b *backend) took() { b.doubt.Store(nil) }

// doubted notes that it was asked for a client of that address and failed, and reports
// whether it has failed for clients of two addresses since it took one. For one alone it
// may be the client: who knows what makes a backend fail could let all of them rest.
func (b *backend) doubted(by netip.Prefix) bool {
	before := b.doubt.Swap(&by)
	return before != nil && *before != by
}

// order is the order in which backends are tried: those that are ready first,
// then by the number of connections, equals in turn.
func (b *backends) order() []*backend {
	now, n := time.Now(), len(b.list)
	turn := int(b.next.Add(1))
	list := make([]*backend, n)
	for i := range list {
		list[i] = b.list[(turn+i)%n]
	}
	slices.SortStableFunc(list, func(x, y *backend) int {
		if xr, yr := x.ready(now), y.ready(now); xr != yr {
			if xr {
				return -1
			}
			return 1
		}
		return cmp.Compare(x.load(), y.load())
	})
	return list
}

// load is what the backend has to do.
func (b *backend) load() int64 { return b.open.Load() + b.dialing.Load() }

// up reports whether any backend is thought to be there.
func (b *backends) up() bool {
	return slices.ContainsFunc(b.list, (*backend).up)
}

// dialer makes connections.
type dialer = func(ctx context.Context, network, address string) (net.Conn, error)

// look checks the backend: can it be reached?
func (b *backend) look(ctx context.Context, dial dialer, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	nc, err := dial(ctx, b.network, b.addr)
	if err != nil {
		return err
	}
	return nc.Close()
}

// visit is what a backend is asked for on behalf of a client.
type visit struct {
	target    string
	host      string // "": the backend's
	origin    string
	protocols []string
	fields    http.Header
	compress  bool
	text      wire.TextPolicy
	limits    draftwire.Limits
}

// leastTry is what a try has at least, of the time for all.
const leastTry = time.Second

// try opens a connection to the backend, one of so many that are left to try, in
// its share of ctx's time: one that takes connections and does not answer must
// not keep the others from being tried.
func (b *backend) try(ctx context.Context, left int, dial dialer, v *visit) (peer, *http.Response, error) {
	by, _ := ctx.Deadline()
	ctx, cancel := context.WithTimeout(ctx, max(time.Until(by)/time.Duration(left), leastTry))
	defer cancel()
	b.dialing.Add(1)
	defer b.dialing.Add(-1)
	return b.dial(ctx, dial, v)
}

// dial opens a connection to the backend. answer is its response, nil for a
// stream.
func (b *backend) dial(ctx context.Context, dial dialer, v *visit) (p peer, answer *http.Response, err error) {
	if b.url == nil {
		nc, err := dial(ctx, b.network, b.addr)
		if err != nil {
			return nil, nil, err
		}
		return &stream{Conn: nc, timeout: v.limits.WriteTimeout}, nil, nil
	}
	o := &draftwire.DialOptions{
		Version: b.version, Origin: v.origin, Protocols: v.protocols, Header: v.fields, Target: v.target,
		TLS: b.tls, NetDial: dial, Limits: v.limits, InvalidText: v.text,
	}
	if v.compress {
		o.Compression.Mode = draftwire.CompressLarge
	}
	if v.host != "" {
		o.Header = o.Header.Clone()
		o.Header["Host"] = []string{v.host}
	}
	c, answer, err := draftwire.Dial(ctx, b.url.String(), o)
	if other := otherVersion(err, b.version); other != draftwire.Unknown {
		o.Version = other
		c, answer, err = draftwire.Dial(ctx, b.url.String(), o)
	}
	if err != nil {
		return nil, answer, err
	}
	return &socket{Conn: c}, answer, nil
}

// otherVersion is the newest that a backend lists as it refuses ours.
func otherVersion(err error, ours draftwire.Version) (other draftwire.Version) {
	he, ok := errors.AsType[*draftwire.HandshakeError](err)
	if !ok || he.Reason != wire.ReasonRefused {
		return draftwire.Unknown
	}
	for _, name := range he.Fields.List("Sec-WebSocket-Version") {
		if v, err := draftwire.ParseVersion(name); err == nil && v != ours && draftwire.Served().Has(v) {
			other = max(other, v)
		}
	}
	return other
}

// owner says whose failure it is that a backend's connection did not open.
type owner int

const (
	ofBackend owner = iota // no client can cause it
	inDoubt                // it was asked, and failed: by itself, or by what it was asked for
	ofClient               // its answer to this client, which another would give too
	ofGateway              // it was not even asked
)

// ownFailures are for the gateway itself: a flood of clients causes them.
var ownFailures = []error{context.Canceled, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS, syscall.EADDRNOTAVAIL}

// ownerOf judges an error of dial.
func ownerOf(err error) owner {
	if slices.ContainsFunc(ownFailures, func(own error) bool { return errors.Is(err, own) }) {
		return ofGateway
	}
	he, ok := errors.AsType[*draftwire.HandshakeError](err)
	if !ok {
		return ofBackend // network or TLS
	}
	switch he.Reason {
	case wire.ReasonBadAccept:
		return ofBackend
	case wire.ReasonTimeout, wire.ReasonIO, wire.ReasonBadResponse:
		return inDoubt
	case wire.ReasonRefused:
		if he.Status >= 500 || he.Status == http.StatusRequestTimeout { // it had the request at once
			return inDoubt
		}
	}
	return ofClient
}

// shownError is an error for the operator's eyes: parts of it were chosen by a peer.
func shownError(err error) string {
	const most = 300
	var b strings.Builder
	for rest := err.Error(); rest != ""; {
		r, n := utf8.DecodeRuneInString(rest)
		if b.Len()+n > most {
			b.WriteString("...")
			break
		}
		if r == utf8.RuneError && n == 1 || !unicode.IsGraphic(r) {
			q := strconv.QuoteToASCII(rest[:n])
			b.WriteString(q[1 : len(q)-1])
		} else {
			b.WriteString(rest[:n])
		}
		rest = rest[n:]
	}
	return b.String()
}
