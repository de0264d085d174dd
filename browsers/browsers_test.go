package browsers

import (
	"encoding/json"
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/draftwire/draftwire/internal/browsercases"
	"github.com/draftwire/draftwire/wire"
)

// requestOf is a request as the browser sends it for a case.
func requestOf(b Browser, c *browsercases.Case) []byte {
	path, query, asks := strings.Cut(c.Path, "?")
	if b.Version == wire.Hixie76 { // PhantomJS 1.9 decodes the path, and compares it so
		path, _ = url.PathUnescape(path)
	}
	if asks {
		path += "?" + query
	}
	lines := []string{"GET " + path + " HTTP/1.1", "Host: 127.0.1.1:8000", "Origin: http://127.0.0.1:8001"}
	tail := ""
	if b.Version == wire.Hixie76 {
		lines = append(lines, "Upgrade: WebSocket", "Connection: Upgrade", "Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5", "Sec-WebSocket-Key2: 12998 5 Y3 1  .P00")
		tail = "^n:ds[4U"
	} else {
		offer := "permessage-deflate; client_max_window_bits"
		if b.Name == "phantomjs2.1" || b.Name == "qtwebkit5.212" {
			offer = "x-webkit-deflate-frame"
		}
		lines = append(lines, "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Extensions: "+offer)
	}
	if c.Ask != "" {
		lines = append(lines, "Sec-WebSocket-Protocol: "+c.Ask)
	}
	return []byte(strings.Join(lines, "\r\n") + "\r\n\r\n" + tail)
}

var address = regexp.MustCompile(`127\.0\.\d+\.\d+(:\d+)?|localhost:\d+`)

// said is a message as it is written down: on one line, with other addresses.
func said(s string) string {
	if before, _, ok := strings.Cut(s, "CR doesn't follow LF"); ok {
		return before + "CR doesn't follow LF"
	}
	return address.ReplaceAllString(strings.Join(strings.Fields(s), " "), "HOST")
}

// What the browsers did, that were run, is what is said of them: the outcome of each case, and
// by what they wrote to their consoles also which comparison was the first to fail.
func TestSeen(t *testing.T) {
	all := browsercases.AllSeen()
	if len(all) < 5 {
		t.Errorf("%d browsers were run", len(all))
	}
	for name, seen := range all {
		b, err := Find(name)
		if err != nil {
			t.Fatal(err)
		}
		if b.Mark != Run {
			t.Errorf("%s was run, and has the mark %s", name, b.Mark)
		}
		played, wrong, told := 0, 0, 0
		for _, c := range browsercases.Cases() {
			outcome, ok := seen.Outcomes[c.Name]
			if c.Family != b.Version.String() {
				continue
			}
			if !ok {
				t.Errorf("%s: %s was not played", name, c.Name)
				continue
			}
			played++
			x := &Exchange{Request: requestOf(b, &c), Ended: c.End != ""}
			if x.Response, err = c.Expand(x.Request); err != nil {
				t.Fatal(err)
			}
			v, err := b.Check(x)
			if err != nil {
				t.Fatalf("%s: %s: %v", name, c.Name, err)
			}
			if v.Outcome.String() != outcome {
				t.Errorf("%s: %s: it %s, and the rules say that %s", name, c.Name, outcome, v)
			}
			if outcome != "opens" {
				wrong++
			}
			if m := seen.Said[c.Name]; m != "" {
				told++
				if said(m) != said(v.Message) {
					t.Errorf("%s: %s: it wrote %q, and the rules say %q", name, c.Name, m, v.Message)
				}
			}
		}
		t.Logf("%s (%s): %d answers, %d of which do not open, %d with a message", name, seen.Program, played, wrong, told)
		if played < 170 || wrong < 120 {
			t.Errorf("%s: %d answers, %d of which do not open", name, played, wrong)
		}
		if name == "phantomjs1.9" || name == "chrome" || name == "qtwebkit5.212" {
			if told < 80 {
				t.Errorf("%s: only %d messages", name, told)
			}
		}
	}
}

// Each rule is one that some browser fails at, and each browser fails somewhere.
func TestRulesAreReached(t *testing.T) {
	reached := map[string]bool{}
	for _, b := range All() {
		failed := 0
		for _, c := range browsercases.Cases() {
			if (c.Family == "hixie-76") != (b.Version == wire.Hixie75 || b.Version == wire.Hixie76) {
				continue
			}
			x := &Exchange{Request: requestFor(b), Ended: c.End != ""}
			if b.Version == wire.Hixie76 || b.Version == wire.RFC6455 {
				x.Request = requestOf(b, &c)
			}
			hixie := b
			if hixie.Version == wire.Hixie75 {
				hixie.Version = wire.Hixie76
			}
			response, err := c.Expand(requestOf(hixie, &c))
			if err != nil {
				t.Fatal(err)
			}
			x.Response = response
			v, err := b.Check(x)
			if err != nil {
				t.Fatalf("%s: %v", b.Name, err)
			}
			if v.Outcome == Opens {
				continue
			}
			failed++
			reached[v.Rule] = true
			if v.Says == v.Rule || len(v.From) == 0 || v.Says == "" {
				t.Errorf("%s: %s: %+v lacks what it says, or where it stands", b.Name, c.Name, v)
			}
		}
		if failed < 50 {
			t.Errorf("%s fails at %d answers only", b.Name, failed)
		}
	}
	var names []string
	for _, r := range Rules() {
		if slices.Contains(names, r.Name) {
			t.Errorf("%s stands twice", r.Name)
		}
		names = append(names, r.Name)
		if !reached[r.Name] {
			t.Errorf("no browser fails at %s", r.Name)
		}
	}
}

// requestFor is a request of the version that a browser speaks.
func requestFor(b Browser) []byte {
	lines := []string{"GET / HTTP/1.1", "Host: 127.0.1.1:8000", "Origin: http://127.0.0.1:8001"}
	switch b.Version {
	case wire.Hixie75:
		lines = append(lines, "WebSocket-Protocol: chat")
	case wire.Hixie76:
		return requestOf(b, &browsercases.Case{Path: "/"})
	case wire.Hybi07:
		lines = append(lines, "Sec-WebSocket-Version: 7", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Extensions: deflate-stream")
	case wire.Hybi08:
		lines = append(lines, "Sec-WebSocket-Version: 8", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
	default:
		return requestOf(b, &browsercases.Case{Path: "/"})
	}
	return []byte(strings.Join(lines, "\r\n") + "\r\n\r\n")
}

// judged returns what a browser makes of lines behind its own request, with more fields.
func judged(t *testing.T, name, fields, response string) Verdict {
	t.Helper()
	b, err := Find(name)
	if err != nil {
		t.Fatal(err)
	}
	request := strings.Replace(string(requestFor(b)), "\r\n\r\n", "\r\n"+fields+"\r\n", 1)
	v, err := b.Check(&Exchange{Request: []byte(request), Response: []byte(strings.ReplaceAll(response, "\n", "\r\n"))})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

const (
	proof76  = "8jKS'y:G*Co,Wxa-"
	accept   = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
	origin75 = "WebSocket-Origin: http://127.0.0.1:8001\n"
	url75    = "WebSocket-Location: ws://127.0.1.1:8000/\n"
	head75   = "HTTP/1.1 101 Web Socket Protocol Handshake\nUpgrade: WebSocket\nConnection: Upgrade\n"
	head76   = "HTTP/1.1 101 WebSocket Protocol Handshake\nUpgrade: WebSocket\nConnection: Upgrade\n"
	rest76   = "Sec-WebSocket-Origin: http://127.0.0.1:8001\nSec-WebSocket-Location: ws://127.0.1.1:8000/\n"
	head8    = "HTTP/1.1 101 Switching Protocols\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Accept: " + accept + "\n"
)

// The browsers that cannot be run: what was read in their source.
func TestRead(t *testing.T) {
	for _, c := range []struct {
		browser, fields, response string
		rule                      string // "" opens
	}{
		// WebKit of hixie-75 compares the first three lines as they are.
		{"chrome4", "", head75 + origin75 + url75 + "WebSocket-Protocol: chat\n\n", ""},
		{"safari5.0", "", head75 + url75 + "X: y\n" + origin75 + "WebSocket-Protocol: chat\n\n", ""},
		{"chrome4", "", head76 + origin75 + url75 + "WebSocket-Protocol: chat\n\n", ruleFirstLines},
		{"chrome4", "", strings.Replace(head75, "Upgrade: WebSocket", "Upgrade: websocket", 1) + origin75 + url75 + "\n", ruleFirstLines},
		{"chrome4", "", strings.Replace(head75, "Connection: Upgrade", "Connection: upgrade", 1) + origin75 + url75 + "\n", ruleFirstLines},
		{"chrome4", "", "HTTP/1.1 101 Web Socket Protocol Handshake\nConnection: Upgrade\nUpgrade: WebSocket\n" + origin75 + url75 + "\n", ruleFirstLines},
		{"chrome4", "", head75 + origin75 + url75 + "\n", ruleProtocolMissing},
		{"chrome4", "", head75 + origin75 + url75 + "WebSocket-Protocol: soap\n\n", ruleProtocol},
		{"chrome4", "", head75 + url75 + "\n", ruleOriginMissing},
		{"chrome4", "", head75 + origin75 + "\n", ruleLocationMissing},
		{"chrome4", "", "HTTP/1.1 404 Not Found, and a page behind it\n\n", ruleStatusCode},
		{"chrome4", "", head75 + origin75, ruleIncomplete},
		// WebKit of February 2011 does not look at Upgrade and Connection; that of May does.
		{"ios4", "", "HTTP/1.1 101 Web\n" + rest76 + "\n" + proof76, ""},
		{"safari5.1", "", "HTTP/1.1 101 Web\n" + rest76 + "\n" + proof76, ruleUpgradeMissing},
		// aleph 13: Chrome 11 fails where Chrome 10 opens, on Connection: close.
		{"chrome10", "", strings.Replace(head76, ": Upgrade", ": close", 1) + rest76 + "\n" + proof76, ""},
		{"chrome11", "", strings.Replace(head76, ": Upgrade", ": close", 1) + rest76 + "\n" + proof76, ruleConnValue},
		// Ratchet 49: Chrome 21 and a subprotocol without a value.
		{"chrome21", "", head8 + "Sec-WebSocket-Protocol:\n\n", ruleFieldSyntax},
		{"chrome9", "", head76 + rest76 + "\n" + proof76, ""},
		{"chrome9", "", head76 + strings.Replace(rest76, "/\n", "/x\n", 1) + "\n" + proof76, ruleLocation},
		{"qtwebkit4.8", "", strings.Replace(head76, ": Upgrade", ": keep-alive, Upgrade", 1) + rest76 + "\n" + proof76, ruleConnValue},
		{"ios5", "", head76 + rest76 + "X-Empty:\n\n" + proof76, ruleFieldSyntax},
		// Firefox 4 wants the letters of WebSocket, takes any letters of the origin, and both forms
		// of the URL.
		{"firefox4", "", head76 + rest76 + "\n" + proof76, ""},
		{"firefox5", "", strings.Replace(head76, "Upgrade: WebSocket", "Upgrade: websocket", 1) + rest76 + "\n" + proof76, ruleUpgradeValue},
		{"firefox4", "", head76 + strings.Replace(rest76, "http://127", "HTTP://127", 1) + "\n" + proof76, ""},
		{"firefox4", "", head76 + rest76 + "Server: a\nServer: b\n\n" + proof76, ruleFieldTwice},
		{"firefox4", "", head76 + rest76 + "X-Empty:\n\n" + proof76, ""},
		{"firefox4", "", head76 + rest76 + "X\n\n" + proof76, ruleFieldSyntax},
		{"firefox4", "", head76 + rest76 + "\n" + proof76[:15] + "x", ruleDigest},
		{"firefox4", "", "HTTP/1.1 101\n" + rest76 + "\n" + proof76, ruleStatusLine},
		// Firefox 6 to 10 take a list, ignore the subprotocol, and know deflate-stream.
		{"firefox6", "", strings.Replace(head8, ": Upgrade", ": keep-alive, Upgrade", 1) + "\n", ""},
		{"firefox6", "", head8 + "Sec-WebSocket-Extensions: deflate-stream\n\n", ""},
		{"firefox6", "", head8 + "Sec-WebSocket-Extensions: x\n\n", ruleExtensionUnasked},
		{"firefox8", "", head8 + "Sec-WebSocket-Extensions: deflate-stream\n\n", ruleExtensionUnasked},
		{"firefox7", "Sec-WebSocket-Protocol: chat\r\n", head8 + "Sec-WebSocket-Protocol: soap\n\n", ""},
		{"firefox10", "", strings.Replace(head8, accept, "x", 1) + "\n", ruleAccept},
		// Chrome 14 knows no extension, wants Connection to be Upgrade, and ignores the subprotocol.
		{"chrome14", "", head8 + "\n", ""},
		{"chrome15", "", head8 + "Sec-WebSocket-Extensions: x\n\n", ruleExtensionUnasked},
		{"chrome14", "", strings.Replace(head8, ": Upgrade", ": keep-alive, Upgrade", 1) + "\n", ruleConnValue},
		{"chrome14", "Sec-WebSocket-Protocol: chat\r\n", head8 + "Sec-WebSocket-Protocol: soap\n\n", ""},
		{"ie10", "", head8 + "\n", ""},
		{"ie11", "", head8 + "Sec-WebSocket-Protocol: soap\n\n", ruleProtocolUnasked},
	} {
		v := judged(t, c.browser, c.fields, c.response)
		if v.Rule != c.rule || (v.Outcome == Opens) != (c.rule == "") {
			t.Errorf("%s makes %q of %q, not %q", c.browser, v, c.response, c.rule)
		}
	}
}

// Messages that users have reported.
func TestReported(t *testing.T) {
	for _, c := range []struct{ browser, fields, response, message string }{
		// sockjs-client 137: Safari 5.1 behind a TLS terminator.
		{"safari5.1", "", head76 + strings.Replace(rest76, "ws://", "wss://", 1) + "\n" + proof76,
			"Error during WebSocket handshake: location mismatch: ws://127.0.1.1:8000/ != wss://127.0.1.1:8000/"},
		// Ratchet 79: a test client asks for the protocol hixie-76, and none is answered.
		{"safari5.1", "Sec-WebSocket-Protocol: hixie-76\r\n", head76 + rest76 + "\n" + proof76,
			"Error during WebSocket handshake: protocol mismatch: hixie-76 != "},
		// aleph 13: Chrome 11 compares what the answer repeats.
		{"chrome11", "", head76 + strings.Replace(rest76, "http://127.0.0.1:8001", "http://localhost:8001", 1) + "\n" + proof76,
			"Error during WebSocket handshake: origin mismatch: http://127.0.0.1:8001 != http://localhost:8001"},
	} {
		if v := judged(t, c.browser, c.fields, c.response); v.Message != c.message {
			t.Errorf("%s writes %q, not %q", c.browser, v.Message, c.message)
		}
	}
}

func TestSecureAndDefaultPort(t *testing.T) {
	b, _ := Find("phantomjs1.9")
	request := strings.Replace(string(requestFor(b)), "127.0.1.1:8000", "Example.com", 1)
	for location, secure := range map[string]bool{"ws://example.com/": false, "wss://example.com/": true} {
		response := head76 + "Sec-WebSocket-Origin: http://127.0.0.1:8001\nSec-WebSocket-Location: " + location + "\n\n"
		v, err := b.Check(&Exchange{Request: []byte(request), Response: []byte(strings.ReplaceAll(response, "\n", "\r\n") + proof76), Secure: secure})
		if err != nil || v.Outcome != Opens {
			t.Errorf("%s: %v, %v", location, v, err)
		}
	}
	f, _ := Find("firefox4")
	for _, host := range []string{"example.com", "example.com:80"} {
		for _, location := range []string{"ws://example.com/", "ws://example.com:80/"} {
			request := strings.Replace(string(requestFor(f)), "127.0.1.1:8000", host, 1)
			response := head76 + "Sec-WebSocket-Origin: http://127.0.0.1:8001\nSec-WebSocket-Location: " + location + "\n\n"
			v, err := f.Check(&Exchange{Request: []byte(request), Response: []byte(strings.ReplaceAll(response, "\n", "\r\n") + proof76)})
			if err != nil || v.Outcome != Opens {
				t.Errorf("Firefox 4 at %s: %s: %v, %v", host, location, v, err)
			}
		}
	}
}

func TestFind(t *testing.T) {
	for name, want := range map[string]string{
		"chrome4": "chrome4", "Chrome 5": "chrome4", "chrome9": "chrome6", "chrome12": "chrome11", "chrome21": "chrome16", "chrome 15": "chrome14", "chrome120": "chrome", "Chromium": "chrome", "edge 110": "chrome",
		"Firefox 5": "firefox4", "firefox8": "firefox7", "firefox 10.0.2": "firefox7", "firefox11": "firefox", "ie 11": "ie10", "iOS 5.1": "ios5", "ios7": "phantomjs2.1",
		"PhantomJS": "phantomjs1.9", "phantomjs 2.1": "phantomjs2.1", "safari5.0.1": "safari5.0.1", "lgtv2012": "qtwebkit4.8",
	} {
		if b, err := Find(name); err != nil || b.Name != want {
			t.Errorf("%s is %s, %v; not %s", name, b.Name, err, want)
		}
	}
	for _, name := range []string{"", "chrome3", "netscape", "firefox3", "7", "safari5.9x"} {
		if b, err := Find(name); err == nil {
			t.Errorf("%s is %s", name, b.Name)
		}
	}
	if _, err := Find("phantomjs1.8"); err == nil || !strings.Contains(err.Error(), "did you mean phantomjs1.9?") {
		t.Error(err)
	}
	for _, v := range wire.AllVersions.List() {
		for _, b := range Of(v) {
			if b.Version != v {
				t.Errorf("%s is of %s", b.Name, v)
			}
		}
	}
	for _, r := range ranges {
		for _, x := range r {
			if indexOfBrowser(x.name) < 0 {
				t.Errorf("%s is not there", x.name)
			}
		}
	}
	for alias, name := range aliases {
		if indexOfBrowser(name) < 0 {
			t.Errorf("%s, which is %s, is not there", alias, name)
		}
	}
}

func TestCheckErrors(t *testing.T) {
	b, _ := Find("phantomjs1.9")
	other, _ := Find("chrome")
	if _, err := b.Check(&Exchange{Request: requestFor(other)}); !errors.Is(err, ErrOtherVersion) {
		t.Error(err)
	}
	for _, request := range []string{"", "GET", "GET /", "\r\n\r\n", "\n"} {
		if _, err := b.Check(&Exchange{Request: []byte(request)}); err == nil {
			t.Errorf("%q is a request", request)
		}
	}
}

func TestNames(t *testing.T) {
	for _, o := range []Outcome{Opens, Fails, Waits} {
		var back Outcome
		p, _ := json.Marshal(o)
		if err := json.Unmarshal(p, &back); err != nil || back != o {
			t.Errorf("%s comes back as %s, %v", o, back, err)
		}
	}
	for m := Run; m <= Guess; m++ {
		var back Mark
		p, _ := json.Marshal(m)
		if err := json.Unmarshal(p, &back); err != nil || back != m || m.Meaning() == "" {
			t.Errorf("%s comes back as %s, %v", m, back, err)
		}
	}
	var o Outcome
	var m Mark
	if o.UnmarshalText([]byte("x")) == nil || m.UnmarshalText([]byte("x")) == nil || Outcome(9).String() != "invalid" || Mark(9).String() != "invalid" || Mark(9).Meaning() != "" {
		t.Error("a name that is none is taken")
	}
}
