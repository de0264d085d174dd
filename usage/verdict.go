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
	SafeToOff Code = "safe"      // no client uses it: switch it off
	TooEarly  Code = "too-early" // no client was seen, but not for long enough
	Ask       Code = "ask"       // a few clients remain, fewer than before: ask their owners
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
	Text       string     `json:"text"`              // for people; its wording may change
	Clients    []string   `json:"clients,omitempty"` // the keys of the clients to ask, the one seen last first
}

// facts are what the rules decide by.
type facts struct {
	*window
	row *Row
	few []string // the keys of all clients, if there are at most Few
	was int      // clients on the whole days of the window before
	is  int      // clients on the whole days of this window
}

// rules give the verdict: the first rule whose condition holds.
//
//	already-off  The plan says off, or in the window all clients were refused and
//	             none was served. High.
//	ask          Clients were seen, at most Few, and fewer than in the window before,
//	             and both windows were watched. High; medium if records were evicted,
//	             as then there may be more clients.
//	keep         Clients were seen. High.
//	too-early    No client was seen, and less than 99 % of the window was watched.
//	             Low.
//	safe         No client was seen. High if the window has four weeks and the window
//	             before was watched and had no client either; low if the window is
//	             shorter than a week, as it may lack a weekend or a working day;
//	             otherwise medium.
//
// RFC 6455 is always current.
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

// used reports whether the version was used. It looks at the totals too, as they stay when
// records are evicted.
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
		return "already off; no client was refused"
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

// count returns a number of clients in words.
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

// nextText returns what the plan says of the future.
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
