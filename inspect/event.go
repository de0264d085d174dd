package inspect

import (
	"time"

	"github.com/draftwire/draftwire/inspect/capture"
	"github.com/draftwire/draftwire/wire"
)

// Kind says what an event is about.
type Kind string

// The kinds, about in the order in which they come.
const (
	KindConnection Kind = "connection" // a connection begins
	KindPreface    Kind = "preface"    // what stands before HTTP: a PROXY header, blank lines, a Flash policy request
	KindRequest    Kind = "request"    // the head of a request
	KindResponse   Kind = "response"   // the head of an answer
	KindBody       Kind = "body"       // the body of an ordinary request or answer
	KindChallenge  Kind = "challenge"  // the eight bytes of hixie-76
	KindProof      Kind = "proof"      // the sixteen bytes of hixie-76
	KindKeys       Kind = "keys"       // the arithmetic of the keys
	KindFrame      Kind = "frame"
	KindMessage    Kind = "message" // a whole message, behind its last frame
	KindFault      Kind = "fault"   // a rule that ends the connection was broken
	KindUnknown    Kind = "unknown" // bytes whose meaning is not known
	KindGap        Kind = "gap"     // bytes that are missing from the capture
	KindRemark     Kind = "remark"  // what the capture says itself
	KindEnd        Kind = "end"     // the end of a direction
	KindClosing    Kind = "closing" // how the connection was closed, as a whole
)

// Event is one thing that happened on a connection.
//
// Its strings and bytes come from the wire: text that is not UTF-8 is read as Latin-1, and
// control characters are in it.
type Event struct {
	Conn  int    `json:"conn"`
	Kind  Kind   `json:"event"`
	Draft string `json:"draft,omitempty"` // the version, by its name, as far as it is known
	// From is who sent the bytes: "client" or "server"; "" for what is about both.
	From   string     `json:"from,omitempty"`
	At     *time.Time `json:"time,omitempty"` // of the last byte; nil where the input has no times
	Offset int64      `json:"offset"`         // of the first byte, in its direction
	Length int64      `json:"length"`         // bytes of the direction that the event is about
	Text   string     `json:"text,omitempty"` // what happened, in a phrase
	Notes  []Note     `json:"notes,omitempty"`
	Lines  []Line     `json:"lines,omitempty"` // of a head
	Steps  []string   `json:"steps,omitempty"` // of arithmetic
	// Bytes are the first bytes, as they were on the wire, and Parts what they mean.
	Bytes Hex    `json:"bytes,omitempty"`
	Parts []Part `json:"parts,omitempty"`

	Client  string   `json:"client,omitempty"` // addresses, of a connection
	Server  string   `json:"server,omitempty"`
	Frame   *Frame   `json:"frame,omitempty"`
	Message *Message `json:"message,omitempty"`
	Closing *Closing `json:"closing,omitempty"`
	Fault   string   `json:"fault,omitempty"` // the code of a broken rule: wire.Fault or wire.Reason

	direction capture.Direction
}

// Verdict says what a note says of what it stands beside.
type Verdict string

// The verdicts.
const (
	Obeys  Verdict = "obeys"
	Breaks Verdict = "breaks"
	Says   Verdict = "says" // it explains, and judges nothing
)

// Note is a remark on an event or on a line.
type Note struct {
	Verdict Verdict `json:"verdict"`
	Text    string  `json:"text"`
	Section string  `json:"section,omitempty"` // "RFC 6455 5.2"
	Fault   string  `json:"fault,omitempty"`   // the code of a broken rule: wire.Fault or wire.Reason
	// Tolerate is the name of the tolerance that admits what breaks the rule.
	Tolerate string `json:"tolerate,omitempty"`
	Hint     string `json:"hint,omitempty"` // what would mend it
}

// Line is a line of a head.
type Line struct {
	Offset int64  `json:"offset"` // in its direction
	Name   string `json:"name,omitempty"`
	Text   string `json:"text"` // without its end
	Notes  []Note `json:"notes,omitempty"`
}

// Part is what some bytes of an event mean.
type Part struct {
	Offset  int    `json:"offset"` // within the event
	Length  int64  `json:"length"`
	Meaning string `json:"meaning"`
}

// Frame is a frame.
type Frame struct {
	Op     string `json:"op"`               // its operation; "continuation" for later frames of a message
	Type   int    `json:"type"`             // its first byte, without mask
	Opcode *int   `json:"opcode,omitempty"` // nil in hixie-75 and hixie-76, which have none
	Fin    bool   `json:"fin"`              // it is the last of its message
	RSV    int    `json:"rsv"`              // 4 is RSV1, 1 is RSV3
	Masked bool   `json:"masked"`
	Mask   Hex    `json:"mask,omitempty"` // four bytes, or the twenty that hybi-04 makes
	Head   int    `json:"head"`           // bytes before the payload
	// Payload is the first of its payload without mask; compressed payload is not expanded here.
	Size       int64  `json:"size"` // of the payload on the wire
	Payload    Hex    `json:"payload,omitempty"`
	Message    int    `json:"message,omitempty"` // the number of its message in its direction, from 1
	Part       int    `json:"part,omitempty"`    // its number in the message, from 1
	Packed     bool   `json:"compressed,omitempty"`
	Code       int    `json:"code,omitempty"`       // of a close, in the numbering of RFC 6455
	Reason     string `json:"reason,omitempty"`     // of a close
	Unfinished bool   `json:"unfinished,omitempty"` // it was not there to its end
}

// Message is a text or binary message.
type Message struct {
	Number int    `json:"number"` // in its direction, from 1
	Op     string `json:"op"`
	Frames int    `json:"frames"`
	Wire   int64  `json:"wire"` // bytes of payload on the wire
	Size   int64  `json:"size"` // bytes of the message, expanded
	// Payload is the first of the message, expanded. Text has it as Text too.
	Payload  Hex    `json:"payload,omitempty"`
	Text     string `json:"text,omitempty"`
	Packed   bool   `json:"compressed,omitempty"`
	Opaque   bool   `json:"opaque,omitempty"`   // it is compressed, and could not be expanded
	Repaired bool   `json:"repaired,omitempty"` // what was not UTF-8 is U+FFFD, as the receiver has it
}

// Closing is how a connection ended.
type Closing struct {
	First    string `json:"first,omitempty"` // who closed first: "client", "server"
	Code     int    `json:"code,omitempty"`
	Reason   string `json:"reason,omitempty"`
	Answered bool   `json:"answered"` // the other side has closed too
	Clean    bool   `json:"clean"`    // as the version wants it
	// Result is "clean", "abnormal", "refused", "failed" where a rule was broken, "plain" for
	// ordinary HTTP, or "open" where the input ends before the connection.
	Result string `json:"result"`
}

// Hex is bytes, in JSON as hexadecimal digits.
type Hex []byte

// MarshalText writes hexadecimal digits.
func (h Hex) MarshalText() ([]byte, error) {
	const digits = "0123456789abcdef"
	out := make([]byte, 0, 2*len(h))
	for _, c := range h {
		out = append(out, digits[c>>4], digits[c&15])
	}
	return out, nil
}

// Version returns the version that the event's connection speaks, as far as it is known.
func (e *Event) Version() wire.Version {
	v, _ := wire.ParseVersion(e.Draft)
	return v
}

// Broken returns the notes of an event, and of its lines, that say a rule is broken.
func (e *Event) Broken() (out []Note) {
	take := func(notes []Note) {
		for _, n := range notes {
			if n.Verdict == Breaks {
				out = append(out, n)
			}
		}
	}
	take(e.Notes)
	for i := range e.Lines {
		take(e.Lines[i].Notes)
	}
	return out
}
