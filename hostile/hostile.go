// Package hostile holds attacks on programs that speak WebSocket, in the versions
// hixie-75, hixie-76, hybi-02, hybi-04 to hybi-08 and RFC 6455: what an attacker sends,
// what a sound program makes of it, and what that may cost.
//
// The attacks are JSON files, embedded here; README.md says how to play them from any
// language, and the command hostile/run plays them. They are generated
// (go run ./hostile/gen) without any code of the implementations they test, and
// everyone may copy them (LICENSE).
package hostile

import (
	"bytes"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// Format is the value of File.Format that this package reads.
const Format = "draftwire-hostile/1"

// The sides at which a case is played, each a file of its own.
const (
	Server = "server" // a server that echoes messages; the attacker is a client
	Client = "client" // a client that sends "hello", waits for an answer and closes; the attacker is its server
	Front  = "front"  // a proxy, from its client's side; behind it is the player's own echo server
	Behind = "behind" // a proxy, from its backend's side; before it is the player's own, honest client
	Pages  = "pages"  // a proxy that carries ordinary requests too, from its client's side; behind it is the player's own recorder
)

// Sides are the files, in the order that All returns them.
var Sides = []string{Server, Client, Front, Behind, Pages}

// File is one file of cases.
type File struct {
	Format  string `json:"format"`  // Format
	License string `json:"license"` // "0BSD"
	Side    string `json:"side"`
	Cases   []Case `json:"cases"`
}

// Case is one attack.
type Case struct {
	ID      string   `json:"id"`                // unique over all files, and will not change: SIDE/KIND/WHAT or SIDE/KIND/WHAT/VERSION
	Kind    string   `json:"kind"`              // what is attacked: one of Kinds
	Version string   `json:"version,omitempty"` // that the attacker speaks, or pretends to
	Holes   []string `json:"holes,omitempty"`   // published holes that it stands for: "CVE-2024-37890"
	Comment string   `json:"comment"`           // what is tried, in a sentence
	Needs   []string `json:"needs,omitempty"`   // what the target has to be able to do, from Needs; else the case does not apply
	Slow    bool     `json:"slow,omitempty"`    // takes more than two seconds where all is well: not for a short run

	TLS  bool     `json:"tls,omitempty"`  // everything goes within TLS
	ALPN []string `json:"alpn,omitempty"` // what the attacker offers there

	// Clients connections are made, PerSecond of them (0: as fast as it goes), each of which
	// plays the steps; 0 is 1. With Rounds each does so again, so many times in all, on a
	// new connection.
	Clients   int `json:"clients,omitempty"`
	PerSecond int `json:"per_second,omitempty"`
	Rounds    int `json:"rounds,omitempty"`
	// Unread: the attacker reads nothing after its opening handshake.
	Unread bool `json:"unread,omitempty"`
	// Cut, "reset" or "end", plays the case once for each byte that its steps send, on a
	// connection of its own that is cut before that byte.
	Cut   string `json:"cut,omitempty"`
	Steps []Step `json:"steps"`

	Verdict Verdict `json:"verdict"`
	Budget  Budget  `json:"budget,omitzero"`
}

// The kinds of attacks.
var Kinds = []string{
	"head",    // request and response heads: size, form, spelling
	"smuggle", // what two programs read in two ways
	"frame",   // lengths, opcodes, masks, order
	"close",   // the closing handshake
	"text",    // text that is not UTF-8
	"deflate", // compressed messages, and the offers of compression
	"flood",   // much of what costs the sender little
	"slow",    // little, for a long time; peers that do not read
	"reset",   // connections that break
	"tls",     // below the request
	"http",    // ordinary HTTP on the same port
	"h2",      // HTTP/2 on the same port
	"proxy",   // the PROXY protocol
	"log",     // what the operator reads
}

// Needs are what a target may be able to do beside WebSocket in the case's version.
var Needs = []string{
	"tls",     // TLS on the same port
	"deflate", // permessage-deflate is negotiated
	"frame-deflate",
	"http",    // ordinary requests get pages: GET / a 200
	"h2",      // within TLS, HTTP/2
	"proxy",   // a PROXY header is read from the player's address, and may be left out
	"flash",   // Flash policy requests are answered
	"routes",  // a proxy with the routes of README.md
	"forward", // a proxy that believes X-Forwarded-For and Forwarded of the player's address
	"loose",   // heads of upgrades are read loosely: README.md says how
	"stderr",  // the player sees its log
}

// What a Step does.
const (
	Open   = "open"   // the version's opening handshake, without a fault, in the attacker's role. Fields are added
	Send   = "send"   // sends Parts
	Expect = "expect" // waits until Text or Hex has come, behind what an earlier expect has found
	Wait   = "wait"   // does nothing for For
	Hold   = "hold"   // does nothing for For, or until the target ends the connection
	End    = "end"    // ends the attacker's half of the stream
	Reset  = "reset"  // resets the connection
)

// Step is one thing that the attacker does. A step that the target's end of the
// connection makes impossible is the last one, and no fault: the verdict decides.
type Step struct {
	Do     string   `json:"do"`
	Fields string   `json:"fields,omitempty"` // open: more lines of the head, each with CR LF; see Part.Text
	Parts  []Part   `json:"parts,omitempty"`  // send
	Times  int64    `json:"times,omitempty"`  // send: the parts, over and over; 0 is once
	Piece  int      `json:"piece,omitempty"`  // send: bytes of a write, each a segment of its own; 0: as they fit
	Pause  Duration `json:"pause,omitzero"`   // send: between two writes
	Most   Duration `json:"most,omitzero"`    // send: stops after that time, wherever it is
	Stuck  Duration `json:"stuck,omitzero"`   // send: stops where the target takes nothing for that time; 0: 5 s
	Text   string   `json:"text,omitempty"`   // expect: as Part.Text
	Hex    Hex      `json:"hex,omitzero"`     // expect
	For    Duration `json:"for,omitzero"`     // wait, hold
}

// Part is bytes: Text or Hex, Times over.
type Part struct {
	// Text is Latin-1: a character is a byte. In it {host} is the target's HOST:PORT and
	// {port} its port. Where the attacker is a server, {accept} is the right
	// Sec-WebSocket-Accept, {digest} the 16 bytes of hixie-76 and hybi-02, {origin} and
	// {location} what a hixie answer repeats, {protocol} the first subprotocol offered.
	Text  string `json:"text,omitempty"`
	Hex   Hex    `json:"hex,omitzero"`
	Times int64  `json:"times,omitempty"` // 0 is once
	// Mask: the part is one frame of a client of hybi-04, unmasked. Its mask comes from the
	// connection's key, so that the player makes it: the four bytes 00 00 00 01 as the
	// frame's nonce, and the frame XORed with the 20 bytes of the SHA-1 of that nonce and the
	// key, over and over.
	Mask bool `json:"mask,omitempty"`
}

// The outcomes of a connection of the attacker.
const (
	Refused = "refused" // no 101 came: a status from 400 on, or the end of the connection
	Failed  = "failed"  // it was open, and the target ended it
	Ended   = "ended"   // the target ended it, before or behind a 101
	Served  = "served"  // every expect was found, and the target had not ended it when the steps were over
	Any     = "any"     // whatever the budget allows
)

// Verdict is what a sound target does.
type Verdict struct {
	Outcomes []string `json:"outcomes"`         // one of these, within Budget.Time of the case's beginning
	Status   []int    `json:"status,omitempty"` // refused: one of these statuses, if one comes
	Codes    []int    `json:"codes,omitempty"`  // failed: one of these close codes, if the version has codes and one comes. 1004 of the versions 6 to 8 is 1009
	Never    []string `json:"never,omitempty"`  // what must not come from the target; as Part.Text
	// Beyond is for the sides front, behind and pages: what must not be seen at the player's other
	// end.
	Beyond *Beyond `json:"beyond,omitempty"`
}

// Beyond is what the player's other end must not see of an attack through a proxy.
type Beyond struct {
	Connections *int     `json:"connections,omitempty"` // more than so many
	Never       []string `json:"never,omitempty"`       // these bytes; as Part.Text
	Early       bool     `json:"early,omitempty"`       // bytes behind the request's head before its 101 went
	Opened      bool     `json:"opened,omitempty"`      // behind: a connection that opened
	Requests    *int     `json:"requests,omitempty"`    // pages: more than so many. Each has to end where every program sees it
}

// Budget is what an attack may cost the target. Zero fields are the defaults.
type Budget struct {
	Time     Duration `json:"time,omitzero"`       // until the verdict. Default 8 s, above the 5 s that many programs wait for the end of a closing handshake
	Memory   int64    `json:"memory,omitempty"`    // resident bytes beyond those before, at most, at any time. Default 32 MiB
	CPU      Duration `json:"cpu,omitzero"`        // processor time, all threads. Default 1 s
	Probe    Duration `json:"probe,omitzero"`      // the slowest echo or handshake of an honest client beside. Default 1 s
	Recover  Duration `json:"recover,omitzero"`    // behind the end of the attacker's connections, until the target's descriptors are as many as before. Default 5 s
	LogLines int      `json:"log_lines,omitempty"` // lines of its log, beside one for each connection of the attacker. Default 40: the stack of one exception
}

// The defaults of a Budget.
const (
	DefaultTime     = Duration(8 * time.Second)
	DefaultMemory   = 32 << 20
	DefaultCPU      = Duration(time.Second)
	DefaultProbe    = Duration(time.Second)
	DefaultRecover  = Duration(5 * time.Second)
	DefaultLogLines = 40
)

// WithDefaults returns b with the defaults in the place of zero fields.
func (b Budget) WithDefaults() Budget {
	def(&b.Time, DefaultTime)
	def(&b.Memory, DefaultMemory)
	def(&b.CPU, DefaultCPU)
	def(&b.Probe, DefaultProbe)
	def(&b.Recover, DefaultRecover)
	def(&b.LogLines, DefaultLogLines)
	return b
}

func def[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}

// Duration is a time.Duration that JSON has as text, "1.5s".
type Duration time.Duration

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(p []byte) error {
	v, err := time.ParseDuration(string(p))
	*d = Duration(v)
	return err
}

// Hex is bytes that JSON has as hexadecimal digits.
type Hex []byte

// MarshalText implements encoding.TextMarshaler.
func (h Hex) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *Hex) UnmarshalText(p []byte) (err error) {
	*h, err = hex.AppendDecode(nil, p)
	return err
}

// Latin1 returns the bytes of a text of a case: a character is a byte. It panics on a
// character beyond U+00FF, which no case has.
func Latin1(s string) []byte {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		if r > 0xFF {
			panic(fmt.Sprintf("hostile: %q is not Latin-1", s))
		}
		b = append(b, byte(r))
	}
	return b
}

//go:embed *.json
var files embed.FS

// Load returns the cases of a side.
func Load(side string) (*File, error) {
	p, err := files.ReadFile(side + ".json")
	if err != nil {
		return nil, fmt.Errorf("hostile: there is no side %q", side)
	}
	d := json.NewDecoder(bytes.NewReader(p))
	d.DisallowUnknownFields()
	var f File
	if err := d.Decode(&f); err != nil {
		return nil, fmt.Errorf("hostile: %s.json: %w", side, err)
	}
	if f.Format != Format {
		return nil, fmt.Errorf("hostile: %s.json has the format %q, not %q", side, f.Format, Format)
	}
	return &f, nil
}

// All returns the cases of all sides.
func All() ([]Case, error) {
	var all []Case
	for _, side := range Sides {
		f, err := Load(side)
		if err != nil {
			return nil, err
		}
		all = append(all, f.Cases...)
	}
	return all, nil
}
