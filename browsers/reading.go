package browsers

import (
	"bytes"
	"errors"
	"strings"

	"github.com/draftwire/draftwire/internal/ascii"
	"github.com/draftwire/draftwire/internal/hixie"
	"github.com/draftwire/draftwire/internal/hybi"
	"github.com/draftwire/draftwire/wire"
)

// asked is what a client has asked for: what its browser compares the answer with.
type asked struct {
	version    wire.Version
	target     string // as it stands in the request line, blanks and all
	host       string
	origin     string
	protocol   string // all of it, as one text
	extensions string
	key        string // of the versions that have one
	digest     []byte // of hixie-76; nil where the eight bytes are not there
}

var errNoRequest = errors.New("browsers: the request is not one of HTTP")

// readRequest reads a request as loosely as it can: its faults are not judged here.
func readRequest(p []byte) (a asked, err error) {
	end, width := bytes.Index(p, []byte("\r\n\r\n")), 4
	if end < 0 {
		end, width = bytes.Index(p, []byte("\n\n")), 2
	}
	if end < 0 {
		end, width = len(p), 0
	}
	head, key3 := string(p[:end]), p[end+width:]
	first, rest, _ := strings.Cut(head, "\n")
	_, target, ok := strings.Cut(strings.TrimRight(first, "\r"), " ")
	at := strings.LastIndexByte(target, ' ')
	if !ok || at < 0 {
		return a, errNoRequest
	}
	a.target = target[:at]
	var key1, key2, version, old string
	for line := range strings.Lines(rest) {
		name, value, _ := strings.Cut(strings.TrimRight(line, "\r\n"), ":")
		value = strings.TrimPrefix(value, " ")
		for _, f := range []struct {
			to   *string
			name string
		}{
			{&a.host, "Host"}, {&a.origin, "Origin"}, {&a.protocol, "Sec-WebSocket-Protocol"}, {&old, "WebSocket-Protocol"},
			{&a.extensions, "Sec-WebSocket-Extensions"}, {&a.key, "Sec-WebSocket-Key"}, {&key1, "Sec-WebSocket-Key1"}, {&key2, "Sec-WebSocket-Key2"},
			{&version, "Sec-WebSocket-Version"},
		} {
			if *f.to == "" && ascii.EqualFold(name, f.name) {
				*f.to = value
			}
		}
	}
	a.version = versionOf(ascii.Trim(version), key1+key2 != "", a.key != "")
	if a.version == wire.Hixie75 {
		a.protocol = old
	}
	if key1 != "" && key2 != "" && len(key3) >= hixie.Key3Size {
		part1, _, err1 := hixie.Part(wire.Hixie76, "", key1)
		part2, _, err2 := hixie.Part(wire.Hixie76, "", key2)
		if err1 == nil && err2 == nil {
			d := hixie.Answer(part1, part2, key3)
			a.digest = d[:]
		}
	}
	return a, nil
}

// versionOf is the version of a request by the fields that it has.
func versionOf(number string, challenge, key bool) wire.Version {
	switch {
	case challenge:
		return wire.Hixie76
	case number == "7":
		return wire.Hybi07
	case number == "8":
		return wire.Hybi08
	case number != "" || key:
		return wire.RFC6455
	}
	return wire.Hixie75
}

// location is the URL of the page's WebSocket, as the hixie versions say it.
func (a *asked) location(secure bool) string {
	return hixie.Location(secure, ascii.ToLower(a.host), a.target)
}

// accept is the proof that a key needs.
func (a *asked) accept() string { return string(hybi.AppendAccept(nil, ascii.Trim(a.key))) }

// reading is one answer, as a browser reads it.
type reading struct {
	asked
	b      []byte
	secure bool
	ended  bool
	last   bool // nothing stands behind the head
	v      Verdict
}

// field is a field of the answer, as the browser has read it.
type field struct{ name, value string }

// get returns the value of the first field of a name.
func get(fields []field, name string) (value string, ok bool) {
	for _, f := range fields {
		if ascii.EqualFold(f.name, name) {
			return f.value, true
		}
	}
	return "", false
}

// joined returns the values of the fields of a name as one list.
func joined(fields []field, name string) (value string, ok bool) {
	var b strings.Builder
	for _, f := range fields {
		if !ascii.EqualFold(f.name, name) {
			continue
		}
		if ok {
			b.WriteString(", ")
		}
		b.WriteString(f.value)
		ok = true
	}
	return b.String(), ok
}

// count returns how many fields there are of a name.
func count(fields []field, name string) (n int) {
	for _, f := range fields {
		if ascii.EqualFold(f.name, name) {
			n++
		}
	}
	return n
}

// fail ends the reading at a rule. It returns false, as what reads on is not reached.
func (r *reading) fail(rule, message string) bool {
	r.v.Outcome, r.v.Rule, r.v.Message = Fails, rule, message
	return false
}

// mismatch ends the reading at a comparison.
func (r *reading) mismatch(rule, field, want, got, message string) bool {
	r.v.Field, r.v.Want, r.v.Got = field, want, got
	return r.fail(rule, message)
}

// more ends the reading where bytes are missing.
func (r *reading) more() bool {
	rule := ruleIncomplete
	if len(r.b) == 0 {
		rule = ruleNothing
	}
	r.v.Outcome, r.v.Rule = Waits, rule
	if r.ended {
		r.v.Outcome = Fails
	}
	return false
}
