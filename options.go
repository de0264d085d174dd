package draftwire

import (
	"io"
	"net/netip"
	"time"
)

// Defaults of AcceptOptions, DialOptions and Server.
const (
	DefaultReadLimit        = 1 << 20          // bytes of one message
	DefaultHeadLimit        = 16 << 10         // bytes of a request or response head
	DefaultHandshakeTimeout = 10 * time.Second // from the accept of a connection to its 101
	DefaultKey3Timeout      = 5 * time.Second  // for the eight bytes of hixie-76
	DefaultCloseTimeout     = 5 * time.Second  // for the peer's answer to our close
	DefaultWriteTimeout     = time.Minute      // for the peer to take what we write
	DefaultPostLimit        = 1 << 20          // bytes that Post leaves waiting behind a write
	DefaultMaxPending       = 20000            // connections of a Server whose handshake is unfinished
	DefaultMaxHTTP          = 5000             // connections of a Server that speak ordinary HTTP
	DefaultHTTPTimeout      = time.Minute      // for such a peer to send a part of a body, or to take one
	DefaultHTTPIdle         = 2 * time.Minute  // between two requests
)

// Limits bound what a connection may cost. A field that is zero means its default. Only
// ReadLimit may be negative.
type Limits struct {
	ReadLimit        int64         // payload of one message in bytes; negative is none. Default 1 MiB
	HeadLimit        int           // a request or response head in bytes. Default 16 KiB
	HandshakeTimeout time.Duration // the whole opening handshake. Default 10 s
	Key3Timeout      time.Duration // the eight bytes of hixie-76. Default 5 s
	CloseTimeout     time.Duration // the closing handshake. Default 5 s; 1 s on hixie-76, whose clients may not answer
	WriteTimeout     time.Duration // how long a peer may take nothing of a write; within TLS, less than 64 KiB of it. Default 1 min
	PostLimit        int           // bytes that may wait for Post behind a write; one message always may. Default 1 MiB
	IdleTimeout      time.Duration // how long the peer may send nothing. Default none: TCP keepalive finds a dead peer
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
// the versions of ModernVersions from pages of the same host.
type AcceptOptions struct {
	// Versions are the versions to serve. The zero value is ModernVersions: the
	// versions whose clients mask their frames. AllVersions adds the hixie versions, in
	// which a page can put bytes of its choice on the wire, to confuse a proxy. Over TLS
	// no proxy sees them.
	Versions Versions
	// Origins are the pages that may connect, as patterns: "example.com" or
	// "*.example.com" for a host with any scheme and port, "https://example.com"
	// for a whole origin, "null" or "file://" for these strings, "*" for any.
	// Do not write "example.*": anybody can own a name that begins so. "192.168.1.*" is
	// safe, as only addresses match it.
	// The zero value allows the pages of the host that the request names. A request
	// without an origin does not come from a browser and is allowed.
	Origins []string
	// Protocols are the subprotocols that the server speaks; "*" is any. The server
	// chooses the first of the client's offers that is among them, and looks at 32
	// offers at most. A hixie client fails unless its whole string comes back: the server
	// repeats it, or refuses a client whose string has none of Protocols.
	Protocols []string
	// Authorize decides on a client when all other checks have passed and nothing has
	// been sent yet. An error refuses the client: a *HandshakeError with its own status,
	// for example &HandshakeError{Status: 404}, any other error with a 403. With nil the
	// client gets its 101, to which a may add.
	Authorize func(h *Handshake, a *Answer) error
	// TrustForwarded lists the proxies whose fields the server believes: they name the
	// URL that the client used, which hixie answers must repeat, and the client's
	// address, which Handshake.Remote then returns. Whether a peer is one of them is
	// decided by the address of its connection, or by the one in its PROXY header.
	//
	// The server reads Forwarded (RFC 7239) and X-Forwarded-For from the last element
	// back to the first one that does not name another proxy of the list. An element
	// that it cannot read, or that names nobody ("unknown", "_hidden"), ends the reading
	// without an error, since a client may have written all that stands before it. Of
	// X-Forwarded-Proto and X-Forwarded-Host the server takes the first member. Where a
	// request has Forwarded and X-Forwarded-For and they name different clients, it
	// believes neither. A proxy should remove those of these fields that it does not
	// write itself from the requests of its clients.
	TrustForwarded []netip.Prefix
	// PublicURL is the scheme and the host under which clients know the server,
	// "wss://example.com" or "ws://example.com:8080", where neither the connection nor a
	// trusted proxy tells them. hixie answers repeat it, and Handshake.Secure follows
	// from it. Where Origins is empty, the pages of its host may connect too, beside
	// those of the host that the request names. Check says what is wrong with it.
	PublicURL string
	// Compression says whether messages may be compressed with a client that offers
	// compression. CompressionFor, if it is not nil, decides for each request instead.
	Compression    Compression
	CompressionFor func(h *Handshake) Compression
	// DropHeads makes a connection forget both raw heads once it is open. Authorize and
	// the Observer's Opened still see them; from then on Handshake.Request and
	// Handshake.Response return "". This saves memory, but little where many clients are
	// of the same make, since the server holds once what their heads have in common. For
	// that, without DropHeads, it keeps the head of one client of each make, cookies and
	// credentials included, even when that client's connection has ended.
	DropHeads bool
	// InvalidText says what happens to text from the client that is not UTF-8. The
	// zero value does what the version's document says of servers, which is to fail the
	// connection in every version. ReplaceText puts U+FFFD in the place of each invalid
	// part, and Stats counts the messages.
	InvalidText TextPolicy
	// Tolerate are the known faults of clients that the server accepts, out of
	// wire.ClientFaults; wire.ToleranceTable explains each. The Observer is told when one
	// was needed. TolerateLineEnds and TolerateRequestLine are for a Server, which reads the
	// head itself: behind another http.Server, net/http has judged the lines before Accept
	// sees the request, and has cut the spaces off the keys of hixie-76, which count.
	Tolerate Tolerances
	Limits   Limits
	Observer *Observer
	// Rand is the source of the nonces of hybi-04 and hybi-05. Many connections read it
	// at the same time; nil is crypto/rand.
	Rand io.Reader
}

// CompressionMode says what is compressed.
type CompressionMode uint8

// The modes.
const (
	CompressNothing CompressionMode = iota // no message; compression is not negotiated
	CompressAll                            // every message
	CompressLarge                          // messages of at least Threshold bytes
)

// DefaultCompressionThreshold is the size in bytes from which CompressLarge
// compresses.
const DefaultCompressionThreshold = 512

// Compression says whether and how messages are compressed: with
// permessage-deflate (RFC 7692) or, where a client offers only that,
// deflate-frame or x-webkit-deflate-frame. The zero value is none. The limit of
// a message holds for the expanded message.
//
// Do not compress a secret together with text that others can choose: the length of the
// result lets them guess the secret.
type Compression struct {
	Mode      CompressionMode
	Threshold int // of CompressLarge, in bytes. Default 512
	// Takeover keeps both windows of DEFLATE from message to message. Small messages
	// become smaller, and a connection that sends holds up to 48 KiB. Without it an idle
	// connection holds nothing for compression.
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
