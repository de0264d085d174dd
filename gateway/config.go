package gateway

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/draftwire/draftwire"
	"go.yaml.in/yaml/v3"
)

// Config is what a gateway does, as its file says it (YAML, see Load). Zero
// fields have the defaults that withDefaults gives them; Print shows them all.
type Config struct {
	// Listen are the ports. Default: one, 127.0.0.1:8080.
	Listen []Listener `yaml:"listen"`
	// Admin is for the operator: health, metrics, status, drain, reload.
	Admin Admin `yaml:"admin"`
	// TrustForwarded are the proxies whose Forwarded and X-Forwarded-* fields
	// name the client.
	TrustForwarded []netip.Prefix `yaml:"trust_forwarded"`
	// Limits bound what clients may cost, all of them together and each.
	Limits Limits `yaml:"limits"`
	// Drain is the time over which farewells are spread at the end. Default 30 s.
	Drain Duration `yaml:"drain"`
	// Ledger remembers who still speaks what.
	Ledger Ledger `yaml:"ledger"`
	// Versions is the plan to retire versions: what becomes of each, and when.
	Versions map[string][]Stage `yaml:"versions"`
	// Routes are tried in order; the first that matches takes the client.
	Routes []Route `yaml:"routes"`
}

// Listener is one port.
type Listener struct {
	Name    string `yaml:"name"`    // in logs, metrics and routes. Default: the address
	Address string `yaml:"address"` // HOST:PORT, unix:PATH or fd:NAME, a socket that systemd passes
	// Versions are the versions that clients may speak here. Default all.
	Versions string        `yaml:"versions"`
	TLS      *TLS          `yaml:"tls"`            // nil: none; else TLS and clear text on one port
	Proxy    ProxyProtocol `yaml:"proxy_protocol"` // of a balancer in front
	// PublicURL is what clients call this port, where that cannot be seen from
	// their requests: wss://example.com.
	PublicURL string `yaml:"public_url"`
	// FlashPolicy answers <policy-file-request/> for any site and port.
	FlashPolicy bool `yaml:"flash_policy"`
	// Tolerate names known faults of devices and middleboxes to accept.
	Tolerate []string `yaml:"tolerate"`
}

// TLS says how a port speaks TLS.
type TLS struct {
	// Profile is modern, legacy (old settings for old hellos alone) or museum
	// (RC4 too). Default modern.
	Profile string `yaml:"profile"`
	// Certificates are chosen by what a client's hello can verify.
	Certificates []KeyPair `yaml:"certificates"`
}

// KeyPair names the files of a certificate, its chain, and its key (PEM).
type KeyPair struct {
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
}

// ProxyProtocol says who may name the client by a PROXY header, version 1 or 2.
type ProxyProtocol struct {
	Mode string         `yaml:"mode"` // off, accept or require. Default off
	From []netip.Prefix `yaml:"from"`
}

// Admin is the operator's port.
type Admin struct {
	Address string `yaml:"address"` // HOST:PORT or unix:PATH. Default 127.0.0.1:9090; "off" for none
	// Hosts are names, beside addresses, localhost and that in Address, under which the
	// port may be asked: as in Match.
	Hosts []string `yaml:"hosts"`
	Pprof bool     `yaml:"pprof"` // serve /debug/pprof
}

// DefaultConnections is how many clients a gateway takes at a time.
const DefaultConnections = 20000

// Limits bound what clients may cost. 0 is the default; negative, where there
// is a default, is no bound.
type Limits struct {
	Connections           int      `yaml:"connections"`             // open at a time, in all. Default 20,000
	ConnectionsPerAddress int      `yaml:"connections_per_address"` // of one IPv4 address or IPv6 /64, and as many whose handshake is not done. Default none
	Pending               int      `yaml:"pending"`                 // connections whose handshake is not done, half of them of one address; above it the oldest silent one goes. Default 2,000
	HandshakesPerSecond   int      `yaml:"handshakes_per_second"`   // in all, with a burst of as many. Default none
	Message               Size     `yaml:"message"`                 // payload of one message. Default 16 MiB
	Head                  Size     `yaml:"head"`                    // a request head. Default 16 KiB
	Handshake             Duration `yaml:"handshake"`               // from the first byte to the 101, the backend's included. Default 10 s
	Key3                  Duration `yaml:"key3"`                    // for the eight bytes of hixie-76. Default 5 s
	Close                 Duration `yaml:"close"`                   // for the answer to a close. Default 5 s
	Write                 Duration `yaml:"write"`                   // for a side to take what it is sent. Default 30 s
	Idle                  Duration `yaml:"idle"`                    // no byte from the client. Default none: pings and TCP find the dead
}

// Ledger says what is remembered of clients.
type Ledger struct {
	File string `yaml:"file"` // where; "" keeps it in memory
	// Client tells clients apart: "address", or a name that they send:
	// "header NAME", "cookie NAME", "query NAME". Default address.
	Client  string `yaml:"client"`
	Clients int    `yaml:"clients"` // entries held. Default 50,000
}

// Stage is a step of a version's retirement.
type Stage struct {
	Mode string    `yaml:"mode"`           // on, warn, "sample 10%", off
	From time.Time `yaml:"from,omitempty"` // a date or a time; none: always
}

// Route sends the clients that it matches to backends.
type Route struct {
	Name  string `yaml:"name"` // in logs and metrics. Default: its place, from 1
	Match Match  `yaml:"match"`
	// Origins are the pages that may connect, as in draftwire.AcceptOptions.
	// Default: any, as the backend sees the origin too.
	Origins []string `yaml:"origins"`
	// Backends are tried, the one with the fewest connections first.
	Backends []Backend `yaml:"backends"`
	// Health is how backends are looked after.
	Health Health `yaml:"health"`
	// Dial bounds the time to reach a backend, all tries together. Default 5 s.
	Dial Duration `yaml:"dial"`
	// StripPrefix is taken off the path before it goes to the backend.
	StripPrefix string `yaml:"strip_prefix"`
	// PreserveHost sends the client's Host to the backend, not the backend's.
	PreserveHost bool `yaml:"preserve_host"`
	// DropHeaders are fields of the client that the backend does not get.
	DropHeaders []string `yaml:"drop_headers"`
	// PassHeaders are fields that the backend gets of any client though they are for a
	// proxy to say, like X-Real-IP: without it, of those in TrustForwarded alone.
	PassHeaders []string `yaml:"pass_headers"`
	// SetHeaders are fields that the backend gets in any case.
	SetHeaders map[string]string `yaml:"set_headers"`
	// Origin, if not "", is what the backend gets as origin.
	Origin string `yaml:"origin"`
	Policy Policy `yaml:"policy"`
	// Message bounds the payload of one message. Default: that of Limits.
	Message Size `yaml:"message"`
	// Connections are those of the route's clients at a time. Default none.
	Connections int `yaml:"connections"`
}

// Match says which clients a route takes. A part that is empty takes all.
type Match struct {
	Listeners []string `yaml:"listeners"` // names of ports
	Hosts     []string `yaml:"hosts"`     // without port; "*.example.com" for those below
	Paths     []string `yaml:"paths"`     // "/feed" for itself, "/feed/*" for all below
	// IgnoreCase takes a path, and strip_prefix, in any case: for backends that do so.
	IgnoreCase bool     `yaml:"ignore_case"`
	Versions   string   `yaml:"versions"`  // as in Listener
	Protocols  []string `yaml:"protocols"` // subprotocols, of which the client offers one
}

// Backend is a server behind the gateway.
type Backend struct {
	// URL is ws:, wss:, tcp://HOST:PORT or unix:PATH; the last two get and give
	// bare bytes. ?version=hixie-76 in a ws URL speaks that version to it.
	URL string `yaml:"url"`
	// Insecure takes any certificate of a wss backend.
	Insecure bool `yaml:"insecure"`
}

// Health says how backends are looked after.
type Health struct {
	Check    string   `yaml:"check"`    // tcp: connects now and then; off. Default tcp
	Interval Duration `yaml:"interval"` // between two checks. Default 5 s
	Timeout  Duration `yaml:"timeout"`  // of one. Default 2 s
	Cooldown Duration `yaml:"cooldown"` // after a failure of its own, before it is tried again first. Default 5 s
}

// Policy says what becomes of what one side says and the other cannot. See
// Losses for the whole table.
type Policy struct {
	// Binary is what a peer without binary messages gets of one: reject (the
	// connection closes), base64, hex, latin1 (as text), drop. Default reject.
	Binary string `yaml:"binary"`
	// BinaryBack reads text of such a peer back to binary, in the same way.
	BinaryBack bool `yaml:"binary_back"`
	// InvalidText is fail (the connection closes) or replace (with U+FFFD).
	InvalidText string `yaml:"invalid_text"`
	// Fragments is stream (pieces go on as they come) or gather (whole messages).
	Fragments string `yaml:"fragments"`
	// CloseWithoutCode is what a peer with close codes gets where the other had
	// none to say: normal (1000) or none. Default normal.
	CloseWithoutCode string `yaml:"close_without_code"`
	// RawText makes text of what a tcp or unix backend sends, for all clients.
	RawText bool `yaml:"raw_text"`
	// Ping is how often the client gets one, if it has pings; a side that does not
	// answer is dropped. Default 30 s, negative for none.
	Ping Duration `yaml:"ping"`
	// PingBackend is Ping for the backend's side. Default the same.
	PingBackend Duration `yaml:"ping_backend"`
	// Compression of messages: off, client, backend or both sides. Default off.
	Compression string `yaml:"compression"`
	// Fatal are losses that close the connection instead of being counted alone.
	Fatal []Loss `yaml:"fatal"`
}

// Duration is a time.Duration that is written like 30s.
type Duration time.Duration

// UnmarshalYAML implements yaml.Unmarshaler: its errors have a line.
func (d *Duration) UnmarshalYAML(n *yaml.Node) error { return scalar(n, d) }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(p []byte) error {
	v, err := time.ParseDuration(string(p))
	if err != nil {
		return fmt.Errorf("%q is no time like 500ms, 30s or 2m", p)
	}
	*d = Duration(v)
	return nil
}

// String is the time like 1m30s.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// Size is a number of bytes that is written like 64KiB.
type Size int64

var units = []struct {
	name string
	size Size
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// UnmarshalYAML implements yaml.Unmarshaler: its errors have a line.
func (s *Size) UnmarshalYAML(n *yaml.Node) error { return scalar(n, s) }

// scalar reads a value. yaml itself would not say where a wrong one stands.
func scalar(n *yaml.Node, v interface{ UnmarshalText([]byte) error }) error {
	err := errors.New("a value stands here, no list and no keys")
	if n.Kind == yaml.ScalarNode {
		err = v.UnmarshalText([]byte(n.Value))
	}
	if err != nil {
		return &yaml.TypeError{Errors: []string{fmt.Sprintf("line %d: %v", n.Line, err)}}
	}
	return nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Size) UnmarshalText(p []byte) error {
	text, unit := string(p), Size(1)
	for _, u := range units {
		if number, ok := strings.CutSuffix(text, u.name); ok {
			text, unit = strings.TrimSpace(number), u.size
			break
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n > (1<<62)/int64(unit) || n < -1 {
		return fmt.Errorf("%q is no size like 512, 64KiB or 1MiB", p)
	}
	*s = Size(n) * unit
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (s Size) MarshalText() ([]byte, error) {
	for _, u := range units {
		if s >= u.size && s%u.size == 0 {
			return []byte(strconv.FormatInt(int64(s/u.size), 10) + u.name), nil
		}
	}
	return []byte(strconv.FormatInt(int64(s), 10)), nil
}

// def sets what is zero.
func def[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}

// withDefaults fills in what is not said.
func (c *Config) withDefaults() {
	if len(c.Listen) == 0 {
		c.Listen = []Listener{{Address: "127.0.0.1:8080"}}
	}
	for i := range c.Listen {
		l := &c.Listen[i]
		def(&l.Name, l.Address)
		def(&l.Versions, "all")
		def(&l.Proxy.Mode, "off")
		if l.TLS != nil {
			def(&l.TLS.Profile, "modern")
		}
	}
	def(&c.Admin.Address, "127.0.0.1:9090")
	def(&c.Drain, Duration(30*time.Second))
	c.Limits.withDefaults()
	def(&c.Ledger.Client, "address")
	def(&c.Ledger.Clients, 50000)
	for i := range c.Routes {
		c.Routes[i].withDefaults(i, &c.Limits)
	}
}

func (l *Limits) withDefaults() {
	def(&l.Connections, DefaultConnections)
	def(&l.Pending, 2000)
	def(&l.Message, 16<<20)
	def(&l.Head, draftwire.DefaultHeadLimit)
	def(&l.Handshake, Duration(draftwire.DefaultHandshakeTimeout))
	def(&l.Key3, Duration(draftwire.DefaultKey3Timeout))
	def(&l.Close, Duration(draftwire.DefaultCloseTimeout))
	def(&l.Write, Duration(30*time.Second))
}

func (r *Route) withDefaults(i int, l *Limits) {
	def(&r.Name, strconv.Itoa(i+1))
	def(&r.Match.Versions, "all")
	def(&r.Dial, Duration(5*time.Second))
	def(&r.Message, l.Message)
	def(&r.Health.Check, "tcp")
	def(&r.Health.Interval, Duration(5*time.Second))
	def(&r.Health.Timeout, Duration(2*time.Second))
	def(&r.Health.Cooldown, Duration(5*time.Second))
	p := &r.Policy
	def(&p.Binary, "reject")
	def(&p.InvalidText, "fail")
	def(&p.Fragments, "stream")
	def(&p.CloseWithoutCode, "normal")
	def(&p.Ping, Duration(30*time.Second))
	def(&p.PingBackend, p.Ping)
	def(&p.Compression, "off")
	if len(r.Origins) == 0 {
		r.Origins = []string{"*"}
	}
}
