package wsconn

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire/hixie76"
	"github.com/draftwire/draftwire/internal/memnet"
	"github.com/draftwire/draftwire/rfc6455"
	"github.com/draftwire/draftwire/wire"
)

// heardBy returns what a connection has sent since it was asked last: a line for each message
// or control frame, with | behind each frame but the last. The stream below takes less than a
// long message at a time.
func heardBy(t *testing.T, d *wire.Draft, role wire.Role, peer *memnet.Conn) (lines []string) {
	t.Helper()
	var all []byte
	buf := make([]byte, roomBelow)
	for {
		synctest.Wait()
		peer.SetReadDeadline(time.Now().Add(time.Nanosecond))
		n, err := peer.Read(buf)
		if all = append(all, buf[:n]...); err != nil {
			break
		}
	}
	codec := d.NewCodec(wire.CodecConfig{Role: other(role)})
	line := ""
	for len(all) > 0 {
		var ev wire.Event
		n, err := codec.Decode(all, &ev)
		if err != nil {
			t.Fatal(err)
		}
		all = all[n:]
		if ev.First {
			line = ev.Op.String() + " "
		}
		if line += string(ev.Data); ev.Last {
			lines = append(lines, line)
		} else if ev.FrameEnd {
			line += "|"
		}
	}
	return lines
}

// Every way to send a message sends it, on either side, and counts it once; what fails counts
// nothing.
func TestWaysToSend(t *testing.T) {
	big := sample(directSize + 5)
	for _, role := range []wire.Role{wire.Server, wire.Client} {
		inMemoryAs(t, &rfc6455.Draft, role, func(t *testing.T, c *Conn, _ *told, peer *memnet.Conn) {
			post := func(p string) error { m := new(Prepared); m.Init(wire.OpText, []byte(p)); return c.Post(m) }
			prepared := func(p string) error {
				m := new(Prepared)
				m.Init(wire.OpBinary, []byte(p))
				return c.WritePrepared(bg, m)
			}
			parts := func(p ...string) error {
				m, err := c.Writer(bg, wire.OpText)
				if err != nil {
					return err
				}
				for _, p := range p {
					if _, err := m.Write([]byte(p)); err != nil {
						return err
					}
				}
				if err := m.Close(); err != nil {
					return err
				}
				if _, err := m.Write(nil); err != io.ErrClosedPipe {
					t.Errorf("behind its end: %v", err)
				}
				return m.Close()
			}
			part := func(first, last bool, p string) error {
				return c.WritePart(bg, Part{Op: wire.OpText, First: first, Last: last, Data: []byte(p)})
			}
			messages, payload := uint64(0), uint64(0)
			for _, tt := range []struct {
				name string
				send func() error
				want string
				n    int
			}{
				{"Write", func() error { return c.Write(bg, wire.OpText, []byte("a")) }, "text a", 1},
				{"a long Write", func() error { return c.Write(bg, wire.OpBinary, []byte(big)) }, "binary " + big, len(big)},
				{"an empty Write", func() error { return c.Write(bg, wire.OpText, nil) }, "text ", 0},
				{"WritePrepared", func() error { return prepared("bc") }, "binary bc", 2},
				{"a long WritePrepared", func() error { return prepared(big) }, "binary " + big, len(big)},
				{"Post", func() error { return post("def") }, "text def", 3},
				{"a long Post", func() error { return post(big) }, "text " + big, len(big)},
				{"Writer", func() error { return parts("gh", "", "i") }, "text gh||i|", 3},
				{"an empty Writer", func() error { return parts() }, "text ", 0},
				{"a long Writer", func() error { return parts(big, "j") }, "text " + big + "|j|", len(big) + 1},
				{"WritePart, whole", func() error { return part(true, true, "k") }, "text k", 1},
				{"WritePart, several", func() error {
					return errors.Join(part(true, false, "l"), part(false, false, "m"), part(false, true, "n"))
				}, "text l|m|n", 3},
			} {
				done := make(chan error, 1)
				go func() { done <- tt.send() }()
				got := heardBy(t, &rfc6455.Draft, role, peer)
				if err := <-done; err != nil || len(got) != 1 || got[0] != tt.want {
					t.Errorf("%v, %s: %d messages, %v", role, tt.name, len(got), err)
				}
				messages, payload = messages+1, payload+uint64(tt.n)
				if s := c.Stats(); s.MessagesOut != messages || s.BytesOut != payload {
					t.Errorf("%v, %s: %+v, want %d messages of %d bytes", role, tt.name, s, messages, payload)
				}
			}
			for name, err := range map[string]error{
				"text that is none": c.Write(bg, wire.OpText, []byte("\xff")), "a control frame": func() error { _, err := c.Writer(bg, wire.OpPing); return err }(),
				"a prepared one": func() error { m := new(Prepared); m.Init(wire.OpText, []byte("\xff")); return c.Post(m) }(),
			} {
				if err == nil {
					t.Errorf("%v: %s was sent", role, name)
				}
			}
			if s := c.Stats(); s.MessagesOut != messages || s.BytesOut != payload {
				t.Errorf("%v: what failed counts: %+v", role, s)
			}
			// What answers are held for counts at once, and goes together.
			c.state.Or(inputPending)
			for range 3 {
				c.Write(bg, wire.OpText, []byte("abc"))
			}
			if s := c.Stats(); s.MessagesOut != messages+3 || s.BytesOut != payload+9 {
				t.Errorf("%v: what is held: %+v", role, s)
			}
			c.state.And(^inputPending)
			if err := c.Flush(bg); err != nil {
				t.Error(err)
			}
			if got := strings.Join(heardBy(t, &rfc6455.Draft, role, peer), ","); got != "text abc,text abc,text abc" {
				t.Errorf("%v: held were %s", role, got)
			}
		})
	}
}

// A message in parts keeps the messages of others out until it ends; one that cannot go on
// ends the connection, and one that has not begun does not.
func TestPartsKeepOthersOut(t *testing.T) {
	inMemory(t, func(t *testing.T, c *Conn, _ *told, peer *memnet.Conn) {
		m, err := c.Writer(bg, wire.OpText)
		if err != nil {
			t.Fatal(err)
		}
		m.Write([]byte("a"))
		others := make(chan error, 2)
		go func() { others <- c.Write(bg, wire.OpText, []byte("other")) }()
		go func() {
			others <- c.WritePart(bg, Part{Op: wire.OpText, First: true, Last: true, Data: []byte("other")})
		}()
		ctx, cancel := context.WithTimeout(bg, time.Second)
		defer cancel()
		if _, err := c.Writer(ctx, wire.OpText); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		m.Write([]byte("b"))
		synctest.Wait()
		if len(others) != 0 {
			t.Errorf("%d messages were sent within another", len(others))
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if got := strings.Join(heardBy(t, &rfc6455.Draft, wire.Server, peer), ","); got != "text a|b|,text other,text other" {
			t.Errorf("then came %s", got)
		}
		if err := errors.Join(<-others, <-others); err != nil {
			t.Error(err)
		}
	})
	// Text that is none, as the first part and as a later one.
	for _, later := range []bool{false, true} {
		for _, way := range []string{"Writer", "WritePart"} {
			inMemory(t, func(t *testing.T, c *Conn, _ *told, _ *memnet.Conn) {
				var err error
				if way == "Writer" {
					m, _ := c.Writer(bg, wire.OpText)
					if later {
						m.Write([]byte("a"))
					}
					_, err = m.Write([]byte("\xff"))
				} else {
					if later {
						c.WritePart(bg, Part{Op: wire.OpText, First: true, Data: []byte("a")})
					}
					err = c.WritePart(bg, Part{Op: wire.OpText, First: !later, Data: []byte("\xff")})
				}
				if !errors.Is(err, wire.ErrInvalidText) || c.Closed() != later {
					t.Errorf("%s, a later part %v: %v, closed %v", way, later, err, c.Closed())
				}
				ctx, cancel := context.WithTimeout(bg, time.Second)
				defer cancel()
				if err := c.Write(ctx, wire.OpText, []byte("b")); (err != nil) != later {
					t.Errorf("%s, a later part %v: the next message: %v", way, later, err)
				}
			})
		}
	}
	// Behind a close nothing can begin, and that is no new cause.
	inMemory(t, func(t *testing.T, c *Conn, h *told, peer *memnet.Conn) {
		c.WritePart(bg, Part{Op: wire.OpText, First: true, Data: []byte("a")})
		if err := c.CloseWrite(wire.CodeNormal, ""); err != nil {
			t.Error(err)
		}
		if err := c.WritePart(bg, Part{Op: wire.OpText, Last: true}); !errors.Is(err, wire.ErrClosed) || c.Closed() {
			t.Errorf("%v, closed %v", err, c.Closed())
		}
	})
	inMemoryAs(t, &hixie76.Draft, wire.Server, func(t *testing.T, c *Conn, _ *told, _ *memnet.Conn) {
		if _, err := c.Writer(bg, wire.OpBinary); !errors.Is(err, wire.ErrUnsupported) {
			t.Error(err)
		}
		if err := c.WritePart(bg, Part{Op: wire.OpBinary, First: true}); !errors.Is(err, wire.ErrUnsupported) || c.Closed() {
			t.Error(err)
		}
		if _, err := c.Writer(bg, wire.OpText); err != nil {
			t.Error(err)
		}
	})
}
