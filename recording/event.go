package recording

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/draftwire/draftwire/wire"
)

// Kind says what an event is.
type Kind byte

// The kinds.
const (
	KindConn    Kind = 'C' // a connection, whose request follows
	KindRequest Kind = 'Q'
	KindAnswer  Kind = 'A'
	KindFrame   Kind = 'F'
	KindMessage Kind = 'M' // behind its last frame
	KindLost    Kind = 'L'
	KindEnd     Kind = 'E'
)

// String returns a word for the kind.
func (k Kind) String() string {
	if s, ok := kindNames[k]; ok {
		return s
	}
	return fmt.Sprintf("kind %q", byte(k))
}

var kindNames = map[Kind]string{KindConn: "connection", KindRequest: "request", KindAnswer: "answer", KindFrame: "frame",
	KindMessage: "message", KindLost: "lost", KindEnd: "end"}

// Side is who has sent something.
type Side byte

// The sides. Both is for what is about the connection.
const (
	Both   Side = 0
	Client Side = 'c'
	Server Side = 's'
)

// String returns "client", "server" or "".
func (s Side) String() string {
	switch s {
	case Client:
		return "client"
	case Server:
		return "server"
	}
	return ""
}

// Event is a record. Which of its fields are used depends on Kind; see the package's format.
type Event struct {
	Kind Kind
	Conn uint64 // the number of the connection, from 1
	At   time.Duration
	From Side

	Version                         wire.Version // of a connection, and of an answer, which knows it better
	ClientAt, ServerAt              string       // the addresses of a connection
	Listener, Route                 string       // of a connection through a gateway
	Secure                          bool         // the client's URL was wss
	Head                            []byte       // of a request or an answer, with the bytes that belong to it
	Op                              wire.Op      // of a frame, and of a message: text or binary
	Type                            byte         // of a frame: its first byte
	Masked, Compressed              bool         // a frame; a message
	Mask                            []byte       // of a frame: 4 bytes, or the 20 of hybi-04
	Size                            int64        // of the payload of a frame or a message, in bytes
	Payload                         []byte       // of a frame without its mask, or of a message expanded
	Withheld                        bool         // Payload is not recorded
	Lost                            int64        // bytes that are not recorded
	How                             string       // of an end: "clean", "fin", "reset", "cut" and the like
	Code                            int          // of an end: that of the close; 0 for none
	Reason                          string       // of an end
	sameAsFrames, payloadFromFrames bool         // of a message that is written; of one that was read
}

const (
	flagSecure   = 1
	flagWithheld = 1
	flagSame     = 2
	flagPacked   = 4
	flagMasked   = 4
)

// ops are the letters of operations.
var ops = map[wire.Op]byte{wire.OpText: 't', wire.OpBinary: 'b', wire.OpContinuation: 'c', wire.OpClose: 'x', wire.OpPing: 'i', wire.OpPong: 'o', wire.OpDiscard: 'd'}

func opOf(letter byte) wire.Op {
	for op, c := range ops {
		if c == letter {
			return op
		}
	}
	return wire.OpNone
}

// ofMessage reports whether a frame is one of a message.
func (e *Event) ofMessage() bool { return e.Op.IsData() || e.Op == wire.OpContinuation }

// errShort is for a payload that ends within a field.
var errShort = errors.New("recording: a record ends within a field")

func appendString[T string | []byte](b []byte, s T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func flag(is bool, f byte) byte {
	if is {
		return f
	}
	return 0
}

// append appends the payload of the event's record.
func (e *Event) append(b []byte) []byte {
	b = append(b, byte(e.Kind))
	b = binary.AppendUvarint(b, e.Conn)
	b = binary.AppendUvarint(b, uint64(max(0, e.At/time.Microsecond)))
	b = append(b, byte(e.From))
	switch e.Kind {
	case KindConn:
		for _, s := range []string{e.Version.String(), e.ClientAt, e.ServerAt, e.Listener, e.Route} {
			b = appendString(b, s)
		}
		b = append(b, flag(e.Secure, flagSecure))
	case KindRequest:
		b = appendString(b, e.Head)
	case KindAnswer:
		b = appendString(appendString(b, e.Version.String()), e.Head)
	case KindFrame:
		b = append(b, flag(e.Withheld, flagWithheld)|flag(e.Masked, flagMasked), ops[e.Op], e.Type)
		b = binary.AppendUvarint(b, uint64(e.Size))
		b = appendString(appendString(b, e.Mask), e.Payload)
	case KindMessage:
		b = append(b, flag(e.Withheld, flagWithheld)|flag(e.sameAsFrames, flagSame)|flag(e.Compressed, flagPacked), ops[e.Op])
		b = binary.AppendUvarint(b, uint64(e.Size))
		if e.sameAsFrames {
			return appendString(b, "")
		}
		b = appendString(b, e.Payload)
	case KindLost:
		b = binary.AppendUvarint(b, uint64(e.Lost))
	case KindEnd:
		b = binary.AppendUvarint(appendString(b, e.How), uint64(e.Code))
		b = appendString(b, e.Reason)
	}
	return b
}

// fields reads the fields of a payload.
type fields struct {
	b   []byte
	err error
}

func (f *fields) uvarint() uint64 {
	v, n := binary.Uvarint(f.b)
	if n <= 0 {
		f.err = errShort
		f.b = nil
		return 0
	}
	f.b = f.b[n:]
	return v
}

func (f *fields) octet() byte {
	if len(f.b) == 0 {
		f.err = errShort
		return 0
	}
	c := f.b[0]
	f.b = f.b[1:]
	return c
}

func (f *fields) bytes() []byte {
	n := f.uvarint()
	if n > uint64(len(f.b)) {
		f.err = errShort
		f.b = nil
		return nil
	}
	p := f.b[:n:n]
	f.b = f.b[n:]
	return p
}

func (f *fields) string() string { return string(f.bytes()) }

func (f *fields) version() wire.Version {
	v, _ := wire.ParseVersion(f.string()) // a later version of the program may know more
	return v
}

// size reads a length, which no length of this machine may exceed.
func (f *fields) size() int64 {
	const most = 1 << 62
	if n := f.uvarint(); n <= most {
		return int64(n)
	}
	f.err = errors.New("recording: a length is too large")
	return 0
}

// parse reads the payload of a record. Its slices stay in p.
func (e *Event) parse(p []byte) error {
	f := fields{b: p}
	*e = Event{Kind: Kind(f.octet()), Conn: f.uvarint()}
	e.At = time.Duration(min(f.uvarint(), 1<<53)) * time.Microsecond
	e.From = Side(f.octet())
	switch e.Kind {
	case KindConn:
		e.Version = f.version()
		for _, s := range []*string{&e.ClientAt, &e.ServerAt, &e.Listener, &e.Route} {
			*s = f.string()
		}
		e.Secure = f.octet()&flagSecure != 0
	case KindRequest:
		e.Head = f.bytes()
	case KindAnswer:
		e.Version, e.Head = f.version(), f.bytes()
	case KindFrame:
		flags := f.octet()
		e.Withheld, e.Masked = flags&flagWithheld != 0, flags&flagMasked != 0
		e.Op = opOf(f.octet())
		e.Type, e.Size = f.octet(), f.size()
		e.Mask, e.Payload = f.bytes(), f.bytes()
	case KindMessage:
		flags := f.octet()
		e.Withheld, e.Compressed, e.payloadFromFrames = flags&flagWithheld != 0, flags&flagPacked != 0, flags&flagSame != 0
		e.Op = opOf(f.octet())
		e.Size, e.Payload = f.size(), f.bytes()
	case KindLost:
		e.Lost = f.size()
	case KindEnd:
		e.How, e.Code, e.Reason = f.string(), int(min(f.uvarint(), 1<<16)), f.string()
	}
	return f.err
}
