package draftwire_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/draftwire/draftwire"
)

// A peer's close that has come is answered, though the read that finds it may not wait:
// over TLS, where a write is watched from its beginning, too.
func TestCloseFoundWithoutWaiting(t *testing.T) {
	for range 50 {
		bubble(t, func(t *testing.T) {
			ended, cancel := context.WithCancel(bg)
			cancel()
			got := make(chan error, 1)
			s := &draftwire.Server{WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
				if _, err := c.ReadPart(ctx); err != nil {
					got <- err
					return err
				}
				_, err := c.ReadPart(ended)
				for err != nil && errors.Is(err, context.Canceled) && c.Context().Err() == nil {
					_, err = c.ReadPart(ctx)
				}
				got <- err
				return err
			}}
			nc := secureServer(t, s)("http/1.1")
			defer nc.Close()
			io.WriteString(nc, head13)
			readHead(t, nc)
			// "a" and a close of 1000, masked with zeros, in one record
			io.WriteString(nc, "\x81\x81\x00\x00\x00\x00a\x88\x82\x00\x00\x00\x00\x03\xe8")
			b := make([]byte, 4)
			if _, err := io.ReadFull(nc, b); err != nil || string(b) != "\x88\x02\x03\xe8" {
				t.Fatalf("the answer is % x, %v; read: %v", b, err, <-got)
			}
			if err := <-got; draftwire.CloseStatus(err) != draftwire.CodeNormal {
				t.Errorf("read: %v", err)
			}
		})
	}
}
