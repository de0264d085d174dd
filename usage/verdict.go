package usage

import (
	"fmt"
	"strings"
	"time"

	"github.com/draftwire/draftwire/wire"
)

// Code says what to do with a version. Codes do not change.
type Code string

// The codes.
const (
	Current   Code = "current" // not to be retired
	IsOff     Code = "already-off"
	SafeToOff Code = "safe"      // nobody uses it: switch it off
	TooEarly  Code = "too-early" // nobody was seen, but not for long enough
	Ask       Code = "ask"       // a few are left, and getting fewer: ask their owners
	Keep      Code = "keep"      // it is in use
)

// Confidence says how far a verdict may be trusted.
type Confidence string

// The confidences.
const (
	Low    Confidence = "low"
	Medium Confidence = "medium"
	High   Confidence = "high"
)

// Verdict is what a report says about a version.
type Verdict struct {
	Code       Code       `json:"code"`
	Confidence Confidence `json:"confidence"`
	Text       string     `json:"text"`              // for people; it may change
	Clients    []string   `json:"clients,omitempty"` // the keys of those to ask, seen last first
}

// facts is what the rules look at.
type facts struct {
	*window
	row *Row
	few []string // keys of all clients, if they are few
	was int      // clients in the whole days of the window before
	is  int      // clients in its own whole days
}

// rules give the verdict: the first whose condition holds.
//
//	already-off  the plan says off, or in the window all were refused and none
//	             served. High.
//	ask          clients were seen, at most Few, fewer than in the window before,
//	             and both windows were watched. High; medium if records had to
//	             go, as then others may be left.
//	keep         clients were seen. High.
//	too-early    nobody was seen, and less than 99 % of the window was watched.
//	             Low.
//	safe         nobody was seen. High if the window has four weeks, and the one
//	             before was watched and is as quiet; low if the window is below a
//	             week, as it may lack a weekend or a working day; else medium.
//
// RFC 6455 is current, and no rule is asked.
var rules = []struct {
	code Code
	when func(f *facts) bool
	sure func(f *facts) Confidence
	text func(f *facts) string
}{
	{Current, func(f *facts) bool { return f.row.Version == wire.RFC6455 }, always(High), func(*facts) string { return "current" }},
	{IsOff, (*facts).off, always(High), (*facts).offText},
	{Ask, (*facts).leaving, (*facts).askSure, (*facts).askText},
	{Keep, (*facts).used, always(High), (*facts).keepText},
	{TooEarly, func(f *facts) bool { return !f.covered() }, always(Low), (*facts).earlyText},
	{SafeToOff, func(*facts) bool { return true }, (*facts).safeSure, func(*facts) string { return "safe to disable" }},
}

func always(c Confidence) func(*facts) Confidence { return func(*facts) Confidence { return c } }

// judge gives the verdict on a version.
func (w *window) judge(row *Row, p *people) Verdict {
	f := &facts{window: w, row: row, was: p.before, is: p.whole}
	if len(p.seen) <= w.o.Few {
		for _, c := range p.seen {
			f.few = append(f.few, c.Key)
		}
	}
	for _, r := range rules {
		if !r.when(f) {
			continue
		}
		v := Verdict{Code: r.code, Confidence: r.sure(f), Text: r.text(f) + f.nextText()}
		if r.code == Ask {
			v.Clients = f.few
		}
		return v
	}
	panic("usage: the last rule always holds")
}

// used tells by clients and by totals: the totals stay when records go.
func (f *facts) used() bool { return f.row.Clients > 0 || f.row.Handshakes > 0 || f.row.AtLeast }

func (f *facts) off() bool {
	if f.row.Stage.Mode == Off {
		return true
	}
	return f.row.Refused > 0 && f.row.Handshakes == 0 && f.row.Served == 0
}

func (f *facts) leaving() bool {
	return f.used() && f.twice && len(f.few) > 0 && f.is < f.was
}

func (f *facts) offText() string {
	if f.row.Refused == 0 {
		return "already off; nobody was refused"
	}
	return fmt.Sprintf("already off; %d refused, from %s", f.row.Refused, f.count(f.row.Turned))
}

func (f *facts) askText() string {
	return fmt.Sprintf("ask: %s left (%s)", f.count(f.row.Clients), strings.Join(f.few, ", "))
}

func (f *facts) askSure() Confidence {
	if f.row.AtLeast {
		return Medium
	}
	return High
}

func (f *facts) keepText() string { return "keep: " + f.count(f.row.Clients) }

func (f *facts) earlyText() string {
	s := fmt.Sprintf("too early: watched %d of %d days", int(f.watched.Hours()/24), f.days)
	if f.least != "" {
		s += " (" + f.least + ")"
	}
	return s
}

func (f *facts) safeSure() Confidence {
	switch {
	case f.days < 7:
		return Low
	case f.days >= 28 && f.twice && f.was == 0:
		return High
	}
	return Medium
}

// count is a number of clients.
func (f *facts) count(n int) string {
	s := "clients"
	if n == 1 && !f.row.AtLeast {
		s = "client"
	}
	if f.row.AtLeast {
		return fmt.Sprintf("at least %d %s", max(n, 1), s)
	}
	return fmt.Sprintf("%d %s", n, s)
}

// nextText says what the plan will do.
func (f *facts) nextText() string {
	if f.row.Next == nil {
		return ""
	}
	at := f.row.Next.From.UTC()
	layout := time.DateOnly
	if at.Truncate(secondsADay*time.Second) != at {
		layout = "2006-01-02 15:04 UTC"
	}
	return fmt.Sprintf("; %s from %s", f.row.Next, at.Format(layout))
}
