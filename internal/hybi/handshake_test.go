package hybi

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/draftwire/draftwire/wire"
)

// The handshake of RFC 6455 1.2, and the nonce of hybi-04.
const (
	sampleKey    = "dGhlIHNhbXBsZSBub25jZQ=="
	sampleAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
	random       = "the sample nonce"
)

var (
	handshake04   = &HandshakeProfile{Version: wire.Hybi04, Origins: []string{"Sec-WebSocket-Origin", "Origin"}, Nonce: true, MaskKey: true}
	handshake05   = &HandshakeProfile{Version: wire.Hybi05, Origins: []string{"Sec-WebSocket-Origin", "Origin"}, Nonce: true}
	handshake6455 = &HandshakeProfile{Version: wire.RFC6455, Origins: []string{"Origin"}}
)

func TestAppendAccept(t *testing.T) {
	if got := string(AppendAccept([]byte("Sec-WebSocket-Accept: "), sampleKey)); got != "Sec-WebSocket-Accept: "+sampleAccept {
		t.Error(got)
	}
}

// What the server reads of a request: the origin from the first field of the draft's that
// is there, lists of offers up to a limit.
func TestReadRequest(t *testing.T) {
	many := strings.Repeat("p,", wire.MaxOffers) + "last"
	for _, tc := range []struct {
		name   string
		p      *HandshakeProfile
		fields wire.Fields
		want   wire.ClientRequest
	}{
		{"nothing", handshake6455, nil, wire.ClientRequest{}},
		{"an empty origin is one", handshake6455, wire.Fields{{Name: "Origin"}}, wire.ClientRequest{HasOrigin: true}},
		{"RFC 6455 has one field for it", handshake6455, wire.Fields{{Name: "Sec-WebSocket-Origin", Value: "http://a"}}, wire.ClientRequest{}},
		{"hybi-04: the first name goes before", handshake04, wire.Fields{{Name: "Origin", Value: "http://b"}, {Name: "Sec-WebSocket-Origin", Value: "http://a"}},
			wire.ClientRequest{Origin: "http://a", HasOrigin: true}},
		{"hybi-04: the second name counts too", handshake04, wire.Fields{{Name: "Origin", Value: "http://b"}}, wire.ClientRequest{Origin: "http://b", HasOrigin: true}},
		{"lists", handshake6455, wire.Fields{{Name: "Sec-WebSocket-Protocol", Value: "chat, superchat"}, {Name: "Sec-WebSocket-Extensions", Value: `a; b="c,d"`}, {Name: "Sec-WebSocket-Extensions", Value: "e"}},
			wire.ClientRequest{Protocols: []string{"chat", "superchat"}, Extensions: []string{`a; b="c,d"`, "e"}}},
		{"long lists", handshake6455, wire.Fields{{Name: "Sec-WebSocket-Protocol", Value: many}, {Name: "Sec-WebSocket-Extensions", Value: many}},
			wire.ClientRequest{Protocols: slices.Repeat([]string{"p"}, wire.MaxOffers), Extensions: slices.Repeat([]string{"p"}, wire.MaxOffers)}},
	} {
		s := Server{Profile: tc.p, Rand: strings.NewReader(random)}
		var got wire.ClientRequest
		if err := s.ReadRequest(&wire.Request{Fields: tc.fields}, &got); err != nil || got.Origin != tc.want.Origin || got.HasOrigin != tc.want.HasOrigin ||
			got.WholeProtocol || !slices.Equal(got.Protocols, tc.want.Protocols) || !slices.Equal(got.Extensions, tc.want.Extensions) {
			t.Errorf("%s: %+v, %v", tc.name, got, err)
		}
	}
	s := Server{Profile: handshake04, Rand: strings.NewReader("short")}
	if err := s.ReadRequest(&wire.Request{}, &wire.ClientRequest{}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("no randomness for a nonce: %v", err)
	}
}

func TestServerHead(t *testing.T) {
	const lines = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + sampleAccept + "\r\n"
	for _, tc := range []struct {
		name    string
		p       *HandshakeProfile
		acc     wire.Accept
		want    string
		maskKey string
	}{
		{"the least", handshake6455, wire.Accept{}, "", ""},
		{"all of it", handshake6455, wire.Accept{Protocol: "chat", Extensions: "permessage-deflate", Fields: wire.Fields{{Name: "X-A", Value: "1"}, {Name: "x-b", Value: "2"}}},
			"Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: permessage-deflate\r\nX-A: 1\r\nx-b: 2\r\n", ""},
		{"hybi-04: a nonce, and a key made of it", handshake04, wire.Accept{}, "Sec-WebSocket-Nonce: " + sampleKey + "\r\n", string(MaskKey(sampleKey, sampleKey))},
		{"hybi-05: a nonce for nothing", handshake05, wire.Accept{}, "Sec-WebSocket-Nonce: " + sampleKey + "\r\n", ""},
	} {
		s := Server{Profile: tc.p, Rand: strings.NewReader(random)}
		if err := s.ReadRequest(&wire.Request{Fields: wire.Fields{{Name: "sec-websocket-key", Value: sampleKey}}}, &wire.ClientRequest{}); err != nil {
			t.Fatal(err)
		}
		head, body := s.Head([]byte("before"), &tc.acc)
		if string(head) != "before"+lines+tc.want+"\r\n" || body != 0 || string(tc.acc.MaskKey) != tc.maskKey {
			t.Errorf("%s: %q, %d, key %x", tc.name, head, body, tc.acc.MaskKey)
		}
		if tail := s.Tail([]byte("before"), nil); string(tail) != "before" {
			t.Errorf("%s: a tail %q", tc.name, tail)
		}
	}
}

func TestClientHead(t *testing.T) {
	for _, tc := range []struct {
		name  string
		p     *HandshakeProfile
		offer wire.Offer
		want  string
	}{
		{"the least", handshake6455, wire.Offer{Target: "/", Host: "example.com"},
			"GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: " + sampleKey + "\r\n" +
				"Sec-WebSocket-Version: 13\r\n\r\n"},
		{"all of it", handshake6455, wire.Offer{Target: "/chat?a", Host: "example.com:8080", Origin: "http://o", Protocols: []string{"chat", "superchat"},
			Extensions: "permessage-deflate", Fields: wire.Fields{{Name: "Cookie", Value: "a=b"}}},
			"GET /chat?a HTTP/1.1\r\nHost: example.com:8080\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: " + sampleKey + "\r\n" +
				"Origin: http://o\r\nSec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Extensions: permessage-deflate\r\n" +
				"Sec-WebSocket-Version: 13\r\nCookie: a=b\r\n\r\n"},
		{"hybi-04: the origin's field", handshake04, wire.Offer{Target: "/", Host: "h", Origin: "http://o"},
			"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: " + sampleKey + "\r\n" +
				"Sec-WebSocket-Origin: http://o\r\nSec-WebSocket-Version: 4\r\n\r\n"},
	} {
		c := Client{Profile: tc.p, Rand: strings.NewReader(random)}
		if got, err := c.Head([]byte("before"), &tc.offer); err != nil || string(got) != "before"+tc.want {
			t.Errorf("%s: %q, %v", tc.name, got, err)
		}
	}
	c := Client{Profile: handshake6455, Rand: strings.NewReader("short")}
	if got, err := c.Head([]byte("before"), &wire.Offer{}); !errors.Is(err, io.ErrUnexpectedEOF) || string(got) != "before" {
		t.Errorf("no randomness for a key: %q, %v", got, err)
	}
}

// Without a Rand the key is random.
func TestClientKeyIsRandom(t *testing.T) {
	seen := make(map[string]bool)
	for range 3 {
		head, err := (&Client{Profile: handshake6455}).Head(nil, &wire.Offer{Target: "/"})
		if err != nil || seen[string(head)] {
			t.Errorf("%q again, %v", head, err)
		}
		seen[string(head)] = true
	}
}

// What a client makes of an answer. Each row changes a right answer: it sets a field (or
// removes it, with an empty value), or adds one with a plus before its name.
func TestClientCheck(t *testing.T) {
	type change struct{ name, value string }
	right := []change{{"Upgrade", "WebSocket"}, {"Connection", "keep-alive, Upgrade"}, {"Sec-WebSocket-Accept", sampleAccept}}
	for _, tc := range []struct {
		name    string
		p       *HandshakeProfile
		offer   wire.Offer
		status  int
		changes []change
		reason  wire.Reason // "" for none
		want    wire.Accept
	}{
		{"right", handshake6455, wire.Offer{}, 101, nil, "", wire.Accept{}},
		{"refused", handshake6455, wire.Offer{}, 403, nil, wire.ReasonRefused, wire.Accept{}},
		{"no Upgrade", handshake6455, wire.Offer{}, 101, []change{{"Upgrade", ""}}, wire.ReasonBadResponse, wire.Accept{}},
		{"another Upgrade", handshake6455, wire.Offer{}, 101, []change{{"Upgrade", "h2c"}}, wire.ReasonBadResponse, wire.Accept{}},
		{"two Upgrades", handshake6455, wire.Offer{}, 101, []change{{"+Upgrade", "websocket"}}, wire.ReasonBadResponse, wire.Accept{}},
		{"no Connection", handshake6455, wire.Offer{}, 101, []change{{"Connection", "keep-alive"}}, wire.ReasonBadResponse, wire.Accept{}},
		{"no proof", handshake6455, wire.Offer{}, 101, []change{{"Sec-WebSocket-Accept", ""}}, wire.ReasonBadAccept, wire.Accept{}},
		{"a wrong proof", handshake6455, wire.Offer{}, 101, []change{{"Sec-WebSocket-Accept", strings.ToLower(sampleAccept)}}, wire.ReasonBadAccept, wire.Accept{}},
		{"two proofs", handshake6455, wire.Offer{}, 101, []change{{"+Sec-WebSocket-Accept", sampleAccept}}, wire.ReasonBadAccept, wire.Accept{}},
		{"a subprotocol", handshake6455, wire.Offer{Protocols: []string{"a", "b"}}, 101, []change{{"+Sec-WebSocket-Protocol", "b"}}, "", wire.Accept{Protocol: "b"}},
		{"none of those offered", handshake6455, wire.Offer{Protocols: []string{"a", "b"}}, 101, nil, "", wire.Accept{}},
		{"a subprotocol that was not offered", handshake6455, wire.Offer{Protocols: []string{"a"}}, 101, []change{{"+Sec-WebSocket-Protocol", "b"}}, wire.ReasonNotOffered, wire.Accept{}},
		{"a subprotocol of none", handshake6455, wire.Offer{}, 101, []change{{"+Sec-WebSocket-Protocol", "b"}}, wire.ReasonNotOffered, wire.Accept{}},
		{"two subprotocols", handshake6455, wire.Offer{Protocols: []string{"a", "b"}}, 101, []change{{"+Sec-WebSocket-Protocol", "a"}, {"+Sec-WebSocket-Protocol", "b"}}, wire.ReasonNotOffered, wire.Accept{}},
		{"extensions", handshake6455, wire.Offer{Extensions: "x, y"}, 101, []change{{"+Sec-WebSocket-Extensions", "x,y"}, {"+Sec-WebSocket-Extensions", "z"}}, "", wire.Accept{Extensions: "x, y, z"}},
		{"an extension of none", handshake6455, wire.Offer{}, 101, []change{{"+Sec-WebSocket-Extensions", "x"}}, wire.ReasonNotOffered, wire.Accept{}},
		{"an empty list of extensions", handshake6455, wire.Offer{}, 101, []change{{"+Sec-WebSocket-Extensions", ""}}, "", wire.Accept{}},
		{"hybi-04: a nonce", handshake04, wire.Offer{}, 101, []change{{"+Sec-WebSocket-Nonce", "n"}}, "", wire.Accept{MaskKey: MaskKey(sampleKey, "n")}},
		{"hybi-04: no nonce", handshake04, wire.Offer{}, 101, nil, wire.ReasonBadResponse, wire.Accept{}},
		{"hybi-04: two nonces", handshake04, wire.Offer{}, 101, []change{{"+Sec-WebSocket-Nonce", "n"}, {"+Sec-WebSocket-Nonce", "n"}}, wire.ReasonBadResponse, wire.Accept{}},
		{"hybi-05: no nonce is needed", handshake05, wire.Offer{}, 101, nil, "", wire.Accept{}},
	} {
		c := Client{Profile: tc.p, Rand: strings.NewReader(random)}
		if _, err := c.Head(nil, &tc.offer); err != nil {
			t.Fatal(err)
		}
		resp := wire.Response{Status: tc.status}
		for _, f := range right {
			value := f.value
			for _, ch := range tc.changes {
				if ch.name == f.name {
					value = ch.value
				}
			}
			if value != "" {
				resp.Fields = append(resp.Fields, wire.Field{Name: f.name, Value: value})
			}
		}
		for _, ch := range tc.changes {
			if name, add := strings.CutPrefix(ch.name, "+"); add {
				resp.Fields = append(resp.Fields, wire.Field{Name: name, Value: ch.value})
			}
		}
		var acc wire.Accept
		body, err := c.Check(&resp, &acc)
		he, _ := errors.AsType[*wire.HandshakeError](err)
		switch {
		case body != 0:
			t.Errorf("%s: a body of %d bytes", tc.name, body)
		case tc.reason == "" && (err != nil || acc.Protocol != tc.want.Protocol || acc.Extensions != tc.want.Extensions || string(acc.MaskKey) != string(tc.want.MaskKey)):
			t.Errorf("%s: %+v, %v", tc.name, acc, err)
		case tc.reason != "" && (he == nil || he.Reason != tc.reason || he.Version != tc.p.Version):
			t.Errorf("%s: %v, want %s", tc.name, err, tc.reason)
		}
		if err := c.CheckBody(nil); err != nil {
			t.Errorf("%s: body: %v", tc.name, err)
		}
	}
}

// A draft names its version once.
func TestNewDraft(t *testing.T) {
	d := NewDraft(wire.Draft{Version: wire.Hybi07, TextSection: "6"}, HandshakeProfile{Origins: []string{"Origin"}}, FrameProfile{Chapter: "4", Opcodes: &Opcodes07})
	rand := strings.NewReader(random)
	client, server := d.NewClient(rand).(*Client), d.NewServer(rand).(*Server)
	if client.Profile.Version != wire.Hybi07 || server.Profile != client.Profile || client.Rand != rand || server.Rand != rand {
		t.Errorf("%+v, %+v", client, server)
	}
	codec := d.NewCodec(wire.CodecConfig{Role: wire.Client}).(*Codec)
	if codec.profile.Version != wire.Hybi07 || codec.role != wire.Client || d.TextSection != "6" {
		t.Errorf("%+v", codec)
	}
}
