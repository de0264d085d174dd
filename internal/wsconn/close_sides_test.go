package wsconn

import (
	"context"
	"errors"
	"io"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire/hixie75"
	"github.com/draftwire/draftwire/hybi02"
	"github.com/draftwire/draftwire/hybi05"
	"github.com/draftwire/draftwire/internal/memnet"
	"github.com/draftwire/draftwire/rfc6455"
	"github.com/draftwire/draftwire/wire"
)

// other is the other side's role.
func other(role wire.Role) wire.Role {
	if role == wire.Server {
		return wire.Client
	}
	return wire.Server
}

// closeOf is a close as the peer of a connection writes it.
func closeOf(t *testing.T, d *wire.Draft, role wire.Role, code wire.CloseCode, reason string) []byte {
	t.Helper()
	p, err := d.NewCodec(wire.CodecConfig{Role: other(role)}).AppendClose(nil, code, reason)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// said returns the closes that a connection has sent, and whether its half of the stream
// has ended behind them.
func said(t *testing.T, d *wire.Draft, role wire.Role, peer *memnet.Conn) (closes []wire.CloseError, ended bool) {
	t.Helper()
	peer.SetReadDeadline(time.Now().Add(time.Nanosecond))
	p, err := io.ReadAll(peer)
	if ended = err == nil; !ended && !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	codec := d.NewCodec(wire.CodecConfig{Role: other(role)})
	for len(p) > 0 {
		var ev wire.Event
		n, err := codec.Decode(p, &ev)
		if err != nil {
			t.Fatal(err)
		}
		if ev.Op == wire.OpClose {
			closes = append(closes, wire.CloseError{Code: ev.Code, Reason: string(ev.Data)})
		}
		p = p[n:]
	}
	return closes, ended
}

// saidOnly checks that a connection has sent one close since it was asked last, and whether
// its half of the stream has ended.
func saidOnly(t *testing.T, d *wire.Draft, role wire.Role, peer *memnet.Conn, when string, want wire.CloseError, ended bool) {
	t.Helper()
	synctest.Wait()
	if got, end := said(t, d, role, peer); len(got) != 1 || got[0] != want || end != ended {
		t.Errorf("%s: it said %v, ended %v", when, got, end)
	}
}

// saidNothing checks that a connection has sent no close since it was asked last.
func saidNothing(t *testing.T, d *wire.Draft, role wire.Role, peer *memnet.Conn, when string) {
	t.Helper()
	synctest.Wait()
	if got, ended := said(t, d, role, peer); len(got) != 0 || ended {
		t.Errorf("%s: it said %v, ended %v", when, got, ended)
	}
}

// A client leaves the end of the stream to the server, and its Close waits for it, but no
// longer than lingerTime; each of several callers does. Where a version has no close, the
// end of the stream is all there is.
func TestWhoEndsTheStream(t *testing.T) {
	for _, ends := range []bool{true, false} {
		inMemoryAs(t, &rfc6455.Draft, wire.Client, func(t *testing.T, c *Conn, h *told, peer *memnet.Conn) {
			began := time.Now()
			done := make(chan time.Duration, 2)
			closes := func() {
				if err := c.Close(wire.CodeNormal, ""); err != nil {
					t.Error(err)
				}
				done <- time.Since(began)
			}
			go closes()
			saidOnly(t, &rfc6455.Draft, wire.Client, peer, "Close", wire.CloseError{Code: wire.CodeNormal}, false)
			peer.Write(closeOf(t, &rfc6455.Draft, wire.Client, wire.CodeNormal, ""))
			synctest.Wait()
			go closes()
			stateIs(t, c, h, "the server has answered", closing|closed)
			saidNothing(t, &rfc6455.Draft, wire.Client, peer, "before the server ends the stream")
			if len(done) > 0 {
				t.Error("Close does not wait for the server")
			}
			want := time.Since(began)
			if ends {
				peer.CloseWrite()
				synctest.Wait()
			}
			for range 2 {
				if d := <-done; ends && d != want || !ends && (d < lingerTime || d > lingerTime+want) {
					t.Errorf("the server ends the stream, %v: Close took %v", ends, d)
				}
			}
			stateIs(t, c, h, "the stream has ended", closing|closed|released)
			if err := c.Close(wire.CodeNormal, ""); err != nil || time.Since(began) > lingerTime+want {
				t.Errorf("a Close behind the end: %v", err)
			}
		})
	}
	for _, role := range []wire.Role{wire.Server, wire.Client} {
		inMemoryAs(t, &hixie75.Draft, role, func(t *testing.T, c *Conn, h *told, peer *memnet.Conn) {
			go c.Close(wire.CodeNormal, "")
			stateIs(t, c, h, "hixie-75", closing|closed)
			if got, ended := said(t, &hixie75.Draft, role, peer); len(got) != 0 || !ended {
				t.Errorf("%v of hixie-75 said %v, ended %v", role, got, ended)
			}
		})
	}
}

// What Close returns: that the peer did not answer, where it could have said why, and that
// its answer was none.
func TestCloseWithoutAnswer(t *testing.T) {
	for _, tt := range []struct {
		d    *wire.Draft
		name string
		sent []byte
		want func(error) bool
	}{
		{&rfc6455.Draft, "the end of the stream", nil, func(err error) bool {
			return closeStatus(err) == wire.CodeAbnormal && errors.Is(err, wire.ErrClosed)
		}},
		{&hybi05.Draft, "the end of the stream in a version without codes", nil, func(err error) bool { return err == nil }},
		{&rfc6455.Draft, "a fault", []byte{0x83, 0}, func(err error) bool {
			_, ok := errors.AsType[*wire.ProtocolError](err)
			return ok && errors.Is(err, wire.ErrClosed)
		}},
	} {
		inMemoryAs(t, tt.d, wire.Client, func(t *testing.T, c *Conn, _ *told, peer *memnet.Conn) {
			peer.Write(tt.sent)
			peer.CloseWrite()
			if err := c.Close(wire.CodeNormal, ""); !tt.want(err) {
				t.Errorf("%s: %v", tt.name, err)
			}
		})
	}
	// Only peers of a server are known to be hasty.
	inMemoryAs(t, &rfc6455.Draft, wire.Client, func(t *testing.T, c *Conn, _ *told, _ *memnet.Conn) {
		c.hastyPeer = true
		began := time.Now()
		c.Close(wire.CodeNoStatus, "")
		if d := time.Since(began); d != limits.CloseTimeout {
			t.Errorf("a client waited %v for the answer", d)
		}
	})
}

// The function of a ReadLoop may end the connection or close it, and neither waits for the
// loop; a client's loop then waits for the server as its Close would.
func TestCloseInLoop(t *testing.T) {
	inMemoryAs(t, &rfc6455.Draft, wire.Client, func(t *testing.T, c *Conn, h *told, peer *memnet.Conn) {
		peer.Write([]byte{0x81, 0})
		began := time.Now()
		done := make(chan error, 1)
		go func() {
			done <- c.ReadLoop(bg, func(wire.Op, []byte) error {
				err := c.Close(wire.CodeNormal, "")
				if time.Since(began) != 0 {
					t.Error("Close waited within the loop")
				}
				return err
			})
		}()
		saidOnly(t, &rfc6455.Draft, wire.Client, peer, "the loop", wire.CloseError{Code: wire.CodeNormal}, false)
		peer.Write(closeOf(t, &rfc6455.Draft, wire.Client, wire.CodeNormal, ""))
		stateIs(t, c, h, "the server has answered", closing|closed)
		if len(done) > 0 {
			t.Error("the loop does not wait for the server")
		}
		peer.CloseWrite()
		if err := <-done; !errors.Is(err, wire.ErrClosed) {
			t.Error(err)
		}
		stateIs(t, c, h, "the stream has ended", closing|closed|released)
	})
	inMemory(t, func(t *testing.T, c *Conn, _ *told, peer *memnet.Conn) {
		peer.Write([]byte{0x81, 0x80, 0, 0, 0, 0})
		cause := errors.New("the cause")
		err := c.ReadLoop(bg, func(wire.Op, []byte) error {
			c.Fail(cause)
			if !c.Released() {
				t.Error("the stream is open when Fail returns")
			}
			return nil
		})
		if !errors.Is(err, cause) {
			t.Error(err)
		}
	})
}

// CloseWrite says that this side has ended, once, and the peer's messages still come: until
// it closes too, and no longer than an answer may take.
func TestCloseWriteStates(t *testing.T) {
	d, role := &rfc6455.Draft, wire.Server
	for _, answers := range []bool{true, false} {
		inMemory(t, func(t *testing.T, c *Conn, h *told, peer *memnet.Conn) {
			if err := c.CloseWrite(wire.CodeAbnormal, ""); !errors.Is(err, wire.ErrUnsupported) {
				t.Error(err)
			}
			saidNothing(t, d, role, peer, "a code that must not be sent")
			c.AllowHalfOpen() // the peer's close is the answer to ours, and not held
			began := time.Now()
			for range 2 {
				if err := c.CloseWrite(wire.CodeNoStatus, ""); err != nil {
					t.Error(err)
				}
			}
			saidOnly(t, d, role, peer, "CloseWrite", wire.CloseError{Code: wire.CodeNoStatus}, false)
			stateIs(t, c, h, "CloseWrite", 0)
			peer.Write([]byte{0x81, 0x81, 0, 0, 0, 0, 'x'})
			if _, p, err := c.Read(bg); err != nil || string(p) != "x" {
				t.Errorf("behind CloseWrite came %q, %v", p, err)
			}
			if answers {
				peer.Write(closeOf(t, d, role, wire.CodeNormal, ""))
			}
			_, _, err := c.Read(bg)
			want := wire.CodeNormal
			if !answers {
				want = wire.CodeAbnormal
			}
			if closeStatus(err) != want || !answers && time.Since(began) != limits.CloseTimeout {
				t.Errorf("it ended with %v after %v", err, time.Since(began))
			}
			if !answers {
				stateIs(t, c, h, "no answer", closed|released)
				return
			}
			stateIs(t, c, h, "the answer", closed)
			if got, ended := said(t, d, role, peer); len(got) != 0 || !ended {
				t.Errorf("behind the answer it said %v, ended %v", got, ended)
			}
		})
	}
	// It has nothing to say behind Close, and Close has nothing to say behind it.
	inMemory(t, func(t *testing.T, c *Conn, _ *told, peer *memnet.Conn) {
		go c.Close(wire.CodeNormal, "")
		saidOnly(t, d, role, peer, "Close", wire.CloseError{Code: wire.CodeNormal}, false)
		if err := c.CloseWrite(wire.CodeGoingAway, ""); err != nil || c.is(peerClosed) {
			t.Error(err)
		}
		saidNothing(t, d, role, peer, "CloseWrite behind Close")
	})
	inMemory(t, func(t *testing.T, c *Conn, _ *told, _ *memnet.Conn) {
		cause := errors.New("the cause")
		c.Fail(cause)
		if err := c.CloseWrite(wire.CodeGoingAway, ""); err != nil {
			t.Errorf("behind the end: %v", err)
		}
	})
	// Without a close, the stream says it.
	inMemoryAs(t, &hixie75.Draft, wire.Server, func(t *testing.T, c *Conn, h *told, peer *memnet.Conn) {
		c.CloseWrite(wire.CodeNormal, "")
		stateIs(t, c, h, "hixie-75", 0)
		if got, ended := said(t, &hixie75.Draft, wire.Server, peer); len(got) != 0 || !ended {
			t.Errorf("hixie-75: it said %v, ended %v", got, ended)
		}
		peer.Write([]byte("\x00x\xff"))
		if _, p, err := c.Read(bg); err != nil || string(p) != "x" {
			t.Errorf("behind CloseWrite came %q, %v", p, err)
		}
	})
}

// A peer's close that the program answers leaves the connection open to write. The answer is
// Close, CloseWrite, or after the CloseTimeout what the engine would have said.
func TestHeldClose(t *testing.T) {
	for _, tt := range []struct {
		name   string
		d      *wire.Draft
		code   wire.CloseCode // of the peer
		reason string
		answer func(c *Conn) error
		want   wire.CloseError
	}{
		{"Close", &rfc6455.Draft, wire.CodeNormal, "bye", func(c *Conn) error { return c.Close(3000, "ours") }, wire.CloseError{Code: 3000, Reason: "ours"}},
		{"CloseWrite", &rfc6455.Draft, wire.CodeNormal, "bye", func(c *Conn) error { return c.CloseWrite(3000, "ours") }, wire.CloseError{Code: 3000, Reason: "ours"}},
		{"none", &rfc6455.Draft, wire.CodeGoingAway, "bye", nil, wire.CloseError{Code: wire.CodeGoingAway}},
		{"none, and no code to repeat", &rfc6455.Draft, wire.CodeNoStatus, "", nil, wire.CloseError{Code: wire.CodeNoStatus}},
		{"none, and a body without a code", &hybi02.Draft, wire.CodeNoStatus, "bye", nil, wire.CloseError{Code: wire.CodeNoStatus, Reason: "bye"}},
	} {
		inMemoryAs(t, tt.d, wire.Server, func(t *testing.T, c *Conn, h *told, peer *memnet.Conn) {
			c.AllowHalfOpen()
			peer.Write(closeOf(t, tt.d, wire.Server, tt.code, tt.reason))
			_, _, err := c.Read(bg)
			held, ok := errors.AsType[*wire.CloseError](err)
			if !ok || held.Code != tt.code {
				t.Errorf("%s: it read %v", tt.name, err)
			}
			stateIs(t, c, h, tt.name+": held", 0)
			if err := c.Write(bg, wire.OpText, nil); err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			began, bits := time.Now(), closing|closed
			if tt.answer != nil {
				if err := tt.answer(c); err != nil || time.Since(began) != 0 {
					t.Errorf("%s: %v after %v", tt.name, err, time.Since(began))
				}
			} else {
				saidNothing(t, tt.d, wire.Server, peer, tt.name)
				<-c.Context().Done()
				if d := time.Since(began); d != limits.CloseTimeout {
					t.Errorf("%s: answered after %v", tt.name, d)
				}
			}
			if tt.name == "CloseWrite" && !c.is(writeClosed) {
				t.Error("CloseWrite leaves no trace")
			}
			stateIs(t, c, h, tt.name+": answered", bits)
			if cause := context.Cause(c.Context()); cause != error(held) {
				t.Errorf("%s: the cause is %v", tt.name, cause)
			}
			saidOnly(t, tt.d, wire.Server, peer, tt.name, tt.want, true)
		})
	}
}

// The peer's close behind ours is the answer to it, and not held for the program.
func TestAnswerIsNotHeld(t *testing.T) {
	inMemory(t, func(t *testing.T, c *Conn, h *told, peer *memnet.Conn) {
		c.AllowHalfOpen()
		done := make(chan error, 1)
		go func() { done <- c.Close(wire.CodeNormal, "") }()
		synctest.Wait()
		peer.Write(closeOf(t, &rfc6455.Draft, wire.Server, wire.CodeNormal, ""))
		stateIs(t, c, h, "the peer has answered", closing|closed)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// Who closes while another goroutine answers the peer's close waits for that answer.
func TestHeldCloseTwice(t *testing.T) {
	for name, second := range map[string]func(c *Conn) error{
		"Close":      func(c *Conn) error { return c.Close(wire.CodeNormal, "") },
		"CloseWrite": func(c *Conn) error { return c.CloseWrite(wire.CodeNormal, "") },
	} {
		inMemory(t, func(t *testing.T, c *Conn, _ *told, peer *memnet.Conn) {
			c.AllowHalfOpen()
			peer.Write(closeOf(t, &rfc6455.Draft, wire.Server, wire.CodeNormal, ""))
			c.Read(bg)
			text(c, 2*roomBelow) // the answer has to wait for it
			done := make(chan string, 2)
			go func() { c.Close(3000, ""); done <- "first" }()
			synctest.Wait()
			go func() { second(c); done <- "second" }()
			synctest.Wait()
			if len(done) != 0 {
				t.Errorf("%s returns before the answer has gone", name)
			}
			takes(t, peer, size(2*roomBelow))
			saidOnly(t, &rfc6455.Draft, wire.Server, peer, name, wire.CloseError{Code: 3000}, true)
			<-done
			<-done
		})
	}
}
