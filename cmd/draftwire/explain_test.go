package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// README.md shows what the program prints.
func TestExplainReadme(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, shown, _ := strings.Cut(string(readme), "$ draftwire explain --secure docs/ipad.txt\n")
	shown, _, _ = strings.Cut(shown, "```")
	code, out, _ := call(t, "", "explain", "--secure", "../../docs/ipad.txt")
	if code != exitExplained || strings.TrimSpace(out) != strings.TrimSpace(shown) {
		t.Errorf("%d: README.md has\n%s\nthe program prints\n%s", code, shown, out)
	}
}

func TestExplainExitCodes(t *testing.T) {
	const request = "GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
	const answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
	for _, x := range []struct {
		text string
		args string
		code int
		says string
	}{
		{request + answer, "", exitDone, "works"},
		{request + strings.Replace(answer, "s3pP", "s3pp", 1), "", exitExplained, "fails accept-mismatch"},
		{request + answer, "--as chrome", exitDone, "opens in chrome"},
		{request + answer, "--as phantomjs1.9", exitUnclear, "unclear"},
		{request + strings.Replace(answer, "Switching Protocols\r\n", "Switching Protocols\r\nX-Empty:\r\n", 1), "--as phantomjs2.1", exitExplained, "fails empty-field"},
		{request, "", exitUnclear, "unclear"},
		{strings.Replace(request, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Key: qjaovfzeqzo=", 1), "", exitExplained, "tolerate: [any-key]"},
		{"Error during WebSocket handshake: location mismatch: wss://a.example/ != ws://a.example/\n", "", exitExplained, "line 1: fails location-scheme"},
		{`{"time":"2026-01-02T03:04:05Z","level":"info","msg":"serving","address":"127.0.0.1:1"}` + "\n", "", exitDone, "line 1: works"},
		{"", "", exitFailure, ""},
		{"nothing of that kind\n", "", exitUnclear, "no WebSocket"},
		{"nothing of that kind\n", "--format xxd", exitFailure, ""},
		{request, "--as netscape4", exitUsage, ""},
		{request, "--format nothing", exitUsage, ""},
		{request, "--stream x", exitUsage, ""},
		{`{"level":"info","msg":"connection","close_code":1006}`, "--as chrome", exitUsage, ""},
	} {
		code, out, err := call(t, x.text, append([]string{"explain", "-"}, strings.Fields(x.args)...)...)
		if code != x.code || !strings.Contains(out, x.says) {
			t.Errorf("%.60q %s: %d, want %d:\n%s%s", x.text, x.args, code, x.code, out, err)
		}
	}
	if code, _, _ := call(t, request, "explain"); code != exitUsage {
		t.Errorf("without an argument: %d", code)
	}
	if code, _, _ := call(t, request, "explain", "-", "-"); code != exitUsage {
		t.Errorf("stdin twice: %d", code)
	}
}

func TestExplainJSON(t *testing.T) {
	code, out, err := call(t, "", "explain", "--json", "--secure", "../../docs/ipad.txt")
	if code != exitExplained {
		t.Fatalf("%d: %s", code, err)
	}
	var x struct {
		Conn, Line           int
		Draft, Result, Cause string
		Sure, Culprit        string
		Cures                []struct{ Where, Set string }
		Browsers             []struct{ Browser, Outcome string }
	}
	if err := json.Unmarshal([]byte(out), &x); err != nil {
		t.Fatal(err)
	}
	if x.Conn != 1 || x.Draft != "hixie-76" || x.Result != "fails" || x.Cause != "location-scheme" || x.Sure != "probable" || x.Culprit != "configuration" ||
		len(x.Cures) == 0 || x.Cures[0].Set != "listen: public_url: wss://chat.example.com" || len(x.Browsers) != 9 {
		t.Errorf("%+v", x)
	}
}

// TestExplainMany holds that connections of which nothing can be told stand back.
func TestExplainMany(t *testing.T) {
	log := strings.Repeat(`{"level":"info","msg":"serving"}`+"\n", 150) +
		`{"level":"warning","msg":"refused","reason":"bad_key","detail":"x","hint":"tolerate any-key admits it"}` + "\n"
	code, out, err := call(t, log, "explain", "-")
	if code != exitExplained || !strings.HasPrefix(out, "line 151: fails any-key") || !strings.Contains(err, "150 others") {
		t.Errorf("%d\n%s%s", code, out, err)
	}
	line := log[strings.Index(log, `{"level":"warning"`):]
	if _, out, _ := call(t, strings.Repeat(line, 4), "explain", "-"); strings.Count(out, "fails any-key") != 1 || !strings.HasSuffix(out, "3 more are as line 1: any-key\n") {
		t.Error(out)
	}
	if _, out, _ := call(t, strings.Repeat(line, 4), "explain", "--all", "-"); strings.Count(out, "fails any-key") != 4 {
		t.Error(out)
	}
	if _, out, _ := call(t, strings.Repeat(line, 4), "explain", "--json", "-"); strings.Count(out, "\n") != 4 {
		t.Error(out)
	}
	if _, out, _ := call(t, log, "explain", "--all", "-"); !strings.HasPrefix(out, "line 1: works") || !strings.Contains(out, "line 151: fails any-key") {
		t.Error(out)
	}
}

// TestExplainLog explains what the log of a server says of a real refusal.
func TestExplainLog(t *testing.T) {
	url, p := serveOn(t, "--versions", "rfc6455")
	call(t, "", "client", "--version", "hybi-08", "-x", "hello", url+"/")
	p.err.await(t, `"msg":"refused"`)
	if code, out, err := call(t, p.err.String(), "explain", "-"); code != exitExplained || !strings.Contains(out, "fails version-refused") || !strings.Contains(out, "versions: all") {
		t.Errorf("%d\n%s%s", code, out, err)
	}
}

// TestExplainCapture explains what inspect has written as a capture, and each side from a file of its own.
func TestExplainCapture(t *testing.T) {
	_, want, _ := call(t, "", "explain", "--secure", "../../docs/ipad.txt")
	_, pcap, _ := call(t, "", "inspect", "--write", "pcap", "../../docs/ipad.txt")
	code, got, err := call(t, pcap, "explain", "--secure", "-")
	if code != exitExplained || !strings.Contains(got, "fails location-scheme") || !strings.Contains(err, "pcap") {
		t.Errorf("%d\n%s%s\nwant\n%s", code, got, err, want)
	}
	if code, got, _ := call(t, pcap, "explain", "--stream", "2", "-"); code != exitFailure || got != "" {
		t.Errorf("a connection that is not there: %d\n%s", code, got)
	}
	both, _, _ := strings.Cut(quotedConnection, "\n\n")
	if code, out, err := call(t, both, "explain", "-"); code != exitDone && code != exitExplained && code != exitUnclear {
		t.Errorf("%d\n%s%s", code, out, err)
	}
}
