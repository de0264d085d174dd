package main

import (
	"bufio"
	"crypto/md5"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
)

// faultyServer is a server whose answer or frames have a fault, the smallest of its kind.
// {accept}, {origin}, {location} and {proof} in the answer are what the request demands.
type faultyServer struct {
	name, version, answer, frames string
	tolerance                     string // that admits it; "" for none
}

const (
	rightAnswer13 = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
	rightAnswer76 = "HTTP/1.1 101 WebSocket Protocol Handshake\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Origin: {origin}\r\nSec-WebSocket-Location: {location}\r\n\r\n{proof}"
	rightAnswer75 = "HTTP/1.1 101 Web Socket Protocol Handshake\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n" +
		"WebSocket-Origin: {origin}\r\nWebSocket-Location: {location}\r\n\r\n"
	frameHello13 = "\x81\x05hello"
	frameHello76 = "\x00hello\xff"
)

var faultyServers = []faultyServer{
	{"100 before the 101", "rfc6455", "HTTP/1.1 100 Continue\r\n\r\n" + rightAnswer13, frameHello13, ""},
	{"an empty subprotocol", "rfc6455", strings.Replace(rightAnswer13, "\r\n\r\n", "\r\nSec-WebSocket-Protocol:\r\n\r\n", 1), frameHello13, ""},
	{"LF", "rfc6455", strings.ReplaceAll(rightAnswer13, "\r\n", "\n"), frameHello13, "line-ends"},
	{"masked frames", "rfc6455", rightAnswer13, "\x81\x85\x00\x00\x00\x00hello", "masked"},
	{"a long length", "rfc6455", rightAnswer13, "\x81\x7e\x00\x05hello", "long-length"},
	{"a blank before a colon", "rfc6455", strings.Replace(rightAnswer13, "Connection:", "Connection :", 1), frameHello13, "space-before-colon"},
	{"a folded line", "rfc6455", strings.Replace(rightAnswer13, "Accept: ", "Accept:\r\n ", 1), frameHello13, "folded-fields"},
	{"Upgrade: websocket in hixie-76", "hixie-76", strings.Replace(rightAnswer76, ": WebSocket", ": websocket", 1), frameHello76, "upgrade-case"},
	{"another URL in hixie-76", "hixie-76", strings.Replace(rightAnswer76, "{location}", "ws://localhost/", 1), frameHello76, "other-location"},
	{"CR LF behind the 16 bytes", "hixie-76", rightAnswer76, "\r\n" + frameHello76, "stray-crlf"},
	{"other first lines in hixie-75", "hixie-75", strings.Replace(rightAnswer75, "Web Socket", "WebSocket", 1), frameHello76, "first-lines"},
}

// listen answers each connection until the test ends, and returns where.
func (f *faultyServer) listen(t *testing.T) string {
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
			go f.serve(nc)
		}
	}()
	return "ws://" + l.Addr().String()
}

func (f *faultyServer) serve(nc net.Conn) {
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(patience))
	in := bufio.NewReader(nc)
	r, err := http.ReadRequest(in)
	if err != nil {
		return
	}
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	var challenge [16]byte
	if r.Header.Get("Sec-WebSocket-Key1") != "" {
		binary.BigEndian.PutUint32(challenge[:], hiddenNumber(r.Header.Get("Sec-WebSocket-Key1")))
		binary.BigEndian.PutUint32(challenge[4:], hiddenNumber(r.Header.Get("Sec-WebSocket-Key2")))
		io.ReadFull(in, challenge[8:])
	}
	proof := md5.Sum(challenge[:])
	io.WriteString(nc, strings.NewReplacer("{accept}", base64.StdEncoding.EncodeToString(sum[:]), "{origin}", r.Header.Get("Origin"),
		"{location}", "ws://"+r.Host+r.RequestURI, "{proof}", string(proof[:])).Replace(f.answer)+f.frames)
	if _, err := in.ReadByte(); err == nil { // whatever it is, the answer is a close
		io.WriteString(nc, map[string]string{"rfc6455": "\x88\x02\x03\xe8", "hixie-76": "\xff\x00"}[f.version])
		if f.version != "hixie-75" {
			io.Copy(io.Discard, in)
		}
	}
}

var noDigit = regexp.MustCompile(`\D`)

// hiddenNumber is the number in a key of hixie-76.
func hiddenNumber(key string) uint32 {
	n, _ := strconv.ParseUint(noDigit.ReplaceAllString(key, ""), 10, 64)
	return uint32(n / uint64(max(strings.Count(key, " "), 1)))
}

// The client refuses a server with a fault at once, says which tolerance admits it, and with
// that one talks to it and says so.
func TestClientAtFaultyServers(t *testing.T) {
	for _, f := range faultyServers {
		t.Run(f.name, func(t *testing.T) {
			url := f.listen(t)
			if f.tolerance != "" {
				began := time.Now()
				code, _, said := call(t, "", "client", "--version", f.version, "--wait", "100ms", "-x", "hi", "--timeout", "20s", url)
				switch {
				case f.tolerance == "stray-crlf": // the handshake is right, and the loss of a message is told
					if !strings.Contains(said, "discarded: a frame") {
						t.Errorf("exit %d, said %q", code, said)
					}
				case code == 0 || !strings.Contains(said, "tolerate "+f.tolerance+" admits it"):
					t.Errorf("exit %d, said %q", code, said)
				case time.Since(began) > 5*time.Second:
					t.Errorf("after %v", time.Since(began))
				}
			}
			_, out, said := call(t, "", "client", "--version", f.version, "--tolerate", f.tolerance, "-x", "hi", url)
			if out != "hello\n" || f.tolerance != "" && !strings.Contains(said, "tolerated: "+f.tolerance+"\n") {
				t.Errorf("printed %q, said %q", out, said)
			}
		})
	}
}

// The gateway in front of such a server: a client of RFC 6455 gets through with the tolerance,
// and its use is logged and counted; without it the log has the fault's name and the hint.
func TestGatewayAtFaultyServers(t *testing.T) {
	for _, f := range faultyServers {
		t.Run(f.name, func(t *testing.T) {
			back := f.listen(t) + "/?version=" + f.version
			url, admin, p := gatewayOn(t, append(free, "--to", back, "--tolerate-backend", f.tolerance)...)
			c := dial(t, url, draftwire.RFC6455)
			wantMessage(t, c, "hello")
			if f.tolerance == "" {
				return
			}
			p.err.await(t, `"backend.tolerated".*"tolerance":"`+f.tolerance+`"`)
			if metrics := fetch(t, admin+"/metrics"); !strings.Contains(metrics, `draftwire_backend_tolerated_total{route="default",tolerance="`+f.tolerance+`"} 1`) {
				t.Errorf("metrics: %s", metrics)
			}
			url, _, p = gatewayOn(t, append(free, "--to", back)...)
			c, _, err := draftwire.Dial(deadline(t), url, nil)
			if err == nil {
				t.Cleanup(func() { c.CloseNow() })
			}
			if f.tolerance == "stray-crlf" {
				p.err.await(t, `"url"|"addr"`)
				c.CloseNow()
				p.err.await(t, `"lost_discarded":1`)
				return
			}
			p.err.await(t, `"hint":"[^"]*tolerate `+f.tolerance+` admits it`)
		})
	}
}

// fetch returns a page.
func fetch(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	p, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(p)
}
