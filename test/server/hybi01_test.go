package server_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
)

// hybi-01 has the handshake of hixie-76; its first frame tells.
func TestHybi01(t *testing.T) {
	for _, tt := range []struct {
		name, frame string
		tolerate    bool
		echo        string
	}{
		{"text", "\x04\x05Hello", true, "\x04\x05Hello"},
		{"fragments", "\x84\x03Hel\x00\x02lo", true, "\x04\x05Hello"},
		{"hixie text", "\x00Hello\xff", true, "\x00Hello\xff"},
		{"hixie close", "\xff\x00", true, "\xff\x00"},
		{"text, not tolerated", "\x04\x05Hello", false, "\xff\x00"},
	} {
		for _, late := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				opt := wstest.Options()
				if tt.tolerate {
					opt.Tolerate = draftwire.TolerateHybi01
				}
				l := wstest.Serve(t, &draftwire.Server{WebSocket: wstest.Echo, Options: opt})
				nc, _ := l.Dial()
				defer nc.Close()
				sent := wstest.Key3 + tt.frame
				wstest.Send(t, nc, []byte(wstest.Head(draftwire.Hixie76)))
				if late {
					wstest.Send(t, nc, []byte(wstest.Key3))
					synctest.Wait()
					sent = tt.frame
				}
				wstest.Send(t, nc, []byte(sent))
				wstest.ReadHead(t, nc)
				wstest.Want(t, nc, []byte(wstest.Key3Answer+tt.echo))
			})
		}
	}
	// The other way round: Sec-WebSocket-Draft: 2, and frames of hixie-76.
	for _, tt := range []struct {
		frame    string
		tolerate draftwire.Tolerances
		echo     string
		version  draftwire.Version
	}{
		{"\x00Hello\xff", draftwire.TolerateHixieFrames, "\x00Hello\xff", draftwire.Hixie76},
		{"\xff\x00", draftwire.TolerateHixieFrames, "\xff\x00", draftwire.Hixie76},
		{"\x04\x05Hello", draftwire.TolerateHixieFrames, "\x04\x05Hello", draftwire.Hybi02},
		{"\x00Hello\xff", 0, "\x01\x00", draftwire.Hybi02},
		{"\x00Hello\xff", draftwire.TolerateHybi01, "\x01\x00", draftwire.Hybi02},
	} {
		for _, late := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				opt := wstest.Options()
				opt.Tolerate = tt.tolerate
				closed := make(chan error, 1)
				opt.Observer = &draftwire.Observer{
					Opened: func(c *draftwire.Conn) {
						if c.Version() != tt.version {
							t.Errorf("%q is %s", tt.frame, c.Version())
						}
					},
					Closed: func(_ *draftwire.Conn, err error) { closed <- err },
				}
				l := wstest.Serve(t, &draftwire.Server{WebSocket: wstest.Echo, Options: opt})
				nc, _ := l.Dial()
				wstest.Send(t, nc, []byte(wstest.Head(draftwire.Hybi02)))
				if late {
					wstest.Send(t, nc, []byte(wstest.Key3))
					synctest.Wait()
					wstest.Send(t, nc, []byte(tt.frame))
				} else {
					wstest.Send(t, nc, []byte(wstest.Key3+tt.frame))
				}
				wstest.ReadHead(t, nc)
				wstest.Want(t, nc, []byte(wstest.Key3Answer+tt.echo))
				nc.Close()
				err := <-closed
				if pe, ok := errors.AsType[*draftwire.ProtocolError](err); ok && pe.Tolerance != draftwire.TolerateHixieFrames {
					t.Errorf("%q: %v, and the hint is %q", tt.frame, err, pe.Hint())
				}
			})
		}
	}
	// A server that speaks first waits a second, then speaks hixie-76.
	synctest.Test(t, func(t *testing.T) {
		opt := wstest.Options()
		opt.Tolerate = draftwire.TolerateHybi01
		l := wstest.Serve(t, &draftwire.Server{Options: opt, WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
			return c.Write(ctx, draftwire.OpText, []byte("hello"))
		}})
		nc, _ := l.Dial()
		defer nc.Close()
		began := time.Now()
		wstest.Send(t, nc, []byte(wstest.Head(draftwire.Hixie76)+wstest.Key3))
		wstest.ReadHead(t, nc)
		wstest.Want(t, nc, []byte(wstest.Key3Answer+"\x00hello\xff"))
		if d := time.Since(began); d != time.Second {
			t.Errorf("it waited %v", d)
		}
	})
}
