package hixie76

import (
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"io"
	"strings"

	"github.com/draftwire/draftwire/internal/hixie"
	"github.com/draftwire/draftwire/wire"
)

// Draft is this version, complete.
var Draft = wire.Draft{
	Version: wire.Hixie76,
	// hixie-76 4.3: a client replaces; 5.4 leaves the server undefined.
	InvalidText: [2]wire.TextPolicy{wire.Server: wire.FailText, wire.Client: wire.ReplaceText},
	TextSection: "5.4",
	NewServer:   func() wire.ServerHandshake { return new(server) },
	NewClient:   newClient,
	NewCodec:    func(cfg wire.CodecConfig) wire.Codec { return hixie.NewCodec(&profile, cfg) },
}

var profile = hixie.Profile{
	Version: wire.Hixie76,
	Close:   true, // hixie-76 5.3, 4.2: FF 00 either way
	Section: "5.3",
}

type server struct {
	origin       string
	part1, part2 uint32
}

// Open solves the two keys before anything is sent (hixie-76 5.2 steps 4 to
// 7). Flash builds of 2010 ask with WebSocket-Protocol and expect the answer in
// Sec-WebSocket-Protocol: both names are read.
func (s *server) Open(req *wire.Request, o *wire.Opening) (err error) {
	if s.part1, err = hixie.Part(wire.Hixie76, "Sec-WebSocket-Key1", req.Fields.Get("Sec-WebSocket-Key1")); err != nil {
		return err
	}
	if s.part2, err = hixie.Part(wire.Hixie76, "Sec-WebSocket-Key2", req.Fields.Get("Sec-WebSocket-Key2")); err != nil {
		return err
	}
	o.Origin, o.HasOrigin = req.Fields.Get("Origin"), req.Fields.Has("Origin")
	if s.origin = o.Origin; s.origin == "" {
		s.origin = "null" // a field is never left empty
	}
	p := req.Fields.Get("Sec-WebSocket-Protocol")
	if p == "" {
		p = req.Fields.Get("WebSocket-Protocol")
	}
	if p != "" {
		o.Protocols = []string{p}
	}
	o.WholeProtocol = true
	return nil
}

// Head: hixie-76 5.2 step 10. "Upgrade: WebSocket" in this case, "Connection:
// Upgrade" alone, and no field twice, or clients fail.
func (s *server) Head(dst []byte, acc *wire.Accept) ([]byte, int) {
	dst = append(dst, "HTTP/1.1 101 WebSocket Protocol Handshake\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n"...)
	dst = wire.AppendField(dst, "Sec-WebSocket-Origin", wire.LowerASCII(s.origin))
	dst = wire.AppendField(dst, "Sec-WebSocket-Location", acc.Location)
	if acc.Protocol != "" {
		dst = wire.AppendField(dst, "Sec-WebSocket-Protocol", acc.Protocol)
	}
	dst = acc.Fields.Append(dst)
	return append(dst, "\r\n"...), hixie.Key3Size
}

// Tail: hixie-76 5.2 steps 8, 9 and 13.
func (s *server) Tail(dst, key3 []byte) []byte {
	answer := hixie.Answer(s.part1, s.part2, key3)
	return append(dst, answer[:]...)
}

type client struct {
	rand                       io.Reader
	origin, location, protocol string
	answer                     [hixie.AnswerSize]byte
}

func newClient(r io.Reader) wire.ClientHandshake {
	if r == nil {
		r = rand.Reader
	}
	return &client{rand: r}
}

// Head: hixie-76 4.1. The text wants the fields in random order so that
// servers cannot depend on one; they have always come in any order, and we
// keep WebKit's.
func (c *client) Head(dst []byte, o *wire.Offer) ([]byte, error) {
	c.origin = wire.LowerASCII(o.Origin)
	c.location = wire.Location(o.Secure, o.Host, o.Target)
	c.protocol = strings.Join(o.Protocols, " ")
	key1, part1, err := hixie.NewKey(c.rand)
	if err != nil {
		return dst, err
	}
	key2, part2, err := hixie.NewKey(c.rand)
	if err != nil {
		return dst, err
	}
	var key3 [hixie.Key3Size]byte
	if _, err := io.ReadFull(c.rand, key3[:]); err != nil {
		return dst, err
	}
	c.answer = hixie.Answer(part1, part2, key3[:])

	dst = append(dst, "GET "+o.Target+" HTTP/1.1\r\n"...)
	dst = append(dst, "Upgrade: WebSocket\r\nConnection: Upgrade\r\n"...)
	dst = wire.AppendField(dst, "Host", o.Host)
	dst = wire.AppendField(dst, "Origin", o.Origin)
	if c.protocol != "" {
		dst = wire.AppendField(dst, "Sec-WebSocket-Protocol", c.protocol)
	}
	dst = o.Fields.Append(dst)
	dst = wire.AppendField(dst, "Sec-WebSocket-Key1", key1)
	dst = wire.AppendField(dst, "Sec-WebSocket-Key2", key2)
	dst = append(dst, "\r\n"...)
	return append(dst, key3[:]...), nil
}

// Check: hixie-76 4.1, the steps on the response's fields.
func (c *client) Check(resp *wire.Response, acc *wire.Accept) (int, error) {
	if resp.Status != 101 {
		return 0, wire.Refused(wire.Hixie76, resp)
	}
	for _, want := range []wire.Field{
		{Name: "Upgrade", Value: "WebSocket"}, // case counts
		{Name: "Sec-WebSocket-Origin", Value: c.origin},
		{Name: "Sec-WebSocket-Location", Value: c.location},
		{Name: "Sec-WebSocket-Protocol", Value: c.protocol},
	} {
		if want.Value == "" && want.Name == "Sec-WebSocket-Protocol" {
			continue // not asked for: what the server says of it is ignored
		}
		if err := wire.ExactlyOnce(wire.Hixie76, resp.Fields, want.Name, want.Value); err != nil {
			return 0, err
		}
	}
	if n := resp.Fields.Count("Connection"); n != 1 || !strings.EqualFold(resp.Fields.Get("Connection"), "upgrade") {
		return 0, wire.Refuse(wire.Hixie76, wire.ReasonBadResponse, fmt.Sprintf("Connection is %q, %d times", resp.Fields.Get("Connection"), n))
	}
	acc.Protocol = c.protocol
	return hixie.AnswerSize, nil
}

// CheckBody: the sixteen bytes are the expected ones.
func (c *client) CheckBody(body []byte) error {
	if subtle.ConstantTimeCompare(body, c.answer[:]) != 1 {
		return wire.Refuse(wire.Hixie76, wire.ReasonBadAccept, fmt.Sprintf("the 16 bytes are %x, not %x", body, c.answer))
	}
	return nil
}
