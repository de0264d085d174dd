package conn_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
)

// A peer that is slow but takes something now and then is never cut off: the write timeout is
// for one that takes nothing.
func TestSlowReader(t *testing.T) {
	big := bytes.Repeat([]byte("x"), 1<<20)
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		client, server := wstest.Pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
		wrote := make(chan error, 1)
		began := time.Now()
		go func() { wrote <- server.Write(bg, draftwire.OpText, big) }()
		for got, next := 0, 0; got < len(big); {
			if got >= next {
				time.Sleep(draftwire.DefaultWriteTimeout * 3 / 4)
				next = got + 128<<10
			}
			p, err := client.ReadPart(bg)
			if err != nil {
				t.Fatalf("after %v: %v", time.Since(began), err)
			}
			got += len(p.Data)
		}
		if err := <-wrote; err != nil {
			t.Errorf("write: %v", err)
		}
		if d := time.Since(began); d < 2*draftwire.DefaultWriteTimeout {
			t.Errorf("all was read in %v: that says nothing of the timeout", d)
		}
	})
}

// The same on a socket, in real time.
func TestSlowReaderOfSocket(t *testing.T) {
	const timeout = 2 * time.Second
	l := wstest.ListenTCP(t)
	type result struct {
		took time.Duration
		err  error
	}
	results := make(chan result, 1)
	s := &draftwire.Server{WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
		began := time.Now()
		err := c.Write(ctx, draftwire.OpBinary, make([]byte, 32<<20)) // more than the kernel buffers
		results <- result{time.Since(began), err}
		return err
	}}
	s.Options.Limits.WriteTimeout = timeout
	wstest.ServeOn(t, s, l)
	c, _, err := draftwire.Dial(bg, "ws://"+l.Addr().String()+"/", &draftwire.DialOptions{Limits: draftwire.Limits{ReadLimit: -1}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	for began := time.Now(); time.Since(began) < timeout*3/2; time.Sleep(timeout / 20) {
		if _, err := c.ReadPart(bg); err != nil {
			t.Fatal(err)
		}
	}
	for p, err := c.ReadPart(bg); !p.Last; p, err = c.ReadPart(bg) {
		if err != nil {
			t.Fatal(err)
		}
	}
	if r := <-results; r.err != nil || r.took < timeout {
		t.Errorf("the write took %v: %v", r.took, r.err)
	}
}
