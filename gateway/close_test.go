package gateway_test

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/internal/wstest"
)

// A client says several things and closes in one segment, as those of 2010 to 2012 did: it
// gets every answer, and then the close.
func TestCloseBehindQuestions(t *testing.T) {
	questions := []string{"hello", "caf\u00e9", wstest.Words(126), wstest.Words(1000)}
	forPairs(t, func(t *testing.T, front, back draftwire.Version) {
		w := newWorld(t)
		w.echo("back:80", draftwire.VersionsOf(back))
		w.start(to(gateway.Policy{}, backURL(back)))
		nc, err := w.dial(bg, "tcp", "front:80")
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		client := wstest.Clients[front]().At("front", false)
		client.Shake(t, nc)
		said := wstest.Texts(client.Text, questions...)
		if client.CloseFrame != nil {
			said = append(said, client.CloseFrame()...)
		}
		wstest.Send(t, nc, said)
		wstest.CloseWrite(t, nc)
		wstest.Want(t, nc, append(wstest.Texts(client.Echo, questions...), client.CloseAnswer...))
		if rest, err := io.ReadAll(nc); err != nil || len(rest) > 0 {
			t.Errorf("behind the close came %q, %v", rest, err)
		}
	})
}

// A client that ends its half of the stream still gets what a stream has to say, which then
// ends too.
func TestCloseBeforeStream(t *testing.T) {
	forVersions(t, func(t *testing.T, v draftwire.Version) {
		_, c, s := viaStream(t, v, gateway.Policy{RawText: true}, "tcp://raw:1", draftwire.DialOptions{})
		x := newPlayer(c, "")
		c.Write(bg, text, []byte("question"))
		if err := c.CloseWrite(4001, "that was all"); err != nil {
			t.Error(err)
		}
		got, err := io.ReadAll(s)
		if err != nil || string(got) != "question" {
			t.Errorf("the stream got %q, %v", got, err)
		}
		s.Write([]byte("answer"))
		s.Close()
		<-x.done
		want := heard{said(v, 4001), ""}
		if got := x.come(); len(got) != 1 || got[0].data != "answer" || x.heard() != want {
			t.Errorf("the client got %v, %v", got, x.heard())
		}
	})
}

// A backend that does not answer the client's close costs the close timeout; then the client
// has its answer from the gateway.
func TestCloseUnanswered(t *testing.T) {
	forPairs(t, func(t *testing.T, front, back draftwire.Version) {
		w := newWorld(t)
		over := make(chan struct{})
		w.backend("back:80", &draftwire.Server{Options: open(draftwire.VersionsOf(back)),
			WebSocket: func(_ context.Context, _ *draftwire.Conn) error { <-over; return nil }})
		defer close(over)
		cfg := to(gateway.Policy{}, backURL(back))
		cfg.Limits.CloseTimeout = gateway.Duration(2 * time.Second)
		w.start(cfg)
		x := newPlayer(w.mustClient(front, draftwire.DialOptions{}), "")
		began := time.Now()
		x.c.CloseWrite(4001, "bye")
		<-x.done
		if got, want := x.heard(), (heard{said(front, 4001), ""}); got != want {
			t.Errorf("the client heard %v, want %v", got, want)
		}
		if d := time.Since(began); d != 2*time.Second {
			t.Errorf("after %v", d)
		}
		if by, err := (<-w.ends).By(); by != gateway.ClientSide {
			t.Errorf("ended by %q: %v", by, err)
		}
	})
}

// Clients that stay away after a close, and come back after a lost connection, are cut.
func TestCut(t *testing.T) {
	ways := map[string]func(w *world, back *draftwire.Conn){
		"abnormal": func(_ *world, back *draftwire.Conn) { back.CloseNow() },
		"farewell": func(w *world, _ *draftwire.Conn) { w.gw.Drain(bg) },
	}
	for name, ends := range ways {
		for _, cut := range []bool{false, true} {
			forVersions(t, func(t *testing.T, v draftwire.Version) {
				w := newWorld(t)
				backs := make(chan *draftwire.Conn, 1)
				accepts(w, "back:80", func(ctx context.Context, c *draftwire.Conn) error {
					backs <- c
					_, _, err := c.Read(ctx)
					return err
				})
				policy := gateway.Policy{}
				if cut {
					policy.Abnormal, policy.Farewell = "cut", "cut"
				}
				w.start(to(policy, "ws://back"))
				x := newPlayer(w.mustClient(v, draftwire.DialOptions{}), "")
				go ends(w, <-backs)
				<-x.done
				if got := x.heard().code; cut && got != wstest.Abrupt(v) || !cut && saysCodes(v) && got == draftwire.CodeAbnormal {
					t.Errorf("%s, cut %v: the client heard %v", name, cut, x.heard())
				}
				x.c.CloseNow()
				<-w.ends
				if n := w.losses()[gateway.LossAbnormal]; cut && n > 0 {
					t.Errorf("%s: lost %v", name, w.losses())
				}
			})
		}
	}
}
