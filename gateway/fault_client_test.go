package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
)

// head76 is a request of hixie-76, without its eight bytes.
const head76 = "GET /x HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n" +
	"Sec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\nSec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\nOrigin: http://example.com\r\n\r\n"

// head13 is a request of RFC 6455; more are further fields.
func head13(target, more string) string {
	return "GET " + target + " HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + more + "\r\n"
}

// ask sends a request by hand and returns the head of the answer.
func (w *world) ask(head string) (string, net.Conn) {
	w.t.Helper()
	nc := w.front()
	io.WriteString(nc, head)
	return readHead(bufio.NewReaderSize(nc, 16)), nc
}

func readHead(r *bufio.Reader) string {
	var head strings.Builder
	for {
		line, err := r.ReadString('\n')
		head.WriteString(line)
		if err != nil || line == "\r\n" {
			return head.String()
		}
	}
}

// accepts starts a backend that completes an RFC 6455 handshake and then does f. The
// gateway's key is random, so the proof is computed.
func accepts(w *world, address string, f func(ctx context.Context, c *draftwire.Conn) error) *seen {
	s := new(seen)
	l, _ := w.listen(address)
	srv := &draftwire.Server{Options: open(draftwire.AllVersions), WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
		s.made.Add(1)
		defer s.gone.Add(1)
		return f(ctx, c)
	}}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	w.t.Cleanup(func() { srv.Close(); <-done; srv.Shutdown(bg) })
	return s
}

// A client whose key3 does not come holds nothing any more.
func TestKey3Missing(t *testing.T) {
	for _, leave := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t)
			s := accepts(w, "back:80", echo)
			w.start(to(gateway.Policy{}, "ws://back"))
			nc := w.front()
			io.WriteString(nc, head76+"1234567")
			pass(time.Second)
			if made, gone := s.made.Load(), s.gone.Load(); made != 1 || gone != 0 {
				t.Errorf("%d connections to the backend, %d ended", made, gone)
			}
			if open, _ := w.gw.Held(); open != 1 {
				t.Errorf("%d are held", open)
			}
			if leave {
				nc.Close()
			}
			w.settled(s)
			if s.made.Load() != 1 {
				t.Errorf("%d connections to the backend", s.made.Load())
			}
		})
	}
}

// In whatever way a client ends, it leaves nothing behind.
func TestClientDies(t *testing.T) {
	cases := []struct {
		name string
		f    func(c *draftwire.Conn)
	}{
		{"at once", func(*draftwire.Conn) {}},
		{"behind a message", func(c *draftwire.Conn) { exchange(c, "hello") }},
		{"in a message", func(c *draftwire.Conn) {
			if w, err := c.Writer(bg, draftwire.OpText); err == nil {
				w.Write([]byte(strings.Repeat("x", 5000)))
			}
		}},
		{"with messages under way", func(c *draftwire.Conn) {
			for range 20 {
				c.Write(bg, draftwire.OpText, []byte("hello"))
			}
		}},
	}
	for _, tc := range cases {
		forPairs(t, func(t *testing.T, front, back draftwire.Version) {
			w := newWorld(t)
			s := accepts(w, "back:80", echo)
			w.start(to(gateway.Policy{}, backURL(back)))
			c := w.mustClient(front, draftwire.DialOptions{})
			tc.f(c)
			c.CloseNow()
			if by, err := (<-w.ends).By(); by != gateway.ClientSide {
				t.Errorf("%s: ended by %q: %v", tc.name, by, err)
			}
			w.settled(s)
		})
	}
}

// A client that leaves while its backend is dialled costs only that dial.
func TestClientLeavesDuringDial(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		s := w.script("back:80", silent)
		w.start(to(gateway.Policy{}, "ws://back"))
		nc := w.front()
		io.WriteString(nc, head13("/", ""))
		pass(time.Second)
		nc.Close()
		w.settled(s)
		slow := accepts(w, "back:80", echo) // even if the backend accepts it
		nc = w.front()
		io.WriteString(nc, head13("/", ""))
		nc.Close()
		w.settled(s, slow)
	})
}

// A client that does not read is cut after the write timeout, and the gateway has read little
// from its backend.
func TestClientDoesNotRead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		sent := make(chan int, 1)
		s := accepts(w, "back:80", func(ctx context.Context, c *draftwire.Conn) error {
			n := 0
			defer func() { sent <- n }()
			go func() {
				for range c.Messages(ctx) {
				}
			}()
			for began := time.Now(); ; {
				if err := c.Write(ctx, draftwire.OpBinary, make([]byte, 10000)); err != nil {
					return err
				}
				if time.Since(began) < time.Second { // later ones are dropped until the close arrives
					n++
				}
			}
		})
		w.start(to(gateway.Policy{Ping: -1}, "ws://back"))
		_, nc := w.ask(head13("/", ""))
		if n := <-sent; n > 100 { // two connections with 64 KiB in each direction, and what the gateway holds
			t.Errorf("%d messages of 10,000 bytes were taken", n)
		}
		nc.Close()
		w.settled(s)
	})
}

// masked is a client's frame, with a mask of zeros.
func masked(b0 byte, p []byte) []byte {
	out := []byte{b0}
	switch {
	case len(p) < 126:
		out = append(out, 0x80|byte(len(p)))
	default:
		out = append(out, 0x80|126, byte(len(p)>>8), byte(len(p)))
	}
	return append(append(out, 0, 0, 0, 0), p...)
}

// Each flood ends at a limit, or does no harm.
func TestClientFloods(t *testing.T) {
	cases := []struct {
		name  string
		piece []byte // sent again and again
		ends  string // "1009": at the limit of a message; "held": the gateway stops reading; "": not at all
	}{
		{"pings", masked(0x89, []byte("p")), "held"},
		{"pongs", masked(0x8A, []byte("p")), ""},
		{"messages", masked(0x82, []byte("message")), "held"},
		{"fragments", masked(0x02, make([]byte, 1000)), "error"},
		{"half frames", []byte{0x82, 0xFE, 0xFF}, "error"},
		{"announced 8 EiB", []byte{0x82, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0}, "error"},
		{"empty continuations", append(masked(0x02, nil), bytes.Repeat(masked(0x00, nil), 50)...), "error"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t)
				s := accepts(w, "back:80", echo)
				cfg := to(gateway.Policy{Ping: -1}, "ws://back")
				cfg.Limits.Message = 64 << 10
				w.start(cfg)
				_, nc := w.ask(head13("/", ""))
				nc.SetWriteDeadline(time.Now().Add(10 * time.Second))
				total := 0
				var err error
				for total < 4<<20 && err == nil {
					var n int
					n, err = nc.Write(bytes.Repeat(tc.piece, 1+1000/len(tc.piece)))
					total += n
				}
				if (err == nil) != (tc.ends == "") {
					t.Errorf("after %d bytes: %v", total, err)
				}
				if tc.ends == "held" && total > 1<<20 {
					t.Errorf("%d bytes were taken of who does not read", total)
				}
				nc.Close()
				w.settled(s)
			})
		})
	}
}

// A message above the route's limit closes the connection with the right code; one at the
// limit crosses.
func TestMessageLimit(t *testing.T) {
	forPairs(t, func(t *testing.T, front, back draftwire.Version) {
		w := newWorld(t)
		s := accepts(w, "back:80", echo)
		cfg := to(gateway.Policy{}, backURL(back))
		cfg.Routes[0].Message = 1000
		w.start(cfg)
		c := w.mustClient(front, draftwire.DialOptions{})
		if err := exchange(c, strings.Repeat("x", 1000)); err != nil {
			t.Errorf("at the limit: %v", err)
		}
		err := exchange(c, strings.Repeat("x", 1001))
		if err == nil {
			t.Error("above the limit: taken")
		}
		if want := draftwire.HeardCode(front, draftwire.CodeTooBig); front.Supports(draftwire.CapCloseCode) && draftwire.CloseStatus(err) != want {
			t.Errorf("above the limit: %v, not %d", err, want)
		}
		c.CloseNow()
		w.settled(s)
	})
}

// A client that sends nothing for the idle timeout is closed.
func TestIdle(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		s := accepts(w, "back:80", echo)
		cfg := to(gateway.Policy{Ping: -1}, "ws://back")
		cfg.Limits.IdleTimeout = gateway.Duration(time.Minute)
		w.start(cfg)
		c := w.mustClient(draftwire.RFC6455, draftwire.DialOptions{})
		for range 3 {
			pass(50 * time.Second)
			if err := exchange(c, "still here"); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		_, _, err := c.Read(bg)
		if d := time.Since(began); d > 70*time.Second || err == nil {
			t.Errorf("after %v: %v", d, err)
		}
		w.settled(s)
		synctest.Wait()
	})
}
