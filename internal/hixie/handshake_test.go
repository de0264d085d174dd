package hixie

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/draftwire/draftwire/wire"
)

func TestLocation(t *testing.T) {
	for _, tc := range []struct {
		secure             bool
		host, target, want string
	}{
		{false, "example.com", "/demo?a=B", "ws://example.com/demo?a=B"},
		{true, "example.com", "/", "wss://example.com/"},
		{false, "Example.COM:8080", "/A", "ws://example.com:8080/A"}, // only the host is in lower case
		{false, "example.com:80", "/", "ws://example.com/"},
		{true, "example.com:443", "/", "wss://example.com/"},
		{false, "example.com:443", "/", "ws://example.com:443/"}, // the port of the other scheme
		{true, "example.com:80", "/", "wss://example.com:80/"},
	} {
		if got := Location(tc.secure, tc.host, tc.target); got != tc.want {
			t.Errorf("%v, %q, %q: %q, want %q", tc.secure, tc.host, tc.target, got, tc.want)
		}
	}
}

func TestRepeatOrigin(t *testing.T) {
	for origin, want := range map[string]string{
		"": "null", "null": "null", "HTTP://Example.com": "http://example.com", "http://\u00c9.com": "http://\u00c9.com",
	} {
		if got := RepeatOrigin(origin); got != want {
			t.Errorf("%q: %q, want %q", origin, got, want)
		}
	}
}

func TestRequireField(t *testing.T) {
	one := wire.Field{Name: "upgrade", Value: "WebSocket"}
	for _, tc := range []struct {
		name   string
		fields wire.Fields
		ok     bool
	}{
		{"once, in any case of the name", wire.Fields{{Name: "A", Value: "b"}, one}, true},
		{"not at all", wire.Fields{{Name: "A", Value: "b"}}, false},
		{"twice", wire.Fields{one, one}, false},
		{"with another case of the value", wire.Fields{{Name: "Upgrade", Value: "websocket"}}, false},
	} {
		err := RequireField(wire.Hixie76, tc.fields, "Upgrade", "WebSocket")
		he, _ := errors.AsType[*wire.HandshakeError](err)
		if (err == nil) != tc.ok || err != nil && (he == nil || he.Reason != wire.ReasonBadResponse || he.Version != wire.Hixie76) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

// The keys of the example of hixie-76 1.2.
const key1, key2, key3, answer = "4 @1  46546xW%0l 1 5", "12998 5 Y3 1  .P00", "^n:ds[4U", "8jKS'y:G*Co,Wxa-"

var (
	profile76 = &HandshakeProfile{Version: wire.Hixie76, WholeProtocol: true}
	profile02 = &HandshakeProfile{Version: wire.Hybi02, Draft: "2"}
)

// request is a request with both keys and more fields, given as name and value in turn.
func request(more ...string) *wire.Request {
	f := wire.Fields{{Name: "Sec-WebSocket-Key1", Value: key1}, {Name: "Sec-WebSocket-Key2", Value: key2}}
	for p := range slices.Chunk(more, 2) {
		f = append(f, wire.Field{Name: p[0], Value: p[1]})
	}
	return &wire.Request{Fields: f}
}

func TestReadRequest(t *testing.T) {
	many := strings.Repeat("p ", wire.MaxOffers) + "last"
	for _, tc := range []struct {
		name string
		p    *HandshakeProfile
		req  *wire.Request
		want wire.ClientRequest
	}{
		{"nothing", profile76, request(), wire.ClientRequest{WholeProtocol: true}},
		{"an origin", profile76, request("Origin", "http://a"), wire.ClientRequest{Origin: "http://a", HasOrigin: true, WholeProtocol: true}},
		{"an empty origin is one", profile76, request("Origin", ""), wire.ClientRequest{HasOrigin: true, WholeProtocol: true}},
		{"hixie-76: one string", profile76, request("Sec-WebSocket-Protocol", "a b"), wire.ClientRequest{Protocols: []string{"a b"}, WholeProtocol: true}},
		{"Flash: the older name", profile76, request("WebSocket-Protocol", "a"), wire.ClientRequest{Protocols: []string{"a"}, WholeProtocol: true}},
		{"the newer name goes before", profile76, request("WebSocket-Protocol", "a", "Sec-WebSocket-Protocol", "b"), wire.ClientRequest{Protocols: []string{"b"}, WholeProtocol: true}},
		{"hybi-02: a list", profile02, request("Sec-WebSocket-Protocol", " a\tb  c\u0085d "), wire.ClientRequest{Protocols: []string{"a", "b", "c\u0085d"}}},
		{"hybi-02: a long list", profile02, request("Sec-WebSocket-Protocol", many), wire.ClientRequest{Protocols: slices.Repeat([]string{"p"}, wire.MaxOffers)}},
	} {
		var got wire.ClientRequest
		s := Server{Profile: tc.p}
		if err := s.ReadRequest(tc.req, &got); err != nil || got.Origin != tc.want.Origin || got.HasOrigin != tc.want.HasOrigin ||
			got.WholeProtocol != tc.want.WholeProtocol || !slices.Equal(got.Protocols, tc.want.Protocols) || got.Extensions != nil {
			t.Errorf("%s: %+v, %v", tc.name, got, err)
		}
	}
	for i := range 2 { // either key
		req := request()
		req.Fields[i].Value = "no digits"
		err := (&Server{Profile: profile76}).ReadRequest(req, new(wire.ClientRequest))
		if he, _ := errors.AsType[*wire.HandshakeError](err); he == nil || he.Reason != wire.ReasonChallenge || !strings.Contains(he.Detail, req.Fields[i].Name) {
			t.Errorf("key %d: %v", i+1, err)
		}
	}
}

// The answer, whose head goes before the client's eight bytes have come.
func TestServerHead(t *testing.T) {
	for _, tc := range []struct {
		name string
		req  *wire.Request
		acc  wire.Accept
		want string
	}{
		{"the least", request(), wire.Accept{Location: "ws://h/"},
			"Sec-WebSocket-Origin: null\r\nSec-WebSocket-Location: ws://h/\r\n"},
		{"all of it", request("Origin", "http://EXAMPLE.com"), wire.Accept{Location: "ws://h/", Protocol: "a b", Fields: wire.Fields{{Name: "Set-Cookie", Value: "c=d"}}},
			"Sec-WebSocket-Origin: http://example.com\r\nSec-WebSocket-Location: ws://h/\r\nSec-WebSocket-Protocol: a b\r\nSet-Cookie: c=d\r\n"},
	} {
		s := Server{Profile: profile76}
		if err := s.ReadRequest(tc.req, new(wire.ClientRequest)); err != nil {
			t.Fatal(err)
		}
		head, body := s.Head([]byte("before"), &tc.acc)
		want := "beforeHTTP/1.1 101 WebSocket Protocol Handshake\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n" + tc.want + "\r\n"
		if string(head) != want || body != Key3Size {
			t.Errorf("%s: %q, %d", tc.name, head, body)
		}
		if tail := s.Tail([]byte("before"), []byte(key3)); string(tail) != "before"+answer {
			t.Errorf("%s: the tail %q", tc.name, tail)
		}
	}
}

// A client's request, and what it makes of answers. Each row changes one field of a right
// answer, or with a plus adds one.
func TestClient(t *testing.T) {
	offer := wire.Offer{Target: "/chat", Host: "Example.com:80", Origin: "http://O", Protocols: []string{"a", "b"}, Fields: wire.Fields{{Name: "Cookie", Value: "c=d"}}}
	for _, tc := range []struct {
		name     string
		p        *HandshakeProfile
		none     bool // no subprotocols are offered
		status   int
		field    string
		value    string
		reason   wire.Reason // "" for none
		protocol string
	}{
		{"hixie-76: right", profile76, false, 101, "", "", "", "a b"},
		{"refused", profile76, false, 403, "", "", wire.ReasonRefused, ""},
		{"the case of Upgrade counts", profile76, false, 101, "Upgrade", "websocket", wire.ReasonBadResponse, ""},
		{"the case of Connection does not", profile76, false, 101, "Connection", "UPGRADE", "", "a b"},
		{"a Connection of two members", profile76, false, 101, "Connection", "Upgrade, close", wire.ReasonBadResponse, ""},
		{"two Connections", profile76, false, 101, "+Connection", "Upgrade", wire.ReasonBadResponse, ""},
		{"another origin", profile76, false, 101, "Sec-WebSocket-Origin", "http://O", wire.ReasonBadResponse, ""},
		{"another location", profile76, false, 101, "Sec-WebSocket-Location", "ws://example.com:80/chat", wire.ReasonBadResponse, ""},
		{"hixie-76: one of the subprotocols", profile76, false, 101, "Sec-WebSocket-Protocol", "a", wire.ReasonBadResponse, "a b"},
		{"two subprotocols", profile76, false, 101, "+Sec-WebSocket-Protocol", "a b", wire.ReasonBadResponse, "a b"},
		{"a subprotocol that nobody asked for is ignored", profile76, true, 101, "+Sec-WebSocket-Protocol", "x", "", ""},
		{"hybi-02: one of the subprotocols", profile02, false, 101, "Sec-WebSocket-Protocol", "b", "", "b"},
		{"hybi-02: all of them", profile02, false, 101, "", "", wire.ReasonNotOffered, "a b"},
		{"hybi-02: none of them", profile02, false, 101, "-Sec-WebSocket-Protocol", "", "", ""},
		{"hybi-02: two answers", profile02, false, 101, "+Sec-WebSocket-Protocol", "b", wire.ReasonNotOffered, "a b"},
	} {
		offer, c := offer, Client{Profile: tc.p}
		if tc.none {
			offer.Protocols = nil
		}
		head, err := c.Head([]byte("before"), &offer)
		lines := "beforeGET /chat HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nHost: Example.com:80\r\nOrigin: http://O\r\n"
		if !tc.none {
			lines += "Sec-WebSocket-Protocol: a b\r\n"
		}
		if tc.p.Draft != "" {
			lines += "Sec-WebSocket-Draft: 2\r\n"
		}
		rest, ok := strings.CutPrefix(string(head), lines+"Cookie: c=d\r\nSec-WebSocket-Key1: ")
		first, rest, ok2 := strings.Cut(rest, "\r\nSec-WebSocket-Key2: ")
		second, third, ok3 := strings.Cut(rest, "\r\n\r\n")
		if err != nil || !ok || !ok2 || !ok3 || len(third) != Key3Size {
			t.Errorf("%s: %q, %v", tc.name, head, err)
			continue
		}

		resp := wire.Response{Status: tc.status}
		for _, f := range []wire.Field{{Name: "Upgrade", Value: "WebSocket"}, {Name: "Connection", Value: "Upgrade"}, {Name: "Sec-WebSocket-Origin", Value: "http://o"},
			{Name: "Sec-WebSocket-Location", Value: "ws://example.com/chat"}, {Name: "Sec-WebSocket-Protocol", Value: "a b"}} {
			if f.Name == tc.field {
				f.Value = tc.value
			}
			if f.Name != "Sec-WebSocket-Protocol" || !tc.none && tc.field != "-"+f.Name {
				resp.Fields = append(resp.Fields, f)
			}
		}
		if name, add := strings.CutPrefix(tc.field, "+"); add {
			resp.Fields = append(resp.Fields, wire.Field{Name: name, Value: tc.value})
		}
		var acc wire.Accept
		body, err := c.Check(&resp, &acc)
		he, _ := errors.AsType[*wire.HandshakeError](err)
		switch {
		case acc.Protocol != tc.protocol:
			t.Errorf("%s: subprotocol %q, want %q", tc.name, acc.Protocol, tc.protocol)
		case tc.reason != "" && (he == nil || he.Reason != tc.reason || he.Version != tc.p.Version || body != 0):
			t.Errorf("%s: %d, %v, want %s", tc.name, body, err, tc.reason)
		case tc.reason == "" && (err != nil || body != AnswerSize):
			t.Errorf("%s: %d, %v", tc.name, body, err)
		}

		// The proof is the server's answer to these keys.
		part1, _, err1 := Part(tc.p.Version, "Key1", first)
		part2, _, err2 := Part(tc.p.Version, "Key2", second)
		proof := Answer(part1, part2, []byte(third))
		if err := c.CheckBody(proof[:]); err != nil || err1 != nil || err2 != nil {
			t.Errorf("%s: proof: %v, %v, %v", tc.name, err, err1, err2)
		}
		proof[0]++
		if he, _ := errors.AsType[*wire.HandshakeError](c.CheckBody(proof[:])); he == nil || he.Reason != wire.ReasonBadAccept {
			t.Errorf("%s: a wrong proof: %v", tc.name, he)
		}
	}
}

// Without randomness there is no request: each key needs 40 bytes, and the last takes 8.
func TestClientWithoutRandomness(t *testing.T) {
	for n, ok := range map[int]bool{0: false, 39: false, 40: false, 79: false, 80: false, 87: false, 88: true} {
		c := Client{Profile: profile76, Rand: strings.NewReader(strings.Repeat("r", n))}
		head, err := c.Head([]byte("before"), &wire.Offer{})
		if (err == nil) != ok || !ok && (string(head) != "before" || err != io.EOF && err != io.ErrUnexpectedEOF) {
			t.Errorf("%d bytes: %q, %v", n, head, err)
		}
	}
}
