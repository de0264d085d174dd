package main

import (
	"bufio"
	"strings"
	"testing"

	"github.com/draftwire/draftwire/hostile"
)

func TestACrashIsALineThatBeginsSo(t *testing.T) {
	s, err := parse([]string{"--list"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		line string
		want bool
	}{
		{"panic: no", true},
		{"2026/11/29 07:54:36 http: panic serving 127.0.0.1:1: no", true},
		{"draftwire: panic serving 127.0.0.1:1: no", true},
		{`time="2026-11-29T07:54:36Z" level=error msg=panic detail=no`, true},
		{`{"level":"error","msg":"panic","stack":"main.main()"}`, true},
		{`{"detail":"panic: no","level":"error","msg":"served"}`, true},
		{`{"level":"warning","msg":"bogus greeting \"panic: the sky\""}`, false},
		{`{"level":"info","msg":"closed","reason":"panic\",\"level\":\"error\""}`, false},
		{"fatal error: all goroutines are asleep", true},
		{"[signal SIGSEGV: segmentation violation]", true},
		{"==12==ERROR: AddressSanitizer: heap-use-after-free", true},
		{`2026/11/29 07:54:36 http2: bogus greeting "panic: the sky is fallin"`, false},
		{`time="2026-11-29T07:54:36Z" level=warning msg="panic: the sky is fallin"`, false},
		{`time="2026-11-29T07:54:36Z" level=info msg=closed reason="fatal error: evil"`, false},
		{"GET /panic: HTTP/1.1", false},
	} {
		if got := s.crash.MatchString(c.line); got != c.want {
			t.Errorf("%q is a crash: %v", c.line, got)
		}
	}
}

func TestAnHonestBackendRefusesWhatIsNoHandshake(t *testing.T) {
	const rest = " / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: x, Upgrade\r\n"
	const key = "Sec-WebSocket-Key: " + sampleKey + "\r\n"
	for _, c := range []struct {
		head string
		want int
	}{
		{"POST" + rest + key + "Sec-WebSocket-Version: 13\r\n\r\n", 405},
		{"GET" + rest + "Sec-WebSocket-Version: 13\r\n\r\n", 400},
		{"GET" + rest + key + key + "Sec-WebSocket-Version: 13\r\n\r\n", 400},
		{"GET" + rest + key + "Sec-WebSocket-Version: 14\r\n\r\n", 426},
		{"GET" + rest + key + "\r\n", 400},
		{"GET" + rest + "Sec-WebSocket-Key1: 1 2\r\n\r\n", 400},
		{"GET" + rest + "Upgrade: h2c\r\n\r\n", 400},
	} {
		if got := refuses([]byte(c.head)); got != c.want {
			t.Errorf("%q: status %d, want %d", c.head, got, c.want)
		}
	}
	for _, d := range dialects {
		if got := refuses(d.request("a", "/", nil)); got != 0 {
			t.Errorf("%s: its own request is refused with %d", d.name, got)
		}
	}
}

func TestAnHonestBackendAnswersAsAParserOfListsDoes(t *testing.T) {
	for offer, want := range map[string]string{
		"chat": "chat", "a, b": "a", "a b": "a", `a",b,c"`: "a", `"a", "b"`: "", "": "", strings.Repeat("x", 20<<10): strings.Repeat("x", 20<<10),
	} {
		head, err := readHead(bufio.NewReader(strings.NewReader("GET / HTTP/1.1\r\nSec-WebSocket-Protocol: " + offer + "\r\n\r\nbehind")))
		var v values
		v.request(head, false)
		if v.protocol != want || err != nil {
			t.Errorf("%.20q is answered with %.20q, want %.20q; %v", offer, v.protocol, want, err)
		}
	}
}

func TestAnHonestClientLooksAtTheAnswer(t *testing.T) {
	const good = "HTTP/1.1 101 X\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n"
	for head, ok := range map[string]bool{
		good + "\r\n": true,
		"HTTP/1.1 101 X\r\nConnection: Upgrade\r\n\r\n":             false,
		"HTTP/1.1 101 X\r\nUpgrade: websocket\r\n\r\n":              false,
		good + "Upgrade: h2c\r\n\r\n":                               false,
		good + "Sec-WebSocket-Protocol: chat\r\n\r\n":               false,
		good + "Sec-WebSocket-Extensions: x\r\n\r\n":                false,
		good + "WebSocket-Protocol: chat\r\n\r\n":                   false,
		"HTTP/1.1 101 X\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n": false,
	} {
		if fault := unasked([]byte(head)); (fault == "") != ok {
			t.Errorf("%q: %q", head, fault)
		}
	}
}

func TestAShortRunHasAVersionForEachFormOfFrames(t *testing.T) {
	for _, c := range []struct {
		id, kind, version string
		want              bool
	}{
		{"server/flood/x/rfc6455", "flood", "rfc6455", true},
		{"server/flood/x/hybi-05", "flood", "hybi-05", true},
		{"server/flood/x/hybi-04", "flood", "hybi-04", false},
		{"server/flood/x", "flood", "hybi-04", true},
		{"server/frame/x/hybi-04", "frame", "hybi-04", true},
	} {
		if got := standsForOthers(&hostile.Case{ID: c.id, Kind: c.kind, Version: c.version}); got != c.want {
			t.Errorf("%s is played: %v", c.id, got)
		}
	}
}

// TestAPlayerAloneJudgesWhatFailedBesideOthers: one result each, whatever has failed.
func TestAPlayerAloneJudgesWhatFailedBesideOthers(t *testing.T) {
	good, bad := one(hostile.Server, hostile.Served, opens, hello, echo), one(hostile.Server, hostile.Refused, opens)
	flood := good
	flood.Kind = "flood"
	status, results := played(t, hostile.Server, []hostile.Case{good, bad, flood, good}, "--jobs", "3", "--command", command("server", "none", "{listen}"))
	count := map[string]int{}
	for _, r := range results {
		count[r.Result]++
	}
	if status != exitFailed || count[passed] != 3 || count[failed] != 1 {
		t.Errorf("exit status %d, %v: want one failure among four", status, count)
	}
	status, results = played(t, hostile.Server, []hostile.Case{good, bad}, "--once", "--jobs", "2", "--command", command("server", "none", "{listen}"))
	if status != exitFailed || results[0].Result == results[1].Result {
		t.Errorf("exit status %d, %v: want one failure among two", status, results)
	}
}
