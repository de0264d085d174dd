package wire

import (
	"math"
	"strings"

	"github.com/draftwire/draftwire/internal/ascii"
)

// Field is one header line: its name as the sender spelled it, and its value without the
// white space around it. Of Sec-WebSocket-Key1 and -Key2, whose spaces count, only the one
// behind the colon is left out (hixie-76 5.2).
type Field struct{ Name, Value string }

// named reports whether the field has that name, in any case.
func (f *Field) named(name string) bool {
	return ascii.EqualFold(f.Name, name)
}

// Fields are header lines, in the order in which they were received or are sent.
type Fields []Field

// Get returns the value of the first field with that name, in any case.
func (f Fields) Get(name string) string {
	for i := range f {
		if f[i].named(name) {
			return f[i].Value
		}
	}
	return ""
}

// Set gives the first field with that name, in any case, another value. Where there is none
// it does nothing.
func (f Fields) Set(name, value string) {
	for i := range f {
		if f[i].named(name) {
			f[i].Value = value
			return
		}
	}
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

// Origin returns the origin that the fields with that name say, and whether there are any.
// Several that differ are an error, which is a *HandshakeError.
func (f Fields) Origin(v Version, name string) (origin string, ok bool, err error) {
	for i := range f {
		switch {
		case !f[i].named(name):
		case !ok:
			origin, ok = f[i].Value, true
		case f[i].Value != origin:
			return "", true, NewHandshakeError(v, ReasonOriginConflict, "")
		}
	}
	return origin, ok, nil
}

// HasToken reports whether token is, in any case, a member of the comma-separated list that
// all fields of that name form together.
func (f Fields) HasToken(name, token string) bool {
	for i := range f {
		if !f[i].named(name) {
			continue
		}
		for t := range strings.SplitSeq(f[i].Value, ",") {
			if ascii.EqualFold(ascii.Trim(t), token) {
				return true
			}
		}
	}
	return false
}

// List returns the members of the comma-separated list that all fields of that name form
// together, without empty ones. A comma within quotes separates nothing.
func (f Fields) List(name string) []string { return f.First(name, math.MaxInt) }

// First returns the first members of List, at most n of them, and does not parse the rest.
func (f Fields) First(name string, n int) []string {
	found := f.members(name, nil, n)
	if found == 0 {
		return nil
	}
	out := make([]string, found) // append would need more stack to grow it
	f.members(name, out, n)
	return out
}

// MaxOffers is the number of subprotocols, and of extensions, of a client's offer that a
// server looks at. Clients offer a few.
const MaxOffers = 32

// members stores the first members of the list in out, as many as fit, and returns how many
// there are, up to most.
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

// trim removes spaces and tabs from both ends (RFC 9110 5.6.3).
func trim(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

// Append appends the fields as header lines, in order.
func (f Fields) Append(dst []byte) []byte {
	for _, x := range f {
		dst = ascii.AppendField(dst, x.Name, x.Value)
	}
	return dst
}

// Request is an HTTP/1 request head as the client sent it.
type Request struct {
	Method, Target, Proto string // Target is in origin form or absolute form, as it was sent
	Fields                Fields
	// Unescaped is the target as it was sent, where it had blanks, which TolerateRequestLine has put
	// right in Target; otherwise "".
	Unescaped string
	Secure    bool // the URL is wss, as the client sees it
	// Tolerate are the faults that whoever reads the request accepts, Tolerated those that
	// it had so far.
	Tolerate, Tolerated Tolerances
}

// Host returns the host that is asked, with its port if it has one: that of a target in
// absolute form, otherwise that of the Host field (RFC 9112 3.2.2).
func (r *Request) Host() string {
	if a, ok := r.Authority(); ok {
		return a
	}
	return r.Fields.Get("Host")
}

// Authority returns what a target in absolute form has between "://" and its path.
func (r *Request) Authority() (a string, ok bool) {
	a, ok = r.behindScheme()
	if !ok { // as nearly always
		return "", false
	}
	if i := strings.IndexAny(a, "/?"); i >= 0 {
		a = a[:i]
	}
	return a, true
}

// behindScheme returns what a target in absolute form has behind its scheme and "://".
func (r *Request) behindScheme() (rest string, ok bool) {
	for i := range len(r.Target) {
		switch c := r.Target[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
		case i > 0 && ('0' <= c && c <= '9' || c == '+' || c == '-' || c == '.'):
		default:
			if rest, ok = strings.CutPrefix(r.Target[i:], "://"); i > 0 && ok {
				return rest, true
			}
			return "", false
		}
	}
	return "", false
}

// Path returns the target in origin form, path and query. Of a target in absolute form it is
// what follows the host, or "/".
func (r *Request) Path() string {
	t := r.Target
	if rest, ok := r.behindScheme(); ok {
		i := strings.IndexAny(rest, "/?")
		if i < 0 {
			return "/"
		}
		t = rest[i:]
	}
	if t == "" || t[0] == '?' {
		return "/" + t
	}
	return t
}

// SentPath is Path with what a client has sent unescaped: it compares the URL that a server of
// hixie-75 and hixie-76 repeats with its own, which has that too.
func (r *Request) SentPath() string {
	if r.Unescaped == "" || r.Unescaped[0] != '/' {
		return r.Path()
	}
	return r.Unescaped
}

// Response is an HTTP/1 response head as the server sent it.
type Response struct {
	Line   string // the status line, without its end
	Status int
	Fields Fields
	Raw    string // the whole head, the blank line included: hixie-75 compares bytes
	// Tolerate are the faults that whoever reads the answer accepts, Tolerated those that it
	// had so far.
	Tolerate, Tolerated Tolerances
}

// Excuse returns nil if t, which accepts a fault that the answer has, is tolerated, and notes
// it. Otherwise it returns the error of the fault, which names t.
func (r *Response) Excuse(v Version, t Tolerances, detail string) error {
	if r.Tolerate.Has(t) {
		r.Tolerated |= t
		return nil
	}
	e := NewHandshakeError(v, ReasonBadResponse, detail)
	e.Tolerance = t
	return e
}

// Offer is what a client asks for in its opening handshake.
type Offer struct {
	Target     string   // path and query, at least "/"
	Host       string   // the value of the Host field: no default port
	Secure     bool     // over TLS: wss
	Origin     string   // empty leaves the field out, which the hixie versions do not allow
	Protocols  []string // subprotocols, best first
	Extensions string   // value of Sec-WebSocket-Extensions
	Fields     Fields   // more fields, in this order and spelling
}

// Accept is what the server chose: the result of a handshake on both sides.
type Accept struct {
	Protocol   string // the subprotocol, or empty
	Extensions string // value of Sec-WebSocket-Extensions, or empty: the field is then left out
	Location   string // the URL that hixie answers repeat, "ws://host/path"
	Fields     Fields // more fields of the response
	MaskKey    []byte // what the frames of hybi-04 are masked with; set by the handshake
}

// NewRefusedError returns the error of a client whose server answered with resp, which is
// not a 101.
func NewRefusedError(v Version, resp *Response) error {
	detail := resp.Line
	if why := resp.Fields.Get("Draftwire-Reason"); why != "" {
		detail += ", for " + why
	}
	if list := resp.Fields.List("Sec-WebSocket-Version"); len(list) > 0 {
		detail += ", serves " + strings.Join(list, ", ")
	}
	e := NewHandshakeError(v, ReasonRefused, detail)
	e.Status = resp.Status
	e.Fields = resp.Fields
	return e
}
