package server_test

import (
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
	"github.com/draftwire/draftwire/wire"
)

func TestAuthorize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opt := wstest.Options()
		opt.Authorize = func(h *draftwire.Handshake, acc *draftwire.Answer) error {
			switch h.Fields().Get("Cookie") {
			case "good":
				acc.Fields = append(acc.Fields, wire.Field{Name: "Set-Cookie", Value: "seen=1"})
				return nil
			case "late":
				return &draftwire.HandshakeError{Status: 404, Reason: wire.ReasonDenied}
			}
			return errors.New("no cookie")
		}
		l := wstest.Serve(t, &draftwire.Server{WebSocket: wstest.Echo, Options: opt})
		for cookie, want := range map[string]int{"good": 101, "late": 404, "": 403} {
			for _, v := range draftwire.ServedVersions().List() {
				c, resp, err := draftwire.Dial(bg, "ws://example.com/x", wstest.DialTo(l, draftwire.DialOptions{Version: v, Header: http.Header{"Cookie": {cookie}}}))
				if resp == nil || resp.StatusCode != want {
					t.Errorf("%s, cookie %q: %v, %v", v, cookie, resp, err)
				}
				if want == 101 {
					if got := resp.Header.Get("Set-Cookie"); got != "seen=1" {
						t.Errorf("%s: Set-Cookie is %q", v, got)
					}
					c.CloseNow()
				}
			}
		}
	})
}

// One error value may be returned to many requests at once.
func TestAuthorizeSharedError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := &draftwire.HandshakeError{Detail: "no"}
		opt := wstest.Options()
		opt.Authorize = func(*draftwire.Handshake, *draftwire.Answer) error { return shared }
		l := wstest.Serve(t, &draftwire.Server{WebSocket: wstest.Echo, Options: opt})
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				_, resp, _ := draftwire.Dial(bg, "ws://example.com/", wstest.DialTo(l, draftwire.DialOptions{}))
				if resp == nil || resp.StatusCode != 403 || resp.Header.Get("Draftwire-Reason") != "denied" {
					t.Errorf("response %+v", resp)
				}
			})
		}
		wg.Wait()
		if shared.Status != 0 || shared.Reason != "" {
			t.Errorf("the caller's error became %+v", shared)
		}
	})
}
