package server_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/memnet"
	"github.com/draftwire/draftwire/internal/wstest"
	"github.com/draftwire/draftwire/wire"
)

// New options hold for the handshakes that begin behind SetOptions; connections
// and handshakes that were there before go on with theirs.
func TestSetOptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var opened, closed [2]atomic.Int32
		generation := func(n int, vs draftwire.Versions) draftwire.AcceptOptions {
			o := wstest.Options()
			o.Versions, o.Limits.ReadLimit = vs, int64(8*(n+1))
			o.Observer = &draftwire.Observer{
				Opened: func(*draftwire.Conn) { opened[n].Add(1) },
				Closed: func(*draftwire.Conn, error) { closed[n].Add(1) },
			}
			return o
		}
		s := &draftwire.Server{WebSocket: wstest.Echo, Options: generation(0, draftwire.AllVersions)}
		l := wstest.Serve(t, s)
		old := wstest.Dial(t, l, draftwire.Hixie76, draftwire.DialOptions{})
		half, _ := l.Dial()
		defer half.Close()
		io.WriteString(half, wstest.Head(draftwire.Hixie76)[:40])
		synctest.Wait()

		if err := s.SetOptions(generation(1, draftwire.ModernVersions)); err != nil {
			t.Fatal(err)
		}
		io.WriteString(half, wstest.Head(draftwire.Hixie76)[40:]+wstest.Key3)
		wstest.ReadHead(t, half)
		wstest.Want(t, half, []byte(wstest.Key3Answer))
		if _, _, err := draftwire.Dial(bg, "ws://example.com/x", wstest.DialTo(l, draftwire.DialOptions{Version: draftwire.Hixie76})); err == nil {
			t.Error("hixie-76 is still accepted")
		}
		recent := wstest.Dial(t, l, draftwire.RFC6455, draftwire.DialOptions{})
		go wstest.Write(t, old, "eight by")
		wstest.Read(t, old, "eight by")
		go wstest.Write(t, recent, "more than eight")
		wstest.Read(t, recent, "more than eight")
		go wstest.Write(t, old, "more than eight")
		if _, _, err := old.Read(bg); err == nil {
			t.Error("the old limit is gone")
		}
		recent.CloseNow()
		half.Close()
		synctest.Wait()
		if o, c := fmt.Sprint(opened[0].Load(), opened[1].Load()), fmt.Sprint(closed[0].Load(), closed[1].Load()); o != "2 1" || c != "2 1" {
			t.Errorf("opened %s, closed %s, want 2 1 both", o, c)
		}
	})
}

// What cannot be served is refused where options are taken, and changes nothing.
func TestBadOptions(t *testing.T) {
	for name, bad := range map[string]draftwire.AcceptOptions{
		"versions": {Versions: 1 << 15},
		"origins":  {Origins: []string{"example.com", "[.example.com"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &draftwire.Server{WebSocket: wstest.Echo, Options: wstest.Options()}
				l := wstest.Serve(t, s)
				if err := s.SetOptions(bad); err == nil || !strings.HasPrefix(err.Error(), "draftwire: options: ") {
					t.Errorf("SetOptions: %v", err)
				}
				c := wstest.Dial(t, l, draftwire.Hixie75, draftwire.DialOptions{})
				go wstest.Write(t, c, "as before")
				wstest.Read(t, c, "as before")
			})
			l := memnet.Listen(1)
			if err := (&draftwire.Server{Options: bad}).Serve(l); err == nil || err == http.ErrServerClosed {
				t.Errorf("Serve: %v", err)
			}
			if _, err := l.Dial(); err == nil {
				t.Error("Serve left the listener open")
			}
			r := httptest.NewRequest("GET", "/", nil)
			w := httptest.NewRecorder()
			if _, err := draftwire.Accept(w, r, &bad); err == nil || w.Code != 500 || w.Header().Get("Draftwire-Reason") != string(wire.ReasonOptions) {
				t.Errorf("Accept: %v, %d", err, w.Code)
			}
		})
	}
	// Good ones cure bad ones.
	synctest.Test(t, func(t *testing.T) {
		s := &draftwire.Server{WebSocket: wstest.Echo, Options: draftwire.AcceptOptions{Versions: 1 << 15}}
		if err := s.SetOptions(wstest.Options()); err != nil {
			t.Fatal(err)
		}
		l := wstest.Serve(t, s)
		wstest.Dial(t, l, draftwire.Hixie75, draftwire.DialOptions{})
	})
}

func TestSetFlashPolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &draftwire.Server{WebSocket: wstest.Echo, FlashPolicy: "<one/>"}
		l := wstest.Serve(t, s)
		for _, policy := range []string{"<one/>", "<two/>", ""} {
			s.SetFlashPolicy(policy)
			nc, _ := l.Dial()
			defer nc.Close()
			io.WriteString(nc, "<policy-file-request/>\x00")
			if p, _ := io.ReadAll(nc); strings.TrimSuffix(string(p), "\x00") != policy {
				t.Errorf("got %q, want %q", p, policy)
			}
		}
	})
}

// Options change while clients come and go (for the race detector).
func TestSetOptionsRace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &draftwire.Server{WebSocket: wstest.Echo, Options: wstest.Options(), Handler: http.NotFoundHandler()}
		l := wstest.Serve(t, s)
		ctx, cancel := context.WithCancel(bg)
		var clients, changes sync.WaitGroup
		for i := range 2 {
			changes.Go(func() {
				for n := 0; ctx.Err() == nil; n++ {
					o := wstest.Options()
					o.Limits.ReadLimit = int64(100 + n)
					if err := s.SetOptions(o); err != nil {
						t.Error(err)
					}
					s.SetFlashPolicy(fmt.Sprint("<policy n='", i, n, "'/>"))
				}
			})
		}
		for _, v := range draftwire.ServedVersions().List() {
			clients.Go(func() {
				for range 20 {
					c, _, err := draftwire.Dial(bg, "ws://example.com/x", wstest.DialTo(l, draftwire.DialOptions{Version: v}))
					if err != nil {
						t.Error(err)
						return
					}
					wstest.Write(t, c, "hello")
					wstest.Read(t, c, "hello")
					c.CloseNow()
				}
			})
		}
		clients.Wait()
		cancel()
		changes.Wait()
	})
}
