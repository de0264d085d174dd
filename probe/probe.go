package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/draftwire/draftwire/hixie75"
	"github.com/draftwire/draftwire/hixie76"
	"github.com/draftwire/draftwire/hybi02"
	"github.com/draftwire/draftwire/hybi04"
	"github.com/draftwire/draftwire/hybi05"
	"github.com/draftwire/draftwire/hybi07"
	"github.com/draftwire/draftwire/rfc6455"
	"github.com/draftwire/draftwire/wire"
)

// Defaults of Options.
const (
	DefaultRate     = 20               // connections a second
	DefaultMaxConns = 500              // connections in all; 10000 with Vectors
	DefaultTimeout  = 3 * time.Second  // for each answer
	DefaultPatience = 12 * time.Second // for what a server does with silence
	DefaultLargest  = 1 << 20          // bytes of the largest message that is tried
)

// Bounds of Options.
const (
	maxLargest = 64 << 20
	maxHead    = 64 << 10 // bytes of the longest request, and of an answer's head
)

// settle is how long a server that neither echoes nor pongs is watched for what it does.
const settle = 400 * time.Millisecond

// Options say what a probe does. The zero value asks for all versions, as a client would.
type Options struct {
	// Versions to ask for; none is all.
	Versions wire.Versions
	// Origin is sent as that of a page; "" is that of the URL's own host.
	Origin string
	// Protocols are subprotocols that the server is thought to speak.
	Protocols []string
	// Fields are sent with each request.
	Fields wire.Fields
	// Compose, if it is not nil, writes the requests of the version ComposeVersion, as a device
	// would: see DialOptions.Compose of the root package.
	Compose        func(*wire.Offer) ([][]byte, error)
	ComposeVersion wire.Version
	// Message is what is sent to see whether the server echoes; "" is "draftwire probe".
	Message string
	// Faults sends what no client may send.
	Faults bool
	// Vectors plays those of the versions that open, which holds faults too.
	Vectors bool
	// Quick leaves out what takes time: limits, silence, and idle connections.
	Quick bool

	Rate     float64       // connections a second; 0 is DefaultRate
	MaxConns int           // connections in all; 0 is DefaultMaxConns
	Timeout  time.Duration // for each answer; 0 is DefaultTimeout
	Patience time.Duration // for what a server does with silence; 0 is DefaultPatience
	Largest  int64         // bytes of a message, at most 64 MiB; 0 is DefaultLargest

	// NetDial opens a TCP connection; nil is net.Dialer.DialContext.
	NetDial func(ctx context.Context, network, address string) (net.Conn, error)
	TLS     *tls.Config // for wss URLs
	// Rand is the source of keys and masks; nil is crypto/rand.
	Rand io.Reader
	// Say is told what the probe does next, in a few words; it may be nil. It is called by one
	// goroutine at a time.
	Say func(string)
}

// Check returns what is wrong with the options, nil where Run can use them.
func (o *Options) Check() error {
	switch {
	case o.Rate < 0 || o.MaxConns < 0 || o.Timeout < 0 || o.Patience < 0 || o.Largest < 0:
		return errors.New("draftwire: probe: a limit is negative")
	case o.Largest > maxLargest:
		return fmt.Errorf("draftwire: probe: messages of %d bytes are tried, at most %d can be", o.Largest, maxLargest)
	}
	return nil
}

// drafts are the versions, complete.
var drafts = map[wire.Version]*wire.Draft{
	wire.Hixie75: &hixie75.Draft, wire.Hixie76: &hixie76.Draft, wire.Hybi02: &hybi02.Draft,
	wire.Hybi04: &hybi04.Draft, wire.Hybi05: &hybi05.Draft, wire.Hybi06: &hybi05.Draft06,
	wire.Hybi07: &hybi07.Draft, wire.Hybi08: &hybi07.Draft08, wire.RFC6455: &rfc6455.Draft,
}

// prober is a probe that runs.
type prober struct {
	o   Options
	u   *url.URL
	mu  sync.Mutex
	n   int       // connections so far
	due time.Time // when the next one may be opened

	gone  int           // connections that were not accepted at once
	whole wire.Versions // those whose eight bytes have to come in one piece with the head

	address, tls string
}

// errBudget ends a probe whose connections are used up.
var errBudget = errors.New("its number of connections is used up")

// Run probes the server of a ws or wss URL (http and https mean the same). The report has what
// was found until ctx ended or the number of connections was used up; it says so in Stopped. The
// error is about the URL or the options, or says that the server could not be reached at all; the
// report is nil then.
func Run(ctx context.Context, rawURL string, o *Options) (*Report, error) {
	p, err := newProber(rawURL, o)
	if err != nil {
		return nil, err
	}
	r := &Report{URL: rawURL, Began: time.Now().UTC().Truncate(time.Millisecond)}
	began := time.Now()
	nc, err := p.dial(ctx) // whether there is anybody
	if err != nil {
		return nil, err
	}
	nc.Close()
	err = p.run(ctx, r)
	switch {
	case ctx.Err() != nil:
		r.Stopped = "it was interrupted"
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			r.Stopped = "its time is over"
		}
	case err != nil:
		r.Stopped = plain(err)
	}
	r.Took, r.Connections = Span(time.Since(began)), p.n
	r.Address, r.TLS, r.Gone = p.address, p.tls, p.gone
	return r, nil
}

func newProber(rawURL string, o *Options) (*prober, error) {
	p := &prober{}
	if o != nil {
		p.o = *o
	}
	if err := p.o.Check(); err != nil {
		return nil, err
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, fmt.Errorf("draftwire: probe: %w", err)
	}
	switch u.Scheme {
	case "ws", "wss":
	case "http", "https":
		u.Scheme = "ws" + u.Scheme[len("http"):]
	default:
		return nil, fmt.Errorf("draftwire: probe: %q is no ws or wss URL", rawURL)
	}
	if u.Hostname() == "" {
		return nil, fmt.Errorf("draftwire: probe: no host in %q", rawURL)
	}
	p.u = u
	if p.o.Versions == 0 {
		p.o.Versions = wire.AllVersions
	}
	if p.o.Rate == 0 {
		p.o.Rate = DefaultRate
	}
	if p.o.MaxConns == 0 {
		p.o.MaxConns = DefaultMaxConns
		if p.o.Vectors {
			p.o.MaxConns = 10000
		}
	}
	if p.o.Timeout == 0 {
		p.o.Timeout = DefaultTimeout
	}
	if p.o.Patience == 0 {
		p.o.Patience = DefaultPatience
	}
	if p.o.Largest == 0 {
		p.o.Largest = DefaultLargest
	}
	if p.o.Message == "" {
		p.o.Message = "draftwire probe"
	}
	return p, nil
}

func (p *prober) say(format string, args ...any) {
	if p.o.Say == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.o.Say(fmt.Sprintf(format, args...))
}

// run does what was asked for. What takes only patience runs beside the rest.
func (p *prober) run(ctx context.Context, r *Report) error {
	for _, v := range p.o.Versions.List() {
		r.Versions = append(r.Versions, Version{Version: v, Outcome: Unasked})
	}
	var beside sync.WaitGroup
	idle := make([]*Patience, len(r.Versions)) // of its own, as the versions are read meanwhile
	defer func() {
		beside.Wait()
		for i := range idle {
			r.Versions[i].Idle = idle[i]
		}
	}()
	if !p.o.Quick {
		beside.Go(func() { r.Silent = p.patience(ctx, "") })
		beside.Go(func() { r.Half = p.patience(ctx, "GET / HTTP/1.1\r\nHost: ") })
	}
	for i := range r.Versions {
		v := &r.Versions[i]
		p.say("%s", v.Version)
		if err := p.version(ctx, v); err != nil {
			return err
		}
		if v.Opens() && !p.o.Quick {
			beside.Go(func() { idle[i] = p.idle(ctx, v.Version) })
		}
	}
	r.compare()
	if err := p.general(ctx, r); err != nil {
		return err
	}
	if p.o.Vectors {
		return p.playVectors(ctx, r)
	}
	return nil
}

// compare notes what a version lacks that another one has.
func (r *Report) compare() {
	echoes := slices.ContainsFunc(r.Versions, func(v Version) bool { return v.Echoes })
	for i := range r.Versions {
		v := &r.Versions[i]
		if v.Opens() && echoes && !v.Echoes && (v.Pongs == nil || !*v.Pongs) {
			v.Notes = append(v.Notes, "it opens, but no frame is answered, as in other versions: the server may take it for another version")
		}
	}
}

// general asks for what belongs to no version.
func (p *prober) general(ctx context.Context, r *Report) (err error) {
	p.say("an unknown version, an ordinary request")
	if r.Unknown, err = p.ask(ctx, p.request("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 99\r\n")); err != nil {
		return err
	}
	if r.Plain, err = p.ask(ctx, p.request("Connection: close\r\n")); err != nil {
		return err
	}
	for _, a := range []*Answer{r.Plain, r.Unknown} {
		if s := a.get("Server"); s != "" && r.Software == "" {
			r.Software = s
		}
	}
	for i := range r.Versions {
		if s := r.Versions[i].Answer.get("Server"); s != "" && r.Software == "" {
			r.Software = s
		}
	}
	if p.o.Quick {
		return nil
	}
	r.Head, err = p.headLimit(ctx, r.Opens())
	return err
}

// version finds out all about one version.
func (p *prober) version(ctx context.Context, v *Version) error {
	if err := p.opening(ctx, v); err != nil || !v.Opens() {
		return err
	}
	for _, step := range []func(context.Context, *Version) error{p.closing, p.subprotocols, p.extensions} {
		if err := step(ctx, v); err != nil {
			return err
		}
	}
	if !p.o.Quick {
		if err := p.limits(ctx, v); err != nil {
			return err
		}
	}
	if p.o.Faults {
		return p.faults(ctx, v)
	}
	return nil
}
