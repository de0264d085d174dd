package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/draftwire/draftwire/usage"
	"github.com/draftwire/draftwire/wire"
)

// never is the day of what does not happen in the year.
const never = -1

// planted is what a year of this fleet must show of a version.
type planted struct {
	version wire.Version
	// safe is the first day of the days, up to the end of the year, on which the report of a
	// fleet says that the version may be switched off: the day after the last client has
	// left the window.
	safe int
	// last is the client that is asked for on all days of its last window, alone on the last of
	// them; "": none.
	last string
	why  string
}

var plants = []planted{
	{wire.Hixie75, 82 + window + 1, "panel-hall-02", "three panels leave; the last one on day 82"},
	{wire.Hixie76, 262 + window + 1, "tv-lobby-07", "televisions and tablets leave one by one; a television that had left on day 70 comes once more, on day 262"},
	{wire.Hybi02, window - 1, "", "nobody ever speaks it: safe as soon as it was watched for long enough"},
	{wire.Hybi05, 76 + window + 1, "", "one device comes on day 40 and, after 35 days of silence, on day 75: safe is said on day 71 and taken back, as a window of 30 days cannot know; one of 90 days does"},
	{wire.Hybi07, never, "", "two kiosks on a ferry come every twenty days: never safe"},
	{wire.Hybi08, never, "", "twenty signs stay"},
	{wire.RFC6455, never, "", "current"},
}

// check compares what was said with what was planted, and returns the differences.
func check(each, together judged) (faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	for _, p := range plants {
		if got := together.settled(p.version); got != p.safe {
			fault("%s: safe from %s, planted %s", p.version, dayName(got), dayName(p.safe))
		}
		if p.last == "" {
			continue
		}
		for day := p.safe - window; day < p.safe-1; day++ {
			if x := together[p.version][day]; x.Code == usage.SafeToOff || x.Code == usage.TooEarly {
				fault("%s: %s on day %d, in the window of the last client", p.version, x.Code, day)
			}
		}
		if x := together[p.version][p.safe-1]; x.Code != usage.Ask || !slices.Equal(x.Clients, []string{p.last}) {
			fault("%s: on the day before, %q names %v, planted %s", p.version, x.Text, x.Clients, p.last)
		}
	}
	// While one of several gateways that do not stand in for each other was down in the window,
	// nobody knows who came to it.
	for day := down.from; day < days; day++ {
		x := each[wire.Hybi02][day]
		blind := day <= down.to+window-2
		if blind != (x.Code == usage.TooEarly) || blind && !strings.Contains(x.Text, fmt.Sprintf("gw-%d", down.gateway+1)) {
			fault("hybi-02: on day %d, with gateway %d down from %d to %d: %s", day, down.gateway+1, down.from, down.to, x.Text)
		}
	}
	return faults
}

// settled returns the day from which a version is safe up to the end of the year.
func (j judged) settled(v wire.Version) int {
	spans := j.spans(v)
	if last := spans[len(spans)-1]; last.code == usage.SafeToOff {
		return last.from
	}
	return never
}

func dayName(day int) string {
	if day == never {
		return "never"
	}
	return fmt.Sprintf("day %d", day)
}
