// Package otherapis holds the tables of docs/from-gorilla.md, from-coder.md and from-gws.md: each row is two small
// programs, one with the other library and one with this one, that do the same. It is a module of its
// own, so that the library depends on none of them.
package otherapis

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
)

// row is a row of a table: its first column, and what both say. want is what both come to; where they
// do not come to the same, wantOurs is what this library does, and the last column says so.
type row struct {
	name           string
	theirs, ours   func(t *testing.T) string
	want, wantOurs string
}

// play runs all rows, and checks that they are those of the document.
func play(t *testing.T, document string, rows []row) {
	b, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	var written, played []string
	for line := range strings.Lines(string(b)) {
		if cells := strings.Split(line, " | "); len(cells) == 3 && strings.HasPrefix(line, "| `") {
			written = append(written, strings.TrimPrefix(cells[0], "| "))
		}
	}
	for _, r := range rows {
		played = append(played, r.name)
		t.Run(r.name, func(t *testing.T) {
			if got := r.theirs(t); got != r.want {
				t.Errorf("the other: %q, want %q", got, r.want)
			}
			want := r.want
			if r.wantOurs != "" {
				want = r.wantOurs
			}
			if got := r.ours(t); got != want {
				t.Errorf("ours: %q, want %q", got, want)
			}
		})
	}
	if !slices.Equal(written, played) {
		t.Errorf("%s has the rows\n%s\nplayed are\n%s", document, strings.Join(written, "\n"), strings.Join(played, "\n"))
	}
}

// limited is a context that ends when nothing comes for too long.
func limited(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// serve returns the URL of a server.
func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http")
}

// peer is a client of this library's: the other side of all that is a server.
func peer(t *testing.T, url string, o *draftwire.DialOptions) *draftwire.Conn {
	t.Helper()
	c, _, err := draftwire.Dial(limited(t), url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return c
}

// echo is a server of this library's: the other side of all that is a client.
func echo(t *testing.T, o *draftwire.AcceptOptions) string {
	t.Helper()
	return serve(t, draftwire.Handler(echoAll, o))
}

func echoAll(ctx context.Context, c *draftwire.Conn) error {
	for m, err := range c.Messages(ctx) {
		if err != nil {
			return err
		}
		if err := c.Write(ctx, m.Op, m.Data); err != nil {
			return err
		}
	}
	return nil
}

// asked sends a text and returns what comes back.
func asked(t *testing.T, c *draftwire.Conn, text string) string {
	t.Helper()
	if err := c.Write(limited(t), draftwire.OpText, []byte(text)); err != nil {
		t.Fatal(err)
	}
	return heard(t, c)
}

// heard returns the next message, or how the connection has ended.
func heard(t *testing.T, c *draftwire.Conn) string {
	t.Helper()
	op, p, err := c.Read(limited(t))
	switch code := draftwire.CloseStatus(err); {
	case code == draftwire.CodeAbnormal:
		return "cut off"
	case err != nil:
		return fmt.Sprint("closed with ", uint16(code))
	case op == draftwire.OpBinary:
		return fmt.Sprintf("binary %s", p)
	}
	return string(p)
}

// refused returns the status of the answer to a client of that page.
func refused(t *testing.T, url, origin string) int {
	t.Helper()
	c, resp, err := draftwire.Dial(limited(t), url, &draftwire.DialOptions{Origin: origin})
	if err == nil {
		c.CloseNow()
	}
	return resp.StatusCode
}
