package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/hub"
)

// A path of which no target for the backend can be made is refused, and is no backend's fault: a client could otherwise
// make the backends rest for all others.
func TestRoomsOutsidePrefix(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		ch := w.channel("back:80")
		cfg := inRooms(gateway.Rooms{}, gateway.Policy{}, "ws://back")
		cfg.Routes[0].Match.Paths, cfg.Routes[0].StripPrefix = []string{"/api/*"}, "/api"
		w.start(cfg)
		_, _, err := draftwire.Dial(bg, "ws://front/%61pi/x", &draftwire.DialOptions{NetDial: w.dial})
		if got := statusOf(err); got != 404 {
			t.Errorf("%v; want 404", err)
		}
		pass(time.Second)
		if s := w.gw.Status().Routes[0]; s.Backends[0].Error != "" || s.Rooms.Rooms != 0 {
			t.Errorf("status %+v", s)
		}
		c := w.enters(draftwire.RFC6455, "/api/x", draftwire.DialOptions{})
		pass(time.Second)
		ch.says(t, "1")
		gets(t, c, "1")
	})
}

// A client that goes from room to room takes the place of no other: rooms without members make room.
func TestRoomsWithoutMembersMakeRoom(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		ch := w.channel("back:80")
		w.start(inRooms(gateway.Rooms{MaxRooms: 3, Linger: gateway.Duration(time.Hour)}, gateway.Policy{}, "ws://back"))
		stays := w.enters(draftwire.Hixie76, "/stays", draftwire.DialOptions{})
		for i := range 20 {
			c := w.enters(draftwire.RFC6455, fmt.Sprint("/", i), draftwire.DialOptions{})
			pass(time.Second)
			c.CloseNow()
			pass(time.Second)
			if list, _ := ch.open(); len(list) > 3 || w.gw.RoomStats()[0].Rooms > 3 {
				t.Fatalf("%d connections to the backend, %+v", len(list), w.gw.RoomStats()[0])
			}
		}
		back := w.enters(draftwire.RFC6455, "/19", draftwire.DialOptions{})
		if _, made := ch.open(); made != 21 {
			t.Errorf("%d connections were made; want that of the last room to have lingered", made)
		}
		other := w.enters(draftwire.RFC6455, "/other", draftwire.DialOptions{})
		pass(time.Second)
		_, _, err := draftwire.Dial(bg, "ws://front/more", &draftwire.DialOptions{NetDial: w.dial})
		if got := statusOf(err); got != 503 {
			t.Errorf("%v; want 503, as three rooms have members", err)
		}
		list, _ := ch.open()
		for _, c := range list {
			c.Write(bg, draftwire.OpText, []byte("all"))
		}
		for _, c := range []*draftwire.Conn{stays, back, other} {
			gets(t, c, "all")
		}
	})
}

// A broker in memory has place for all that a room needs, however few rooms without members it keeps.
func TestRoomsBrokerHasPlace(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, broker := newWorld(t), hub.NewMemory(&hub.MemoryOptions{Rooms: 1})
		ch := w.channel("back:80")
		_, end := runs(t, inRooms(gateway.Rooms{OnBackendLoss: "close"}, gateway.Policy{}, "ws://back"), gateway.Options{Broker: broker, Elector: broker, Listen: w.listen, Dial: w.dial})
		defer end()
		c := w.enters(draftwire.Hixie76, "/a", draftwire.DialOptions{})
		pass(time.Second)
		ch.says(t, "1")
		gets(t, c, "1")
	})
}

// That a gateway cannot lead a room is told.
func TestRoomsCannotLead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, broker := newWorld(t), hub.NewMemory(nil)
		told := make(chan error, 100)
		hooks := gateway.Hooks{RoomBackend: func(_, _, _ string, err error) { told <- err }}
		_, end := runs(t, inRooms(gateway.Rooms{}, gateway.Policy{}, "ws://back"), gateway.Options{Broker: broker, Elector: nobody{}, Listen: w.listen, Dial: w.dial, Hooks: hooks})
		defer end()
		w.enters(draftwire.Hixie76, "/a", draftwire.DialOptions{})
		pass(10 * time.Second)
		if n := len(told); n < 5 || n > 30 || !errors.Is(<-told, errNobody) {
			t.Errorf("it was told %d times", n)
		}
	})
}

var errNobody = errors.New("nobody leads")

// nobody is an elector that chooses nobody.
type nobody struct{}

func (nobody) Lead(context.Context, string, func(context.Context) error) error { return errNobody }

// A member whose peer has taken so little that not even a notice fits is told what it has missed when it takes more.
func TestRoomsTellsLater(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		ch := w.channel("back:80")
		w.start(inRooms(gateway.Rooms{Notices: true}, gateway.Policy{}, "ws://back"))
		slow, fast := w.enters(draftwire.Hixie76, "/a", draftwire.DialOptions{}), w.enters(draftwire.RFC6455, "/a", draftwire.DialOptions{})
		pass(time.Second)
		gets1 := func(c *draftwire.Conn) string {
			_, p, err := c.Read(bg)
			if err != nil {
				t.Fatal(err)
			}
			return string(p)
		}
		gets1(fast)
		const messages = 20_000
		for i := range messages {
			ch.says(t, fmt.Sprintf("%020d", i))
			gets(t, fast, fmt.Sprintf("%020d", i))
		}
		pass(time.Second)
		gets1(slow)
		got, missed := 0, 0
		for got+missed < messages {
			p := gets1(slow)
			if n, ok := strings.CutPrefix(p, "draftwire missed "); ok {
				k, _ := strconv.Atoi(n)
				missed += k
				continue
			}
			if k, _ := strconv.Atoi(p); k != got+missed {
				t.Fatalf("message %d comes behind %d that came and %d that were told", k, got, missed)
			}
			got++
		}
		if missed == 0 {
			t.Error("nothing was missed")
		}
	})
}

// Rooms that a route has again have one connection, to the backends that it has now, also where members of before are left.
func TestRoomsTakenAwayAndBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		one, two := w.channel("one:80"), w.channel("two:80")
		w.start(inRooms(gateway.Rooms{}, gateway.Policy{}, "ws://one"))
		stays := w.enters(draftwire.Hixie76, "/a", draftwire.DialOptions{})
		for _, cfg := range []*gateway.Config{to(gateway.Policy{Ping: -1}, "ws://two"), inRooms(gateway.Rooms{}, gateway.Policy{}, "ws://two")} {
			if err := w.gw.Reload(cfg); err != nil {
				t.Fatal(err)
			}
			pass(10 * time.Second)
		}
		now := w.enters(draftwire.RFC6455, "/a", draftwire.DialOptions{})
		pass(10 * time.Second)
		if list, _ := one.open(); len(list) != 0 {
			t.Error("the backend of before still has a connection")
		}
		two.says(t, "1")
		gets(t, now, "1")
		gets(t, stays, "1")
		if s := w.gw.RoomStats(); len(s) != 1 || s[0].Members != 2 || s[0].Upstreams != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// What another gateway says of a room's end closes its members, or is ignored where no peer can be told it: a member would
// otherwise stay open, and could not be closed any more.
func TestRoomsEndedByNonsense(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, broker := newWorld(t), hub.NewMemory(nil)
		w.channel("back:80")
		_, stop := runs(t, inRooms(gateway.Rooms{OnBackendLoss: "close"}, gateway.Policy{}, "ws://back"), gateway.Options{Broker: broker, Elector: broker, Listen: w.listen, Dial: w.dial})
		defer stop()
		c := w.enters(draftwire.RFC6455, "/a", draftwire.DialOptions{})
		pass(time.Second)
		end := func(text string) {
			if _, err := broker.Publish(bg, "end:r/a", draftwire.OpText, []byte(text)); err != nil {
				t.Fatal(err)
			}
			pass(time.Second)
		}
		for _, text := range []string{"", "x", "-1 a", "0 a", "999", "1005 a", "1006 a", "1015", "65535 a", "70000"} {
			end(text)
			getsNothing(t, c)
		}
		long := strings.Repeat("\xff\x00", 1000)
		end("4001 " + long)
		if ce := closedWith(t, c); ce.Code != 4001 {
			t.Errorf("closed with %v", ce)
		}
	})
}

// However many members say something while nobody leads their room, the broker is asked by one of them at a time; all are
// told in the end.
func TestRoomsAskForLeader(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, broker := newWorld(t), &asked{Memory: hub.NewMemory(nil)}
		_, end := runs(t, inRooms(gateway.Rooms{}, gateway.Policy{}, "ws://back"), gateway.Options{Broker: broker, Elector: nobody{}, Listen: w.listen, Dial: w.dial})
		defer end()
		var all []*draftwire.Conn
		for range 50 {
			all = append(all, w.enters(draftwire.RFC6455, "/a", draftwire.DialOptions{}))
		}
		for _, c := range all {
			tells(t, c, "x")
		}
		for _, c := range all {
			if ce := closedWith(t, c); ce.Code != 1013 {
				t.Errorf("closed with %v", ce)
			}
		}
		if n := broker.n.Load(); n == 0 || n > 100 {
			t.Errorf("the broker was asked %d times in ten seconds", n)
		}
	})
}

// asked is a broker that counts who asks for members.
type asked struct {
	*hub.Memory
	n atomic.Int64
}

func (a *asked) Members(ctx context.Context, room string) (int, error) {
	a.n.Add(1)
	return a.Memory.Members(ctx, room)
}

// What no text is, and another program has published, is not sent to the backend, and ends no connection to it.
func TestRoomsHearNoText(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, broker := newWorld(t), hub.NewMemory(nil)
		ch := w.channel("back:80")
		gw, end := runs(t, inRooms(gateway.Rooms{}, gateway.Policy{}, "ws://back"), gateway.Options{Broker: broker, Elector: broker, Listen: w.listen, Dial: w.dial})
		defer end()
		c := w.enters(draftwire.RFC6455, "/a", draftwire.DialOptions{})
		pass(time.Second)
		if _, err := broker.Publish(bg, "in:r/a", draftwire.OpText, []byte("\xff")); err != nil {
			t.Fatal(err)
		}
		tells(t, c, "x")
		if got := ch.next(t); got != "x" {
			t.Errorf("heard %q", got)
		}
		if _, made := ch.open(); made != 1 || gw.RoomStats()[0].Unheard != 1 {
			t.Errorf("%d connections, %+v", made, gw.RoomStats()[0])
		}
		if _, err := broker.Publish(bg, "out:r/a", draftwire.OpText, []byte("\xff")); err != nil {
			t.Fatal(err)
		}
		ch.says(t, "y")
		gets(t, c, "y")
	})
}
