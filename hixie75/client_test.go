package hixie75

import (
	"errors"
	"strings"
	"testing"

	"github.com/draftwire/draftwire/wire"
)

var asked = wire.Offer{Target: "/demo", Host: "example.com", Origin: "http://example.com"}

// A client that wants no subprotocol says nothing of one, and several are one string.
func TestClientProtocols(t *testing.T) {
	for _, tt := range []struct {
		protocols []string
		want      string
	}{
		{nil, ""},
		{[]string{"sample"}, "WebSocket-Protocol: sample\r\n"},
		{[]string{"a", "b"}, "WebSocket-Protocol: a b\r\n"},
	} {
		o := asked
		o.Protocols = tt.protocols
		head, err := Draft.NewClient(nil).Head(nil, &o)
		want := "GET /demo HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n" +
			"Host: example.com\r\nOrigin: http://example.com\r\n" + tt.want + "\r\n"
		if err != nil || string(head) != want {
			t.Errorf("%q: %q, %v", tt.protocols, head, err)
		}
	}
}

// The first three lines are compared byte by byte. A client that tolerates others still
// wants each of the two fields once, with its value.
func TestClientFirstLines(t *testing.T) {
	const status = "HTTP/1.1 101 Switching Protocols"
	upgrade, connection := wire.Field{Name: "Upgrade", Value: "WebSocket"}, wire.Field{Name: "Connection", Value: "Upgrade"}
	for _, tt := range []struct {
		name      string
		first     wire.Fields
		excusable bool
	}{
		{"another status line", wire.Fields{upgrade, connection}, true},
		{"another order", wire.Fields{connection, upgrade}, true},
		{"another case", wire.Fields{{Name: "upgrade", Value: "websocket"}, {Name: "connection", Value: "upgrade"}}, true},
		{"no Upgrade", wire.Fields{connection}, false},
		{"no Connection", wire.Fields{upgrade}, false},
		{"Upgrade twice", wire.Fields{upgrade, upgrade, connection}, false},
		{"Connection twice", wire.Fields{upgrade, connection, connection}, false},
		{"another Upgrade", wire.Fields{{Name: "Upgrade", Value: "h2c"}, connection}, false},
		{"another Connection", wire.Fields{upgrade, {Name: "Connection", Value: "close"}}, false},
	} {
		fields := append(tt.first, wire.Field{Name: "WebSocket-Origin", Value: "http://example.com"},
			wire.Field{Name: "WebSocket-Location", Value: "ws://example.com/demo"})
		raw := status + "\r\n" + string(fields.Append(nil)) + "\r\n"
		for _, tolerated := range []wire.Tolerances{0, wire.TolerateFirstLines} {
			c := Draft.NewClient(nil)
			if _, err := c.Head(nil, &asked); err != nil {
				t.Fatal(err)
			}
			resp := &wire.Response{Line: status, Status: 101, Fields: fields, Raw: raw, Tolerate: tolerated}
			_, err := c.Check(resp, new(wire.Accept))
			if accepted := tt.excusable && tolerated != 0; (err == nil) != accepted || resp.Tolerated.Has(wire.TolerateFirstLines) != accepted {
				t.Errorf("%s, tolerated %v: %v, noted %v", tt.name, tolerated, err, resp.Tolerated)
			}
			// What may be excused is said only of what would be.
			if he, ok := errors.AsType[*wire.HandshakeError](err); err != nil && (!ok || (he.Tolerance != 0) != tt.excusable || !strings.Contains(err.Error(), "first three lines")) {
				t.Errorf("%s, tolerated %v: %v", tt.name, tolerated, err)
			}
		}
	}
}
