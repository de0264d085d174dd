package detect

import (
	"fmt"
	"strings"
	"sync"

	"github.com/draftwire/draftwire/internal/ascii"
	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/wire"
)

// Result is what Request found.
type Result struct {
	Version   wire.Version
	Rule      string          // why, in a few words
	Body      int             // bytes that follow the head before any frame: 8 for hixie-76
	Tolerated wire.Tolerances // the tolerances it took to get here
}

// seen is what one pass over the fields finds.
type seen struct {
	host                    field
	upgrade, connection     int
	version, key            field // Sec-WebSocket-Version, -Key
	key1, key2, draft       field // Sec-WebSocket-Key1, -Key2, -Draft
	origin, secOrigin       field // Origin, Sec-WebSocket-Origin
	length                  field // Content-Length
	transfer                int   // Transfer-Encoding
	upgradeOK, connectionOK bool
	control                 string // a field that an answer repeats and that has a control character
}

type field struct {
	value string // of the first
	n     uint8
	other bool // a later one had another value
}

func (f *field) add(v string) {
	if f.n++; f.n == 1 {
		f.value = v
	} else if v != f.value {
		f.other = true
	}
}

func (s *seen) scan(fields wire.Fields) {
	for i := range fields {
		name, v := fields[i].Name, fields[i].Value
		switch len(name) {
		case 4:
			if ascii.EqualFold(name, "Host") {
				s.host.add(v)
			}
		case 6:
			if ascii.EqualFold(name, "Origin") {
				s.origin.add(v)
				s.repeated(name, v)
			}
		case 7:
			if ascii.EqualFold(name, "Upgrade") {
				s.upgrade++
				s.upgradeOK = s.upgradeOK || hasToken(v, "websocket")
			}
		case 10:
			if ascii.EqualFold(name, "Connection") {
				s.connection++
				s.connectionOK = s.connectionOK || hasToken(v, "upgrade")
			}
		case 14:
			if ascii.EqualFold(name, "Content-Length") {
				s.length.add(v)
			}
		case 17:
			if ascii.EqualFold(name, "Sec-WebSocket-Key") {
				s.key.add(v)
			} else if ascii.EqualFold(name, "Transfer-Encoding") {
				s.transfer++
			}
		case 18:
			if ascii.EqualFold(name, "Sec-WebSocket-Key1") {
				s.key1.add(v)
			} else if ascii.EqualFold(name, "Sec-WebSocket-Key2") {
				s.key2.add(v)
			} else if ascii.EqualFold(name, "WebSocket-Protocol") {
				s.repeated(name, v)
			}
		case 19:
			if ascii.EqualFold(name, "Sec-WebSocket-Draft") {
				s.draft.add(v)
			}
		case 20:
			if ascii.EqualFold(name, "Sec-WebSocket-Origin") {
				s.secOrigin.add(v)
				s.repeated(name, v)
			}
		case 21:
			if ascii.EqualFold(name, "Sec-WebSocket-Version") {
				s.version.add(v)
			}
		case 22:
			if ascii.EqualFold(name, "Sec-WebSocket-Protocol") {
				s.repeated(name, v)
			}
		}
	}
}

// repeated looks at a field whose value an answer repeats, in some version. Control
// characters are no part of a value (RFC 9110 5.5), and whoever reads the answer may
// take VT, FF or a separator for the end of a line, and so the client's words for a
// field of ours. Bytes from 80 on pass: HTTP gives them no meaning, no parser of it ends
// a line at one (NEL is 85 or C2 85), and a hixie client may compare with what it sent.
func (s *seen) repeated(name, v string) {
	for i := range len(v) {
		if c := v[i]; c < ' ' && c != '\t' || c == 0x7F {
			s.control = name
			return
		}
	}
}

func hasToken(list, token string) bool {
	for t := range strings.SplitSeq(list, ",") {
		if ascii.EqualFold(strings.Trim(t, " \t"), token) {
			return true
		}
	}
	return false
}

// IsAttempt reports whether a request asks for WebSocket in any way, well or
// badly: it names websocket in Upgrade, or has a WebSocket key or version.
// What is no attempt is ordinary HTTP.
func IsAttempt(r *wire.Request) bool {
	var s seen
	s.scan(r.Fields)
	return s.upgradeOK || s.marked()
}

func (s *seen) marked() bool { return s.version.n+s.key.n+s.key1.n+s.key2.n > 0 }

// Request decides which version the client speaks. enabled is the set of
// versions that the caller serves, tolerate the known faults to accept.
//
// The error is a *wire.HandshakeError with status and reason; where the version
// is the cause the status is 426 and the error's fields list what is served.
func Request(r *wire.Request, enabled wire.Versions, tolerate wire.Tolerances) (Result, error) {
	d := decisions.Get().(*decision)
	d.enabled = enabled
	d.scan(r.Fields)
	err := d.decide(r, tolerate)
	res := d.res
	*d = decision{}
	decisions.Put(d)
	return res, err
}

// decisions are used again: one is large for the short stack of a handshake.
var decisions = sync.Pool{New: func() any { return new(decision) }}

// decision is what is known on the way to a Result.
type decision struct {
	seen
	enabled wire.Versions
	res     Result
}

func (d *decision) refuse(reason wire.Reason, detail string, args ...any) error {
	e := wire.Refuse(d.res.Version, reason, fmt.Sprintf(detail, args...))
	if list := d.enabled.Header(); list != "" && (e.Status == 426 || reason == wire.ReasonVersionMissing) {
		e.Fields = append(e.Fields, wire.Field{Name: "Sec-WebSocket-Version", Value: list})
	}
	return e
}

func (d *decision) decide(r *wire.Request, tolerate wire.Tolerances) error {
	// HTTP itself.
	if r.Method != "GET" {
		return d.refuse(wire.ReasonMethod, "method %s", r.Method)
	}
	if r.Proto < "HTTP/1.1" || r.Proto >= "HTTP/2" {
		return d.refuse(wire.ReasonHTTPVersion, "%s", r.Proto)
	}
	if d.host.n != 1 {
		return d.refuse(wire.ReasonHost, "%d Host fields", d.host.n)
	}
	if !httphead.IsAuthority(d.host.value) {
		return d.refuse(wire.ReasonHost, "Host is %.80q", d.host.value)
	}

	// A path, or a whole URL: "*" and an authority are for other methods, and what begins in
	// another way, put behind a host, makes another host (RFC 9112 3.2).
	if !strings.HasPrefix(r.Path(), "/") {
		return d.refuse(wire.ReasonHeadMalformed, "target %.80q", r.Target)
	}

	// Is it an upgrade to WebSocket? RFC 6455 4.2.1.
	if d.upgradeOK && !d.connectionOK && d.connection == 0 && tolerate.Has(wire.TolerateNoConnection) {
		d.connectionOK = true
		d.res.Tolerated |= wire.TolerateNoConnection
	}
	if !d.upgradeOK || !d.connectionOK {
		if d.marked() {
			return d.refuse(wire.ReasonStrayHeader, "")
		}
		return d.refuse(wire.ReasonNotWebSocket, "")
	}

	if d.control != "" {
		return d.refuse(wire.ReasonHeadMalformed, "a control character in %s", d.control)
	}

	// Each clue stands once and is well formed. RFC 6455 11.3, 4.3.
	for _, f := range []*field{&d.version, &d.key, &d.key1, &d.key2, &d.draft} {
		if f.n > 1 {
			return d.refuse(wire.ReasonDuplicate, "value %.40q, then another", f.value)
		}
	}
	if d.version.n > 0 && !isNumber(d.version.value) {
		return d.refuse(wire.ReasonBadVersion, "Sec-WebSocket-Version is %.40q", d.version.value)
	}
	if d.draft.n > 0 && !isNumber(d.draft.value) {
		return d.refuse(wire.ReasonBadDraft, "Sec-WebSocket-Draft is %.40q", d.draft.value)
	}

	// HAProxy 3 adds a key to hixie requests in its relaxed mode.
	if d.key.n > 0 && d.version.n == 0 && tolerate.Has(wire.TolerateInjectedKey) {
		d.key = field{}
		d.res.Tolerated |= wire.TolerateInjectedKey
	}

	hybi := d.version.n+d.key.n > 0
	challenge := d.key1.n+d.key2.n > 0
	if hybi && (challenge || d.draft.n > 0) {
		return d.refuse(wire.ReasonMixed, "")
	}
	if d.origin.other || d.secOrigin.other || d.origin.n > 0 && d.secOrigin.n > 0 && d.origin.value != d.secOrigin.value {
		return d.refuse(wire.ReasonOriginConflict, "")
	}
	switch {
	case hybi:
		return d.numbered()
	case challenge:
		return d.challenged()
	case d.draft.n > 0:
		return d.refuse(wire.ReasonDraftAlone, "")
	}

	// No clue at all: hixie-75.
	d.res.Version = wire.Hixie75
	if !d.enabled.Has(wire.Hixie75) {
		return d.refuse(wire.ReasonDisabled, "no WebSocket key, so hixie-75, which is not enabled")
	}
	if d.origin.n > 1 { // exactly one: hixie-75 4.1
		return d.refuse(wire.ReasonOriginConflict, "")
	}
	if d.origin.n == 0 {
		if !tolerate.Has(wire.TolerateNoOrigin) {
			return d.refuse(wire.ReasonNoOrigin, "")
		}
		d.res.Tolerated |= wire.TolerateNoOrigin
	}
	if d.hasBody("0") {
		return d.refuse(wire.ReasonBody, "")
	}
	d.res.Rule = "no WebSocket key"
	return nil
}

// numbered: Sec-WebSocket-Key or -Version is there. RFC 6455 4.2.1, 4.2.2, 4.4.
func (d *decision) numbered() error {
	if d.version.n > 0 {
		v := wire.ByHeader(d.version.value)
		if v == wire.Unknown {
			return d.refuse(wire.ReasonVersion, "Sec-WebSocket-Version is %s", d.version.value)
		}
		d.res.Version = v
		if !d.enabled.Has(v) {
			return d.refuse(wire.ReasonDisabled, "%s is not enabled", v)
		}
		if d.key.n == 0 {
			return d.refuse(wire.ReasonKeyMissing, "")
		}
	} else {
		return d.refuse(wire.ReasonVersionMissing, "")
	}
	if k := d.key.value; k == "" || len(k) > maxKey || d.res.Version == wire.RFC6455 && !isKey(k) {
		return d.refuse(wire.ReasonBadKey, "Sec-WebSocket-Key is %.80q", k)
	}
	if d.hasBody("0") {
		return d.refuse(wire.ReasonBody, "")
	}
	d.res.Rule = versionRules[d.res.Version]
	return nil
}

// versionRules are the rules of the versions with a number.
var versionRules = func() (rules [wire.RFC6455 + 1]string) {
	for _, v := range wire.Every.List() {
		rules[v] = "Sec-WebSocket-Version: " + v.Info().Header
	}
	return rules
}()

// challenged: Sec-WebSocket-Key1 or -Key2 is there. hixie-76 5.2; the
// Sec-WebSocket-Draft field came with hybi-02.
func (d *decision) challenged() error {
	if d.key1.n == 0 || d.key2.n == 0 {
		return d.refuse(wire.ReasonHalfChallenge, "")
	}
	d.res.Version, d.res.Rule, d.res.Body = wire.Hixie76, "Sec-WebSocket-Key1 and -Key2", 8
	switch d.draft.value {
	case "", "0", "76":
	case "1", "2", "3":
		d.res.Version, d.res.Rule = wire.Hybi02, "Sec-WebSocket-Key1, -Key2 and Sec-WebSocket-Draft: "+d.draft.value
	default:
		return d.refuse(wire.ReasonBadDraft, "Sec-WebSocket-Draft is %s", d.draft.value)
	}
	if !d.enabled.Has(d.res.Version) {
		return d.refuse(wire.ReasonDisabled, "%s is not enabled", d.res.Version)
	}
	if d.hasBody("8") { // some clients announce the eight bytes
		return d.refuse(wire.ReasonBody, "Content-Length is %.20q", d.length.value)
	}
	return nil
}

// hasBody reports whether a body other than what is due is announced, in whatever way: a
// proxy in front may take another of two lengths that differ, and the rest of the body
// would be frames (RFC 9112 6.3).
func (d *decision) hasBody(due string) bool {
	return d.transfer > 0 || d.length.other || d.length.n > 0 && d.length.value != "0" && d.length.value != due
}

// isNumber: 0 to 255 without sign or leading zero (RFC 6455 4.3).
func isNumber(s string) bool {
	if len(s) == 0 || len(s) > 3 || len(s) > 1 && s[0] == '0' {
		return false
	}
	n := 0
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n <= 255
}

// maxKey is more than any client of versions 4 to 8 sends; servers of the time
// took any key (npm ws 0.2 sends 15 bytes).
const maxKey = 80

// isKey: 16 bytes in base64. The 22nd character need not be canonical (erratum
// 3150).
func isKey(s string) bool {
	if len(s) != 24 || s[22:] != "==" {
		return false
	}
	for i := range 22 {
		c := s[i]
		if !('A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '+' || c == '/') {
			return false
		}
	}
	return true
}
