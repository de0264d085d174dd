package server_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"testing"
	"testing/synctest"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
)

// What a handler returns reaches the observer, beside how the connection ended, whichever
// way the connection came in.
func TestHandlerError(t *testing.T) {
	cause := fmt.Errorf("database: %w", fs.ErrNotExist)
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		for _, below := range []bool{false, true} {
			ended := make(chan error, 1)
			o := wstest.Options()
			o.Observer = &draftwire.Observer{Closed: func(_ *draftwire.Conn, err error) { ended <- err }}
			fails := func(ctx context.Context, c *draftwire.Conn) error {
				if _, _, err := c.Read(ctx); err != nil {
					return err
				}
				return cause
			}
			s := &draftwire.Server{Options: o, WebSocket: fails}
			if below {
				s = &draftwire.Server{Handler: draftwire.Handler(fails, &o)}
			}
			l := wstest.Serve(t, s)
			c := wstest.Dial(t, l, v, draftwire.DialOptions{})
			wstest.Write(t, c, "hello")
			_, _, heardErr := c.Read(bg)
			if want := draftwire.HeardCode(v, draftwire.CodeInternal); draftwire.CloseStatus(heardErr) != want {
				t.Errorf("below %v: the client heard %v", below, heardErr)
			}
			err := <-ended
			he, ok := errors.AsType[*draftwire.HandlerError](err)
			if !ok || he.Err != cause || !errors.Is(err, fs.ErrNotExist) || !errors.Is(err, draftwire.ErrClosed) || draftwire.CloseStatus(err) != draftwire.CloseStatus(he.End) {
				t.Errorf("below %v: the observer got %v", below, err)
			}
			if err.Error() != "draftwire: handler: database: file does not exist" {
				t.Errorf("below %v: %q", below, err.Error())
			}
		}
	})
}

// A handler that returns nil, how the peer closed, or an error behind the connection's end
// changes nothing of what the observer gets.
func TestHandlerWithoutError(t *testing.T) {
	for name, fn := range map[string]draftwire.HandlerFunc{
		"nil":              func(context.Context, *draftwire.Conn) error { return nil },
		"the peer's close": wstest.Echo,
		"later": func(ctx context.Context, c *draftwire.Conn) error {
			c.Read(ctx)
			return fs.ErrNotExist
		},
		"its own close": func(_ context.Context, c *draftwire.Conn) error {
			c.Close(draftwire.CodePolicy, "")
			return draftwire.ErrClosed
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			ended := make(chan error, 1)
			o := wstest.Options()
			o.Observer = &draftwire.Observer{Closed: func(_ *draftwire.Conn, err error) { ended <- err }}
			l := wstest.Serve(t, &draftwire.Server{Options: o, WebSocket: fn})
			c := wstest.Dial(t, l, draftwire.RFC6455, draftwire.DialOptions{})
			go c.Read(bg)
			c.Close(draftwire.CodeNormal, "")
			if err := <-ended; errors.Is(err, fs.ErrNotExist) || func() bool { _, ok := errors.AsType[*draftwire.HandlerError](err); return ok }() {
				t.Errorf("%s: the observer got %v", name, err)
			}
		})
	}
}
