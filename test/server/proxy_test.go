package server_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/memnet"
	"github.com/draftwire/draftwire/internal/wstest"
)

const proxySignature = "\r\n\r\n\x00\r\nQUIT\n"

// parseProxy reads what these tests send of both versions.
func parseProxy(p []byte) (int, draftwire.ProxyHeader, error) {
	var h draftwire.ProxyHeader
	if len(p) > 0 && p[0] == 'P' {
		i := bytes.Index(p, []byte("\r\n"))
		if i < 0 && len(p) > 107 {
			return 0, h, errors.New("no end of the line")
		}
		if i < 0 {
			return 0, h, nil
		}
		f := strings.Split(string(p[:i]), " ")
		if f[1] == "UNKNOWN" {
			h.Local = true
			return i + 2, h, nil
		}
		if len(f) != 6 {
			return 0, h, fmt.Errorf("%d words", len(f))
		}
		var err error
		h.Client, err = netip.ParseAddrPort(net.JoinHostPort(f[2], f[4]))
		return i + 2, h, err
	}
	if len(p) < 16 {
		return 0, h, nil
	}
	n := 16 + int(binary.BigEndian.Uint16(p[14:]))
	if len(p) < n {
		return 0, h, nil
	}
	h.Local = p[12] == 0x20
	size := map[byte]int{0x11: 4, 0x21: 16}[p[13]]
	if size > 0 && !h.Local {
		ip, _ := netip.AddrFromSlice(p[16 : 16+size])
		h.Client = netip.AddrPortFrom(ip, binary.BigEndian.Uint16(p[16+2*size:]))
		h.Secure = n > 16+2*size+4 && p[16+2*size+4] == 0x20 // PP2_TYPE_SSL
	}
	return n, h, nil
}

// proxy2 writes a header of version 2.
func proxy2(command, family byte, body string) string {
	return proxySignature + string([]byte{0x20 | command, family}) + string(binary.BigEndian.AppendUint16(nil, uint16(len(body)))) + body
}

const clientTCP4 = "\xcb\x00\x71\x07\xc0\x00\x02\x01\xbd\x0c\x01\xbb" // 203.0.113.7:48396 to 192.0.2.1:443

var proxyHeaders = []struct {
	name, header, client string
	secure               bool
}{
	{"1, TCP4", "PROXY TCP4 203.0.113.7 192.0.2.1 48396 443\r\n", "203.0.113.7:48396", false},
	{"1, TCP6", "PROXY TCP6 2001:db8::7 2001:db8::1 48396 443\r\n", "[2001:db8::7]:48396", false},
	{"1, mapped", "PROXY TCP6 ::ffff:203.0.113.7 ::1 48396 443\r\n", "203.0.113.7:48396", false},
	{"1, UNKNOWN", "PROXY UNKNOWN\r\n", "", false},
	{"2, TCP4", proxy2(1, 0x11, clientTCP4), "203.0.113.7:48396", false},
	{"2, TCP4, TLS", proxy2(1, 0x11, clientTCP4+"\x20\x00\x05\x01\x00\x00\x00\x00"), "203.0.113.7:48396", true},
	{"2, TCP6", proxy2(1, 0x21, "\x20\x01\x0d\xb8"+strings.Repeat("\x00", 11)+"\x07"+strings.Repeat("\x00", 16)+"\xbd\x0c\x01\xbb"), "[2001:db8::7]:48396", false},
	{"2, LOCAL", proxy2(0, 0, ""), "", false},
}

// proxyTrusting is a Proxy that takes headers from memnet's peer.
func proxyTrusting() *draftwire.ProxyProtocol {
	return &draftwire.ProxyProtocol{From: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, Read: parseProxy}
}

// proxyServer serves, and gives each handshake to the test. Ordinary requests
// are answered with the client's address and scheme.
func proxyServer(t *testing.T, o draftwire.AcceptOptions, p *draftwire.ProxyProtocol, withTLS bool) (l *memnet.Listener, opened chan *draftwire.Conn) {
	opened = make(chan *draftwire.Conn, 1)
	s := &draftwire.Server{
		Options: o, Proxy: p, FlashPolicy: "<policy/>",
		WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
			opened <- c
			return wstest.Echo(ctx, c)
		},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, r.RemoteAddr, " ", r.TLS != nil, " ", r.Proto)
		}),
	}
	if withTLS {
		cert, _ := wstest.SelfSigned(t)
		s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	}
	l = wstest.Serve(t, s)
	return l, opened
}

func checkClient(t *testing.T, c *draftwire.Conn, client string, secure bool) {
	t.Helper()
	h := c.Handshake()
	via := "192.0.2.1:1"
	if client == "" {
		client, via = via, ""
	}
	if h.Remote() != client || h.Via() != via || h.Secure() != secure || c.RemoteAddr().String() != "192.0.2.1:1" {
		t.Errorf("remote %s via %s, secure %v, peer %s; want %s via %s, %v", h.Remote(), h.Via(), h.Secure(), c.RemoteAddr(), client, via, secure)
	}
}

// Every version behind every header, the stream cut at each byte.
func TestProxySplits(t *testing.T) {
	for _, tt := range proxyHeaders {
		for _, v := range draftwire.ServedVersions().List() {
			if testing.Short() && v != draftwire.Hixie76 {
				continue
			}
			t.Run(tt.name+", "+v.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l, opened := proxyServer(t, wstest.Options(), proxyTrusting(), false)
					client := wstest.Clients[v]().At("example.com", tt.secure)
					stream := tt.header + client.Head + client.Key3
					last := len(tt.header) + 30
					for cut := 1; cut <= last; cut++ {
						nc, _ := l.Dial()
						wstest.Send(t, nc, []byte(stream[:cut]))
						synctest.Wait()
						wstest.Send(t, nc, []byte(stream[cut:]))
						c := <-opened
						checkClient(t, c, tt.client, tt.secure)
						if head := wstest.ReadHead(t, nc); client.Learn != nil {
							client.Learn(head)
						}
						wstest.Want(t, nc, []byte(client.Tail))
						if cut == last {
							wstest.Send(t, nc, client.Text("hello"))
							wstest.Want(t, nc, client.Echo("hello"))
						}
						nc.Close()
						client = wstest.Clients[v]().At("example.com", tt.secure)
						stream = tt.header + client.Head + client.Key3
					}
				})
			})
		}
	}
}

// The hixie answer repeats the scheme that the client spoke with the balancer.
func TestProxyLocation(t *testing.T) {
	for _, tt := range proxyHeaders {
		synctest.Test(t, func(t *testing.T) {
			l, opened := proxyServer(t, wstest.Options(), proxyTrusting(), false)
			nc, _ := l.Dial()
			defer nc.Close()
			wstest.Send(t, nc, []byte(tt.header+wstest.Head(draftwire.Hixie76)+wstest.Key3))
			<-opened
			location := "Sec-WebSocket-Location: ws://example.com/x\r\n"
			if tt.secure {
				location = "Sec-WebSocket-Location: wss://example.com/x\r\n"
			}
			if head := wstest.ReadHead(t, nc); !strings.Contains(head, location) {
				t.Errorf("%s: no %q in %q", tt.name, location, head)
			}
		})
	}
}

// All that one port serves is served behind a header: TLS, HTTP/1 and 2, Flash,
// and an upgrade behind an ordinary request.
func TestProxyOnePort(t *testing.T) {
	for _, tt := range proxyHeaders {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, opened := proxyServer(t, wstest.Options(), proxyTrusting(), true)
				from := tt.client
				if from == "" {
					from = "192.0.2.1:1"
				}
				dial := func() net.Conn {
					nc, _ := l.Dial()
					wstest.Send(t, nc, []byte(tt.header))
					return nc
				}
				secure := func(protos ...string) *tls.Conn {
					return tls.Client(dial(), &tls.Config{InsecureSkipVerify: true, NextProtos: protos}) // the bubble's clock is not the certificate's
				}

				nc := dial()
				wstest.Send(t, nc, []byte("<policy-file-request/>\x00"))
				if p, _ := io.ReadAll(nc); string(p) != "<policy/>\x00" {
					t.Errorf("Flash got %q", p)
				}

				for _, nc := range []net.Conn{dial(), secure()} {
					_, within := nc.(*tls.Conn)
					io.WriteString(nc, "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")
					br := bufio.NewReader(nc)
					resp, err := http.ReadResponse(br, nil)
					if err != nil {
						t.Fatal(err)
					}
					if p, _ := io.ReadAll(resp.Body); string(p) != fmt.Sprint(from, " ", within, " HTTP/1.1") {
						t.Errorf("the handler saw %q", p)
					}
					io.WriteString(nc, wstest.Head(draftwire.RFC6455)) // on the connection that net/http has
					c := <-opened
					checkClient(t, c, tt.client, tt.secure || within)
					nc.Close()
				}

				tc := secure()
				io.WriteString(tc, wstest.Head(draftwire.Hixie76)+wstest.Key3)
				checkClient(t, <-opened, tt.client, true)
				tc.Close()

				tr := &http.Transport{ForceAttemptHTTP2: true, DialTLSContext: func(context.Context, string, string) (net.Conn, error) {
					tc := secure("h2")
					return tc, tc.Handshake()
				}}
				defer tr.CloseIdleConnections()
				resp, err := (&http.Client{Transport: tr}).Get("https://example.com/")
				if err != nil {
					t.Fatal(err)
				}
				if p, _ := io.ReadAll(resp.Body); string(p) != from+" true HTTP/2.0" {
					t.Errorf("the handler saw %q over HTTP/2", p)
				}
				resp.Body.Close()
			})
		})
	}
}
