package server_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
)

// The location that each version repeats, its scheme, and the pages that may
// connect, where the server has a public URL.
func TestPublicURL(t *testing.T) {
	for _, tt := range []struct{ url, location string }{
		{"", "ws://example.com/x"},
		{"wss://tv.example.com", "wss://tv.example.com/x"},
		{"wss://tv.example.com/", "wss://tv.example.com/x"},
		{"wss://tv.example.com:443", "wss://tv.example.com/x"},
		{"WSS://TV.example.com:8443", "wss://tv.example.com:8443/x"},
		{"ws://tv.example.com:80", "ws://tv.example.com/x"},
		{"ws://[2001:db8::7]:8080", "ws://[2001:db8::7]:8080/x"},
	} {
		for _, v := range []draftwire.Version{draftwire.Hixie75, draftwire.Hixie76} {
			synctest.Test(t, func(t *testing.T) {
				o := draftwire.AcceptOptions{Versions: draftwire.AllVersions, PublicURL: tt.url}
				l, opened := proxyServer(t, o, nil, false)
				nc, _ := l.Dial()
				defer nc.Close()
				head := wstest.Head(v)
				if v == draftwire.Hixie76 {
					head += wstest.Key3
				}
				wstest.Send(t, nc, []byte(head))
				h := (<-opened).Handshake()
				if got := wstest.ReadHead(t, nc); !strings.Contains(got, "WebSocket-Location: "+tt.location+"\r\n") || h.Secure() != strings.HasPrefix(tt.location, "wss") {
					t.Errorf("%s, %q: secure %v, answer %q", v, tt.url, h.Secure(), got)
				}
			})
		}
	}
	for origin, want := range map[string]int{"http://example.com": 101, "https://tv.example.com": 101, "http://evil.example": 403} {
		for _, origins := range [][]string{nil, {"nowhere.example"}} {
			synctest.Test(t, func(t *testing.T) {
				o := draftwire.AcceptOptions{Versions: draftwire.AllVersions, PublicURL: "wss://tv.example.com", Origins: origins,
					TrustForwarded: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}
				want := want
				if origins != nil {
					want = 403
				}
				status, _ := refusalOf(t, o, strings.Replace(wstest.Head(draftwire.RFC6455), "Origin: http://example.com", "Origin: "+origin, 1))
				if status != want {
					t.Errorf("%s with %v: %d", origin, origins, status)
				}
			})
		}
	}
}

func TestBadPublicURL(t *testing.T) {
	for _, url := range []string{"example.com", "https://example.com", "ws://", "ws://:80", "wss://u:p@example.com", "ws://example.com/path",
		"ws://example.com?q", "ws://example.com?", "ws://example.com#f", "ws://example.com:http", "ws://a b", "ws://[::1", "://", "ws://a\r\nb"} {
		err := (&draftwire.AcceptOptions{PublicURL: url}).Check()
		if err == nil || !strings.HasPrefix(err.Error(), fmt.Sprintf("draftwire: options: public URL %q: ", url)) {
			t.Errorf("%q: %v", url, err)
		}
		if err2 := new(draftwire.Server).SetOptions(draftwire.AcceptOptions{PublicURL: url}); fmt.Sprint(err2) != fmt.Sprint(err) {
			t.Errorf("%q: Check says %v, SetOptions %v", url, err, err2)
		}
	}
}
