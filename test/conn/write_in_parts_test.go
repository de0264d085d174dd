package conn_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
)

// oddly reads all bytes that are wanted, in small and odd pieces.
func oddly(t *testing.T, nc net.Conn, wanted []byte) {
	t.Helper()
	b := make([]byte, 20_001)
	for i := 0; len(wanted) > 0; i++ {
		n, err := nc.Read(b[:min(len(wanted), 1000+i*997%(len(b)-1000))])
		if err != nil || !bytes.Equal(b[:n], wanted[:n]) {
			t.Fatalf("%d bytes before the end: %v", len(wanted), err)
		}
		wanted = wanted[n:]
	}
}

// Long messages to a socket that takes them in parts.
func TestWriteInParts(t *testing.T) {
	open := wstest.TCPPeers(t, wstest.TightTCP, draftwire.Limits{})
	for _, v := range draftwire.ServedVersions().List() {
		nc, client, c := open(v)
		ctx, cancel := context.WithCancel(bg)
		var wanted []byte
		sizes := []int{0, 1, 8<<10 - 1, 8 << 10, 8<<10 + 1}
		switch v {
		case draftwire.RFC6455:
			sizes = append(sizes, 64<<10, 1<<20)
		case draftwire.Hixie75, draftwire.Hybi04:
			sizes = append(sizes, 64<<10)
		}
		for _, n := range sizes {
			wanted = append(wanted, wstest.Texts(client.Echo, wstest.Words(n), "short", wstest.Words(n), wstest.Words(n))...)
		}
		go func() {
			for i, n := range sizes {
				m := []byte(wstest.Words(n))
				for j, err := range []error{
					c.Write(ctx, draftwire.OpText, m),
					c.Write(bg, draftwire.OpText, []byte("short")),
					func() error { // behind something held
						c.Cork()
						return c.Write(c.Context(), draftwire.OpText, m)
					}(),
					c.Flush(ctx),
					c.WritePrepared(bg, draftwire.NewPreparedMessage(draftwire.OpText, m)),
				} {
					if err != nil {
						t.Errorf("%s: %d bytes, %d/%d: %v", v, n, i, j, err)
					}
				}
				if string(m) != wstest.Words(n) {
					t.Errorf("%s: Write has changed %d bytes", v, n)
				}
			}
		}()
		oddly(t, nc, wanted)
		cancel()
	}
}

// Many goroutines write long and short messages at once.
func TestWriteInPartsTogether(t *testing.T) {
	open := wstest.TCPPeers(t, wstest.TightTCP, draftwire.Limits{})
	for _, v := range []draftwire.Version{draftwire.Hixie75, draftwire.Hybi04, draftwire.RFC6455} {
		nc, client, c := open(v)
		sizes := []int{10, 1000, 8 << 10, 50_000, 7, 9000}
		const each = 8
		for _, n := range sizes {
			go func() {
				for range each {
					wstest.Write(t, c, wstest.Words(n))
				}
			}()
		}
		left := map[string]int{}
		most := 0
		for _, n := range sizes {
			f := string(client.Echo(wstest.Words(n)))
			left[f] = each
			most = max(most, len(f))
		}
		var got []byte
		for count := len(sizes) * each; count > 0; {
			b := make([]byte, 3001)
			n, err := nc.Read(b)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, b[:n]...)
			for found := true; found && count > 0; {
				found = false
				for f, k := range left {
					if k > 0 && bytes.HasPrefix(got, []byte(f)) {
						got, found = got[len(f):], true
						left[f]--
						count--
					}
				}
			}
			if len(got) > most+len(b) {
				t.Fatalf("%s: no message begins with %.40q", v, got)
			}
		}
		if len(got) > 0 {
			t.Errorf("%s: %d bytes too many", v, len(got))
		}
	}
}

// The peer goes away inside a long write.
func TestBrokenPipe(t *testing.T) {
	open := wstest.TCPPeers(t, wstest.TightTCP, draftwire.Limits{})
	for _, v := range draftwire.ServedVersions().List() {
		for _, reset := range []bool{false, true} {
			nc, _, c := open(v)
			errs := make(chan error, 3)
			for _, n := range []int{3 << 20, 100, 20_000} {
				go func() {
					var err error
					for err == nil { // a short one may still find room
						err = c.Write(bg, draftwire.OpText, []byte(wstest.Words(n)))
					}
					errs <- err
				}()
			}
			io.ReadFull(nc, make([]byte, 50_000))
			if reset {
				nc.SetLinger(0)
			}
			nc.Close()
			for range 3 {
				if err := <-errs; err == nil {
					t.Errorf("%s: no error", v)
				}
			}
			<-c.Context().Done()
			if err := c.Write(bg, draftwire.OpText, nil); err == nil {
				t.Errorf("%s: Write behind it is no error", v)
			}
		}
	}
}

// A peer that does not read: the write timeout and contexts end a write, and
// only that one.
func TestStuckSocket(t *testing.T) {
	const soon = 50 * time.Millisecond
	patient, brief := wstest.TCPPeers(t, wstest.TightTCP, draftwire.Limits{}), wstest.TCPPeers(t, wstest.TightTCP, draftwire.Limits{WriteTimeout: soon})
	big := []byte(strings.Repeat("x", 8<<20))
	var wg sync.WaitGroup
	for _, v := range []draftwire.Version{draftwire.Hixie75, draftwire.Hybi02, draftwire.RFC6455} {
		for name, f := range map[string]func(ctx context.Context, c *draftwire.Conn) error{
			"long":  func(ctx context.Context, c *draftwire.Conn) error { return c.Write(ctx, draftwire.OpText, big) },
			"short": func(ctx context.Context, c *draftwire.Conn) error { return fillUp(ctx, c, 4000) },
		} {
			for _, own := range []bool{false, true} {
				open, wanted := brief, os.ErrDeadlineExceeded
				if own {
					open, wanted = patient, context.DeadlineExceeded
				}
				nc, client, c := open(v)
				what := fmt.Sprint(v, ", ", name, ", context ", own)
				wg.Go(func() {
					// Contexts that ended between writes are forgotten.
					for range 2 {
						ctx, cancel := context.WithCancel(bg)
						if err := c.Write(ctx, draftwire.OpText, []byte("a")); err != nil {
							t.Errorf("%s: %v", what, err)
						}
						cancel()
					}
					wstest.Want(t, nc, wstest.Texts(client.Echo, "a", "a"))
					ctx, began := bg, time.Now()
					if own {
						short, cancel := context.WithTimeout(bg, soon)
						defer cancel()
						ctx = short
					}
					err := f(ctx, c)
					if d := time.Since(began); !errors.Is(err, wanted) || d < soon || d >= draftwire.DefaultWriteTimeout {
						t.Errorf("%s: %v after %v", what, err, d)
					}
					if name == "short" { // the context may have ended between two
						c.CloseNow()
					}
					<-c.Context().Done()
				})
			}
		}
	}
	wg.Wait()
}

// fillUp writes until that fails.
func fillUp(ctx context.Context, c *draftwire.Conn, n int) error {
	for {
		if err := c.Write(ctx, draftwire.OpText, make([]byte, n)); err != nil {
			return err
		}
	}
}
