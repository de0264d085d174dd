package gateway_test

import (
	"maps"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/usage"
	"github.com/draftwire/draftwire/wire"
)

// The connections of a client elsewhere count, with limits: fleet, and without a reload they stop to count when they end.
func TestLimitOfAFleet(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		accepts(w, "back:80", echo)
		cfg := to(gateway.Policy{}, "ws://back")
		cfg.Limits.ConnectionsPerAddress = 5
		cfg.Limits.Fleet = true
		cfg.Fleet.Name, cfg.Hub.URL = "gw-1", "nats://127.0.0.1"
		var elsewhere atomic.Int64
		w.elsewhere = func(client netip.Prefix) int {
			if client.Bits() != 32 && client.Bits() != 64 {
				t.Errorf("asked for %s", client)
			}
			return int(elsewhere.Load())
		}
		w.startWith(cfg, gateway.Hooks{})
		elsewhere.Store(3)
		for range 2 {
			w.mustClient(draftwire.RFC6455, draftwire.DialOptions{})
		}
		if he := w.refusal(draftwire.Hixie76); he.Fields.Get("Draftwire-Reason") != string(wire.ReasonLimit) || he.Status != 503 {
			t.Errorf("the sixth connection in the fleet: %v", he)
		}
		counts := w.gw.ByAddress()
		if len(counts) != 1 || !containsValue(counts, 2) {
			t.Errorf("announced: %v", counts)
		}
		elsewhere.Store(0) // the bus is away: what is here counts
		for range 3 {
			w.mustClient(draftwire.RFC6455, draftwire.DialOptions{})
		}
		w.refusal(draftwire.RFC6455)
		elsewhere.Store(100)
		off := *cfg
		off.Limits.Fleet = false
		off.Limits.ConnectionsPerAddress = 6
		if err := w.gw.Reload(&off); err != nil {
			t.Fatal(err)
		}
		w.mustClient(draftwire.RFC6455, draftwire.DialOptions{})
	})
}

func containsValue(m map[netip.Prefix]int, n int) bool {
	for v := range maps.Values(m) {
		if v == n {
			return true
		}
	}
	return false
}

// A plan from outside takes the place of the configuration's, also behind a reload, until it is taken back.
func TestPlanFromOutside(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		accepts(w, "back:80", echo)
		cfg := to(gateway.Policy{}, "ws://back")
		cfg.Versions = map[string][]gateway.Stage{"hixie-76": {{Mode: "off"}}}
		w.startWith(cfg, gateway.Hooks{})
		stages := func() string {
			var list []string
			for _, x := range w.gw.Status().Retiring {
				list = append(list, x.Version+" "+x.Mode)
			}
			return strings.Join(list, ",")
		}
		if he := w.refusal(draftwire.Hixie76); he.Fields.Get("Draftwire-Reason") != string(wire.ReasonRetired) || stages() != "hixie-76 off" {
			t.Errorf("by the file: %v, %s", he, stages())
		}
		w.gw.SetPlan(usage.Plan{draftwire.Hybi08: {{Mode: usage.Off}}})
		for range 2 {
			w.mustClient(draftwire.Hixie76, draftwire.DialOptions{})
			if he := w.refusal(draftwire.Hybi08); he.Fields.Get("Draftwire-Reason") != string(wire.ReasonRetired) || stages() != "hybi-08 off" {
				t.Errorf("by the plan: %v, %s", he, stages())
			}
			if err := w.gw.Reload(cfg); err != nil {
				t.Fatal(err)
			}
		}
		w.gw.SetPlan(usage.Plan{})
		w.mustClient(draftwire.Hixie76, draftwire.DialOptions{})
		w.mustClient(draftwire.Hybi08, draftwire.DialOptions{})
		w.gw.SetPlan(nil)
		w.mustClient(draftwire.Hybi08, draftwire.DialOptions{})
		w.refusal(draftwire.Hixie76)
	})
}

// CanReload says what Reload would say, and changes nothing.
func TestCanReload(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		cfg := to(gateway.Policy{}, "ws://back")
		w.startWith(cfg, gateway.Hooks{})
		other := *cfg
		other.Drain = -1
		if err := w.gw.CanReload(&other); err != nil {
			t.Error(err)
		}
		other.Fleet.Name, other.Hub.URL = "gw-9", "nats://127.0.0.1"
		if err := w.gw.CanReload(&other); err == nil || !strings.Contains(err.Error(), "fleet: a reload cannot change it") {
			t.Errorf("another name in the fleet: %v", err)
		}
		other.Fleet.Name = "gw 9"
		if err := w.gw.CanReload(&other); err == nil || !strings.Contains(err.Error(), `"gw 9" is not a name`) {
			t.Errorf("a name that is none: %v", err)
		}
		if w.gw.Config().Drain < 0 {
			t.Error("the configuration was changed")
		}
	})
}
