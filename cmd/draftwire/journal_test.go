package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
)

func TestLogLine(t *testing.T) {
	url, server := serveOn(t)
	o := &draftwire.DialOptions{Header: http.Header{"User-Agent": {"Test\x7e1"}}, Origin: "http://o.example", Protocols: []string{"p"}}
	c, _, err := draftwire.Dial(deadline(t), url+"/path?token=secret", o)
	if err != nil {
		t.Fatal(err)
	}
	write(t, c, draftwire.OpText, "abc")
	wantMessage(t, c, "abc")
	c.Close(draftwire.CodeNormal, "")
	var got map[string]any
	if err := json.Unmarshal([]byte(server.err.await(t, `(?m)^.*"msg":"connection".*$`)[0]), &got); err != nil {
		t.Fatal(err)
	}
	for field, want := range map[string]any{
		"event": "conn.close", "client_ip": "127.0.0.1", "draft": "rfc6455", "path": "/path?...", "origin": "http://o.example", "user_agent": "Test~1", "subprotocol": "p", "deflate": "",
		"secure": false, "close_code": 1000.0, "msgs_in": 1.0, "msgs_out": 1.0, "bytes_in": 3.0, "bytes_out": 3.0, "level": "info",
	} {
		if got[field] != want {
			t.Errorf("%s is %v, want %v", field, got[field], want)
		}
	}
	if got["conn"] == "" || got["duration_s"] == nil || strings.Contains(server.err.String(), "secret") || server.out.String() != "" {
		t.Errorf("%v; stdout %q", got, server.out)
	}
}

func TestRefusalsFold(t *testing.T) {
	url, server := serveOn(t, "--versions", "rfc6455")
	for range 50 {
		_, _, err := draftwire.Dial(deadline(t), url, &draftwire.DialOptions{Version: draftwire.Hybi07})
		if err == nil {
			t.Fatal("not refused")
		}
	}
	nc, _ := net.Dial("tcp", strings.TrimPrefix(url, "ws://"))
	nc.Close() // says nothing: no news
	if code := server.stop(t); code != 0 {
		t.Errorf("exit %d", code)
	}
	text := server.err.String()
	if n := strings.Count(text, `"warning"`); n != 2 || !strings.Contains(text, "same reason, 49 more in 60 s") {
		t.Errorf("%d warnings in\n%s", n, text)
	}
	for _, want := range []string{`"reason":"version_disabled"`, `"status":426`, `"detail":"hybi-07 is not enabled"`, `"hint":"enable it`, `"client_ip":"127.0.0.1"`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
}

func TestShutdown(t *testing.T) {
	url, server := serveOn(t)
	c := dial(t, url, draftwire.RFC6455)
	server.signals <- os.Interrupt
	if _, _, err := c.Read(deadline(t)); draftwire.CloseStatus(err) != draftwire.CodeGoingAway {
		t.Error(err)
	}
	if code := server.wait(t); code != exitDone {
		t.Errorf("exit %d", code)
	}
}

func TestSecondSignal(t *testing.T) {
	url, server := serveOn(t, "--close-timeout", "1h")
	nc, err := net.Dial("tcp", strings.TrimPrefix(url, "ws://"))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(patience))
	fmt.Fprint(nc, "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	var b [256]byte
	if n, err := nc.Read(b[:]); err != nil || !strings.HasPrefix(string(b[:n]), "HTTP/1.1 101") {
		t.Fatalf("%q, %v", b[:n], err)
	}
	server.signals <- syscall.SIGTERM
	if _, err := nc.Read(b[:]); err != nil { // the farewell, which is not answered
		t.Fatal(err)
	}
	server.signals <- syscall.SIGTERM
	if code := server.wait(t); code != exitInterrupted {
		t.Errorf("exit %d", code)
	}
}

func TestProcess(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "draftwire")
	if out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	cmd := exec.Command(bin, "serve", "--listen", "127.0.0.1:0")
	said := newStream()
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	url := said.await(t, `"url":"([^"]+)"`)[1]
	out, err := exec.Command(bin, "client", url, "-x", "hi").Output()
	if err != nil || string(out) != "hi\n" {
		t.Errorf("%q, %v", out, err)
	}
	var exit *exec.ExitError
	if err := exec.Command(bin, "client").Run(); !errors.As(err, &exit) || exit.ExitCode() != exitUsage {
		t.Errorf("no URL: %v", err)
	}
	cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
}
