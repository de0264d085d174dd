package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/hub"
)

// channel is a backend whose connections are rooms: the test says what it says.
type channel struct {
	mu     sync.Mutex
	conns  []*draftwire.Conn // that are open
	made   int
	fields []draftwire.Fields // of the requests
	target []string
	heard  chan string
}

// channel starts one.
func (w *world) channel(address string) *channel {
	ch := &channel{heard: make(chan string, 1000)}
	w.backend(address, &draftwire.Server{WebSocket: ch.serve, Options: open(draftwire.AllVersions)})
	return ch
}

func (ch *channel) serve(ctx context.Context, c *draftwire.Conn) error {
	ch.mu.Lock()
	ch.made++
	ch.conns = append(ch.conns, c)
	ch.fields = append(ch.fields, c.Handshake().Fields())
	ch.target = append(ch.target, c.Handshake().Target())
	ch.mu.Unlock()
	defer func() {
		ch.mu.Lock()
		defer ch.mu.Unlock()
		for i := range ch.conns {
			if ch.conns[i] == c {
				ch.conns = append(ch.conns[:i:i], ch.conns[i+1:]...)
				break
			}
		}
	}()
	for m, err := range c.Messages(ctx) {
		if err != nil {
			return err
		}
		ch.heard <- string(m.Data)
	}
	return nil
}

// open returns the connections that are open, and how many there were.
func (ch *channel) open() (list []*draftwire.Conn, made int) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return append(list, ch.conns...), ch.made
}

// says sends a message on the only connection.
func (ch *channel) says(t *testing.T, text string) {
	t.Helper()
	list, _ := ch.open()
	if len(list) != 1 {
		t.Fatalf("the backend has %d connections, not one", len(list))
	}
	if err := list[0].Write(bg, draftwire.OpText, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

// next returns the next message that the backend hears.
func (ch *channel) next(t *testing.T) string {
	t.Helper()
	select {
	case text := <-ch.heard:
		return text
	case <-time.After(time.Minute):
		t.Fatal("the backend hears nothing")
		return ""
	}
}

// inRooms is to, with rooms.
func inRooms(r gateway.Rooms, policy gateway.Policy, urls ...string) *gateway.Config {
	if policy.Ping == 0 {
		policy.Ping = -1 // as the clients of these tests do not read all the time
	}
	cfg := to(policy, urls...)
	cfg.Routes[0].Rooms = &r
	return cfg
}

// enters connects a client to a room.
func (w *world) enters(v draftwire.Version, path string, o draftwire.DialOptions) *draftwire.Conn {
	w.t.Helper()
	o.Version, o.NetDial = v, w.dial
	c, _, err := draftwire.Dial(bg, "ws://front"+path, &o)
	if err != nil {
		w.t.Fatalf("%s: %v", v, err)
	}
	w.t.Cleanup(func() { c.CloseNow() })
	synctest.Wait()
	return c
}

// gets checks that the next messages of a client are these.
func gets(t *testing.T, c *draftwire.Conn, want ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(bg, time.Minute)
	defer cancel()
	for _, w := range want {
		_, p, err := c.Read(ctx)
		if err != nil || string(p) != w {
			t.Fatalf("%s heard %q, %v; want %q", c.Version(), p, err, w)
		}
	}
}

// getsNothing checks that nothing comes to a client.
func getsNothing(t *testing.T, c *draftwire.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(bg, time.Second)
	defer cancel()
	if _, p, err := c.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("%s heard %q, %v", c.Version(), p, err)
	}
}

// closedWith returns the close that a client gets.
func closedWith(t *testing.T, c *draftwire.Conn) *draftwire.CloseError {
	t.Helper()
	ctx, cancel := context.WithTimeout(bg, time.Minute)
	defer cancel()
	_, p, err := c.Read(ctx)
	ce, ok := errors.AsType[*draftwire.CloseError](err)
	if !ok {
		t.Fatalf("%s got %q, %v, and no close", c.Version(), p, err)
	}
	return ce
}

func tells(t *testing.T, c *draftwire.Conn, text string) {
	t.Helper()
	if err := c.Write(bg, draftwire.OpText, []byte(text)); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

// Many clients of all versions in one room have one connection to the backend, which is sent each of their messages and
// whose messages each of them gets; another room has another connection.
func TestRoomsOneUpstream(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		ch := w.channel("back:80")
		cfg := inRooms(gateway.Rooms{}, gateway.Policy{}, "ws://back/base")
		cfg.Routes[0].SetHeaders = map[string]string{"X-Key": "k"}
		w.start(cfg)
		var all []*draftwire.Conn
		for _, v := range draftwire.ServedVersions().List() {
			for range 20 {
				all = append(all, w.enters(v, "/news?token=x", draftwire.DialOptions{Origin: "http://page"}))
			}
		}
		pass(time.Second)
		for i := range 3 {
			ch.says(t, fmt.Sprint("message ", i))
		}
		for _, c := range all {
			gets(t, c, "message 0", "message 1", "message 2")
			tells(t, c, "from "+c.Version().String())
			if got := ch.next(t); got != "from "+c.Version().String() {
				t.Errorf("the backend heard %q", got)
			}
			getsNothing(t, c)
		}
		if ch.target[0] != "/base/news" || ch.fields[0].Get("Draftwire-Room") != "r" || ch.fields[0].Get("X-Key") != "k" ||
			ch.fields[0].Get("Origin") != "" || ch.fields[0].Get("X-Forwarded-For") != "" {
			t.Errorf("the backend got %q, %v", ch.target[0], ch.fields[0])
		}
		s := w.gw.Status().Routes[0]
		if s.Rooms == nil || s.Rooms.Rooms != 1 || s.Rooms.Members != len(all) || s.Rooms.Upstreams != 1 || s.Backends[0].Connections != 1 {
			t.Errorf("status %+v", s)
		}
		other := w.enters(draftwire.RFC6455, "/sports", draftwire.DialOptions{})
		pass(time.Second)
		if _, made := ch.open(); made != 2 {
			t.Errorf("two rooms had %d connections to the backend", made)
		}
		for _, c := range append(all, other) {
			go c.Close(draftwire.CodeNormal, "")
		}
		pass(5 * time.Second)
		if list, _ := ch.open(); len(list) != 2 {
			t.Errorf("%d connections to the backend; want those of both rooms to linger", len(list))
		}
		pass(10 * time.Second)
		if list, _ := ch.open(); len(list) != 0 {
			t.Errorf("%d connections to the backend are left", len(list))
		}
		w.settled()
	})
}

func TestRoomsAmongMembers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.start(inRooms(gateway.Rooms{Backend: "none"}, gateway.Policy{Binary: "base64", BinaryBack: true}))
		old, now := w.enters(draftwire.Hixie76, "/a", draftwire.DialOptions{}), w.enters(draftwire.RFC6455, "/a", draftwire.DialOptions{})
		beside := w.enters(draftwire.RFC6455, "/b", draftwire.DialOptions{})
		if err := now.Write(bg, draftwire.OpBinary, []byte{0, 255}); err != nil {
			t.Fatal(err)
		}
		gets(t, old, "AP8=")
		gets(t, now, "\x00\xff")
		tells(t, old, "aGk=") // binary, as the route decodes it
		gets(t, now, "hi")
		gets(t, old, "aGk=")
		getsNothing(t, beside)
		w.gw.Drain(bg)
		if ce := closedWith(t, now); ce.Code != draftwire.CodeGoingAway {
			t.Errorf("the drain said %v", ce)
		}
	})
}

// Two gateways with one broker have one connection to the backend in all; when its gateway ends, the other one takes over.
func TestRoomsOfTwoGateways(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, broker := newWorld(t), hub.NewMemory(nil)
		ch := w.channel("back:80")
		var all []*draftwire.Conn
		var gws []*gateway.Gateway
		for range 2 {
			gw, end := runs(t, inRooms(gateway.Rooms{}, gateway.Policy{}, "ws://back"), gateway.Options{Broker: broker, Elector: broker, Listen: w.listen, Dial: w.dial})
			defer end()
			gws = append(gws, gw)
			all = append(all, w.enters(draftwire.Hixie76, "/a", draftwire.DialOptions{}), w.enters(draftwire.RFC6455, "/a", draftwire.DialOptions{}))
			pass(time.Second)
		}
		ch.says(t, "one")
		for _, c := range all {
			gets(t, c, "one")
		}
		tells(t, all[3], "two")
		if got := ch.next(t); got != "two" {
			t.Errorf("heard %q", got)
		}
		leads := func(gw *gateway.Gateway) bool { return gw.RoomStats()[0].Upstreams == 1 }
		if !leads(gws[0]) || leads(gws[1]) {
			t.Error("not the first gateway leads")
		}
		gws[0].Close()
		synctest.Wait() // what is said before the other one has taken over may be lost, for up to a second
		tells(t, all[2], "behind it")
		if got := ch.next(t); got != "behind it" {
			t.Errorf("heard %q", got)
		}
		if !leads(gws[1]) {
			t.Error("the second gateway did not take over")
		}
		ch.says(t, "three")
		gets(t, all[2], "three")
		gets(t, all[3], "three")
	})
}

// A leader whose own members have left keeps the connection while another gateway has some.
func TestRoomsLeaderWithoutMembers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, broker := newWorld(t), hub.NewMemory(nil)
		ch := w.channel("back:80")
		run := func() {
			gw, err := gateway.New(inRooms(gateway.Rooms{}, gateway.Policy{}, "ws://back"), gateway.Options{Broker: broker, Elector: broker, Listen: w.listen, Dial: w.dial})
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() { done <- gw.Run(bg) }()
			t.Cleanup(func() {
				gw.Close()
				<-done
			})
		}
		run()
		first := w.enters(draftwire.RFC6455, "/a", draftwire.DialOptions{})
		run()
		second := w.enters(draftwire.RFC6455, "/a", draftwire.DialOptions{})
		first.Close(draftwire.CodeNormal, "")
		pass(time.Minute)
		ch.says(t, "still")
		gets(t, second, "still")
		if _, made := ch.open(); made != 1 {
			t.Errorf("%d connections were made", made)
		}
		second.Close(draftwire.CodeNormal, "")
		pass(30 * time.Second)
		if list, _ := ch.open(); len(list) != 0 {
			t.Errorf("%d connections are left", len(list))
		}
	})
}

func TestRoomsBackendLoss(t *testing.T) {
	for _, what := range []string{"keep", "close"} {
		t.Run(what, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t)
				ch := w.channel("back:80")
				w.start(inRooms(gateway.Rooms{OnBackendLoss: what}, gateway.Policy{}, "ws://back"))
				members := []*draftwire.Conn{w.enters(draftwire.Hixie76, "/a", draftwire.DialOptions{}), w.enters(draftwire.RFC6455, "/a", draftwire.DialOptions{})}
				pass(time.Second)
				list, _ := ch.open()
				go list[0].Close(4001, "bye")
				if what == "close" {
					if ce := closedWith(t, members[1]); ce.Code != 4001 || ce.Reason != "bye" {
						t.Errorf("closed with %v", ce)
					}
					closedWith(t, members[0])
					return
				}
				pass(time.Second)
				ch.says(t, "again")
				for _, c := range members {
					gets(t, c, "again")
				}
				// The backend is away for a while; what members say meanwhile is sent when it is there again.
				list, _ = ch.open()
				front := w.at["back:80"]
				w.mu.Lock()
				delete(w.at, "back:80")
				w.mu.Unlock()
				list[0].CloseNow()
				pass(time.Minute)
				tells(t, members[1], "hello?")
				w.mu.Lock()
				w.at["back:80"] = front
				w.mu.Unlock()
				if got := ch.next(t); got != "hello?" {
					t.Errorf("heard %q", got)
				}
			})
		})
	}
}

// A member counts from the place that it is told, and goes on there in another version.
func TestRoomsResume(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		ch := w.channel("back:80")
		w.start(inRooms(gateway.Rooms{Notices: true, History: 2}, gateway.Policy{}, "ws://back"))
		c := w.enters(draftwire.Hixie76, "/a", draftwire.DialOptions{})
		pass(time.Second)
		_, p, err := c.Read(bg)
		place, ok := strings.CutPrefix(string(p), "draftwire position ")
		at, wrong := hub.ParsePosition(place)
		if err != nil || !ok || wrong != nil {
			t.Fatalf("%q, %v, %v", p, err, wrong)
		}
		ch.says(t, "1")
		ch.says(t, "2")
		gets(t, c, "1", "2")
		at.Seq += 2
		c.CloseNow()
		for i := 3; i <= 6; i++ {
			ch.says(t, fmt.Sprint(i))
		}
		pass(time.Second)
		c = w.enters(draftwire.RFC6455, "/a?position="+at.String(), draftwire.DialOptions{})
		gets(t, c, "draftwire position "+at.String(), "3", "4", "5", "6")
		at.Seq += 2
		late := w.enters(draftwire.Hixie75, "/a?position=nonsense", draftwire.DialOptions{})
		gets(t, late, "draftwire position "+at.String(), "5", "6")
		for i := range 200 {
			ch.says(t, fmt.Sprint("more ", i))
		}
		pass(time.Second)
		c = w.enters(draftwire.Hixie76, "/a?position="+at.String(), draftwire.DialOptions{})
		gets(t, c, "draftwire position "+at.String(), "more 100")
	})
}

func TestRoomsListen(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		ch := w.channel("back:80")
		w.start(inRooms(gateway.Rooms{Members: "listen"}, gateway.Policy{}, "ws://back"))
		c := w.enters(draftwire.RFC6455, "/a", draftwire.DialOptions{})
		pass(time.Second)
		tells(t, c, "nobody hears this")
		ch.says(t, "but this")
		gets(t, c, "but this")
		if len(ch.heard) != 0 || w.gw.RoomStats()[0].Ignored != 1 {
			t.Errorf("%d messages heard, %+v", len(ch.heard), w.gw.RoomStats()[0])
		}
	})
}

func TestRoomsBinary(t *testing.T) {
	for _, policy := range []string{"reject", "drop"} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t)
			ch := w.channel("back:80")
			w.start(inRooms(gateway.Rooms{}, gateway.Policy{Binary: policy}, "ws://back"))
			old, now := w.enters(draftwire.Hixie76, "/a", draftwire.DialOptions{}), w.enters(draftwire.RFC6455, "/a", draftwire.DialOptions{})
			pass(time.Second)
			list, _ := ch.open()
			list[0].Write(bg, draftwire.OpBinary, []byte("bin"))
			gets(t, now, "bin")
			want := gateway.LossBinaryDropped
			if policy == "reject" {
				want = gateway.LossBinaryRejected
				closedWith(t, old)
			} else {
				ch.says(t, "text")
				gets(t, old, "text")
			}
			if w.losses()[want] != 1 {
				t.Errorf("%s: losses %v", policy, w.losses())
			}
		})
	}
}

func TestRoomsLimits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.start(inRooms(gateway.Rooms{Backend: "none", MaxRooms: 1, MaxMembers: 2, Name: 10, Message: 10}, gateway.Policy{}))
		fails := func(path string, status int) {
			_, _, err := draftwire.Dial(bg, "ws://front"+path, &draftwire.DialOptions{NetDial: w.dial})
			if got := statusOf(err); got != status {
				t.Errorf("%s: %v; want status %d", path, err, status)
			}
		}
		c := w.enters(draftwire.RFC6455, "/a", draftwire.DialOptions{})
		fails("/b", 503)
		fails("/a23456789A", 404)
		w.enters(draftwire.Hixie75, "/a", draftwire.DialOptions{})
		fails("/a", 503)
		tells(t, c, "0123456789A")
		if ce := closedWith(t, c); ce.Code != draftwire.CodeTooBig {
			t.Errorf("a message too long: %v", ce)
		}
		pass(11 * time.Second)
		w.enters(draftwire.RFC6455, "/a", draftwire.DialOptions{})
	})
}

// away is a broker that can be away.
type away struct {
	*hub.Memory
	mu  sync.Mutex
	why error
}

func (a *away) set(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.why = err
}

func (a *away) is() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.why
}

func (a *away) Publish(ctx context.Context, room string, op draftwire.Op, data []byte) (hub.Position, error) {
	if err := a.is(); err != nil {
		return hub.Position{}, err
	}
	return a.Memory.Publish(ctx, room, op, data)
}

func (a *away) Subscribe(ctx context.Context, room string, f hub.Feed) (hub.Position, func(), error) {
	if err := a.is(); err != nil {
		return hub.Position{}, nil, err
	}
	return a.Memory.Subscribe(ctx, room, f)
}

// While the broker is away members stay, and hear nothing; one that says something, or that comes, is told.
func TestRoomsBrokerAway(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, broker := newWorld(t), &away{Memory: hub.NewMemory(nil)}
		_, end := runs(t, inRooms(gateway.Rooms{Backend: "none"}, gateway.Policy{}), gateway.Options{Broker: broker, Elector: broker, Listen: w.listen, Dial: w.dial})
		defer end()
		stays, says1 := w.enters(draftwire.Hixie76, "/a", draftwire.DialOptions{}), w.enters(draftwire.RFC6455, "/a", draftwire.DialOptions{})
		broker.set(errors.New("away"))
		tells(t, says1, "x")
		if ce := closedWith(t, says1); ce.Code != draftwire.CloseCode(1013) || ce.Reason != "the room did not take the message" {
			t.Errorf("who spoke got %v", ce)
		}
		for _, v := range draftwire.ServedVersions().List() {
			closedWith(t, w.enters(v, "/b", draftwire.DialOptions{}))
		}
		broker.set(nil)
		says2 := w.enters(draftwire.RFC6455, "/a", draftwire.DialOptions{})
		tells(t, says2, "back")
		gets(t, stays, "back")
	})
}

// What the first member says at once waits for the connection to the backend.
func TestRoomsFirstWord(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		ch := w.channel("back:80")
		w.start(inRooms(gateway.Rooms{}, gateway.Policy{}, "ws://back"))
		c, _, err := draftwire.Dial(bg, "ws://front/a", &draftwire.DialOptions{Version: draftwire.Hixie76, NetDial: w.dial})
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		tells(t, c, "hello")
		if got := ch.next(t); got != "hello" {
			t.Errorf("heard %q", got)
		}
	})
}

// A member that does not read holds up nobody, and what is held for it is bounded: it goes on where it can, and is told what it
// has missed, or is closed.
func TestRoomsLag(t *testing.T) {
	for _, lag := range []string{"drop-oldest", "skip-to-latest", "disconnect"} {
		t.Run(lag, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t)
				ch := w.channel("back:80")
				w.start(inRooms(gateway.Rooms{Lag: lag, Notices: true}, gateway.Policy{}, "ws://back"))
				slow, fast := w.enters(draftwire.Hixie76, "/a", draftwire.DialOptions{}), w.enters(draftwire.RFC6455, "/a", draftwire.DialOptions{})
				pass(time.Second)
				const messages, size = 100, 64 << 10 // 6 MiB
				if _, _, err := fast.Read(bg); err != nil {
					t.Fatal(err)
				}
				for i := range messages {
					ch.says(t, fmt.Sprintf("%0*d", size, i))
					gets(t, fast, fmt.Sprintf("%0*d", size, i))
				}
				pass(time.Second)
				_, _, err := slow.Read(bg) // where it begins
				got, missed := 0, 0
				for err == nil && got+missed < messages {
					var p []byte
					if _, p, err = slow.Read(bg); err != nil {
						break
					}
					if n, ok := strings.CutPrefix(string(p), "draftwire missed "); ok {
						k, _ := strconv.Atoi(n)
						missed += k
					} else if got++; err == nil && strings.TrimLeft(string(p), "0") != strings.TrimLeft(fmt.Sprint(got+missed-1), "0") {
						t.Fatalf("message %d is %s", got+missed-1, strings.TrimLeft(string(p), "0"))
					}
				}
				s := w.gw.RoomStats()[0]
				if lag == "disconnect" {
					if ce, ok := errors.AsType[*draftwire.CloseError](err); !ok || s.Disconnected != 1 || got == messages {
						t.Errorf("%v, %v, %+v", err, ce, s)
					}
					return
				}
				if err != nil || missed == 0 || got+missed != messages || s.Missed != uint64(missed) {
					t.Errorf("%v: got %d, missed %d, %+v", err, got, missed, s)
				}
			})
		})
	}
}

func newMemory() *hub.Memory { return hub.NewMemory(nil) }

// A backend that answers no ping is left, and one that does is not.
func TestRoomsPingUpstream(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		ch := w.channel("good:80")
		var deaf *seen
		deaf = w.script("deaf:80", proved(&deaf, takes))
		cfg := inRooms(gateway.Rooms{}, gateway.Policy{PingBackend: gateway.Duration(5 * time.Second)}, "ws://good")
		cfg.Routes = append(cfg.Routes, cfg.Routes[0])
		cfg.Routes[0].Match.Paths, cfg.Routes[1].Name = []string{"/good"}, "deaf"
		cfg.Routes[1].Backends = []gateway.Backend{{URL: "ws://deaf"}}
		w.start(cfg)
		w.enters(draftwire.RFC6455, "/good", draftwire.DialOptions{})
		w.enters(draftwire.RFC6455, "/deaf", draftwire.DialOptions{})
		pass(time.Minute)
		if _, made := ch.open(); made != 1 {
			t.Errorf("the backend that answers had %d connections", made)
		}
		if n := deaf.made.Load(); n < 3 || n > 10 {
			t.Errorf("the one that does not had %d", n)
		}
	})
}

// A reload changes what is done with rooms, and closes nobody.
func TestRoomsReload(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		one, two := w.channel("one:80"), w.channel("two:80")
		w.start(inRooms(gateway.Rooms{}, gateway.Policy{}, "ws://one"))
		c := w.enters(draftwire.Hixie76, "/a", draftwire.DialOptions{})
		pass(time.Second)
		one.says(t, "1")
		gets(t, c, "1")
		reload := func(cfg *gateway.Config) {
			t.Helper()
			if err := w.gw.Reload(cfg); err != nil {
				t.Fatal(err)
			}
			pass(3 * time.Second)
		}
		reload(inRooms(gateway.Rooms{}, gateway.Policy{}, "ws://one")) // the same
		if _, made := one.open(); made != 1 {
			t.Errorf("a reload of the same opened %d connections", made)
		}
		reload(inRooms(gateway.Rooms{Lag: "disconnect"}, gateway.Policy{}, "ws://two"))
		now := w.enters(draftwire.RFC6455, "/a", draftwire.DialOptions{})
		pass(time.Second)
		if list, _ := one.open(); len(list) != 0 {
			t.Error("the first backend still has a connection")
		}
		two.says(t, "2")
		gets(t, c, "2")
		gets(t, now, "2")
		reload(inRooms(gateway.Rooms{Backend: "none"}, gateway.Policy{}, "ws://two"))
		tells(t, c, "3")
		gets(t, c, "3")
		gets(t, now, "3")
		if list, _ := two.open(); len(list) != 0 {
			t.Error("the second backend still has a connection")
		}
		reload(to(gateway.Policy{Ping: -1}, "ws://two"))
		tells(t, c, "4") // the room goes on
		gets(t, now, "4")
		alone := w.enters(draftwire.RFC6455, "/a", draftwire.DialOptions{})
		pass(time.Second)
		two.says(t, "5")
		gets(t, alone, "5")
		gets(t, c, "4")
		getsNothing(t, c)
		if s := w.gw.RoomStats(); len(s) != 1 || s[0].Members != 2 || s[0].Delivered < 6 {
			t.Errorf("%+v", s)
		}
		c.Close(draftwire.CodeNormal, "")
		now.Close(draftwire.CodeNormal, "")
		pass(15 * time.Second)
		if s := w.gw.RoomStats(); len(s) != 0 {
			t.Errorf("rooms of no route are left: %+v", s)
		}
	})
}

// runs runs a gateway until end is called.
func runs(t *testing.T, cfg *gateway.Config, o gateway.Options) (gw *gateway.Gateway, end func()) {
	t.Helper()
	gw, err := gateway.New(cfg, o)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- gw.Run(bg) }()
	return gw, func() {
		gw.Close()
		<-done
	}
}
