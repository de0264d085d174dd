package draftwire

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire/internal/intern"
)

// Handshakes that say the same hold it once; others hold their own, and what is too long is
// kept for nobody.
func TestOutlines(t *testing.T) {
	var table outlines
	shared := func(change func(h *Handshake)) *Handshake {
		h := newHandshake(time.Now(), "", false, nil)
		h.version, h.host, h.origin, h.target = RFC6455, "example.com", "http://example.com", "/chat"
		h.offered = []string{"a", "b"}
		change(h)
		h.own(&table, &intern.Head{})
		return h
	}
	same := func(h *Handshake) {}
	first := shared(same)
	if second := shared(same); second.outline != first.outline || second.Target() != "/chat" {
		t.Errorf("%+v is not shared with %+v", second, first)
	}
	for what, change := range map[string]func(h *Handshake){
		"version": func(h *Handshake) { h.version = Hybi08 },
		"host":    func(h *Handshake) { h.host = "example.net" },
		"offers":  func(h *Handshake) { h.offered = []string{"a"} },
		"secure":  func(h *Handshake) { h.secure = true },
	} {
		want := newHandshake(time.Now(), "", false, nil)
		h := shared(func(h *Handshake) { change(h); *want.outline = *h.outline })
		if h.outline == first.outline || h.facts != want.facts || len(h.offered) != len(want.offered) {
			t.Errorf("another %s: %+v, not %+v", what, h.outline, want.outline)
		}
	}
	if h := shared(func(h *Handshake) { h.target = "/other" }); h.Target() != "/other" || h.Host() != "example.com" {
		t.Errorf("another target: %+v", h)
	}
	long := func(h *Handshake) { h.host = strings.Repeat("x", outlineMost) }
	if a, b := shared(long), shared(long); a.outline == b.outline || a.Host() != b.Host() {
		t.Error("what is too long is kept for others")
	}
}

// A moment is the time that it was made of, whatever clock others have.
func TestMoment(t *testing.T) {
	check := func(t *testing.T) {
		for range 2 {
			now := time.Now()
			m := momentOf(now)
			if d := m.time().Sub(now); d != 0 {
				t.Errorf("the monotonic clock is %v off", d)
			}
			if d := m.time().Round(0).Sub(now.Round(0)); d.Abs() >= sameClock {
				t.Errorf("the wall clock is %v off", d)
			}
		}
	}
	check(t)
	synctest.Test(t, check)
	check(t)
	if !(moment{}).time().IsZero() {
		t.Error("no moment is a time")
	}
}
