package draftwire

import (
	"crypto/tls"
	"io"
	"net/netip"
	"time"

	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/wire"
)

// Defaults of AcceptOptions, DialOptions and Server.
const (
	DefaultReadLimit        = 1 << 20          // bytes of one message
	DefaultHeadLimit        = 16 << 10         // bytes of a request or response head
	DefaultHandshakeTimeout = 10 * time.Second // from the taking of a connection to its 101
	DefaultKey3Timeout      = 5 * time.Second  // for the eight bytes of hixie-76
	DefaultCloseTimeout     = 5 * time.Second  // for the peer's answer to our close
	DefaultWriteTimeout     = time.Minute      // for the peer to take what we write
	DefaultPostLimit        = 1 << 20          // bytes that wait behind a write, from Post
	DefaultMaxPending       = 20000            // connections of a Server whose handshake is not done
	DefaultMaxHTTP          = 5000             // connections of a Server that speak ordinary HTTP
	DefaultHTTPTimeout      = time.Minute      // for such a peer to send a part of a body, or to take one
	DefaultHTTPIdle         = 2 * time.Minute  // between two requests
)

// Limits bound what a connection may cost. Zero fields have the defaults.
type Limits struct {
	ReadLimit        int64         // payload of one message in bytes; negative: none. Default 1 MiB
	HeadLimit        int           // a request or response head in bytes. Default 16 KiB
	HandshakeTimeout time.Duration // the whole opening handshake. Default 10 s
	Key3Timeout      time.Duration // the eight bytes of hixie-76. Default 5 s
	CloseTimeout     time.Duration // the closing handshake. Default 5 s; 1 s on hixie-76, whose clients may not answer
	WriteTimeout     time.Duration // a write that makes no end. Default 1 min
	PostLimit        int           // what Post lets wait behind a write in bytes, or one message. Default 1 MiB
	IdleTimeout      time.Duration // no byte from the peer; 0: none, TCP keepalive finds the dead
}

func (l Limits) withDefaults() Limits {
	def(&l.ReadLimit, DefaultReadLimit)
	def(&l.HeadLimit, DefaultHeadLimit)
	def(&l.HandshakeTimeout, DefaultHandshakeTimeout)
	def(&l.Key3Timeout, DefaultKey3Timeout)
	def(&l.CloseTimeout, DefaultCloseTimeout)
	def(&l.WriteTimeout, DefaultWriteTimeout)
	def(&l.PostLimit, DefaultPostLimit)
	return l
}

func def[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}

// AcceptOptions say which clients a server takes. nil and the zero value take
// the versions of Modern from pages of the same host.
type AcceptOptions struct {
	// Versions are the versions to serve. The zero value is Modern: the
	// versions whose clients mask their frames. Every adds the hixie versions,
	// which a page can use to put bytes of its choice on the wire; over TLS that
	// harms nobody.
	Versions Versions
	// Origins are the pages that may connect, as patterns: "example.com" or
	// "*.example.com" for a host with any scheme and port, "https://example.com"
	// for a whole origin, "null" or "file://" for these strings, "*" for any.
	// The zero value allows the request's own host. A request without origin
	// comes from no browser and is allowed.
	Origins []string
	// Protocols are the subprotocols the server speaks; of those that the
	// client offers, the first that is among them is chosen. "*" is any. A
	// hixie client that asks for another one is refused, as it would fail
	// anyway; its string goes back whole. Of a longer offer the first 32 are looked
	// at, as if it had no more.
	Protocols []string
	// Authorize is asked last, before anything is sent. A *HandshakeError sets
	// the status of the refusal, for example &HandshakeError{Status: 404}; any
	// other error is a 403. It may add fields to the response, for example
	// Set-Cookie.
	Authorize func(h *Handshake, acc *wire.Accept) error
	// TrustForwarded lists the proxies that may tell, in the fields of a request,
	// the URL that the client used, which hixie answers must repeat, and the
	// client's address, which Handshake.Remote then is. A peer is judged by the
	// address of its connection, or by what a PROXY header says.
	//
	// Forwarded (RFC 7239) is read from the last element back to the first that does
	// not name another proxy of the list, X-Forwarded-For in the same way, and of
	// X-Forwarded-Proto and X-Forwarded-Host the first member. What cannot be read, or
	// names nobody ("unknown", "_hidden"), ends the reading and is no error: in front
	// of it a client may have written what it likes. Where a request has both families
	// and they name different clients, neither is believed. A proxy had better remove
	// from its clients' requests what of these it does not write itself.
	TrustForwarded []netip.Prefix
	// PublicURL is the URL under which clients know the server, scheme and host,
	// "wss://example.com" or "ws://example.com:8080", where neither the connection
	// nor a trusted proxy tells it. It is what hixie answers repeat and what
	// Handshake.Secure follows, and where there are no Origins, pages of its host
	// may connect, beside those of the request's. Check says what is wrong with it.
	PublicURL string
	// Compression says whether messages may be compressed, where the client
	// offers it; CompressionFor, if not nil, decides for each request.
	Compression    Compression
	CompressionFor func(h *Handshake) Compression
	// DropHeads lets go of both raw heads when the connection is open: from then
	// on Request and Response of its Handshake are empty. Authorize sees them, and so
	// does the Observer's Opened. A connection then holds less, but where clients are
	// of one make not much: what their heads have in common is held once. Without it the
	// server also keeps a head of each make, with whatever secrets are in it, when that
	// connection has ended.
	DropHeads bool
	// InvalidText says what happens to text from the client that is not UTF-8. The
	// zero value is what the version's document says: all versions fail the
	// connection. wire.ReplaceText puts U+FFFD in its place, and Stats counts it.
	InvalidText wire.TextPolicy
	// Tolerate names known faults to accept. Each use is told to the Observer.
	Tolerate Tolerances
	Limits   Limits
	Observer *Observer
	// Rand is the source of the nonces of hybi-04 and 05, read by many
	// connections at once; nil is crypto/rand.
	Rand io.Reader
}

// acceptor is AcceptOptions with their defaults, and what the connections that
// come of them share.
type acceptor struct {
	AcceptOptions
	set    settings
	heads  struct{ requests, answers heads }
	public place // PublicURL; without host where there is none
	bad    error // what Check said
}

func (o *AcceptOptions) withDefaults() *acceptor {
	a := new(acceptor)
	if o != nil {
		a.AcceptOptions = *o
		a.bad = o.Check()
		a.public, _ = parsePublic(o.PublicURL)
	}
	def(&a.Versions, Modern)
	a.Versions &= Served()
	a.Limits = a.Limits.withDefaults()
	if a.Observer == nil {
		a.Observer = &noObserver
	}
	a.set = settings{limits: a.Limits, tolerate: a.Tolerate, obs: a.Observer, dropHeads: a.DropHeads, text: a.InvalidText}
	return a
}

// CompressionMode says what is compressed.
type CompressionMode uint8

// The modes.
const (
	CompressNothing CompressionMode = iota // and nothing is negotiated
	CompressAll                            // every message
	CompressLarge                          // messages from a size on, where it pays
)

// DefaultCompressionThreshold is the size in bytes from which CompressLarge
// compresses.
const DefaultCompressionThreshold = 512

// Compression says whether and how messages are compressed: with
// permessage-deflate (RFC 7692) or, where a client offers only that,
// deflate-frame or x-webkit-deflate-frame. The zero value is none. The limit of
// a message holds for the expanded message. A peer that can choose a part of a
// message, and see how long it becomes, can guess the rest: do not compress
// secrets beside what others wrote.
type Compression struct {
	Mode      CompressionMode
	Threshold int // of CompressLarge, in bytes. Default 512
	// Takeover keeps both windows from message to message: smaller small
	// messages, for at most 48 KiB a connection that sends. Without it an idle
	// connection holds nothing.
	Takeover bool
}

// threshold returns the size from which messages are compressed.
func (c Compression) threshold() int {
	if c.Mode != CompressLarge {
		return 0
	}
	if c.Threshold == 0 {
		return DefaultCompressionThreshold
	}
	return c.Threshold
}

// Handshake is how a connection was opened.
type Handshake struct {
	Version   Version
	Tolerated Tolerances // the tolerances that were needed
	Secure    bool       // the client's view of the URL is wss
	Exact     bool       // Request gives the very bytes, in their order and spelling
	Rule      string     // why this version
	Target    string     // path and query
	Host      string
	Origin    string
	Offered   []string // subprotocols that the client offered, the first 32
	Protocol  string   // the subprotocol that was agreed on, or ""
	Deflate   string   // the compression that was agreed on, as the answer says it; "" for none
	TLS       *tls.ConnectionState
	Remote    string        // address and port of the peer, or of the client whom Via named: port 0 where that is unknown
	Via       string        // address of the proxy that named Remote; "" where Remote is the peer's
	Began     time.Time     // when the connection was taken
	Took      time.Duration // from then until the connection was open
	// Value is for Authorize to leave something for the handler, for example what
	// it has opened on the connection's behalf. Where the connection does not
	// open after all and Value is an io.Closer, it is closed.
	Value any

	request, response head
}

// Request returns the head of the request as it came, or as net/http gave it; a
// client's as it went. A server's connections hold in common what is the same in the
// heads of many, so it is put together with each call.
func (h *Handshake) Request() string { return h.request.String() }

// SetRequest makes head what Request returns: for a program that tests its Authorize.
func (h *Handshake) SetRequest(head string) { h.request.own, h.request.like = head, nil }

// Response returns the head of the answer as it went; a client's as it came. It is
// empty until it is there.
func (h *Handshake) Response() string { return h.response.String() }

// abandon closes what Authorize left for a handler that is not called.
func (h *Handshake) abandon() {
	if v, ok := h.Value.(io.Closer); ok {
		v.Close()
	}
}

// rehome makes what was part of the whole heads part of what is held of them.
func (h *Handshake) rehome(request, response *head) {
	for _, s := range []*string{&h.Target, &h.Host, &h.Origin, &h.Protocol} {
		*s = request.part(*s)
	}
	for i := range h.Offered {
		h.Offered[i] = request.part(h.Offered[i])
	}
	h.Deflate = response.part(h.Deflate)
}

// Fields returns the request's header lines.
func (h *Handshake) Fields() wire.Fields {
	var req wire.Request
	head := h.Request()
	if n := httphead.End(head, 0); n > 0 {
		_ = httphead.ParseRequest(head[:n], &req) // it was read once before
	}
	return req.Fields
}

// An Observer is told what happens; the package itself never logs. Any
// function may be nil. They are called from the connection's goroutine and
// must not block.
type Observer struct {
	// Opened: a connection is open.
	Opened func(c *Conn)
	// Refused: a handshake did not succeed. remote is the peer's address, head
	// what came of the request.
	Refused func(remote string, head []byte, err *HandshakeError)
	// Closed: a connection that was opened has ended. In err errors.As finds a
	// *CloseError where the peer said why; else it is what broke it.
	Closed func(c *Conn, err error)
	// Tolerated: a fault of the peer was accepted.
	Tolerated func(remote string, t Tolerances)
}

var noObserver Observer

func (o *Observer) opened(c *Conn) {
	if o.Opened != nil {
		o.Opened(c)
	}
}

func (o *Observer) refused(remote string, head []byte, err *HandshakeError) {
	if o.Refused != nil {
		o.Refused(remote, head, err)
	}
}

func (o *Observer) closed(c *Conn, err error) {
	if o.Closed != nil {
		o.Closed(c, err)
	}
}

func (o *Observer) tolerated(remote string, t Tolerances) {
	if t != 0 && o.Tolerated != nil {
		o.Tolerated(remote, t)
	}
}
