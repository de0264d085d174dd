package recording

import (
	"bytes"
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"github.com/draftwire/draftwire/internal/ascii"
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
	if bytes.IndexByte(literal, '\\') < 0 {
		name = string(literal[1 : len(literal)-1])
	} else if json.Unmarshal(literal, &name) != nil {
		return "", false
	}
	return name, in(r.Names, name)
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
