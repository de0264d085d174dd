package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
)

// logTo returns a journal and what it has written.
func logTo(t *testing.T, format string) (*journal, *stream) {
	t.Helper()
	out := newStream()
	log, err := newLogger(out, logOptions{level: "info", format: format})
	if err != nil {
		t.Fatal(err)
	}
	return newJournal(log), out
}

// logged are the lines of a JSON log.
func logged(t *testing.T, s *stream) (lines []map[string]any) {
	t.Helper()
	for text := range strings.Lines(s.String()) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("%v in %q", err, text)
		}
		lines = append(lines, line)
	}
	return lines
}

func TestAPeerThatSaysPanicIsFoldedAsAWarning(t *testing.T) {
	for _, text := range []string{
		`http2: server: error reading preface from client 127.0.0.1:1: bogus greeting "panic: the sky is fallin"`,
		"http: TLS handshake error from 127.0.0.1:1: remote error: http: panic serving 1.2.3.4",
		"http: panic\nhttp: panic serving 1.2.3.4:5: x",
		"panic: x\n\ngoroutine 1 [running]:\nmain.main()",
	} {
		j, out := logTo(t, "json")
		for range 200 {
			j.lines().Print(text)
		}
		j.fold.flush()
		lines := logged(t, out)
		if len(lines) != 2 || lines[0]["level"] != "warning" || lines[0]["msg"] != "the server says" || lines[0]["detail"] != text {
			t.Errorf("%q: %v", text, lines)
		} else if lines[1]["msg"] != "same reason, 199 more in 60 s" || lines[1]["level"] != "warning" {
			t.Errorf("%q: %v", text, lines[1])
		}
	}
}

func TestReportsOfPanicsAreOneLineEachAndFold(t *testing.T) {
	for _, who := range []string{"draftwire", "http", "http2"} {
		for _, format := range []string{"json", "text"} {
			j, out := logTo(t, format)
			for range 200 {
				j.lines().Printf("%s: panic serving 127.0.0.1:1: a\nlevel=error\n%s", who, "goroutine 7 [running]:\n"+strings.Repeat("main.f()\n\tf.go:1\n", 10_000))
			}
			text := out.String()
			if strings.Count(text, "\n") != 1 || len(text) > 3*stackMost || !strings.Contains(text, "7 [running]") || !strings.Contains(text, "error") {
				t.Errorf("%s, %s: %d lines, %d bytes: %.300s", who, format, strings.Count(text, "\n"), len(text), text)
			}
			if format == "json" {
				if line := logged(t, out)[0]; line["level"] != "error" || line["msg"] != "panic" || line["detail"] != who+": panic serving 127.0.0.1:1: a\nlevel=error" {
					t.Errorf("%v", line)
				}
			}
			j.fold.flush()
			if rest := out.String()[len(text):]; strings.Count(rest, "\n") != 1 || !strings.Contains(rest, "199 more") {
				t.Errorf("%s, %s: then %q", who, format, rest)
			}
		}
	}
}

// The keys by which lines fold are few, whatever is written.
func TestLinesFoldUnderAFewKeys(t *testing.T) {
	j, out := logTo(t, "json")
	for i := range 1000 {
		for _, who := range []string{"draftwire", "http", "http2", fmt.Sprint("x", i), fmt.Sprint(i, ": panic serving")} {
			j.lines().Printf("%s: %d", who, i)
		}
	}
	j.fold.flush()
	var keys []string
	for _, line := range logged(t, out) {
		keys = append(keys, line["reason"].(string))
	}
	if got := strings.Join(keys, " "); got != "draftwire http http2 program draftwire http http2 program" {
		t.Errorf("%s", got)
	}
}

func TestAnH2GreetingThatSaysPanicRaisesNoAlarm(t *testing.T) {
	cert, key := certificate(t)
	url, server := serveOn(t, "--tls-cert", cert, "--tls-key", key)
	for range 20 {
		nc, err := tls.Dial("tcp", strings.TrimPrefix(url, "ws://"), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(nc, "panic: the sky is fallin")
		io.Copy(io.Discard, nc)
		nc.Close()
	}
	server.err.await(t, `bogus greeting \\"panic`)
	server.stop(t)
	if text := server.err.String(); strings.Contains(text, `"level":"error"`) || strings.Count(text, "bogus greeting") != 1 {
		t.Errorf("%s", text)
	}
}

// What panics in a gateway is in its log, as one line.
func TestAPanicInAGatewayIsALineOfItsLog(t *testing.T) {
	back, _ := serveOn(t)
	j, out := logTo(t, "json")
	cfg := &gateway.Config{
		Listen: []gateway.Listener{{Address: "127.0.0.1:0"}}, Admin: gateway.Admin{Address: "off"},
		Routes: []gateway.Route{{Backends: []gateway.Backend{{URL: back}}}},
	}
	g, err := gateway.New(cfg, gateway.Options{ErrorLog: j.lines(), Hooks: gateway.Hooks{
		Ended: func(*gateway.Session, *draftwire.Conn) { panic("a fault of ours") },
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	go g.Run(context.Background())
	c := dial(t, "ws://"+g.Status().Listeners[0].Address, draftwire.RFC6455)
	c.Close(draftwire.CodeNormal, "")
	line := out.await(t, `(?m)^.*"detail":"draftwire: panic serving [0-9.:]+: a fault of ours".*$`)[0]
	if !strings.Contains(line, `"level":"error"`) || !strings.Contains(line, "TestAPanicInAGateway") {
		t.Errorf("%s", line)
	}
}
