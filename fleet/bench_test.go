package fleet_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/draftwire/draftwire/fleet"
	"github.com/draftwire/draftwire/usage"
	"github.com/draftwire/draftwire/wire"
)

// BenchmarkPut stores a ledger of 50,000 clients of which so many have changed.
func BenchmarkPut(b *testing.B) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	l, err := usage.Open("", &usage.Options{Name: "a", Now: func() time.Time { return now }})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	visit := func(i int) {
		l.Opened(usage.Visit{Version: wire.Hixie76, Client: fmt.Sprint("10.", i/65536, ".", i/256%256, ".", i%256), UserAgent: "Mozilla/5.0 (SmartTV; Linux)", Path: "/feed", Host: "tv.example.com"})
	}
	for range 30 { // days
		for i := range 50_000 {
			visit(i)
		}
		now = now.Add(24 * time.Hour)
	}
	for _, changed := range []int{0, 1, 100, 50_000} {
		b.Run(fmt.Sprint("changed=", changed), func(b *testing.B) {
			n, err := fleet.Join(fleet.NewLocal(), fleet.Options{Name: "a", Every: time.Hour})
			if err != nil {
				b.Fatal(err)
			}
			defer n.Leave()
			if err := n.Put(b.Context(), l.Snapshot()); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				for i := range changed {
					visit(i * (50_000 / changed))
				}
				now = now.Add(time.Second)
				if err := n.Put(b.Context(), l.Snapshot()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkElsewhere is what a handshake pays for a limit over a fleet of three.
func BenchmarkElsewhere(b *testing.B) {
	client := netip.MustParsePrefix("10.0.0.7/32")
	counts := func() []fleet.Count {
		list := make([]fleet.Count, 10_000)
		for i := range list {
			list[i] = fleet.Count{Client: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 32), N: 1}
		}
		return list
	}
	bus := fleet.NewLocal()
	var nodes []*fleet.Node
	for i := range 3 {
		n, err := fleet.Join(bus.Port(), fleet.Options{Name: fmt.Sprint(i), Counts: counts, Every: 50 * time.Millisecond})
		if err != nil {
			b.Fatal(err)
		}
		defer n.Leave()
		nodes = append(nodes, n)
	}
	until(func() bool { return nodes[0].Elsewhere(client) == 2 })
	for b.Loop() {
		nodes[0].Elsewhere(client)
	}
}
