package gateway_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/internal/sock"
	"pgregory.net/rapid"
)

var (
	socketRounds = flag.Int("sockets", 0, "how often TestSockets plays each pair of versions (default 4, or 1 under the race detector)")
	socketSeed   = flag.Int("sockets.seed", 0, "the plan of TestSockets' first round")
)

// patience is how long something may take that takes milliseconds.
const patience = 2 * time.Minute

// closeTime is the close timeout. Small buffers are slow, under the race detector most of all; and
// where a peer is gone without an answer it has to pass.
func closeTime() time.Duration {
	if raced {
		return 40 * time.Second
	}
	return 15 * time.Second
}

// within waits until it is so, and reports whether it is.
func within(d time.Duration, isSo func() bool) bool {
	for late := time.After(d); !isSo(); {
		select {
		case <-late:
			return false
		case <-time.After(time.Millisecond):
		}
	}
	return true
}

// held counts how often a player that stalled saw that the gateway did not read the other one.
var held atomic.Int64

// street is a gateway between two real sockets. It dials by itself, so that loops have its
// sessions.
type street struct {
	cert    *gateway.KeyPair // of the client's side; nil: that is in clear
	gw      *gateway.Gateway
	session atomic.Pointer[gateway.Session]
	ended   chan *gateway.Session
	conns   [2]*draftwire.Conn
	streams [2]*slow
	stops   []func() error
}

// slow is the socket of a player who reads little at a time, and stalls now and then.
type slow struct {
	*net.TCPConn
	side   int
	of     *street
	chunk  int
	stalls atomic.Int32 // that are left
}

// SyscallConn is hidden, so that all is read by Read.
func (s *slow) SyscallConn() {}

func (s *slow) Read(p []byte) (int, error) {
	if rand.IntN(4) == 0 && s.stalls.Add(-1) >= 0 {
		<-time.After(rand.N(4 * time.Millisecond))
		sender := []gateway.Side{gateway.BackendSide, gateway.ClientSide}[s.side]
		if x := s.of.session.Load(); x != nil && x.Holds(sender) {
			held.Add(1)
		}
	}
	return s.TCPConn.Read(p[:min(len(p), s.chunk)])
}

// slowly returns a player's socket.
func (x *street) slowly(nc net.Conn, side int) *slow {
	s := &slow{TCPConn: nc.(*net.TCPConn), of: x, side: side, chunk: []int{200, 4000, 1 << 20}[rand.IntN(3)]}
	s.stalls.Store(int32(rand.IntN(20)))
	x.streams[side] = s
	return s
}

// slowListener accepts a player's sockets.
type slowListener struct {
	net.Listener
	x *street
}

func (l slowListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.x.slowly(nc, 1), nil
}

// small makes the buffers of a socket small, or leaves them as they are.
func small(n int) func(_, _ string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) {
			if n > 0 {
				syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, n)
				syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF, n)
			}
		})
	}
}

func buffer() int { return []int{0, 6 << 10, 16 << 10}[rand.IntN(3)] }

func listenSmall() (net.Listener, error) {
	lc := net.ListenConfig{Control: small(buffer())}
	return lc.Listen(bg, "tcp", "127.0.0.1:0")
}

// build builds the street of a plan.
func (x *street) build(p *plan) error {
	x.ended = make(chan *gateway.Session, 10)
	zip := draftwire.Compression{Mode: draftwire.CompressAll}
	back, err := listenSmall()
	if err != nil {
		return err
	}
	conns, over := make(chan *draftwire.Conn, 1), make(chan struct{})
	o := open(draftwire.VersionsOf(p.versions[1]))
	o.Compression = zip
	limits := draftwire.Limits{CloseTimeout: closeTime()}
	o.Limits = limits
	server := &draftwire.Server{Options: o, WebSocket: func(_ context.Context, c *draftwire.Conn) error {
		conns <- c
		<-over
		return nil
	}}
	served := make(chan error, 1)
	go func() { served <- server.Serve(slowListener{back, x}) }()
	x.stops = append(x.stops, func() error {
		close(over)
		server.Close()
		<-served
		return server.Shutdown(bg)
	})
	cfg := to(p.policy, fmt.Sprintf("ws://%s/?version=%s", back.Addr(), p.versions[1]))
	cfg.Limits.CloseTimeout = gateway.Duration(closeTime())
	scheme := "ws"
	if x.cert != nil {
		scheme = "wss"
		cfg.Listen[0].TLS = &gateway.TLS{Certificates: []gateway.KeyPair{*x.cert}}
	}
	var front net.Listener
	x.gw, err = gateway.New(cfg, gateway.Options{
		Hooks: gateway.Hooks{
			BackendOpened: func(s *gateway.Session) { x.session.Store(s) },
			Ended:         func(s *gateway.Session, _ *draftwire.Conn) { x.ended <- s },
		},
		Listen: func(string) (l net.Listener, err error) {
			front, err = listenSmall()
			return front, err
		},
	})
	if err != nil {
		return err
	}
	ran := make(chan error, 1)
	go func() { ran <- x.gw.Run(bg) }()
	x.stops = append(x.stops, func() error {
		x.gw.Close()
		return <-ran
	})
	x.conns[0], _, err = draftwire.Dial(bg, scheme+"://"+front.Addr().String()+"/x", &draftwire.DialOptions{
		Version: p.versions[0], Compression: zip, Limits: limits, TLS: &tls.Config{InsecureSkipVerify: true},
		NetDial: func(ctx context.Context, network, address string) (net.Conn, error) {
			d := net.Dialer{Control: small(buffer())}
			nc, err := d.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return x.slowly(nc, 0), nil
		},
	})
	if err != nil {
		return err
	}
	x.conns[1] = <-conns
	return nil
}

// stop ends everything, the gateway first.
func (x *street) stop() (err error) {
	for _, c := range x.conns {
		if c != nil {
			c.CloseNow()
		}
	}
	for i := len(x.stops) - 1; i >= 0; i-- {
		if e := x.stops[i](); e != nil && err == nil {
			err = e
		}
	}
	return err
}

// players returns the players of a plan.
func (x *street) players(p *plan) (players [2]*player) {
	for side, c := range x.conns {
		s := p.player(c, side)
		s.rest = func() {}
		s.reset = func() error {
			x.streams[side].SetLinger(0)
			x.streams[side].Close() // below TLS, which would say that the end is in order
			return c.CloseNow()
		}
		players[side] = s
	}
	return players
}

// drawSockets makes a plan for real sockets of one that was drawn.
func drawSockets(r *rand.Rand, p *plan) *plan {
	e := &p.end
	for side := range sides {
		for i := range p.steps[side] {
			s := &p.steps[side][i]
			if r.IntN(6) == 0 {
				s.size = 300 << 10
			}
			if p.versions[0] == draftwire.Hixie76 && !e.settled { // the gateway waits a second for its close
				s.size = min(s.size, 8<<10)
			}
		}
	}
	e.settled = e.settled || e.half // as an end inside text is a cut in some versions
	switch {
	case e.how == "cut" && !e.half && r.IntN(2) == 0:
		e.how = "reset"
	case e.closes && !e.half && r.IntN(3) == 0:
		e.both, e.answers = true, true
		for side := range sides {
			for i := range p.steps[side] {
				s := &p.steps[side][i]
				s.ping = s.ping && e.settled
			}
		}
	}
	return p
}

// playSockets plays a plan over real sockets, and says what was wrong. With a certificate the client
// comes over TLS. With torn, the plan's end comes in the middle of everything.
func (p *plan) playSockets(torn bool, cert *gateway.KeyPair) (wrong string) {
	x := street{cert: cert}
	defer func() {
		err := x.stop()
		if open, addresses := x.gw.Held(); wrong == "" && (open != 0 || addresses != 0) {
			wrong = fmt.Sprintf("the limits count %d connections of %d addresses", open, addresses)
		}
		if wrong == "" && err != nil {
			wrong = err.Error()
		}
		if wrong == "" && len(x.ended) > 0 {
			wrong = "the session has ended twice"
		}
	}()
	if err := x.build(p); err != nil {
		return err.Error()
	}
	over := make(chan *gateway.Session, 1)
	done := make(chan string, 1)
	players := x.players(p)
	go func() {
		if torn {
			done <- p.tear(players, over)
		} else {
			done <- p.run(players, over, func(want outcome) string { return arrive(players, want) })
		}
	}()
	late := time.After(patience)
	for {
		select {
		case s := <-x.ended:
			if !s.OnLoop() {
				return "no loop had the session"
			}
			over <- s
			continue
		case wrong := <-done:
			return wrong
		case <-late:
		}
		buf := make([]byte, 1<<20)
		buf = buf[:runtime.Stack(buf, true)]
		by, err := x.session.Load().By()
		return fmt.Sprintf("it hangs; ended by %q (%v), client held %v, backend held %v\n%s", by, err,
			x.session.Load().Holds(gateway.ClientSide), x.session.Load().Holds(gateway.BackendSide), buf)
	}
}

// arrive waits until everything has arrived, and says what has not.
func arrive(players [2]*player, want outcome) string {
	for side, name := range sides {
		if !within(patience/2, func() bool { return len(players[side].come()) >= len(want.come[side]) }) {
			return fmt.Sprintf("the %s has got %d messages, want %d", name, len(players[side].come()), len(want.come[side]))
		}
	}
	return ""
}

// tear ends a plan in the middle, and says where something has arrived that was not sent, twice
// or in another order.
func (p *plan) tear(players [2]*player, over <-chan *gateway.Session) string {
	want := p.want([2]bool{players[0].zipped(), players[1].zipped()})
	var sent [2]<-chan error
	for side, x := range players {
		sent[side] = x.perform(p.steps[side])
	}
	if n := rand.IntN(4); n > 0 { // when something has come, or nothing
		within(rand.N(5*time.Millisecond), func() bool { return len(players[rand.IntN(2)].come()) >= n })
	}
	ends := []func(x *player) error{
		func(x *player) error { return x.c.CloseNow() },
		func(x *player) error { return x.reset() },
		func(x *player) error { return x.c.CloseWrite(p.end.code, "") },
		func(x *player) error { return x.c.Close(p.end.code, "") },
	}
	var both sync.WaitGroup
	both.Go(func() { ends[rand.IntN(4)](players[p.end.by]) })
	if rand.IntN(2) == 0 {
		both.Go(func() { ends[rand.IntN(4)](players[1-p.end.by]) })
	}
	both.Wait()
	for side, name := range sides {
		<-players[side].done
		<-sent[side]
		got, all := players[side].come(), want.come[side]
		for i, m := range got {
			if i >= len(all) || m != all[i] {
				return fmt.Sprintf("torn: the %s's message %d of %d: %v", name, i, len(all), m)
			}
		}
	}
	if by, _ := (<-over).By(); by == gateway.NoSide {
		return "torn: nobody has ended it"
	}
	return ""
}

// Where both sides send and neither reads, the gateway reads neither; when they read again, all
// that was sent arrives, once and in order.
func TestBothLag(t *testing.T) {
	var x street
	defer x.stop()
	if err := x.build(&plan{versions: [2]draftwire.Version{draftwire.RFC6455, draftwire.Hybi02}}); err != nil {
		t.Fatal(err)
	}
	s := x.session.Load()
	lag := func() bool { return s.Holds(gateway.ClientSide) && s.Holds(gateway.BackendSide) }
	var writers, both sync.WaitGroup
	var sent [2]int
	var enough atomic.Bool
	for side, c := range x.conns {
		writers.Go(func() {
			for p := make([]byte, 300<<10); !enough.Load() && !t.Failed(); sent[side]++ {
				p[sent[side]%len(p)]++ // each is another one
				if err := c.Write(bg, draftwire.OpBinary, p); err != nil {
					t.Error(err)
				}
			}
		})
	}
	if !within(patience, lag) {
		t.Error("not both sides are held")
	}
	enough.Store(true)
	var got [2]int
	for side, c := range x.conns {
		both.Go(func() {
			for want := make([]byte, 300<<10); ; got[side]++ {
				_, p, err := c.Read(bg)
				if err != nil {
					return
				}
				if want[got[side]%len(want)]++; !bytes.Equal(p, want) {
					t.Errorf("%d: message %d is another one", side, got[side])
				}
			}
		})
	}
	writers.Wait()
	for _, c := range x.conns {
		c.CloseWrite(draftwire.CodeNormal, "")
	}
	both.Wait()
	if got[0] != sent[1] || got[1] != sent[0] {
		t.Errorf("sent %d, got %d", sent, got)
	}
	<-x.ended
}

// Where both sides lag neither is read. When both then break, the session ends all the same: what
// lagged will not be taken any more, which is news for the side that waits for it.
func TestBothBreakUnread(t *testing.T) {
	var x street
	defer x.stop()
	if err := x.build(&plan{versions: [2]draftwire.Version{draftwire.RFC6455, draftwire.RFC6455}}); err != nil {
		t.Fatal(err)
	}
	var writes sync.WaitGroup
	defer writes.Wait()
	for _, c := range x.conns { // which nobody reads
		writes.Go(func() {
			for p := make([]byte, 300<<10); c.Write(bg, draftwire.OpBinary, p) == nil; {
			}
		})
	}
	s := x.session.Load()
	if !within(patience, func() bool { return s.Holds(gateway.ClientSide) && s.Holds(gateway.BackendSide) }) {
		t.Error("not both sides are held")
	}
	for side, c := range x.conns {
		x.streams[side].SetLinger(0)
		c.CloseNow()
	}
	select {
	case <-x.ended:
	case <-time.After(patience / 4):
		t.Fatal("the session does not end")
	}
}

// rounds returns how often TestSockets plays each pair.
func rounds() int {
	switch {
	case *socketRounds > 0:
		return *socketRounds
	case raced:
		return 1
	}
	return 4
}

func descriptors(t *testing.T) int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	return len(list)
}

// TestSockets plays plans as those of TestModel over real sockets, with sessions that loops
// have, in clear or over TLS in front: readers stall, buffers are small, connections are reset, both sides close at once. For
// more than the few rounds of a usual run:
//
//	go test -race ./gateway -run TestSockets -sockets 100 -sockets.seed 1000
func TestSockets(t *testing.T) {
	loops := sock.NewLoops() // they stay while descriptors are counted
	if loops == nil {
		t.Skip("no loops here")
	}
	defer loops.Close()
	if wrong := drawn(draftwire.RFC6455, draftwire.RFC6455, 0).playSockets(false, nil); wrong != "" {
		t.Fatal(wrong)
	}
	before := descriptors(t)
	cert := certificate(t)
	ways := []*gateway.KeyPair{nil, &cert}
	type job struct {
		front, back draftwire.Version
		seed        int
	}
	jobs := make(chan job)
	var players sync.WaitGroup
	for range 8 {
		players.Go(func() {
			for j := range jobs {
				p := drawn(j.front, j.back, j.seed)
				if wrong := p.playSockets(j.seed%4 == 3, ways[j.seed/4%2]); wrong != "" {
					t.Errorf("%s\n%v\nseed %d", wrong, p, j.seed)
				}
			}
		})
	}
	list := draftwire.ServedVersions().List()
	for n := range rounds() {
		for i, front := range list {
			for k, back := range list {
				if !t.Failed() {
					jobs <- job{front, back, *socketSeed + n + i + k}
				}
			}
		}
	}
	close(jobs)
	players.Wait()
	if t.Failed() {
		return
	}
	after := 0
	if !within(patience, func() bool { after = descriptors(t); return after <= before }) {
		t.Errorf("%d descriptors are open, before there were %d", after, before)
	}
	t.Logf("a side was seen not read, as the other one lagged, %d times", held.Load())
}

// drawn returns the plan of a seed.
func drawn(front, back draftwire.Version, seed int) *plan {
	p := rapid.Custom(func(t *rapid.T) *plan { return drawPlan(t, front, back) }).Example(seed)
	return drawSockets(rand.New(rand.NewPCG(uint64(seed), 0)), p)
}

// A session on a loop whose sides are not pinged holds nothing for pings once its keepalive is set; another one does.
func TestPlansPings(t *testing.T) {
	for _, every := range []time.Duration{-1, time.Hour} {
		cfg := tcp(named(t, "a"), "main")
		cfg.Routes[0].Policy.Ping = gateway.Duration(every)
		r := realGateway(t, cfg, gateway.Options{})
		c, err := r.client(r.address("main"))
		if err != nil {
			t.Fatal(err)
		}
		if got := who(c); got != "a" {
			t.Errorf("answered by %q", got)
		}
		s := r.gw.Sessions()[0]
		if every < 0 && !within(patience, func() bool { return !s.PlansPings() }) {
			t.Error("it goes on to hold what is known of pings")
		}
		if every > 0 && !s.PlansPings() {
			t.Error("nothing is known of its pings")
		}
	}
}
