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
