package draftwiretest_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/draftwiretest"
	"github.com/draftwire/draftwire/wire"
)

// A rule of a program, and its test.
func Example() {
	authorize := func(h *draftwire.Handshake, a *draftwire.Answer) error {
		if h.Fields().Get("Cookie") == "" {
			return errors.New("no session")
		}
		a.Value = "the session of " + h.Remote()
		return nil
	}

	r := draftwiretest.NewRequest("wss://example.com/chat", &draftwire.DialOptions{Version: draftwire.Hixie76})
	fmt.Println(authorize(draftwiretest.NewHandshake(r), new(draftwire.Answer)))

	r.Header.Set("Cookie", "session=1")
	r.RemoteAddr = "203.0.113.7:5000"
	var a draftwire.Answer
	fmt.Println(authorize(draftwiretest.NewHandshake(r), &a), a.Value)
	// Output:
	// no session
	// <nil> the session of 203.0.113.7:5000
}

// A request of every version gives the handshake that its client would have.
func TestNewHandshake(t *testing.T) {
	for _, v := range draftwire.ServedVersions().List() {
		for _, scheme := range []string{"ws", "wss"} {
			r := draftwiretest.NewRequest(scheme+"://example.com:81/a?b=c", &draftwire.DialOptions{
				Version: v, Protocols: []string{"chat"}, Header: http.Header{"X-Device": {"tv"}},
			})
			h := draftwiretest.NewHandshake(r)
			if h.Version() != v || h.Target() != "/a?b=c" || h.Host() != "example.com:81" || h.Secure() != (scheme == "wss") ||
				h.Remote() != "192.0.2.1:1234" || h.Via() != "" || h.Exact() || h.Began().IsZero() || h.Took() != 0 ||
				(h.TLS() != nil) != h.Secure() || h.Fields().Get("X-Device") != "tv" || h.Response() != "" || h.Value() != nil {
				t.Errorf("%s, %s: %+v", v, scheme, h)
			}
			if !slices.Equal(h.Offered(), []string{"chat"}) {
				t.Errorf("%s, %s: offered %q", v, scheme, h.Offered())
			}
			if want := map[string]string{"ws": "http://example.com:81", "wss": "https://example.com:81"}[scheme]; v.Supports(wire.CapOrigin) != (h.Origin() == want) {
				t.Errorf("%s, %s: origin %q", v, scheme, h.Origin())
			}
		}
	}
}

// What is no request of a client fails at once, and says why.
func TestPanics(t *testing.T) {
	for name, f := range map[string]func(){
		"a URL that is none":   func() { draftwiretest.NewRequest("ws://%", nil) },
		"a scheme of others":   func() { draftwiretest.NewRequest("ftp://example.com/", nil) },
		"a field that is none": func() { draftwiretest.NewRequest("ws://example.com/", &draftwire.DialOptions{Origin: "a\nb"}) },
		"an ordinary request":  func() { draftwiretest.NewHandshake(&http.Request{Method: "GET", RequestURI: "/", Proto: "HTTP/1.1"}) },
	} {
		func() {
			defer func() {
				if err, ok := recover().(error); !ok {
					t.Errorf("%s: %v", name, err)
				}
			}()
			f()
		}()
	}
}

// What a caller does with a handshake changes it for nobody else.
func TestHandshakeIsReadOnly(t *testing.T) {
	h := draftwiretest.NewHandshake(draftwiretest.NewRequest("wss://example.com/", &draftwire.DialOptions{Protocols: []string{"a", "b"}}))
	h.Offered()[0] = "x"
	h.TLS().ServerName = "x"
	h.Fields()[0].Value = "x"
	if h.Offered()[0] != "a" || h.TLS().ServerName != "example.com" || h.Fields()[0].Value != "example.com" {
		t.Errorf("%q, %q, %q", h.Offered(), h.TLS().ServerName, h.Fields())
	}
}
