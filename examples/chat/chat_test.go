package main

import (
	"context"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/examples/chat/after"
	"github.com/draftwire/draftwire/examples/chat/before"
)

// server is one of both chats.
type server interface {
	Serve(net.Listener) error
	Shutdown(context.Context) error
}

// Both do the same: what one says all hear, one that leaves is forgotten, and one that says
// too much has to go.
func TestChats(t *testing.T) {
	for _, c := range []struct {
		name     string
		server   server
		versions draftwire.Versions
		farewell bool
	}{
		{"before", &http.Server{Handler: before.New()}, draftwire.VersionsOf(draftwire.RFC6455), false},
		{"after", after.New(), draftwire.ServedVersions(), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			served := make(chan error, 1)
			go func() { served <- c.server.Serve(l) }()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			var all []*draftwire.Conn
			for _, v := range append(c.versions.List(), draftwire.RFC6455) {
				conn, _, err := draftwire.Dial(ctx, "ws://"+l.Addr().String()+"/", &draftwire.DialOptions{Version: v})
				if err != nil {
					t.Fatal(v, err)
				}
				defer conn.CloseNow()
				all = append(all, conn)
				say(ctx, t, conn, v.String())
				hear(ctx, t, all, v.String()) // so all of them are in
			}

			all[0].CloseNow()
			say(ctx, t, all[1], "goodbye")
			hear(ctx, t, all[1:], "goodbye")

			loud, rest := all[1], all[2:]
			if err := loud.Write(ctx, draftwire.OpText, make([]byte, 600)); err != nil {
				t.Fatal(err)
			}
			if _, _, err := loud.Read(ctx); err == nil {
				t.Error("a message above the limit was heard")
			}
			down := make(chan error, 1)
			go func() { down <- c.server.Shutdown(ctx) }()
			for _, conn := range rest {
				if _, _, err := conn.Read(ctx); !c.farewell || err == nil {
					t.Errorf("at the shutdown: %v", err)
				}
				conn.CloseNow()
			}
			if err := <-down; err != nil {
				t.Error(err)
			}
			if err := <-served; err != http.ErrServerClosed {
				t.Error(err)
			}
		})
	}
}

func say(ctx context.Context, t *testing.T, conn *draftwire.Conn, what string) {
	t.Helper()
	if err := conn.Write(ctx, draftwire.OpText, []byte(what)); err != nil {
		t.Fatal(err)
	}
}

func hear(ctx context.Context, t *testing.T, conns []*draftwire.Conn, what string) {
	t.Helper()
	for _, conn := range conns {
		if _, p, err := conn.Read(ctx); err != nil || string(p) != what {
			t.Fatalf("%s hears %q, %v; want %q", conn.Version(), p, err, what)
		}
	}
}
