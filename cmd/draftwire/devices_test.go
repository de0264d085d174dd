package main

import (
	"bufio"
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
	"github.com/draftwire/draftwire/wire"
)

// device is what a device sends that shipped, and what becomes of it.
type device struct {
	name     string
	sends    string // the head, and the eight bytes of hixie-76
	tolerate string // what admits it; "" where it is admitted anyway
	reason   string // of the refusal without it
	says     string // a frame
	hears    string // its echo
	proof    string // the 16 bytes of hixie-76
	path     string // that the backend is asked for
	origin   string // that the backend is told
	host     string // that the backend is told in Forwarded
}

// What devices send, made of plain requests.
const (
	plain13 = "GET /a HTTP/1.1\r\nHost: device.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
	plain8  = "GET /a HTTP/1.1\r\nHost: device.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Origin: http://right.example\r\nSec-WebSocket-Version: 8\r\n\r\n"
	plain76 = "GET /a HTTP/1.1\r\nHost: device.example\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nOrigin: http://right.example\r\nSec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\nSec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\n\r\n"
	hello13 = "\x81\x85\x00\x00\x00\x00Hello"
	echo13  = "\x81\x05Hello"
	helloH  = "\x00Hello\xff"
)

// with replaces something in a request.
func with(request, old, now string) string {
	if !strings.Contains(request, old) {
		panic(old)
	}
	return strings.Replace(request, old, now, 1)
}

// proofOf is the answer to the challenge of hixie-76 with the eight bytes "12345678".
func proofOf(part1, part2 uint32) string {
	b := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, part1), part2)
	sum := md5.Sum(append(b, "12345678"...))
	return string(sum[:])
}

var devices = []device{
	{name: "a key of eight bytes", sends: with(plain13, "dGhlIHNhbXBsZSBub25jZQ==", "qjaovfzeqzo="), tolerate: "any-key", reason: "bad_key", says: hello13, hears: echo13},
	{name: "LF behind the key", sends: with(plain13, "13\r\n", "13\n"), tolerate: "line-ends", reason: "bad_head", says: hello13, hears: echo13},
	{name: "LF everywhere", sends: strings.ReplaceAll(plain13, "\r\n", "\n"), tolerate: "line-ends", reason: "bad_head", says: hello13, hears: echo13},
	{name: "LF everywhere in hixie-76", sends: strings.ReplaceAll(plain76, "\r\n", "\n") + "12345678", tolerate: "line-ends", reason: "bad_head", says: helloH, hears: helloH, proof: proofOf(829309203, 259970620), origin: "http://right.example"},
	{name: "no target", sends: with(plain13, "GET /a ", "GET  "), tolerate: "request-line", reason: "bad_head", says: hello13, hears: echo13, path: "/"},
	{name: "a blank behind the version", sends: with(plain13, "HTTP/1.1", "HTTP/1.1 "), tolerate: "request-line", reason: "bad_head", says: hello13, hears: echo13},
	{name: "a blank in the path", sends: with(plain13, "/a", "/ocpp/CP 01"), tolerate: "request-line", reason: "bad_head", says: hello13, hears: echo13, path: "/ocpp/CP%2001"},
	{name: "no slash", sends: with(plain13, "/a", "ocpp/CP01"), tolerate: "request-line", reason: "bad_head", says: hello13, hears: echo13, path: "/ocpp/CP01"},
	{name: "a number sign", sends: with(plain13, "/a", "/CP#1"), tolerate: "request-line", reason: "bad_head", says: hello13, hears: echo13, path: "/CP%231"},
	{name: "blanks behind a key", sends: with(plain76, "4 @1  46546xW%0l 1 5", "12 x9 y96  ") + "12345678", says: helloH, hears: helloH, proof: proofOf(12996/4, 259970620), origin: "http://right.example"},
	{name: "digits that are no multiple", sends: with(plain76, "P00\r\n", "P01\r\n") + "12345678", tolerate: "uneven-key", reason: "bad_challenge", says: helloH, hears: helloH, proof: proofOf(829309203, 259970620), origin: "http://right.example"},
	{name: "draft 10", sends: with(plain13, ": 13", ": 10"), tolerate: "draft-number", reason: "version_unsupported", says: hello13, hears: echo13},
	{name: "draft 17", sends: with(plain13, ": 13", ": 17"), tolerate: "draft-number", reason: "version_unsupported", says: hello13, hears: echo13},
	{name: "version 13 with the older origin", sends: with(plain13, "Upgrade: websocket", "Sec-WebSocket-Origin: http://right.example\r\nUpgrade: websocket"), says: hello13, hears: echo13, origin: "http://right.example"},
	{name: "version 8 with two origins", sends: with(plain8, "Upgrade: websocket", "Origin: device.example:80\r\nUpgrade: websocket"), says: hello13, hears: echo13, origin: "http://right.example"},
	{name: "HTTP/1.0", sends: with(plain13, "HTTP/1.1", "HTTP/1.0"), tolerate: "http-1.0", reason: "http_version", says: hello13, hears: echo13},
	{name: "CR LF before", sends: "\r\n" + plain13, says: hello13, hears: echo13},
	{name: "an absolute target", sends: with(plain13, "/a", "http://right.example/a"), says: hello13, hears: echo13, host: "right.example"},
	{name: "an address without brackets", sends: with(plain13, "device.example", "fe80::1%eth0"), tolerate: "loose-host", reason: "host", says: hello13, hears: echo13, host: "[fe80::1]"},
}

// TestDevices plays the device at the real programs: with default settings it is refused at
// once, by its true reason, and the log names the tolerance; with that it is served, however
// TCP cuts what it sends. A backend of the gateway gets a request that no tolerance is needed
// for.
func TestDevices(t *testing.T) {
	asked := make(chan *draftwire.Handshake, 1)
	backend := wstest.ListenTCP(t)
	wstest.ServeOn(t, &draftwire.Server{WebSocket: wstest.Echo, Options: draftwire.AcceptOptions{Origins: []string{"*"},
		Observer: &draftwire.Observer{Opened: func(c *draftwire.Conn) { asked <- c.Handshake() }}}}, backend)
	to := "ws://" + backend.Addr().String()
	all := wire.ClientFaults() &^ (wire.TolerateHybi01 | wire.TolerateHixieFrames)
	strictServe, strictLog := serveOn(t)
	looseServe, _ := serveOn(t, "--tolerate", all.String())
	strictGateway, _, strictGatewayLog := gatewayOn(t, append(free, "--to", to)...)
	looseGateway, _, _ := gatewayOn(t, append(free, "--to", to, "--tolerate", all.String())...)
	for _, d := range devices {
		for _, piece := range []int{1 << 20, 1} {
			if d.tolerate == "" {
				d.served(t, "serve", strictServe, piece)
				d.served(t, "gateway", strictGateway, piece)
				d.relayed(t, <-asked)
			} else {
				d.refused(t, strictServe, piece, strictLog)
				d.refused(t, strictGateway, piece, strictGatewayLog)
			}
			d.served(t, "serve, which tolerates it", looseServe, piece)
			d.served(t, "gateway, which tolerates it", looseGateway, piece)
			d.relayed(t, <-asked)
		}
	}
}

// connect opens a connection to a program and sends the request in pieces.
func (d *device) connect(t *testing.T, url string, piece int) (net.Conn, *bufio.Reader) {
	t.Helper()
	nc, err := net.Dial("tcp", strings.TrimPrefix(url, "ws://"))
	if err != nil {
		t.Fatal(err)
	}
	nc.SetDeadline(time.Now().Add(patience / 6)) // less than a handshake may take
	for rest := d.sends; rest != ""; rest = rest[min(piece, len(rest)):] {
		if _, err := io.WriteString(nc, rest[:min(piece, len(rest))]); err != nil {
			break // it was refused before all had gone
		}
	}
	return nc, bufio.NewReader(nc)
}

func (d *device) served(t *testing.T, where, url string, piece int) {
	t.Helper()
	nc, br := d.connect(t, url, piece)
	defer nc.Close()
	resp, err := http.ReadResponse(br, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%s at %s: %v, %v", d.name, where, resp, err)
	}
	io.WriteString(nc, d.says)
	got := make([]byte, len(d.proof)+len(d.hears))
	if _, err := io.ReadFull(br, got); err != nil || string(got) != d.proof+d.hears {
		t.Errorf("%s at %s: %q, %v", d.name, where, got, err)
	}
}

func (d *device) refused(t *testing.T, url string, piece int, p *process) {
	t.Helper()
	nc, br := d.connect(t, url, piece)
	defer nc.Close()
	resp, err := http.ReadResponse(br, nil)
	if err != nil || resp.StatusCode/100 != 4 || resp.Header.Get("Draftwire-Reason") != d.reason {
		t.Errorf("%s, not tolerated: %v, %v", d.name, resp, err)
	}
	p.err.await(t, fmt.Sprintf(`"hint":"[^"]*tolerate [^"]*%s admits it"`, d.tolerate))
}

// relayed checks what the backend was asked for.
func (d *device) relayed(t *testing.T, h *draftwire.Handshake) {
	t.Helper()
	host, path := d.host, d.path
	if host == "" {
		host = "device.example"
	}
	if path == "" {
		path = "/a"
	}
	told := h.Fields().Get("X-Forwarded-Host")
	if h.Version() != draftwire.RFC6455 || h.Tolerated() != 0 || h.Target() != path || h.Origin() != d.origin || told != host || h.Fields().Has("Sec-WebSocket-Origin") {
		t.Errorf("%s: the backend is asked for %s from %q at %q:\n%s", d.name, h.Target(), h.Origin(), told, h.Request())
	}
}

// TestDevicesBehindTheHandshake plays devices whose fault comes behind the handshake, and
// what comes before one.
func TestDevicesBehindTheHandshake(t *testing.T) {
	strict, strictLog := serveOn(t, "--flash-policy")
	loose, _ := serveOn(t, "--tolerate", wire.ClientFaults().String())
	draft2 := with(plain76, "Sec-WebSocket-Key1", "Sec-WebSocket-Draft: 2\r\nSec-WebSocket-Key1") + "12345678"
	for _, d := range []device{
		{name: "hixie frames under draft 2", sends: draft2, tolerate: "hixie-frames", says: helloH, hears: helloH, proof: proofOf(829309203, 259970620)},
		{name: "a frame of hybi-01", sends: plain76 + "12345678", tolerate: "hybi-01", says: "\x04\x05Hello", hears: "\x04\x05Hello", proof: proofOf(829309203, 259970620)},
		{name: "a long length", sends: plain13, tolerate: "long-length", says: "\x81\xfe\x00\x05\x00\x00\x00\x00Hello", hears: echo13},
		{name: "a ping with a long length", sends: plain13, tolerate: "long-length", says: "\x89\xff\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00x", hears: "\x8a\x01x"},
	} {
		d.served(t, "serve, which tolerates it", loose, 1)
		nc, br := d.connect(t, strict, 1)
		if resp, err := http.ReadResponse(br, nil); err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
			t.Errorf("%s: %v, %v", d.name, resp, err)
		}
		io.WriteString(nc, d.says)
		answer, _ := io.ReadAll(br)
		if strings.Contains(string(answer), "Hello") {
			t.Errorf("%s is answered with %q", d.name, answer)
		}
		nc.Close()
		strictLog.err.await(t, fmt.Sprintf(`"hint":"tolerate %s admits it"`, d.tolerate))
	}

	flash := device{sends: "<policy-file-request/>"}
	nc, br := flash.connect(t, strict, 1)
	defer nc.Close()
	if answer, err := io.ReadAll(br); string(answer) != draftwire.DefaultFlashPolicy+"\x00" || err != nil {
		t.Errorf("a Flash policy request without its NUL: %q, %v", answer, err)
	}
}
