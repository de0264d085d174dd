package inspect

import (
	"fmt"
	"strings"

	"github.com/draftwire/draftwire/internal/ascii"
)

// redacted stands in place of what was taken out.
const redacted = "[redacted]"

// secret are the fields whose values are taken out.
var secret = map[string]bool{"cookie": true, "set-cookie": true, "authorization": true, "proxy-authorization": true,
	"x-api-key": true, "x-auth-token": true, "x-access-token": true}

// Redact takes out of an event what should not be shown to others: the values of cookies and of
// fields that authorise, the queries of URLs, and all payload, with the reasons of closes. What
// remains says what went wrong: the rules, the lengths, the heads of frames, the keys of the
// handshake. Addresses, hosts, paths and subprotocols remain.
func (e *Event) Redact() {
	for i := range e.Lines {
		e.Lines[i].redact(i == 0)
	}
	for i := range e.Notes {
		e.Notes[i].redact()
	}
	switch e.Kind {
	case KindRequest, KindResponse, KindPreface, KindUnknown:
		e.Bytes = nil
	case KindBody:
		e.Bytes, e.Text = nil, redacted
	}
	if m := e.Message; m != nil {
		m.Payload, m.Text = nil, ""
	}
	if f := e.Frame; f != nil {
		f.Payload, f.Reason = nil, ""
		e.cutBytes(f.Head)
	}
	if c := e.Closing; c != nil && c.Reason != "" {
		e.Text = strings.Replace(e.Text, fmt.Sprintf(" and the reason %q", c.Reason), "", 1)
		c.Reason = ""
	}
}

// cutBytes leaves the first n bytes, and the parts that are in them.
func (e *Event) cutBytes(n int) {
	e.Bytes = e.Bytes[:min(len(e.Bytes), n)]
	for i, p := range e.Parts {
		if p.Offset+int(p.Length) > len(e.Bytes) {
			e.Parts = e.Parts[:i]
			return
		}
	}
}

// redact takes the secrets out of a line of a head.
func (l *Line) redact(first bool) {
	before := l.Text
	switch name := ascii.ToLower(l.Name); {
	case secret[name]:
		l.Text = l.Name + ": " + redacted
	case first:
		l.Text = withoutQuery(l.Text)
	case strings.HasSuffix(name, "location") || name == "referer" || name == "origin":
		l.Text = withoutQuery(l.Text)
	}
	for i := range l.Notes {
		if l.Text != before {
			l.Notes[i].Text, _, _ = strings.Cut(l.Notes[i].Text, ": ")
		}
		l.Notes[i].redact()
	}
}

// redact takes the queries of URLs out of a note.
func (n *Note) redact() {
	if strings.Contains(n.Text, "?") {
		n.Text, _, _ = strings.Cut(n.Text, ": ")
		n.Text = withoutQuery(n.Text)
	}
}

// withoutQuery takes out what stands between a question mark and the next blank.
func withoutQuery(s string) string {
	before, query, ok := strings.Cut(s, "?")
	if !ok {
		return s
	}
	rest := ""
	if at := strings.IndexByte(query, ' '); at >= 0 {
		rest = query[at:]
	}
	return before + "?" + redacted + rest
}
