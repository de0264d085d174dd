package detect

import (
	"errors"
	"strings"
	"testing"

	"github.com/draftwire/draftwire/hixie76"
	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/internal/seed"
	"github.com/draftwire/draftwire/wire"
)

// Preface decides once: bytes that follow never change its mind.
func FuzzPreface(f *testing.F) {
	for _, s := range []string{
		"", "GET / HTTP/1.1", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "PROXY TCP4 ", "\x16\x03\x01", PolicyRequest, "\r\n\r\n\x00\r\nQUIT\n",
		"\x80\x2e\x01\x03\x01", "\x80\x2e\x02", "\x80", "m-search_x *", " ", "GETGETGETGETGETGETGETGET", "G(",
	} {
		seed.Add(f, []byte(s))
	}
	seen := map[string]bool{}
	for _, p := range seed.Requests(f) {
		if p = p[:min(len(p), 30)]; !seen[string(p)] {
			seen[string(p)] = true
			seed.Add(f, p)
		}
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		decided := NeedMore
		for n := range min(len(p), 100) + 1 {
			k := Preface(p[:n])
			if decided != NeedMore && k != decided {
				t.Fatalf("%q: %v after %d bytes, %v before", p, k, n, decided)
			}
			decided = k
		}
		if len(p) > 64 && decided == NeedMore {
			t.Fatalf("%q: undecided after %d bytes", p, len(p))
		}
		if decided.String() == "" || len(p) > 0 && Kind(p[0]).String() == "" {
			t.Fatalf("%d has no name", decided)
		}
	})
}

// Whatever the head, detection gives a version that is enabled, or a refusal
// with a status and a reason; and the order of fields does not matter.
func FuzzRequest(f *testing.F) {
	const ws = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: x, Upgrade\r\n"
	for _, s := range []string{
		ws + "Origin: a\r\nOrigin: a\r\n", ws, ws + "Origin: a\r\nTransfer-Encoding: chunked\r\n", ws + "Origin: a\r\n",
		ws + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ws + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nContent-Length: 1\r\n",
		ws + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j*Q==\r\nSec-WebSocket-Version: 13\r\n", ws + "Sec-WebSocket-Version: 1x\r\n", ws + "Sec-WebSocket-Version: 256\r\n",
		ws + "Sec-WebSocket-Draft: x\r\n", ws + "Sec-WebSocket-Key1: 1 1\r\nSec-WebSocket-Key2: 1 1\r\nSec-WebSocket-Draft: 9\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\nOrigin: b\r\n",
		strings.Replace(ws, "GET /", "GET a/b#c", 1) + "Origin: a\r\n", strings.Replace(ws, "Host: a", "Host: fe80::1%eth0", 1) + "Origin: a\r\n",
		strings.Replace(ws, "/ HTTP/1.1", " HTTP/1.0 ", 1) + "Sec-WebSocket-Key: k\r\nSec-WebSocket-Version: 17\r\n", strings.Replace(ws, "GET /", "GET http://b/x", 1) + "Origin: a\n",
	} {
		for _, tolerate := range []uint16{0, 1<<16 - 1} {
			seed.Add(f, []byte(s+"\r\n"), uint16(wire.AllVersions), tolerate)
		}
	}
	for i, p := range seed.Requests(f) {
		seed.Add(f, p, uint16(wire.AllVersions), uint16(0))
		if i%4 > 0 {
			continue
		}
		seed.Add(f, p, uint16(0), uint16(wire.TolerateInjectedKey|wire.TolerateNoConnection|wire.TolerateNoOrigin))
	}
	f.Fuzz(func(t *testing.T, head []byte, set, tolerate uint16) {
		if end := httphead.End(head, 0); end >= 0 {
			head = head[:end]
		}
		enabled, tolerances := wire.Versions(set)&wire.AllVersions, wire.Tolerances(tolerate)
		req := wire.Request{Tolerate: tolerances}
		if httphead.ParseRequest(string(head), &req) != nil {
			return
		}
		res, err := Request(&req, enabled, tolerances)
		res.Tolerated |= req.Tolerated
		if err == nil {
			if !enabled.Has(res.Version) || res.Rule == "" || !IsAttempt(&req) || res.Tolerated&^tolerances != 0 || res.Body != 0 && res.Body != 8 {
				t.Fatalf("%q: %+v", head, res)
			}
			if !httphead.IsTarget(req.Target) || !strings.HasPrefix(req.Path(), "/") || !httphead.IsAuthority(req.Host()) {
				t.Fatalf("%q: target %q at %q", head, req.Target, req.Host())
			}
			var asItCame wire.Request
			strict, err := Result{}, httphead.ParseRequest(string(head), &asItCame)
			if err == nil {
				strict, err = Request(&asItCame, enabled, 0)
			}
			if (err == nil) != (res.Tolerated == 0) || err == nil && strict != res {
				t.Fatalf("%q: %+v, but with nothing tolerated %+v, %v", head, res, strict, err)
			}
		} else {
			var he *wire.HandshakeError
			if !errors.As(err, &he) || he.Status < 400 || he.Reason.Info().Rule == "" {
				t.Fatalf("%q: %v", head, err)
			}
		}
		for i, j := 0, len(req.Fields)-1; i < j; i, j = i+1, j-1 {
			req.Fields[i], req.Fields[j] = req.Fields[j], req.Fields[i]
		}
		again, err2 := Request(&req, enabled, tolerances)
		if (err == nil) != (err2 == nil) || err == nil && again.Version != res.Version {
			t.Fatalf("%q: %+v, %v; with the fields reversed %+v, %v", head, res, err, again, err2)
		}
	})
}

// A legal stream of a hixie-76 client is never taken for hybi-01, whatever it
// says: it begins with a text frame or the close.
func FuzzIsHybi01(f *testing.F) {
	seed.Add(f, []byte("Hello"), true)
	seed.Add(f, []byte(""), false)
	f.Fuzz(func(t *testing.T, text []byte, close bool) {
		stream, err := []byte{0xFF, 0x00}, error(nil)
		if !close {
			stream, err = hixie76.Draft.NewCodec(wire.CodecConfig{Role: wire.Client}).AppendFrame(nil, wire.OpText, true, text)
		}
		if err == nil && IsHybi01(stream[0]) {
			t.Fatalf("%x is taken for hybi-01", stream)
		}
	})
}
