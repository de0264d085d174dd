package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/internal/leak"
	"github.com/draftwire/draftwire/internal/memnet"
)

var bg = context.Background()

// TestMain fails the run if a goroutine outlives the tests. Only the goroutines that accept
// on sockets which a child has inherited may.
func TestMain(m *testing.M) {
	var stay []string
	if os.Getenv("GATEWAY_CHILD") != "" {
		stay = []string{"door).pump"}
	}
	leak.Main(m, nil, stay)
}

// world is a network in memory, with a gateway in it.
type world struct {
	elsewhere func(client netip.Prefix) int // connections at other gateways
	t         *testing.T
	gw        *gateway.Gateway
	mu        sync.Mutex
	at        map[string]*memnet.Listener
	lost      map[gateway.Loss]int
	ends      chan *gateway.Session                     // of sessions that are over
	wrap      func(address string, c net.Conn) net.Conn // wraps what is dialled, if not nil
	hooks     gateway.Hooks                             // more of them
}

// bubble runs a test in fake time.
func bubble(t *testing.T, f func(t *testing.T)) { synctest.Test(t, f) }

func newWorld(t *testing.T) *world {
	return &world{t: t, at: make(map[string]*memnet.Listener), lost: make(map[gateway.Loss]int), ends: make(chan *gateway.Session, 1000)}
}

func (w *world) listen(address string) (net.Listener, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := memnet.Listen(64 << 10)
	w.at[address] = l
	return l, nil
}

func (w *world) dial(ctx context.Context, _, address string) (net.Conn, error) {
	w.mu.Lock()
	l := w.at[address]
	w.mu.Unlock()
	if l == nil {
		return nil, fmt.Errorf("dial %s: nobody is there", address)
	}
	c, err := l.Dial()
	if err != nil || w.wrap == nil {
		return c, err
	}
	return w.wrap(address, c), nil
}

// backend serves at an address; it ends with the test.
func (w *world) backend(address string, s *draftwire.Server) {
	w.t.Helper()
	l, _ := w.listen(address)
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	w.t.Cleanup(func() {
		s.Close()
		<-done
		s.Shutdown(bg)
	})
}

// echo starts a backend of these versions that echoes messages.
func (w *world) echo(address string, versions draftwire.Versions) {
	w.backend(address, &draftwire.Server{WebSocket: echo, Options: open(versions)})
}

func open(versions draftwire.Versions) draftwire.AcceptOptions {
	return draftwire.AcceptOptions{Versions: versions, Origins: []string{"*"}, Protocols: []string{"*"}}
}

func echo(ctx context.Context, c *draftwire.Conn) error {
	for m, err := range c.Messages(ctx) {
		if err == nil {
			err = c.Write(ctx, m.Op, m.Data)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// start starts the gateway; it ends with the test.
func (w *world) start(cfg *gateway.Config) {
	w.t.Helper()
	hooks := w.hooks
	hooks.Loss = func(_ *gateway.Session, l gateway.Loss) {
		w.mu.Lock()
		w.lost[l]++
		w.mu.Unlock()
	}
	hooks.Ended = func(s *gateway.Session, _ *draftwire.Conn) { w.ends <- s }
	gw, err := gateway.New(cfg, gateway.Options{Hooks: hooks, Listen: w.listen, Dial: w.dial})
	if err != nil {
		w.t.Fatal(err)
	}
	w.gw = gw
	done := make(chan error, 1)
	go func() { done <- gw.Run(bg) }()
	w.t.Cleanup(func() {
		gw.Close()
		if err := <-done; err != nil {
			w.t.Errorf("run: %v", err)
		}
	})
}

// losses returns the losses so far.
func (w *world) losses() map[gateway.Loss]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := map[gateway.Loss]int{}
	for l, n := range w.lost {
		out[l] = n
	}
	return out
}

// to returns a configuration with one port and one route.
func to(policy gateway.Policy, urls ...string) *gateway.Config {
	r := gateway.Route{Name: "r", Policy: policy}
	for _, u := range urls {
		r.Backends = append(r.Backends, gateway.Backend{URL: u})
	}
	r.Health.Check = "off"
	return &gateway.Config{
		Listen: []gateway.Listener{{Name: "main", Address: "front:80"}},
		Admin:  gateway.Admin{Address: "off"}, Routes: []gateway.Route{r},
	}
}

// client connects to the gateway.
func (w *world) client(v draftwire.Version, o draftwire.DialOptions) (*draftwire.Conn, error) {
	o.Version, o.NetDial = v, w.dial
	c, _, err := draftwire.Dial(bg, "ws://front/x?y=z", &o)
	if err == nil {
		w.t.Cleanup(func() { c.CloseNow() })
	}
	return c, err
}

func (w *world) mustClient(v draftwire.Version, o draftwire.DialOptions) *draftwire.Conn {
	w.t.Helper()
	c, err := w.client(v, o)
	if err != nil {
		w.t.Fatalf("%s: %v", v, err)
	}
	return c
}

// statusOf returns the HTTP status of a refusal, 0 for another error.
func statusOf(err error) int {
	he, ok := errors.AsType[*draftwire.HandshakeError](err)
	if !ok {
		return 0
	}
	return he.Status
}

// forPairs runs a test for each version of client and backend, in fake time.
func forPairs(t *testing.T, f func(t *testing.T, front, back draftwire.Version)) {
	for _, front := range draftwire.ServedVersions().List() {
		for _, back := range draftwire.ServedVersions().List() {
			t.Run(front.String()+" to "+back.String(), func(t *testing.T) {
				bubble(t, func(t *testing.T) { f(t, front, back) })
			})
		}
	}
}

func backURL(v draftwire.Version) string { return "ws://back/?version=" + v.String() }
