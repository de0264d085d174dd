package main

import (
	"context"
	"io"
	"testing"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/prometheus/client_golang/prometheus"
)

// What a session has carried is told to the ledger once, however often it is swept,
// and nothing of it is kept after its end.
func TestCarriedOnce(t *testing.T) {
	back, _ := serveOn(t)
	log, err := newLogger(io.Discard, logOptions{level: "info", format: "json"})
	if err != nil {
		t.Fatal(err)
	}
	cfg := &gateway.Config{
		Listen: []gateway.Listener{{Address: "127.0.0.1:0"}}, Admin: gateway.Admin{Address: "off"},
		Routes: []gateway.Route{{Backends: []gateway.Backend{{URL: back}}}},
	}
	book := newBook(cfg.Ledger, "", log)
	defer book.close()
	w := newWatch(log, prometheus.NewRegistry(), book, cfg)
	defer w.journal.fold.flush()
	hooks, over := w.hooks(), make(chan struct{})
	ended := hooks.Ended
	hooks.Ended = func(s *gateway.Session, c *draftwire.Conn) {
		w.carried(s, c, false)
		ended(s, c)
		w.carried(s, c, false) // a sweep that was under way
		close(over)
	}
	g, err := gateway.New(cfg, gateway.Options{Hooks: hooks})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	go g.Run(context.Background())
	c := dial(t, "ws://"+g.Status().Listeners[0].Address, draftwire.RFC6455)
	write(t, c, draftwire.OpText, "abc")
	wantMessage(t, c, "abc")
	c.Close(draftwire.CodeNormal, "")
	<-over
	if len(w.told) != 0 {
		t.Errorf("%d sessions are kept", len(w.told))
	}
	for _, x := range book.l.Snapshot().Versions {
		if x.Version == draftwire.RFC6455 && (x.In != 3 || x.Out != 3 || x.MessagesIn != 1) {
			t.Errorf("the ledger has %d bytes in, %d out, %d messages", x.In, x.Out, x.MessagesIn)
		}
	}
}
