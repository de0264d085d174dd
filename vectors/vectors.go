// Package vectors holds test vectors for the WebSocket versions hixie-75,
// hixie-76, hybi-02, hybi-04 to hybi-08 and RFC 6455, for telling them apart,
// and for the extensions that compress: bytes, and what a correct implementation
// makes of them.
//
// The vectors are JSON files, embedded here; README.md says how to use them
// from any language. They are generated (go run ./vectors/gen) without any code
// of the implementations they test, and everyone may copy them (LICENSE).
package vectors

import (
	"bytes"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
)

// Format is the value of File.Format that this package reads.
const Format = "draftwire-vectors/1"

// Names are the files, in the order that All returns them.
var Names = []string{"hixie-75", "hixie-76", "hybi-02", "hybi-04", "hybi-05", "hybi-06", "hybi-07", "hybi-08",
	"rfc6455", "rfc7692", "deflate-frame", "detect"}

// The kinds of vectors.
const (
	KindFrames    = "frames"    // bytes to a frame reader, events from it
	KindHandshake = "handshake" // a request and the server's answer
	KindResponse  = "response"  // a server's answer and the client's judgement
	KindDetect    = "detect"    // a request head and its version, or the refusal
	KindClose     = "close"     // a close code and the frame that says it
	KindSession   = "session"   // a whole connection with an echo server
	KindExtension = "extension" // extensions offered and the answer
)

// The results.
const (
	Valid      = "valid"      // must be accepted, with this outcome
	Invalid    = "invalid"    // must be refused, with this error
	Acceptable = "acceptable" // the documents leave a choice; the outcome is draftwire's
)

// File is one file of vectors.
type File struct {
	Format  string   `json:"format"`  // Format
	License string   `json:"license"` // "0BSD"
	Version string   `json:"version"` // a version's name, an extension's, or "detect"
	Vectors []Vector `json:"vectors"`
}

// Vector is one test. The first fields stand in every vector; which of the
// others do is decided by Kind and written down in schema.json.
type Vector struct {
	ID      string `json:"id"`      // unique over all files
	Kind    string `json:"kind"`    // one of the kinds
	Section string `json:"section"` // where the rule stands
	Role    string `json:"role,omitempty"`
	Comment string `json:"comment"` // what is tested
	Result  string `json:"result"`  // one of the results

	// Frames. Role is the side that reads Input.
	Input     Hex     `json:"input,omitzero"`
	Repeat    *Repeat `json:"repeat,omitempty"`    // payload behind Input
	Limit     int64   `json:"limit,omitempty"`     // of a message's payload, to be set first
	UTF8      bool    `json:"utf8,omitempty"`      // the outcome needs a check of UTF-8
	Events    []Event `json:"events,omitzero"`     // what is delivered, in order
	Error     string  `json:"error,omitempty"`     // a fault; in a response a reason
	Truncated bool    `json:"truncated,omitempty"` // Input is valid but not finished
	Extension string  `json:"extension,omitempty"` // agreed on, as the server answered it

	// Handshakes, requests and responses. Text is Latin-1: a character is a
	// byte, see Latin1.
	Secure       bool     `json:"secure,omitempty"` // the request came over TLS
	Server       *Server  `json:"server,omitempty"`
	Enabled      []string `json:"enabled,omitempty"`  // versions served; all nine if absent
	Tolerate     []string `json:"tolerate,omitempty"` // faults to accept; of frames too
	Request      string   `json:"request,omitempty"`
	Tail         Hex      `json:"tail,omitzero"` // bytes behind the request head
	Offer        *Offer   `json:"offer,omitempty"`
	Response     string   `json:"response,omitempty"`
	ResponseTail Hex      `json:"response_tail,omitzero"` // bytes behind the response head
	Accept       *Accept  `json:"accept,omitempty"`       // what both sides agreed on
	Version      string   `json:"version,omitempty"`      // detected
	Body         int      `json:"body,omitempty"`         // bytes that follow the head: 8 or none
	Status       int      `json:"status,omitempty"`       // of a refusal
	Reason       string   `json:"reason,omitempty"`       // code of a refusal; in a close the text
	List         string   `json:"list,omitempty"`         // Sec-WebSocket-Version of a refusal

	// Close. Role is the sender.
	Code   int `json:"code,omitempty"` // RFC 6455 numbering
	Mask   Hex `json:"mask,omitzero"`  // of a client's frame; the frame's nonce in hybi-04
	Output Hex `json:"output,omitzero"`

	// Frames and close of hybi-04: the connection's key.
	ConnectionKey Hex `json:"connection_key,omitzero"`

	// Extensions: values of Sec-WebSocket-Extensions. Role is the side that
	// judges: a server the offer, a client the answer.
	Offered  string `json:"offered,omitempty"`
	Takeover bool   `json:"takeover,omitempty"` // a server that wants both windows kept
	Answer   string `json:"answer,omitempty"`   // empty: declined

	// A whole connection.
	Steps []Step `json:"steps,omitempty"`
}

// Event is a message or control frame that a frame reader delivers; a message
// of several frames is one event.
type Event struct {
	Op      string `json:"op"`                // text, binary, ping, pong, close or discard
	Data    Hex    `json:"data,omitzero"`     // payload; the reason of a close
	Size    int64  `json:"size,omitempty"`    // instead of Data: so many bytes of Pattern, or Repeat.Byte
	Pattern Hex    `json:"pattern,omitzero"`  // over and over, from its start
	Code    int    `json:"code,omitempty"`    // of a close, RFC 6455 numbering
	Partial bool   `json:"partial,omitempty"` // the message never ended
}

// Repeat is a payload of one byte, many times. Where Mask is there the bytes
// on the wire are masked with it, over and over, its first byte being that of
// the payload's first.
type Repeat struct {
	Byte  Hex   `json:"byte"`
	Count int64 `json:"count"`
	Mask  Hex   `json:"mask,omitzero"`
}

// Server is what the server of a handshake speaks, and in hybi-04 and hybi-05
// the sixteen random bytes that it sends.
type Server struct {
	Protocols []string `json:"protocols"`
	Nonce     Hex      `json:"nonce,omitzero"`
}

// Offer is what the client of a response vector has sent.
type Offer struct {
	Target    string   `json:"target"`
	Host      string   `json:"host"`
	Secure    bool     `json:"secure,omitempty"`
	Origin    string   `json:"origin,omitempty"`
	Protocols []string `json:"protocols,omitempty"`
	Key       string   `json:"key,omitempty"`  // Sec-WebSocket-Key
	Key1      string   `json:"key1,omitempty"` // Sec-WebSocket-Key1
	Key2      string   `json:"key2,omitempty"` // Sec-WebSocket-Key2
	Key3      Hex      `json:"key3,omitzero"`  // the eight bytes
}

// Accept is what a handshake agreed on.
type Accept struct {
	Version  string `json:"version"`
	Origin   string `json:"origin,omitempty"` // as the client sent it
	Protocol string `json:"protocol,omitempty"`
	Location string `json:"location,omitempty"` // hixie and hybi-02 only

	ConnectionKey Hex `json:"connection_key,omitzero"` // hybi-04 only: what its frames are masked with
}

// Step is one move on a connection.
type Step struct {
	From  string `json:"from"`            // client or server
	Bytes Hex    `json:"bytes,omitzero"`  // sent in one piece
	Event string `json:"event,omitempty"` // "fin" instead of bytes: this side ends its stream
	Wait  bool   `json:"wait,omitempty"`  // the server answers before the client goes on
}

// Hex is bytes; in JSON lower-case hexadecimal text. Nil is absent, which
// differs from no bytes.
type Hex []byte

// MarshalText writes hexadecimal digits.
func (h Hex) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h), nil }

// UnmarshalText reads hexadecimal digits.
func (h *Hex) UnmarshalText(p []byte) error {
	b, err := hex.DecodeString(string(p))
	*h = b
	return err
}

// Latin1 returns the bytes of a request or response text: one for each
// character. It panics on a character above FF, which no file holds.
func Latin1(s string) []byte {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		if r > 0xFF {
			panic(fmt.Sprintf("vectors: %q is not Latin-1", r))
		}
		b = append(b, byte(r))
	}
	return b
}

// Payload returns the bytes on the wire: Input and, masked where that is
// asked for, the payload that Repeat stands for.
func (v *Vector) Payload() []byte {
	b := append([]byte(nil), v.Input...)
	if r := v.Repeat; r != nil {
		for i := range int(r.Count) {
			c := r.Byte[0]
			if r.Mask != nil {
				c ^= r.Mask[i%len(r.Mask)]
			}
			b = append(b, c)
		}
	}
	return b
}

// Content returns the payload of an event of v: Data, or what Size stands for.
func (v *Vector) Content(e *Event) []byte {
	if e.Size == 0 {
		return e.Data
	}
	p := e.Pattern
	if p == nil {
		p = v.Repeat.Byte
	}
	return bytes.Repeat(p, int(e.Size)/len(p)+1)[:e.Size]
}

//go:embed *.json
var files embed.FS

// Load returns the file of that name, without ".json".
func Load(name string) (File, error) {
	var f File
	b, err := files.ReadFile(name + ".json")
	if err != nil {
		return f, fmt.Errorf("vectors: no file %q; known are %s", name, strings.Join(Names, ", "))
	}
	if err := json.Unmarshal(b, &f); err != nil {
		return f, fmt.Errorf("vectors: %s: %w", name, err)
	}
	if f.Format != Format {
		return f, fmt.Errorf("vectors: %s: format %q is not %q", name, f.Format, Format)
	}
	return f, nil
}

// All returns every file, in the order of Names.
func All() ([]File, error) {
	var out []File
	for _, n := range Names {
		f, err := Load(n)
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

// Raw returns the text of a file as it is embedded, "schema" for the schema.
func Raw(name string) ([]byte, error) { return files.ReadFile(name + ".json") }
