package inspect

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/draftwire/draftwire/wire"
)

// TextOptions say how events are written for people.
type TextOptions struct {
	Width int  // of a line, in characters; 0 is 80, and less than 40 is 40
	Color bool // with the escapes of a terminal
}

// WriteText writes an event for people. Control characters from the wire are escaped. A message
// that its only frame has shown already is left out.
func WriteText(w io.Writer, e *Event, o TextOptions) error {
	p := printer{o: o}
	if p.o.Width <= 0 {
		p.o.Width = 80
	}
	p.o.Width = max(p.o.Width, 40)
	p.event(e)
	_, err := io.WriteString(w, p.b.String())
	return err
}

// printer writes one event.
type printer struct {
	o TextOptions
	b strings.Builder
}

// The colours of a terminal.
const (
	plain   = ""
	bold    = "1"
	dim     = "2"
	red     = "31"
	green   = "32"
	yellow  = "33"
	cyan    = "36"
	magenta = "35"
)

func (p *printer) paint(color, s string) string {
	if !p.o.Color || color == plain || s == "" {
		return s
	}
	return "\x1b[" + color + "m" + s + "\x1b[0m"
}

// Columns of a line: the mark of the sender, the offset, and what there is.
const (
	textColumn = 11
	noteColumn = 14
)

func (p *printer) event(e *Event) {
	switch e.Kind {
	case KindConnection:
		p.connection(e)
	case KindMessage:
		p.message(e)
	case KindFrame:
		p.frame(e)
	case KindClosing:
		p.line("", "", bold, "closing: "+e.Closing.Result+", "+e.Text)
		p.notes(e.Notes)
	default:
		p.other(e)
	}
}

func (p *printer) connection(e *Event) {
	title := fmt.Sprintf("connection %d", e.Conn)
	if e.Client != "" {
		title += ": " + e.Client + " to " + e.Server
	}
	p.b.WriteString(p.paint(bold, title) + "\n")
	p.notes(e.Notes)
}

// line writes a line with the sender's mark and an offset, and wraps what is longer.
func (p *printer) line(from, offset, color, text string) {
	mark, markColor := " ", plain
	switch from {
	case "client":
		mark, markColor = ">", cyan
	case "server":
		mark, markColor = "<", magenta
	}
	first := p.paint(markColor, mark) + " " + p.paint(dim, fmt.Sprintf("%8s", offset)) + " "
	for i, part := range wrapText(visible(text), p.o.Width-textColumn) {
		if i > 0 {
			first = strings.Repeat(" ", textColumn)
		}
		p.b.WriteString(first + p.paint(color, part) + "\n")
	}
}

func offsetOf(n int64) string { return fmt.Sprint(n) }

// notes writes notes below what they are about.
func (p *printer) notes(notes []Note) {
	for _, n := range notes {
		mark, color := "--", dim
		switch n.Verdict {
		case Obeys:
			mark, color = "ok", green
		case Breaks:
			mark, color = "!!", red
		}
		text := n.Text
		if n.Section != "" {
			text += " (" + n.Section + ")"
		}
		switch {
		case n.Tolerate != "" && !strings.Contains(n.Hint, "tolerate "):
			if n.Hint != "" {
				text += "; " + n.Hint
			}
			text += "; tolerate " + n.Tolerate + " admits it"
		case n.Hint != "" && n.Verdict != Obeys:
			text += "; " + n.Hint
		}
		for i, part := range wrapText(visible(text), p.o.Width-noteColumn) {
			if i > 0 {
				mark = "  "
			}
			p.b.WriteString(strings.Repeat(" ", textColumn) + p.paint(color, mark) + " " + p.paint(noteColor(n.Verdict), part) + "\n")
		}
	}
}

func noteColor(v Verdict) string {
	if v == Breaks {
		return red
	}
	return dim
}

// other writes an event that is neither a frame nor a message.
func (p *printer) other(e *Event) {
	color := plain
	switch e.Kind {
	case KindFault:
		color = red
	case KindUnknown, KindGap, KindRemark:
		color = yellow
	}
	text := e.Text
	switch e.Kind {
	case KindUnknown, KindGap:
		text = count(int(e.Length), "byte") + ": " + e.Text
	case KindBody:
		text = fmt.Sprintf("a body of %s: %s", count(int(e.Length), "byte"), quote(e.Bytes, e.Length > int64(len(e.Bytes))))
	case KindFault:
		text = "fault: " + text
	}
	p.line(e.From, offsetOf(e.Offset), color, text)
	for _, l := range e.Lines {
		p.line(e.From, offsetOf(l.Offset), bold, l.Text)
		p.notes(l.Notes)
	}
	for _, s := range e.Steps {
		p.line("", "", plain, "  "+s)
	}
	switch e.Kind {
	case KindChallenge, KindProof, KindUnknown:
		p.bytes(e.Bytes, e.Length)
	}
	p.notes(e.Notes)
}

// bytes writes bytes in hexadecimal.
func (p *printer) bytes(b []byte, all int64) {
	if len(b) == 0 {
		return
	}
	per := max((p.o.Width-textColumn)/3, 8)
	if per > 16 {
		per = per / 8 * 8
	}
	most := 4 * per
	for i := 0; i < len(b) && i < most; i += per {
		line := fmt.Sprintf("% x", b[i:min(i+per, len(b), most)])
		if i+per >= min(len(b), most) && all > int64(min(len(b), most)) {
			line += " ..."
		}
		p.line("", "", dim, line)
	}
}

// frame writes a frame.
func (p *printer) frame(e *Event) {
	x := e.Frame
	var b strings.Builder
	b.WriteString(x.Op)
	if x.Op == wire.OpNone.String() {
		b.Reset()
		b.WriteString("a frame")
	}
	if x.Opcode != nil {
		fmt.Fprintf(&b, ", opcode %d", *x.Opcode)
		if x.Fin {
			b.WriteString(", FIN")
		}
		if x.RSV != 0 {
			fmt.Fprintf(&b, ", RSV %03b", x.RSV)
		}
	} else {
		fmt.Fprintf(&b, ", type %02X", x.Type)
	}
	fmt.Fprintf(&b, ", %s", count(int(x.Size), "byte"))
	if len(x.Mask) > 0 {
		fmt.Fprintf(&b, ", mask %x", []byte(x.Mask))
	}
	if x.Part > 1 || x.Message > 0 && !x.Fin {
		fmt.Fprintf(&b, ", part %d of message %d", x.Part, x.Message)
	}
	if x.Packed {
		b.WriteString(", compressed")
	}
	switch {
	case x.Op == "close" && x.Code != 0 && x.Code != int(wire.CodeNoStatus):
		fmt.Fprintf(&b, ": %s", wire.CloseCode(x.Code))
		if x.Reason != "" {
			fmt.Fprintf(&b, " %q", x.Reason)
		}
	case len(x.Payload) > 0 && !x.Packed:
		b.WriteString(": " + payloadText(x.Op, x.Payload, x.Size))
	}
	p.line(e.From, offsetOf(e.Offset), plain, b.String())
	p.bytes(e.Bytes, e.Length)
	p.notes(e.Notes)
}

// payloadText is a payload for people: text in quotes, anything else in hexadecimal.
func payloadText(op string, b []byte, size int64) string {
	cut := size > int64(len(b))
	if op == "binary" || !utf8.Valid(whole(b, cut)) {
		s := fmt.Sprintf("% x", b)
		if cut {
			s += " ..."
		}
		return s
	}
	return quote(b, cut)
}

// quote is bytes as text in quotes.
func quote(b []byte, cut bool) string {
	s := fmt.Sprintf("%q", textOf(whole(b, cut)))
	if cut {
		s += "..."
	}
	return s
}

// message writes a message that its frames have not shown.
func (p *printer) message(e *Event) {
	m := e.Message
	if m.Frames == 1 && !m.Packed && len(e.Notes) == 0 {
		return
	}
	text := fmt.Sprintf("message %d: %s, %s, %s", m.Number, m.Op, count(m.Frames, "frame"), count(int(m.Size), "byte"))
	if m.Packed && !m.Opaque {
		text += fmt.Sprintf(" expanded from %d", m.Wire)
	}
	if len(m.Payload) > 0 {
		op := m.Op
		if m.Opaque {
			op = "binary"
		}
		text += ": " + payloadText(op, m.Payload, m.Size)
	}
	p.line(e.From, "", green, text)
	p.notes(e.Notes)
}

// visible returns s with an escape for each character that a terminal would obey or not show.
func visible(s string) string {
	ok := func(r rune) bool { return unicode.IsGraphic(r) && r != utf8.RuneError }
	if utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !ok(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case ok(r) || r == utf8.RuneError && n > 1:
			b.WriteString(s[:n])
		case n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		s = s[n:]
	}
	return b.String()
}

// wrapText breaks a text into lines of at most width characters, at blanks where there are some
// in the second half of a line.
func wrapText(s string, width int) (out []string) {
	r := []rune(s)
	for len(r) > width {
		at := width
		for i := width; i > width/2; i-- {
			if r[i] == ' ' {
				at = i
				break
			}
		}
		out = append(out, string(r[:at]))
		if r = r[at:]; r[0] == ' ' {
			r = r[1:]
		}
	}
	return append(out, string(r))
}
