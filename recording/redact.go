package recording

import (
	"bytes"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/draftwire/draftwire/internal/ascii"
	"github.com/draftwire/draftwire/wire"
)

// Redaction says what is taken out before anything is written. In its place stands
// "[redacted:NAME]", so that a replay can put a value of its own there. The zero value takes
// nothing out.
type Redaction struct {
	// Fields are fields of heads whose values are taken out, in any case.
	Fields []string
	// Names are members of JSON in messages, and parameters of the query of URLs in heads, whose
	// values are taken out, in any case. In messages they are found wherever they stand, also where
	// the message is JSON only in part.
	Names []string
	// Payload takes all payload out, with the reasons of closes.
	Payload bool
}

// DefaultFields and DefaultNames are what recordings leave out unless they are told otherwise.
var (
	DefaultFields = []string{"Cookie", "Set-Cookie", "Authorization", "Proxy-Authorization", "X-Api-Key", "X-Auth-Token", "X-Access-Token"}
	DefaultNames  = []string{"token", "access_token", "refresh_token", "id_token", "auth_token", "authorization", "password", "passwd", "secret", "client_secret", "api_key", "apikey"}
)

// Mark is what stands in place of a value with that name.
func Mark(name string) string { return "[redacted:" + ascii.ToLower(name) + "]" }

func in(list []string, name string) bool {
	return slices.ContainsFunc(list, func(n string) bool { return len(n) == len(name) && strings.EqualFold(n, name) })
}

// names reports whether a string of JSON, with its quotes, is one of the names.
func (r *Redaction) names(literal []byte) (name string, is bool) {
	plain := literal[1 : len(literal)-1]
	if bytes.IndexByte(plain, '\\') >= 0 {
		var unescaped string
		if json.Unmarshal(literal, &unescaped) != nil {
			return "", false
		}
		plain = []byte(unescaped)
	}
	for _, n := range r.Names {
		if len(n) == len(plain) && sameFold(n, plain) {
			return string(plain), true
		}
	}
	return "", false
}

// sameFold is strings.EqualFold of two names of the same length. It makes a string only for letters
// beyond ASCII.
func sameFold(name string, p []byte) bool {
	for i, c := range p {
		if c |= name[i]; c >= utf8.RuneSelf {
			return strings.EqualFold(name, string(p))
		}
	}
	for i := range p {
		a, b := name[i], p[i]
		if a != b && (a|' ' != b|' ' || a|' ' < 'a' || a|' ' > 'z') {
			return false
		}
	}
	return true
}

// Apply takes out of an event what is to be taken out, where whoever records has it as it came. text
// says of a frame that it is one of a text message. The payload of such a frame is withheld where
// names are taken out: it stands in its message alone, as a name may begin in one frame and end in the
// next. The slices of e are not changed, but may be replaced.
func (r *Redaction) Apply(e *Event, text bool) {
	switch e.Kind {
	case KindRequest, KindAnswer:
		e.Head = r.Head(e.Head)
	case KindFrame:
		r.frame(e, text && e.ofMessage())
	case KindMessage:
		if r.Payload {
			e.Withheld, e.Payload = true, nil
		} else if e.Op == wire.OpText && !e.Withheld {
			e.Payload, _ = r.Text(e.Payload)
		}
	case KindEnd:
		if r.Payload {
			e.Reason = ""
		} else if e.Reason != "" {
			reason, _ := r.Text([]byte(e.Reason))
			e.Reason = string(reason)
		}
	}
}

// frame takes out of a frame what is to be taken out; text says that it is one of a text message.
func (r *Redaction) frame(e *Event, text bool) {
	switch {
	case r.Payload && e.Op == wire.OpClose: // its code stays
		if len(e.Payload) > 2 {
			e.Withheld, e.Payload = true, e.Payload[:2]
		}
	case r.Payload || text && len(r.Names) > 0:
		e.Withheld, e.Payload = true, nil
	case e.Op.IsControl() && !e.Withheld:
		e.Payload, _ = r.Text(e.Payload)
	}
}

// Head returns a head of a request or an answer without the values that are taken out. What
// follows the head stays.
func (r *Redaction) Head(head []byte) []byte {
	if len(r.Fields)+len(r.Names) == 0 {
		return head
	}
	out := make([]byte, 0, len(head))
	taken := false // the value of the field that a folded line goes on with
	for i := 0; len(head) > 0; i++ {
		line, rest := head, []byte(nil)
		if at := bytes.IndexByte(head, '\n'); at >= 0 {
			line, rest = head[:at+1], head[at+1:]
		}
		head = rest
		text := bytes.TrimRight(line, "\r\n")
		end := line[len(text):]
		name, _, isField := bytes.Cut(text, []byte(":"))
		switch {
		case len(text) == 0 && i == 0: // empty lines before the first
			out = append(out, line...)
			i--
		case len(text) == 0:
			return append(append(out, line...), head...)
		case i == 0:
			out = append(append(out, r.query(string(text))...), end...)
		case text[0] == ' ' || text[0] == '\t':
			if !taken {
				out = append(out, line...)
			}
		case isField && in(r.Fields, string(bytes.TrimSpace(name))):
			taken = true
			out = append(append(append(append(out, name...), ": "...), Mark(string(bytes.TrimSpace(name)))...), end...)
		default:
			taken = false
			out = append(append(out, r.query(string(text))...), end...)
		}
	}
	return out
}

// query takes parameters out of the query of a URL, which ends at a blank or with the text: of the
// first line of a request, and of fields that repeat it, as Location does in the answers of hixie-76.
func (r *Redaction) query(text string) string {
	at := strings.IndexByte(text, '?')
	if at < 0 || len(r.Names) == 0 {
		return text
	}
	query, rest := text[at+1:], ""
	if i := strings.IndexAny(query, " \t"); i >= 0 {
		query, rest = query[:i], query[i:]
	}
	parts := strings.Split(query, "&")
	for i, p := range parts {
		name, _, _ := strings.Cut(p, "=")
		plain, err := url.QueryUnescape(name)
		if err != nil {
			plain = name
		}
		if in(r.Names, plain) {
			parts[i] = name + "=" + Mark(plain)
		}
	}
	return text[:at+1] + strings.Join(parts, "&") + rest
}

// Text returns the text of a message without the values that are taken out, and whether there were
// any.
func (r *Redaction) Text(p []byte) ([]byte, bool) {
	if len(r.Names) == 0 {
		return p, false
	}
	var out []byte
	from := 0
	// Each quote may begin a name: where the message is not all JSON, one too many may stand before it.
	longest := 2
	for _, name := range r.Names {
		longest = max(longest, 2+len(`\u0000`)*len(name))
	}
	for i := bytes.IndexByte(p, '"'); i >= 0 && i < len(p); {
		behind := i + 1
		if end := stringEnd(p[:min(len(p), i+longest)], i); end > 0 {
			if value := afterColon(p, end); value > 0 {
				if name, is := r.names(p[i:end]); is {
					out = append(append(out, p[from:value]...), `"`+Mark(name)+`"`...)
					from = valueEnd(p, value)
					behind = from
				}
			}
		}
		next := bytes.IndexByte(p[behind:], '"')
		if next < 0 {
			break
		}
		i = behind + next
	}
	if from == 0 {
		return p, false
	}
	return append(out, p[from:]...), true
}

// stringEnd returns where a string of JSON that begins at i ends, below 0 where it does not.
func stringEnd(p []byte, i int) int {
	for i++; i < len(p); i++ {
		switch p[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}

// afterColon returns where the value begins whose name ends at i, 0 where that is no name.
func afterColon(p []byte, i int) int {
	blank := func() {
		for i < len(p) && (p[i] == ' ' || p[i] == '\t' || p[i] == '\n' || p[i] == '\r') {
			i++
		}
	}
	blank()
	if i >= len(p) || p[i] != ':' {
		return 0
	}
	i++
	blank()
	return i
}

// valueEnd returns where the value of JSON that begins at i ends: the end of p, where it does not.
func valueEnd(p []byte, i int) int {
	depth := 0
	for i < len(p) {
		switch c := p[i]; {
		case c == '"':
			end := stringEnd(p, i)
			if end < 0 {
				return len(p)
			}
			i = end
			if depth == 0 {
				return i
			}
			continue
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth == 0 {
				return i
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case depth == 0 && (c == ',' || c == ' ' || c == '\t' || c == '\r' || c == '\n'):
			return i
		}
		i++
	}
	return i
}
