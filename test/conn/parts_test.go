package conn_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
	"github.com/draftwire/draftwire/wire"
)

// Parts put together are the message, whatever its size and version; what is
// left of one is dropped by the next call that reads whole messages.
func TestReadPart(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		type got struct {
			parts int
			err   error
		}
		done := make(chan got, 1)
		big := bytes.Repeat([]byte("0123456789abcdef"), 20<<10)
		opt := wstest.Options()
		opt.Limits.ReadLimit = -1
		l := wstest.Serve(t, &draftwire.Server{Options: opt, WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
			for _, want := range [][]byte{[]byte("a"), big} {
				var all []byte
				n := 0
				for {
					p, err := c.ReadPart(ctx)
					if err == nil && (p.Op != draftwire.OpText || p.First != (n == 0)) {
						err = fmt.Errorf("part %d: %v, first %v", n, p.Op, p.First)
					}
					if err != nil {
						done <- got{n, err}
						return err
					}
					all = append(all, p.Data...)
					if n++; p.Last {
						break
					}
				}
				if !bytes.Equal(all, want) {
					done <- got{n, fmt.Errorf("%d bytes, not %d", len(all), len(want))}
					return nil
				}
				if len(want) == 1 && n != 1 {
					done <- got{n, errors.New("a short message came in pieces")}
					return nil
				}
			}
			p, err := c.ReadPart(ctx)
			if err == nil && p.Last {
				err = errors.New("the large message came at once")
			}
			if err == nil {
				_, whole, e := c.Read(ctx)
				if err = e; e == nil && string(whole) != "end" {
					err = fmt.Errorf("behind the rest came %.20q", whole)
				}
			}
			done <- got{0, err}
			return nil
		}})
		c := wstest.Dial(t, l, v, draftwire.DialOptions{})
		go func() {
			for _, p := range [][]byte{[]byte("a"), big, big, []byte("end")} {
				if c.Write(bg, draftwire.OpText, p) != nil {
					return
				}
			}
		}()
		if g := <-done; g.err != nil {
			t.Fatal(g.err)
		}
		c.CloseNow()
	})
}

// A cancelled Read leaves the beginning of a message; ReadPart goes on with it.
func TestReadPartBehindCancelledRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		result := make(chan string, 1)
		l := wstest.Serve(t, &draftwire.Server{Options: wstest.Options(), WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
			short, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			if _, _, err := c.Read(short); !errors.Is(err, context.DeadlineExceeded) {
				result <- fmt.Sprint(err)
				return nil
			}
			all := ""
			for {
				p, err := c.ReadPart(ctx)
				if all += string(p.Data); err != nil || p.Last {
					result <- fmt.Sprint(all, err)
					return nil
				}
			}
		}})
		c := wstest.Dial(t, l, draftwire.RFC6455, draftwire.DialOptions{})
		w, err := c.Writer(bg, draftwire.OpText)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, "begin,")
		<-time.After(2 * time.Second)
		io.WriteString(w, "rest")
		w.Close()
		if got := <-result; got != "begin,rest<nil>" {
			t.Errorf("got %q", got)
		}
		c.CloseNow()
	})
}

// Parts that are passed on are the frames that came; whole messages of others wait
// until their last.
func TestWritePart(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		client, server := wstest.Pair(t, v, wstest.Options(), draftwire.DialOptions{})
		parts := []draftwire.Part{
			{Op: draftwire.OpText, Data: []byte("a\xe2"), First: true},
			{Op: draftwire.OpText, Data: []byte("\x82\xac")},
			{Op: draftwire.OpText, Data: []byte("b"), Last: true},
			{Op: draftwire.OpText, Data: []byte("whole"), First: true, Last: true},
		}
		done := make(chan error, 1)
		go func() {
			if err := client.WritePart(bg, parts[0]); err != nil {
				done <- err
				return
			}
			other := make(chan error, 1)
			go func() { other <- client.Write(bg, draftwire.OpText, []byte("between")) }()
			<-time.After(time.Second)
			var err error
			for _, p := range parts[1:3] {
				err = errors.Join(err, client.WritePart(bg, p))
			}
			done <- errors.Join(err, <-other, client.WritePart(bg, parts[3]))
		}()
		wstest.Read(t, server, "a€b")
		wstest.Read(t, server, "between")
		wstest.Read(t, server, "whole")
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if n := client.Stats(); n.MessagesOut != 3 || n.BytesOut != uint64(len("a€b"+"between"+"whole")) {
			t.Errorf("%+v", n)
		}
	})
}

// A first part that cannot be said harms nobody; a later one ends the connection.
func TestWritePartWrong(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		client, server := wstest.Pair(t, v, wstest.Options(), draftwire.DialOptions{})
		if err := client.WritePart(bg, draftwire.Part{Op: draftwire.OpText, Data: []byte("\xff"), First: true}); !errors.Is(err, draftwire.ErrInvalidText) {
			t.Errorf("no text: %v", err)
		}
		if err := client.WritePart(bg, draftwire.Part{Op: draftwire.OpBinary, First: true}); !v.Supports(wire.CapBinary) && !errors.Is(err, draftwire.ErrUnsupported) {
			t.Errorf("binary: %v", err)
		} else if v.Supports(wire.CapBinary) {
			if err = errors.Join(err, client.WritePart(bg, draftwire.Part{Op: draftwire.OpBinary, Last: true})); err != nil {
				t.Errorf("binary: %v", err)
			}
			if op, p, err := server.Read(bg); op != draftwire.OpBinary || len(p) != 0 || err != nil {
				t.Errorf("read %v %q, %v", op, p, err)
			}
		}
		go client.Write(bg, draftwire.OpText, []byte("on"))
		wstest.Read(t, server, "on")
		go func() {
			client.WritePart(bg, draftwire.Part{Op: draftwire.OpText, Data: []byte("a"), First: true})
			if err := client.WritePart(bg, draftwire.Part{Op: draftwire.OpText, Data: []byte("\xff"), Last: true}); !errors.Is(err, draftwire.ErrInvalidText) {
				t.Errorf("no text behind the first part: %v", err)
			}
		}()
		if _, _, err := server.Read(bg); err == nil {
			t.Error("half a message was read")
		}
	})
}
