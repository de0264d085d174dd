package inspect

import (
	"strings"

	"github.com/draftwire/draftwire/internal/ascii"
	"github.com/draftwire/draftwire/internal/hixie"
	"github.com/draftwire/draftwire/wire"
)

// fieldRule says what a field is for in some versions. It judges nothing: whether the rule is
// kept is found by the code that keeps it, in package detect and in the packages of the drafts.
type fieldRule struct {
	name    string
	of      wire.Versions
	judged  bool // that code looks at the field
	text    string
	section func(*chapters) string // nil: that of the head
}

// Sets of versions.
const (
	hixies     = wire.Versions(1<<wire.Hixie75 | 1<<wire.Hixie76)
	challenges = wire.Versions(1<<wire.Hixie76 | 1<<wire.Hybi02)
	keyless    = hixies | challenges
	keyed      = wire.AllVersions &^ keyless
	drafted    = keyed &^ (1 << wire.RFC6455)
	nonced     = wire.Versions(1<<wire.Hybi04 | 1<<wire.Hybi05)
)

var requestRules = []fieldRule{
	{"Host", wire.AllVersions, true, "once, the host and the port that are asked", nil},
	{"Upgrade", keyless, true, "WebSocket, as clients of these versions write it; servers take any case", nil},
	{"Upgrade", keyed, true, "websocket, in any case", nil},
	{"Connection", keyless, true, "Upgrade", nil},
	{"Connection", keyed, true, "Upgrade, alone or in a list", nil},
	{"Origin", keyless, true, "the page that connects; the answer repeats it in lower case", nil},
	{"Origin", 1 << wire.RFC6455, true, "the page that connects; browsers have to send it", nil},
	{"Origin", 1 << wire.Hybi08, true, "the page that connects, by the name of drafts 11 and 12", nil},
	{"Origin", keyed &^ (1<<wire.RFC6455 | 1<<wire.Hybi08), false, "not the field of this version, which is Sec-WebSocket-Origin", nil},
	{"Sec-WebSocket-Origin", drafted, true, "the page that connects", nil},
	{"Sec-WebSocket-Origin", 1 << wire.RFC6455, false, "the name that the field had in hybi-04 to hybi-10", nil},
	{"WebSocket-Protocol", 1 << wire.Hixie75, true, "one subprotocol, which the answer has to repeat", nil},
	{"WebSocket-Protocol", 1 << wire.Hixie76, false, "the name of hixie-75, which Flash builds of 2010 kept", nil},
	{"Sec-WebSocket-Protocol", 1 << wire.Hixie75, false, "not the field of this version, which is WebSocket-Protocol", nil},
	{"Sec-WebSocket-Protocol", 1 << wire.Hixie76, true, "one subprotocol, spaces and all, which the answer has to repeat", nil},
	{"Sec-WebSocket-Protocol", 1 << wire.Hybi02, true, "subprotocols, divided by spaces; the answer has one of them, or none", nil},
	{"Sec-WebSocket-Protocol", keyed, true, "subprotocols, best first; the answer has one of them, or none", nil},
	{"Sec-WebSocket-Draft", 1 << wire.Hybi02, true, "the number of the draft; hybi-02 and hybi-03 say 2", nil},
	{"Sec-WebSocket-Draft", 1 << wire.Hixie76, true, "0 or 76, which is hixie-76", nil},
	{"Sec-WebSocket-Key1", challenges, true, "hides a number: its digits, divided by the number of its spaces, without a remainder", judging},
	{"Sec-WebSocket-Key2", challenges, true, "hides a number: its digits, divided by the number of its spaces, without a remainder", judging},
	{"Sec-WebSocket-Key", 1 << wire.RFC6455, true, "16 random bytes in base64", nil},
	{"Sec-WebSocket-Key", drafted, true, "16 random bytes in base64; servers of the time took any text", nil},
	{"Sec-WebSocket-Version", keyed, true, "the number of the version", nil},
	{"Sec-WebSocket-Extensions", keyed, false, "extensions that the client offers", nil},
	{"Sec-WebSocket-Extensions", keyless, false, "there are no extensions in this version", nil},
	{"Content-Length", challenges, true, "8 or none: the eight bytes are not announced", judging},
}

var responseRules = []fieldRule{
	{"Upgrade", 1 << wire.Hixie75, true, "WebSocket, in the second line: the first three lines are compared byte by byte", checking},
	{"Connection", 1 << wire.Hixie75, true, "Upgrade, in the third line: the first three lines are compared byte by byte", checking},
	{"Upgrade", challenges, true, "once, WebSocket in this spelling", checking},
	{"Connection", challenges, true, "once, Upgrade alone", checking},
	{"Upgrade", keyed, true, "once, websocket in any case", checking},
	{"Connection", keyed, true, "Upgrade, alone or in a list", checking},
	{"WebSocket-Origin", 1 << wire.Hixie75, true, "the request's Origin, in lower case", checking},
	{"WebSocket-Location", 1 << wire.Hixie75, true, "the client's URL: ws or wss, the host in lower case without the scheme's own port, the target", checking},
	{"WebSocket-Protocol", 1 << wire.Hixie75, true, "the request's subprotocol", checking},
	{"Sec-WebSocket-Origin", challenges, true, "once, the request's Origin in lower case", checking},
	{"Sec-WebSocket-Location", challenges, true, "once, the client's URL: ws or wss, the host in lower case without the scheme's own port, the target", checking},
	{"Sec-WebSocket-Protocol", 1 << wire.Hixie76, true, "the request's subprotocol, all of it", checking},
	{"Sec-WebSocket-Protocol", keyed | 1<<wire.Hybi02, true, "one of the request's subprotocols", checking},
	{"Sec-WebSocket-Accept", keyed, true, "once, the proof that the server has read the key", checking},
	{"Sec-WebSocket-Nonce", 1 << wire.Hybi04, true, "once, 16 random bytes in base64: the masks are made of it too", checking},
	{"Sec-WebSocket-Nonce", 1 << wire.Hybi05, false, "what hybi-04 needed; some clients of the time wait for it", nil},
	{"Sec-WebSocket-Extensions", keyed, true, "what the server has chosen of the extensions offered", checking},
}

func judging(c *chapters) string  { return c.judge }
func checking(c *chapters) string { return c.check }

// annotate puts beside each line the rule for its field. Lines that break a rule have a note
// already. all says that everything that is judged was found to be right.
func annotate(lines []Line, rules []fieldRule, v wire.Version, head string, all bool) {
	chapter := sections[v]
	for i := range lines {
		l := &lines[i]
		for _, r := range rules {
			if !r.of.Has(v) || !ascii.EqualFold(r.name, l.Name) {
				continue
			}
			n := Note{Verdict: Says, Text: r.text, Section: cite(v, head)}
			if r.section != nil {
				n.Section = cite(v, r.section(&chapter))
			}
			if r.judged && all && len(l.Notes) == 0 {
				n.Verdict = Obeys
			}
			l.Notes = append(l.Notes, n)
		}
	}
}

// culprits are the fields that a reason is about, the first that is there; "" is the first line.
var culprits = map[wire.Reason][]string{
	wire.ReasonMethod: {""}, wire.ReasonHTTPVersion: {""}, wire.ReasonHost: {"Host"},
	wire.ReasonNotWebSocket: {"Connection", "Upgrade"}, wire.ReasonStrayHeader: {"Connection", "Upgrade"},
	wire.ReasonBadVersion: {"Sec-WebSocket-Version"}, wire.ReasonVersion: {"Sec-WebSocket-Version"},
	wire.ReasonMixed: {"Sec-WebSocket-Key", "Sec-WebSocket-Version"}, wire.ReasonKeyMissing: {"Sec-WebSocket-Version"},
	wire.ReasonVersionMissing: {"Sec-WebSocket-Key"}, wire.ReasonBadKey: {"Sec-WebSocket-Key"},
	wire.ReasonHalfChallenge: {"Sec-WebSocket-Key1", "Sec-WebSocket-Key2"}, wire.ReasonBadDraft: {"Sec-WebSocket-Draft"},
	wire.ReasonDraftAlone: {"Sec-WebSocket-Draft"}, wire.ReasonBody: {"Content-Length", "Transfer-Encoding"},
	wire.ReasonBadAccept: {"Sec-WebSocket-Accept"},
}

// excused are the fields that a tolerance is about; "" is the first line.
var excused = map[wire.Tolerances]string{
	wire.TolerateInjectedKey: "Sec-WebSocket-Key", wire.TolerateRequestLine: "", wire.TolerateHTTP10: "", wire.TolerateLooseHost: "Host",
	wire.TolerateAnyKey: "Sec-WebSocket-Key", wire.TolerateDraftNumber: "Sec-WebSocket-Version", wire.TolerateUpgradeCase: "Upgrade",
	wire.TolerateFirstLines: "", wire.TolerateOtherLocation: "WebSocket-Location",
}

// lineOf returns the line of a field; nil where there is none.
func lineOf(lines []Line, name string) *Line {
	for i := range lines {
		if name == "" && i == 0 || name != "" && (ascii.EqualFold(lines[i].Name, name) || ascii.EqualFold(lines[i].Name, "Sec-"+name)) {
			return &lines[i]
		}
	}
	return nil
}

// blame puts a note beside the line that it is about, or beside the head.
func (e *Event) blame(n Note, names ...string) {
	for _, name := range names {
		if l := lineOf(e.Lines, name); l != nil {
			l.Notes = append(l.Notes, n)
			return
		}
	}
	e.Notes = append(e.Notes, n)
}

// blameError puts the fault of a handshake, with its section, beside the line that it is about.
func (e *Event) blameError(he *wire.HandshakeError, section string) {
	names := culprits[he.Reason]
	switch word, _, _ := strings.Cut(he.Detail, " "); {
	case he.Reason == wire.ReasonBadResponse && strings.HasPrefix(he.Detail, "Upgrade is"):
		names = []string{"Connection"}
		if l := lineOf(e.Lines, "Upgrade"); l == nil || !strings.HasSuffix(ascii.ToLower(l.Text), ": websocket") {
			names = []string{"Upgrade"}
		}
	case he.Reason == wire.ReasonChallenge:
		names = []string{strings.TrimSuffix(word, ":")}
	case he.Reason == wire.ReasonNotOffered && word == "extension":
		names = []string{"Sec-WebSocket-Extensions"}
	case he.Reason == wire.ReasonNotOffered:
		names = []string{"Sec-WebSocket-Protocol"}
	case he.Reason == wire.ReasonBadResponse && lineOf(e.Lines, word) != nil:
		names = []string{word}
	case he.Reason == wire.ReasonDuplicate:
		names = nil
	}
	n := noteOf(he)
	n.Section = section
	e.blame(n, names...)
}

// noteOf is the fault of a handshake as a note.
func noteOf(he *wire.HandshakeError) Note {
	info := he.Reason.Info()
	n := Note{Verdict: Breaks, Text: info.Rule, Fault: string(he.Reason), Hint: info.Cure}
	if he.Detail != "" {
		n.Text += ": " + he.Detail
	}
	if he.Tolerance != 0 {
		n.Tolerate = he.Tolerance.String()
	}
	return n
}

// blameTolerated puts the faults that tolerances have admitted beside their lines. strict is
// the first fault as it is without tolerances.
func (e *Event) blameTolerated(t wire.Tolerances, strict *wire.HandshakeError) {
	for _, row := range wire.ToleranceTable() {
		if !t.Has(row.Tolerance) {
			continue
		}
		n := Note{Verdict: Breaks, Text: strings.ReplaceAll(row.Accepts, "`", ""), Section: row.Section, Tolerate: row.Name}
		if strict != nil && (strict.Tolerance.Has(row.Tolerance) || strict.Reason == wire.ReasonMixed && row.Tolerance == wire.TolerateInjectedKey) {
			n = noteOf(strict)
			n.Section, n.Tolerate = row.Section, row.Name
		}
		if row.Tolerance == wire.TolerateUnevenKey {
			e.blameUneven(n)
			continue
		}
		if name, ok := excused[row.Tolerance]; ok {
			e.blame(n, name)
		} else {
			e.Notes = append(e.Notes, n)
		}
	}
}

// blameUneven puts a note beside the keys whose digits are no multiple of their spaces.
func (e *Event) blameUneven(n Note) {
	for i := range e.Lines {
		name := ascii.ToLower(e.Lines[i].Name)
		if name != "sec-websocket-key1" && name != "sec-websocket-key2" {
			continue
		}
		if _, uneven, err := hixie.Part(wire.Hixie76, name, valueOf(&e.Lines[i])); err == nil && uneven {
			e.Lines[i].Notes = append(e.Lines[i].Notes, n)
		}
	}
}

// valueOf returns the value of a key's line, whose spaces count.
func valueOf(l *Line) string {
	_, v, _ := strings.Cut(l.Text, ":")
	return strings.TrimPrefix(v, " ")
}
