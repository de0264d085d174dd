package gateway_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
)

// real is a gateway on real sockets. done gets the result of Run.
type real struct {
	t    *testing.T
	gw   *gateway.Gateway
	done chan error
}

func realGateway(t *testing.T, cfg *gateway.Config, o gateway.Options) *real {
	t.Helper()
	gw, err := gateway.New(cfg, o)
	if err != nil {
		t.Fatal(err)
	}
	r := &real{t, gw, make(chan error, 1)}
	go func() { r.done <- gw.Run(bg) }()
	t.Cleanup(func() {
		gw.Close()
		if err := <-r.done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	return r
}

// address returns the address of a listener.
func (r *real) address(name string) string {
	for _, l := range r.gw.Status().Listeners {
		if l.Name == name {
			return l.Address
		}
	}
	r.t.Fatalf("no listener %s", name)
	return ""
}

// client connects a client, which is cut at the end of the test.
func (r *real) client(address string) (*draftwire.Conn, error) {
	c, _, err := draftwire.Dial(bg, "ws://"+address+"/", nil)
	if err == nil {
		r.t.Cleanup(func() { c.CloseNow() })
	}
	return c, err
}

// named starts a real backend that answers each message with its name.
func named(t *testing.T, name string) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &draftwire.Server{Options: open(draftwire.AllVersions), WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
		for m, err := range c.Messages(ctx) {
			if err == nil {
				err = c.Write(ctx, m.Op, []byte(name))
			}
			if err != nil {
				return err
			}
		}
		return nil
	}}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() { s.Close(); <-done; s.Shutdown(bg) })
	return "ws://" + l.Addr().String()
}

func who(c *draftwire.Conn) string {
	if err := c.Write(bg, draftwire.OpText, []byte("who?")); err != nil {
		return err.Error()
	}
	_, p, err := c.Read(bg)
	if err != nil {
		return err.Error()
	}
	return string(p)
}

// tcp is a configuration with ports on the loopback.
func tcp(url string, names ...string) *gateway.Config {
	cfg := to(gateway.Policy{}, url)
	cfg.Listen = nil
	for _, n := range names {
		cfg.Listen = append(cfg.Listen, gateway.Listener{Name: n, Address: "127.0.0.1:0"})
	}
	return cfg
}

// A reload of the routes changes neither the ports nor open connections.
func TestReloadRoutes(t *testing.T) {
	a, b := named(t, "a"), named(t, "b")
	cfg := tcp(a, "main")
	r := realGateway(t, cfg, gateway.Options{})
	addr := r.address("main")
	before, err := r.client(addr)
	if err != nil {
		t.Fatal(err)
	}
	next := tcp(b, "main")
	if err := r.gw.Reload(next); err != nil {
		t.Fatal(err)
	}
	if got := r.address("main"); got != addr {
		t.Errorf("the port moved from %s to %s", addr, got)
	}
	after, err := r.client(addr)
	if err != nil {
		t.Fatal(err)
	}
	if got := who(before) + who(after); got != "ab" {
		t.Errorf("answered by %q", got)
	}
}

// While a port changes, no client is refused, and open connections stay.
func TestReloadUnderLoad(t *testing.T) {
	cfg := tcp(named(t, "a"), "main")
	r := realGateway(t, cfg, gateway.Options{})
	addr := r.address("main")
	first, err := r.client(addr)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(bg)
	var all sync.WaitGroup
	var served atomic.Int64
	for range 4 {
		all.Go(func() {
			for ctx.Err() == nil {
				c, _, err := draftwire.Dial(bg, "ws://"+addr+"/", nil)
				if err != nil {
					t.Errorf("turned away: %v", err)
					return
				}
				if got := who(c); got != "a" {
					t.Errorf("got %q", got)
				}
				c.CloseNow()
				served.Add(1)
			}
		})
	}
	for i := range 15 {
		next := tcp(cfg.Routes[0].Backends[0].URL, "main")
		next.Limits.Message = gateway.Size(1000 + i) // makes a new server for the port
		before := served.Load()
		if err := r.gw.Reload(next); err != nil {
			t.Fatal(err)
		}
		for served.Load() < before+8 && !t.Failed() {
			<-time.After(time.Millisecond)
		}
	}
	stop()
	all.Wait()
	if got := who(first); got != "a" {
		t.Errorf("the first client: %q", got)
	}
	if r.address("main") != addr {
		t.Error("the port moved")
	}
	for r.gw.Old() > 1 { // that of the first client
		<-time.After(50 * time.Millisecond)
	}
}

// The clients of a removed port get their farewell, also those of its predecessors on the
// same address. The others go on.
func TestReloadRemovesPort(t *testing.T) {
	url := named(t, "a")
	cfg := tcp(url, "stays")
	cfg.Drain = 1 // at once
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	goes := l.Addr().String()
	l.Close()
	cfg.Listen = append(cfg.Listen, gateway.Listener{Name: "goes", Address: goes})
	r := realGateway(t, cfg, gateway.Options{})
	join := func(addr string) *draftwire.Conn {
		c, err := r.client(addr)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	oldest, stays := join(goes), join(r.address("stays"))
	changed := *cfg
	changed.Listen = []gateway.Listener{cfg.Listen[0], cfg.Listen[1]}
	changed.Listen[1].FlashPolicy = true
	if err := r.gw.Reload(&changed); err != nil {
		t.Fatal(err)
	}
	newer := join(goes)
	if who(oldest) != "a" {
		t.Error("the change of a port ended its client")
	}
	changed.Listen = changed.Listen[:1]
	if err := r.gw.Reload(&changed); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*draftwire.Conn{oldest, newer} {
		if _, _, err := c.Read(bg); draftwire.CloseStatus(err) != draftwire.CodeGoingAway {
			t.Errorf("heard %v", err)
		}
	}
	if _, err := net.Dial("tcp", goes); err == nil {
		t.Error("the port is open still")
	}
	if who(stays) != "a" {
		t.Error("a client of the other port is gone")
	}
}

// A configuration that cannot come into force changes nothing.
func TestReloadFails(t *testing.T) {
	url := named(t, "a")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	other := free.Addr().String()
	free.Close()
	cfg := tcp(url, "main")
	cfg.Routes[0].Origins = []string{"example.com"}
	var told []error
	r := realGateway(t, cfg, gateway.Options{Hooks: gateway.Hooks{Reloaded: func(_ *gateway.Config, err error) { told = append(told, err) }}})
	addr, since := r.address("main"), r.gw.Status().Configured
	open, err := r.client(addr)
	if err != nil {
		t.Fatal(err)
	}
	bad := map[string]func(c *gateway.Config){
		"no routes":       func(c *gateway.Config) { c.Routes = nil },
		"no such version": func(c *gateway.Config) { c.Listen[0].Versions = "hybi-99" },
		"no certificate": func(c *gateway.Config) {
			c.Listen[0].TLS = &gateway.TLS{Certificates: []gateway.KeyPair{{Cert: "/nowhere.pem", Key: "/nowhere.pem"}}}
		},
		"an address that is taken": func(c *gateway.Config) {
			c.Limits.Message = 5 // the port changes
			c.Listen = append(c.Listen, gateway.Listener{Name: "x", Address: other}, gateway.Listener{Name: "y", Address: taken.Addr().String()})
		},
		"an origin that cannot be read": func(c *gateway.Config) { c.Routes[0].Origins = []string{"[a"} },
	}
	for name, change := range bad {
		next := tcp(url, "main")
		change(next)
		told = nil
		if err := r.gw.Reload(next); err == nil {
			t.Errorf("%s: taken", name)
		} else if len(told) != 1 || !errors.Is(told[0], err) {
			t.Errorf("%s: told %v, not %v", name, told, err)
		}
		s := r.gw.Status()
		if !s.Configured.Equal(since) || r.address("main") != addr || len(s.Listeners) != 1 {
			t.Errorf("%s: the status is %+v", name, s)
		}
		if nc, err := net.Dial("tcp", other); err == nil {
			nc.Close()
			t.Errorf("%s: a port was left open", name)
		}
		c, err := r.client(addr)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		c.CloseNow()
	}
	if who(open) != "a" {
		t.Error("the open client is gone")
	}
	_, _, err = draftwire.Dial(bg, "ws://"+addr+"/", &draftwire.DialOptions{Origin: "http://evil.example"})
	if statusOf(err) != 403 {
		t.Errorf("the origin is allowed now: %v", err)
	}
}

// A gateway that was never run closes its ports too.
func TestCloseWithoutRun(t *testing.T) {
	cfg := tcp(named(t, "a"), "main")
	gw, err := gateway.New(cfg, gateway.Options{})
	if err != nil {
		t.Fatal(err)
	}
	addr := gw.Status().Listeners[0].Address
	gw.Close()
	if nc, err := net.Dial("tcp", addr); err == nil {
		nc.Close()
		t.Error("the port is open still")
	}
	if err := gw.Reload(cfg); err == nil {
		t.Error("a closed gateway takes a configuration")
	}
	if err := gw.Run(bg); err != nil {
		t.Errorf("run: %v", err)
	}
}

// A reload before Run is in force, and each port is served once.
func TestReloadBeforeRun(t *testing.T) {
	cfg := tcp(named(t, "a"), "main")
	gw, err := gateway.New(cfg, gateway.Options{})
	if err != nil {
		t.Fatal(err)
	}
	next := tcp(cfg.Routes[0].Backends[0].URL, "main")
	next.Limits.Message = 5
	if err := gw.Reload(next); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	ctx, stop := context.WithCancel(bg)
	go func() { done <- gw.Run(ctx) }()
	c, _, err := draftwire.Dial(bg, "ws://"+gw.Status().Listeners[0].Address+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if who(c) != "a" {
		t.Error("not served")
	}
	stop() // when Run's context ends the gateway ends
	if err := <-done; err != nil {
		t.Errorf("run: %v", err)
	}
	if _, _, err := c.Read(bg); err == nil {
		t.Error("the client is open still")
	}
}

// Reloads while the gateway closes leave no port open.
func TestReloadAgainstClose(t *testing.T) {
	url := named(t, "a")
	for range 30 {
		cfg := tcp(url, "main")
		gw, err := gateway.New(cfg, gateway.Options{})
		if err != nil {
			t.Fatal(err)
		}
		addr := gw.Status().Listeners[0].Address
		done := make(chan error, 1)
		go func() { done <- gw.Run(bg) }()
		var all sync.WaitGroup
		for i := range 3 {
			all.Go(func() {
				next := tcp(url, "main")
				next.Limits.Message = gateway.Size(10 + i)
				gw.Reload(next)
			})
		}
		all.Go(func() { gw.Close() })
		all.Wait()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
		if nc, err := net.Dial("tcp", addr); err == nil {
			nc.Close()
			t.Fatal("the port is open still")
		}
	}
}

// A reload does not change the configuration that it is given.
func TestConfigIsLeftAlone(t *testing.T) {
	cfg := tcp("ws://127.0.0.1:1", "main")
	cfg.Listen[0].TLS = &gateway.TLS{}
	if err := cfg.Check(); err == nil {
		t.Error("TLS without a certificate is taken")
	}
	if cfg.Listen[0].TLS.Profile != "" || cfg.Drain != 0 {
		t.Errorf("changed: %+v", cfg)
	}
}

// A reload refuses what only a restart can change, says so, and changes nothing else.
func TestReloadNeedsRestart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.start(to(gateway.Policy{}, "ws://back"))
		for want, change := range map[string]func(c *gateway.Config){
			`admin: address: a reload cannot change it from "off" to "127.0.0.1:9091"; restart the gateway`: func(c *gateway.Config) { c.Admin.Address = "127.0.0.1:9091" },
			"admin: pprof: a reload cannot change it; restart the gateway":                                  func(c *gateway.Config) { c.Admin.Pprof = true },
			`ledger: file: a reload cannot change it from "" to "usage.db"; restart the gateway`:            func(c *gateway.Config) { c.Ledger.File = "usage.db" },
			"ledger: a reload cannot change client or clients; restart the gateway":                         func(c *gateway.Config) { c.Ledger.Clients = 7 },
		} {
			next := to(gateway.Policy{}, "ws://another")
			change(next)
			if err := w.gw.Reload(next); err == nil || err.Error() != want {
				t.Errorf("%v, not %s", err, want)
			}
			if url := w.gw.Status().Routes[0].Backends[0].URL; url != "ws://back" {
				t.Errorf("the backend is %s", url)
			}
		}
		same := to(gateway.Policy{}, "ws://another")
		same.Ledger = gateway.Ledger{Client: "address", Clients: 50000} // the defaults, spelled out
		same.Admin.Hosts = []string{"gw.example.com"}
		if err := w.gw.Reload(same); err != nil {
			t.Error(err)
		}
	})
}
