package probe_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/memnet"
	"github.com/draftwire/draftwire/internal/wstest"
	"github.com/draftwire/draftwire/probe"
	"github.com/draftwire/draftwire/wire"
)

// box is a middlebox in memory: up and down change what goes by, a piece at a time; nil passes it
// on.
type box struct {
	up, down func(p []byte, send func([]byte))
	idle     time.Duration // silence that ends both ways; 0: none does
	cuts     bool          // the end of one half ends the other
}

// through probes the way through b.
func (b *box) through(t *testing.T, o probe.Options) *probe.PathReport {
	t.Helper()
	front, back := memnet.Listen(256<<10), memnet.Listen(256<<10)
	relayed := make(chan struct{})
	go func() {
		defer close(relayed)
		b.serve(front, back)
	}()
	r, err := probe.Through(context.Background(), address, back, to(front, o))
	if err != nil {
		t.Fatal(err)
	}
	front.Close()
	<-relayed
	if j, err := json.Marshal(r); err != nil || !bytes.Contains(j, []byte(`"versions"`)) {
		t.Errorf("%s, %v", j, err)
	}
	return r
}

func (b *box) serve(front, back *memnet.Listener) {
	for {
		near, err := front.Accept()
		if err != nil {
			return
		}
		far, err := back.Dial()
		if err != nil {
			near.Close()
			return
		}
		go b.relay(near, far, b.up)
		go b.relay(far, near, b.down)
	}
}

func (b *box) relay(from, to net.Conn, change func([]byte, func([]byte))) {
	if change == nil {
		change = func(p []byte, send func([]byte)) { send(p) }
	}
	buf := make([]byte, 64<<10)
	for {
		if b.idle > 0 {
			from.SetReadDeadline(time.Now().Add(b.idle))
		}
		n, err := from.Read(buf)
		if n > 0 {
			change(bytes.Clone(buf[:n]), func(p []byte) { to.Write(p) })
		}
		if err == nil {
			continue
		}
		if half, ok := to.(interface{ CloseWrite() error }); ok && err == io.EOF && !b.cuts {
			half.CloseWrite()
			return
		}
		from.Close()
		to.Close()
		return
	}
}

// rewriting is a change of heads by strings: old, new, old, new.
func rewriting(pairs ...string) func([]byte, func([]byte)) {
	r := strings.NewReplacer(pairs...)
	return func(p []byte, send func([]byte)) {
		if bytes.HasPrefix(p, []byte("GET ")) || bytes.HasPrefix(p, []byte("HTTP/1.1 ")) {
			p = []byte(r.Replace(string(p)))
		}
		send(p)
	}
}

// A way that changes nothing is told to be one, in each version.
func TestThroughNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := new(box).through(t, probe.Options{})
		if r.Stopped != "" || len(r.Versions) != 9 {
			t.Fatalf("%+v", r)
		}
		for _, p := range r.Versions {
			if p.Passage != probe.Passes || !p.Request.None() || !p.Response.None() || p.Tolerance != "" {
				t.Errorf("%s: %s, %q, %+v, %+v", p.Version, p.Passage, p.Why, p.Request, p.Response)
				continue
			}
			if !p.Up.Kept || !p.Down.Kept || p.HalfOpen == nil || !*p.HalfOpen || p.Idle == nil || p.Idle.Ended {
				t.Errorf("%s: %+v, %+v, half open %v, idle %+v", p.Version, p.Up, p.Down, p.HalfOpen, p.Idle)
			}
			if eight := p.Version == wire.Hixie76 || p.Version == wire.Hybi02; eight && (p.Challenge != "kept" || *p.RequestWaits || *p.ResponseWaits) {
				t.Errorf("%s: %q, waits %v, %v", p.Version, p.Challenge, *p.RequestWaits, *p.ResponseWaits)
			}
		}
	})
}

// What a way changes is found.
func TestThroughChanges(t *testing.T) {
	only := wire.VersionsOf(wire.RFC6455)
	for _, tt := range []struct {
		name  string
		b     box
		vs    wire.Versions
		check func(p *probe.Path) bool
	}{
		{"a field is added", box{up: rewriting("Upgrade: websocket\r\n", "Upgrade: websocket\r\nVia: 1.1 x\r\n")}, only,
			func(p *probe.Path) bool {
				return p.Passage == probe.Passes && len(p.Request.Added) == 1 && p.Request.Added[0].Value == "1.1 x"
			}},
		{"names are respelled", box{down: rewriting("Sec-WebSocket-Accept", "sec-websocket-accept")}, only,
			func(p *probe.Path) bool {
				return p.Passage == probe.Passes && p.Response.Respelled[0].Came == "sec-websocket-accept"
			}},
		{"a value is changed", box{up: rewriting("Connection: Upgrade", "Connection: keep-alive, Upgrade")}, only,
			func(p *probe.Path) bool {
				return p.Passage == probe.Passes && p.Request.Changed[0].Came == "keep-alive, Upgrade"
			}},
		{"the target is changed", box{up: rewriting("GET /x ", "GET /y ")}, only,
			func(p *probe.Path) bool { return p.Passage == probe.Passes && p.Request.Line == "GET /y HTTP/1.1" }},
		{"the order is changed", box{up: rewriting("Upgrade: websocket\r\nConnection: Upgrade\r\n", "Connection: Upgrade\r\nUpgrade: websocket\r\n")}, only,
			func(p *probe.Path) bool {
				return p.Passage == probe.Passes && p.Request.Reordered && len(p.Request.Added) == 0
			}},
		{"the mark is removed", box{up: rewriting("X-draftwire-PROBE: ", "X-Other: ")}, only,
			func(p *probe.Path) bool {
				return p.Passage == probe.Passes && len(p.Request.Removed) == 1 && len(p.Request.Added) == 1
			}},
		{"Upgrade is removed", box{up: rewriting("Upgrade: websocket\r\n", "")}, only,
			func(p *probe.Path) bool {
				return p.Passage == probe.Damaged && strings.Contains(p.Why, "the request: ") && len(p.Request.Removed) == 1
			}},
		{"the proof is removed", box{down: rewriting("Sec-WebSocket-Accept", "X-Accept")}, only,
			func(p *probe.Path) bool { return p.Passage == probe.Damaged && strings.Contains(p.Why, "bad_accept") }},
		{"the first lines are moved, which hixie-75 compares", box{down: rewriting("Upgrade: WebSocket\r\nConnection: Upgrade\r\n", "Connection: Upgrade\r\nUpgrade: WebSocket\r\n")}, wire.VersionsOf(wire.Hixie75),
			func(p *probe.Path) bool {
				return p.Passage == probe.Passes && p.Tolerance == "first-lines" && len(p.Browsers) == 2 && !p.Browsers[0].Opens && p.Browsers[0].Rule != ""
			}},
		{"frames are changed", box{up: func(p []byte, send func([]byte)) { send(bytes.ReplaceAll(p, []byte("\x00draft"), []byte("\x00DRAFT"))) },
			down: func(p []byte, send func([]byte)) {
				send(bytes.ReplaceAll(p, []byte("draftwire probe"), []byte("draftwire PROBE")))
			}}, wire.VersionsOf(wire.Hixie75),
			func(p *probe.Path) bool { return p.Passage == probe.Damaged && !p.Down.Kept && p.Down.Came != "" }},
		{"silence is cut", box{idle: 5 * time.Second}, only,
			func(p *probe.Path) bool {
				return p.Passage == probe.Passes && p.Idle.Ended && time.Duration(p.Idle.After).Round(time.Second) == 5*time.Second
			}},
		{"a half-closed stream is cut", box{cuts: true}, only,
			func(p *probe.Path) bool { return p.Passage == probe.Passes && p.HalfOpen != nil && !*p.HalfOpen }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := tt.b.through(t, probe.Options{Versions: tt.vs})
				if p := &r.Versions[0]; !tt.check(p) {
					j, _ := json.Marshal(p)
					t.Errorf("%s", j)
				}
			})
		})
	}
}

// The eight bytes of hixie-76: held back, changed, lost, or swallowed with what follows.
func TestThroughChallenge(t *testing.T) {
	// holding sends a head only with what follows it.
	holding := func() func([]byte, func([]byte)) {
		var mu sync.Mutex // one connection comes behind the other
		var held []byte
		return func(p []byte, send func([]byte)) {
			mu.Lock()
			defer mu.Unlock()
			held = append(held, p...)
			if bytes.Contains(held, []byte("\r\n\r\n")) && !bytes.HasSuffix(held, []byte("\r\n\r\n")) || !bytes.HasPrefix(held, []byte("GET ")) {
				send(held)
				held = nil
			}
		}
	}
	for _, tt := range []struct {
		name  string
		b     box
		check func(p *probe.Path) bool
	}{
		{"the request waits", box{up: holding()}, func(p *probe.Path) bool { return p.Passage == probe.Passes && *p.RequestWaits && p.Challenge == "kept" }},
		{"nothing waits", box{}, func(p *probe.Path) bool { return p.Passage == probe.Passes && p.Held != nil && !*p.Held }},
		{"they are held until the answer", heldUntilAnswer(), func(p *probe.Path) bool {
			return p.Passage == probe.Passes && !*p.RequestWaits && p.Challenge == "kept" && p.Held != nil && *p.Held
		}},
		{"they are changed", box{up: func(p []byte, send func([]byte)) {
			if len(p) == 8 {
				p = []byte("\x00\x00\x00\x00\x00\x00\x00\x00")
			}
			send(p)
		}}, func(p *probe.Path) bool {
			return p.Passage == probe.Damaged && p.Challenge == "0000000000000000" && strings.Contains(p.Why, "16 bytes")
		}},
		{"they are lost", box{up: func(p []byte, send func([]byte)) {
			if len(p) != 8 {
				send(p)
			}
		}}, func(p *probe.Path) bool {
			return p.Passage == probe.Damaged && strings.HasPrefix(p.Why, "0 of the eight bytes")
		}},
		{"a refusal on the way", box{up: func([]byte, func([]byte)) {}, down: nil}, func(p *probe.Path) bool { return p.Passage == probe.Swallowed }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := tt.b.through(t, probe.Options{Versions: wire.VersionsOf(wire.Hixie76), Quick: true})
				if p := &r.Versions[0]; !tt.check(p) {
					j, _ := json.Marshal(p)
					t.Errorf("%s", j)
				}
			})
		})
	}
}

// heldUntilAnswer is a box that passes on a head, and what follows it once something has come back.
func heldUntilAnswer() box {
	var mu sync.Mutex
	var answered bool
	var held []byte
	var onward func([]byte)
	return box{
		up: func(p []byte, send func([]byte)) {
			mu.Lock()
			defer mu.Unlock()
			if head, rest, ok := bytes.Cut(p, []byte("\r\n\r\n")); ok && bytes.HasPrefix(p, []byte("GET ")) {
				answered, held, onward = false, rest, send
				send(append(head, "\r\n\r\n"...))
				return
			}
			if !answered {
				held = append(held, p...)
				return
			}
			send(p)
		},
		down: func(p []byte, send func([]byte)) {
			mu.Lock()
			defer mu.Unlock()
			if !answered {
				answered = true
				onward(held)
			}
			send(p)
		},
	}
}

// A way that answers by itself never reaches the backend, and one that leads elsewhere neither.
func TestThroughAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct {
			talk func(net.Conn)
			want probe.Passage
			why  string
		}{
			{says("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"), probe.Answered, "HTTP/1.1 400 Bad Request"},
			{func(nc net.Conn) { nc.Read(make([]byte, 4096)) }, probe.Answered, "it ends the connection (FIN)"},
			{drain, probe.Swallowed, "nothing came to the backend in time"},
			{says("SSH-2.0-x\r\n"), probe.Answered, "not HTTP"},
			{func(nc net.Conn) { says("HTTP/1.1 101 x\r\n\r\n")(nc); drain(nc) }, probe.Answered, "101 x, and nothing came to the backend"},
		} {
			l := scripted(t, tt.talk)
			r, err := probe.Through(context.Background(), address, memnet.Listen(1<<10), to(l, probe.Options{Quick: true}))
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range r.Versions {
				if p.Passage != tt.want || !strings.Contains(p.Why, tt.why) {
					t.Errorf("%s: %s, %q; want %s, %q", p.Version, p.Passage, p.Why, tt.want, tt.why)
				}
			}
		}
	})
}

// Strangers who come to the backend meanwhile get an answer of their own, and do not disturb.
func TestThroughStrangers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		front, back := memnet.Listen(64<<10), memnet.Listen(64<<10)
		told := make(chan string, 1)
		go func() {
			nc, err := back.Dial()
			if err != nil {
				return
			}
			defer nc.Close()
			io.WriteString(nc, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
			b, _ := io.ReadAll(nc)
			told <- string(b)
		}()
		go new(box).serve(front, back)
		r, err := probe.Through(context.Background(), address, back, to(front, probe.Options{Quick: true, Versions: wire.VersionsOf(wire.RFC6455)}))
		said := <-told
		if err != nil || r.Versions[0].Passage != probe.Passes || !strings.HasPrefix(said, "HTTP/1.1 200 OK\r\n") {
			t.Errorf("%+v, %v, %q", r, err, said)
		}
		front.Close()
	})
}

func TestThroughFails(t *testing.T) {
	for url, want := range map[string]string{"x://h/": "no ws or wss URL", "ws://h/": "use of closed"} {
		l := memnet.Listen(1)
		_, err := probe.Through(context.Background(), url, l, &probe.Options{
			NetDial: func(context.Context, string, string) (net.Conn, error) { return nil, net.ErrClosed },
		})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, not %s", url, err, want)
		}
		if _, err := l.Dial(); err == nil {
			t.Errorf("%s: the listener stays open", url)
		}
	}
}

// A gateway that speaks RFC 6455 to its backend is told to be one: of each version messages arrive.
func TestThroughTranslated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		back := memnet.Listen(256 << 10)
		s := ours()
		s.WebSocket = func(ctx context.Context, near *draftwire.Conn) error {
			far, _, err := draftwire.Dial(ctx, address, wstest.DialTo(back, draftwire.DialOptions{}))
			if err != nil {
				return err
			}
			pump := func(from, to *draftwire.Conn) {
				defer to.CloseNow()
				for {
					op, p, err := from.Read(ctx)
					if err != nil || to.Write(ctx, op, p) != nil {
						return
					}
				}
			}
			go pump(far, near)
			pump(near, far)
			return nil
		}
		front := wstest.Serve(t, s)
		r, err := probe.Through(context.Background(), address, back, to(front, probe.Options{Quick: true}))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range r.Versions {
			if p.Version == wire.Hixie76 || p.Version == wire.Hybi02 {
				continue // this gateway reads the eight bytes first: below
			}
			if p.Passage != probe.Translated || p.As != wire.RFC6455 || !p.Up.Kept || !p.Down.Kept {
				t.Errorf("%s: %s as %s, %q", p.Version, p.Passage, p.As, p.Why)
			}
		}
		for _, p := range r.Versions[1:3] {
			if p.Passage != probe.Translated || !*p.RequestWaits {
				t.Errorf("%s: %s as %s, %q, waits %v", p.Version, p.Passage, p.As, p.Why, p.RequestWaits)
			}
		}
	})
}
