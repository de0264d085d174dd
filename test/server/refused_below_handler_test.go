package server_test

import (
	"context"
	"io"
	"testing"
	"testing/synctest"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
)

// A refused upgrade below Server.Handler leaves the Server's count of what runs as it was: the
// next client is served, and the shutdown waits for nobody.
func TestRefusedBelowHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refusing := draftwire.Handler(func(context.Context, *draftwire.Conn) error { return nil },
			&draftwire.AcceptOptions{Versions: draftwire.VersionsOf(draftwire.Hybi08)})
		s := &draftwire.Server{Handler: refusing}
		l := wstest.Serve(t, s)
		for range 3 {
			nc, err := l.Dial()
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(nc, wstest.Head(draftwire.RFC6455))
			if answer, err := io.ReadAll(nc); err != nil || len(answer) < 12 || string(answer[9:12]) != "426" {
				t.Fatalf("%q, %v", answer, err)
			}
			nc.Close()
		}
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
}
