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
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/sock"
	"github.com/draftwire/draftwire/wire"
)

// backends are the backends of a route.
type backends struct {
	list   []*backend
	health Health
	next   atomic.Uint32 // which one is first among those with equally many connections
	open   *atomic.Int64 // clients of the route, under all configurations
}

// backend is a server behind the gateway.
type backend struct {
	name    string // the URL in the configuration, without its password
	raw     string // the URL in the configuration
	url     *url.URL
	version draftwire.Version // Unknown for a stream
	network string            // of a stream
	addr    string
	literal netip.AddrPort // addr, if it has an IP address and no name; otherwise not valid
	tls     *tls.Config
	ready   atomic.Pointer[tls.Config] // tls for a client's connection; nil until one is opened
	web     *web                       // for ordinary requests; nil: it takes none
	faults  wire.Tolerances            // that are accepted
	proxy   byte                       // the version of the PROXY header that it gets; 0: none
	max     int                        // connections at a time; 0 or less: no limit
	cfg     Backend
	*backendState
}

// backendState is what is known of a backend, under all configurations that have its URL.
type backendState struct {
	open     atomic.Int64                 // connections
	dialing  atomic.Int64                 // connections that are being opened
	until    atomic.Int64                 // when it has rested, in Unix nanoseconds; until then others are tried before it
	doubt    atomic.Pointer[netip.Prefix] // the address whose client it did not accept; nil since it has accepted one
	sick     atomic.Bool                  // the last check failed
	risen    atomic.Int64                 // when a check found it up again, in Unix nanoseconds
	checking atomic.Bool                  // a check is under way
	failure  atomic.Pointer[failure]      // the last one
	known    addresses                    // of its name
}

// failure is why a connection could not be opened, and when.
type failure struct {
	err error
	at  time.Time
}

// newBackends returns the backends of a route. A backend that was in the old route is the
// same object, so that its counts go on.
func newBackends(cfg *Route, old *route) (*backends, error) {
	b := &backends{health: cfg.Health, open: new(atomic.Int64)}
	var before []*backend
	if old != nil {
		b.open, before = old.backends.open, old.backends.list
	}
	var err error
	b.list, err = backendsOf(cfg.Backends, before)
	return b, err
}

// backendsOf returns backends; those that were among before are the same, or know the same
// where their settings have changed.
func backendsOf(cfg []Backend, before []*backend) (list []*backend, err error) {
	for _, c := range cfg {
		n, err := newBackend(&c)
		if err != nil {
			return nil, err
		}
		for _, o := range before {
			switch {
			case reflect.DeepEqual(o.cfg, n.cfg):
				n = o
			case o.raw == n.raw:
				n.backendState = o.backendState
			}
		}
		if err := n.loadTLS(); err != nil {
			return nil, err
		}
		list = append(list, n)
	}
	return list, nil
}

// isStream reports whether the URL of a backend is that of a stream of bytes.
func isStream(url string) bool {
	return strings.HasPrefix(url, "unix:") || strings.HasPrefix(url, "tcp:")
}

func newBackend(c *Backend) (*backend, error) {
	b := &backend{name: c.URL, raw: c.URL, proxy: proxyVersions[c.SendProxy], max: c.MaxConns, cfg: *c, backendState: new(backendState)}
	if isStream(c.URL) && len(c.Tolerate) > 0 {
		return nil, fmt.Errorf("backend %q: tolerate: a stream has no faults that a tolerance names", c.URL)
	}
	if _, ok := proxyVersions[c.SendProxy]; !ok {
		return nil, fmt.Errorf("backend %q: send_proxy: %q is not one of off, v1, v2", c.URL, c.SendProxy)
	}
	if path, ok := strings.CutPrefix(c.URL, "unix:"); ok && path != "" {
		b.network, b.addr = "unix", path
		return b, nil
	}
	if !strings.Contains(c.URL, "://") {
		return nil, fmt.Errorf("backend %q is not a URL: write http://%s for pages and WebSocket, ws://%s for WebSocket alone", c.URL, c.URL, c.URL)
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
		return nil, fmt.Errorf("backend %q: %q is not a port number", b.name, u.Port())
	}
	switch u.Scheme {
	case "tcp":
		b.network, b.addr = "tcp", u.Host
		if _, port, err := net.SplitHostPort(u.Host); err != nil || port == "" || strings.Trim(u.Path, "/") != "" || u.User != nil || u.RawQuery != "" {
			return nil, fmt.Errorf("backend %q is not tcp://HOST:PORT", b.name)
		}
	case "ws", "wss", "http", "https":
		if err := b.webSocket(u, c.Tolerate); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("backend %q is not a ws:, wss:, http:, https:, tcp: or unix: URL", b.name)
	}
	switch own := c.Insecure || c.TLS != (BackendTLS{}); {
	case own && u.Scheme != "wss":
		return nil, fmt.Errorf("backend %q: insecure and tls need a wss: or https: URL", b.name)
	case (c.TLS.Cert == "") != (c.TLS.Key == ""):
		return nil, fmt.Errorf("backend %q: tls: cert and key belong together", b.name)
	}
	return b, nil
}

// webSocket reads the rest of a ws or wss URL.
func (b *backend) webSocket(u *url.URL, tolerate []string) (err error) {
	b.version = draftwire.RFC6455
	if b.faults, err = wire.ParseTolerances(strings.Join(tolerate, ","), wire.ServerFaults()); err != nil {
		return fmt.Errorf("backend %q: tolerate: %s", b.name, strings.TrimPrefix(err.Error(), "draftwire: "))
	}
	q := u.Query()
	if v := q.Get("version"); v != "" {
		if b.version, err = draftwire.ParseVersion(v); err != nil {
			return fmt.Errorf("backend %q: %s", b.name, strings.TrimPrefix(err.Error(), "draftwire: "))
		}
		if !draftwire.ServedVersions().Has(b.version) {
			return fmt.Errorf("backend %q: the gateway does not speak version %s; it speaks %s", b.name, b.version, draftwire.ServedVersions())
		}
		q.Del("version")
	}
	if len(q) > 0 || u.Fragment != "" {
		return fmt.Errorf("backend %q: its query may have only version; clients bring their own query", b.name)
	}
	u.RawQuery = ""
	if page, ok := webSchemes[u.Scheme]; ok {
		b.web = &web{scheme: u.Scheme}
		u.Scheme = page
	}
	b.url = u
	b.network, b.addr = "tcp", net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), map[string]string{"ws": "80", "wss": "443"}[u.Scheme]))
	if _, _, err := net.SplitHostPort(b.addr); err != nil { // a bracket that net/url accepts
		return fmt.Errorf("backend %q: %w", b.name, err)
	}
	b.literal, _ = netip.ParseAddrPort(b.addr)
	return nil
}

// up reports whether the last check has found the backend up.
func (b *backend) up() bool { return !b.sick.Load() }

// available reports whether the backend is up and does not rest. Such a backend is tried
// before those that are not.
func (b *backend) available(now time.Time) bool { return b.up() && b.until.Load() <= now.UnixNano() }

// failed notes that a connection to the backend could not be opened.
func (b *backend) failed(err error) { b.failure.Store(&failure{err, time.Now()}) }

// rest makes others be tried before the backend for d.
func (b *backend) rest(d time.Duration) { b.until.Store(time.Now().Add(d).UnixNano()) }

// accepted notes that the backend has accepted a client.
func (b *backend) accepted() { b.doubt.Store(nil) }

// doubted notes that the backend has failed for a client of an address, and reports whether
// it has failed for clients of two addresses since it last accepted one. A failure for one
// address only may be the client's fault: a client that knows how to make a backend fail
// could otherwise make all of them rest.
func (b *backend) doubted(by netip.Prefix) bool {
	before := b.doubt.Swap(&by)
	return before != nil && *before != by
}

// load returns the number of connections, those that are being opened included.
func (b *backend) load() int64 { return b.open.Load() + b.dialing.Load() }

// up reports whether any backend is up, or there is none to be down.
func (b *backends) up() bool {
	return len(b.list) == 0 || slices.ContainsFunc(b.list, (*backend).up)
}

// dialer opens connections.
type dialer = func(ctx context.Context, network, address string) (net.Conn, error)

// visit is what a backend is asked for on behalf of a client.
type visit struct {
	remote      string // the client's address, for a PROXY header
	target      string
	host        string // "": the backend's own
	origin      string
	protocols   []string
	fields      wire.Fields
	compression draftwire.CompressionMode
	text        wire.TextPolicy
	limits      draftwire.Limits
	observer    *draftwire.Observer
	events      *draftwire.Events // for a connection that a loop will read
	session     *Session
	keepHeads   bool
}

// minTry is how long a try may take at least, even if its share of the time is less.
const minTry = time.Second

// try opens a connection to the backend. It is the first of n backends that remain to be
// tried, and has its share of the time until by: a backend that accepts connections and does
// not answer must not use up the time of the others.
func (g *Gateway) try(b *backend, n int, by time.Time, v *visit) (p peer, answer wire.Fields, err error) {
	by = share(n, by)
	if b.url != nil && g.quick {
		return g.tryQuick(b, v, func(o *draftwire.DialOptions) (*draftwire.Conn, *sock.Socket, wire.Fields, error) {
			return b.quickOpen(g, by, v.remote, o)
		})
	}
	ctx, cancel := context.WithDeadline(forClient(g.accepting, v.remote), by)
	defer cancel()
	if b.url == nil {
		nc, err := b.connect(ctx, g.dial)
		if err != nil {
			return nil, nil, err
		}
		return &stream{Conn: nc, timeout: v.limits.WriteTimeout}, nil, nil
	}
	return b.openWith(v, func(o *draftwire.DialOptions) (*draftwire.Conn, wire.Fields, error) { return b.dial(ctx, g.dial, o) })
}

// share is when the try of the first of n backends ends.
func share(n int, by time.Time) time.Time {
	now := time.Now()
	if share := now.Add(max(by.Sub(now)/time.Duration(n), minTry)); share.Before(by) {
		return share
	}
	return by
}

// tryQuick is try with quickOpen, or what takes its place.
func (g *Gateway) tryQuick(b *backend, v *visit, open func(*draftwire.DialOptions) (*draftwire.Conn, *sock.Socket, wire.Fields, error)) (p peer, answer wire.Fields, err error) {
	var own *sock.Socket
	v.events = g.backendEvents
	p, answer, err = b.openWith(v, func(o *draftwire.DialOptions) (c *draftwire.Conn, answer wire.Fields, err error) {
		c, own, answer, err = open(o)
		return c, answer, err
	})
	if err == nil {
		back := p.(*socket)
		back.fresh, back.onLoop = own, own != nil && b.url.Scheme == "ws"
	}
	return p, answer, err
}

// openWith opens a connection to the backend by calls of open. answer has the fields of its
// response.
func (b *backend) openWith(v *visit, open func(*draftwire.DialOptions) (*draftwire.Conn, wire.Fields, error)) (p peer, answer wire.Fields, err error) {
	o := b.options(v)
	c, answer, err := open(o)
	if other := otherVersion(err, b.version); other != draftwire.Unknown {
		o.Version = other
		c, answer, err = open(o)
	}
	if o.Compression.Mode != draftwire.CompressNothing && notOffered(err) {
		o.Compression = draftwire.Compression{} // it was a wish, which this backend does not understand
		c, answer, err = open(o)
	}
	if err != nil {
		return nil, answer, err
	}
	c.AllowHalfOpen()
	return &socket{Conn: c}, answer, nil
}

// options are those of the connection to the backend.
func (b *backend) options(v *visit) *draftwire.DialOptions {
	o := &draftwire.DialOptions{
		Version: b.version, Origin: v.origin, Protocols: v.protocols, Fields: v.fields, Target: v.target,
		TLS: b.tls, Limits: v.limits, InvalidText: v.text, Tolerate: b.faults, Observer: v.observer,
		Compression: draftwire.Compression{Mode: v.compression}, DropHeads: !v.keepHeads, Events: v.events, Value: v.session,
	}
	if v.host != "" {
		o.Fields = append(o.Fields[:len(o.Fields):len(o.Fields)], wire.Field{Name: "Host", Value: v.host})
	}
	return o
}

// dial opens a connection to the backend with what opens connections for the gateway.
func (b *backend) dial(ctx context.Context, dial dialer, o *draftwire.DialOptions) (c *draftwire.Conn, answer wire.Fields, err error) {
	o.NetDial = func(ctx context.Context, _, _ string) (net.Conn, error) { return b.connect(ctx, dial) }
	c, res, err := draftwire.Dial(ctx, b.url.String(), o)
	if res != nil {
		for _, cookie := range res.Header.Values("Set-Cookie") { // all that is asked for
			answer = append(answer, wire.Field{Name: "Set-Cookie", Value: cookie})
		}
	}
	return c, answer, err
}

// quickOpen opens a connection to the backend without a context: see attempts.
func (b *backend) quickOpen(g *Gateway, by time.Time, remote string, o *draftwire.DialOptions) (c *draftwire.Conn, own *sock.Socket, answer wire.Fields, err error) {
	a := g.attempts.begin(by)
	nc, err := b.reach(a, g.accepting, remote)
	if err != nil {
		if why := a.end(); why == context.Canceled {
			err = fmt.Errorf("draftwire: dial: %w", why)
		}
		return nil, nil, nil, err
	}
	own, _ = a.nc.(*sock.Socket)
	c, answer, err = draftwire.Open(nc, b.url, o)
	if err = a.ended(c, o.Version, err); err != nil {
		nc.Close()
		return nil, nil, answer, err
	}
	return c, own, answer, nil
}

// ended ends the attempt behind its handshake, and returns the error of both.
func (a *attempt) ended(c *draftwire.Conn, v draftwire.Version, err error) error {
	why := a.end()
	if why == nil {
		return err
	}
	if err == nil { // its deadline has passed meanwhile
		c.CloseNow()
		err = wire.NewHandshakeError(v, wire.ReasonTimeout, "")
	}
	if he, ok := errors.AsType[*draftwire.HandshakeError](err); ok {
		he.Err = why
	}
	return err
}

// otherVersion returns the newest version that a backend lists in its refusal of ours;
// Unknown if there is none.
func otherVersion(err error, ours draftwire.Version) (other draftwire.Version) {
	he, ok := errors.AsType[*draftwire.HandshakeError](err)
	if !ok || he.Reason != wire.ReasonRefused {
		return draftwire.Unknown
	}
	for _, name := range he.Fields.List("Sec-WebSocket-Version") {
		if v, err := draftwire.ParseVersion(name); err == nil && v != ours && draftwire.ServedVersions().Has(v) {
			other = max(other, v)
		}
	}
	return other
}

// notOffered reports whether a backend has chosen something that was not offered to it.
func notOffered(err error) bool {
	he, ok := errors.AsType[*draftwire.HandshakeError](err)
	return ok && he.Reason == wire.ReasonNotOffered
}

// owner says whose fault it is that a connection to a backend did not open.
type owner int

const (
	ofBackend owner = iota // no client can cause it
	inDoubt                // the backend failed, by itself or because of what it was asked for
	ofClient               // the backend's answer to this client; another backend would give it too
	ofGateway              // the backend was not even asked
)

// ownFailures are faults of the gateway itself, which many clients at a time can cause.
var ownFailures = []error{context.Canceled, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS, syscall.EADDRNOTAVAIL}

// ownerOf returns whose fault an error of dial is.
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
		if he.Status >= 500 || he.Status == http.StatusRequestTimeout { // the gateway sent the whole request at once
			return inDoubt
		}
	}
	return ofClient
}

// shownError returns an error as the operator sees it: cut, and with escapes for what a
// terminal would obey, as a peer has chosen parts of it.
func shownError(err error) string {
	const limit = 300
	var b strings.Builder
	for rest := err.Error(); rest != ""; {
		r, n := utf8.DecodeRuneInString(rest)
		if b.Len()+n > limit {
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
