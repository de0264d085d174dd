package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/draftwire/draftwire/probe"
	"github.com/draftwire/draftwire/wire"
)

// writeProbe writes a report for people.
func writeProbe(w io.Writer, r *probe.Report, long bool) error {
	var s sheet
	s.line("%s", strings.Join(nonEmpty(visible(r.URL), "at "+r.Address, r.TLS, visible(short(r.Software)),
		fmt.Sprintf("%d connections in %s", r.Connections, time.Duration(r.Took).Round(time.Millisecond))), ", "))
	s.WriteByte('\n')
	err := inColumns(&s, "VERSION\tOPENS\tHEAD\tECHO\tCLOSING\tFIN\tMESSAGE\tIDLE", func(row func(...string)) {
		for i := range r.Versions {
			v := &r.Versions[i]
			row(v.Version.String(), opensText(v), headText76(v), echoText(v), closingText(v), halfText(v), limitText(v.Message), idleText(v.Idle))
		}
	})
	if err != nil {
		return err
	}
	s.probed(r)
	s.probedFaults(r, long)
	s.probedVectors(r.Vectors)
	if long {
		s.probedAnswers(r)
	}
	_, err = io.WriteString(w, s.String())
	return err
}

func (s *sheet) line(format string, args ...any) { fmt.Fprintf(s, format+"\n", args...) }

func nonEmpty(parts ...string) []string {
	return slices.DeleteFunc(parts, func(p string) bool { return p == "" })
}

func opensText(v *probe.Version) string {
	switch v.Outcome {
	case probe.Opens:
		return "yes"
	case probe.Excused:
		return "with " + v.Tolerance
	case probe.Refused:
		return strings.Join(nonEmpty(fmt.Sprint(v.Answer.Status), visible(v.Answer.Reason)), " ")
	}
	return string(v.Outcome)
}

// headText76 says whether the head of the answer comes before the eight bytes.
func headText76(v *probe.Version) string {
	switch {
	case v.OnePiece:
		return "one piece"
	case v.HeadFirst == nil || !v.Opens():
		return ""
	case *v.HeadFirst:
		return "first"
	}
	return "waits"
}

func echoText(v *probe.Version) string {
	switch {
	case !v.Opens():
		return ""
	case v.Echoes:
		return v.Timing.Echo.String()
	case v.Pongs != nil && *v.Pongs:
		return "pong " + v.Timing.Ping.String()
	case v.Greets:
		return "speaks first"
	}
	return "no"
}

// closingText says what the server does with a close.
func closingText(v *probe.Version) string {
	if v.Closing == nil {
		return ""
	}
	text := answerText(&v.Closing.Answer)
	if own := v.Closing.Own; own != nil && own.Close && own.Code != 4001 {
		text += fmt.Sprintf(" (4001: %s)", codeText(own.Code))
	}
	return text
}

// answerText is a close and the end of TCP behind it.
func answerText(r *probe.Reaction) string {
	var parts []string
	if r.Close {
		parts = append(parts, codeText(r.Code))
	}
	switch {
	case r.End == probe.Open && !r.Close:
		parts = append(parts, "nothing")
	case r.End == probe.Open:
		parts = append(parts, "leaves TCP open")
	case r.Close && time.Duration(r.EndsIn) < 5*time.Millisecond:
		parts = append(parts, string(r.End))
	case r.Close:
		parts = append(parts, fmt.Sprintf("%s after %s", r.End, roundly(r.EndsIn)))
	default:
		parts = append(parts, string(r.End))
	}
	return strings.Join(parts, ", ")
}

func codeText(code wire.CloseCode) string {
	if code == wire.CodeNoStatus || code == 0 {
		return "close"
	}
	return fmt.Sprint(int(code))
}

func roundly(d probe.Span) string {
	t := time.Duration(d)
	switch {
	case t >= 10*time.Second:
		return t.Round(time.Second).String()
	case t >= 100*time.Millisecond:
		return t.Round(10 * time.Millisecond).String()
	case t >= time.Millisecond:
		return t.Round(100 * time.Microsecond).String()
	}
	return t.Round(10 * time.Microsecond).String()
}

// halfText says what the server does where TCP ends without a close.
func halfText(v *probe.Version) string {
	if v.Closing == nil {
		return ""
	}
	return answerText(&v.Closing.HalfClosed)
}

// limitText says what was taken.
func limitText(l *probe.Limit) string {
	if l == nil {
		return ""
	}
	if !l.Sure {
		return "not seen"
	}
	if l.Refused == 0 {
		return ">= " + sizeText(l.Taken)
	}
	return fmt.Sprintf("%s, then %s", sizeText(l.Taken), l.How)
}

func sizeText(n int64) string {
	for _, u := range []struct {
		size int64
		name string
	}{{1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if n >= u.size && n%u.size == 0 {
			return fmt.Sprintf("%d%s", n/u.size, u.name)
		}
	}
	return fmt.Sprint(n)
}

func idleText(p *probe.Patience) string {
	if p == nil {
		return ""
	}
	if !p.Ended {
		return "> " + roundly(p.After)
	}
	return fmt.Sprintf("%s, %s", roundly(p.After), &p.Reaction)
}

// probed writes what belongs to no version, and what was negotiated.
func (s *sheet) probed(r *probe.Report) {
	s.WriteByte('\n')
	for _, x := range negotiated(r, func(v *probe.Version) []probe.Offered { return v.Extensions }) {
		s.line("extension %s", x)
	}
	for _, x := range negotiated(r, func(v *probe.Version) []probe.Offered { return v.Protocols }) {
		s.line("subprotocol %s", x)
	}
	if a := r.Unknown; a != nil {
		text := cmp.Or(visible(a.Line), a.Problem)
		if len(a.Named) > 0 {
			text += ", names " + visible(strings.Join(a.Named, ", "))
		} else if a.Line != "" {
			text += ", names no versions"
		}
		s.line("version 99: %s", text)
	}
	if a := r.Plain; a != nil {
		s.line("an ordinary GET: %s", cmp.Or(visible(a.Line), a.Problem))
	}
	if r.Head != nil {
		s.line("longest head: %s", limitText(r.Head))
	}
	for _, x := range []struct {
		what string
		p    *probe.Patience
	}{{"nothing sent", r.Silent}, {"half a head", r.Half}} {
		if x.p != nil {
			s.line("%s: %s", x.what, idleText(x.p))
		}
	}
	for i := range r.Versions {
		s.browsers(r.Versions[i].Version, r.Versions[i].Browsers)
	}
	if r.Gone > 0 {
		s.line("note: %d times nobody accepted a connection, though the first one was accepted", r.Gone)
	}
	for _, n := range notesOf(r) {
		s.line("note: %s", n)
	}
}

// browsers says which browsers would open, and why others would not.
func (s *sheet) browsers(v wire.Version, all []probe.Browser) {
	var opens []string
	why := map[string][]string{}
	for _, b := range all {
		if b.Opens {
			opens = append(opens, b.Name)
		} else {
			why[b.Why] = append(why[b.Why], b.Name)
		}
	}
	if len(opens) > 0 {
		s.line("browsers of %s that open: %s", v, strings.Join(opens, ", "))
	}
	for _, w := range slices.Sorted(maps.Keys(why)) {
		s.line("browsers of %s that do not: %s: %s", v, strings.Join(why[w], ", "), visible(w))
	}
}

// negotiated has a line for each offer, with the versions that answer it in the same way.
func negotiated(r *probe.Report, of func(*probe.Version) []probe.Offered) (lines []string) {
	type key struct{ offer, answer string }
	var order []key
	by := map[key][]string{}
	for i := range r.Versions {
		v := &r.Versions[i]
		for _, o := range of(v) {
			k := key{o.Offer, cmp.Or(visible(o.Answer), "ignored")}
			if o.Problem != "" {
				k.answer = strings.Join(nonEmpty(visible(o.Answer), visible(short(o.Problem))), ": ")
			}
			if by[k] == nil {
				order = append(order, k)
			}
			by[k] = append(by[k], v.Version.String())
		}
	}
	for _, k := range order {
		lines = append(lines, fmt.Sprintf("%s: %s (%s)", visible(k.offer), k.answer, strings.Join(by[k], ", ")))
	}
	return lines
}

// notesOf has each note once, with the versions that it is about.
func notesOf(r *probe.Report) (lines []string) {
	by := map[string][]string{}
	var order []string
	for i := range r.Versions {
		v := &r.Versions[i]
		notes := v.Notes
		if v.Failed > 0 {
			notes = append(slices.Clone(notes), fmt.Sprintf("%d of %d handshakes did not open, though others did", v.Failed, v.Handshakes))
		}
		if v.Outcome == probe.Broken || v.Outcome == probe.NoAnswer {
			notes = append(slices.Clone(notes), v.Answer.Problem)
		}
		for _, n := range notes {
			if by[n] == nil {
				order = append(order, n)
			}
			by[n] = append(by[n], v.Version.String())
		}
	}
	for _, n := range order {
		lines = append(lines, visible(strings.Join(by[n], ", ")+": "+n))
	}
	return lines
}

// probedFaults writes the faults that are not treated as written, or with long all.
func (s *sheet) probedFaults(r *probe.Report, long bool) {
	counts := map[probe.Verdict]int{}
	var lines []string
	for i := range r.Versions {
		for _, f := range r.Versions[i].Faults {
			counts[f.Verdict]++
			if long || f.Verdict != probe.AsWritten {
				lines = append(lines, fmt.Sprintf("  %s\t%s\t%s\t%s\t%s", r.Versions[i].Version, f.Name, f.Verdict, &f.Got, f.Want))
			}
		}
	}
	if len(counts) == 0 {
		return
	}
	var parts []string
	for _, v := range []probe.Verdict{probe.AsWritten, probe.Laxer, probe.Stricter, probe.Unseen} {
		if counts[v] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[v], v))
		}
	}
	s.line("\nfaults: %s", strings.Join(parts, ", "))
	s.table(lines)
}

// table writes rows whose cells are divided by tabs.
func (s *sheet) table(rows []string) {
	var b strings.Builder
	widths := map[int]int{}
	for _, row := range rows {
		cells := strings.Split(row, "\t")
		for i, c := range cells[:len(cells)-1] {
			widths[i] = max(widths[i], len([]rune(c)))
		}
	}
	for _, row := range rows {
		cells := strings.Split(row, "\t")
		for i, c := range cells {
			if i == len(cells)-1 {
				b.WriteString(visible(c) + "\n")
				break
			}
			fmt.Fprintf(&b, "%-*s  ", widths[i], visible(c))
		}
	}
	s.WriteString(b.String())
}

// probedVectors writes what failed, each with its rule.
func (s *sheet) probedVectors(v *probe.Vectors) {
	if v == nil {
		return
	}
	s.line("\nvectors: %d played, %d pass, %d fail", v.Played, v.Passed, len(v.Failed))
	var by []string
	for _, name := range slices.Sorted(maps.Keys(v.By)) {
		by = append(by, fmt.Sprintf("%s %d of %d", name, v.By[name][1], v.By[name][0]))
	}
	if len(by) > 0 {
		s.line("  %s", strings.Join(by, ", "))
	}
	for _, why := range slices.Sorted(maps.Keys(v.Skipped)) {
		s.line("  not played, %s: %d", why, v.Skipped[why])
	}
	var rows []string
	for _, f := range v.Failed {
		rows = append(rows, fmt.Sprintf("  %s\t%s\t%s\twant %s; got %s", f.ID, f.Section, f.Comment, cmp.Or(f.Want, "what stands there"), f.Got))
	}
	s.table(rows)
}

// probedAnswers writes the answers as they are spelled.
func (s *sheet) probedAnswers(r *probe.Report) {
	for i := range r.Versions {
		v := &r.Versions[i]
		if v.Answer.Line == "" {
			continue
		}
		s.line("\n%s", v.Version)
		s.line("  %s", visible(v.Answer.Line))
		for _, f := range v.Answer.Fields {
			s.line("  %s: %s", visible(f.Name), visible(f.Value))
		}
	}
}

// writePath writes what a way does, for people.
func writePath(w io.Writer, r *probe.PathReport) error {
	var s sheet
	s.line("through %s to %s, %d connections in %s\n", visible(r.URL), r.Backend, r.Connections, time.Duration(r.Took).Round(time.Millisecond))
	err := inColumns(&s, "VERSION\tPASSES\tEIGHT BYTES\tHEADS\tFIRST BYTE UP, DOWN\t64 KIB UP, DOWN\tHALF-CLOSED\tSILENT", func(row func(...string)) {
		for i := range r.Versions {
			p := &r.Versions[i]
			row(p.Version.String(), passText(p), visible(p.Challenge), waitsText(p), firstText(p), wholeText(p), halfOpenText(p), idleText(p.Idle))
		}
	})
	if err != nil {
		return err
	}
	s.changed("request", r, func(p *probe.Path) *probe.Changes { return p.Request })
	s.changed("answer", r, func(p *probe.Path) *probe.Changes { return p.Response })
	s.WriteByte('\n')
	for i := range r.Versions {
		s.browsers(r.Versions[i].Version, r.Versions[i].Browsers)
	}
	for i := range r.Versions {
		if p := &r.Versions[i]; p.Why != "" {
			s.line("%s: %s: %s", p.Version, p.Passage, visible(short(p.Why)))
		}
	}
	_, err = io.WriteString(w, s.String())
	return err
}

func passText(p *probe.Path) string {
	switch {
	case p.Passage == probe.Translated:
		return "in " + p.As.String()
	case p.Passage != probe.Passes:
		return "no"
	case p.Tolerance != "":
		return "with " + p.Tolerance
	}
	return "yes"
}

// waitsText says which head waits for the eight bytes.
func waitsText(p *probe.Path) string {
	held := ""
	if p.Held != nil && *p.Held {
		held = ", bytes held"
	}
	switch {
	case p.RequestWaits != nil && *p.RequestWaits:
		return "request waits" + held
	case p.ResponseWaits != nil && *p.ResponseWaits:
		return "answer waits" + held
	case p.RequestWaits != nil:
		return "at once" + held
	}
	return ""
}

func firstText(p *probe.Path) string {
	if p.Up == nil || p.Down == nil {
		return ""
	}
	of := func(f *probe.Frames) string {
		if f.First == 0 {
			return "waits"
		}
		return roundly(f.First)
	}
	return of(p.Up) + ", " + of(p.Down)
}

func wholeText(p *probe.Path) string {
	if p.Up == nil || p.Down == nil || !p.Up.Kept || !p.Down.Kept {
		return ""
	}
	return roundly(p.Up.Whole) + ", " + roundly(p.Down.Whole)
}

func halfOpenText(p *probe.Path) string {
	switch {
	case p.HalfOpen == nil:
		return ""
	case *p.HalfOpen:
		return "kept"
	}
	return "cut"
}

// protocolFields are those of handshakes.
var protocolFields = []string{
	"Upgrade", "Connection", "Origin", "Sec-WebSocket-Key", "Sec-WebSocket-Key1", "Sec-WebSocket-Key2", "Sec-WebSocket-Draft", "Sec-WebSocket-Version",
	"Sec-WebSocket-Origin", "Sec-WebSocket-Location", "WebSocket-Origin", "WebSocket-Location", "Sec-WebSocket-Accept", "Sec-WebSocket-Nonce",
}

// withoutProtocol are the changes without those of the handshake itself.
func withoutProtocol(c *probe.Changes) *probe.Changes {
	is := func(name string) bool {
		return slices.ContainsFunc(protocolFields, func(f string) bool { return strings.EqualFold(f, name) })
	}
	fields := func(all []probe.Field) []probe.Field {
		return slices.DeleteFunc(slices.Clone(all), func(f probe.Field) bool { return is(f.Name) })
	}
	return &probe.Changes{
		Added: fields(c.Added), Removed: fields(c.Removed), Respelled: c.Respelled,
		Changed: slices.DeleteFunc(slices.Clone(c.Changed), func(x probe.Change) bool { return is(x.Name) }),
	}
}

// changed has a line for each change of a head, with the versions that it happens to.
func (s *sheet) changed(what string, r *probe.PathReport, of func(*probe.Path) *probe.Changes) {
	by := map[string][]string{}
	var order []string
	note := func(v wire.Version, format string, args ...any) {
		text := visible(fmt.Sprintf(format, args...))
		if by[text] == nil {
			order = append(order, text)
		}
		by[text] = append(by[text], v.String())
	}
	seen := 0
	for i := range r.Versions {
		v, c := r.Versions[i].Version, of(&r.Versions[i])
		if c == nil {
			continue
		}
		seen++
		if r.Versions[i].As != wire.Unknown {
			c = withoutProtocol(c) // it is another handshake
		}
		if c.Line != "" {
			note(v, "begins with %s", c.Line)
		}
		for _, f := range c.Added {
			note(v, "gets %s: %s", f.Name, f.Value)
		}
		for _, f := range c.Removed {
			note(v, "loses %s: %s", f.Name, f.Value)
		}
		for _, x := range c.Respelled {
			note(v, "has %s spelled %s", x.Sent, x.Came)
		}
		for _, x := range c.Changed {
			note(v, "has %s: %s in place of %s", x.Name, x.Came, x.Sent)
		}
		if c.Reordered {
			note(v, "has its fields in another order")
		}
	}
	if len(order) > 0 {
		s.WriteByte('\n')
	}
	for _, text := range order {
		who := strings.Join(by[text], ", ")
		if len(by[text]) == seen && seen > 1 {
			who = "all"
		}
		s.line("the %s %s (%s)", what, text, who)
	}
	if len(order) == 0 && seen > 0 {
		s.line("\nthe %s comes as it was sent", what)
	}
}
