package inspect

import (
	"fmt"

	"github.com/draftwire/draftwire/inspect/capture"
	"github.com/draftwire/draftwire/wire"
)

// closing is what is known of the end of a connection.
type closing struct {
	first  *side // who closed first, by a frame; nil for nobody
	code   wire.CloseCode
	reason string
	frames [2]bool // who has sent a close
	order  []ending
}

// ending is the end of a direction.
type ending struct {
	s   *side
	how capture.End
}

func (x *closing) ended(s *side, how capture.End) { x.order = append(x.order, ending{s, how}) }

// heardClose explains a close frame.
func (r *reader) heardClose(e *Event, ev *wire.Event) {
	c, v := r.c, r.c.version
	r.closed = true
	x := &c.closing
	x.frames[r.s.from] = true
	answer := x.first != nil
	if !answer {
		x.first, x.code, x.reason = r.s, ev.Code, textOf(ev.Data)
		if v == wire.Hybi02 {
			x.reason = ""
		}
	}
	note := Note{Verdict: Says, Text: "a close: this side sends nothing more", Section: cite(v, sections[v].closing)}
	if answer {
		note.Text = "the answer to the other side's close"
	}
	e.Notes = append(e.Notes, note)
	if !v.Supports(wire.CapCloseCode) {
		if v == wire.Hybi05 && e.Frame.Size == 1 {
			e.Notes = append(e.Notes, Note{Verdict: Says, Text: "the letter says who closes: S is a server, C a client", Section: cite(v, sections[v].closing)})
		}
		return
	}
	e.Frame.Code, e.Frame.Reason = int(ev.Code), textOf(ev.Data)
	if p := e.Frame.Payload; len(p) >= 2 {
		if onWire := wire.CloseCode(p[0])<<8 | wire.CloseCode(p[1]); onWire != ev.Code {
			e.Notes = append(e.Notes, Note{Verdict: Says, Text: fmt.Sprintf("this version's number %d is %s in RFC 6455", onWire, ev.Code), Section: cite(v, "7.4.1")})
		}
	}
}

// sum tells how the connection was closed, as a whole.
func (c *conversation) sum() {
	e := &Event{Kind: KindClosing, Closing: &Closing{}}
	x := e.Closing
	if last := &c.sides[capture.FromServer]; !last.at.IsZero() {
		at := last.at
		if o := &c.sides[capture.FromClient]; o.at.After(at) {
			at = o.at
		}
		e.At = &at
	}
	cut, reset := false, false
	for _, end := range c.closing.order {
		cut = cut || end.how == capture.Cut
		reset = reset || end.how == capture.Reset
	}
	switch {
	case c.failed:
		x.Result, e.Text = "failed", "a rule was broken: see the fault"
	case !c.opened && c.refused:
		x.Result, e.Text = "refused", "the handshake was refused"
	case !c.opened && c.plain:
		x.Result, e.Text = "plain", "ordinary HTTP, and no WebSocket"
	case !c.opened:
		x.Result, e.Text = "open", "there is no whole handshake, and there are no frames"
	default:
		c.sumFrames(e, cut, reset)
	}
	if c.closing.first != nil && x.First == "" {
		x.First = c.closing.first.from.String()
	}
	c.say(e)
}

// sumFrames tells how a connection was closed that had frames.
func (c *conversation) sumFrames(e *Event, cut, reset bool) {
	x, v := e.Closing, c.version
	if first := c.closing.first; first != nil {
		other := first.from.Other().String()
		x.First, x.Reason = first.from.String(), c.closing.reason
		x.Answered = c.closing.frames[first.from.Other()]
		said := ""
		if v.Supports(wire.CapCloseCode) {
			x.Code = int(c.closing.code)
			said = " with " + c.closing.code.String()
			if c.closing.code == wire.CodeNoStatus {
				said = " without a code"
			}
			if x.Reason != "" {
				said += fmt.Sprintf(" and the reason %q", x.Reason)
			}
		}
		e.Text = fmt.Sprintf("the %s closed first%s", x.First, said)
		switch {
		case x.Answered:
			x.Clean, x.Result = true, "clean"
			e.Text += ", and the " + other + " answered: a clean close"
		case cut:
			x.Result = "open"
			e.Text += "; the capture has no answer"
		case v == wire.Hixie76:
			x.Clean, x.Result = true, "clean"
			e.Text += "; the " + other + " ended its stream without an answer, as many programs of this version do"
		default:
			x.Result = "abnormal"
			e.Text += ", and the " + other + " did not answer"
		}
		e.Notes = []Note{{Verdict: Says, Text: "how this version closes", Section: cite(v, sections[v].closing)}}
		return
	}
	switch {
	case cut:
		x.Result, e.Text = "open", "the capture ends before the connection does"
	case reset:
		x.Result, e.Text = "abnormal", "the connection was reset, and nobody had closed it"
	case !v.Supports(wire.CapCloseCode):
		x.Clean, x.Result = true, "clean"
		x.First = c.closing.order[0].s.from.String()
		e.Text = "the " + x.First + " ended its stream; this version needs no more than that"
		e.Notes = []Note{{Verdict: Says, Text: "how this version closes", Section: cite(v, sections[v].closing)}}
	default:
		x.Result = "abnormal"
		e.Text = "the " + c.closing.order[0].s.from.String() + " ended its stream without a close, which the other side sees as 1006"
		e.Notes = []Note{{Verdict: Breaks, Text: "a close frame comes before the end of the stream", Section: "RFC 6455 7.1.5"}}
	}
}
