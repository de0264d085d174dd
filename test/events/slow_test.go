//go:build unix

package events_test

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
	"github.com/draftwire/draftwire/wire"
)

// What a function of Events writes goes, whole and in order, though the peer takes nothing for
// a while: by each call that writes, large and small, and with a context that ends before.
func TestSlowPeerGetsAll(t *testing.T) {
	large := wstest.Words(400 << 10)
	ways := map[string]func(c *draftwire.Conn, text string) error{
		"Write": func(c *draftwire.Conn, text string) error {
			p := []byte(text)
			defer func() { clear(p) }()
			return c.Write(c.Context(), draftwire.OpText, p)
		},
		"Write, context": func(c *draftwire.Conn, text string) error {
			ctx, cancel := context.WithTimeout(c.Context(), time.Second)
			defer cancel()
			return c.Write(ctx, draftwire.OpText, []byte(text))
		},
		"WritePrepared": func(c *draftwire.Conn, text string) error { return c.WritePrepared(bg, wstest.Prepared(text)) },
		"Post":          func(c *draftwire.Conn, text string) error { return c.Post(wstest.Prepared(text)) },
	}
	script := []string{large, "small", large, "small", "smaller", "the last"}
	for name, write := range ways {
		t.Run(name, func(t *testing.T) {
			writeAll := func(c *draftwire.Conn) error {
				for _, text := range script {
					if err := write(c, text); err != nil {
						t.Error(err)
						return err
					}
				}
				return nil
			}
			onOpen := &draftwire.Events{Open: writeAll}
			onMessage := &draftwire.Events{Message: func(c *draftwire.Conn, _ draftwire.Op, p []byte) error {
				if string(p) == "go" {
					return writeAll(c)
				}
				return c.Write(c.Context(), draftwire.OpText, p)
			}}
			for _, e := range []*draftwire.Events{onOpen, onMessage} {
				_, addr := serve(t, e)
				eachVersion(t, func(t *testing.T, v draftwire.Version) {
					p := open(t, addr, v)
					if e == onMessage {
						p.say(t, "go")
						p.say(t, "behind")
					}
					time.Sleep(100 * time.Millisecond)
					for _, text := range script {
						p.hear(t, text)
					}
					if e == onMessage {
						p.hear(t, "behind")
					}
				})
			}
		})
	}
}

// A peer that sends all the time and takes nothing is not read on, whatever its answers wait
// behind: the program sees no ErrBusy, and the server holds no more than it must.
func TestEchoIsHeldBack(t *testing.T) {
	echo := &draftwire.Events{Message: func(c *draftwire.Conn, op draftwire.Op, p []byte) error {
		if string(p) == "large" {
			started := make(chan struct{})
			go func() {
				close(started)
				c.Write(bg, draftwire.OpText, []byte(wstest.Words(1<<20)))
			}()
			<-started
			time.Sleep(50 * time.Millisecond) // a goroutine of the program's writes, and waits for the peer
			return nil
		}
		err := c.Write(c.Context(), op, p)
		if err != nil {
			t.Error(err)
		}
		return err
	}}
	_, addr := serve(t, echo, limits(draftwire.Limits{PostLimit: 64 << 10}))
	for _, first := range []string{"small", "large"} {
		t.Run(first, func(t *testing.T) {
			eachVersion(t, func(t *testing.T, v draftwire.Version) {
				p := open(t, addr, v)
				p.say(t, first)
				const n = 2000
				text := strings.Repeat("x", 1000)
				sent := make(chan struct{})
				go func() {
					defer close(sent)
					for range n {
						p.Write(p.Text(text))
					}
				}()
				time.Sleep(200 * time.Millisecond)
				want := p.Echo(first)
				if first == "large" {
					want = p.Echo(wstest.Words(1 << 20))
				}
				want = append(want, bytes.Repeat(p.Echo(text), n)...)
				got := make([]byte, len(want))
				if k, err := io.ReadFull(p, got); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%d of %d bytes, %v", k, len(want), err)
				}
				<-sent
			})
		})
	}
}

// An answer goes though the function that is called for the next message does not return: it is
// held for that message's answer, but not for long.
func TestAnswerIsNotHeldForLong(t *testing.T) {
	heard := make(chan struct{}, 100)
	e := &draftwire.Events{Message: func(c *draftwire.Conn, op draftwire.Op, p []byte) error {
		if string(p) == "wait" {
			select {
			case <-heard:
			case <-time.After(5 * time.Second):
				t.Error("the answer before was held")
			}
		}
		return c.Write(c.Context(), op, p)
	}}
	_, addr := serve(t, e)
	eachVersion(t, func(t *testing.T, v draftwire.Version) {
		p := open(t, addr, v)
		p.Write(append(p.Text("first"), p.Text("wait")...))
		p.hear(t, "first")
		heard <- struct{}{}
		p.hear(t, "wait")
	})
}

// A pong has the bytes of its ping, though it had to wait, and others were read meanwhile.
func TestPongThatWaits(t *testing.T) {
	writing := make(chan struct{}, 100)
	e := &draftwire.Events{Message: func(c *draftwire.Conn, op draftwire.Op, p []byte) error {
		if string(p) == "write" {
			go func() {
				writing <- struct{}{}
				c.Write(bg, draftwire.OpText, []byte(wstest.Words(1<<20)))
			}()
		}
		return nil
	}}
	_, addr := serve(t, e)
	for _, v := range draftwire.ServedVersions().List() {
		if !v.Supports(wire.CapPing) {
			continue
		}
		t.Run(v.String(), func(t *testing.T) {
			var others []peer
			for range 4 {
				others = append(others, open(t, addr, v))
			}
			p := open(t, addr, v)
			p.say(t, "write")
			<-writing
			time.Sleep(50 * time.Millisecond)
			const n = 40 << 10 // more pongs than may wait
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				p.Write(bytes.Repeat(p.Ping(), n))
			}()
			time.Sleep(100 * time.Millisecond)
			for _, o := range others {
				for range 20 {
					o.say(t, strings.Repeat("z", 8<<10))
				}
			}
			time.Sleep(100 * time.Millisecond)
			rest := append(p.Echo(wstest.Words(1<<20)), bytes.Repeat(p.Pong, n)...)
			got := make([]byte, len(rest))
			k, err := io.ReadFull(p, got)
			if err != nil {
				t.Fatalf("%d of %d bytes, %v", k, len(rest), err)
			}
			for _, text := range []string{"z", "zz"} {
				if bytes.Contains(got, p.Echo(text)) {
					t.Error("it has bytes of others")
				}
			}
			if a, b := bytes.Count(got, p.Pong), bytes.Count(rest, p.Pong); a < b-5 {
				t.Errorf("%d pongs of %d", a, b)
			}
			<-sent
		})
	}
}

// A close that the peer sends while it still has to take something is answered behind that.
func TestCloseIsAnsweredBehindAll(t *testing.T) {
	script := wstest.Numbers(20)
	for i := range script {
		script[i] = strings.Repeat(script[i], 5000)
	}
	eachVersion(t, func(t *testing.T, v draftwire.Version) {
		posted := make(chan struct{}, 1)
		e := &draftwire.Events{Message: func(c *draftwire.Conn, op draftwire.Op, p []byte) error {
			go func() {
				for _, text := range script {
					if err := c.Post(wstest.Prepared(text)); err != nil {
						t.Error(err)
					}
				}
				posted <- struct{}{}
			}()
			return nil
		}}
		_, addr := serve(t, e, limits(draftwire.Limits{PostLimit: 4 << 20, CloseTimeout: wstest.Patience}))
		p := open(t, addr, v)
		p.say(t, "go")
		<-posted
		if p.CloseFrame != nil {
			wstest.Send(t, p, p.CloseFrame())
		} else {
			p.CloseWrite()
		}
		time.Sleep(100 * time.Millisecond)
		want := append(wstest.Texts(p.Echo, script...), p.CloseAnswer...)
		if got, err := io.ReadAll(p); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d of %d bytes, %v", len(got), len(want), err)
		}
	})
}

// What a peer has sent before it ends the stream is read when there is room again, and then
// the end is seen.
func TestEndBehindAStall(t *testing.T) {
	for name, fn := range map[string]func(c *draftwire.Conn, p []byte) error{
		"stuck": func(c *draftwire.Conn, p []byte) error { return c.Write(c.Context(), draftwire.OpText, p) },
		"paused": func(c *draftwire.Conn, p []byte) error {
			c.Go(func(context.Context, *draftwire.Conn) error {
				time.Sleep(300 * time.Millisecond)
				return nil
			})
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachVersion(t, func(t *testing.T, v draftwire.Version) {
				e := &draftwire.Events{Message: func(c *draftwire.Conn, _ draftwire.Op, p []byte) error { return fn(c, p) }}
				ended := endings(e)
				_, addr := serve(t, e)
				p := open(t, addr, v)
				p.say(t, wstest.Words(300<<10))
				time.Sleep(100 * time.Millisecond)
				p.say(t, "behind")
				p.CloseWrite()
				time.Sleep(100 * time.Millisecond)
				p.gone(t)
				wstest.Soon(t, v.String()+"'s end", ended)
			})
		})
	}
}

// The end of a stream is seen behind more bytes than a turn reads.
func TestEndBehindManyBytes(t *testing.T) {
	eachVersion(t, func(t *testing.T, v draftwire.Version) {
		e := &draftwire.Events{Message: func(*draftwire.Conn, draftwire.Op, []byte) error {
			time.Sleep(10 * time.Millisecond) // for more to come
			return nil
		}}
		ended := endings(e)
		s := &draftwire.Server{Events: e, Options: wstest.Options()}
		l := wstest.ListenTCP(t)
		wstest.ServeOn(t, s, l)
		for n := range 8 {
			p := open(t, l.Addr().String(), v)
			p.Write(p.Text("first"))
			p.Write(wstest.Texts(p.Text, strings.Repeat("x", 1000), wstest.Words(n*90<<10)))
			p.CloseWrite()
			wstest.Soon(t, v.String()+"'s end", ended)
			p.Close()
		}
	})
}
