package hub_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/hub"
	"github.com/draftwire/draftwire/internal/memnet"
	"github.com/draftwire/draftwire/internal/wstest"
)

var bg = context.Background()

// members opens connections in memory, and returns both ends of each.
type members struct {
	t     testing.TB
	l     *memnet.Listener
	conns chan *draftwire.Conn
	mu    sync.Mutex // so that both ends are of one connection
}

func newMembers(t testing.TB, lim draftwire.Limits) *members {
	m := &members{t: t, conns: make(chan *draftwire.Conn)}
	opt := wstest.Options()
	opt.Limits = lim
	m.l = wstest.Serve(t, &draftwire.Server{Options: opt, WebSocket: wstest.HandOver(m.conns)})
	return m
}

func (m *members) open(v draftwire.Version) (client, server *draftwire.Conn) {
	m.t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	client = wstest.Dial(m.t, m.l, v, draftwire.DialOptions{})
	return client, <-m.conns
}

// newHub returns a hub that ends with the test.
func newHub(t testing.TB, o hub.Options) *hub.Hub {
	h := hub.New(&o)
	t.Cleanup(h.Close)
	return h
}

func join(t testing.TB, h *hub.Hub, c *draftwire.Conn, room string, o hub.JoinOptions) hub.Joined {
	t.Helper()
	j, err := h.Join(bg, c, room, o)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func publish(t testing.TB, h *hub.Hub, room string, texts ...string) (at hub.Position) {
	t.Helper()
	for _, text := range texts {
		var err error
		if at, err = h.Publish(bg, room, draftwire.OpText, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	return at
}

func read(t testing.TB, c *draftwire.Conn, want ...string) {
	t.Helper()
	for _, w := range want {
		wstest.Read(t, c, w)
	}
}

// Members of all versions sit in one room, and get the same in the same order. What is binary
// comes as text to those that have nothing else, or not at all.
func TestVersions(t *testing.T) {
	for _, encode := range []func([]byte) []byte{nil, func(p []byte) []byte { return fmt.Appendf(nil, "%x", p) }} {
		synctest.Test(t, func(t *testing.T) {
			h := newHub(t, hub.Options{AsText: encode})
			open := newMembers(t, draftwire.Limits{}).open
			clients := map[draftwire.Version]*draftwire.Conn{}
			for _, v := range draftwire.ServedVersions().List() {
				client, server := open(v)
				clients[v] = client
				join(t, h, server, "r", hub.JoinOptions{})
			}
			publish(t, h, "r", "one")
			if _, err := h.Publish(bg, "r", draftwire.OpBinary, []byte{0xAB}); err != nil {
				t.Fatal(err)
			}
			publish(t, h, "r", "two", "three")
			publish(t, h, "other", "not here")
			for v, c := range clients {
				read(t, c, "one")
				want := "\xab"
				if !v.Supports(draftwire.CapBinary) {
					want = "ab"
				}
				if encode != nil || v.Supports(draftwire.CapBinary) {
					if _, p, err := c.Read(bg); err != nil || string(p) != want {
						t.Errorf("%s: %q, %v", v, p, err)
					}
				}
				read(t, c, "two", "three")
			}
			synctest.Wait()
			want := hub.Stats{Rooms: 1, Members: 9, Messages: 4, Delivered: 36}
			if encode == nil {
				want.Delivered, want.Unsupported = 34, 2
			}
			if got := h.Stats(); got != want {
				t.Errorf("%+v", got)
			}
			if n, err := h.Members(bg, "r"); n != 9 || err != nil {
				t.Errorf("%d members, %v", n, err)
			}
		})
	}
}

// Who comes back goes on where it was, is told how much is no longer there, and begins with the
// last messages in a room that the broker has forgotten.
func TestResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broker := hub.NewMemory(&hub.MemoryOptions{History: 250})
		h := newHub(t, hub.Options{Broker: broker, Behind: 3})
		open := newMembers(t, draftwire.Limits{}).open
		client, server := open(draftwire.Hixie76)
		first := join(t, h, server, "r", hub.JoinOptions{})
		one := publish(t, h, "r", "1")
		read(t, client, "1")
		if !h.Leave(server, "r") || h.Leave(server, "r") {
			t.Error("leave")
		}
		for i := 2; i <= 260; i++ {
			publish(t, h, "r", fmt.Sprint(i))
		}
		resume := func(o hub.JoinOptions, want hub.Joined, from, to int) {
			t.Helper()
			client, server := open(draftwire.RFC6455)
			got := make(chan hub.Joined)
			var begins hub.Position
			o.Begins = func(at hub.Position) { begins = at }
			go func() { got <- join(t, h, server, "r", o) }()
			for i := from; i <= to; i++ {
				read(t, client, fmt.Sprint(i))
			}
			j := <-got
			if j != want {
				t.Errorf("%+v, want %+v", j, want)
			}
			if n := begins.Seq + j.Missed + uint64(j.Sent); begins.Epoch != j.Epoch || n != j.Seq {
				t.Errorf("it begins behind %s, and so is at %d behind %+v", begins, n, j)
			}
			h.LeaveAll(server)
		}
		at := hub.Position{Epoch: one.Epoch, Seq: 260}
		resume(hub.JoinOptions{After: hub.Position{Epoch: one.Epoch, Seq: 258}}, hub.Joined{Position: at, Sent: 2}, 259, 260)
		resume(hub.JoinOptions{After: at}, hub.Joined{Position: at}, 1, 0)
		resume(hub.JoinOptions{After: one}, hub.Joined{Position: at, Sent: 250, Missed: 9}, 11, 260)
		resume(hub.JoinOptions{After: first.Position}, hub.Joined{Position: at, Sent: 250, Missed: 10}, 11, 260)
		resume(hub.JoinOptions{Last: 2}, hub.Joined{Position: at, Sent: 2}, 259, 260)
		resume(hub.JoinOptions{Last: 1000}, hub.Joined{Position: at, Sent: 250}, 11, 260)
		resume(hub.JoinOptions{}, hub.Joined{Position: at}, 1, 0)
		resume(hub.JoinOptions{After: hub.Position{Epoch: one.Epoch + 1, Seq: 7}, Last: 1}, hub.Joined{Position: at, Sent: 1, Unknown: true}, 260, 260)
		if list, err := h.History(bg, "r", hub.Position{Epoch: one.Epoch, Seq: 100}, 2); err != nil || len(list) != 2 || list[0].Seq != 101 || string(list[1].Data) != "102" {
			t.Errorf("%v, %v", list, err)
		}
	})
}

// A position is read as it was written, and nothing else is.
func TestPosition(t *testing.T) {
	for _, p := range []hub.Position{{}, {Epoch: 1, Seq: 2}, {Epoch: 1<<64 - 1, Seq: 1<<64 - 1}} {
		if got, err := hub.ParsePosition(p.String()); got != p || err != nil {
			t.Errorf("%s: %v, %v", p, got, err)
		}
	}
	for _, s := range []string{"", "-", "1-2", "0000000000000001-", "0000000000000001-x", "000000000000000g-1", "0000000000000001-1-1", "+000000000000001-1"} {
		if p, err := hub.ParsePosition(s); err == nil {
			t.Errorf("%q is %v", s, p)
		}
	}
}

// stalled makes a member lag: it publishes until the member takes no more, and returns how many
// messages that were.
func stalled(t *testing.T, h *hub.Hub) (published int) {
	t.Helper()
	for h.Stats().Lagging == 0 && h.Stats().Disconnected == 0 {
		publish(t, h, "r", text(published))
		published++
		synctest.Wait()
		if published > 10_000 {
			t.Fatal("it takes everything")
		}
	}
	return published
}

// text is a long message with a number.
func text(i int) string { return fmt.Sprintf("%d %s", i, strings.Repeat("x", 3000)) }

// number reads a message of text.
func number(t testing.TB, c *draftwire.Conn) (n int) {
	t.Helper()
	_, p, err := c.Read(bg)
	if _, err2 := fmt.Sscanf(string(p), "%d x", &n); err != nil || err2 != nil {
		t.Fatalf("%.20q, %v, %v", p, err, err2)
	}
	return n
}

// A member that lags goes on with what is still there, or with the latest, and is told how much it
// has missed; another member gets everything at once.
func TestLag(t *testing.T) {
	for _, lag := range []hub.Lag{hub.DropOldest, hub.SkipToLatest} {
		synctest.Test(t, func(t *testing.T) {
			var missed uint64
			h := newHub(t, hub.Options{Lag: lag, Behind: 10, Missed: func(_ *draftwire.Conn, room string, n uint64) error { missed += n; return nil }})
			open := newMembers(t, draftwire.Limits{PostLimit: 64 << 10, WriteTimeout: time.Hour}).open
			slow, server := open(draftwire.Hybi07)
			join(t, h, server, "r", hub.JoinOptions{})
			sent := stalled(t, h)
			quick, server := open(draftwire.RFC6455)
			join(t, h, server, "r", hub.JoinOptions{})
			for i := range 100 {
				publish(t, h, "r", text(sent+i))
				if n := number(t, quick); n != sent+i {
					t.Fatalf("%d came in place of %d", n, sent+i)
				}
			}
			sent += 100
			got := 0
			for last := -1; last < sent-1; got++ {
				n := number(t, slow)
				if n <= last {
					t.Fatalf("%d came behind %d", n, last)
				}
				last = n
			}
			publish(t, h, "r", text(sent))
			if n := number(t, slow); n != sent {
				t.Errorf("%d came in place of %d", n, sent)
			}
			synctest.Wait()
			s := h.Stats()
			if got+int(missed) != sent || s.Missed != missed || s.Lagging != 0 || missed < 80 || lag == hub.SkipToLatest && missed < 90 {
				t.Errorf("lag %d: of %d sent %d came, %d were missed, %+v", lag, sent, got, missed, s)
			}
		})
	}
}

// A member that is too slow may be closed instead.
func TestDisconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, hub.Options{Lag: hub.Disconnect})
		open := newMembers(t, draftwire.Limits{PostLimit: 64 << 10, WriteTimeout: time.Hour, CloseTimeout: time.Minute}).open
		slow, server := open(draftwire.RFC6455)
		join(t, h, server, "r", hub.JoinOptions{})
		stalled(t, h)
		if s := h.Stats(); s.Disconnected != 1 || s.Members != 0 || s.Rooms != 0 {
			t.Errorf("%+v", s)
		}
		var err error
		for err == nil {
			_, _, err = slow.Read(bg)
		}
		if ce, ok := errors.AsType[*draftwire.CloseError](err); !ok || ce.Code != draftwire.CodePolicy || ce.Reason != "too slow" {
			t.Errorf("%v", err)
		}
	})
}

// Whose connection has ended is no member from the next message on, and the room ends with its
// last one.
func TestGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, hub.Options{})
		open := newMembers(t, draftwire.Limits{}).open
		client, server := open(draftwire.RFC6455)
		join(t, h, server, "r", hub.JoinOptions{})
		join(t, h, server, "s", hub.JoinOptions{})
		client.CloseNow()
		server.CloseNow()
		publish(t, h, "r", "x")
		synctest.Wait()
		if s := h.Stats(); s.Members != 1 || s.Rooms != 1 {
			t.Errorf("%+v", s)
		}
		h.LeaveAll(server)
		if s := h.Stats(); s.Members != 0 || s.Rooms != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// Everything has a limit.
func TestLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, hub.Options{Broker: hub.NewMemory(&hub.MemoryOptions{Rooms: 3, History: 2, Bytes: 10, Age: time.Minute}), Rooms: 3, Members: 4, Each: 2, Name: 5, Message: 8})
		open := newMembers(t, draftwire.Limits{}).open
		_, a := open(draftwire.RFC6455)
		_, b := open(draftwire.Hixie75)
		_, c := open(draftwire.Hybi08)
		for _, x := range []struct {
			c    *draftwire.Conn
			room string
			want error
		}{{a, "", hub.ErrName}, {a, "123456", hub.ErrName}, {a, "1", nil}, {a, "1", hub.ErrJoined}, {a, "2", nil}, {a, "3", hub.ErrRooms}, {b, "3", nil}, {b, "4", hub.ErrRooms}, {b, "1", nil}, {c, "2", hub.ErrMembers}} {
			if _, err := h.Join(bg, x.c, x.room, hub.JoinOptions{}); !errors.Is(err, x.want) {
				t.Errorf("%q: %v, want %v", x.room, err, x.want)
			}
		}
		for _, x := range []struct {
			room, text string
			want       error
		}{{"", "x", hub.ErrName}, {"1", "123456789", hub.ErrTooLarge}, {"4", "x", hub.ErrRooms}, {"1", "12345678", nil}} {
			if _, err := h.Publish(bg, x.room, draftwire.OpText, []byte(x.text)); !errors.Is(err, x.want) {
				t.Errorf("%q %q: %v, want %v", x.room, x.text, err, x.want)
			}
		}
		kept := func(want ...string) {
			t.Helper()
			list, err := h.History(bg, "1", hub.Position{}, 10)
			var got []string
			for _, m := range list {
				got = append(got, string(m.Data))
			}
			if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("kept are %q, want %q, %v", got, want, err)
			}
		}
		kept("12345678")
		publish(t, h, "1", "abc")
		kept("abc") // together too many bytes
		publish(t, h, "1", "d", "e")
		kept("d", "e")
		time.Sleep(time.Minute + 1)
		kept()
		h.LeaveAll(a)
		publish(t, h, "4", "x") // in place of 2, which nobody is in
		h.Close()
		if _, err := h.Join(bg, c, "1", hub.JoinOptions{}); !errors.Is(err, hub.ErrClosed) {
			t.Errorf("join: %v", err)
		}
		if _, err := h.Publish(bg, "1", draftwire.OpText, nil); !errors.Is(err, hub.ErrClosed) {
			t.Errorf("publish: %v", err)
		}
		ended, cancel := context.WithCancel(bg)
		cancel()
		m := hub.NewMemory(nil)
		if _, err := m.Publish(ended, "1", draftwire.OpText, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("publish: %v", err)
		}
		if _, err := m.History(ended, "1", hub.Position{}, 1); !errors.Is(err, context.Canceled) {
			t.Errorf("history: %v", err)
		}
		if n, err := m.Members(bg, "1"); n != 0 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	})
}

// Many join, leave and publish at a time, through several hubs: who stays gets what is published
// while it is a member, in the same order.
func TestScrum(t *testing.T) {
	broker := hub.NewMemory(&hub.MemoryOptions{History: 1000})
	hubs := []*hub.Hub{newHub(t, hub.Options{Broker: broker}), newHub(t, hub.Options{Broker: broker})}
	open := newMembers(t, draftwire.Limits{PostLimit: 1 << 20}).open
	const each, publishers = 200, 4
	var stay []*draftwire.Conn
	for i := range 6 {
		client, server := open(draftwire.ServedVersions().List()[i])
		join(t, hubs[i%2], server, "r", hub.JoinOptions{})
		stay = append(stay, client)
	}
	var busy sync.WaitGroup
	for i := range 4 {
		client, server := open(draftwire.RFC6455)
		go func() {
			for {
				if _, _, err := client.Read(bg); err != nil {
					return
				}
			}
		}()
		busy.Go(func() {
			for range 50 {
				if _, err := hubs[i%2].Join(bg, server, "r", hub.JoinOptions{Last: i * 10}); err != nil {
					t.Error(err)
				}
				hubs[i%2].LeaveAll(server)
			}
		})
	}
	for p := range publishers {
		busy.Go(func() {
			for i := range each {
				publish(t, hubs[p%2], "r", fmt.Sprint(p, " ", i))
			}
		})
	}
	var order []string
	for i, c := range stay {
		next := map[int]int{}
		for n := range each * publishers {
			_, data, err := c.Read(bg)
			if err != nil {
				t.Fatal(err)
			}
			var p, seq int
			fmt.Sscanf(string(data), "%d %d", &p, &seq)
			if seq != next[p] {
				t.Fatalf("of publisher %d, %d came in place of %d", p, seq, next[p])
			}
			next[p]++
			if i == 0 {
				order = append(order, string(data))
			} else if order[n] != string(data) {
				t.Fatalf("another order: %q and %q", order[n], data)
			}
		}
	}
	busy.Wait()
}

// Whoever is told that a member is too slow may say so in the room, whatever waits there.
func TestTooSlowPublishes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h *hub.Hub
		told := make(chan error, 1)
		h = newHub(t, hub.Options{Lag: hub.Disconnect, TooSlow: func(*draftwire.Conn, string) {
			for range 3000 { // more than waits in a room
				if _, err := h.Publish(bg, "r", draftwire.OpText, nil); err != nil {
					told <- err
					return
				}
			}
			told <- nil
		}})
		open := newMembers(t, draftwire.Limits{PostLimit: 64 << 10, WriteTimeout: time.Hour, CloseTimeout: time.Minute}).open
		_, slow := open(draftwire.RFC6455)
		client, quick := open(draftwire.Hybi08)
		join(t, h, slow, "r", hub.JoinOptions{})
		join(t, h, quick, "r", hub.JoinOptions{})
		heard := make(chan int, 1)
		go func() {
			n := 0
			for n < 3000 {
				_, p, err := client.Read(bg)
				if err != nil {
					break
				}
				if len(p) == 0 {
					n++
				}
			}
			heard <- n
		}()
		stalled(t, h)
		if err := <-told; err != nil {
			t.Error(err)
		}
		if n := <-heard; n != 3000 {
			t.Errorf("%d came", n)
		}
	})
}

// A connection that has ended becomes no member: its LeaveAll was called before.
func TestJoinEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, hub.Options{})
		_, server := newMembers(t, draftwire.Limits{}).open(draftwire.RFC6455)
		server.CloseNow()
		h.LeaveAll(server)
		if _, err := h.Join(bg, server, "r", hub.JoinOptions{}); err == nil {
			t.Error("it is a member")
		}
		if s := h.Stats(); s.Members != 0 || s.Rooms != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// Nothing of the history is sent to a member that has left meanwhile.
func TestLeaveInHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, hub.Options{Broker: hub.NewMemory(&hub.MemoryOptions{History: 90})})
		client, server := newMembers(t, draftwire.Limits{WriteTimeout: time.Hour}).open(draftwire.RFC6455)
		for i := range 90 {
			publish(t, h, "r", text(i))
		}
		joined := make(chan error, 1)
		go func() {
			_, err := h.Join(bg, server, "r", hub.JoinOptions{Last: 90})
			joined <- err
		}()
		synctest.Wait() // the peer does not read
		if !h.Leave(server, "r") {
			t.Fatal("it is no member")
		}
		go server.Write(bg, draftwire.OpText, []byte("-1 end"))
		var n int
		for last := 0; last >= 0; n++ {
			last = numberOf(t, client)
		}
		if err := <-joined; !errors.Is(err, hub.ErrClosed) || n > 85 {
			t.Errorf("%v, and %d messages", err, n)
		}
	})
}

func numberOf(t *testing.T, c *draftwire.Conn) (n int) {
	t.Helper()
	_, p, err := c.Read(bg)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Sscanf(string(p), "%d", &n)
	return n
}

// A position that no member can have had is unknown: a client may have made it up.
func TestPositionAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, hub.Options{})
		client, server := newMembers(t, draftwire.Limits{}).open(draftwire.RFC6455)
		at := publish(t, h, "r", "1")
		at.Seq = 1 << 63
		if j := join(t, h, server, "r", hub.JoinOptions{After: at}); !j.Unknown || j.Seq != 1 {
			t.Errorf("%v, %d missed, unknown %t", j.Position, j.Missed, j.Unknown)
		}
		publish(t, h, "r", "2")
		read(t, client, "2")
	})
}

// again is a broker that says everything twice, and begins an epoch anew while a member asks for its history.
type again struct {
	*hub.Memory
	epoch  hub.Position
	feed   func(hub.Message)
	asking func()
}

func (b *again) Subscribe(ctx context.Context, room string, f hub.Feed) (hub.Position, func(), error) {
	b.feed = f.Message
	b.feed(hub.Message{Position: b.epoch, Op: draftwire.OpText, Data: []byte("before")}) // which is not behind the position
	return b.epoch, func() {}, nil
}

func (b *again) say(seq uint64, text string) {
	for range 2 {
		b.feed(hub.Message{Position: hub.Position{Epoch: b.epoch.Epoch, Seq: seq}, Op: draftwire.OpText, Data: []byte(text)})
	}
}

func (b *again) History(context.Context, string, hub.Position, int) ([]hub.Message, error) {
	b.asking()
	return nil, nil
}

// What a broker says twice comes once.
func TestTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &again{epoch: hub.Position{Epoch: 1, Seq: 5}}
		h := newHub(t, hub.Options{Broker: b})
		client, server := newMembers(t, draftwire.Limits{}).open(draftwire.RFC6455)
		join(t, h, server, "r", hub.JoinOptions{})
		b.say(6, "6")
		synctest.Wait()
		b.say(6, "6")
		b.say(7, "7")
		read(t, client, "6", "7")
		synctest.Wait()
		if s := h.Stats(); s.Missed != 0 || s.Delivered != 2 || s.Messages != 2 {
			t.Errorf("%+v", s)
		}
	})
}

// Where the broker begins anew while a member gets its history, nobody knows what was missed, and what
// comes from then on comes.
func TestAnewInHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &again{epoch: hub.Position{Epoch: 1, Seq: 50}}
		h := newHub(t, hub.Options{Broker: b})
		open := newMembers(t, draftwire.Limits{}).open
		_, first := open(draftwire.RFC6455)
		join(t, h, first, "r", hub.JoinOptions{})
		client, server := open(draftwire.Hixie76)
		b.asking = func() {
			b.epoch = hub.Position{Epoch: 2}
			b.say(1, "1")
			b.say(2, "2")
			synctest.Wait()
		}
		var begins []hub.Position
		told := func(at hub.Position) { begins = append(begins, at) }
		j := join(t, h, server, "r", hub.JoinOptions{After: hub.Position{Epoch: 1, Seq: 40}, Begins: told})
		if !slices.Equal(begins, []hub.Position{{Epoch: 1, Seq: 40}, {Epoch: 2, Seq: 2}}) {
			t.Errorf("begins %v", begins)
		}
		if !j.Unknown || j.Missed != 10 || j.Position != (hub.Position{Epoch: 2, Seq: 2}) {
			t.Errorf("%v, %d missed, unknown %t", j.Position, j.Missed, j.Unknown)
		}
		b.say(3, "3")
		read(t, client, "3")
	})
}

// What is kept of all rooms is bounded: rooms without members go first, and then what is old in the room
// that gets more.
func TestMemoryTotal(t *testing.T) {
	b := hub.NewMemory(&hub.MemoryOptions{History: 1000, Total: 100})
	kept := func(room string) (n int) {
		t.Helper()
		list, err := b.History(bg, room, hub.Position{}, 1000)
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	say := func(room string, n int) {
		t.Helper()
		for range n {
			if _, err := b.Publish(bg, room, draftwire.OpText, make([]byte, 10)); err != nil {
				t.Fatal(err)
			}
		}
	}
	_, cancel, err := b.Subscribe(bg, "used", hub.Feed{Message: func(hub.Message) {}, Members: func() int { return 1 }})
	if err != nil {
		t.Fatal(err)
	}
	defer cancel()
	say("used", 4)
	for i := range 1000 { // rooms that come and go
		say(fmt.Sprint(i), 3)
	}
	if kept("used") != 4 || kept("0") != 0 || kept("998") != 3 || kept("999") != 3 {
		t.Errorf("%d, %d, %d and %d are kept", kept("used"), kept("0"), kept("998"), kept("999"))
	}
	say("used", 50)
	if kept("used") != 10 || kept("999") != 0 {
		t.Errorf("%d and %d are kept", kept("used"), kept("999"))
	}
	if _, err := b.Publish(bg, "used", draftwire.OpText, make([]byte, 200)); err != nil || kept("used") != 0 {
		t.Errorf("%v, and %d are kept", err, kept("used"))
	}
}

// Publishers, members and readers of the history of many rooms beside each other, where little is kept.
func TestMemoryBusy(t *testing.T) {
	b := hub.NewMemory(&hub.MemoryOptions{History: 5, Total: 500, Rooms: 8})
	var busy sync.WaitGroup
	for p := range 4 {
		busy.Go(func() {
			for i := range 2000 {
				room := fmt.Sprint((i*7 + p) % 12)
				switch i % 3 {
				case 0:
					_, cancel, err := b.Subscribe(bg, room, hub.Feed{Message: func(hub.Message) {}, Members: func() int { return 1 }})
					if err == nil {
						cancel()
					}
				case 1:
					b.History(bg, room, hub.Position{}, 5)
				}
				b.Publish(bg, room, draftwire.OpText, make([]byte, 20))
			}
		})
	}
	busy.Wait()
	total := 0
	for i := range 12 {
		list, _ := b.History(bg, fmt.Sprint(i), hub.Position{}, 5)
		total += 20 * len(list)
	}
	if total == 0 || total > 500 {
		t.Errorf("%d bytes are kept", total)
	}
}

// A room in which nothing is said holds nothing of what was.
func TestHoldsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, hub.Options{})
		client, server := newMembers(t, draftwire.Limits{}).open(draftwire.RFC6455)
		join(t, h, server, "r", hub.JoinOptions{})
		said := func() weak.Pointer[byte] {
			p := []byte(strings.Repeat("x", 30_000))
			if _, err := h.Publish(bg, "r", draftwire.OpText, p); err != nil {
				t.Fatal(err)
			}
			return weak.Make(&p[0])
		}()
		if _, p, err := client.Read(bg); err != nil || len(p) != 30_000 {
			t.Fatalf("%d bytes, %v", len(p), err)
		}
		synctest.Wait()
		runtime.GC()
		runtime.GC()
		if said.Value() != nil {
			t.Error("the message is still there")
		}
	})
}

// One alone leads, the others wait, and the name is free when it has ended.
func TestMemoryLead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e hub.Elector = hub.NewMemory(nil)
		var leading, all atomic.Int64
		for range 5 {
			go e.Lead(t.Context(), "a", func(context.Context) error {
				if n := leading.Add(1); n > 1 {
					t.Errorf("%d lead", n)
				}
				time.Sleep(time.Second)
				leading.Add(-1)
				all.Add(1)
				return nil
			})
		}
		time.Sleep(2500 * time.Millisecond)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := e.Lead(ctx, "a", func(context.Context) error { t.Error("it leads"); return nil }); err != context.Canceled {
			t.Error(err)
		}
		want := errors.New("x")
		if err := e.Lead(t.Context(), "b", func(context.Context) error { return want }); err != want {
			t.Error(err)
		}
		time.Sleep(time.Minute)
		if all.Load() != 5 {
			t.Errorf("%d have led, want 5", all.Load())
		}
	})
}
