package explain

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// loggedLine is a line of the log of the gateway or of draftwire serve, as they write it, with
// the connections of cases.json, and what it says.
type loggedLine struct {
	Line   string `json:"line"`
	Result Result `json:"result"` // "": Fails
	Cause  string `json:"cause"`
}

func TestLine(t *testing.T) {
	p, err := os.ReadFile("testdata/lines.json")
	if err != nil {
		t.Fatal(err)
	}
	var lines []loggedLine
	if err := json.Unmarshal(p, &lines); err != nil {
		t.Fatal(err)
	}
	for _, l := range lines {
		if l.Result == "" {
			l.Result = Fails
		}
		x, ok := Line(l.Line)
		if !ok {
			t.Errorf("not read: %s", l.Line)
			continue
		}
		if x.Result != l.Result || x.Cause != l.Cause {
			t.Errorf("%s\nis %s %s (%s), want %s %s", l.Line, x.Result, x.Cause, x.Says, l.Result, l.Cause)
		}
	}
	for _, no := range []string{"", "GET / HTTP/1.1", `{"a":1}`, `{"msg":"x"}`, "level= msg=", `{"msg":"x","level":"y"`, strings.Repeat("x", maxLine+1)} {
		if x, ok := Line(no); ok {
			t.Errorf("%.40q is read as %+v", no, x)
		}
		if x, ok := Message(no); ok {
			t.Errorf("%.40q is read as %+v", no, x)
		}
	}
}

// TestMessages holds that what browsers write to their consoles is read.
func TestMessages(t *testing.T) {
	for _, x := range []struct{ text, cause string }{
		{"Error during WebSocket handshake: 'Upgrade' header is missing", "upgrade-missing"},
		{"Error during WebSocket handshake: 'Connection' header value is not 'Upgrade'", "connection-value"},
		{"Error during WebSocket handshake: origin mismatch: http://a.example != http://b.example", "origin-mismatch"},
		{"Error during WebSocket handshake: location mismatch: ws://a.example/x != ws://a.example/", "location-path"},
		{"Error during WebSocket handshake: location mismatch: ws://a.example/x != ws://b.example/x", "location-host"},
		{"Error during WebSocket handshake: protocol mismatch: a b != b", "protocol-part"},
		{"Error during WebSocket handshake: protocol mismatch: a != b", "protocol-mismatch"},
		{"WebSocket connection to 'ws://a/' failed: Error during WebSocket handshake: Unexpected response code: 403", "origin-refused"},
		{"WebSocket connection to 'ws://a/' failed: Error during WebSocket handshake: Unexpected response code: 504", "backend-slow"},
		{"WebSocket connection to 'ws://a/' failed: Error during WebSocket handshake: Unexpected response code: 418", "denied"},
		{"WebSocket connection to 'wss://a/' failed: Error in connection establishment: net::ERR_CERT_DATE_INVALID", "tls-certificate"},
		{"WebSocket connection to 'wss://a/' failed: Error in connection establishment: net::ERR_SSL_VERSION_OR_CIPHER_MISMATCH", "tls-nothing-shared"},
		{"WebSocket connection to 'ws://a/' failed: A server must not mask any frames that it sends to the client.", "masked"},
	} {
		if got, ok := Message(x.text); !ok || got.Cause != x.cause || got.Result != Fails {
			t.Errorf("%s: %v, %+v; want %s", x.text, ok, got, x.cause)
		}
	}
}
