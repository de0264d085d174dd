package server_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/memnet"
	"github.com/draftwire/draftwire/internal/wstest"
)

// What breaks a rule is closed without an answer, and has its reason.
func TestProxyRefused(t *testing.T) {
	const header = "PROXY TCP4 203.0.113.7 192.0.2.1 48396 443\r\n"
	head := wstest.Head(draftwire.RFC6455)
	elsewhere := []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}
	for _, tt := range []struct {
		name     string
		required bool
		from     []netip.Prefix
		sent     string
		want     string // what the Observer is told; "" for an open connection
	}{
		{"direct", false, nil, head, ""},
		{"direct from elsewhere", false, elsewhere, head, ""},
		{"header from elsewhere", false, elsewhere, header + head, "192.0.2.1:1 proxy_untrusted"},
		{"required", true, nil, header + head, ""},
		{"required and direct", true, nil, head, "192.0.2.1:1 proxy_missing"},
		{"required and TLS", true, nil, "\x16\x03\x01", "192.0.2.1:1 proxy_missing"},
		{"required and nonsense", true, nil, "\x00", "192.0.2.1:1 proxy_missing"},
		{"required, from elsewhere", true, elsewhere, header + head, "192.0.2.1:1 proxy_untrusted"},
		{"required, silent from elsewhere", true, elsewhere, "", "192.0.2.1:1 proxy_untrusted"},
		{"twice", false, nil, header + header + head, "203.0.113.7:48396 proxy_header"},
		{"twice, two versions", false, nil, header + proxy2(0, 0, ""), "203.0.113.7:48396 proxy_header"},
		{"broken", false, nil, "PROXY TCP4 all wrong\r\n", "192.0.2.1:1 proxy_header"},
		{"endless", false, nil, proxy2(1, 0x11, strings.Repeat("x", 5000)), "192.0.2.1:1 proxy_header"},
		{"of the limit", false, nil, proxy2(1, 0x11, clientTCP4+strings.Repeat("x", draftwire.ProxyHeaderLimit-28)) + head, ""},
		{"above the limit", false, nil, proxy2(1, 0x11, clientTCP4+strings.Repeat("x", draftwire.ProxyHeaderLimit-27)) + head, "192.0.2.1:1 proxy_header"},
		{"cut", false, nil, "PROXY TCP4 203.0.", "192.0.2.1:1 proxy_header"},
		{"then nonsense", false, nil, header + "\x00", "203.0.113.7:48396 preface"},
		{"then nothing", false, nil, header, "203.0.113.7:48396 io"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var seen refusals
				opt := wstest.Options()
				opt.Observer = seen.observer()
				p := proxyTrusting()
				p.Required = tt.required
				if tt.from != nil {
					p.From = tt.from
				}
				l, opened := proxyServer(t, opt, p, false)
				nc, _ := l.Dial()
				defer nc.Close()
				io.WriteString(nc, tt.sent)
				nc.CloseWrite()
				got, _ := io.ReadAll(nc)
				if seen.String() != tt.want || (len(got) > 0) != (tt.want == "") {
					t.Errorf("told %q, want %q; the peer got %q", seen.String(), tt.want, got)
				}
				if tt.want == "" {
					<-opened
				}
			})
		})
	}
}

// A header within TLS is none of the balancer's.
func TestProxyWithinTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen refusals
		opt := wstest.Options()
		opt.Observer = seen.observer()
		l, _ := proxyServer(t, opt, proxyTrusting(), true)
		nc, _ := l.Dial()
		tc := tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
		defer tc.Close()
		io.WriteString(tc, "PROXY TCP4 203.0.113.7 192.0.2.1 48396 443\r\n")
		io.ReadAll(tc)
		if got := seen.String(); got != "192.0.2.1:1 proxy_header" {
			t.Errorf("told %q", got)
		}
	})
}

// A parser that is wrong harms nobody but the connection.
func TestProxyBadParser(t *testing.T) {
	for name, read := range map[string]func(p []byte) (int, draftwire.ProxyHeader, error){
		"negative": func([]byte) (int, draftwire.ProxyHeader, error) { return -1, draftwire.ProxyHeader{}, nil },
		"too many": func(p []byte) (int, draftwire.ProxyHeader, error) { return len(p) + 1, draftwire.ProxyHeader{}, nil },
		"more":     func([]byte) (int, draftwire.ProxyHeader, error) { return 0, draftwire.ProxyHeader{}, nil },
	} {
		synctest.Test(t, func(t *testing.T) {
			var seen refusals
			opt := wstest.Options()
			opt.Observer = seen.observer()
			p := proxyTrusting()
			p.Read = read
			l, _ := proxyServer(t, opt, p, false)
			nc, _ := l.Dial()
			defer nc.Close()
			io.WriteString(nc, "PROXY "+strings.Repeat("x", 5000))
			if got, _ := io.ReadAll(nc); len(got) > 0 || seen.String() != "192.0.2.1:1 proxy_header" {
				t.Errorf("%s: told %q, the peer got %q", name, seen.String(), got)
			}
		})
	}
	if err := (&draftwire.Server{Proxy: &draftwire.ProxyProtocol{}}).Serve(memnet.Listen(1)); err == nil || err == http.ErrServerClosed {
		t.Errorf("without a parser: %v", err)
	}
}

// A balancer's health check makes no noise; a header that does not end in time
// does.
func TestProxyStalls(t *testing.T) {
	for _, tt := range []struct {
		sent, want string
		leaves     bool
	}{
		{"PROXY UNKNOWN\r\n", "", true},
		{"PROXY UNKNOWN\r\n", "", false},
		{proxy2(0, 0, ""), "", true},
		{proxy2(0, 0, ""), "", false},
		{"PROXY UNKNOWN\r\nGET", "192.0.2.1:1 timeout", false},
		{"PROXY TCP4 ", "192.0.2.1:1 proxy_header", false},
		{"PROXY TCP4 203.0.113.7 192.0.2.1 48396 443\r\n", "203.0.113.7:48396 timeout", false},
	} {
		synctest.Test(t, func(t *testing.T) {
			var seen refusals
			opt := wstest.Options()
			opt.Observer = seen.observer()
			l, _ := proxyServer(t, opt, proxyTrusting(), false)
			nc, _ := l.Dial()
			defer nc.Close()
			began := time.Now()
			io.WriteString(nc, tt.sent)
			if tt.leaves {
				nc.CloseWrite()
			}
			io.ReadAll(nc)
			if d := time.Since(began); !tt.leaves && (d < draftwire.DefaultHandshakeTimeout || d > draftwire.DefaultHandshakeTimeout+2*time.Second) {
				t.Errorf("%q: dropped after %v", tt.sent, d)
			}
			synctest.Wait()
			if seen.String() != tt.want {
				t.Errorf("%q: told %q, want %q", tt.sent, seen.String(), tt.want)
			}
		})
	}
}

func TestSetProxy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &draftwire.Server{WebSocket: wstest.Echo, Options: wstest.Options()}
		l := wstest.Serve(t, s)
		if err := s.SetProxy(&draftwire.ProxyProtocol{}); err == nil {
			t.Error("no error without a parser")
		}
		for _, p := range []*draftwire.ProxyProtocol{nil, proxyTrusting(), nil} {
			if err := s.SetProxy(p); err != nil {
				t.Fatal(err)
			}
			nc, _ := l.Dial()
			io.WriteString(nc, "PROXY UNKNOWN\r\n"+wstest.Head(draftwire.RFC6455))
			got, _ := bufio.NewReader(nc).ReadString('\n')
			if (got != "") != (p != nil) {
				t.Errorf("with %v: %q", p, got)
			}
			nc.Close()
		}
	})
}

// Any bytes behind any header's beginning: what a parser of the program's own
// makes of them is no harm, and the deadline holds.
func FuzzProxy(f *testing.F) {
	for _, h := range proxyHeaders {
		f.Add([]byte(h.header+wstest.Head(draftwire.RFC6455)), 7)
	}
	f.Fuzz(func(t *testing.T, p []byte, cut int) {
		cut = min(max(cut, 0), len(p))
		synctest.Test(t, func(t *testing.T) {
			pp := proxyTrusting()
			pp.Read = func(p []byte) (n int, h draftwire.ProxyHeader, err error) {
				defer func() {
					if recover() != nil {
						err = errors.New("not what the parser of this test reads")
					}
				}()
				return parseProxy(p)
			}
			s := &draftwire.Server{WebSocket: wstest.Echo, Options: wstest.Options(), Proxy: pp}
			l := wstest.Serve(t, s)
			nc, _ := l.Dial()
			defer nc.Close()
			began := time.Now()
			go func() {
				nc.Write(p[:cut])
				synctest.Wait()
				nc.Write(p[cut:])
				nc.CloseWrite()
			}()
			io.Copy(io.Discard, nc)
			if d := time.Since(began); d > draftwire.DefaultHandshakeTimeout+draftwire.DefaultCloseTimeout {
				t.Errorf("%q: ended after %v", p, d)
			}
		})
	})
}
