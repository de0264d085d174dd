package explain

import (
	"cmp"
	"strings"

	"github.com/draftwire/draftwire/browsers"
	"github.com/draftwire/draftwire/inspect"
	"github.com/draftwire/draftwire/inspect/capture"
	"github.com/draftwire/draftwire/wire"
)

// finding is why a connection failed, or how it went.
type finding struct {
	result  Result // "": Fails
	cause   string
	sure    Sure
	detail  string // what exactly, in a phrase
	rule    string // in words, where a rule is broken
	section string
	from    string // of the evidence
	offset  int64
	text    string // the evidence
	culprit *Sure  // how sure the culprit is, where that is not as in the table
	whose   Culprit
	browser *browsers.Verdict // that says so
	cures   []Cure            // before those of the table
}

// explain explains a connection that has ended.
func (t *talk) explain() *Explanation {
	x := &Explanation{Conn: t.conn.Number, Client: t.client, Server: t.server, Draft: t.version}
	f := t.find()
	f.fill(x)
	if f.result == "" || f.result == Works {
		x.Browsers = t.verdicts()
	}
	x.Also = t.also(f)
	return x
}

// fill makes an explanation of a finding.
func (f *finding) fill(x *Explanation) {
	x.Result, x.Sure = cmp.Or(f.result, Fails), f.sure
	if x.Result != Fails {
		x.Says = f.detail
		return
	}
	c := causeOf(f.cause)
	x.Cause, x.Says, x.Who = c.Name, c.Says, c.Who
	x.Culprit, x.CulpritSure = c.Culprit, c.Sure
	x.Rule, x.Section = f.rule, cmp.Or(f.section, c.Section)
	if f.detail != "" {
		x.Says += ": " + f.detail
	}
	if f.whose != "" {
		x.Culprit = f.whose
	} else if c.Culprit == Device && f.from == "server" {
		x.Culprit = Backend
	}
	if f.culprit != nil {
		x.CulpritSure = *f.culprit
	}
	x.CulpritSure = max(x.CulpritSure, x.Sure)
	x.Cures = append([]Cure{}, f.cures...)
	for _, cure := range c.Cures {
		if len(f.cures) == 0 || settingOf(cure) != settingOf(f.cures[0]) {
			x.Cures = append(x.Cures, cure)
		}
	}
	if f.text != "" {
		x.Evidence = []Evidence{{f.from, f.offset, shown(f.text)}}
	}
}

// settingOf is the setting of a cure without its value.
func settingOf(c Cure) string {
	if at := strings.LastIndex(c.Set, ": "); at >= 0 {
		return c.Where + c.Set[:at]
	}
	return c.Where + c.Set
}

// looks are the places that are looked at, in the order of a connection.
var looks = []func(*talk) *finding{(*talk).tls, (*talk).preface, (*talk).handshake, (*talk).stream, (*talk).theEnd}

// find finds the first thing that went wrong.
func (t *talk) find() *finding {
	for _, look := range looks {
		if f := look(t); f != nil {
			return f
		}
	}
	switch {
	case t.frames[0]+t.frames[1] > 0 && t.cut():
		return &finding{result: Works, detail: "nothing is wrong as far as the input goes, which ends before the connection does"}
	case t.frames[0]+t.frames[1] > 0 || t.accepted():
		return &finding{result: Works, detail: "nothing is wrong with it"}
	case t.total[0]+t.total[1] == 0:
		return &finding{result: Unclear, sure: Possible, detail: "there are no bytes in it"}
	}
	return &finding{result: Unclear, sure: Possible, detail: "there is no WebSocket in it"}
}

// accepted reports whether the handshake was accepted.
func (t *talk) accepted() bool {
	return len(t.answers) > 0 && statusOf(t.answer()) == 101
}

// answer is the answer to the request: the first one, but for those that only announce it. What
// follows may be that to the eight bytes, which a proxy has taken for another request.
func (t *talk) answer() *inspect.Event {
	for _, ev := range t.answers {
		if status := statusOf(ev); status/100 != 1 || status == 101 {
			return ev
		}
	}
	return t.answers[len(t.answers)-1]
}

// note takes rule, section and evidence from a note of the inspector.
func (f *finding) note(ev *inspect.Event, n *inspect.Note) *finding {
	f.rule, f.section = n.Text, n.Section
	f.from, f.offset = ev.From, ev.Offset
	for i := range ev.Lines {
		for _, own := range ev.Lines[i].Notes {
			if own == *n {
				f.offset, f.text = ev.Lines[i].Offset, ev.Lines[i].Text
			}
		}
	}
	if f.text == "" && len(ev.Lines) > 0 {
		f.text = ev.Lines[0].Text
	}
	return f
}

// line takes a line of a head as evidence: that of a field, or the first one.
func (f *finding) line(ev *inspect.Event, field string) *finding {
	if ev == nil || len(ev.Lines) == 0 {
		return f
	}
	l := &ev.Lines[0]
	for i := range ev.Lines {
		if field != "" && lower(ev.Lines[i].Name) == lower(field) {
			l = &ev.Lines[i]
			break
		}
	}
	f.from, f.offset, f.text = ev.From, l.Offset, l.Text
	return f
}

// firstNote is the first note of a head that says a rule is broken: in the order of its lines.
func firstNote(ev *inspect.Event) *inspect.Note {
	if ev == nil {
		return nil
	}
	for i := range ev.Lines {
		for k := range ev.Lines[i].Notes {
			if n := &ev.Lines[i].Notes[k]; n.Verdict == inspect.Breaks {
				return n
			}
		}
	}
	for k := range ev.Notes {
		if n := &ev.Notes[k]; n.Verdict == inspect.Breaks {
			return n
		}
	}
	return nil
}

// causeOfNote is the cause that a note names.
func causeOfNote(n *inspect.Note) string {
	name, _, _ := strings.Cut(n.Tolerate, ",")
	if name != "" {
		if other, ok := ofTolerance[name]; ok {
			return other
		}
		return name
	}
	if name, ok := ofReason[wire.Reason(n.Fault)]; ok {
		return name
	}
	if name, ok := ofFault[wire.Fault(n.Fault)]; ok {
		return name
	}
	return "rule-broken"
}

// also are the rules that were broken beside the one that was found.
func (t *talk) also(f *finding) (out []string) {
	add := func(ev *inspect.Event) {
		if ev == nil || len(out) == 5 {
			return
		}
		for _, n := range ev.Broken() {
			text := n.Text
			if n.Section != "" {
				text += " (" + n.Section + ")"
			}
			if n.Text != f.rule && len(out) < 5 {
				out = append(out, ev.From+": "+text)
			}
		}
	}
	add(t.request)
	for _, ev := range t.answers {
		add(ev)
	}
	for _, ev := range t.broken {
		add(ev)
	}
	return out
}

// verdicts are what browsers make of the answer.
func (t *talk) verdicts() (out []browsers.Verdict) {
	if !t.accepted() || t.request == nil {
		return nil
	}
	x, all := t.exchange(), browsers.Of(t.requestVersion())
	if t.e.o.As != nil {
		all = []browsers.Browser{*t.e.o.As}
	}
	for _, b := range all {
		if v, err := b.Check(x); err == nil {
			out = append(out, v)
		}
	}
	return out
}

// requestVersion is the version of the request, as far as it is known.
func (t *talk) requestVersion() wire.Version {
	if t.request == nil {
		return wire.Unknown
	}
	v, _ := wire.ParseVersion(t.request.Draft)
	return v
}

// isHixie76 reports whether the request is of hixie-76 or of the drafts with its challenge.
func (t *talk) isHixie76() bool {
	v := t.requestVersion()
	return v == wire.Hixie76 || v == wire.Hybi02 || hasField(t.request, "Sec-WebSocket-Key1")
}

// isHixie reports whether the request is of a version that compares the subprotocol as one text.
func (t *talk) isHixie() bool { return t.requestVersion() == wire.Hixie75 || t.isHixie76() }

// behindProxy reports whether a request has fields that proxies add.
func behindProxy(ev *inspect.Event) bool {
	for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-IP", "Via", "Forwarded", "X-Request-Id", "CF-Ray", "X-Amzn-Trace-Id"} {
		if hasField(ev, name) {
			return true
		}
	}
	return false
}

// clientWent reports whether the client ended its side, or the connection, before the server did.
func (t *talk) clientWent() bool {
	return len(t.ends) > 0 && t.ends[0].from == capture.FromClient && t.ends[0].how != capture.Cut
}
