package main

import (
	"encoding/json"
	"io"
	"net"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/draftwire/draftwire/probe"
	"github.com/draftwire/draftwire/wire"
)

// quickProbe are flags with which a probe does not wait.
var quickProbe = []string{"probe", "--quick", "--rate", "100000"}

func TestProbe(t *testing.T) {
	url, _ := serveOn(t)
	code, out, err := call(t, "", append(quickProbe, url+"/echo")...)
	if code != 0 || err != "" {
		t.Fatalf("exit %d, %s", code, err)
	}
	for _, want := range []string{
		`(?m)^ws://127\.0\.0\.1:\d+/echo, at 127\.0\.0\.1:\d+, \d+ connections in `,
		`(?m)^VERSION +OPENS +HEAD +ECHO +CLOSING +FIN +MESSAGE +IDLE$`,
		`(?m)^hixie-75 +yes +- +\S+s +FIN +FIN +- +-$`,
		`(?m)^hixie-76 +yes +first +\S+s +close, FIN +FIN +- +-$`,
		`(?m)^rfc6455 +yes +- +\S+s +1000, FIN +FIN +- +-$`,
		`(?m)^version 99: HTTP/1.1 426 Upgrade Required, names 13, 8, 7, 6, 5, 4$`,
		`(?m)^extension permessage-deflate; client_max_window_bits: ignored \(hybi-07, hybi-08, rfc6455\)$`,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
}

func TestProbeJSON(t *testing.T) {
	url, _ := serveOn(t, "--compression", "all")
	code, out, _ := call(t, "", append(quickProbe, "--json", "--faults", "--vectors", "--require", "76,rfc6455,permessage-deflate,vectors,faults", url)...)
	var r probe.Report
	if err := json.Unmarshal([]byte(out), &r); code != 0 || err != nil {
		t.Fatalf("exit %d, %v", code, err)
	}
	if r.Opens() != wire.AllVersions || len(r.Vectors.Failed) > 0 || len(r.Versions[8].Faults) < 20 || r.Versions[0].Message != nil {
		t.Errorf("%+v", r)
	}
}

// The long form has every fault, and the answers as they are spelled.
func TestProbeLong(t *testing.T) {
	url, _ := serveOn(t)
	code, out, _ := call(t, "", append(quickProbe, "--long", "--faults", "--vectors", "--versions", "13", "--as", "ie10", url)...)
	for _, want := range []string{
		"faults: 27 as written\n", "a frame without a mask", "close 1002, FIN", "fail with 1002: client frame without mask (RFC 6455 5.1)",
		"\nrfc6455\n  HTTP/1.1 101 Switching Protocols\n  Upgrade: websocket\n", " 0 fail\n", "not played, of a version that does not open: ",
	} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("exit %d: no %q in\n%s", code, want, out)
		}
	}
}

func TestProbeRequire(t *testing.T) {
	url, _ := serveOn(t, "--versions", "13")
	code, out, err := call(t, "", append(quickProbe, "--require", "rfc6455,hixie-76, permessage-deflate", url)...)
	if code != exitCondition || err != "draftwire: hixie-76: the server does not accept it; permessage-deflate: the server does not accept it\n" ||
		!strings.Contains(out, "426 version_disabled") {
		t.Errorf("exit %d, %s\n%s", code, err, out)
	}
}

// tcpServer is a server that does the same with every connection.
func tcpServer(t *testing.T, talk func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer nc.Close()
				talk(nc)
			}()
		}
	}()
	return l.Addr().String()
}

// What a server says reaches no terminal as it is, and what it lacks is said.
func TestProbeStrange(t *testing.T) {
	addr := tcpServer(t, func(nc net.Conn) {
		nc.Read(make([]byte, 4096))
		io.WriteString(nc, "HTTP/1.1 200 \x1b[31mred\r\nServer: \x1b]0;x\a\r\nSec-WebSocket-Version: \x1b[2J\r\n\r\n")
	})
	code, out, err := call(t, "", append(quickProbe, "ws://"+addr)...)
	if code != 0 || err != "" || strings.ContainsAny(out, "\x1b\a") || !strings.Contains(out, "hixie-75  200    ") {
		t.Errorf("exit %d, %q, %q", code, out, err)
	}
	addr = tcpServer(t, func(nc net.Conn) {})
	if code, out, _ = call(t, "", append(quickProbe, "ws://"+addr)...); code != 0 || !strings.Contains(out, "rfc6455   no answer") {
		t.Errorf("exit %d, %s", code, out)
	}
}

func TestProbeFails(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "ws://" + l.Addr().String()
	l.Close()
	url, _ := serveOn(t)
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{}, exitUsage, "argument URL is missing"},
		{[]string{"a", "b"}, exitUsage, `unexpected argument "b"`},
		{[]string{"example.com"}, exitUsage, "is not a URL"},
		{[]string{"--versions", "14", "ws://h/"}, exitUsage, "--versions"},
		{[]string{"--require", "hixie-77", "ws://h/"}, exitUsage, `"hixie-77" is no version`},
		{[]string{"--require", "vectors", "ws://h/"}, exitUsage, "vectors needs --vectors"},
		{[]string{"--require", "faults", "ws://h/"}, exitUsage, "faults needs --faults"},
		{[]string{"--require", "75", "--versions", "13", "ws://h/"}, exitUsage, "--versions leaves out hixie-75"},
		{[]string{"--rate", "0", "ws://h/"}, exitUsage, "--rate"},
		{[]string{"--rate", "NaN", "ws://h/"}, exitUsage, "--rate"},
		{[]string{"--max-conns", "-1", "ws://h/"}, exitUsage, "--max-conns"},
		{[]string{"--largest", "1GiB", "ws://h/"}, exitUsage, "at most 67108864"},
		{[]string{"--timeout", "0s", "ws://h/"}, exitUsage, "--timeout"},
		{[]string{"--as", "netscape", "ws://h/"}, exitUsage, "no device"},
		{[]string{"--listen", "127.0.0.1:0", "ws://h/"}, exitUsage, "belongs to --through"},
		{[]string{"--through", "ws://h/", "ws://h/"}, exitUsage, "one too many"},
		{[]string{"--through", "ws://h/", "--faults"}, exitUsage, "exclude each other"},
		{[]string{"--through", "ws://h/", "--listen", "256.0.0.1:x"}, exitFailure, "--listen: "},
		{[]string{"--through", nobody}, exitConnect, "connection refused"},
		{[]string{nobody}, exitConnect, "connection refused"},
		{[]string{"wss" + strings.TrimPrefix(url, "ws")}, exitConnect, "tls: EOF"},
		{[]string{"--max-conns", "3", url}, exitFailure, "its number of connections is used up"},
		{[]string{"--for", "300ms", "--rate", "1", url}, exitFailure, "its time is over"},
	} {
		if code, _, err := call(t, "", append([]string{"probe", "--quick"}, tt.args...)...); code != tt.code || !strings.Contains(err, tt.want) {
			t.Errorf("%q: exit %d, %q; want %d, %q", tt.args, code, err, tt.code, tt.want)
		}
	}
}

// An interruption ends a probe, and prints what was found so far.
func TestProbeInterrupted(t *testing.T) {
	came := make(chan struct{}, 100)
	addr := tcpServer(t, func(nc net.Conn) {
		came <- struct{}{}
		io.Copy(io.Discard, nc)
	})
	p := start(t, "probe", "--quick", "--timeout", "1h", "ws://"+addr)
	<-came
	<-came
	p.signals <- syscall.SIGINT
	if code := p.wait(t); code != exitInterrupted || !strings.Contains(p.out.String(), "not asked") {
		t.Errorf("exit %d, %s, %s", code, p.out, p.err)
	}
}

// The way through a relay that adds a field is told.
func TestProbeThrough(t *testing.T) {
	to := make(chan string, 1)
	addr := tcpServer(t, func(near net.Conn) {
		back := <-to
		to <- back
		far, err := net.Dial("tcp", back)
		if err != nil {
			return
		}
		defer far.Close()
		go func() {
			io.Copy(near, far)
			near.Close()
		}()
		buf := make([]byte, 4096)
		n, err := near.Read(buf)
		if err != nil {
			return
		}
		io.WriteString(far, strings.Replace(string(buf[:n]), "Host: ", "via: 1.1 \x01relay\r\nHOST: ", 1))
		io.Copy(far, near)
	})
	for _, form := range []string{"", "--json"} {
		args := []string{"probe", "--quick", "--rate", "100000", "--through", "http://" + addr + "/x", "--listen", "127.0.0.1:0"}
		if form != "" {
			args = append(args, form)
		}
		p := start(t, args...)
		to <- p.err.await(t, `listening on (\S+)`)[1]
		if code := p.wait(t); code != 0 {
			t.Fatalf("exit %d, %s", code, p.err)
		}
		<-to
		out := p.out.String()
		if form == "" {
			for _, want := range []string{"hixie-76  yes     kept         at once", "the request gets via: 1.1 \\x01relay (all)\n", "the request has Host spelled HOST (all)\n", "the answer comes as it was sent\n"} {
				if !strings.Contains(out, want) {
					t.Errorf("no %q in\n%s", want, out)
				}
			}
			continue
		}
		var r probe.PathReport
		if err := json.Unmarshal([]byte(out), &r); err != nil || len(r.Versions) != 9 || r.Versions[1].Passage != probe.Passes || r.Versions[8].Request.Added[0].Name != "via" {
			t.Errorf("%v, %s", err, out)
		}
	}
}
