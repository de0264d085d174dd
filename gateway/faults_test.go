//go:build faults

package gateway_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/internal/faultnet"
)

// relayed is one session of a client and an echoing backend, over sockets that fail.
type relayed struct {
	front, back draftwire.Version
	room        int // of the sockets' buffers
	schedule    faultnet.Schedule
	at          int // the call at which do is done
	do          func(r *relayed)

	net    *faultnet.Net
	gw     *gateway.Gateway
	doors  map[string]*faultnet.Listener
	script []string

	mu             sync.Mutex
	client         *draftwire.Conn
	here, there    []string // what came to the client, and to the backend
	read           error    // how the client's reading ended
	close          error    // what its Close returned
	ended          []string // how sessions ended
	opened, closed int      // connections to the backend, as the hooks say
	lost           map[gateway.Loss]int
	dialled        error
}

// curtain is when a session must have ended; all its timeouts are shorter.
const curtain = time.Hour

func (r *relayed) perform(t *testing.T) *relayed {
	t.Helper()
	p := &relayed{front: r.front, back: r.back, room: r.room, schedule: r.schedule, at: r.at, do: r.do, lost: map[gateway.Loss]int{}}
	for i := range 20 {
		p.script = append(p.script, "message "+strconv.Itoa(i))
	}
	p.script = append(p.script, strings.Repeat("large ", 3000), "last")
	synctest.Test(t, p.run)
	return p
}

func (r *relayed) acts(c faultnet.Call) (a faultnet.Action) {
	if r.schedule != nil {
		a = r.schedule(c)
	}
	if r.do != nil && c.N == r.at {
		a.Do = func() { r.do(r) }
	}
	return a
}

func (r *relayed) dial(_ context.Context, _, address string) (net.Conn, error) {
	return r.doors[address].Dial()
}

func (r *relayed) hooks() gateway.Hooks {
	note := func(f func()) {
		r.mu.Lock()
		f()
		r.mu.Unlock()
	}
	return gateway.Hooks{
		Loss:          func(_ *gateway.Session, l gateway.Loss) { note(func() { r.lost[l]++ }) },
		BackendOpened: func(*gateway.Session) { note(func() { r.opened++ }) },
		BackendClosed: func(*gateway.Session) { note(func() { r.closed++ }) },
		Ended: func(s *gateway.Session, _ *draftwire.Conn) {
			by, err := s.By()
			note(func() { r.ended = append(r.ended, fmt.Sprintf("by %q: %v", by, err)) })
		},
	}
}

func (r *relayed) run(t *testing.T) {
	r.net = faultnet.New(r.acts)
	r.doors = map[string]*faultnet.Listener{"front:80": r.net.Listen(r.room), "back:80": r.net.Listen(r.room)}
	backend := &draftwire.Server{WebSocket: r.echo, Options: open(draftwire.AllVersions)}
	limits := draftwire.Limits{IdleTimeout: 3 * time.Minute, WriteTimeout: 20 * time.Second}
	backend.Options.Limits = limits
	cfg := to(gateway.Policy{}, backURL(r.back))
	cfg.Limits.IdleTimeout = gateway.Duration(2 * time.Minute)
	gw, err := gateway.New(cfg, gateway.Options{Hooks: r.hooks(), Dial: r.dial,
		Listen: func(address string) (net.Listener, error) { return r.doors[address], nil }})
	if err != nil {
		t.Fatal(err)
	}
	r.gw = gw
	var running sync.WaitGroup
	running.Go(func() { backend.Serve(r.doors["back:80"]) })
	running.Go(func() { gw.Run(bg) })
	synctest.Wait()
	over := make(chan struct{})
	go func() {
		defer close(over)
		r.visit(draftwire.DialOptions{Version: r.front, NetDial: r.dial, Limits: limits})
	}()
	select {
	case <-over:
	case <-time.After(curtain):
		buf := make([]byte, 1<<20)
		t.Errorf("the client does not come to its end:\n%s", buf[:runtime.Stack(buf, true)])
	}
	pass(5 * time.Minute)
	r.settled(t)
	gw.Close()
	if err := backend.Shutdown(bg); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	running.Wait()
	synctest.Wait()
	if n := r.net.Open(); n != 0 {
		t.Errorf("%d sockets are open", n)
	}
}

// settled checks that the gateway holds nothing any more.
func (r *relayed) settled(t *testing.T) {
	s := r.gw.Status()
	for _, l := range s.Listeners {
		if l.Pending+l.Open != 0 {
			t.Errorf("%d pending, %d open", l.Pending, l.Open)
		}
	}
	if open, addresses := r.gw.Held(); s.Connections != 0 || open != 0 || addresses != 0 || s.Routes[0].Backends[0].Connections != 0 {
		t.Errorf("held: %+v, %d, %d", s, open, addresses)
	}
	if n := r.net.Open(); n != 0 {
		t.Errorf("%d sockets are open", n)
	}
}

func (r *relayed) echo(ctx context.Context, c *draftwire.Conn) error {
	return c.ReadLoop(ctx, func(op draftwire.Op, p []byte) error {
		r.mu.Lock()
		r.there = append(r.there, string(p))
		r.mu.Unlock()
		return c.Write(ctx, op, p)
	})
}

// visit is the client: it sends everything, in part one message at a time, and leaves when
// everything has come back.
func (r *relayed) visit(o draftwire.DialOptions) {
	c, _, err := draftwire.Dial(bg, "ws://front/x?y=z", &o)
	r.dialled = err
	if err != nil {
		return
	}
	r.mu.Lock()
	r.client = c
	r.mu.Unlock()
	came := make(chan struct{}, len(r.script)+1)
	go func() {
		defer close(came)
		for {
			_, p, err := c.Read(bg)
			r.mu.Lock()
			r.read = err
			if err == nil {
				r.here = append(r.here, string(p))
			}
			r.mu.Unlock()
			if err != nil {
				return
			}
			came <- struct{}{}
		}
	}()
	awaited := 0
	for i, s := range r.script {
		if c.Write(bg, draftwire.OpText, []byte(s)) != nil {
			break
		}
		if i < 3 {
			<-came
			awaited++
		}
	}
	for range len(r.script) - awaited {
		if _, ok := <-came; !ok {
			break
		}
	}
	err = c.Close(draftwire.CodeNormal, "bye")
	r.mu.Lock()
	r.close = err
	r.mu.Unlock()
	for range came { // until reading has ended
	}
}

// outcome returns everything that can be seen of the session.
func (r *relayed) outcome() string {
	return fmt.Sprintf("dial: %v\n%d messages at the client, read: %v, close: %v\n%d at the backend\nended: %q, backend: %d opened, %d closed, lost: %v",
		r.dialled, len(r.here), r.read, r.close, len(r.there), r.ended, r.opened, r.closed, r.lost)
}

// check looks for what must never happen.
func (r *relayed) check(t *testing.T) {
	t.Helper()
	for _, got := range [][]string{r.here, r.there} {
		if len(got) > len(r.script) || !slices.Equal(got, r.script[:len(got)]) {
			t.Errorf("messages %.60q", got)
		}
	}
	if len(r.here) > len(r.there) || r.opened != r.closed || r.opened > 1 || len(r.ended) > r.opened {
		t.Errorf("it does not add up")
	}
	if r.client != nil && (r.read == nil || r.client.Context().Err() == nil || len(r.ended) != 1) {
		t.Errorf("the session is not over, or that was not told")
	}
	if len(r.ended) == 1 && strings.Contains(r.ended[0], "<nil>") {
		t.Errorf("a session ended by nobody")
	}
}

// eachRelay calls f with each version on either side and RFC 6455 on the other, and with the
// outcome without faults.
func eachRelay(t *testing.T, f func(t *testing.T, r *relayed, plain *relayed)) {
	n := runtime.GOMAXPROCS(1) // so that the order of calls is nearly the same each time
	t.Cleanup(func() { runtime.GOMAXPROCS(n) })
	for _, v := range draftwire.ServedVersions().List() {
		pairs := [][2]draftwire.Version{{v, draftwire.RFC6455}, {draftwire.RFC6455, v}}
		if v == draftwire.RFC6455 {
			pairs = pairs[:1]
		}
		for _, p := range pairs {
			t.Run(p[0].String()+" to "+p[1].String(), func(t *testing.T) {
				r := &relayed{front: p[0], back: p[1], room: 8 << 10}
				plain := r.perform(t)
				plain.check(t)
				if len(plain.here) != len(plain.script) || len(plain.ended) != 1 {
					t.Fatalf("without faults: %s", plain.outcome())
				}
				f(t, r, plain)
			})
		}
	}
}

// thin says which sessions are left out: one of several is played, and other ones with other
// versions, so that together they cover all. FAULTS=all plays all of them.
func (r *relayed) thin(n, some int) bool {
	return os.Getenv("FAULTS") != "all" && (n+int(r.front)+int(r.back))%some != 0
}

// A fault that an operating system may show at any time, like a short write, makes no
// difference to a session, at whatever call and on whichever of its four sockets it happens.
func TestSoftFaults(t *testing.T) {
	eachRelay(t, func(t *testing.T, r *relayed, plain *relayed) {
		for n := 1; n <= plain.net.Calls(); n++ {
			for _, f := range faultnet.Soft {
				if r.thin(n, 9) {
					continue
				}
				r.schedule = faultnet.At(n, faultnet.Action{Fault: f})
				p := r.perform(t)
				p.check(t)
				if got, want := p.outcome(), plain.outcome(); got != want || t.Failed() {
					t.Fatalf("%v at call %d of %d:\n%s\nwant\n%s", f, n, plain.net.Calls(), got, want)
				}
			}
		}
	})
}

// If one socket of a session breaks, at whatever call, the session ends on all sides.
func TestHardFaults(t *testing.T) {
	eachRelay(t, func(t *testing.T, r *relayed, plain *relayed) {
		for n := 1; n <= plain.net.Calls(); n++ {
			for _, f := range faultnet.Hard {
				if r.thin(n, 9) {
					continue
				}
				r.schedule = faultnet.At(n, faultnet.Action{Fault: f})
				p := r.perform(t)
				p.check(t)
				if t.Failed() {
					t.Fatalf("%v at call %d of %d:\n%s", f, n, plain.net.Calls(), p.outcome())
				}
			}
		}
	})
}

// If the program ends one side of a session, at whatever call, the session ends on all sides.
func TestProgramInterferes(t *testing.T) {
	for name, do := range map[string]func(r *relayed){
		"the client leaves at once": func(r *relayed) { r.leaves((*draftwire.Conn).CloseNow) },
		"the client closes":         func(r *relayed) { r.leaves(func(c *draftwire.Conn) error { return c.Close(4001, "early") }) },
		"the gateway drains":        func(r *relayed) { r.gw.Drain(bg) },
		"the gateway closes":        func(r *relayed) { r.gw.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			eachRelay(t, func(t *testing.T, r *relayed, plain *relayed) {
				for n := 1; n <= plain.net.Calls(); n++ {
					if r.thin(n, 9) {
						continue
					}
					r.at, r.do = n, do
					p := r.perform(t)
					p.check(t)
					if t.Failed() {
						t.Fatalf("at call %d of %d:\n%s", n, plain.net.Calls(), p.outcome())
					}
				}
			})
		})
	}
}

func (r *relayed) leaves(how func(*draftwire.Conn) error) {
	r.mu.Lock()
	c := r.client
	r.mu.Unlock()
	if c != nil {
		how(c)
	}
}
