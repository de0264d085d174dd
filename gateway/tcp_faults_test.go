package gateway_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/internal/faultnet"
)

// middled is a gateway with real TCP that can be broken on both sides of it.
type middled struct {
	gw          *gateway.Gateway
	front, back *faultnet.Middle
}

func serveMiddled(t *testing.T, back draftwire.Version) *middled {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &draftwire.Server{Options: open(draftwire.AllVersions), WebSocket: echo}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() { s.Close(); <-done; s.Shutdown(bg) })
	b := new(middled)
	if b.back, err = faultnet.NewMiddle(l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.back.Close)
	r := realGateway(t, tcp("ws://"+b.back.Addr()+"/?version="+back.String(), "main"), gateway.Options{})
	b.gw = r.gw
	if b.front, err = faultnet.NewMiddle(r.address("main")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.front.Close)
	return b
}

// session is a client that sends the script and gets it back until something breaks.
func (b *middled) session(t *testing.T, v draftwire.Version, script ...string) (got []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(bg, 20*time.Second)
	defer cancel()
	limits := draftwire.Limits{CloseTimeout: time.Second, HandshakeTimeout: 6 * time.Second}
	c, _, err := draftwire.Dial(ctx, "ws://"+b.front.Addr()+"/x", &draftwire.DialOptions{Version: v, Limits: limits})
	if err == nil {
		for _, s := range script {
			sent := make(chan error, 1)
			go func() { sent <- c.Write(ctx, draftwire.OpText, []byte(s)) }()
			_, p, err := c.Read(ctx)
			if err != nil {
				c.CloseNow()
				<-sent
				break
			}
			<-sent
			got = append(got, string(p))
		}
		err = c.Close(draftwire.CodeNormal, "")
	}
	if errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
		t.Errorf("it takes too long: %v", err)
	}
	if !slices.Equal(got, script[:len(got)]) {
		t.Errorf("got %.100q", got)
	}
	return got
}

// idle waits until the gateway holds nothing.
func (b *middled) idle(t *testing.T) {
	t.Helper()
	for late := time.After(20 * time.Second); ; {
		s := b.gw.Status()
		open, addresses := b.gw.Held()
		if s.Connections+open+addresses == 0 && s.Listeners[0].Pending+s.Listeners[0].Open == 0 {
			return
		}
		select {
		case <-late:
			t.Fatalf("it holds %d, %d, %d, %+v", s.Connections, open, addresses, s.Listeners)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// If TCP is reset or half closed after any byte, on either side of a gateway, nothing is left
// in the gateway.
func TestTCPBreaksOnEitherSide(t *testing.T) {
	for _, v := range draftwire.ServedVersions().List() {
		t.Run(v.String(), func(t *testing.T) {
			b := serveMiddled(t, draftwire.RFC6455)
			for at := 1 + int(v)%5; at < 500; at += 5 {
				w := faultnet.Way{At: at, Up: at%2 == 0, How: faultnet.Reset}
				if at%3 == 0 {
					w.How = faultnet.HalfClose
				}
				front, back := w, faultnet.Way{}
				if at/5%2 == 0 {
					front, back = back, front
				}
				b.front.Set(front)
				b.back.Set(back)
				b.session(t, v, "hello", "world")
				if t.Failed() {
					t.Fatalf("front %+v, back %+v", front, back)
				}
			}
			b.idle(t)
		})
	}
}

// Slow and stalling TCP on both sides changes nothing.
func TestTCPSlowOnEitherSide(t *testing.T) {
	script := []string{"hello", strings.Repeat("large ", 800), "bye"}
	for _, v := range draftwire.ServedVersions().List() {
		t.Run(v.String(), func(t *testing.T) {
			b := serveMiddled(t, v)
			stall := faultnet.Way{At: 300 + 20*int(v), How: faultnet.Delay, After: 30 * time.Millisecond, Small: true, Step: 500}
			up := stall
			up.Up = true
			for _, ways := range [][2]faultnet.Way{{{Step: 1}, {}}, {{Step: 200, Small: true}, {Step: 1}}, {stall, up}, {up, stall}} {
				b.front.Set(ways[0])
				b.back.Set(ways[1])
				if got := b.session(t, v, script...); len(got) != len(script) {
					t.Fatalf("%+v: %d messages", ways, len(got))
				}
			}
			b.idle(t)
		})
	}
}
