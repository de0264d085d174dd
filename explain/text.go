package explain

import (
	"strings"

	"github.com/draftwire/draftwire/inspect"
	"github.com/draftwire/draftwire/internal/ascii"
)

func lower(s string) string { return ascii.ToLower(s) }

func hasPrefix(s, prefix string) bool { return strings.HasPrefix(s, prefix) }

// valueOf is the value in a line of a field.
func valueOf(line string) string {
	_, value, _ := strings.Cut(line, ":")
	return strings.TrimSpace(value)
}

// fieldsOf are the values of a field of a head.
func fieldsOf(ev *inspect.Event, name string) (values []string) {
	if ev == nil {
		return nil
	}
	for i := range ev.Lines {
		if ascii.EqualFold(ev.Lines[i].Name, name) {
			values = append(values, valueOf(ev.Lines[i].Text))
		}
	}
	return values
}

// fieldOf is the first value of a field of a head; "" where there is none.
func fieldOf(ev *inspect.Event, name string) string {
	if values := fieldsOf(ev, name); len(values) > 0 {
		return values[0]
	}
	return ""
}

// hasField reports whether a head has a field.
func hasField(ev *inspect.Event, name string) bool { return len(fieldsOf(ev, name)) > 0 }

// hasWord reports whether a list has a word.
func hasWord(values []string, word string) bool {
	for _, v := range values {
		for _, w := range strings.Split(v, ",") {
			if ascii.EqualFold(strings.TrimSpace(w), word) {
				return true
			}
		}
	}
	return false
}

// firstLine is the first line of a head.
func firstLine(ev *inspect.Event) string {
	if ev == nil || len(ev.Lines) == 0 {
		return ""
	}
	return ev.Lines[0].Text
}

// statusOf is the status of an answer; 0 where it has none.
func statusOf(ev *inspect.Event) (n int) {
	_, rest, _ := strings.Cut(firstLine(ev), " ")
	for i := 0; i < len(rest) && i < 3 && rest[i] >= '0' && rest[i] <= '9'; i++ {
		n = n*10 + int(rest[i]-'0')
	}
	return n
}

// shown is a text as it stands in evidence: at most so much of it.
func shown(s string) string {
	const most = 160
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}

// isText reports whether bytes are text of people: printable, with the ends of lines.
func isText(p []byte) bool {
	for _, c := range p {
		if (c < ' ' || c > '~') && c != '\n' && c != '\r' && c != '\t' {
			return false
		}
	}
	return len(p) > 0
}
