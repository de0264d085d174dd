package server_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
	"github.com/draftwire/draftwire/wire"
)

// admitted is what a server makes of a request of RFC 6455 with that field more, up to
// where it would answer.
func admitted(o draftwire.AcceptOptions, field, value string) (h *draftwire.Handshake, protocol string) {
	o.Authorize = func(got *draftwire.Handshake, acc *draftwire.Answer) error {
		h, protocol = got, acc.Protocol
		return nil
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = "127.0.0.1:1"
	r.Header = http.Header{"Upgrade": {"websocket"}, "Connection": {"Upgrade"},
		"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}, "Sec-Websocket-Version": {"13"}}
	r.Header.Add(field, value)
	draftwire.Accept(httptest.NewRecorder(), r, &o) // has nothing to take over, and says so
	return h, protocol
}

// A list costs memory by its bytes, not by what may stand in it, and is not held.
func TestALongListCostsLittleMemory(t *testing.T) {
	o := draftwire.AcceptOptions{Versions: draftwire.AllVersions, Protocols: []string{"none"}, TrustForwarded: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	for _, field := range listFields {
		for _, v := range listValues {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			h, _ := admitted(o, field, v.value)
			runtime.ReadMemStats(&after)
			if n := after.TotalAlloc - before.TotalAlloc; h == nil || n > 200<<10 {
				t.Errorf("%s, %s: %d KiB allocated, %v", field, v.name, n>>10, h)
			}
			if h != nil && len(h.Offered()) > wire.MaxOffers {
				t.Errorf("%s, %s: %d subprotocols are held", field, v.name, len(h.Offered()))
			}
		}
	}
}

// Of offers the first 32 are looked at, in every version: one that stands behind them
// is not chosen, and a string that goes back whole is not known by it.
func TestOffersBehindTheFirst32AreNotLookedAt(t *testing.T) {
	list := func(at int) []string {
		var out []string
		for i := range 40 {
			out = append(out, fmt.Sprint("p", i+1))
		}
		out[at-1] = "ours"
		return out
	}
	for _, v := range draftwire.ServedVersions().List() {
		for at, taken := range map[int]bool{1: true, 32: true, 33: false} {
			synctest.Test(t, func(t *testing.T) {
				o := wstest.Options()
				o.Protocols = []string{"ours"}
				l, opened := proxyServer(t, o, nil, false)
				c, _, err := draftwire.Dial(t.Context(), "ws://example.com", wstest.DialTo(l, draftwire.DialOptions{Version: v, Origin: "http://example.com", Protocols: list(at)}))
				whole := !v.Supports(wire.CapProtocolSet)
				if !taken && whole {
					if err == nil || !strings.Contains(err.Error(), "subprotocol") {
						t.Errorf("%s: %v", v, err)
					}
					return
				}
				if err != nil {
					t.Fatalf("%s, place %d: %v", v, at, err)
				}
				defer c.CloseNow()
				want := map[bool]string{true: "ours", false: ""}[taken]
				if whole {
					want = strings.Join(list(at), " ")
				}
				if h := (<-opened).Handshake(); c.Subprotocol() != want || !whole && !slices.Equal(h.Offered(), list(at)[:32]) {
					t.Errorf("%s, place %d: %q chosen of %q", v, at, c.Subprotocol(), h.Offered())
				}
			})
		}
	}
}

func TestExtensionsBehindTheFirst32AreDeclined(t *testing.T) {
	o := draftwire.AcceptOptions{Compression: draftwire.Compression{Mode: draftwire.CompressAll}}
	for before, want := range map[int]string{0: "permessage-deflate", 31: "permessage-deflate", 32: ""} {
		h, _ := admitted(o, "Sec-WebSocket-Extensions", strings.Repeat("x, ", before)+"permessage-deflate")
		if name, _, _ := strings.Cut(h.Deflate(), ";"); name != want {
			t.Errorf("behind %d others: %q", before, h.Deflate())
		}
	}
}

// listFields are the fields of a request that are lists.
var listFields = []string{
	"Connection", "Upgrade", "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions",
	"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded", "Cookie",
}

// listValues are lists of about 15 KiB.
var listValues = []struct{ name, value string }{
	{"commas", strings.Repeat(",", 15<<10)},
	{"tokens", distinct(15 << 10)},
	{"quotes", strings.Repeat(`a=";b=",`, 15<<7)},
	{"trusted", strings.Repeat("127.0.0.1,", 15<<10/10)},
	{"trusted-hops", strings.Repeat("for=127.0.0.1,", 15<<10/14)},
}

// distinct is a list of n bytes of members that are all different.
func distinct(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "%x,", i)
	}
	return b.String()
}

// BenchmarkLists is what a handshake costs by a socket, plain and with a list of 15 KiB
// in each field that is one: none may cost much more than its bytes.
func BenchmarkLists(b *testing.B) {
	l := wstest.ListenTCP(b)
	o := draftwire.AcceptOptions{Versions: draftwire.AllVersions, Protocols: []string{"a", "b"}, TrustForwarded: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	o.Compression.Mode = draftwire.CompressLarge
	s := &draftwire.Server{Options: o, WebSocket: func(context.Context, *draftwire.Conn) error { return nil }}
	wstest.ServeOn(b, s, l)
	benchHead(b, "plain", l.Addr().String(), wstest.Head(draftwire.RFC6455))
	for _, field := range listFields {
		for _, v := range listValues {
			benchHead(b, field+"/"+v.name, l.Addr().String(), wstest.Head(draftwire.RFC6455, field+": "+v.value))
		}
	}
}

func benchHead(b *testing.B, name, addr, head string) {
	if len(head) > 16<<10 {
		b.Fatalf("%s: %d bytes", name, len(head))
	}
	b.Run(name, func(b *testing.B) {
		for b.Loop() {
			nc, err := net.Dial("tcp", addr)
			if err != nil {
				b.Fatal(err)
			}
			io.WriteString(nc, head)
			if resp, err := http.ReadResponse(bufio.NewReader(nc), nil); err != nil || resp.StatusCode != 101 {
				b.Fatalf("%+v, %v", resp, err)
			}
			nc.Close()
		}
	})
}
