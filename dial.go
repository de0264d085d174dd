package draftwire

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"weak"

	"github.com/draftwire/draftwire/internal/deflate"
	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/internal/intern"
	"github.com/draftwire/draftwire/internal/origin"
	"github.com/draftwire/draftwire/internal/pool"
	"github.com/draftwire/draftwire/internal/sock"
	"github.com/draftwire/draftwire/wire"
)

// DialOptions say how a client connects. nil and the zero value speak RFC 6455.
type DialOptions struct {
	// Version to speak; Unknown is RFC6455.
	Version Version
	// Fallback are the versions to try when the server refuses Version: in this order,
	// each on a new connection, until one is accepted.
	Fallback []Version
	// Origin is sent in the field that the version has for it. "" leaves the field out,
	// but where a version demands an origin (hixie-75 to hybi-05), the client then sends
	// that of the URL's own host.
	Origin string
	// Protocols are the subprotocols offered, best first. The hixie versions
	// send them as one string.
	Protocols []string
	// Header is sent with the request, its names spelled as they are here. With
	// X-Forwarded-Host or X-Forwarded-Proto a server of the hixie versions may repeat the URL
	// that these make.
	Header http.Header
	// Fields are sent behind those of Header, in this order. A field Host takes the place of
	// the URL's host.
	Fields Fields
	// Target is the path and query to ask for, byte by byte; "" takes the URL's.
	Target string
	// Compose, if it is not nil, writes the request in the place of this package: as another
	// client of the version would, with its fields, their order and spelling, and keys of its
	// own. It gets what the request has to ask for, and returns the request in pieces, each of
	// which is written to the connection by itself: the head with its blank line, and behind it
	// the eight bytes of hixie-76 and hybi-02. The answer is judged by what the request says.
	// Where the server takes one of its offers of permessage-deflate or deflate-frame, messages
	// are compressed; another extension fails the handshake. A request that the version
	// cannot have is an error of Dial, before anything is sent. Package drafts has the requests
	// of clients of the time in this form.
	Compose func(*Offer) ([][]byte, error)
	// Compression is offered in the versions that have it. Its Mode and Threshold say
	// which messages this side compresses.
	Compression Compression
	// InvalidText says what happens to text from the server that is not UTF-8. The
	// zero value does what the version's document says of clients: up to hybi-07 they put
	// U+FFFD in the place of each invalid part, which Stats counts, and later ones fail
	// the connection.
	InvalidText TextPolicy
	// Tolerate names known faults of servers to accept, those of wire.ServerFaults; each has
	// a row in wire.ToleranceTable. The Observer is told of each use.
	Tolerate Tolerances
	// NetDial opens the TCP connection; nil is net.Dialer.DialContext.
	NetDial func(ctx context.Context, network, addr string) (net.Conn, error)
	// TLS is for wss URLs.
	TLS    *tls.Config
	Limits Limits
	// DropHeads lets the connection forget the heads of its handshake once it is open, and so
	// hold some hundred bytes less: Request, Response and Fields of its Handshake are empty
	// then. The Observer's Opened still sees them.
	DropHeads bool
	Observer  *Observer
	// Rand is the source of keys and masks; nil is crypto/rand.
	Rand io.Reader
	// Events are what ServeEvents begins to call; before that nothing is read, and behind it no
	// call may read. nil leaves the reading to the program.
	Events *Events
	// Value is that of the connection's Handshake.
	Value any
}

// Dial opens a connection to a ws or wss URL (http and https mean the same). The
// response is the last answer of the server, or nil where none came. Of a refusal its
// body holds only those bytes that came together with the head. The error is a
// *HandshakeError or an error of the network; with a Fallback it joins the errors of all
// attempts.
//
// ctx and the handshake timeout bound the call. When they end later, the connection stays
// open.
func Dial(ctx context.Context, rawURL string, o *DialOptions) (*Conn, *http.Response, error) {
	d, err := o.ready()
	if err != nil {
		return nil, nil, err
	}
	u, err := parseURL(rawURL)
	if err != nil {
		return nil, nil, err
	}
	var errs []error
	versions := append([]Version{d.Version}, d.Fallback...)
	for i, v := range versions {
		c, resp, err := d.dial(ctx, u, v)
		if err == nil {
			return c, resp, nil
		}
		errs = append(errs, err)
		he, ok := errors.AsType[*HandshakeError](err)
		refused := ok && he.Reason != wire.ReasonTimeout && he.Reason != wire.ReasonIO
		switch {
		case len(versions) == 1:
			return nil, resp, err
		case !refused || ctx.Err() != nil || i == len(versions)-1:
			return nil, resp, errors.Join(errs...)
		}
	}
	panic("unreachable")
}

// Open speaks the opening handshake of a client on nc, a connection that the caller has
// opened to the server of u, a ws or wss URL, with TLS if u has it. It is Dial without all that
// comes before the handshake: Fallback, NetDial, TLS and HandshakeTimeout of the options are not
// used. answer has the fields of the server's answer.
//
// Open sets no deadline: those of nc bound it, and stay. A caller who has set one takes it away
// from a connection that has opened. After an error, a *HandshakeError unless the options
// are wrong, nc is the caller's to close.
func Open(nc net.Conn, u *url.URL, o *DialOptions) (c *Conn, answer Fields, err error) {
	c, resp, _, err := open(nc, u, o)
	return c, resp.Fields, err
}

// failed returns the error of a handshake that failed on nc, and tells the observer.
func (d *DialOptions) failed(nc net.Conn, v Version, err error) *HandshakeError {
	he := asHandshakeError(err)
	he.Version = v
	if sock.IsTimeout(err) {
		he = wire.NewHandshakeError(v, wire.ReasonTimeout, "no complete answer")
		he.Status, he.Err = 0, err
	}
	d.Observer.refused(nc.RemoteAddr().String(), nil, he)
	return he
}

// ready returns the options with their defaults, or what is wrong with them.
func (o *DialOptions) ready() (*DialOptions, error) {
	d := new(DialOptions)
	if o != nil {
		*d = *o
	}
	if err := d.Check(); err != nil {
		return nil, err
	}
	d.Limits = d.Limits.withDefaults()
	def(&d.Version, RFC6455)
	if d.Observer == nil {
		d.Observer = &noObserver
	}
	return d, nil
}

func parseURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("draftwire: dial: %w", err)
	}
	switch u.Scheme {
	case "ws", "wss":
	case "http":
		u.Scheme = "ws"
	case "https":
		u.Scheme = "wss"
	default:
		return nil, fmt.Errorf("draftwire: dial: %q is no ws or wss URL", raw)
	}
	if u.Hostname() == "" {
		return nil, fmt.Errorf("draftwire: dial: no host in %q", raw)
	}
	return u, nil
}

// offer returns what goes into the request. The Host field leaves a default port out, as
// the clients of the time did: a hixie server repeats the field in its answer.
func (d *DialOptions) offer(u *url.URL, v Version) (*wire.Offer, error) {
	o := &wire.Offer{Target: u.RequestURI(), Secure: u.Scheme == "wss", Origin: d.Origin, Protocols: d.Protocols}
	if d.Target != "" {
		o.Target = d.Target
	}
	o.Host = origin.StripPort(u.Scheme, withoutZone(u.Host))
	if d.Compression.Mode != CompressNothing && v.Supports(wire.CapDeflate) {
		o.Extensions = deflate.Offer(d.Compression.Takeover)
	}
	if o.Origin == "" && v.Supports(wire.CapOrigin) {
		o.Origin = "http" + strings.TrimPrefix(u.Scheme, "ws") + "://" + o.Host
	}
	if u.User != nil {
		pass, _ := u.User.Password()
		r := http.Request{Header: http.Header{}}
		r.SetBasicAuth(u.User.Username(), pass)
		o.Fields = append(o.Fields, wire.Field{Name: "Authorization", Value: r.Header.Get("Authorization")})
	}
	if len(d.Header) == 0 && len(o.Fields) == 0 && !hasHost(d.Fields) {
		o.Fields = d.Fields[:len(d.Fields):len(d.Fields)]
	} else {
		d.gather(o)
	}
	// Check has seen the options before; what comes from the URL is checked here.
	return o, sendable(Fields{{Name: "Host", Value: o.Host}, {Name: "Origin", Value: o.Origin}})
}

func hasHost(fields Fields) bool {
	return slices.ContainsFunc(fields, func(f Field) bool { return strings.EqualFold(f.Name, "Host") })
}

// gather adds the fields of the options to the offer.
func (d *DialOptions) gather(o *wire.Offer) {
	add := func(name, value string) {
		if strings.EqualFold(name, "Host") {
			o.Host = value
		} else {
			o.Fields = append(o.Fields, wire.Field{Name: name, Value: value})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.Header)) {
		for _, value := range d.Header[name] {
			add(name, value)
		}
	}
	for _, f := range d.Fields {
		add(f.Name, f.Value)
	}
}

// withoutZone takes the zone off an IPv6 address in brackets. A zone names an interface of
// this machine, so no other machine is told it (RFC 6874 4), and a server that checks Host
// would refuse it.
func withoutZone(host string) string {
	before, zone, ok := strings.Cut(host, "%")
	end := strings.IndexByte(zone, ']')
	if !ok || end < 0 || !strings.HasPrefix(before, "[") {
		return host
	}
	return before + zone[end:]
}

func (d *DialOptions) connect(ctx context.Context, u *url.URL) (net.Conn, error) {
	port := cmp.Or(u.Port(), map[string]string{"ws": "80", "wss": "443"}[u.Scheme])
	dial := d.NetDial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	nc, err := dial(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return nil, fmt.Errorf("draftwire: dial: %w", err)
	}
	if u.Scheme == "ws" {
		return nc, nil
	}
	cfg := &tls.Config{}
	if d.TLS != nil {
		cfg = d.TLS.Clone()
	}
	def(&cfg.ServerName, (&url.URL{Host: withoutZone(u.Host)}).Hostname())
	cfg.NextProtos = []string{"http/1.1"}
	t := tls.Client(nc, cfg)
	if err := t.HandshakeContext(ctx); err != nil {
		nc.Close()
		return nil, fmt.Errorf("draftwire: dial: tls: %w", err)
	}
	return t, nil
}

// dial opens a connection in one version.
func (d *DialOptions) dial(ctx context.Context, u *url.URL, v Version) (*Conn, *http.Response, error) {
	draft, ok := draftOf(v)
	if !ok {
		return nil, nil, fmt.Errorf("draftwire: dial: version %s is not spoken here; spoken are %s", v, ServedVersions())
	}
	offer, err := d.offer(u, v)
	if err != nil {
		return nil, nil, err
	}
	hctx, cancel := context.WithTimeout(ctx, d.Limits.HandshakeTimeout)
	defer cancel()
	began := time.Now()
	nc, err := d.connect(hctx, u)
	if err != nil {
		return nil, nil, err
	}
	if d.Events != nil {
		nc = sock.Adopt(nc)
	}
	stop := context.AfterFunc(hctx, func() { nc.SetDeadline(sock.Past) })
	resp := wire.Response{Tolerate: d.Tolerate}
	c, src, err := d.handshake(nc, draft, offer, began, &resp)
	if !stop() && err == nil { // hctx has ended, and may have set its deadline on the open connection
		c.c.Fail(context.Cause(hctx))
		err = wire.NewHandshakeError(v, wire.ReasonTimeout, "")
	}
	answer := httpResponse(&resp, src)
	if err == nil {
		return c, answer, nil
	}
	nc.Close()
	he := d.failed(nc, v, err)
	if he.Reason == wire.ReasonTimeout && ctx.Err() != nil {
		he.Err = ctx.Err()
	}
	return nil, answer, he
}

// handshake speaks the opening handshake on nc. Of a refusal src has the bytes behind its head.
func (d *DialOptions) handshake(nc net.Conn, draft *row, offer *wire.Offer, began time.Time, resp *wire.Response) (c *Conn, src *sock.Reader, err error) {
	q := question{d: d, nc: nc, draft: draft, offer: offer, began: began}
	defer q.forget()
	if err := q.ask(); err != nil {
		return nil, nil, err
	}
	return q.answered(resp)
}

// question is the opening handshake of a client: the request that was sent, and what its answer is
// judged by.
type question struct {
	d     *DialOptions
	nc    net.Conn
	draft *row
	offer *wire.Offer
	began time.Time
	hs    wire.ClientHandshake
	asked asking
	buf   *pool.Buf // has the request
	src   *sock.Reader
	conn  *Conn // what has come of it
}

// ask sends the request.
func (q *question) ask() (err error) {
	d := q.d
	q.hs = q.draft.NewClient(d.Rand)
	q.buf = pool.Get(requestSize)
	if q.buf.B, q.asked, err = d.ask(q.hs, q.draft, q.offer, q.buf.B); err != nil {
		return err
	}
	if err := q.asked.send(q.nc); err != nil {
		return err
	}
	q.src = sock.NewReader(q.nc, nil)
	return nil
}

// forget gives back what the handshake has borrowed.
func (q *question) forget() {
	if q.buf != nil {
		pool.Put(q.buf)
		q.buf = nil
	}
}

// answered reads the answer, and makes the connection. Of a refusal src has the bytes behind its
// head.
func (q *question) answered(resp *wire.Response) (c *Conn, src *sock.Reader, err error) {
	d, nc := q.d, q.nc
	draft, offer := q.draft, q.offer
	hs, src := q.hs, q.src
	if err := d.readResponse(src, resp); err != nil {
		*resp = wire.Response{}
		return nil, nil, err
	}
	var acc wire.Accept
	body, err := hs.Check(resp, &acc)
	if err != nil {
		return nil, src, err
	}
	var params deflate.Params
	if offer.Extensions != "" { // otherwise hs.Check fails if the server names an extension
		var ok bool
		if params, ok = q.asked.accepted(resp.Fields.List("Sec-WebSocket-Extensions"), d.Compression.Takeover); !ok {
			return nil, nil, wire.NewHandshakeError(draft.Version, wire.ReasonNotOffered, fmt.Sprintf("extension %q", acc.Extensions))
		}
	}
	for src.Buffered() < body {
		if err := src.Fill(d.Limits.HeadLimit); err != nil {
			return nil, nil, err
		}
	}
	if err := hs.CheckBody(src.Peek(body)); err != nil {
		return nil, nil, err
	}
	src.Discard(body)
	if resp.Tolerated != 0 {
		d.Observer.tolerated(nc.RemoteAddr().String(), resp.Tolerated)
	}
	request := ""
	if !d.DropHeads || d.Observer.Opened != nil {
		request = string(q.buf.B)
	}
	info := newHandshake(q.began, request, d.DropHeads, nc)
	info.facts = facts{
		version: draft.Version, secure: offer.Secure, exact: true, tolerated: resp.Tolerated, rule: "chosen",
		host: offer.Host, origin: offer.Origin, protocol: acc.Protocol, deflate: acc.Extensions,
	}
	info.target, info.offered = offer.Target, offer.Protocols
	info.setTLS(tlsState(nc))
	info.value = d.Value
	if request != "" {
		info.rest.response = intern.Whole(resp.Raw)
	}
	if d.DropHeads {
		info.own(&dialledOutlines, &intern.Head{})
	}
	return newConn(&connConfig{
		draft: draft, role: wire.Client, info: info, acc: &acc,
		deflate: &params, threshold: d.Compression.threshold(), rand: d.Rand,
		set: d.settings(), src: src,
	}), nil, nil
}

// dialledOutlines are of connections that were opened without their heads: many to few servers.
var dialledOutlines outlines

// dialled are what the options of a connection decide of its settings.
type dialled struct {
	limits    Limits
	text      wire.TextPolicy
	tolerate  Tolerances
	dropHeads bool
	obs       *Observer
	events    *Events
}

// lastDialled are the settings of the connection that was opened last: the next one mostly has
// the same. They are forgotten with the last connection that has them, as what they tell of it
// may hold a whole program.
var lastDialled atomic.Pointer[weak.Pointer[dialledSettings]]

type dialledSettings struct {
	of dialled
	settings
}

// settings returns the settings of a connection, which it has in common with others.
func (d *DialOptions) settings() *settings {
	of := dialled{d.Limits, d.InvalidText, d.Tolerate, d.DropHeads, d.Observer, d.Events}
	var x *dialledSettings
	if last := lastDialled.Load(); last != nil {
		x = last.Value()
	}
	if x == nil || x.of != of {
		x = &dialledSettings{of, settings{
			limits: d.Limits, engine: d.Limits.engineLimits(), obs: d.Observer, text: d.InvalidText, tolerate: d.Tolerate,
			dropHeads: d.DropHeads, events: d.Events,
		}}
		x.own()
		last := weak.Make(x)
		lastDialled.Store(&last)
	}
	return &x.settings
}

// requestSize is what most requests need.
const requestSize = 1 << 10

// maxInterim is how many interim answers a client skips.
const maxInterim = 5

// readResponse reads the server's answer. Before it a server or a proxy may send interim
// answers: their status is from 100 to 199, but not 101 (RFC 9110 15.2).
func (d *DialOptions) readResponse(src *sock.Reader, resp *wire.Response) error {
	for range maxInterim + 1 {
		head, err := takeHead(src, d.Limits.HeadLimit)
		if err != nil {
			return err
		}
		if err := httphead.ParseResponse(head, resp); err != nil {
			return badResponse(err)
		}
		if resp.Status/100 != 1 || resp.Status == http.StatusSwitchingProtocols {
			return nil
		}
	}
	return wire.NewHandshakeError(Unknown, wire.ReasonBadResponse, fmt.Sprintf("more than %d answers came before the last one", maxInterim))
}

// badResponse returns the error of an answer whose head is none.
func badResponse(err error) error {
	why := asHandshakeError(err)
	e := wire.NewHandshakeError(Unknown, wire.ReasonBadResponse, why.Detail)
	e.Tolerance = why.Tolerance
	if why.Reason != wire.ReasonHeadMalformed {
		e.Detail, e.Err = "", err
	}
	return e
}

// takeHead reads a response head from src.
func takeHead(src *sock.Reader, limit int) (string, error) {
	end, err := readHead(src, limit, "HTTP/")
	if errors.Is(err, io.EOF) {
		err = wire.NewHandshakeError(Unknown, wire.ReasonBadResponse, fmt.Sprintf("the server closed after %d bytes", src.Buffered()))
	}
	if err != nil {
		return "", err
	}
	head := string(src.Peek(end))
	src.Discard(end)
	return head, nil
}

// httpResponse returns r in the form of net/http, nil where there is none. Its body has those
// bytes that src has read already.
func httpResponse(r *wire.Response, src *sock.Reader) *http.Response {
	if r.Line == "" {
		return nil
	}
	resp := &http.Response{
		Status: strings.TrimSpace(strings.TrimPrefix(r.Line[8:], " ")), StatusCode: r.Status,
		Proto: r.Line[:8], ProtoMajor: 1, ProtoMinor: int(r.Line[7] - '0'), Header: http.Header{},
		Body: http.NoBody,
	}
	for _, f := range r.Fields {
		resp.Header.Add(f.Name, f.Value)
	}
	if src != nil && src.Buffered() > 0 {
		resp.Body = io.NopCloser(bytes.NewReader(slices.Clone(src.Bytes())))
	}
	return resp
}
