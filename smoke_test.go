package draftwire

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"
)

func TestSmoke(t *testing.T) {
	l, _ := net.Listen("tcp", "127.0.0.1:0")
	s := &Server{WebSocket: func(ctx context.Context, c *Conn) error {
		for m, err := range c.Messages(ctx) {
			if err != nil {
				return err
			}
			if err := c.Write(ctx, m.Op, m.Data); err != nil {
				return err
			}
		}
		return nil
	}, Options: AcceptOptions{Versions: Every, Protocols: []string{"*"}}}
	go s.Serve(l)
	for _, v := range Served().List() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		c, _, err := Dial(ctx, "ws://"+l.Addr().String()+"/x?y=1", &DialOptions{Version: v, Protocols: []string{"a"}})
		if err != nil {
			t.Fatal(v, err)
		}
		for _, n := range []int{0, 1, 125, 126, 65535, 65536, 1 << 20} {
			if err := c.Write(ctx, OpText, []byte(strings.Repeat("x", n))); err != nil {
				t.Fatal(err)
			}
			_, p, err := c.Read(ctx)
			if err != nil || len(p) != n {
				t.Fatal(v, n, len(p), err)
			}
		}
		if err := c.Close(CodeNormal, "bye"); err != nil {
			t.Error(v, err)
		}
		cancel()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}
