package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
)

// Members whose connections are read by loops, of all versions, come, speak and go in many rooms at a time, while the
// backend speaks: who is there from the beginning to the end gets each message of its room once and in order, and in
// the end nothing is left.
func TestRoomsOnLoops(t *testing.T) {
	var mu sync.Mutex
	made := map[string]int{}
	heard := 0
	back := &draftwire.Server{Options: open(draftwire.AllVersions), WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
		mu.Lock()
		made[c.Handshake().Target()]++
		mu.Unlock()
		for m, err := range c.Messages(ctx) {
			if err != nil {
				return err
			}
			mu.Lock()
			heard++
			mu.Unlock()
			if err := c.Write(ctx, m.Op, m.Data); err != nil { // what a member says comes back to all
				return err
			}
		}
		return nil
	}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go back.Serve(l)
	defer back.Close()
	cfg := &gateway.Config{
		Listen: []gateway.Listener{{Address: "127.0.0.1:0"}}, Admin: gateway.Admin{Address: "off"}, Drain: -1,
		Routes: []gateway.Route{{Name: "r", Backends: []gateway.Backend{{URL: "ws://" + l.Addr().String()}}, Rooms: &gateway.Rooms{}}},
	}
	gw, err := gateway.New(cfg, gateway.Options{})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- gw.Run(bg) }()
	url := "ws://" + gw.Status().Listeners[0].Address
	const rooms, words = 5, 20
	versions := draftwire.ServedVersions().List()
	ctx, cancel := context.WithTimeout(bg, patience)
	defer cancel()
	dial := func(v draftwire.Version, room int) *draftwire.Conn {
		c, _, err := draftwire.Dial(ctx, fmt.Sprintf("%s/%d", url, room), &draftwire.DialOptions{Version: v})
		if err != nil {
			t.Error(err)
		}
		return c
	}
	var stay [rooms][]*draftwire.Conn
	for room := range rooms {
		for _, v := range versions {
			stay[room] = append(stay[room], dial(v, room))
		}
	}
	if !within(patience, func() bool {
		s := gw.RoomStats()
		return s[0].Members == rooms*len(versions) && s[0].Upstreams == rooms
	}) {
		t.Fatalf("members do not come: %+v", gw.RoomStats())
	}
	var all sync.WaitGroup
	for room := range rooms {
		for range 4 { // who come, speak to nobody, and go in all ways
			all.Go(func() {
				for range words {
					c := dial(versions[rand.IntN(len(versions))], room)
					if c == nil {
						return
					}
					if rand.IntN(2) == 0 {
						c.CloseNow()
					} else {
						c.Close(draftwire.CodeNormal, "")
					}
				}
			})
		}
		all.Go(func() {
			for i := range words {
				if err := stay[room][i%len(versions)].Write(ctx, draftwire.OpText, fmt.Appendf(nil, "word %d", i)); err != nil {
					t.Error(err)
				}
				for _, c := range stay[room] {
					if _, p, err := c.Read(ctx); err != nil || string(p) != fmt.Sprint("word ", i) {
						t.Errorf("%s in room %d heard %q, %v; want word %d", c.Version(), room, p, err, i)
						return
					}
				}
			}
		})
	}
	all.Wait()
	mu.Lock()
	if len(made) != rooms || made["/0"] != 1 || heard != rooms*words {
		t.Errorf("the backend had %v, and heard %d", made, heard)
	}
	mu.Unlock()
	for room := range rooms {
		all.Go(func() {
			for _, c := range stay[room] {
				if c.Version() == draftwire.Hixie76 { // the others get the farewell
					c.Close(draftwire.CodeNormal, "")
				}
			}
		})
	}
	all.Wait()
	for room := range rooms {
		for _, c := range stay[room] {
			go c.Read(ctx)
		}
	}
	drained, stop := context.WithTimeout(bg, patience)
	defer stop()
	if err := gw.Drain(drained); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if s := gw.RoomStats()[0]; s.Members != 0 || s.Upstreams != 0 || s.Missed != 0 {
		t.Errorf("left: %+v", s)
	}
}

// Members of rooms whose messages stay in the process are closed when another process takes its place; others are not.
func TestRoomsRetire(t *testing.T) {
	for _, alone := range []bool{true, false} {
		cfg := &gateway.Config{
			Listen: []gateway.Listener{{Address: "127.0.0.1:0"}}, Admin: gateway.Admin{Address: "off"}, Drain: gateway.Duration(10 * time.Millisecond),
			Routes: []gateway.Route{{Name: "r", Rooms: &gateway.Rooms{Backend: "none"}}},
		}
		o := gateway.Options{}
		if !alone {
			m := newMemory()
			o.Broker, o.Elector = m, m
		}
		gw, err := gateway.New(cfg, o)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- gw.Run(bg) }()
		ctx, cancel := context.WithTimeout(bg, patience)
		var all []*draftwire.Conn
		for range 3 {
			c, _, err := draftwire.Dial(ctx, "ws://"+gw.Status().Listeners[0].Address+"/a", nil)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, c)
			if err := c.Write(ctx, draftwire.OpText, []byte("here")); err != nil {
				t.Fatal(err)
			}
			for _, m := range all {
				if _, p, err := m.Read(ctx); err != nil || string(p) != "here" {
					t.Fatalf("%q, %v", p, err)
				}
			}
		}
		late, err := net.Dial("tcp", gw.Status().Listeners[0].Address) // in its handshake
		if err != nil {
			t.Fatal(err)
		}
		for gw.Status().Listeners[0].Pending == 0 && ctx.Err() == nil {
			runtime.Gosched()
		}
		gw.Retire(func(string) bool { return false })
		if alone {
			for _, c := range all {
				if _, _, err := c.Read(ctx); draftwire.CloseStatus(err) != draftwire.CodeGoingAway {
					t.Errorf("a member got %v", err)
				}
			}
			late.SetDeadline(time.Now().Add(patience))
			io.WriteString(late, "GET /a HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
			r := bufio.NewReader(late)
			if _, err := http.ReadResponse(r, nil); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, 4)
			if _, err := io.ReadFull(r, got); err != nil || got[0] != 0x88 || int(got[2])<<8|int(got[3]) != 1001 {
				t.Errorf("who came late got %q, %v", got, err)
			}
		} else {
			all[0].Write(ctx, draftwire.OpText, []byte("still"))
			if _, p, err := all[1].Read(ctx); err != nil || string(p) != "still" {
				t.Errorf("%q, %v", p, err)
			}
		}
		gw.Close()
		<-done
		late.Close()
		for _, c := range all {
			c.CloseNow()
		}
		cancel()
	}
}
