package wire

import (
	"fmt"
	"math"
	"strings"

	"github.com/draftwire/draftwire/internal/ascii"
)

// Field is one header line: its name in the spelling of the sender, its value
// without white space around it.
type Field struct{ Name, Value string }

// named reports whether it has that name, in any case of ASCII.
func (f *Field) named(name string) bool {
	return ascii.EqualFold(f.Name, name)
}

// Fields are header lines in the order they came or shall go.
type Fields []Field

// Get returns the value of the first field with that name; case of the name
// does not matter.
func (f Fields) Get(name string) string {
	for i := range f {
		if f[i].named(name) {
			return f[i].Value
		}
	}
	return ""
}

// Count returns how many fields have that name.
func (f Fields) Count(name string) int {
	n := 0
	for i := range f {
		if f[i].named(name) {
			n++
		}
	}
	return n
}

// Has reports whether a field has that name.
func (f Fields) Has(name string) bool { return f.Count(name) > 0 }

// HasToken reports whether token is in the comma list that all fields of that
// name form together. Case does not matter.
func (f Fields) HasToken(name, token string) bool {
	for i := range f {
		if !f[i].named(name) {
			continue
		}
		for t := range strings.SplitSeq(f[i].Value, ",") {
			if ascii.EqualFold(strings.Trim(t, " \t"), token) {
				return true
			}
		}
	}
	return false
}

// List returns the members of the comma list that all fields of that name form
// together, without the empty ones. A comma within quotes does not divide.
func (f Fields) List(name string) []string { return f.First(name, math.MaxInt) }

// First returns the first members of List, most of them at most. It does not look at
// what is behind them.
func (f Fields) First(name string, most int) []string {
	n := f.members(name, nil, most)
	if n == 0 {
		return nil
	}
	out := make([]string, n) // at once: to grow takes much stack
	f.members(name, out, most)
	return out
}

// MostOffers is how many members of a list of offers a server looks at: of
// subprotocols and of extensions. Clients offer a few.
const MostOffers = 32

// members puts the first members of the list into out, as many as it has room for, and
// returns how many there are, up to most.
func (f Fields) members(name string, out []string, most int) (n int) {
	for i := range f {
		if !f[i].named(name) {
			continue
		}
		for rest := f[i].Value; rest != "" && n < most; {
			end, quoted := 0, false
			for ; end < len(rest) && (quoted || rest[end] != ','); end++ {
				quoted = quoted != (rest[end] == '"')
			}
			if t := trim(rest[:end]); t != "" {
				if n < len(out) {
					out[n] = t
				}
				n++
			}
			rest = rest[min(end+1, len(rest)):]
		}
	}
	return n
}

// trim takes blanks off both ends (RFC 9110 5.6.3).
func trim(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

// AppendField appends one header line: name, colon, space, value, CR LF.
func AppendField(dst []byte, name, value string) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	return append(dst, "\r\n"...)
}

// Append appends the fields as header lines, in order.
func (f Fields) Append(dst []byte) []byte {
	for _, x := range f {
		dst = AppendField(dst, x.Name, x.Value)
	}
	return dst
}

// Request is an HTTP/1 request head as the client sent it.
type Request struct {
	Method, Target, Proto string // Target as it came: origin form or absolute form
	Fields                Fields
	Secure                bool // the client's view of the URL is wss
}

// Host returns the Host field.
func (r *Request) Host() string { return r.Fields.Get("Host") }

// Path returns the target in origin form, path and query: for an absolute
// target what follows the host, "/" where that is empty.
func (r *Request) Path() string {
	t := r.Target
	if i := strings.Index(t, "://"); i > 0 && t[0] != '/' {
		t = t[i+3:]
		if i = strings.IndexAny(t, "/?"); i < 0 {
			return "/"
		}
		t = t[i:]
	}
	if t == "" || t[0] == '?' {
		return "/" + t
	}
	return t
}

// Response is an HTTP/1 response head as the server sent it.
type Response struct {
	Line   string // the status line, without its end
	Status int
	Fields Fields
	Raw    string // the whole head, the blank line included: hixie-75 compares bytes
}

// Offer is what a client wants in its opening handshake.
type Offer struct {
	Target     string   // path and query, at least "/"
	Host       string   // host and port as the Host field shall have it: no default port
	Secure     bool     // over TLS: wss
	Origin     string   // empty leaves the field out; the hixie versions must have one
	Protocols  []string // subprotocols, best first
	Extensions string   // value of Sec-WebSocket-Extensions
	Fields     Fields   // more fields, in this order and spelling
}

// Location returns the URL that hixie servers must repeat: scheme, host in
// lower case without the scheme's default port, target (drafts hixie-75 5.1,
// hixie-76 5.2).
func Location(secure bool, host, target string) string {
	scheme, port := "ws://", ":80"
	if secure {
		scheme, port = "wss://", ":443"
	}
	return scheme + strings.TrimSuffix(strings.ToLower(host), port) + target
}

// Accept is what the server chose: the result of a handshake on both sides.
type Accept struct {
	Protocol   string // the subprotocol, or empty
	Extensions string // value of Sec-WebSocket-Extensions, or empty: the field is then left out
	Location   string // the URL that hixie answers repeat, "ws://host/path"
	Fields     Fields // more fields of the response
	MaskKey    []byte // what the frames of hybi-04 are masked with; set by the handshake
}

// LowerASCII returns s with the letters A to Z in lower case and all else as
// it is: how hixie drafts repeat an origin.
func LowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// Refused returns the error of a client whose request got resp, which is no 101.
func Refused(v Version, resp *Response) error {
	detail := resp.Line
	if why := resp.Fields.Get("Draftwire-Reason"); why != "" {
		detail += ", for " + why
	}
	if list := resp.Fields.List("Sec-WebSocket-Version"); len(list) > 0 {
		detail += ", serves " + strings.Join(list, ", ")
	}
	e := Refuse(v, ReasonRefused, detail)
	e.Status = resp.Status
	e.Fields = resp.Fields
	return e
}

// ExactlyOnce checks, for a client, that the server sent the field name once
// and with that value.
func ExactlyOnce(v Version, f Fields, name, value string) error {
	if n := f.Count(name); n != 1 {
		return Refuse(v, ReasonBadResponse, fmt.Sprintf("%s stands %d times, not once", name, n))
	}
	if got := f.Get(name); got != value {
		return Refuse(v, ReasonBadResponse, fmt.Sprintf("%s is %q, not %q", name, got, value))
	}
	return nil
}
