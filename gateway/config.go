package gateway

import (
	"cmp"
	"math"
	"net/netip"
	"strconv"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/hub"
	"github.com/draftwire/draftwire/usage"
	"go.yaml.in/yaml/v3"
	"golang.org/x/crypto/acme"
)

// Config says what a gateway does. It is written in YAML (Load).
//
// Zero means the same everywhere: a field that is zero or missing has its default, and a
// negative number, size or time means none (of a size or time also the word none): no limit, no timeout, no ping. The only
// fields that cannot be without a limit are Limits.Head, Ledger.Clients and
// Health.Interval: there a negative value is an error. Print writes a configuration with
// all its defaults.
//
// The documentation of the fields and the tag "is", which says what a value has to look like
// (keys.go), are also docs/config.md and the JSON Schema.
type Config struct {
	// Listen are the ports. Default: one, 127.0.0.1:8080.
	Listen []Listener `yaml:"listen"`
	// Admin is the operator's port: health, metrics, status, drain, reload.
	Admin Admin `yaml:"admin"`
	// TrustForwarded are the networks of the proxies whose Forwarded and X-Forwarded-* fields
	// name the client. Default none.
	TrustForwarded []netip.Prefix `yaml:"trust_forwarded"`
	// Limits bound what clients may cost, all of them together and each of them.
	Limits Limits `yaml:"limits"`
	// Drain is the time over which the gateway spreads the closes of its clients when it
	// shuts down; with none it closes all of them at once. Default 30 s.
	Drain Duration `yaml:"drain"`
	// DrainAfter is how long a process that an upgrade has replaced keeps its sessions. Then
	// it drains those that are left; with none it waits until they end by themselves.
	// Default 24 h.
	DrainAfter Duration `yaml:"drain_after"`
	// UpgradeTimeout is how long the new process of an upgrade may take until it serves. A
	// process that takes longer is killed, and the old one goes on. Default 30 s.
	UpgradeTimeout Duration `yaml:"upgrade_timeout"`
	// Ledger remembers which clients still speak which version.
	Ledger Ledger `yaml:"ledger"`
	// Fleet joins this gateway with others (docs/fleet.md). A reload cannot change it.
	Fleet Fleet `yaml:"fleet"`
	// Hub carries the messages of rooms, between gateways too. A reload cannot change it.
	Hub Hub `yaml:"hub"`
	// Record writes what goes between clients and the gateway to a file, for draftwire replay.
	Record Record `yaml:"record"`
	// Versions is the plan to retire versions: what is done with each version, and from
	// when on. Default none.
	Versions map[string][]Stage `yaml:"versions" is:"version"`
	// Routes are tried in order. The first one that matches a client takes it.
	Routes []Route `yaml:"routes" is:"required"`

	file    *yaml.Node // that Load has read; nil: none
	partial bool       // it has keys that Load could not read, so what is missing may be among them
}

// Listener is one port.
type Listener struct {
	// Name is what the port is called in logs, metrics and routes. Default: the address.
	Name string `yaml:"name"`
	// Address is where the port listens. HOST may be left out for all addresses of the
	// machine, and fd:NAME is a socket that systemd passes.
	Address string `yaml:"address" is:"address,required"`
	// Versions are the versions that clients may speak on this port.
	// Default all.
	Versions string `yaml:"versions" is:"versions"`
	// TLS says how the port speaks TLS, beside clear text on the same port. Default: clear
	// text only.
	TLS *TLS `yaml:"tls"`
	// Proxy is the PROXY header of a balancer in front of the gateway.
	Proxy ProxyProtocol `yaml:"proxy_protocol"`
	// PublicURL is the URL of this port as clients know it, for example
	// wss://example.com. It is needed if a proxy in front hides that URL. Default none.
	PublicURL string `yaml:"public_url" is:"public URL"`
	// FlashPolicy answers <policy-file-request/> with a policy that allows every site
	// and port. Every network gets this answer, whatever Allow and Deny say: the policy is
	// public, and Flash asks for it before it sends any request.
	FlashPolicy bool `yaml:"flash_policy"`
	// Tolerate names known faults of devices and middleboxes that are accepted. Each use is
	// counted. Default none.
	Tolerate []string `yaml:"tolerate" is:"client fault"`
	// Allow are the networks whose clients may connect. Flash policy requests are answered
	// for all networks (FlashPolicy). Default all.
	Allow []netip.Prefix `yaml:"allow"`
	// Deny are networks whose clients may not connect, even if Allow has them. It does not
	// hold for Flash policy requests either. Default none.
	Deny []netip.Prefix `yaml:"deny"`
	// Health is a path, like /healthz, that tells a balancer how the gateway is: 200, or
	// 503 while it drains. For that the port stays open until the drain ends. Default none.
	Health string `yaml:"health" is:"path"`
}

// TLS says how a port speaks TLS.
type TLS struct {
	// Profile is modern, legacy (with old settings, which only old clients get) or
	// museum (also with RC4). Default modern.
	Profile string `yaml:"profile" is:"modern|legacy|museum"`
	// Certificates are the port's certificates, e.g. ECDSA and RSA; each client gets one that
	// it supports. Default: those of ACME alone.
	Certificates []KeyPair `yaml:"certificates"`
	// ACME gets certificates for the clients of today from an authority, and renews them.
	// Default none.
	ACME *ACME `yaml:"acme"`
}

// ACME says from whom a port gets certificates (RFC 8555), beside those of files. The
// server's challenge has to reach the port itself, as port 443 of the domain, or a port in
// clear text, as its port 80.
type ACME struct {
	// Domains are the names of the certificates: one certificate for each name.
	Domains []string `yaml:"domains" is:"domain,required"`
	// Email is an address to which the server may write. Default none.
	Email string `yaml:"email" is:"email"`
	// Cache is a folder for the account's key and the certificates.
	Cache string `yaml:"cache" is:"folder,required"`
	// Directory is the server's URL. Default Let's Encrypt.
	Directory string `yaml:"directory" is:"https URL"`
	// CA is a file with the roots for an ACME server of your own. Default: the system's roots.
	CA string `yaml:"ca" is:"file"`
}

// KeyPair names the PEM files of a certificate with its chain, and of its key. Two
// certificates on one port are two items of the list:
// `certificates: [{cert: ecdsa.pem, key: ecdsa-key.pem}, {cert: rsa.pem, key: rsa-key.pem}]`.
type KeyPair struct {
	// Cert is the file of the certificate with its chain, in PEM.
	Cert string `yaml:"cert" is:"file,required"`
	// Key is the file of the certificate's key, in PEM.
	Key string `yaml:"key" is:"file,required"`
}

// ProxyProtocol says which balancers may name the client in a PROXY header, version 1 or 2.
type ProxyProtocol struct {
	// Mode says whether connections from the networks in From may begin with a PROXY header
	// (accept) or must (require). Default off.
	Mode string `yaml:"mode" is:"off|accept|require"`
	// From are the networks of the balancers. It is required unless Mode is off. Default none.
	From []netip.Prefix `yaml:"from"`
}

// Admin is the operator's port.
type Admin struct {
	// Address is where the port listens, or off for no such port. Never make it public. A
	// reload cannot change it. Default 127.0.0.1:9090.
	Address string `yaml:"address" is:"address or off"`
	// Hosts are further names under which the port answers, written as in match. It always
	// answers under IP addresses, localhost and the name in Address. Default none.
	Hosts []string `yaml:"hosts" is:"host"`
	// TokenFile has the token with which orders (drain, reload, upgrade, trace) are taken
	// from other machines: one line of at least 16 characters. Default none: they are
	// taken from this machine alone.
	TokenFile string `yaml:"token_file" is:"file"`
	// Console is the console at /console/, for a browser: on; without_payload: it shows frames
	// without what is in them; off: there is none. Default on.
	Console string `yaml:"console" is:"on|without_payload|off"`
	// Pprof serves /debug/pprof. A reload cannot change it.
	Pprof bool `yaml:"pprof"`
}

// Defaults of Limits.
const (
	DefaultConnections = 20000 // clients at a time
	DefaultPending     = 2000  // connections with an unfinished handshake: each may have a socket to its backend too
)

// Defaults of Config.
const (
	DefaultDrainAfter     = 24 * time.Hour
	DefaultUpgradeTimeout = 30 * time.Second
)

// Limits bound what clients may cost. In each of them 0 is the default and a negative
// value is none, but for Head, which always has a bound.
type Limits struct {
	// Connections limits how many clients are connected at a time. Default 20,000.
	Connections int `yaml:"connections"`
	// ConnectionsPerAddress bounds those of one IPv4 address or IPv6 /64; as many more may
	// have an unfinished handshake. Default none.
	ConnectionsPerAddress int `yaml:"connections_per_address"`
	// Fleet lets ConnectionsPerAddress count the connections of an address at all gateways of the fleet, as these
	// have announced them: a few seconds late (docs/fleet.md#limits). Default: at this gateway alone.
	Fleet bool `yaml:"fleet"`
	// Pending bounds the connections with an unfinished handshake; one address may have half
	// of them. Above it the oldest one that has sent no whole head is closed. Default 2,000.
	Pending int `yaml:"pending"`
	// HandshakesPerSecond limits the handshakes of all clients; as many may come at once.
	// Default none.
	HandshakesPerSecond int `yaml:"handshakes_per_second"`
	// HandshakesPerSecondPerAddress is the same for one IPv4 address or IPv6 /64; 0.1 is one
	// in ten seconds. Five may come at once in any case. Default none.
	HandshakesPerSecondPerAddress float64 `yaml:"handshakes_per_second_per_address"`
	// RequestsPerSecond bounds the ordinary requests of all clients, which get a 429 above
	// it. Default none.
	RequestsPerSecond int `yaml:"requests_per_second"`
	// RequestsPerSecondPerAddress is the same for one IPv4 address or IPv6 /64. Default none.
	RequestsPerSecondPerAddress float64 `yaml:"requests_per_second_per_address"`
	// Message bounds the payload of one message. Default 16 MiB.
	Message Size `yaml:"message"`
	// Head bounds the head of a request. It always has a bound. Default 16 KiB.
	Head Size `yaml:"head" is:"256..1MiB"`
	// HandshakeTimeout is the time from the first byte to the 101, the backend's handshake
	// included. Default 10 s.
	HandshakeTimeout Duration `yaml:"handshake_timeout"`
	// Key3Timeout is the time for the eight bytes after a hixie-76 head. Default 5 s.
	Key3Timeout Duration `yaml:"key3_timeout"`
	// CloseTimeout is the time for the answer to a close. Default 5 s.
	CloseTimeout Duration `yaml:"close_timeout"`
	// WriteTimeout is the time in which a client or backend must accept at least a part of
	// what it is sent. Default 30 s.
	WriteTimeout Duration `yaml:"write_timeout"`
	// IdleTimeout ends the connection of a client that has not sent a byte for this long.
	// Pongs are bytes too, so a client that answers pings is never idle: to end clients that
	// send no messages, set `ping: none` in `policy` too (docs/gateway.md#silent-peers).
	// Default none: pings and TCP keepalive find dead peers, and some devices are silent for
	// hours.
	IdleTimeout Duration `yaml:"idle_timeout"`
	// HTTPConnections bounds the connections of clients that send ordinary requests, idle
	// ones too; one address may have half of them. Above it the longest idle one is closed.
	// Default 5,000.
	HTTPConnections int `yaml:"http_connections"`
	// HTTPReadTimeout is how long the next part of a request's body may take. Default 1 min.
	HTTPReadTimeout Duration `yaml:"http_read_timeout"`
	// HTTPIdleTimeout is how long a connection may wait for its next request. Default 2 min.
	HTTPIdleTimeout Duration `yaml:"http_idle_timeout"`
}

// pending returns how many connections may have an unfinished handshake.
func (l *Limits) pending() int {
	if l.Pending < 0 {
		return math.MaxInt32
	}
	return l.Pending
}

// pendingPerAddress returns how many of them may be of one address: as many as it may have
// connections, but not all.
func (l *Limits) pendingPerAddress() int {
	half := l.pending()/2 + l.pending()%2
	if l.ConnectionsPerAddress > 0 {
		return min(l.ConnectionsPerAddress, half)
	}
	return half
}

// Ledger says what is remembered of clients. A reload cannot change it.
type Ledger struct {
	// File is where the ledger is kept. Default: in memory.
	File string `yaml:"file" is:"file"`
	// Client says how clients are told apart: by their address, or by what they send.
	// Default address.
	Client string `yaml:"client" is:"client"`
	// Clients is how many records are kept. It always has a bound. Default 50,000.
	Clients int `yaml:"clients" is:"positive"`
}

// Fleet says under which name a gateway is in a fleet: gateways that know of each other, over the servers of NATS that
// hub names.
type Fleet struct {
	// Name is the gateway's own name, which no other one of the fleet has: letters, digits and hyphens; hostname is
	// that of the host. Default: the gateway is in no fleet.
	Name string `yaml:"name" is:"fleet name"`
	// Group is the name of the fleet: gateways of another group are not in it, though they use the same servers. Default draftwire.
	Group string `yaml:"group" is:"fleet name"`
	// Report is how often the ledger is stored for reports of the fleet. It always has a bound. Default 10 s.
	Report Duration `yaml:"report" is:"positive"`
}

// WithDefaults returns f with the defaults of what is zero.
func (f Fleet) WithDefaults() Fleet {
	f.Group = cmp.Or(f.Group, "draftwire")
	f.Report = cmp.Or(f.Report, Duration(10*time.Second))
	return f
}

// Record says which clients' connections are recorded, and where. A reload cannot change it.
type Record struct {
	// Folder is where each process of the gateway writes a file of its own, called after the time and
	// its number. Default: nothing is recorded.
	Folder string `yaml:"folder" is:"folder"`
	// Routes are the names of the routes whose clients are recorded. Default all.
	Routes []string `yaml:"routes"`
	// Clients are the networks whose clients are recorded. Default all.
	Clients []netip.Prefix `yaml:"clients"`
	// Sample is how many clients of a hundred are recorded. Default 100.
	Sample int `yaml:"sample" is:"positive"`
	// Redact are further names of fields, of members of JSON and of parameters of the query whose
	// values are not recorded; cookies, fields that authorise, tokens and passwords are left out
	// anyway. Default none.
	Redact []string `yaml:"redact"`
	// RedactPayload leaves out all payload.
	RedactPayload bool `yaml:"redact_payload"`
	// File is the largest size of a file; what comes then is counted. Default 1GiB.
	File Size `yaml:"file"`
	// Message is the longest message whose payload is recorded. At most 512 MiB divided by it are
	// the connections that are recorded at a time. Default 64KiB.
	Message Size `yaml:"message"`
}

// Hub says what carries the messages of rooms. Listen and the keys behind it are for an embedded server.
type Hub struct {
	// URL is embedded, for a server of NATS in this process, or that of servers of NATS: nats://HOST:4222 or
	// tls://HOST:4222, several with commas. Default: the memory of this process, which reaches no other one.
	URL string `yaml:"url" is:"hub URL"`
	// TokenFile has the secret that all servers of an embedded cluster share, or that servers of NATS ask for: one line of at
	// least 16 characters. An embedded server that others reach needs it. Default none.
	TokenFile string `yaml:"token_file" is:"file"`
	// Credentials is a file of NATS credentials, for servers that ask for them. Default none.
	Credentials string `yaml:"credentials" is:"file"`
	// Prefix begins the names of all that is kept and sent, so that several of these may share servers: letters, digits
	// and hyphens. Default draftwire.
	Prefix string `yaml:"prefix" is:"hub prefix"`
	// History is how many messages of each room are kept, for those that come late or come back; with none no room
	// has a history. Default 100.
	History int `yaml:"history"`
	// Age is how long they are kept. Default 1 h.
	Age Duration `yaml:"age"`
	// Bytes bounds what is kept of all rooms: the oldest go first. It always has a bound. Default 256 MiB.
	Bytes Size `yaml:"bytes" is:"1MiB..1024GiB"`
	// Replicas is on how many servers the messages are kept. Default 3 with an embedded cluster of three servers or more, otherwise 1.
	Replicas int `yaml:"replicas" is:"1..5"`
	// TLS is for the connections between embedded servers, each of which is judged by its certificate, and to tls: servers. Default: clear
	// text between embedded servers, the system's roots with tls: servers.
	TLS HubTLS `yaml:"tls"`
	// Listen is where the embedded server lets programs connect that have its token: gateways with a nats: URL. Default: this process alone.
	Listen string `yaml:"listen" is:"hub address"`
	// Cluster is where the embedded server listens for those of other gateways. Default: it is alone.
	Cluster string `yaml:"cluster" is:"hub address"`
	// Routes are the addresses at which the embedded servers of other gateways listen; its own may be among them.
	// Default none: others come to this one.
	Routes []string `yaml:"routes" is:"hub address"`
	// Name is that of the embedded server, which no other one of the cluster has. Default: the name of the host.
	Name string `yaml:"name"`
	// Dir is the folder in which the embedded server keeps messages. Default: in memory, and nothing outlives the process.
	Dir string `yaml:"dir" is:"folder"`
}

// HubTLS has files in PEM.
type HubTLS struct {
	// Cert is this server's certificate with its chain. Default none.
	Cert string `yaml:"cert" is:"file"`
	// Key is the key of Cert. Default none.
	Key string `yaml:"key" is:"file"`
	// CA is a file of the roots by which others are judged. Default: the system's.
	CA string `yaml:"ca" is:"file"`
}

// WithDefaults returns h with the defaults of what is zero.
func (h Hub) WithDefaults() Hub {
	h.Prefix = cmp.Or(h.Prefix, "draftwire")
	h.History = cmp.Or(h.History, DefaultHubHistory)
	h.Age = cmp.Or(h.Age, Duration(DefaultHubAge))
	h.Bytes = cmp.Or(h.Bytes, DefaultHubBytes)
	return h
}

// Defaults of Hub.
const (
	DefaultHubHistory = 100 // messages of a room
	DefaultHubAge     = time.Hour
	DefaultHubBytes   = 256 << 20 // of all rooms
)

// Rooms say that the clients of a route are members of rooms, one for each path, and what these are. A room hears
// what is published in it in the same order, each member in its version.
type Rooms struct {
	// Backend is one or none. With one, each room has a single connection to a backend in all gateways that share a
	// hub: what the backend says goes to all members, and what they say goes to the backend. With none, what a member says
	// goes to all members, itself too. Default one.
	Backend string `yaml:"backend" is:"one|none"`
	// Members may speak, or only listen: what they say is then discarded, and counted. Default speak.
	Members string `yaml:"members" is:"speak|listen"`
	// History is how many of the room's last messages a new member gets first; no more than hub keeps. Default none.
	History int `yaml:"history"`
	// Resume is in what a client says the position behind which it goes on (docs/rooms.md#coming-back). Default query position.
	Resume string `yaml:"resume" is:"sent"`
	// Notices tells members in text messages where they begin and how much they have missed (docs/rooms.md#coming-back).
	Notices bool `yaml:"notices"`
	// Lag is what becomes of a member that does not take what it is sent: drop-oldest (it goes on with the oldest message that
	// still waits), skip-to-latest (with the last one), or disconnect (it is closed with 1008). Default drop-oldest.
	Lag string `yaml:"lag" is:"drop-oldest|skip-to-latest|disconnect"`
	// OnBackendLoss is what becomes of the members when their backend's connection ends, or cannot be opened: keep (they stay, and
	// hear of it when there is one again) or close (with the code of the backend, or 1011). Default keep.
	OnBackendLoss string `yaml:"on_backend_loss" is:"keep|close"`
	// Linger is how long the connection to the backend outlives the last member. Default 10 s.
	Linger Duration `yaml:"linger" is:"positive"`
	// Retry is the longest time between two tries to connect to the backend; the first comes within 250 ms. Default 10 s.
	Retry Duration `yaml:"retry" is:"positive"`
	// MaxRooms bounds the rooms with members in this gateway. Default 1,000.
	MaxRooms int `yaml:"max_rooms" is:"1..1000000"`
	// MaxMembers bounds the members of all these rooms. Default 100,000.
	MaxMembers int `yaml:"max_members" is:"1..10000000"`
	// Name bounds the length of a room's path. Default 256 bytes.
	Name int `yaml:"name" is:"1..4096"`
	// Message bounds the payload of a message, of members and of the backend. Default 1 MiB, or the route's if that is less.
	Message Size `yaml:"message" is:"1B..8MiB"`
	// Behind is how many messages of a room wait for members that lag; once for all of them. Default 64.
	Behind int `yaml:"behind" is:"1..100000"`
	// Held bounds the bytes of those messages, of all rooms of the route. Default 64 MiB.
	Held Size `yaml:"held" is:"64KiB..64GiB"`
}

func (r *Rooms) withDefaults(message Size) {
	r.Backend = cmp.Or(r.Backend, "one")
	r.Members = cmp.Or(r.Members, "speak")
	r.Resume = cmp.Or(r.Resume, "query position")
	r.Lag = cmp.Or(r.Lag, "drop-oldest")
	r.OnBackendLoss = cmp.Or(r.OnBackendLoss, "keep")
	r.Linger = cmp.Or(r.Linger, Duration(10*time.Second))
	r.Retry = cmp.Or(r.Retry, Duration(10*time.Second))
	r.MaxRooms = cmp.Or(r.MaxRooms, 1000)
	r.MaxMembers = cmp.Or(r.MaxMembers, hub.DefaultMembers)
	r.Name = cmp.Or(r.Name, hub.DefaultName)
	if r.Message == 0 {
		r.Message = hub.DefaultMessage
		if message > 0 {
			r.Message = min(r.Message, message)
		}
	}
	r.Behind = cmp.Or(r.Behind, hub.DefaultBehind)
	r.Held = cmp.Or(r.Held, hub.DefaultHeld)
}

// WithDefaults returns r with the defaults of what is zero.
func (r Record) WithDefaults() Record {
	r.Sample = cmp.Or(r.Sample, 100)
	r.File = cmp.Or(r.File, 1<<30)
	r.Message = cmp.Or(r.Message, 64<<10)
	return r
}

// Stage is a step in the retirement of a version.
type Stage struct {
	// Mode is what happens to the handshakes of the version: on accepts them, warn accepts and
	// logs them, sample 10% refuses one in ten and accepts the others, off refuses all.
	Mode string `yaml:"mode" is:"mode,required"`
	// From is when the stage begins. Default: always.
	From time.Time `yaml:"from,omitempty"`
}

// Route sends the clients that it matches to backends. What ordinary requests get is in at
// most one of HTTP, Files, Redirect and Status. Without any they go to those of Backends
// that have an http or https URL; if there are none they get a 426.
type Route struct {
	// Name is what the route is called in logs and metrics. Default: its position in the list, from 1.
	Name string `yaml:"name"`
	// Match says which clients the route takes. Default: all.
	Match Match `yaml:"match"`
	// Origins are patterns of the pages that may connect, like https://example.com or
	// *.example.com. Default any: the backend gets the origin too, and can refuse it.
	Origins []string `yaml:"origins" is:"origin pattern"`
	// Allow are the networks whose clients may take this route. A client of another network
	// is refused; it does not go on to the next route. Default all.
	Allow []netip.Prefix `yaml:"allow"`
	// Deny are networks whose clients may not take this route, even if Allow has them.
	// Default none.
	Deny []netip.Prefix `yaml:"deny"`
	// Auth says which credentials a client of this route needs. Default none: the route is
	// open.
	Auth Auth `yaml:"auth"`
	// Backends are the servers behind the route. Which one is tried first, Balance says. A
	// backend may be written as its URL alone.
	Backends []Backend `yaml:"backends"`
	// Mirror is a second server that gets what the clients of this route say, and whose answers are
	// compared with those of the backend and dropped (docs/gateway.md#mirror). Default none.
	Mirror *Mirror `yaml:"mirror"`
	// Rooms makes the clients of this route members of rooms, one for each path (docs/rooms.md#gateway). Default: each
	// client has a connection to a backend of its own.
	Rooms *Rooms `yaml:"rooms"`
	// HTTP are the servers that ordinary requests go to, balanced like Backends.
	// Default: those of Backends with an http or https URL.
	HTTP []Backend `yaml:"http"`
	// Files is a folder whose files ordinary requests get. Default none.
	Files string `yaml:"files" is:"folder"`
	// Redirect is the URL that ordinary requests are sent to. A * at its end stands for
	// the path and the query of the request. Default none.
	Redirect string `yaml:"redirect" is:"redirect"`
	// Status is what all ordinary requests get, for example 404. Default none.
	Status int `yaml:"status" is:"200..599"`
	// Upgrades says what happens to a request for a protocol other than WebSocket: refuse
	// passes it to the backend without its Upgrade field, pass passes that field too.
	// Default refuse.
	Upgrades string `yaml:"upgrades" is:"refuse|pass"`
	// ResponseTimeout bounds how long a backend may be silent before and within its answer
	// to an ordinary request. A long poll is silent for minutes. Default 10 min.
	ResponseTimeout Duration `yaml:"response_timeout"`
	// Subprotocol is offered to the backend for a client that offers none: some servers insist
	// on one that some devices forget, ocpp1.6 for example. The client does not hear of it.
	// Default none.
	Subprotocol string `yaml:"subprotocol" is:"subprotocol"`
	// Tolerate names known faults of servers that are accepted of the backends that have no
	// list of their own. Each use is counted. Default none.
	Tolerate []string `yaml:"tolerate" is:"server fault"`
	// Balance is least (the backend with the fewest connections is tried first) or hash with
	// what the backend is chosen by, so that a client comes to the same backend each time:
	// sticky sessions, or session affinity. A segment is one of the path, counted from 1.
	// Clients that do not send it are balanced by least. Default least.
	Balance string `yaml:"balance" is:"balance"`
	// Health says how backends are checked.
	Health Health `yaml:"health"`
	// DialTimeout bounds the time to reach a backend, all tries together. Default 5 s.
	DialTimeout Duration `yaml:"dial_timeout"`
	// StripPrefix is removed from the path that the backend gets. Default none.
	StripPrefix string `yaml:"strip_prefix" is:"path"`
	// PreserveHost sends the client's Host to the backend instead of the backend's own.
	PreserveHost bool `yaml:"preserve_host"`
	// Forwarded says which fields tell the backend who the client is: all (Forwarded,
	// X-Forwarded-For, -Proto and -Host, Draftwire-Version) or none, for backends that
	// take only a short head. Default all.
	Forwarded string `yaml:"forwarded" is:"all|none"`
	// DropHeaders are fields that the backend does not get, of the client or of the
	// gateway. Of the handshake's fields only Origin can be left out, if the backend's
	// version does not need it. Default none.
	DropHeaders []string `yaml:"drop_headers" is:"field"`
	// PassHeaders are fields that the backend gets from every client, though only a
	// proxy should send them, like X-Real-IP. Without it the backend gets such a field
	// only from the proxies in TrustForwarded. Default none.
	PassHeaders []string `yaml:"pass_headers" is:"field"`
	// SetHeaders are fields that the backend always gets. Default none.
	SetHeaders map[string]string `yaml:"set_headers" is:"field"`
	// Origin is the origin that the backend gets. Default: that of the client.
	Origin string `yaml:"origin"`
	// Policy says what is done with what one side sends and the other side's version cannot
	// express.
	Policy Policy `yaml:"policy"`
	// Message bounds the payload of one message. Default: that of Limits.
	Message Size `yaml:"message"`
	// Connections bounds the clients of this route at a time. Default none.
	Connections int `yaml:"connections"`
}

// Auth says which credentials open a route. A token or a user's password suffices. The
// files are read again at each reload.
type Auth struct {
	// Users is a file with NAME:HASH in each line, with hashes of bcrypt, as "htpasswd -B"
	// writes it. Clients send name and password by HTTP's basic authentication. Default none.
	Users string `yaml:"users" is:"file"`
	// Tokens is a file with a token in each line. Default none.
	Tokens string `yaml:"tokens" is:"file"`
	// User says which part of the request must equal the user name, so that a device's
	// password opens only its own path. A segment must be the last one of its path, and is
	// counted from 1. Default none.
	User string `yaml:"user" is:"sent"`
	// Token says where clients send their token. Devices that cannot send HTTP's basic
	// authentication need `token: query token`: they connect to ws://host/path?token=TOKEN.
	// Default "query token".
	Token string `yaml:"token" is:"sent"`
}

// Match says which clients a route takes. An empty part matches every client.
type Match struct {
	// Listeners are names of ports. Default all.
	Listeners []string `yaml:"listeners"`
	// Hosts are the hosts of the clients' requests (the Host field), without a port;
	// "*.example.com" is for the names below example.com. Default all.
	Hosts []string `yaml:"hosts" is:"host"`
	// Paths are paths of requests: "/feed" for that path alone, "/feed/*" for all paths
	// below it. Default all.
	Paths []string `yaml:"paths" is:"path pattern"`
	// IgnoreCase compares paths, and strip_prefix, without regard to case: for backends
	// that do so.
	IgnoreCase bool `yaml:"ignore_case"`
	// Versions are the versions that clients speak. Default all.
	Versions string `yaml:"versions" is:"versions"`
	// Protocols are subprotocols; a client must offer at least one of them. Default none
	// required.
	Protocols []string `yaml:"protocols" is:"subprotocol"`
	// Headers are fields of the request and their values: a * at the beginning or the end
	// of a value stands for anything. Default none.
	Headers map[string]string `yaml:"headers" is:"field"`
}

// Backend is a server behind the gateway.
type Backend struct {
	// URL is the URL of the server. tcp: and unix: are streams of bytes. With http: or https:
	// the server gets ordinary requests too, and upgrades as with ws: or wss:.
	// ?version=hixie-76 in the URL makes the gateway speak that version in upgrades.
	URL string `yaml:"url" is:"backend URL,required"`
	// Insecure accepts any certificate of a wss: or https: backend.
	Insecure bool `yaml:"insecure"`
	// TLS says how the gateway speaks TLS with a wss: or https: backend.
	TLS BackendTLS `yaml:"tls"`
	// MaxConns bounds the connections to the backend at a time, of all clients. Above it
	// the next backend is tried; if all are full the client gets a 503. Default none.
	MaxConns int `yaml:"max_conns"`
	// SendProxy tells the backend the client's address in a PROXY header of that version.
	// Default off.
	SendProxy string `yaml:"send_proxy" is:"off|v1|v2"`
	// Tolerate names known faults of servers that are accepted of this backend, for ws and
	// wss; an empty list is none. Default: those of the route.
	Tolerate []string `yaml:"tolerate" is:"server fault"`
}

// Mirror is a second server of a route. No client waits for it, hears it, or is closed by it: what
// it is too slow for is counted. In a process all mirrors together may hold 1 GiB; each connection
// counts twice the sum of Queue and Message.
type Mirror struct {
	// To is the server, written like a backend with a ws:, wss:, http: or https: URL. It gets
	// the same request as the backend, with the client's credentials, and a field
	// Draftwire-Mirror unless the route's forwarded is none.
	To Backend `yaml:"to" is:"required"`
	// Name is what results are counted under, in the ledger, for each client: a new name
	// begins anew. Default: the URL.
	Name string `yaml:"name"`
	// Sample is how many clients of a hundred are mirrored. Default 100.
	Sample int `yaml:"sample" is:"1..100"`
	// Connections bounds the connections to the server at a time. Default 100.
	Connections int `yaml:"connections" is:"1..100000"`
	// Queue bounds what waits for the server in one connection, and the answers of the backend
	// that wait for theirs. A client whose messages find no room is mirrored no further.
	// Default 256 KiB.
	Queue Size `yaml:"queue" is:"4KiB..64MiB"`
	// Message is the longest text of which Ignore leaves something out. Of a longer one it is
	// known only whether it is the same byte for byte. Default 64 KiB.
	Message Size `yaml:"message" is:"1KiB..16MiB"`
	// Wait is how long an answer may lag behind its counterpart before it counts as missing.
	// Default 5 s.
	Wait Duration `yaml:"wait" is:"positive"`
	// Ignore are parts of messages that are not compared: JSON pointers like /data/time, in
	// which * is any member or element, or regular expressions behind re:. Default none.
	Ignore []string `yaml:"ignore" is:"ignore"`
	// Payload shows the beginnings of answers that differ, without the values that recordings
	// leave out too (Record), to those who ask for the gateway's state. Without it they see where
	// answers differ, and the names of members, but no value.
	Payload bool `yaml:"payload"`
}

// BackendTLS says how the gateway speaks TLS with a backend. The files are in PEM, and read
// again when the backend's settings change in a reload.
type BackendTLS struct {
	// CA is a file of roots. Default: the system's.
	CA string `yaml:"ca" is:"file"`
	// Cert is the gateway's own certificate with its chain, for a backend that asks for one.
	// Default none.
	Cert string `yaml:"cert" is:"file"`
	// Key is the key of Cert. Default none.
	Key string `yaml:"key" is:"file"`
	// ServerName is the name that is sent and verified. Default: the URL's host.
	ServerName string `yaml:"server_name"`
}

// Health says how backends are checked.
type Health struct {
	// Check is tcp (connect), http (ask for Path: a status below 400 counts as healthy),
	// websocket (open a connection at Path, and close it) or off. Default tcp.
	Check string `yaml:"check" is:"tcp|http|websocket|off"`
	// Path is what http and websocket ask for. Default /.
	Path string `yaml:"path" is:"path"`
	// Interval is the time between two checks. Default 5 s.
	Interval Duration `yaml:"interval" is:"positive"`
	// Timeout is the time for one check. Default 2 s.
	Timeout Duration `yaml:"timeout"`
	// SlowStart is the time over which a backend that has come up grows to its full share of
	// clients, where the backend with the fewest connections is tried first. Default none.
	SlowStart Duration `yaml:"slow_start"`
	// Cooldown is how long a backend that has failed is tried only after the others.
	// Default 5 s.
	Cooldown Duration `yaml:"cooldown"`
}

// Policy says what is done with what one side sends and the other side's version cannot
// express. The table of all losses is in docs/gateway.md#what-translation-loses.
type Policy struct {
	// Binary is what a peer without binary messages gets instead of one: reject (the
	// connection closes), drop (nothing), or text in base64, hex or latin1.
	// Default reject.
	Binary string `yaml:"binary" is:"reject|base64|hex|latin1|drop"`
	// BinaryBack decodes text of such a peer to binary messages in the same way.
	BinaryBack bool `yaml:"binary_back"`
	// InvalidText is fail (the connection closes) or replace (with U+FFFD).
	// Default fail.
	InvalidText string `yaml:"invalid_text" is:"fail|replace"`
	// Fragments is stream (parts are passed on as they come) or gather (a message is
	// passed on when it is whole). Default stream.
	Fragments string `yaml:"fragments" is:"stream|gather"`
	// CloseWithoutCode is the code that a peer gets if the other side's version has no
	// codes: normal (1000) or none. Default normal.
	CloseWithoutCode string `yaml:"close_without_code" is:"normal|none"`
	// Abnormal is what one side gets if the other side ends without a close, or is gone:
	// close (a close says so, with 1001 or 1011) or cut (the end of TCP, for clients that
	// come back after a lost connection and stay away after a close). Default close.
	Abnormal string `yaml:"abnormal" is:"close|cut"`
	// Farewell is what clients get when the gateway drains: close (with 1001) or cut.
	// Default close.
	Farewell string `yaml:"farewell" is:"close|cut"`
	// RawText passes on as text what a tcp or unix backend sends, to every client.
	RawText bool `yaml:"raw_text"`
	// Ping is how often the client is pinged, if its version has pings. A client that
	// sends nothing until the next ping is dropped (docs/gateway.md#silent-peers).
	// Default 30 s.
	Ping Duration `yaml:"ping" is:"ping"`
	// PingBackend is Ping for the backend's side. Default: the same as Ping.
	PingBackend Duration `yaml:"ping_backend" is:"ping"`
	// Compression says which messages to the client are compressed, if it offers that:
	// off (none), large (from a size on) or all. Default off.
	Compression string `yaml:"compression" is:"off|large|all"`
	// CompressionBackend is Compression for the backend's side. Default off.
	CompressionBackend string `yaml:"compression_backend" is:"off|large|all"`
	// Fatal are losses that close the connection. Default none: they are only counted.
	Fatal []Loss `yaml:"fatal"`
}

// withDefaults fills in the defaults.
func (c *Config) withDefaults() {
	if len(c.Listen) == 0 {
		c.Listen = []Listener{{Address: "127.0.0.1:8080"}}
	}
	for i := range c.Listen {
		l := &c.Listen[i]
		l.Name = cmp.Or(l.Name, l.Address)
		l.Versions = cmp.Or(l.Versions, "all")
		l.Proxy.Mode = cmp.Or(l.Proxy.Mode, "off")
		if l.TLS != nil {
			l.TLS.Profile = cmp.Or(l.TLS.Profile, "modern")
			if a := l.TLS.ACME; a != nil {
				a.Directory = cmp.Or(a.Directory, acme.LetsEncryptURL)
			}
		}
	}
	c.Admin.Address = cmp.Or(c.Admin.Address, "127.0.0.1:9090")
	c.Admin.Console = cmp.Or(c.Admin.Console, "on")
	c.Drain = cmp.Or(c.Drain, Duration(30*time.Second))
	c.DrainAfter = cmp.Or(c.DrainAfter, Duration(DefaultDrainAfter))
	c.UpgradeTimeout = cmp.Or(c.UpgradeTimeout, Duration(DefaultUpgradeTimeout))
	c.Limits.withDefaults()
	c.Ledger.Client = cmp.Or(c.Ledger.Client, "address")
	c.Ledger.Clients = cmp.Or(c.Ledger.Clients, usage.DefaultClients)
	c.Fleet = c.Fleet.WithDefaults()
	c.Hub = c.Hub.WithDefaults()
	c.Record = c.Record.WithDefaults()
	for i := range c.Routes {
		c.Routes[i].withDefaults(i, &c.Limits)
	}
}

func (l *Limits) withDefaults() {
	l.Connections = cmp.Or(l.Connections, DefaultConnections)
	l.Pending = cmp.Or(l.Pending, DefaultPending)
	l.Message = cmp.Or(l.Message, 16<<20)
	l.Head = cmp.Or(l.Head, draftwire.DefaultHeadLimit)
	l.HandshakeTimeout = cmp.Or(l.HandshakeTimeout, Duration(draftwire.DefaultHandshakeTimeout))
	l.Key3Timeout = cmp.Or(l.Key3Timeout, Duration(draftwire.DefaultKey3Timeout))
	l.CloseTimeout = cmp.Or(l.CloseTimeout, Duration(draftwire.DefaultCloseTimeout))
	l.WriteTimeout = cmp.Or(l.WriteTimeout, Duration(30*time.Second))
	l.HTTPConnections = cmp.Or(l.HTTPConnections, draftwire.DefaultMaxHTTP)
	l.HTTPReadTimeout = cmp.Or(l.HTTPReadTimeout, Duration(draftwire.DefaultHTTPTimeout))
	l.HTTPIdleTimeout = cmp.Or(l.HTTPIdleTimeout, Duration(draftwire.DefaultHTTPIdle))
}

func (r *Route) withDefaults(i int, l *Limits) {
	r.Name = cmp.Or(r.Name, strconv.Itoa(i+1))
	r.Match.Versions = cmp.Or(r.Match.Versions, "all")
	r.Forwarded = cmp.Or(r.Forwarded, forwardedAll)
	r.Message = cmp.Or(r.Message, l.Message)
	for i := range r.Backends {
		if b := &r.Backends[i]; b.Tolerate == nil && !isStream(b.URL) {
			b.Tolerate = r.Tolerate
		}
	}
	if m := r.Mirror; m != nil {
		m.withDefaults(r.Tolerate)
	}
	if r.Rooms != nil {
		r.Rooms.withDefaults(r.Message)
	}
	r.DialTimeout = cmp.Or(r.DialTimeout, Duration(5*time.Second))
	r.Balance = cmp.Or(r.Balance, "least")
	r.Auth.Token = cmp.Or(r.Auth.Token, "query token")
	r.Upgrades = cmp.Or(r.Upgrades, "refuse")
	r.ResponseTimeout = cmp.Or(r.ResponseTimeout, Duration(DefaultResponseTimeout))
	if len(r.Origins) == 0 {
		r.Origins = []string{"*"}
	}
	h := &r.Health
	h.Check = cmp.Or(h.Check, "tcp")
	h.Interval = cmp.Or(h.Interval, Duration(5*time.Second))
	h.Timeout = cmp.Or(h.Timeout, Duration(2*time.Second))
	h.Cooldown = cmp.Or(h.Cooldown, Duration(5*time.Second))
	h.Path = cmp.Or(h.Path, "/")
	p := &r.Policy
	p.Binary = cmp.Or(p.Binary, "reject")
	p.InvalidText = cmp.Or(p.InvalidText, "fail")
	p.Fragments = cmp.Or(p.Fragments, "stream")
	p.CloseWithoutCode = cmp.Or(p.CloseWithoutCode, "normal")
	p.Abnormal = cmp.Or(p.Abnormal, "close")
	p.Farewell = cmp.Or(p.Farewell, "close")
	p.Ping = cmp.Or(p.Ping, Duration(30*time.Second))
	p.PingBackend = cmp.Or(p.PingBackend, p.Ping)
	p.Compression = cmp.Or(p.Compression, "off")
	p.CompressionBackend = cmp.Or(p.CompressionBackend, "off")
}
