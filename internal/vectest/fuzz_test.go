package vectest

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/draftwire/draftwire/detect"
	"github.com/draftwire/draftwire/hixie75"
	"github.com/draftwire/draftwire/hixie76"
	"github.com/draftwire/draftwire/hybi02"
	"github.com/draftwire/draftwire/hybi04"
	"github.com/draftwire/draftwire/hybi05"
	"github.com/draftwire/draftwire/hybi07"
	"github.com/draftwire/draftwire/internal/hixie"
	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/internal/seed"
	"github.com/draftwire/draftwire/rfc6455"
	"github.com/draftwire/draftwire/wire"
)

var drafts = []*wire.Draft{
	&hixie75.Draft, &hixie76.Draft, &hybi02.Draft, &hybi04.Draft, &hybi05.Draft, &hybi05.Draft06,
	&hybi07.Draft, &hybi07.Draft08, &rfc6455.Draft,
}

func draftOf(v wire.Version) *wire.Draft {
	return drafts[slices.IndexFunc(drafts, func(d *wire.Draft) bool { return d.Version == v })]
}

// counter is a source of numbers that are the same in each run: for nonces and keys.
type counter byte

func (c *counter) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(*c)
		*c += 7
	}
	return len(p), nil
}

// refusal checks an error of a handshake.
func refusal(t *testing.T, err error) {
	t.Helper()
	he, ok := errors.AsType[*wire.HandshakeError](err)
	if !ok || he.Reason == "" || he.Reason.Info().Rule == "" || he.Error() == "" || errors.Unwrap(he) != he.Err {
		t.Fatalf("%#v is no complete HandshakeError", err)
	}
}

// FuzzOpen fuzzes the server's side of a handshake, from the request's first byte on:
// whatever a client asks for, it is refused with a reason, or the answer is a head whose
// fields are those that the server wrote and no more.
func FuzzOpen(f *testing.F) {
	for i, p := range seed.Requests(f) {
		seed.Add(f, p, uint16(wire.AllVersions), uint16(0), byte(i))
	}
	seed.Add(f, []byte("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key1: 1 1\r\nSec-WebSocket-Key2: 1 1\r\n\r\n12345678"), uint16(wire.AllVersions), uint16(0), byte(0))
	f.Fuzz(func(t *testing.T, p []byte, enabled, tolerate uint16, choose byte) {
		end := httphead.End(p, 0)
		var req wire.Request
		if end < 0 || httphead.ParseRequest(string(p[:end]), &req) != nil {
			return
		}
		found, err := detect.Request(&req, wire.Versions(enabled)&wire.AllVersions, wire.Tolerances(tolerate))
		if err != nil {
			refusal(t, err)
			return
		}
		var random io.Reader = new(counter)
		if choose&0x80 != 0 {
			random = strings.NewReader("too short")
		}
		hs := draftOf(found.Version).NewServer(random)
		var asked wire.ClientRequest
		if err := hs.ReadRequest(&req, &asked); choose&0x80 != 0 && err == io.ErrUnexpectedEOF {
			return
		}
		if err := hs.ReadRequest(&req, &asked); err != nil {
			refusal(t, err)
			return
		}
		acc := wire.Accept{Location: hixie.Location(choose&1 != 0, req.Host(), req.Path()), Fields: wire.Fields{{Name: "X-More", Value: "1"}}}
		if len(asked.Protocols) > 0 && choose&2 != 0 {
			acc.Protocol = asked.Protocols[int(choose)%len(asked.Protocols)]
		}
		if len(asked.Extensions) > 0 && choose&4 != 0 {
			acc.Extensions = asked.Extensions[0]
		}
		head, body := hs.Head(nil, &acc)
		var resp wire.Response
		if err := httphead.ParseResponse(string(head), &resp); err != nil || resp.Status != 101 {
			t.Fatalf("%q is answered with %q: %v", p, head, err)
		}
		if body != found.Body || len(resp.Fields) > 8 || resp.Fields.Count("X-More") != 1 || resp.Fields.Count("Upgrade") != 1 {
			t.Fatalf("%q is answered with %q and %d bytes; detection says %d", p, head, body, found.Body)
		}
		if (acc.MaskKey != nil) != (found.Version == wire.Hybi04) {
			t.Fatalf("%v: the key of the masks is %x", found.Version, acc.MaskKey)
		}
		if tail := hs.Tail([]byte("x"), make([]byte, body)); len(tail) != 1+2*body || tail[0] != 'x' {
			t.Fatalf("behind %d bytes: %x", body, tail)
		}
	})
}

// offers are what clients of the targets below ask for.
func offerOf(how How, target, host, origin, protocols string) *wire.Offer {
	o := &wire.Offer{Target: target, Host: host, Secure: how.has(howClear), Origin: origin, Protocols: strings.Fields(protocols)}
	if how.has(howDeflate) {
		o.Extensions = "permessage-deflate"
	}
	if how.has(howHead) {
		o.Fields = wire.Fields{{Name: "Cookie", Value: "a=b"}}
	}
	return o
}

// right is what a server of the draft has to answer to a request: the value of a field, or
// sixteen bytes. It is made as the documents say, without the code that is tested.
func right(request []byte) (accept string, digest []byte) {
	end := bytes.Index(request, []byte("\r\n\r\n")) + 4
	field := func(name string) string {
		_, rest, _ := strings.Cut(string(request[:end]), "\r\n"+name+": ")
		value, _, _ := strings.Cut(rest, "\r\n")
		return value
	}
	if k := field("Sec-WebSocket-Key"); k != "" {
		sum := sha1.Sum([]byte(k + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		return base64.StdEncoding.EncodeToString(sum[:]), nil
	}
	if field("Sec-WebSocket-Key1") == "" {
		return "", nil
	}
	var b []byte
	for _, name := range []string{"Sec-WebSocket-Key1", "Sec-WebSocket-Key2"} {
		n, spaces := uint64(0), uint64(0)
		for _, c := range field(name) {
			switch {
			case c == ' ':
				spaces++
			case c >= '0' && c <= '9':
				n = 10*n + uint64(c-'0')
			}
		}
		n /= spaces
		b = append(b, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	sum := md5.Sum(append(b, request[end:]...))
	return "", sum[:]
}

// FuzzCheck fuzzes the client's side of a handshake: whatever a server answers, {accept}
// standing for the right proof, it is refused with a reason, or it is a 101 with the proof
// and with nothing that was not offered.
func FuzzCheck(f *testing.F) {
	for i, r := range seed.Responses(f) {
		head := r.Head
		if r.Offer != nil && r.Offer.Key != "" {
			accept, _ := right([]byte("GET / HTTP/1.1\r\nSec-WebSocket-Key: " + r.Offer.Key + "\r\n\r\n"))
			head = bytes.ReplaceAll(head, []byte(accept), []byte("{accept}"))
		}
		protocols, origin := "chat superchat", "http://example.com"
		if r.Offer != nil {
			protocols, origin = strings.Join(r.Offer.Protocols, " "), r.Offer.Origin
		}
		for v := range drafts {
			if v == i%len(drafts) || bytes.Contains(head, []byte(" 101 ")) && v%3 == i%3 {
				seed.Add(f, head, bytes.Equal(r.Tail, nil), byte(v), uint32(howDeflate*How(i&1)), protocols, origin)
			}
		}
	}
	f.Fuzz(func(t *testing.T, head []byte, proven bool, which byte, how uint32, protocols, origin string) {
		d := drafts[int(which)%len(drafts)]
		offer := offerOf(How(how), "/demo", "example.com", origin, protocols)
		client := d.NewClient(new(counter))
		request, err := client.Head(nil, offer)
		if err != nil || !httphead.IsFieldValue(origin) || !httphead.IsFieldValue(protocols) {
			return
		}
		accept, digest := right(request)
		head = bytes.ReplaceAll(head, []byte("{accept}"), []byte(accept))
		var resp wire.Response
		if httphead.ParseResponse(string(head), &resp) != nil {
			return
		}
		var acc wire.Accept
		body, err := client.Check(&resp, &acc)
		if err == nil && !proven {
			digest = make([]byte, len(digest))
		}
		if err == nil {
			err = client.CheckBody(digest)
		}
		if err != nil {
			refusal(t, err)
			return
		}
		whole := []string{strings.Join(offer.Protocols, " ")}
		switch {
		case resp.Status != 101 || body != len(digest) || len(digest) > 0 && !proven,
			accept != "" && (resp.Fields.Get("Sec-WebSocket-Accept") != accept || resp.Fields.Count("Sec-WebSocket-Accept") != 1),
			!strings.EqualFold(resp.Fields.Get("Upgrade"), "websocket") && !resp.Fields.HasToken("Upgrade", "websocket"),
			acc.Protocol != "" && !slices.Contains(append(whole, offer.Protocols...), acc.Protocol),
			acc.Extensions != "" && offer.Extensions == "":
			t.Fatalf("%v takes %q for an answer to %q", d.Version, head, request)
		}
	})
}

// FuzzHandshake lets the two sides of a draft shake hands: whatever a client may ask for,
// the server finds its version, reads what it asks for, and is believed.
func FuzzHandshake(f *testing.F) {
	for v := range drafts {
		seed.Add(f, byte(v), uint32(0), byte(0), "/", "example.com", "http://example.com", "chat superchat")
		seed.Add(f, byte(v), uint32(howDeflate|howClear|howHead), byte(v*29), "/a?b=c", "EXAMPLE.com:443", "null", "")
		for _, few := range []byte{0, 15, 50, 85} {
			seed.Add(f, byte(v), uint32(howNarrow), few, "/", "h", "o", "")
		}
		seed.Add(f, byte(v), uint32(howTakeover), byte(v*31), "ws://[::1]:80/y", "[::1]:80", "HTTP://A", "a,b")
	}
	f.Fuzz(func(t *testing.T, which byte, how uint32, random byte, target, host, origin, protocols string) {
		d, h := drafts[int(which)%len(drafts)], How(how)
		offer := offerOf(h, target, host, origin, protocols)
		clean := func(s string) bool {
			return s == strings.Trim(s, " ") && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7F })
		}
		if !httphead.IsTarget(target) || !leads(target, host) || !httphead.IsAuthority(host) || !clean(origin) || origin == "" || !clean(protocols) ||
			slices.ContainsFunc(offer.Protocols, func(p string) bool { return !httphead.IsToken(p) }) {
			return
		}
		rnd := counter(random)
		var few io.Reader = &rnd
		if h.has(howNarrow) {
			few = io.LimitReader(&rnd, int64(random))
		}
		client := d.NewClient(few)
		request, err := client.Head(nil, offer)
		if err != nil {
			if !h.has(howNarrow) || len(request) > 0 {
				t.Fatalf("%q, %v", request, err)
			}
			return
		}
		answered(t, d, client, offer, request, &rnd)
	})
}

// leads reports whether a target is a path, or a URL of that host.
func leads(target, host string) bool {
	if a, whole := (&wire.Request{Target: target}).Authority(); whole {
		return a == host
	}
	return target[0] == '/'
}

// answered has a server of the draft answer a client's request, and the client believe it.
func answered(t *testing.T, d *wire.Draft, client wire.ClientHandshake, offer *wire.Offer, request []byte, rnd *counter) {
	end := httphead.End(request, 0)
	req := wire.Request{Secure: offer.Secure}
	if err := httphead.ParseRequest(string(request[:end]), &req); err != nil {
		t.Fatalf("%q: %v", request, err)
	}
	found, err := detect.Request(&req, wire.AllVersions, 0)
	if err != nil || found.Version != d.Version || found.Body != len(request)-end {
		t.Fatalf("%q: %+v, %v", request, found, err)
	}
	server := d.NewServer(rnd)
	var asked wire.ClientRequest
	if err := server.ReadRequest(&req, &asked); err != nil || asked.Origin != offer.Origin {
		t.Fatalf("%q: origin %q, %v", request, asked.Origin, err)
	}
	// Where the target is an absolute URL, the client compares all of it.
	acc := wire.Accept{Location: hixie.Location(offer.Secure, req.Host(), req.Target), Extensions: strings.Join(asked.Extensions, ", ")}
	if len(asked.Protocols) > 0 {
		acc.Protocol = asked.Protocols[int(*rnd)%len(asked.Protocols)]
	}
	head, body := server.Head(nil, &acc)
	var resp wire.Response
	if err := httphead.ParseResponse(string(head), &resp); err != nil {
		t.Fatalf("%q: %v", head, err)
	}
	var got wire.Accept
	more, err := client.Check(&resp, &got)
	if err == nil {
		err = client.CheckBody(server.Tail(nil, request[end:]))
	}
	if err != nil || more != 2*body || got.Protocol != acc.Protocol || got.Extensions != acc.Extensions || !bytes.Equal(got.MaskKey, acc.MaskKey) {
		t.Fatalf("%q is answered with %q: %+v, %v; want %+v", request, head, got, err, acc)
	}
}
