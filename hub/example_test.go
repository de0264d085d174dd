package hub_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/hub"
)

// chat serves a server in which each path is a room.
func chat(h *hub.Hub) (url string, end func()) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	srv := &draftwire.Server{WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
		room := c.Handshake().Target()
		if _, err := h.Join(ctx, c, room, hub.JoinOptions{Last: 1}); err != nil {
			return c.Close(draftwire.CodePolicy, err.Error())
		}
		defer h.LeaveAll(c)
		for m, err := range c.Messages(ctx) {
			if err != nil {
				return err
			}
			if _, err := h.Publish(ctx, room, m.Op, m.Data); err != nil {
				return err
			}
		}
		return nil
	}, Options: draftwire.AcceptOptions{Versions: draftwire.ServedVersions()}}
	go srv.Serve(l)
	return "ws://" + l.Addr().String(), func() { srv.Close() }
}

// dial connects, and is a member when it returns: it has had the last message.
func dial(url string, v draftwire.Version) *draftwire.Conn {
	c, _, err := draftwire.Dial(context.Background(), url, &draftwire.DialOptions{Version: v})
	if err != nil {
		log.Fatal(err)
	}
	return c
}

func hear(c *draftwire.Conn) string {
	_, data, err := c.Read(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	return string(data)
}

// A device of 2010 and a browser of today sit in one room; who comes gets the last message first.
func ExampleHub() {
	h := hub.New(&hub.Options{Broker: hub.NewMemory(&hub.MemoryOptions{History: 10})})
	defer h.Close()
	url, end := chat(h)
	defer end()
	h.Publish(context.Background(), "/lobby", draftwire.OpText, []byte("welcome"))
	old, today := dial(url+"/lobby", draftwire.Hixie76), dial(url+"/lobby", draftwire.RFC6455)
	defer old.CloseNow()
	defer today.CloseNow()
	fmt.Println(hear(old), hear(today))
	old.Write(context.Background(), draftwire.OpText, []byte("hello from 2010"))
	fmt.Println(hear(today))
	// Output:
	// welcome welcome
	// hello from 2010
}

// A member that comes back goes on where it was.
func ExampleHub_Join() {
	h := hub.New(&hub.Options{Broker: hub.NewMemory(&hub.MemoryOptions{History: 10})})
	defer h.Close()
	var had hub.Position
	for _, text := range []string{"one", "two", "three"} {
		at, err := h.Publish(context.Background(), "news", draftwire.OpText, []byte(text))
		if err != nil {
			log.Fatal(err)
		}
		if text == "one" {
			had = at // what a client had before its connection broke; it knows it as text
		}
	}
	after, err := hub.ParsePosition(had.String())
	if err != nil {
		log.Fatal(err)
	}
	list, err := h.History(context.Background(), "news", after, 10)
	if err != nil {
		log.Fatal(err)
	}
	for _, m := range list {
		fmt.Println(m.Seq, string(m.Data))
	}
	// Output:
	// 2 two
	// 3 three
}

// Two hubs, as of two processes, share a broker.
func ExampleBroker() {
	var broker hub.Broker = hub.NewMemory(nil)
	here, there := hub.New(&hub.Options{Broker: broker}), hub.New(&hub.Options{Broker: broker})
	defer here.Close()
	defer there.Close()
	url, end := chat(there)
	defer end()
	c := dial(url+"/r", draftwire.Hybi08)
	defer c.CloseNow()
	for { // until it is a member
		if n, err := here.Members(context.Background(), "/r"); err != nil || n == 1 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	here.Publish(context.Background(), "/r", draftwire.OpText, []byte("from the other one"))
	fmt.Println(hear(c))
	// Output: from the other one
}

// What is published waits in a feed for nobody.
func ExampleFeed() {
	b := hub.NewMemory(nil)
	at, cancel, err := b.Subscribe(context.Background(), "r", hub.Feed{
		Message: func(m hub.Message) { fmt.Println(m.Seq, string(m.Data)) },
		Members: func() int { return 1 },
	})
	if err != nil {
		log.Fatal(err)
	}
	defer cancel()
	fmt.Println(at.Seq)
	b.Publish(context.Background(), "r", draftwire.OpText, []byte("hello"))
	// Output:
	// 0
	// 1 hello
}

// For a state, of which the last one alone counts, members that lag skip to the latest.
func ExampleOptions() {
	h := hub.New(&hub.Options{Lag: hub.SkipToLatest, Missed: func(c *draftwire.Conn, room string, n uint64) error {
		log.Printf("%s of %s has missed %d", c.RemoteAddr(), room, n)
		return nil
	}})
	defer h.Close()
	fmt.Println(h.Stats().Members)
	// Output: 0
}

func ExampleLag() {
	fmt.Println(hub.DropOldest, hub.SkipToLatest, hub.Disconnect)
	// Output: drop oldest skip to latest disconnect
}

func ExampleMessage() {
	b := hub.NewMemory(&hub.MemoryOptions{History: 1})
	b.Publish(context.Background(), "r", draftwire.OpText, []byte("hello"))
	list, _ := b.History(context.Background(), "r", hub.Position{}, 1)
	fmt.Println(list[0].Op, string(list[0].Data))
	// Output: text hello
}

func ExamplePosition() {
	p := hub.Position{Epoch: 1, Seq: 17}
	q, err := hub.ParsePosition(p.String())
	fmt.Println(p, q == p, err)
	// Output: 0000000000000001-17 true <nil>
}

func ExampleMemory() {
	b := hub.NewMemory(&hub.MemoryOptions{Rooms: 100, History: 50, Age: time.Hour})
	fmt.Println(b.Members(context.Background(), "r"))
	// Output: 0 <nil>
}

func ExampleMemoryOptions() {
	hub.NewMemory(&hub.MemoryOptions{History: 50, Bytes: 64 << 10})
	// Output:
}

func ExampleJoinOptions() {
	after, err := hub.ParsePosition("00000000000000ff-7") // from a cookie, say
	o := hub.JoinOptions{After: after, Last: 10}
	fmt.Println(o.After, o.Last, err)
	// Output: 00000000000000ff-7 10 <nil>
}

func ExampleJoined() {
	j := hub.Joined{Sent: 3, Missed: 2}
	if j.Missed > 0 || j.Unknown {
		fmt.Println("load the page again")
	}
	// Output: load the page again
}

func ExampleStats() {
	h := hub.New(nil)
	defer h.Close()
	fmt.Printf("%+v\n", h.Stats())
	// Output: {Rooms:0 Members:0 Lagging:0 Messages:0 Delivered:0 Missed:0 Unsupported:0 Disconnected:0}
}
