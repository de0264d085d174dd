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
	Tolerated wire.Tolerances // the tolerances that were needed
}

// seen is what scan finds in one pass over the fields.
type seen struct {
	host                    field
	connection              int
	version, key            field // Sec-WebSocket-Version, -Key
	key1, key2, draft       field // Sec-WebSocket-Key1, -Key2, -Draft
	origin                  field // Origin
	length                  field // Content-Length
	transfer                int   // Transfer-Encoding
	upgradeOK, connectionOK bool
	control                 string // a field with a control character, whose value an answer repeats
}

// field is what scan finds of the fields of one name.
type field struct {
	value string // of the first
	n     uint8  // how many there are
	other bool   // a later one has another value
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

// repeated checks a field whose value an answer repeats, in some version. Control characters
// are not allowed in a value (RFC 9110 5.5): a program that reads the answer may take VT, FF
// or a separator for the end of a line, and what the client wrote behind it for a field of
// ours. Bytes from 80 on pass: HTTP gives them no meaning, no parser ends a line at one (NEL
// is 85 or C2 85), and a hixie client may compare the value with what it sent.
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
		if ascii.EqualFold(ascii.Trim(t), token) {
			return true
		}
	}
	return false
}

// IsAttempt reports whether a request asks for WebSocket, correctly or not: it names
// websocket in Upgrade, or has a WebSocket key or version. Any other request is ordinary
// HTTP.
func IsAttempt(r *wire.Request) bool {
	var s seen
	s.scan(r.Fields)
	return s.upgradeOK || s.marked()
}

func (s *seen) marked() bool { return s.version.n+s.key.n+s.key1.n+s.key2.n > 0 }

// Request decides which version the client speaks. enabled is the set of versions that the
// caller serves, tolerate the known faults that it accepts. A Host or a target that needed a
// tolerance is put right in r.
//
// The error is a *wire.HandshakeError with status and reason. Where the version is the cause
// the status is 426, and the error's fields list the versions in enabled.
func Request(r *wire.Request, enabled wire.Versions, tolerate wire.Tolerances) (Result, error) {
	d := decisions.Get().(*decision)
	d.enabled, d.tolerate = enabled, tolerate
	d.scan(r.Fields)
	err := d.decide(r)
	res := d.res
	*d = decision{}
	decisions.Put(d)
	return res, err
}

// decisions are pooled, as a decision is too large for the 2 KiB stack of a handshake.
var decisions = sync.Pool{New: func() any { return new(decision) }}

// decision is the state of Request.
type decision struct {
	seen
	enabled  wire.Versions
	tolerate wire.Tolerances
	res      Result
}

func (d *decision) refuse(reason wire.Reason, detail string, args ...any) *wire.HandshakeError {
	e := wire.NewHandshakeError(d.res.Version, reason, fmt.Sprintf(detail, args...))
	if list := d.enabled.HeaderValue(); list != "" && (e.Status == 426 || reason == wire.ReasonVersionMissing) {
		e.Fields = append(e.Fields, wire.Field{Name: "Sec-WebSocket-Version", Value: list})
	}
	return e
}

// refuseFault is refuse for a fault that a tolerance would have accepted.
func (d *decision) refuseFault(by wire.Tolerances, reason wire.Reason, detail string, args ...any) error {
	err := d.refuse(reason, detail, args...)
	err.Tolerance = by
	return err
}

// tolerates reports whether a fault is accepted, and notes that it was there.
func (d *decision) tolerates(t wire.Tolerances) bool {
	if !d.tolerate.Has(t) {
		return false
	}
	d.res.Tolerated |= t
	return true
}

func (d *decision) decide(r *wire.Request) error {
	// HTTP itself.
	if r.Method != "GET" {
		return d.refuse(wire.ReasonMethod, "method %s", r.Method)
	}
	if r.Proto == "HTTP/1.0" {
		if !d.tolerates(wire.TolerateHTTP10) {
			return d.refuseFault(wire.TolerateHTTP10, wire.ReasonHTTPVersion, "%s", r.Proto)
		}
	} else if r.Proto < "HTTP/1.1" || r.Proto >= "HTTP/2" {
		return d.refuse(wire.ReasonHTTPVersion, "%s", r.Proto)
	}
	if err := d.hostAndTarget(r); err != nil {
		return err
	}

	// Is it an upgrade to WebSocket? RFC 6455 4.2.1.
	if d.upgradeOK && !d.connectionOK && d.connection == 0 {
		d.connectionOK = d.tolerates(wire.TolerateNoConnection)
	}
	if !d.upgradeOK || !d.connectionOK {
		return d.notWebSocket()
	}

	if d.control != "" {
		return d.refuse(wire.ReasonHeadMalformed, "a control character in %s", d.control)
	}

	// Each field that tells the version stands once and is well formed. RFC 6455 11.3, 4.3.
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

	// HAProxy 3 in its relaxed mode adds a key to requests of the hixie versions.
	if d.key.n > 0 && d.version.n == 0 && d.tolerates(wire.TolerateInjectedKey) {
		d.key = field{}
	}

	hybi := d.version.n+d.key.n > 0
	challenge := d.key1.n+d.key2.n > 0
	if hybi && (challenge || d.draft.n > 0) {
		return d.refuse(wire.ReasonMixed, "")
	}
	switch {
	case hybi:
		return d.numbered()
	case challenge:
		return d.challenged()
	case d.draft.n > 0:
		return d.refuse(wire.ReasonDraftAlone, "")
	}

	// None of these fields: hixie-75.
	d.res.Version = wire.Hixie75
	if !d.enabled.Has(wire.Hixie75) {
		return d.refuse(wire.ReasonDisabled, "no WebSocket key, so hixie-75, which is not enabled")
	}
	if d.origin.n > 1 { // exactly one: hixie-75 4.1
		return d.refuse(wire.ReasonOriginConflict, "")
	}
	if d.origin.n == 0 && !d.tolerates(wire.TolerateNoOrigin) {
		return d.refuseFault(wire.TolerateNoOrigin, wire.ReasonNoOrigin, "")
	}
	if d.hasBody("0") {
		return d.refuse(wire.ReasonBody, "")
	}
	d.res.Rule = "no WebSocket key"
	return nil
}

// hostAndTarget checks where the request goes. What it tolerates it puts right in r.
func (d *decision) hostAndTarget(r *wire.Request) error {
	if d.host.n != 1 {
		return d.refuse(wire.ReasonHost, "%d Host fields", d.host.n)
	}
	if !httphead.IsAuthority(d.host.value) {
		if httphead.LooseHost(d.host.value) == "" {
			return d.refuse(wire.ReasonHost, "Host is %.80q", d.host.value)
		}
		if !d.tolerates(wire.TolerateLooseHost) {
			return d.refuseFault(wire.TolerateLooseHost, wire.ReasonHost, "Host is %.80q", d.host.value)
		}
		r.Fields.Set("Host", httphead.LooseHost(d.host.value))
	}
	// The target is a path or a URL: "*" and an authority are for other methods, and any
	// other beginning, appended to a host, makes another host (RFC 9112 3.2).
	if a, ok := r.Authority(); ok {
		if !httphead.IsAuthority(a) {
			return d.refuse(wire.ReasonHost, "the host of target %.80q", r.Target)
		}
		return nil
	}
	if strings.HasPrefix(r.Target, "/") {
		return nil
	}
	if r.Target == "*" {
		return d.refuse(wire.ReasonHeadMalformed, "target %.80q", r.Target)
	}
	if !d.tolerates(wire.TolerateRequestLine) {
		return d.refuseFault(wire.TolerateRequestLine, wire.ReasonHeadMalformed, "target %.80q", r.Target)
	}
	r.Target = "/" + r.Target
	return nil
}

// notWebSocket refuses a request that does not ask for an upgrade in the right way.
func (d *decision) notWebSocket() error {
	reason := wire.ReasonNotWebSocket
	if d.marked() {
		reason = wire.ReasonStrayHeader
	}
	if d.upgradeOK && d.connection == 0 {
		return d.refuseFault(wire.TolerateNoConnection, reason, "")
	}
	return d.refuse(reason, "")
}

// numbered decides a request with Sec-WebSocket-Key or -Version. RFC 6455 4.2.1, 4.2.2, 4.4.
func (d *decision) numbered() error {
	if d.version.n > 0 {
		v := wire.VersionByHeader(d.version.value)
		if v == wire.Unknown {
			draft := versionOfDraft(d.version.value)
			if draft == wire.Unknown {
				return d.refuse(wire.ReasonVersion, "Sec-WebSocket-Version is %s", d.version.value)
			}
			if !d.tolerates(wire.TolerateDraftNumber) {
				return d.refuseFault(wire.TolerateDraftNumber, wire.ReasonVersion, "Sec-WebSocket-Version is %s", d.version.value)
			}
			v = draft
		}
		d.res.Version = v
		if !d.enabled.Has(v) {
			return d.refuse(wire.ReasonDisabled, "%s is not enabled", v)
		}
		if d.key.n == 0 {
			return d.refuse(wire.ReasonKeyMissing, "")
		}
	} else {
		return d.refuseFault(wire.TolerateInjectedKey, wire.ReasonVersionMissing, "")
	}
	rule := &headerRules[d.res.Version]
	if k := d.key.value; k == "" || len(k) > maxKey {
		return d.refuse(wire.ReasonBadKey, "Sec-WebSocket-Key is %.80q", k)
	} else if rule.strictKey && !isKey(k) && !d.tolerates(wire.TolerateAnyKey) {
		return d.refuseFault(wire.TolerateAnyKey, wire.ReasonBadKey, "Sec-WebSocket-Key is %.80q", k)
	}
	if d.hasBody("0") {
		return d.refuse(wire.ReasonBody, "")
	}
	d.res.Rule = rule.text
	return nil
}

// versionOfDraft returns the version that a draft of hybi speaks whose number is no version:
// drafts 09 to 12 say 8, and drafts 14 to 17 say 13 (RFC 6455 4.4, and the drafts).
func versionOfDraft(number string) wire.Version {
	switch number {
	case "9", "10", "11", "12":
		return wire.Hybi08
	case "14", "15", "16", "17":
		return wire.RFC6455
	}
	return wire.Unknown
}

// headerRules holds, for each version, what a client that names it in
// Sec-WebSocket-Version is told and must keep to. It is computed from the table of
// versions once: Version.Info copies a row, and the stack of a handshake is short.
var headerRules = func() (rules [wire.RFC6455 + 1]headerRule) {
	for _, v := range wire.AllVersions.List() {
		info := v.Info()
		rules[v] = headerRule{text: "Sec-WebSocket-Version: " + info.HeaderValue, strictKey: info.StrictKey}
	}
	return rules
}()

type headerRule struct {
	text      string // Result.Rule
	strictKey bool   // wire.Info.StrictKey
}

// challenged decides a request with Sec-WebSocket-Key1 or -Key2 (hixie-76 5.2). The field
// Sec-WebSocket-Draft came with hybi-02.
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

// hasBody reports whether the request announces a body, in any way, other than one of the
// length due. Of two lengths that differ a proxy in front may use the other one, and the
// rest of the body would be frames (RFC 9112 6.3).
func (d *decision) hasBody(due string) bool {
	return d.transfer > 0 || d.length.other || d.length.n > 0 && d.length.value != "0" && d.length.value != due
}

// isNumber reports whether s is a number from 0 to 255 without sign or leading zero (RFC
// 6455 4.3).
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

// maxKey is longer than the key of any client of versions 4 to 8. Servers of the time
// accepted any key (npm ws 0.2 sends 15 bytes).
const maxKey = 80

// isKey reports whether s is 16 bytes in base64. The 22nd character need not be canonical
// (erratum 3150).
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
