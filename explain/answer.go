package explain

import (
	"bytes"
	"cmp"
	"crypto/md5"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/draftwire/draftwire/browsers"
	"github.com/draftwire/draftwire/inspect"
	"github.com/draftwire/draftwire/inspect/capture"
	"github.com/draftwire/draftwire/internal/hixie"
	"github.com/draftwire/draftwire/wire"
)

// went reports whether the client took the answer: it has sent frames.
func (t *talk) went() bool { return t.frames[capture.FromClient] > 0 }

// judgeAnswer looks at a 101 as the client does.
func (t *talk) judgeAnswer(answer *inspect.Event) *finding {
	if t.went() {
		return nil // whatever is wrong with it, the client did not mind
	}
	document := answer.Fault != "" || t.proof != nil && t.proof.Fault != ""
	if t.request == nil {
		return t.answerAlone(answer)
	}
	if f := t.proofMissing(answer, document); f != nil {
		return f
	}
	v := t.byBrowser(document)
	switch {
	case v != nil && v.Outcome != browsers.Opens:
		f := t.ofVerdict(v, answer)
		if document {
			f.sure = Certain
		} else {
			f.sure = max(f.sure, Probable)
			if t.cut() && t.frames[capture.FromServer] > 0 || !t.clientWent() && !t.cut() {
				f.sure = Possible
			}
		}
		return f
	case document:
		return t.ofDocument(answer)
	}
	if f := t.ofTolerated(answer); f != nil {
		return f
	}
	if location := answerLocation(answer); t.isHixie() && !t.secure() && hasPrefix(fieldOf(t.request, "Origin"), "https:") && hasPrefix(location, "ws:") && t.frames[capture.FromServer] == 0 {
		f := &finding{cause: "location-scheme", sure: Possible, detail: "the page is one of https; if its URL begins with wss, which --secure says, this one is wrong"}
		return f.line(answer, "Sec-WebSocket-Location")
	}
	return t.left(answer)
}

// answerLocation is the URL that an answer of hixie repeats.
func answerLocation(answer *inspect.Event) string {
	return cmp.Or(fieldOf(answer, "Sec-WebSocket-Location"), fieldOf(answer, "WebSocket-Location"))
}

// judgeAs looks at what the server has sent as the browser of the options does, whatever it is.
func (t *talk) judgeAs() *finding {
	as := t.e.o.As
	v, err := as.Check(t.exchange())
	switch {
	case err != nil:
		return &finding{result: Unclear, sure: Possible, detail: strings.TrimPrefix(err.Error(), "browsers: ")}
	case v.Outcome == browsers.Opens && t.accepted():
		return nil
	case v.Outcome == browsers.Opens:
		return &finding{result: Works, detail: as.Name + " opens, though others would not take this for an answer"}
	}
	answer := new(inspect.Event)
	if len(t.answers) > 0 {
		answer = t.answer()
	}
	f := t.ofVerdict(&v, answer)
	if status := statusOf(answer); f.cause == "not-upgraded" && status != 0 && status/100 != 1 {
		if other := t.refused(answer); other.cause != "" && other.cause != f.cause {
			f.cause, f.sure, f.detail = other.cause, other.sure, other.detail // why it is no 101
		}
	}
	return f
}

// proofMissing finds that the sixteen bytes of hixie-76 have not come.
func (t *talk) proofMissing(answer *inspect.Event, document bool) *finding {
	if !t.isHixie76() || t.proof != nil || document {
		return nil
	}
	switch {
	case t.challenge == nil:
		return (&finding{cause: "challenge-kept", sure: Probable, rule: "eight bytes follow the head", section: "hixie-76 5.2", detail: "the server has sent the head of its answer, and waits for them"}).line(t.request, "Sec-WebSocket-Key1")
	case bytes.Count(t.raw[capture.FromServer], []byte("HTTP/1.")) > 0:
		if f := t.headAlone(answer); f != nil {
			return f
		}
		f := (&finding{cause: "digest-missing", sure: Probable, rule: "sixteen bytes follow the head", section: "hixie-76 5.2"}).line(answer, "")
		if t.cut() {
			f.sure = Possible
		}
		return f
	}
	return nil
}

// headAlone finds what is wrong with the head of an answer whose sixteen bytes were not waited for.
func (t *talk) headAlone(answer *inspect.Event) *finding {
	part1, _, err1 := hixie.Part(wire.Hixie76, "", rawField(t.request, "Sec-WebSocket-Key1"))
	part2, _, err2 := hixie.Part(wire.Hixie76, "", rawField(t.request, "Sec-WebSocket-Key2"))
	b, known := t.browser()
	if err1 != nil || err2 != nil || !t.clientWent() {
		return nil
	}
	proof := hixie.Answer(part1, part2, t.challenge.Bytes)
	x := t.exchange()
	x.Response = append(bytes.Clone(x.Response), proof[:]...)
	v, err := b.Check(x)
	if err != nil || v.Outcome == browsers.Opens {
		return nil
	}
	f := t.ofVerdict(&v, answer)
	f.sure = max(f.sure, Probable)
	if !known {
		f.sure = Possible
	}
	return f
}

// byBrowser is what the client makes of the answer, as far as it is known who that is: by its
// User-Agent; otherwise a client of that version which is known well.
func (t *talk) byBrowser(document bool) *browsers.Verdict {
	x := t.exchange()
	b, known := t.browser()
	if v, err := b.Check(x); err == nil && v.Outcome != browsers.Opens {
		if !known && !document {
			v.Mark = max(v.Mark, browsers.Told) // nobody says that it is this one
		}
		return &v
	}
	if !document {
		return nil
	}
	for _, b := range browsers.Of(t.requestVersion()) { // another one may see what the document has
		if v, err := b.Check(x); err == nil && v.Outcome != browsers.Opens {
			return &v
		}
	}
	return nil
}

// agents are marks in the field User-Agent, and the browser that each is of; a number follows
// those that end in /.
var agents = []struct {
	marks   []string
	browser string
}{
	{[]string{"PhantomJS/1."}, "phantomjs1.9"}, {[]string{"PhantomJS/2."}, "phantomjs2.1"}, {[]string{"Edg/"}, "chrome"},
	{[]string{"Chrome/"}, "chrome"}, {[]string{"Firefox/"}, "firefox"}, {[]string{"MSIE 10."}, "ie10"}, {[]string{"Trident/7"}, "ie10"},
	{[]string{"CPU OS 4_", "AppleWebKit/"}, "ios4"}, {[]string{"CPU OS 5_", "AppleWebKit/"}, "ios5"}, {[]string{"iPhone OS 4_", "AppleWebKit/"}, "ios4"}, {[]string{"iPhone OS 5_", "AppleWebKit/"}, "ios5"},
	{[]string{"Version/5.0 ", "Safari/"}, "safari5.0"}, {[]string{"Version/5.0", "Safari/"}, "safari5.0.1"}, {[]string{"Version/5.1", "Safari/"}, "safari5.1"},
}

// ofVersionOnly are the clients that stand for a version, where nothing else tells.
var ofVersionOnly = map[wire.Version]string{
	wire.Hixie75: "chrome4", wire.Hixie76: "phantomjs1.9", wire.Hybi07: "firefox6", wire.Hybi08: "chrome14", wire.RFC6455: "ie10",
}

// browser is the browser that a request is of; known is false where only its version tells.
func (t *talk) browser() (b browsers.Browser, known bool) {
	agent, version := fieldOf(t.request, "User-Agent"), t.requestVersion()
	for _, a := range agents {
		rest, ok := agent, true
		for _, mark := range a.marks {
			if _, rest, ok = strings.Cut(rest, mark); !ok {
				break
			}
		}
		if !ok {
			continue
		}
		name := a.browser
		if mark := a.marks[0]; len(a.marks) == 1 && name+"/" == lower(mark) {
			name += rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789"))]
		}
		if b, err := browsers.Find(name); err == nil && b.Version == version {
			return b, true
		}
	}
	name := ofVersionOnly[version]
	if version == wire.RFC6455 && oldWebKit(agent) {
		name = "phantomjs2.1"
	}
	b, _ = browsers.Find(name)
	return b, false
}

// oldWebKit reports whether a User-Agent is of WebKit before 2016, which parses answers itself.
func oldWebKit(agent string) bool {
	_, rest, ok := strings.Cut(agent, "AppleWebKit/")
	return ok && len(rest) > 3 && rest[3] == '.' && rest[:3] < "602" && !strings.Contains(agent, "Chrome/")
}

// answerAlone looks at a 101 whose request is not there.
func (t *talk) answerAlone(answer *inspect.Event) *finding {
	if n := firstNote(answer); n != nil {
		f := &finding{cause: causeOfAnswer(n), sure: Probable}
		return f.note(answer, n)
	}
	if t.frames[capture.FromServer] > 0 {
		return nil
	}
	return &finding{result: Unclear, sure: Possible, detail: "the answer is a 101, and its request is not in the input"}
}

// ofDocument is the cause of a fault that the inspector has found, and no browser knows.
func (t *talk) ofDocument(answer *inspect.Event) *finding {
	if n := firstNote(answer); n != nil {
		f := &finding{cause: causeOfAnswer(n), sure: Certain}
		f.note(answer, n)
		if f.cause == "backend-refused" || f.cause == "rule-broken" {
			f.cause = "rule-broken"
			t.refineDocument(f, answer)
		}
		return f
	}
	f := &finding{cause: "digest-mismatch", sure: Certain}
	if n := firstNote(t.proof); n != nil {
		f.note(t.proof, n)
	}
	f.detail = t.digestKind()
	return f
}

// refineDocument finds which rule of an answer is broken, where its version is one that no browser
// has spoken: hybi-02 is hixie-76 with a field more, and hybi-04 to hybi-06 are as RFC 6455.
func (t *talk) refineDocument(f *finding, answer *inspect.Event) {
	if name, _, ok := strings.Cut(f.text, ":"); ok && len(fieldsOf(answer, name)) > 1 {
		f.cause = "field-twice"
		return
	}
	name, x := "chrome", t.exchange()
	switch t.requestVersion() {
	case wire.Hybi02:
		name, x.Request = "firefox4", draftField.ReplaceAll(x.Request, nil)
	case wire.Hybi04, wire.Hybi05, wire.Hybi06:
		x.Request = versionField.ReplaceAll(x.Request, []byte("${1}13"))
	default:
		return
	}
	b, err := browsers.Find(name)
	if err != nil {
		return
	}
	v, err := b.Check(x)
	if err != nil || v.Outcome == browsers.Opens {
		return
	}
	named := t.ofVerdict(&v, answer)
	f.cause, f.text = named.cause, named.text
	f.from, f.offset = named.from, named.offset
}

var (
	draftField   = regexp.MustCompile(`(?i)\r\nSec-WebSocket-Draft:[^\r\n]*`)
	versionField = regexp.MustCompile(`(?i)(\r\nSec-WebSocket-Version:\s*)[0-9]+`)
)

// causeOfAnswer is the cause that a note of an answer names.
func causeOfAnswer(n *inspect.Note) string {
	switch cause := causeOfNote(n); cause {
	case "head-too-large":
		return "answer-long"
	case "bad-head":
		return "field-syntax"
	default:
		return cause
	}
}

// ofTolerated is the cause of a fault that draftwire would read past, and others would not.
func (t *talk) ofTolerated(answer *inspect.Event) *finding {
	n := firstNote(answer)
	if n == nil || t.frames[capture.FromServer] > 0 && !t.clientWent() {
		return nil
	}
	f := &finding{cause: causeOfAnswer(n), sure: Probable}
	if !t.clientWent() && !t.reset() {
		f.sure = Possible
	}
	return f.note(answer, n)
}

// left looks at a client that leaves without a frame, though nothing is wrong for a browser.
func (t *talk) left(answer *inspect.Event) *finding {
	if !t.clientWent() || t.data[capture.FromServer] > 0 {
		return nil
	}
	for _, ev := range t.broken {
		if ev.From == "server" {
			return nil // that is why
		}
	}
	if name := respelled(answer); name != "" {
		return (&finding{cause: "respelled-fields", sure: Possible, detail: "those of the answer"}).line(answer, name)
	}
	if list := fieldsOf(answer, "Connection"); hasWord(list, "upgrade") && strings.Contains(strings.Join(list, ","), ",") {
		return (&finding{cause: "connection-list", sure: Possible}).line(answer, "Connection")
	}
	if t.request != nil && fieldOf(t.request, "Sec-WebSocket-Protocol") != "" && !hasField(answer, "Sec-WebSocket-Protocol") {
		return (&finding{cause: "protocol-missing", sure: Possible}).line(t.request, "Sec-WebSocket-Protocol")
	}
	return (&finding{cause: "left-at-once", sure: Possible}).line(answer, "")
}

// respelled is the first field of a head that has other letters than in the document.
func respelled(ev *inspect.Event) string {
	for i := 0; ev != nil && i < len(ev.Lines); i++ {
		if name := ev.Lines[i].Name; hasPrefix(lower(name), "sec-websocket-") && !hasPrefix(name, "Sec-WebSocket-") {
			return name
		}
	}
	return ""
}

// ofVerdict is the cause that the comparison of a browser names.
func (t *talk) ofVerdict(v *browsers.Verdict, answer *inspect.Event) *finding {
	f := &finding{cause: causeOfRule(v.Rule), browser: v, rule: v.Says, sure: map[browsers.Mark]Sure{browsers.Run: Certain, browsers.Read: Probable}[v.Mark]}
	if v.Mark > browsers.Read {
		f.sure = Possible
	}
	f.line(answer, v.Field)
	if v.Field == "" && v.Rule == "digest-mismatch" && t.proof != nil {
		f.offset, f.text = t.proof.Offset, "the sixteen bytes"
	}
	f.detail = v.String()
	t.refineVerdict(f, v)
	return f
}

// causeOfRule is the cause of a comparison that a browser makes.
func causeOfRule(rule string) string {
	if other, ok := ofRule[rule]; ok {
		return other
	}
	return rule
}

// refineVerdict finds the kind of a mismatch more exactly.
func (t *talk) refineVerdict(f *finding, v *browsers.Verdict) {
	switch v.Rule {
	case "location-mismatch":
		f.cause = locationKind(v.Want, v.Got)
		if f.cause != "location-path" {
			f.cures = []Cure{{"gateway.yaml", "listen: public_url: " + publicOf(v.Want), "the URL that the client compares"}}
		}
	case "protocol-mismatch", "protocol-missing":
		switch {
		case v.Got == "":
			f.cause = "protocol-missing"
			if v.Rule == "protocol-mismatch" && hasField(t.answers[len(t.answers)-1], "Sec-WebSocket-Protocol") {
				f.cause = "protocol-mismatch"
			}
		case hasWord([]string{strings.ReplaceAll(v.Want, " ", ",")}, v.Got) && t.isHixie():
			f.cause = "protocol-part"
		}
	case "connection-value":
		if hasWord([]string{v.Got}, "upgrade") {
			f.cause = "connection-list"
		}
	case "field-syntax", "status-line":
		switch {
		case strings.Contains(v.Message, "UTF-8 sequence in header value") && v.Got == "":
			f.cause = "empty-field"
		case strings.Contains(v.Message, "LF") && lfOnly(t.raw[capture.FromServer]):
			f.cause = "line-ends"
		}
	case "status-code":
		if hasPrefix(v.Got, "10") {
			f.cause = "continue-first"
		}
	case "accept-mismatch":
		if kind := acceptKind(fieldOf(t.request, "Sec-WebSocket-Key"), v.Got); kind != "" {
			f.cause, f.detail = "accept-miscounted", kind
		}
	case "digest-mismatch":
		if kind := t.digestKind(); kind != "" {
			f.detail = kind
			if strings.Contains(kind, "eight bytes") && strings.Contains(kind, "without") {
				f.cause = "digest-without-challenge"
			}
		}
	case "incomplete", "no-answer":
		f.cause = "digest-missing"
		if !t.isHixie76() {
			f.cause = "status-line"
			f.detail = "the head of the answer never ends"
		}
	}
}

// lfOnly reports whether bytes have a line that ends in LF alone, before the first blank line.
func lfOnly(p []byte) bool {
	head, _, _ := bytes.Cut(p, []byte("\r\n\r\n"))
	for i, c := range head {
		if c == '\n' && (i == 0 || head[i-1] != '\r') {
			return true
		}
	}
	return false
}

// locationKind is the first part in which two URLs differ.
func locationKind(want, got string) string {
	a, err1 := url.Parse(want)
	b, err2 := url.Parse(got)
	switch {
	case err1 != nil || err2 != nil || b.Scheme == "":
		return "location-path"
	case a.Scheme != b.Scheme && (b.Scheme == "ws" || b.Scheme == "wss"):
		return "location-scheme"
	case a.Scheme != b.Scheme || a.Host != b.Host:
		return "location-host"
	}
	return "location-path"
}

// publicOf is a URL without its path.
func publicOf(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return "wss://HOST"
	}
	return u.Scheme + "://" + u.Host
}

const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// wrongGUIDs are those that stand in programs in place of the right one.
var wrongGUIDs = []string{
	"258EAFA5-E914-47DA-95CA-5AB0DC85B11F", "258EAFA5-E914-47DA-95CA-5AB9DC11B5AB", "258EAFA5-E914-47DA-95CA-5AB9DC11B85B", "258EAFA5-E914-47DA-95CA-5AB53ADF711E",
	"258EAFA5-E914-47DA-95CA-5AB5DC11CE56", "258EAFA5-E914-47DA-95CA-C5AB0DC85B1", "258EAFA5-E914-47DA-95CA-C5AB0DC85B11\r\n", "258EAFA5-E914-47DA-95CA-C5AB0DC85B11\n", "258EAFA5-E914-47DA-95CA-C5AB0DC85B11\x00",
}

// acceptKind is how a server has miscounted the proof; "" where that is not found.
func acceptKind(key, got string) string {
	sum := func(p string) string {
		d := sha1.Sum([]byte(p))
		return base64.StdEncoding.EncodeToString(d[:])
	}
	right := sha1.Sum([]byte(key + guid))
	decoded, _ := base64.StdEncoding.DecodeString(key)
	md := md5.Sum([]byte(key + guid))
	for _, x := range []struct{ kind, value string }{
		{"it is the key itself", key},
		{"it is hashed from the decoded key, not from its text", sum(string(decoded) + guid)},
		{"it is the hash in hexadecimal digits, not in base64", hex.EncodeToString(right[:])},
		{"it is base64 of the hash in hexadecimal digits", base64.StdEncoding.EncodeToString([]byte(hex.EncodeToString(right[:])))},
		{"a line end is hashed with the key", sum(key + "\r\n" + guid)},
		{"a blank is hashed with the key", sum(" " + key + guid)},
		{"a CR is hashed with the key", sum(key + "\r" + guid)},
		{"an LF is hashed with the key", sum(key + "\n" + guid)},
		{"the GUID is hashed in small letters", sum(key + lower(guid))},
		{"the GUID is left out", sum(key)},
		{"the key is left out", sum(guid)},
		{"the GUID stands before the key", sum(guid + key)},
		{"it is MD5, not SHA-1", base64.StdEncoding.EncodeToString(md[:])},
		{"base64 of URLs is used", base64.URLEncoding.EncodeToString(right[:])},
		{"the padding is left out", strings.TrimRight(sum(key+guid), "=")},
		{"it is in small letters", lower(sum(key + guid))},
		{"its key lacks the padding", sum(strings.TrimRight(key, "=") + guid)},
	} {
		if key != "" && got == x.value && got != sum(key+guid) {
			return x.kind
		}
	}
	for _, wrong := range wrongGUIDs {
		if key != "" && got == sum(key+wrong) {
			return "the GUID is written wrong: " + wrong
		}
	}
	return ""
}

// digestKind is how a server has miscounted the sixteen bytes; "" where that is not found.
func (t *talk) digestKind() string {
	if t.proof == nil || t.request == nil {
		return ""
	}
	part1, _, err1 := hixie.Part(wire.Hixie76, "", rawField(t.request, "Sec-WebSocket-Key1"))
	part2, _, err2 := hixie.Part(wire.Hixie76, "", rawField(t.request, "Sec-WebSocket-Key2"))
	if err1 != nil || err2 != nil {
		return ""
	}
	got := string(t.proof.Bytes)
	parts := func(a, b uint32) []byte {
		return []byte{byte(a >> 24), byte(a >> 16), byte(a >> 8), byte(a), byte(b >> 24), byte(b >> 16), byte(b >> 8), byte(b)}
	}
	is := func(p []byte) bool { d := md5.Sum(p); return string(d[:]) == got }
	zero := make([]byte, hixie.Key3Size)
	switch {
	case is(append(parts(part1, part2), zero...)), is(parts(part1, part2)):
		return "they are computed without the eight bytes"
	case t.challenge == nil:
		return ""
	}
	var text []rune
	for _, c := range t.challenge.Bytes {
		text = append(text, rune(c))
	}
	key3 := t.challenge.Bytes
	switch {
	case is(append(parts(part1, part2), string(text)...)):
		return "the eight bytes are hashed as text, in UTF-8"
	case is(append(parts(part2, part1), key3...)):
		return "the two keys are swapped"
	case is(append(parts(0, 0), key3...)), is(key3):
		return "the two keys are left out"
	case got == fmt.Sprintf("%x", md5.Sum(append(parts(part1, part2), key3...)))[:16]:
		return "they are in hexadecimal digits"
	}
	return ""
}
