package gateway_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire/gateway"
)

// A socket that another process has taken stays in place, one that it has not taken goes, and
// a retired gateway is not reloaded.
func TestRetire(t *testing.T) {
	dir, err := os.MkdirTemp("", "dw") // short, as the path of a unix socket is
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	kept, gone := filepath.Join(dir, "kept"), filepath.Join(dir, "gone")
	cfg := &gateway.Config{
		Listen: []gateway.Listener{{Address: "unix:" + kept}, {Address: "unix:" + gone}},
		Routes: []gateway.Route{{Backends: []gateway.Backend{{URL: "ws://127.0.0.1:1"}}}},
	}
	g, err := gateway.New(cfg, gateway.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	go g.Run(context.Background())
	if s := g.Sockets(); len(s) != 2 || s[0].Address != "unix:"+kept || g.DrainAfter() != 24*time.Hour || g.UpgradeTimeout() != 30*time.Second {
		t.Errorf("the sockets are %v; %s, %s", s, g.DrainAfter(), g.UpgradeTimeout())
	}
	g.Retire(func(address string) bool { return address == "unix:"+kept })
	if _, err := os.Stat(kept); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(gone); !os.IsNotExist(err) {
		t.Errorf("the other socket: %v", err)
	}
	if err := g.Reload(cfg); err == nil || !strings.Contains(err.Error(), "taken this one's place") {
		t.Errorf("a reload: %v", err)
	}
	if !g.Idle() {
		t.Error("it is not idle")
	}
}

func ExampleStatus_Add() {
	newest := gateway.Status{
		Connections: 3, Versions: map[string]int{"rfc6455": 3},
		Generations: []gateway.Generation{{PID: 200, Version: "v1.1.0", Connections: 3}},
	}
	newest.Add(&gateway.Status{
		Connections: 40, Versions: map[string]int{"hixie-76": 40},
		Generations: []gateway.Generation{{PID: 100, Version: "v1.0.0", Connections: 40}},
	})
	fmt.Println(newest.Connections, newest.Versions)
	for _, g := range newest.Generations {
		fmt.Println(g.PID, g.Version, g.Connections)
	}
	// Output:
	// 43 map[hixie-76:40 rfc6455:3]
	// 200 v1.1.0 3
	// 100 v1.0.0 40
}

func ExampleHubStatus() {
	since := time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC)
	s := gateway.Status{Hub: &gateway.HubStatus{URL: "embedded", Since: since, Error: "the broker does not answer", Servers: "1 of 3"}}
	fmt.Println(s.Hub)
	// Output: embedded, away since 2026-12-01 10:00:00, 1 of 3 servers: the broker does not answer
}

func ExampleGateway_Sockets() {
	g, err := gateway.New(&gateway.Config{
		Listen: []gateway.Listener{{Address: "127.0.0.1:0"}},
		Routes: []gateway.Route{{Backends: []gateway.Backend{{URL: "ws://127.0.0.1:9000"}}}},
	}, gateway.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer g.Close()
	for _, s := range g.Sockets() { // what a process that takes this one's place needs
		fmt.Println(s.Address, s.Listener.Addr().Network())
	}
	// Output: 127.0.0.1:0 tcp
}
