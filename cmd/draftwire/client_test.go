package main

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/draftwire/draftwire"
)

func TestClientSpeaksEveryVersion(t *testing.T) {
	url, _ := serveOn(t)
	for _, v := range draftwire.ServedVersions().List() {
		code, out, err := call(t, "", "client", url+"/any?x=1", "-x", "hello ", "-x", "", "-x", "é\n2", "--version", v.String(), "--protocol", "chat")
		if code != 0 || out != "hello \n\né\n2\n" {
			t.Errorf("%s: exit %d, stdout %q", v, code, out)
		}
		if !strings.HasPrefix(err, "connected: "+v.String()+" subprotocol=chat\nclosed: 100") {
			t.Errorf("%s: stderr %q", v, err)
		}
		var lines strings.Builder
		for i := range 300 {
			fmt.Fprintf(&lines, "%d %s\n", i, strings.Repeat("x", i))
		}
		if code, out, _ = call(t, lines.String(), "client", url+"/", "--version", v.String(), "-q"); code != 0 || out != lines.String() {
			t.Errorf("%s: piped: exit %d, %d bytes of %d", v, code, len(out), lines.Len())
		}
	}
}

// A peer that answers while it is written to must not block both: more is
// under way than the sockets hold.
func TestPipeDoesNotBlock(t *testing.T) {
	url, _ := serveOn(t)
	line := strings.Repeat("0123456789abcdef", 60000) + "\n"
	in := strings.Repeat(line, 30)
	if code, out, err := call(t, in, "client", url+"/"); code != 0 || out != in {
		t.Errorf("exit %d, %d bytes of %d, %s", code, len(out), len(in), err)
	}
}

func TestClientBinary(t *testing.T) {
	url, _ := serveOn(t)
	if code, out, _ := call(t, "a\xff\r\nb", "client", "-b", url+"/"); code != 0 || out != "a\xff\r\nb\n" {
		t.Errorf("exit %d, %q", code, out)
	}
	if code, _, err := call(t, "\xff\n", "client", url+"/"); code != exitFailure || !strings.Contains(err, "--binary") {
		t.Errorf("bad text: exit %d, %s", code, err)
	}
}

func TestClientJSON(t *testing.T) {
	url, _ := serveOn(t)
	_, out, _ := call(t, "", "client", "--json", url+"/", "-x", "a\"b")
	_, more, _ := call(t, "", "client", "--json", "-b", url+"/", "-x", "\x01é")
	type event struct {
		Event, Type, Data, Base64, Version string
		Code                               int
	}
	var got []event
	for line := range strings.Lines(out + more) {
		var e event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		got = append(got, e)
	}
	want := []event{
		{Event: "connected", Version: "rfc6455"}, {Event: "message", Type: "text", Data: `a"b`}, {Event: "closed", Code: 1000},
		{Event: "connected", Version: "rfc6455"}, {Event: "message", Type: "binary", Base64: "AcOp"}, {Event: "closed", Code: 1000},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestClientWaits(t *testing.T) {
	url, _ := serveOn(t)
	// The page's path speaks first: one message more than was sent.
	if code, out, _ := call(t, "", "client", url+"/_page", "-x", "a", "-w", "200ms"); code != 0 || out != "version rfc6455\na\n" {
		t.Errorf("exit %d, %q", code, out)
	}
	if code, out, _ := call(t, "a\nb\n", "client", url+"/", "--no-wait"); code != 0 || !strings.HasPrefix("a\nb\n", out) {
		t.Errorf("exit %d, %q", code, out)
	}
	if code, out, _ := call(t, "", "client", url+"/_page", "-w", "200ms"); code != 0 || out != "version rfc6455\n" {
		t.Errorf("nothing sent: exit %d, %q", code, out)
	}
	if _, _, err := call(t, "", "client", url+"/", "-x", "a", "--close-code", "4002", "--close-reason", "enough"); !strings.Contains(err, "closed: 4002\n") {
		t.Errorf("%q", err)
	}
	if _, _, err := call(t, "", "client", url+"/x?secret=1", "-x", "a", "-v"); !strings.Contains(err, "> GET /x?secret=1 HTTP/1.1\n") || !strings.Contains(err, "< HTTP/1.1 101 ") {
		t.Errorf("-v does not show the heads: %q", err)
	}
}

// rude is a server that opens a connection, sends some bytes and hangs up.
func rude(t *testing.T, frames string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		var key string
		for s := bufio.NewScanner(c); s.Scan() && s.Text() != ""; {
			if k, ok := strings.CutPrefix(s.Text(), "Sec-WebSocket-Key: "); ok {
				key = k
			}
		}
		sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n%s",
			base64.StdEncoding.EncodeToString(sum[:]), frames)
		if frames != "" {
			io.Copy(io.Discard, c) // until the client leaves
		}
	}()
	return "ws://" + l.Addr().String() + "/"
}

func nobody(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "ws://" + l.Addr().String() + "/"
}

func TestExitCodes(t *testing.T) {
	url, _ := serveOn(t, "--versions", "-hixie-75")
	dead := nobody(t)
	for _, c := range []struct {
		code int
		say  string
		args []string
	}{
		{exitDone, "closed: 1000", []string{url + "/", "-x", "a"}},
		{exitDone, "closed: 4001 bye", []string{url + "/close?code=4001&reason=bye"}},
		{exitDone, "connected: hixie-76", []string{url + "/", "-x", "a", "--version", "hixie-75", "--fallback", "hixie-76,rfc6455"}},
		{exitFailure, "has no binary", []string{url + "/", "-b", "-x", "a", "--version", "hixie-76"}},
		{exitFailure, "before all answers", []string{url + "/close", "-x", "a"}},
		{exitFailure, "no answer within", []string{rude(t, "\x89\x00"), "-x", "a", "--timeout", "300ms"}},
		{exitFailure, "--max-message", []string{url + "/", "-x", "0123456789", "--max-message", "9"}},
		{exitUsage, "--help", []string{url + "/", "--nope"}},
		{exitConnect, "refused", []string{dead}},
		{exitConnect, "refused", []string{dead, "--fallback", "hixie-76"}},
		{exitRefused, "version_disabled", []string{url + "/", "--version", "hixie-75"}},
		{exitRefused, "rfc6455", []string{url + "/", "--version", "hixie-75"}},
		{exitProtocol, "broke the protocol", []string{rude(t, "\xf0\x00")}},
		{exitAbnormal, "closed: 1006", []string{url + "/close?code=1006"}},
		{exitAbnormal, "closed: 1006", []string{rude(t, ""), "-x", "a"}},
	} {
		code, _, err := call(t, "", append([]string{"client"}, c.args...)...)
		if code != c.code || !strings.Contains(err, c.say) {
			t.Errorf("%q: exit %d, want %d with %q:\n%s", c.args, code, c.code, c.say, err)
		}
	}
}

func TestClientInterrupted(t *testing.T) {
	url, server := serveOn(t)
	p := start(t, "client", url+"/")
	p.err.await(t, "connected")
	p.signals <- os.Interrupt
	if code := p.wait(t); code != exitInterrupted {
		t.Errorf("exit %d", code)
	}
	server.err.await(t, `"close_code":1001`)
}
