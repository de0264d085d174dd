package draftwire

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/internal/intern"
	"github.com/draftwire/draftwire/internal/seed"
	"github.com/draftwire/draftwire/wire"
)

// FuzzOneField: of each head that is accepted, Field finds what Fields().Get does.
func FuzzOneField(f *testing.F) {
	head := func(fields ...string) string {
		return "GET /chat HTTP/1.1\r\n" + strings.Join(fields, "\r\n") + "\r\n\r\n"
	}
	seed.Add(f, head("Host: a", "User-Agent: x y ", "user-agent: z"), head("Host: b", "User-Agent:x"), "user-AGENT")
	seed.Add(f, head("Sec-WebSocket-Key1:  4 @1 ", "Host: a"), head("Sec-WebSocket-Key2: "), "Sec-WebSocket-Key1")
	seed.Add(f, head("A: b\rc"), "GET /\nA: b\r\r\n\n", "A")
	seed.Add(f, head("Host:"), head(), "Host")
	seed.Add(f, head("GET: x"), "GET http://x/ HTTP/1.1\r\nA: b\n\r\n\r\n", "GET http")
	f.Fuzz(func(t *testing.T, a, b, name string) {
		var table intern.Table
		for _, head := range []string{a, b, a} {
			req := wire.Request{Tolerate: wire.AllTolerances}
			end := httphead.End(head, 0)
			if end != len(head) || httphead.ParseRequest(head, &req) != nil {
				continue
			}
			interned, whole := newHandshake(time.Now(), "", false, nil), newHandshake(time.Now(), head, false, nil)
			table.Intern(intern.Fingerprint(req.Fields), head, &interned.rest.request)
			for _, h := range []*Handshake{interned, whole} {
				h.tolerated = req.Tolerated
				for _, name := range []string{name, "Host", "User-Agent", "sec-websocket-key1"} {
					if got, want := h.Field(name), h.Fields().Get(name); got != want {
						t.Fatalf("%q: Field(%q) is %q, not %q", head, name, got, want)
					}
				}
			}
		}
	})
}

// BenchmarkField: one field of a browser's head that shares its lines with another one.
func BenchmarkField(b *testing.B) {
	var table intern.Table
	h := newHandshake(time.Now(), "", false, nil)
	for i := range 2 {
		head := fmt.Sprintf("GET / HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nPragma: no-cache\r\nUser-Agent: Mozilla/5.0 (SMART-TV; Linux)\r\n"+
			"Upgrade: websocket\r\nOrigin: http://example.com\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %d\r\n\r\n", i)
		table.Intern(1, head, &h.rest.request)
	}
	b.Run("Field", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			h.Field("User-Agent")
		}
	})
	b.Run("Fields", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			h.Fields().Get("User-Agent")
		}
	})
}

// The zero Handshake says nothing, and panics nowhere.
func TestZeroHandshake(t *testing.T) {
	var h Handshake
	if h.Version() != Unknown || h.Rule()+h.Target()+h.Host()+h.Origin()+h.Protocol()+h.Deflate()+h.Remote()+h.Via()+h.Request()+h.Response()+h.Field("Host") != "" {
		t.Error("it says something")
	}
	if h.Secure() || h.Exact() || h.Tolerated() != 0 || len(h.Offered()) != 0 || len(h.Fields()) != 0 || h.TLS() != nil || h.Value() != nil || h.Took() != 0 {
		t.Error("it says something else")
	}
}
