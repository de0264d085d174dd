package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/detect"
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

// A request for a Flash policy that a port does not answer has a hint of its own.
func TestFlashHint(t *testing.T) {
	url, server := serveOn(t)
	say(t, strings.TrimPrefix(url, "ws://"), detect.PolicyRequest)
	server.err.await(t, `"detail":"the connection begins with flash-policy".*"hint":"let this port answer it: flash_policy`)
}

// The line of a connection has an error unless it was only closed.
func TestFailure(t *testing.T) {
	broken := errors.New("disk full")
	normal := &draftwire.CloseError{Code: draftwire.CodeNormal}
	abnormal := &draftwire.CloseError{Code: draftwire.CodeAbnormal}
	for _, c := range []struct {
		err  error
		want string // in the text; "" for no text at all
	}{
		{nil, ""}, {normal, ""}, {draftwire.ErrClosed, ""},
		{fmt.Errorf("read: %w", normal), ""},
		{errors.Join(draftwire.ErrClosed, normal), ""},
		{abnormal, "1006"}, {broken, "disk full"},
		{&draftwire.HandlerError{Err: broken, End: normal}, "disk full"},
		{&draftwire.HandlerError{Err: broken, End: abnormal}, "disk full"},
	} {
		if got := failure(c.err); !strings.Contains(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("%v: got %q, want %q", c.err, got, c.want)
		}
	}
}

// What a client does to a close of the server is no error of the connection.
func TestCloseWithoutAnswerIsNoError(t *testing.T) {
	url, server := serveOn(t)
	c := dial(t, url+"/close?code=4001&reason=bye", draftwire.RFC6455)
	c.CloseNow()
	line := server.err.await(t, `(?m)^.*"msg":"connection".*$`)[0]
	if !strings.Contains(line, `"close_code":`) || strings.Contains(line, `"error"`) {
		t.Errorf("logged %s", line)
	}
}

// What a handler returned stands in the line of its connection.
func TestLogLineOfAHandlersError(t *testing.T) {
	j, out := logTo(t, "text")
	written := make(chan bool)
	o := j.observer("")
	closed := o.Closed
	o.Closed = func(c *draftwire.Conn, err error) {
		closed(c, err)
		close(written)
	}
	srv := httptest.NewServer(draftwire.Handler(func(context.Context, *draftwire.Conn) error {
		return errors.New("the database\x1b is gone")
	}, &draftwire.AcceptOptions{Observer: o}))
	defer srv.Close()
	c, _, err := draftwire.Dial(deadline(t), srv.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	go c.Read(deadline(t))
	<-written
	if line := out.String(); !strings.Contains(line, `error="the database\\x1b is gone"`) || !strings.Contains(line, "close_code=1011") {
		t.Errorf("logged %q", line)
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
