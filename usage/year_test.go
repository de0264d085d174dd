package usage_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/draftwire/draftwire/usage"
	"github.com/draftwire/draftwire/wire"
)

// TestYear replays a year: hixie-76 begins with twenty devices that leave one
// by one; the last, kiosk-19, is seen on day 250. With a window of 30 days the
// verdict flips on day 281, when that day has left the window, and not before.
func TestYear(t *testing.T) {
	const lastDay, window = 250, 30
	c := &clock{newYear}
	l := open(t, "", c, usage.Options{})
	codes := map[usage.Code][]int{}
	for day := range 365 {
		for i := range 20 {
			if day > 60+10*i { // device i leaves, the last one stays
				if i < 19 || day > lastDay {
					continue
				}
			}
			c.t = newYear.Add(time.Duration(day)*aDay + time.Duration(i)*time.Minute)
			l.Opened(usage.Visit{Version: wire.Hixie76, Client: fmt.Sprintf("kiosk-%d", i), UserAgent: "HbbTV/1.1.1"})
		}
		c.t = newYear.Add(time.Duration(day)*aDay + 23*time.Hour)
		l.Opened(usage.Visit{Version: wire.RFC6455, Client: fmt.Sprintf("browser-%d", day), UserAgent: "x", TLS: 0x0304})
		r := l.Snapshot().Report(usage.ReportOptions{})
		if v := rowOf(t, r, wire.RFC6455).Verdict; v.Code != usage.Current {
			t.Fatalf("day %d: rfc6455: %+v", day, v)
		}
		// hybi-04 was never used, so it can be switched off as soon as it was watched
		// for long enough.
		if v := rowOf(t, r, wire.Hybi04).Verdict; (v.Code == usage.TooEarly) != (day < 29) || (v.Code == usage.SafeToOff) != (day >= 29) {
			t.Fatalf("day %d: hybi-04: %+v", day, v)
		}
		v := rowOf(t, r, wire.Hixie76).Verdict
		codes[v.Code] = append(codes[v.Code], day)
		if day == lastDay && !slices.Equal(v.Clients, []string{"kiosk-19", "kiosk-18", "kiosk-17", "kiosk-16"}) {
			t.Errorf("day %d: %+v", day, v)
		}
		if day == lastDay+window && (v.Code != usage.Ask || !slices.Equal(v.Clients, []string{"kiosk-19"}) || v.Text != "ask: 1 client left (kiosk-19)") {
			t.Errorf("day %d: %+v", day, v)
		}
	}
	if safe := codes[usage.SafeToOff]; len(safe) == 0 || safe[0] != lastDay+window+1 || len(safe) != 365-safe[0] {
		t.Errorf("safe on days %v", safe)
	}
	if keep := codes[usage.Keep]; len(keep) == 0 || keep[0] != 0 || len(codes[usage.TooEarly]) != 0 || len(codes[usage.IsOff]) != 0 {
		t.Errorf("%v", codes)
	}
	for _, day := range codes[usage.Ask] {
		if day < 200 {
			t.Errorf("asked on day %d, when many were left", day)
		}
	}
}
