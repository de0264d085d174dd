package wire

import "io"

// Op says what a frame or an event is.
type Op uint8

// The operations. OpContinuation is only for AppendFrame; an event always
// carries the operation of its message.
const (
	OpNone         Op = iota // nothing yet: every byte was taken, feed more
	OpContinuation           // a later frame of the message in hand
	OpText
	OpBinary
	OpPing
	OpPong
	OpClose
	OpDiscard // bytes of a frame that the version tells the receiver to skip
)

var opNames = [...]string{"none", "continuation", "text", "binary", "ping", "pong", "close", "discard"}

// String returns the operation's name in lower case.
func (o Op) String() string {
	if int(o) < len(opNames) {
		return opNames[o]
	}
	return "invalid"
}

// RSV1 is a bit to be added to the operation given to AppendFrame: it sets the
// frame's first reserved bit, for an extension.
const RSV1 Op = 0x80

// IsData reports whether o is text or binary.
func (o Op) IsData() bool { return o == OpText || o == OpBinary }

// IsControl reports whether o is a ping, a pong or a close.
func (o Op) IsControl() bool { return o >= OpPing && o <= OpClose }

// Event is what a codec found in its input.
//
// A text or binary message comes as one or more events, each with a piece of
// the payload; First and Last mark the borders of the message. A ping, pong or
// close comes as one event with the whole body.
type Event struct {
	Op          Op
	First, Last bool      // borders of the message
	FrameEnd    bool      // border of the frame
	RSV1        bool      // the frame's first reserved bit, where an extension uses it
	Code        CloseCode // of a close; CodeNoStatus where it had none
	Data        []byte    // payload; the reason of a close. Part of the input, valid until the next Decode
}

// Codec frames one direction pair of one connection. It is two halves that
// share no state: Decode and EOF belong to the reader, AppendFrame and
// AppendClose to the writer, and each half is for one goroutine at a time.
//
// Every codec holds these rules, and one test checks them for each draft: any
// split of the input gives the same events; a prefix of a valid stream is no
// error; an error sticks; everything before the error is delivered; no payload
// is kept, but of a control frame in pieces; Decode and AppendFrame do not
// allocate, but for that and the growth of dst.
type Codec interface {
	// Decode takes bytes from p up to and including one event, and returns how
	// many. With ev.Op == OpNone it took all of p and wants more. Payload is
	// unmasked in place. The error is a *ProtocolError.
	Decode(p []byte, ev *Event) (n int, err error)
	// AppendFrame appends one frame. The first frame of a message has its
	// operation, later ones OpContinuation; fin marks the last. What the
	// version cannot say is ErrUnsupported. op may have RSV1 added.
	AppendFrame(dst []byte, op Op, fin bool, payload []byte) ([]byte, error)
	// AppendBorders appends what stands before the payload of a frame and what
	// stands behind it, for a server that sends a long payload from where it is:
	// the first head bytes of what was appended go before. Errors are those of
	// AppendFrame; a client's frame, whose payload is masked, is ErrUnsupported.
	AppendBorders(dst []byte, op Op, fin bool, payload []byte) (out []byte, head int, err error)
	// AppendClose appends what the version sends to start or to answer a
	// closing handshake: as much of code and reason as it can say, nothing
	// where it has no closing handshake. CodeNoStatus gives an empty body.
	AppendClose(dst []byte, code CloseCode, reason string) ([]byte, error)
	// EOF tells whether the stream may end where it is: nil between frames,
	// io.ErrUnexpectedEOF inside a frame or message.
	EOF() error
	// Left returns how many bytes of the text or binary frame in hand are still
	// to come, all of them payload: what is read next may be read to where the
	// message is gathered. 0 between frames, and where a frame has no length.
	Left() int64
	// SetLimit bounds the payload of one message in bytes, its fragments
	// summed; 0 is no bound. What exceeds it is refused as soon as its length
	// is known, with ErrTooBig.
	SetLimit(n int64)
}

// Role is the side of the connection that a codec or handshake stands on.
type Role uint8

// The roles.
const (
	Server Role = iota
	Client
)

// String returns "server" or "client".
func (r Role) String() string {
	if r == Client {
		return "client"
	}
	return "server"
}

// CodecConfig is what a codec is made from.
type CodecConfig struct {
	Role     Role
	Rand     io.Reader        // source of masks; nil is crypto/rand
	RSV1     RSV1Use          // what the first reserved bit is for
	MaskKey  []byte           // Accept.MaskKey of the handshake
	Tolerate Tolerances       // faults of the peer to accept
	Seen     func(Tolerances) // told each time a fault was accepted; nil tells nobody
}

// RSV1Use says where an extension may set the first reserved bit. On control
// frames it never may.
type RSV1Use uint8

// The uses.
const (
	NoRSV1      RSV1Use = iota
	RSV1Message         // on the first frame of a message (RFC 7692 6)
	RSV1Frame           // on any frame of a message (deflate-frame)
)

// Draft is one version, complete: what the root's table holds.
type Draft struct {
	Version Version
	// InvalidText says what a receiver of this version does with text that is
	// not UTF-8, by role; TextSection is where its document says so.
	InvalidText [2]TextPolicy
	TextSection string
	NewServer   func(rand io.Reader) ServerHandshake // nil is crypto/rand
	NewClient   func(rand io.Reader) ClientHandshake // nil is crypto/rand
	NewCodec    func(CodecConfig) Codec
}

// TextPolicy says what happens to text that is not UTF-8.
type TextPolicy uint8

// The policies.
const (
	TextByVersion TextPolicy = iota // as the version's document says: Draft.InvalidText
	FailText                        // the connection fails with CodeInvalidData
	ReplaceText                     // each part that is none becomes U+FFFD
)

// ServerHandshake is the server's side of one opening handshake. The answer
// goes in two steps because hixie-76 needs them: its head leaves before the
// client's eight bytes come. A value serves one handshake.
type ServerHandshake interface {
	// Open reads what the client asks for and checks the version's own rules,
	// while a refusal can still be sent. The error is a *HandshakeError.
	Open(req *Request, o *Opening) error
	// Head appends the response head, the blank line included. body is the
	// number of bytes that must still be read from the client and given to
	// Tail: 8 for hixie-76, else 0.
	Head(dst []byte, acc *Accept) (head []byte, body int)
	// Tail appends what follows once the body has come: 16 bytes for hixie-76.
	Tail(dst, body []byte) []byte
}

// Opening is what a client asks for, read from the fields its version uses.
type Opening struct {
	Origin     string   // "" and !HasOrigin where the request has none
	HasOrigin  bool     //
	Protocols  []string // subprotocols offered, best first; one whole string where WholeProtocol
	Extensions []string // Sec-WebSocket-Extensions, a member each
	// WholeProtocol: the client fails unless the answer repeats its one
	// subprotocol string as it is (hixie-75, hixie-76).
	WholeProtocol bool
}

// ClientHandshake is the client's side of one opening handshake. A value
// serves one handshake.
type ClientHandshake interface {
	// Head appends the request: the head, the blank line, and the eight bytes
	// of hixie-76.
	Head(dst []byte, req *Offer) ([]byte, error)
	// Check looks at the response head and fills acc with what the server
	// chose. body is the number of bytes that must still be read and given to
	// CheckBody: 16 for hixie-76. The error is a *HandshakeError.
	Check(resp *Response, acc *Accept) (body int, err error)
	// CheckBody looks at those bytes.
	CheckBody(body []byte) error
}
