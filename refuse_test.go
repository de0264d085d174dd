package draftwire_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/wire"
)

// refusalOf sends a head to a server with these options and returns what it is
// told.
func refusalOf(t *testing.T, o draftwire.AcceptOptions, head string) (status int, h http.Header) {
	t.Helper()
	_, l := memServer(t, &draftwire.Server{WebSocket: echo, Options: o})
	nc, err := l.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	io.WriteString(nc, head)
	resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header
}

// A version that Authorize refuses is told the same as one that is not enabled.
func TestRefuseVersion(t *testing.T) {
	for _, v := range draftwire.Served().List() {
		head := legacies[v]().at("example.com", false).head
		bubble(t, func(t *testing.T) {
			off := every()
			off.Versions = draftwire.Every.Without(v)
			status, fields := refusalOf(t, off, head)

			policy := every()
			policy.Authorize = func(h *draftwire.Handshake, _ *wire.Accept) error {
				return draftwire.RefuseVersion(h.Version, draftwire.Every)
			}
			status2, fields2 := refusalOf(t, policy, head)
			if status != 426 || status2 != status || fmt.Sprint(fields2) != fmt.Sprint(fields) {
				t.Errorf("%s: told %d %v, by Authorize %d %v", v, status, fields, status2, fields2)
			}
			list := strings.Split(fields2.Get("Sec-WebSocket-Version"), ", ")
			if n := v.Info().Header; n != "" && slices.Contains(list, n) || len(list) < 5 {
				t.Errorf("%s: told to use %q", v, list)
			}
		})
	}
	if he := draftwire.RefuseVersion(draftwire.RFC6455, draftwire.SetOf(draftwire.Hixie76)); len(he.Fields) > 0 {
		t.Errorf("a list without numbers: %v", he.Fields)
	}
}

func TestOriginAllowed(t *testing.T) {
	for _, tt := range []struct {
		patterns, origin, host string
		want                   bool
	}{
		{"", "http://example.com", "example.com", true},
		{"", "http://EXAMPLE.com", "Example.com:80", true},
		{"", "https://example.com", "example.com:443", true},
		{"", "http://example.com:8080", "example.com", false},
		{"", "http://evil.example", "example.com", false},
		{"", "null", "null", false},
		{"", "", "", false},
		{"*", "anything at all", "example.com", true},
		{"example.com", "https://example.com:8443", "other", true},
		{"*.example.com", "http://a.example.com", "other", true},
		{"*.example.com", "http://example.com", "other", false},
		{"*.example.com", "http://a.example.com.evil.example", "other", false},
		{"https://example.com", "http://example.com", "other", false},
		{"https://example.com", "https://example.com", "other", true},
		{"null", "null", "other", true},
		{"file://", "file://", "other", true},
		{"example.com", "http://example.com@evil.example", "other", false},
	} {
		var patterns []string
		if tt.patterns != "" {
			patterns = strings.Split(tt.patterns, " ")
		}
		if got := draftwire.OriginAllowed(patterns, tt.origin, tt.host); got != tt.want {
			t.Errorf("%q of %q at %q: %v", tt.origin, patterns, tt.host, got)
		}
	}
}

// The admin page takes no version whose frames a page can forge.
func ExampleRefuseVersion() {
	authorize := func(h *draftwire.Handshake, _ *wire.Accept) error {
		if strings.HasPrefix(h.Target, "/admin") && !draftwire.Modern.Has(h.Version) {
			return draftwire.RefuseVersion(h.Version, draftwire.Modern)
		}
		return nil
	}
	err := authorize(&draftwire.Handshake{Version: draftwire.Hybi05, Target: "/admin"}, nil)
	he := err.(*draftwire.HandshakeError)
	fmt.Println(he.Status, he.Reason, "use", he.Fields.Get("Sec-WebSocket-Version"))
	fmt.Println(authorize(&draftwire.Handshake{Version: draftwire.Hybi05, Target: "/"}, nil))
	// Output:
	// 426 version_disabled use 13, 8, 7
	// <nil>
}

func ExampleOriginAllowed() {
	ours := []string{"*.example.com", "https://example.org"}
	for _, origin := range []string{"http://tv.example.com", "https://example.org", "http://example.org"} {
		fmt.Println(origin, draftwire.OriginAllowed(ours, origin, "backend:8080"))
	}
	// Output:
	// http://tv.example.com true
	// https://example.org true
	// http://example.org false
}
