package server_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
)

// What a middleware has set before goes with the answer of each version, in the spelling of
// net/http, and cannot break it.
func TestHeaderBeforeAccept(t *testing.T) {
	o := wstest.Options()
	o.Authorize = func(_ *draftwire.Handshake, a *draftwire.Answer) error {
		a.Fields = append(a.Fields, draftwire.Field{Name: "X-First", Value: "1"})
		return nil
	}
	inner := draftwire.Handler(wstest.Echo, &o)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h["Set-Cookie"] = []string{"a=1", "b=2", "bad\r\nX-Evil: 1"}
		h["Bad Name"] = []string{"x"}
		h.Set("X-Request-Id", "7")
		h.Set("Content-Type", "text/html")
		h.Set("Content-Length", "3")
		h.Set("Connection", "close")
		h.Set("Upgrade", "h2c")
		h.Set("Transfer-Encoding", "chunked")
		h.Set("Sec-WebSocket-Accept", "no")
		h.Set("Sec-WebSocket-Protocol", "no")
		h.Set("WebSocket-Protocol", "no")
		inner.ServeHTTP(w, r)
	}))
	defer srv.Close()
	for _, v := range draftwire.ServedVersions().List() {
		c, resp, err := draftwire.Dial(bg, srv.URL, &draftwire.DialOptions{Version: v})
		if err != nil {
			t.Errorf("%s: %v", v, err)
			continue
		}
		wstest.Write(t, c, "hello")
		wstest.Read(t, c, "hello")
		h := resp.Header
		if cookies := h["Set-Cookie"]; len(cookies) != 2 || cookies[1] != "b=2" || h.Get("X-Request-Id") != "7" || h.Get("X-First") != "1" {
			t.Errorf("%s: fields are missing in %v", v, h)
		}
		for _, name := range []string{"Bad Name", "X-Evil", "Content-Type", "Content-Length", "Transfer-Encoding"} {
			if _, ok := h[name]; ok {
				t.Errorf("%s: %s is in %v", v, name, h)
			}
		}
		c.Close(draftwire.CodeNormal, "")
	}
}
