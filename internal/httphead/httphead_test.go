package httphead

import (
	"errors"
	"strings"
	"testing"

	"github.com/draftwire/draftwire/wire"
)

func TestRequest(t *testing.T) {
	head := "GET /a?b=1 HTTP/1.1\r\nhOST:  example.com\t\r\nX-Key: 4 @1  46546\r\nx-key: \r\n\r\n"
	var req wire.Request
	if err := ParseRequest(head, &req); err != nil {
		t.Fatal(err)
	}
	if req.Method != "GET" || req.Target != "/a?b=1" || req.Proto != "HTTP/1.1" || len(req.Fields) != 3 {
		t.Errorf("got %+v", req)
	}
	if f := req.Fields[0]; f.Name != "hOST" || f.Value != "example.com" {
		t.Errorf("spelling or value lost: %+v", f)
	}
	if f := req.Fields[1]; f.Value != "4 @1  46546" {
		t.Errorf("inner spaces lost: %q", f.Value)
	}
}

func TestRequestMalformed(t *testing.T) {
	for _, head := range []string{
		"", "\r\n\r\n", "GET / HTTP/1.1\n\n", "GET / HTTP/1.1\r\nA: b\n\r\n", "GET  / HTTP/1.1\r\n\r\n",
		"GET / HTTP/1\r\n\r\n", "GET /a b HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nA : b\r\n\r\n",
		"GET / HTTP/1.1\r\n A: b\r\n\r\n", "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", "GET / HTTP/1.1\r\nA\r\n\r\n",
		"GET / HTTP/1.1\r\nA: \x00\r\n\r\n", "GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", "G@T / HTTP/1.1\r\n\r\n",
		"GET / HTTP/1.1\r\n\r\nmore", "GET / HTTP/1.1\r\n: b\r\n\r\n",
		"GET /secret#x HTTP/1.1\r\n\r\n", "GET # HTTP/1.1\r\n\r\n", "GET /a?b#c HTTP/1.1\r\n\r\n", "GET http://a#@b/ HTTP/1.1\r\n\r\n",
	} {
		err := ParseRequest(head, &wire.Request{})
		var he *wire.HandshakeError
		if !errors.As(err, &he) || he.Reason != wire.ReasonHeadMalformed || he.Status != 400 {
			t.Errorf("%q: %v", head, err)
		}
	}
	err := ParseRequest("GET / HTTP/1.1\r\n"+strings.Repeat("A: b\r\n", MaxFields+1)+"\r\n", &wire.Request{})
	var he *wire.HandshakeError
	if !errors.As(err, &he) || he.Reason != wire.ReasonHeadTooLarge || he.Status != 431 {
		t.Errorf("too many fields: %v", err)
	}
}

// What the tolerances admit, how it is read, and what stays refused with all of them.
func TestLooseRequest(t *testing.T) {
	const both = wire.TolerateLineEnds | wire.TolerateRequestLine
	for _, tc := range []struct {
		head, target string
		need         wire.Tolerances
	}{
		{"GET / HTTP/1.1\n\n", "/", wire.TolerateLineEnds},
		{"GET / HTTP/1.1\r\nA: b\n\r\n", "/", wire.TolerateLineEnds},
		{"GET / HTTP/1.1\r\r\nA: b\r\r\n\r\r\n", "/", wire.TolerateLineEnds},
		{"GET  HTTP/1.1\r\nA: b\r\n\r\n", "/", wire.TolerateRequestLine},
		{"GET /x HTTP/1.1 \r\nA: b\r\n\r\n", "/x", wire.TolerateRequestLine},
		{"GET /x\tHTTP/1.1\r\nA: b\r\n\r\n", "/x", wire.TolerateRequestLine},
		{"GET   /ocpp/CP 01  HTTP/1.1\r\nA: b\r\n\r\n", "/ocpp/CP%2001", wire.TolerateRequestLine},
		{"GET /CP#1 HTTP/1.1\nA: b\n\n", "/CP%231", both},
		{"GET http://h/a b HTTP/1.1\r\n\r\n", "http://h/a%20b", wire.TolerateRequestLine},
		{"GET / HTTP/1.1\rA: b\n\n", "", 0},
		{"GET / HTTP/1.1\r\r\r\n\r\n", "", 0},
		{"GET /\x01 a HTTP/1.1\r\n\r\n", "", 0},
		{"GET /x\r\n\r\n", "", 0},
		{"GET / HTTP/1.1\nA: b\n c\n\n", "", 0},
		{"GET / HTTP/1.1\n\nmore", "", 0},
	} {
		for _, tolerate := range []wire.Tolerances{0, wire.TolerateLineEnds, wire.TolerateRequestLine, wire.AllTolerances} {
			req := wire.Request{Tolerate: tolerate}
			err := ParseRequest(tc.head, &req)
			he, _ := errors.AsType[*wire.HandshakeError](err)
			switch admits := tc.target != "" && tolerate.Has(tc.need); {
			case admits && (err != nil || req.Target != tc.target || req.Tolerated != tc.need):
				t.Errorf("%q with %q: target %q, needed %q, %v", tc.head, tolerate, req.Target, req.Tolerated, err)
			case !admits && (he == nil || he.Reason != wire.ReasonHeadMalformed || he.Tolerance != tc.need):
				t.Errorf("%q with %q: %v", tc.head, tolerate, err)
			}
		}
	}
}

// The spaces of a hixie-76 key count, but for the one behind the colon.
func TestChallengeKeySpaces(t *testing.T) {
	var req wire.Request
	err := ParseRequest("GET / HTTP/1.1\r\nsec-websocket-KEY1:  12 x9 y96  \r\nSec-WebSocket-Key2:1\t\r\nSec-WebSocket-Key:  k \r\n\r\n", &req)
	if err != nil || req.Fields[0].Value != " 12 x9 y96  " || req.Fields[1].Value != "1\t" || req.Fields[2].Value != "k" {
		t.Errorf("%q, %v", req.Fields, err)
	}
}

func TestHasStrayCR(t *testing.T) {
	for s, want := range map[string]bool{"": false, "a": false, "a\r": false, "a\r\r": false, "a\rb": true, "\r\rb": true, "a\r\n": false} {
		if got := HasStrayCR([]byte(s)); got != want {
			t.Errorf("%q: %v", s, got)
		}
	}
}

func TestLooseHost(t *testing.T) {
	for s, want := range map[string]string{
		"::1": "[::1]", "fe80::1%eth0": "[fe80::1]", "[fe80::1%25eth0]": "[fe80::1]", "[fe80::1%eth0]:8080": "[fe80::1]:8080", "::ffff:1.2.3.4": "[::ffff:1.2.3.4]",
		"": "", "dead:beef": "", "1:2": "", "a:b:c": "", "1.2.3.4%eth0": "", "[::1": "", "[::1%x]y": "", "[::1%x]:port": "", "::1]": "", "%": "", "::1, evil": "", "evil%::1": "",
	} {
		if got := LooseHost(s); got != want || got != "" && !IsAuthority(got) {
			t.Errorf("%q: %q", s, got)
		}
	}
}

func TestIsSubprotocol(t *testing.T) {
	for s, want := range map[string]bool{
		"chat": true, "jwebsocket.org/json": true, "a;b=(c)": true, "!~": true,
		"": false, "a b": false, "a\tb": false, "a,b": false, `"a"`: false, "a\x7f": false, "\xe9": false, "a\x00": false,
	} {
		if got := IsSubprotocol(s); got != want {
			t.Errorf("%q: %v", s, got)
		}
	}
}

func TestResponse(t *testing.T) {
	for head, want := range map[string]int{
		"HTTP/1.1 101 Web Socket Protocol Handshake\r\nA: b\r\n\r\n": 101,
		"HTTP/1.1 200\r\n\r\n":   200,
		"HTTP/1.0 404 \r\n\r\n":  404,
		"HTTP/1.1 1x1 A\r\n\r\n": 0, "HTTP/1.1 1011 A\r\n\r\n": 0, "HTTQ/1.1 101 A\r\n\r\n": 0, "101\r\n\r\n": 0,
	} {
		var r wire.Response
		err := ParseResponse(head, &r)
		if (err != nil) != (want == 0) || err == nil && r.Status != want {
			t.Errorf("%q: %d, %v", head, r.Status, err)
		}
	}
}

func TestEnd(t *testing.T) {
	const head = "GET / HTTP/1.1\r\nA: b\r\n\r\n8 bytes."
	for n := 0; n <= len(head); n++ {
		want := -1
		if n >= len(head)-8 {
			want = len(head) - 8
		}
		for from := 0; from <= n && from <= len(head)-9; from++ {
			if got := End([]byte(head[:n]), from); got != want {
				t.Fatalf("End of %d bytes from %d: %d, want %d", n, from, got, want)
			}
		}
	}
}
