package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/usage"
	"github.com/prometheus/client_golang/prometheus"
)

// runWatched runs a gateway before an echo, and returns its address, its log and its ledger.
func runWatched(t *testing.T, change func(*gateway.Config)) (address string, log *stream, ledger *book) {
	t.Helper()
	back, _ := serveOn(t)
	log = newStream()
	logger, err := newLogger(log, logOptions{level: "info", format: "json"})
	if err != nil {
		t.Fatal(err)
	}
	cfg := &gateway.Config{
		Listen: []gateway.Listener{{Name: "tv", Address: "127.0.0.1:0"}}, Admin: gateway.Admin{Address: "off"},
		Routes: []gateway.Route{{Backends: []gateway.Backend{{URL: back}}}},
	}
	change(cfg)
	ledger = newBook(cfg.Ledger, "", logger)
	t.Cleanup(func() { ledger.close() })
	w := newWatch(logger, prometheus.NewRegistry(), ledger, cfg)
	g, err := gateway.New(cfg, gateway.Options{Hooks: w.hooks()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		g.Close()
		w.journal.fold.flush()
	})
	go g.Run(context.Background())
	return g.Status().Listeners[0].Address, log, ledger
}

// say sends a head, and returns the beginning of the answer.
func say(t *testing.T, address, head string) string {
	t.Helper()
	nc, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(patience))
	io.WriteString(nc, strings.ReplaceAll(head, "\n", "\r\n"))
	var b [1024]byte
	n, _ := nc.Read(b[:])
	return string(b[:n])
}

const hixieHead = "GET /feed?token=secret HTTP/1.1\nUpgrade: WebSocket\nConnection: Upgrade\nHost: tv.example\nOrigin: http://page.example\n" +
	"User-Agent: %s\nSec-WebSocket-Key1: 4 @1  46546xW%%0l 1 5\nSec-WebSocket-Key2: 12998 5 Y3 1  .P00\n\n^n:ds[4U"

// The line of a refusal says which device it was, and where it wanted to go. Behind a noisy
// device another one is seen.
func TestARefusedDeviceIsFoundInTheLog(t *testing.T) {
	address, log, ledger := runWatched(t, func(c *gateway.Config) { c.Listen[0].Versions = "rfc6455" })
	for _, agent := range []string{"Noisy", "Noisy", "Noisy", "Quiet"} {
		if answer := say(t, address, fmt.Sprintf(hixieHead, agent)); !strings.HasPrefix(answer, "HTTP/1.1 426") {
			t.Fatalf("answered %q", answer)
		}
	}
	log.await(t, `"user_agent":"Quiet"`)
	lines := logged(t, log)
	if len(lines) != 2 {
		t.Fatalf("%d lines in %s", len(lines), log)
	}
	for field, want := range map[string]any{
		"msg": "refused", "reason": "version_disabled", "draft": "hixie-76", "listener": "tv", "path": "/feed?...", "host": "tv.example",
		"origin": "http://page.example", "user_agent": "Quiet", "client_ip": "127.0.0.1", "status": 426.0,
	} {
		if lines[1][field] != want {
			t.Errorf("%s is %v, want %v", field, lines[1][field], want)
		}
	}
	wantRefused(t, ledger, 4)
}

// wantRefused wants clients of hixie-76 in the report: a version that is refused is asked for.
func wantRefused(t *testing.T, ledger *book, n uint64) {
	t.Helper()
	for _, row := range ledger.l.Snapshot().Report(usage.ReportOptions{}).Rows {
		if row.Version == draftwire.Hixie76 && (row.Refused != n || row.Verdict.Code != usage.IsOff) {
			t.Errorf("the report has %d refused and says %q", row.Refused, row.Verdict.Text)
		}
	}
}

// A version that the routes for a path do not have is refused as one that a port does not
// have, and counted so.
func TestAVersionThatARouteDoesNotHave(t *testing.T) {
	address, _, ledger := runWatched(t, func(c *gateway.Config) { c.Routes[0].Match.Versions = "rfc6455,hybi-08" })
	answer := say(t, address, fmt.Sprintf(hixieHead, "TV"))
	if !strings.HasPrefix(answer, "HTTP/1.1 426") || !strings.Contains(answer, "Sec-WebSocket-Version: 13, 8\r\n") {
		t.Errorf("answered %q", answer)
	}
	wantRefused(t, ledger, 1)
}

// A hixie client leaves at once if the answer names another URL than its own. The log says
// so, once for each device, and in the line of each connection.
func TestAClientThatLeavesAtOnce(t *testing.T) {
	address, log, _ := runWatched(t, func(*gateway.Config) {})
	for range 2 {
		if answer := say(t, address, fmt.Sprintf(hixieHead, "TV")); !strings.HasPrefix(answer, "HTTP/1.1 101") {
			t.Fatalf("answered %q", answer)
		}
	}
	log.await(t, `(?s)"msg":"connection".*"msg":"connection"`)
	warned := 0
	for _, line := range logged(t, log) {
		if line["msg"] == leftAtOnce {
			warned++
		}
		if line["msg"] == "connection" && (line["error"] != leftAtOnce || line["hint"] != leftHint) {
			t.Errorf("the connection's line is %v", line)
		}
	}
	if warned != 1 {
		t.Errorf("%d warnings in %s", warned, log)
	}
}

// A head that cannot be read is read as far as possible.
func TestReadHead(t *testing.T) {
	for head, want := range map[string]string{
		"": "", "\x16\x03\x01": "", "GET": "", "GET /a HTTP/1.1\r\nHost: x\r\n\r\n": "/a x", "GET /a\nHost : x": "/a x", "GET  HTTP/1.1\rno field\rhost:x": " x",
	} {
		r := readHead([]byte(head))
		if got := strings.TrimRight(r.Target+" "+r.Host(), " "); got != want {
			t.Errorf("%q: read %q, want %q", head, got, want)
		}
	}
	if r := readHead(bytes.Repeat([]byte("a:\r\n"), 1000)); len(r.Fields) != 999 {
		t.Errorf("%d fields", len(r.Fields))
	}
}
