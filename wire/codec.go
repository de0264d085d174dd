package wire

import "io"

// Op says what a frame or an event is.
type Op uint8

// The operations. OpContinuation is only for AppendFrame; an event always
// carries the operation of its message.
const (
	OpNone         Op = iota // no event: all bytes were consumed, and more are needed
	OpContinuation           // a later frame of a message
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

// RSV1 may be added to the operation that is given to AppendFrame. It sets the first
// reserved bit of the frame, for an extension.
const RSV1 Op = 0x80

// IsData reports whether o is text or binary.
func (o Op) IsData() bool { return o == OpText || o == OpBinary }

// IsControl reports whether o is a ping, a pong or a close.
func (o Op) IsControl() bool { return o >= OpPing && o <= OpClose }

// Event is what a codec found in its input.
//
// A text or binary message is one or more events, each with a part of the payload; First and
// Last mark the boundaries of the message. A ping, pong or close is one event with the whole
// body.
type Event struct {
	Op          Op
	First, Last bool      // the event begins the message, ends it
	FrameEnd    bool      // the event ends the frame
	RSV1        bool      // the frame's first reserved bit, where an extension uses it
	Code        CloseCode // of a close; CodeNoStatus where it had none
	Data        []byte    // payload; the reason of a close. Part of the input, valid until the next Decode
}

// Codec decodes the frames that one side of a connection receives, and encodes those that
// it sends. It has two halves that share no state: Decode, EOF and Remaining belong to the
// goroutine that reads, the Append methods to the goroutine that writes, and each half is
// for one goroutine at a time.
//
// Every codec keeps these rules, and one test checks them for each draft: the events do not
// depend on how the input is split; a prefix of a valid stream is no error; an error sticks;
// everything before the error is delivered; no payload is kept, except that of a control
// frame that arrives in parts; Decode and AppendFrame do not allocate, except for that, for
// the first head that arrives in parts, and for the growth of dst.
type Codec interface {
	// Decode consumes bytes of p up to and including one event, and returns how many. If
	// ev.Op is OpNone it has consumed all of p and needs more. It unmasks payload in place.
	// The error is a *ProtocolError.
	Decode(p []byte, ev *Event) (n int, err error)
	// AppendFrame appends one frame. The first frame of a message has the operation of the
	// message, later ones OpContinuation; fin marks the last. What the version cannot say
	// is ErrUnsupported. op may have RSV1 added.
	AppendFrame(dst []byte, op Op, fin bool, payload []byte) ([]byte, error)
	// AppendFraming appends a frame without its payload, for a server that sends a long
	// payload from where it is: the first head bytes of what was appended precede the
	// payload, and the rest follows it. Errors are those of AppendFrame; a client's frame,
	// whose payload is masked, is ErrUnsupported.
	AppendFraming(dst []byte, op Op, fin bool, payload []byte) (out []byte, head int, err error)
	// AppendClose appends what the version sends to start or to answer a closing handshake,
	// with as much of code and reason as it can say, and nothing where it has no closing
	// handshake. CodeNoStatus gives an empty body.
	AppendClose(dst []byte, code CloseCode, reason string) ([]byte, error)
	// EOF returns nil where the stream may end, and io.ErrUnexpectedEOF inside a frame or a
	// message.
	EOF() error
	// Remaining returns how many bytes of a text or binary frame have not been decoded. All
	// of them are payload, so they may be read to where the message is gathered. It is 0
	// between frames, and where a frame has no length.
	Remaining() int64
	// SetLimit limits the payload of one message, over all its fragments, to n bytes; 0 is
	// no limit. A longer message fails with ErrTooBig as soon as its length is known.
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
	Seen     func(Tolerances) // called each time a fault was accepted; may be nil
}

// RSV1Use says where an extension may set the first reserved bit. It never may on control
// frames.
type RSV1Use uint8

// The uses.
const (
	NoRSV1      RSV1Use = iota
	RSV1Message         // on the first frame of a message (RFC 7692 6)
	RSV1Frame           // on any frame of a message (deflate-frame)
)

// Draft is one version, complete: its handshake and its frames.
type Draft struct {
	Version Version
	// InvalidText says, by role, what a receiver of this version does with text that is not
	// UTF-8. TextSection is the section of its document that says so.
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
	ReplaceText                     // each invalid part becomes U+FFFD
)

// ServerHandshake is the server's side of one opening handshake. The server answers in two
// steps because hixie-76 needs them: it sends the head before it has the client's eight
// bytes. A value is for one handshake.
type ServerHandshake interface {
	// ReadRequest reads what the client asks for and checks the version's own rules while a
	// refusal can still be sent. The error is a *HandshakeError.
	ReadRequest(req *Request, asked *ClientRequest) error
	// Head appends the response head, the blank line included. body is the number of bytes
	// that must then be read from the client and given to Tail: 8 for hixie-76, otherwise 0.
	Head(dst []byte, acc *Accept) (head []byte, body int)
	// Tail appends what follows the head once the body was read: 16 bytes for hixie-76.
	Tail(dst, body []byte) []byte
}

// ClientRequest is what a client asks for, read from the fields its version uses.
type ClientRequest struct {
	Origin     string   // "" and !HasOrigin where the request has none
	HasOrigin  bool     //
	Protocols  []string // subprotocols offered, best first; one whole string where WholeProtocol
	Extensions []string // Sec-WebSocket-Extensions, a member each
	// Tolerated are the faults that were accepted, of those that the request tolerates.
	Tolerated Tolerances
	// WholeProtocol: the client fails the connection unless the answer repeats its
	// subprotocols as the one string that they are (hixie-75, hixie-76).
	WholeProtocol bool
}

// ClientHandshake is the client's side of one opening handshake. A value is for one
// handshake.
type ClientHandshake interface {
	// Head appends the request: the head, the blank line, and the eight bytes
	// of hixie-76.
	Head(dst []byte, req *Offer) ([]byte, error)
	// Check checks the response head and sets in acc what the server chose. body is the
	// number of bytes that must then be read and given to CheckBody: 16 for hixie-76,
	// otherwise 0. The error is a *HandshakeError.
	Check(resp *Response, acc *Accept) (body int, err error)
	// CheckBody checks these bytes.
	CheckBody(body []byte) error
}
