package gateway_test

import (
	"context"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
)

// counted counts what was read from a connection and written to it.
type counted struct {
	net.Conn
	in, out atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.in.Add(int64(n))
	return n, err
}

func (c *counted) Write(p []byte) (n int, err error) {
	const most = 4 << 10 // so that the count rises while a long write is under way
	for len(p) > 0 && err == nil {
		var k int
		k, err = c.Conn.Write(p[:min(most, len(p))])
		c.out.Add(int64(k))
		n, p = n+k, p[k:]
	}
	return n, err
}

func (c *counted) CloseWrite() error { return c.Conn.(interface{ CloseWrite() error }).CloseWrite() }

// between is how much may be in flight between two sides that have stopped: 64 KiB in the
// network on each side, and what the gateway holds.
const between = 512 << 10

// A stream that sends for ever is not read while its client does not read.
func TestStreamPressure(t *testing.T) {
	for _, policy := range []gateway.Policy{{Binary: "hex"}, {RawText: true}} {
		forVersions(t, func(t *testing.T, v draftwire.Version) {
			w := newWorld(t)
			conns := w.streams("raw:1")
			var below *counted
			w.wrap = func(address string, c net.Conn) net.Conn {
				if address != "raw:1" {
					return c
				}
				below = &counted{Conn: c}
				return below
			}
			w.start(to(policy, "tcp://raw:1"))
			c := w.mustClient(v, draftwire.DialOptions{})
			s := <-conns
			go func() {
				defer s.Close()
				for p := []byte(strings.Repeat("z", 4096)); ; {
					if _, err := s.Write(p); err != nil {
						return
					}
				}
			}()
			synctest.Wait()
			if n := below.in.Load(); n == 0 || n > between {
				t.Errorf("%d bytes were taken of the backend, and none by the client", n)
			}
			for range 100 { // the client reads again
				if _, _, err := c.Read(bg); err != nil {
					t.Fatal(err)
				}
			}
			c.CloseNow()
			<-w.ends
		})
	}
}

// A message of many megabytes crosses part by part: while the receiver does not read, no more is read
// from the sender than the buffers hold.
func TestMessagePressure(t *testing.T) {
	size := 16 << 20
	if raced {
		size = 4 << 20
	}
	data := strings.Repeat("0123456789abcde\n", size/16)
	pairs := [][2]draftwire.Version{
		{draftwire.RFC6455, draftwire.RFC6455}, {draftwire.Hybi02, draftwire.Hybi08},
		{draftwire.Hixie76, draftwire.RFC6455}, {draftwire.RFC6455, draftwire.Hixie76},
	}
	for _, pair := range pairs {
		for from, name := range sides {
			t.Run(name+" of "+pair[0].String()+" to "+pair[1].String(), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					w := newWorld(t)
					var below *counted
					l, _ := w.listen("back:80")
					s := &draftwire.Server{Options: open(draftwire.VersionsOf(pair[1]))}
					s.Options.Limits.ReadLimit = -1
					conns := make(chan *draftwire.Conn, 1)
					over := make(chan struct{})
					s.WebSocket = func(context.Context, *draftwire.Conn) error { <-over; return nil }
					s.Options.Observer = &draftwire.Observer{Opened: func(c *draftwire.Conn) { conns <- c }}
					below = new(counted)
					go s.Serve(&countedOnce{l, from == 1, below})
					t.Cleanup(func() { close(over); s.Close(); s.Shutdown(bg) })
					w.start(to(gateway.Policy{}, backURL(pair[1])))
					o := &draftwire.DialOptions{Version: pair[0], NetDial: func(ctx context.Context, n, a string) (net.Conn, error) {
						nc, err := w.dial(ctx, n, a)
						if from == 1 {
							return nc, err
						}
						below.Conn = nc
						return below, err
					}}
					o.Limits.ReadLimit = -1
					c, _, err := draftwire.Dial(bg, "ws://front/", o)
					if err != nil {
						t.Fatal(err)
					}
					ends := [2]*draftwire.Conn{c, <-conns}
					defer c.CloseNow()
					sent := make(chan error, 1)
					go func() { sent <- ends[from].Write(bg, draftwire.OpText, []byte(data)) }()
					synctest.Wait()
					if n := below.out.Load(); n < 1000 || n > between {
						t.Errorf("%d bytes were taken of the sender, and none by the receiver", n)
					}
					_, r, err := ends[1-from].Reader(bg)
					if err != nil {
						t.Fatal(err)
					}
					got, err := io.ReadAll(r)
					if err != nil || string(got) != data {
						t.Errorf("%d bytes came, %v", len(got), err)
					}
					if err := <-sent; err != nil {
						t.Error(err)
					}
				})
			})
		}
	}
}

// countedOnce counts on the connections that it accepts, if asked to.
type countedOnce struct {
	net.Listener
	on bool
	c  *counted
}

func (l *countedOnce) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil || !l.on {
		return nc, err
	}
	l.c.Conn = nc
	return l.c, nil
}

// A message above the limit, gathered or not, closes its sender.
func TestTooBig(t *testing.T) {
	for _, how := range []string{"stream", "gather"} {
		t.Run(how, func(t *testing.T) {
			forPairs(t, func(t *testing.T, front, back draftwire.Version) {
				for by, name := range sides {
					w := newWorld(t)
					p := &plan{versions: [2]draftwire.Version{front, back}, policy: gateway.Policy{Fragments: how}, limit: 20000}
					x := p.open(w)
					x[by].send(step{op: draftwire.OpText, kind: "ascii", size: 50000, pieces: 9}) // its error depends on when the close comes
					<-x[0].done
					<-x[1].done
					if got, want := x[by].heard().code, hears(p.versions[by], draftwire.CodeTooBig, "").code; got != want {
						t.Errorf("the %s heard %v, want %v", name, x[by].heard(), want)
					}
					if got := x[1-by].come(); len(got) > 0 {
						t.Errorf("from the %s: %v came", name, got)
					}
					want := hears(p.versions[1-by], []draftwire.CloseCode{draftwire.CodeGoingAway, draftwire.CodeInternal}[by], "").code
					if got := x[1-by].heard(); got.code != want && !(how == "stream" && isHixie(p.versions[1-by]) && got.code == draftwire.CodeAbnormal) {
						t.Errorf("behind the %s: heard %v, want %v", name, got, want)
					}
					x[0].c.CloseNow()
					<-w.ends
				}
			})
		})
	}
}
