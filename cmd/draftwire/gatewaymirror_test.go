package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
)

// newBackend starts a server that echoes, but for iPads, which it answers in upper case.
func newBackend(t *testing.T) (url string, stop func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &draftwire.Server{Options: draftwire.AcceptOptions{Versions: draftwire.AllVersions, Origins: []string{"*"}}, WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
		for m, err := range c.Messages(ctx) {
			if err != nil {
				return nil
			}
			if strings.Contains(c.Handshake().Field("User-Agent"), "iPad") {
				m.Data = []byte(strings.ToUpper(string(m.Data)))
			}
			c.Write(ctx, m.Op, m.Data)
		}
		return nil
	}}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	stop = sync.OnceFunc(func() {
		s.Close()
		<-done
		s.Shutdown(context.Background())
	})
	t.Cleanup(stop)
	return "ws://" + l.Addr().String(), stop
}

// What the mirror of a route says to each kind of client is in the status, in the metrics, in the ledger and
// so in the report; that it fails is said once.
func TestGatewayMirrors(t *testing.T) {
	back, _ := serveOn(t)
	mirror, stop := newBackend(t)
	config := filepath.Join(t.TempDir(), "gateway.yaml")
	text := fmt.Sprintf("listen: [{address: '127.0.0.1:0'}]\nadmin: {address: '127.0.0.1:0'}\nledger: {client: header X-Device}\n"+
		"routes:\n- {name: feed, backends: ['%s'], mirror: {to: '%s', name: build 2, payload: true, wait: 1s}}\n", back, mirror)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, "gateway", "--log-format", "json", "--config", config)
	url, admin := "ws://"+p.err.await(t, `"addr":"([^"]+)"`)[1], p.err.await(t, `"admin":"([^"]+)"`)[1]
	for i, agent := range []string{"(iPad; CPU OS 5_1_1 like Mac OS X)", "Mozilla/5.0 HbbTV/1.1.1", "Mozilla/5.0 HbbTV/1.1.1"} {
		for _, v := range draftwire.ServedVersions().List() {
			c := dialWith(t, url+"/x", draftwire.DialOptions{Version: v, Header: http.Header{"User-Agent": {agent}, "X-Device": {fmt.Sprint("device-", i)}}})
			for _, text := range []string{"123", "goal"} {
				write(t, c, draftwire.OpText, text)
				wantMessage(t, c, text)
			}
			c.Close(draftwire.CodeNormal, "")
		}
	}
	status := eventually(t, `build 2 up, 0 open, 83.33 % equal \(45 of 54 answers\); 9 different`, func() string { _, out, _ := call(t, "", "status", "--admin", admin); return out })
	for _, want := range []string{"mirror of feed", "HbbTV/1.1", "100 % equal (36 of 36 answers)", "iOS 5.1", "50.00 % equal (9 of 18 answers); 9 different"} {
		if !strings.Contains(status, want) {
			t.Errorf("the status has no %q:\n%s", want, status)
		}
	}
	// Which session's answers were compared first is nobody's to say.
	if !regexp.MustCompile(`answer 2 of a connection of \S+: different at byte 1, 4 and 4 bytes; backend: goal; mirror: GOAL`).MatchString(status) {
		t.Errorf("the status has no difference:\n%s", status)
	}
	// A device of three versions is three records of the ledger.
	eventually(t, `On the mirror build 2, since .*\n  HbbTV/1.1: 100 % equal \(36 of 36 answers, 18 devices\)\n  iOS 5.1: 50.00 % equal \(9 of 18 answers, 9 devices\); 9 different\n  all: 83.33 % equal`,
		func() string { _, out, _ := call(t, "", "report", "--admin", admin); return out })
	eventually(t, `draftwire_mirror_answers_total{result="different",route="feed"} 9\n`, func() string {
		res, err := http.Get(admin + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return string(b)
	})
	stop()
	for range 5 {
		c := dial(t, url+"/x", draftwire.RFC6455)
		write(t, c, draftwire.OpText, "on")
		wantMessage(t, c, "on")
		c.Close(draftwire.CodeNormal, "")
	}
	p.err.await(t, `the mirror does not accept connections.*"event":"mirror"`)
	if n := strings.Count(p.err.String(), `"event":"mirror"`); n != 1 {
		t.Errorf("%d lines about the mirror:\n%s", n, p.err)
	}
	p.signals <- os.Interrupt
	if code := p.wait(t); code != exitDone {
		t.Errorf("exit %d", code)
	}
}

// eventually calls f until what it returns matches.
func eventually(t *testing.T, pattern string, f func() string) (got string) {
	t.Helper()
	re := regexp.MustCompile(pattern)
	for by := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		got = f()
		if re.MatchString(got) {
			return got
		}
		if time.Now().After(by) {
			t.Fatalf("nothing matches %s:\n%s", pattern, got)
		}
	}
}
