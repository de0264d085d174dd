package gateway

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/httphead"
)

// sent is something that a client sends, in one of sentForms.
type sent struct {
	kind, name string
	segment    int // of the path, from 1
}

// sentForms are the ways to name it in a configuration.
const sentForms = "header NAME, cookie NAME, query NAME, segment N"

// parseSent reads it; ok is false for other words.
func parseSent(s string) (x sent, ok bool) {
	x.kind, x.name, _ = strings.Cut(strings.Join(strings.Fields(s), " "), " ")
	if x.kind == "segment" {
		n, err := strconv.Atoi(x.name)
		x.segment = n
		return x, err == nil && n > 0
	}
	return x, slices.Contains([]string{"header", "cookie", "query"}, x.kind) && httphead.IsToken(x.name)
}

// of returns what a client has sent, or "".
func (x sent) of(target string, f draftwire.Fields) string {
	switch x.kind {
	case "header":
		return f.Get(x.name)
	case "cookie":
		r := http.Request{Header: http.Header{"Cookie": {strings.Join(f.List("Cookie"), "; ")}}}
		if c, err := r.Cookie(x.name); err == nil {
			return c.Value
		}
	case "query":
		_, query, _ := strings.Cut(target, "?")
		values, _ := url.ParseQuery(query)
		return values.Get(x.name)
	case "segment":
		if list := segments(target); len(list) >= x.segment {
			return list[x.segment-1]
		}
	}
	return ""
}

// sole is of, for what a client is admitted by: "" also where a backend could read another
// value, as there are two, or as programs read the target in different ways. A segment has to
// be the last of the path, which a backend may take, whatever stands before it.
func (x sent) sole(target string, f draftwire.Fields) string {
	value, n := x.of(target, f), 0
	switch x.kind {
	case "header":
		for _, field := range f {
			if fieldKey(field.Name) == fieldKey(x.name) {
				n++
			}
		}
	case "cookie":
		for _, pair := range strings.FieldsFunc(strings.Join(f.List("Cookie"), ";"), func(r rune) bool { return r == ';' || r == ',' }) {
			if name, _, _ := strings.Cut(pair, "="); strings.TrimSpace(name) == x.name {
				n++
			}
		}
	case "query":
		_, query, _ := strings.Cut(target, "?")
		if values, err := url.ParseQuery(query); err == nil {
			n = len(values[x.name])
		}
	case "segment":
		list, _ := readings(target)
		for _, path := range list {
			if all := strings.Split(strings.Trim(path, "/"), "/"); len(all) != x.segment || all[x.segment-1] != value {
				return ""
			}
		}
		n = min(len(list), 1)
	}
	if n != 1 {
		return ""
	}
	return value
}

// segments are those of a target's path, with their escapes decoded.
func segments(target string) []string {
	path, _, _ := strings.Cut(target, "?")
	list := strings.Split(strings.Trim(path, "/"), "/")
	for i, s := range list {
		if plain, err := url.PathUnescape(s); err == nil {
			list[i] = plain
		}
	}
	return list
}

// ClientOf returns what tells a client apart, of the target and the fields of its request: ""
// where it has not sent it, or where clients are told apart by their addresses.
func (l *Ledger) ClientOf(target string, f draftwire.Fields) string {
	x, _ := parseSent(l.Client)
	return x.of(target, f)
}
