package drafts_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/draftwire/draftwire/drafts"
	"github.com/draftwire/draftwire/internal/hixie"
	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/wire"
)

// offerOf is what a client was asked for when it sent its golden request.
func offerOf(t *testing.T, c drafts.Client) *wire.Offer {
	t.Helper()
	head, _, _ := strings.Cut(string(c.Request()), "\r\n\r\n")
	var req wire.Request
	if err := httphead.ParseRequest(head+"\r\n\r\n", &req); err != nil {
		t.Fatal(err)
	}
	o := &wire.Offer{Target: req.Target, Host: req.Host(), Origin: req.Fields.Get("Origin")}
	if s := req.Fields.Get("Sec-WebSocket-Origin"); s != "" {
		o.Origin = s
	}
	if !strings.Contains(o.Origin, "://") {
		o.Origin = ""
	}
	for _, name := range []string{"Sec-WebSocket-Protocol", "WebSocket-Protocol"} {
		o.Protocols = append(o.Protocols, req.Fields.List(name)...)
	}
	for _, f := range req.Fields {
		if f.Name == "Cookie" && f.Value != "" {
			o.Fields = append(o.Fields, f)
		}
	}
	return o
}

var keyLine = regexp.MustCompile(`(?m)^(Sec-WebSocket-Key[12]?: ).*\r\n`)

// Asked for the same again, each client sends the same bytes, but for its keys.
func TestAskGolden(t *testing.T) {
	for _, c := range drafts.Clients(wire.Unknown) {
		pieces, err := c.Ask(offerOf(t, c), nil)
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		got := bytes.Join(pieces, nil)
		want := c.Request()
		if n := len(c.Tail) / 2; n > 0 {
			if bytes.Equal(got[len(got)-n:], want[len(want)-n:]) {
				t.Errorf("%s: the eight bytes are not new", c.Name)
			}
			got, want = got[:len(got)-n], want[:len(want)-n]
		}
		a, b := keyLine.ReplaceAll(got, []byte("$1\r\n")), keyLine.ReplaceAll(want, []byte("$1\r\n"))
		if !bytes.Equal(a, b) {
			t.Errorf("%s sends\n%q\nnot\n%q", c.Name, a, b)
		}
		if c.Sending.Keys != drafts.NoKey && bytes.Equal(got, want) {
			t.Errorf("%s: the keys are not new", c.Name)
		}
		if apart := len(pieces) == 2; apart != c.Sending.Apart || apart && len(pieces[1]) != 8 {
			t.Errorf("%s: %d pieces", c.Name, len(pieces))
		}
	}
}

// What is asked for takes the place of what stood in the golden request, where the client has it.
func TestAskReplaces(t *testing.T) {
	ask := func(name string, o *wire.Offer) string {
		c, ok := drafts.ClientNamed(name)
		pieces, err := c.Ask(o, nil)
		if !ok || err != nil {
			t.Fatal(name, ok, err)
		}
		return string(bytes.Join(pieces, nil))
	}
	own := wire.Offer{Target: "/x?y", Host: "h.example:81", Origin: "http://h.example:81"}
	other := own
	other.Origin, other.Protocols = "http://page.example", []string{"a", "b"}
	other.Fields = wire.Fields{{Name: "user-agent", Value: "me"}, {Name: "X-More", Value: "1"}, {Name: "Cookie", Value: "c=d"}}
	secure := own
	secure.Secure, secure.Origin = true, ""
	for _, tt := range []struct {
		name string
		o    *wire.Offer
		want string // these parts, in this order
	}{
		{"chrome4", &own, "GET /x?y HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nHost: h.example:81\r\nOrigin: http://h.example:81\r\n\r\n"},
		{"chrome4", &other, "Origin: http://page.example\r\nWebSocket-Protocol: a b\r\nuser-agent: me\r\nX-More: 1\r\nCookie: c=d\r\n\r\n"},
		{"safari5.1", &own, "Origin: http://h.example:81\r\nSec-WebSocket-Key1: "},
		{"safari5.1", &other, "Origin: http://page.example\r\nSec-WebSocket-Protocol: a b\r\nCookie: c=d\r\nSec-WebSocket-Key1: "},
		{"ios5", &other, "Origin: http://page.example\r\nSec-WebSocket-Protocol: a b\r\nSec-WebSocket-Key1: "},
		{"flash", &own, "Cookie: \r\nSec-WebSocket-Key1: "},
		{"flash", &other, "\r\nWebSocket-Protocol: a,b\r\n"},
		{"arduino", &own, "Origin: ArduinoWebSocketClient\r\n\r\n"},
		{"arduino", &other, "Origin: http://page.example\r\n"},
		{"ws0.4", &own, "Origin: h.example:81\r\nSec-WebSocket-Version: 13\r\n"},
		{"ws0.4", &other, "Origin: http://page.example\r\n"},
		{"ws0.4-hybi08", &other, "Host: h.example:81\r\nOrigin: h.example:81\r\nSec-WebSocket-Version: 8\r\n"},
		{"ws0.4-hybi08", &other, "Sec-WebSocket-Origin: http://page.example\r\nSec-WebSocket-Protocol: a, b\r\n"},
		{"phantomjs2.1", &other, "Sec-WebSocket-Protocol: a, b\r\nPragma: no-cache\r\n"},
		{"phantomjs2.1", &other, "User-Agent: me\r\nX-More: 1\r\nCookie: c=d\r\n\r\n"},
		{"chrome14", &secure, "Sec-WebSocket-Origin: https://h.example:81\r\n"},
	} {
		if got := ask(tt.name, tt.o); !strings.Contains(got, tt.want) {
			t.Errorf("%s sends\n%q\nwithout\n%q", tt.name, got, tt.want)
		}
	}
}

// Keys have the form that is theirs, and what package hixie makes of them.
func TestAskKeys(t *testing.T) {
	for _, c := range drafts.Clients(wire.Unknown) {
		for range 50 {
			pieces, err := c.Ask(&wire.Offer{Target: "/", Host: "h"}, nil)
			if err != nil {
				t.Fatal(err)
			}
			all := keyLine.FindAllString(string(pieces[0]), -1)
			var values []string
			for _, l := range all {
				_, v, _ := strings.Cut(l, ": ")
				values = append(values, strings.TrimSuffix(v, "\r\n"))
			}
			switch c.Sending.Keys {
			case drafts.NoKey:
				if all != nil {
					t.Fatalf("%s: %q", c.Name, all)
				}
			case drafts.Challenge, drafts.ChallengeZ:
				for _, v := range values {
					if _, uneven, err := hixie.Part(c.Version, "key", v); err != nil || uneven || c.Sending.Keys == drafts.ChallengeZ && strings.ContainsAny(v, "{|}~") {
						t.Fatalf("%s: %q: %v, %v", c.Name, v, uneven, err)
					}
				}
			case drafts.VersionTime:
				if b, err := base64.StdEncoding.DecodeString(values[0]); err != nil || !regexp.MustCompile(`^(8|13)-\d{13}$`).Match(b) {
					t.Fatalf("%s: %q, %v", c.Name, b, err)
				}
			default:
				b, err := base64.StdEncoding.DecodeString(values[0])
				if high := slices.ContainsFunc(b, func(c byte) bool { return c > 0x7F }); err != nil || len(b) != 16 || high && c.Sending.Keys == drafts.SixteenLow {
					t.Fatalf("%s: %q, %v", c.Name, b, err)
				}
			}
		}
	}
}

// A source of keys that ends is an error.
func TestAskFails(t *testing.T) {
	for _, name := range []string{"ios5", "flash", "flash13"} {
		c, _ := drafts.ClientNamed(name)
		for n := range 12 {
			if _, err := c.Ask(&wire.Offer{Target: "/", Host: "h"}, strings.NewReader(strings.Repeat("x", n))); err == nil {
				t.Errorf("%s: %d bytes for keys are enough", name, n)
			}
		}
	}
	if _, ok := drafts.ClientNamed("netscape"); ok {
		t.Error("there is a client that nobody has seen")
	}
}

// What a client does stands in JSON in words, and is read from it again.
func TestSendingJSON(t *testing.T) {
	for _, c := range drafts.Clients(wire.Unknown) {
		b, err := json.Marshal(c.Sending)
		var again drafts.Sending
		if err := errors.Join(err, json.Unmarshal(b, &again)); err != nil || again.Keys != c.Sending.Keys || again.Ends != c.Sending.Ends || again.Answers != c.Sending.Answers {
			t.Errorf("%s: %s is %+v, %v", c.Name, b, again, err)
		}
		checkCitations(t, c.Name+", closing", c.Sending.Closing)
		if strings.Contains(string(b), "invalid") {
			t.Errorf("%s: %s", c.Name, b)
		}
	}
	var k drafts.KeyForm
	if k.UnmarshalText([]byte("x")) == nil || drafts.KeyForm(99).String() != "invalid" || drafts.Ending(99).String() != "invalid" {
		t.Error("an unknown name is read")
	}
}
