package hixie75

import (
	"io"
	"strings"

	"github.com/draftwire/draftwire/internal/hixie"
	"github.com/draftwire/draftwire/wire"
)

// Draft is this version, complete.
var Draft = wire.Draft{
	Version: wire.Hixie75,
	// hixie-75 4.4: a client replaces; 5.4 leaves the server undefined.
	InvalidText: [2]wire.TextPolicy{wire.Server: wire.FailText, wire.Client: wire.ReplaceText},
	TextSection: "5.4",
	NewServer:   func(io.Reader) wire.ServerHandshake { return new(server) },
	NewClient:   func(io.Reader) wire.ClientHandshake { return new(client) },
	NewCodec:    func(cfg wire.CodecConfig) wire.Codec { return hixie.NewCodec(&profile, cfg) },
}

var profile = hixie.Profile{
	Version: wire.Hixie75,
	Close:   false, // hixie-75 6: the stream closes, no frame does
	Section: "5.3",
}

// opening is what the client compares byte by byte (hixie-75 4.1 steps 12, 13).
const opening = "HTTP/1.1 101 Web Socket Protocol Handshake\r\n" +
	"Upgrade: WebSocket\r\n" +
	"Connection: Upgrade\r\n"

type server struct{ origin string }

// Open reads Origin and WebSocket-Protocol (hixie-75 5.1).
func (s *server) Open(req *wire.Request, o *wire.Opening) error {
	o.Origin, o.HasOrigin = req.Fields.Get("Origin"), req.Fields.Has("Origin")
	if s.origin = o.Origin; s.origin == "" {
		s.origin = "null" // a field is never left empty
	}
	if p := req.Fields.Get("WebSocket-Protocol"); p != "" {
		o.Protocols = []string{p}
	}
	o.WholeProtocol = true
	return nil
}

// Head: hixie-75 5.2. The origin goes back in ASCII lower case.
func (s *server) Head(dst []byte, acc *wire.Accept) ([]byte, int) {
	dst = append(dst, opening...)
	dst = wire.AppendField(dst, "WebSocket-Origin", wire.LowerASCII(s.origin))
	dst = wire.AppendField(dst, "WebSocket-Location", acc.Location)
	if acc.Protocol != "" {
		dst = wire.AppendField(dst, "WebSocket-Protocol", acc.Protocol)
	}
	dst = acc.Fields.Append(dst)
	return append(dst, "\r\n"...), 0
}

func (s *server) Tail(dst, _ []byte) []byte { return dst }

type client struct {
	origin, location, protocol string
}

// Head: hixie-75 4.1 steps 3 to 9, in this order of lines. The subprotocols
// are one string.
func (c *client) Head(dst []byte, o *wire.Offer) ([]byte, error) {
	c.origin = wire.LowerASCII(o.Origin)
	c.location = wire.Location(o.Secure, o.Host, o.Target)
	c.protocol = strings.Join(o.Protocols, " ")
	dst = append(dst, "GET "+o.Target+" HTTP/1.1\r\n"...)
	dst = append(dst, "Upgrade: WebSocket\r\nConnection: Upgrade\r\n"...)
	dst = wire.AppendField(dst, "Host", o.Host)
	dst = wire.AppendField(dst, "Origin", o.Origin)
	if c.protocol != "" {
		dst = wire.AppendField(dst, "WebSocket-Protocol", c.protocol)
	}
	dst = o.Fields.Append(dst)
	return append(dst, "\r\n"...), nil
}

// Check: hixie-75 4.1 steps 12 to 23.
func (c *client) Check(resp *wire.Response, acc *wire.Accept) (int, error) {
	if resp.Status != 101 {
		return 0, wire.Refused(wire.Hixie75, resp)
	}
	if !strings.HasPrefix(resp.Raw, opening) {
		return 0, wire.Refuse(wire.Hixie75, wire.ReasonBadResponse, "the first three lines are not those of the draft (4.1 steps 12, 13)")
	}
	for _, want := range []wire.Field{
		{Name: "WebSocket-Origin", Value: c.origin},
		{Name: "WebSocket-Location", Value: c.location},
		{Name: "WebSocket-Protocol", Value: c.protocol},
	} {
		if want.Value == "" && want.Name == "WebSocket-Protocol" {
			continue // not asked for: what the server says of it is ignored
		}
		if err := wire.ExactlyOnce(wire.Hixie75, resp.Fields, want.Name, want.Value); err != nil {
			return 0, err
		}
	}
	acc.Protocol = c.protocol
	return 0, nil
}

func (c *client) CheckBody([]byte) error { return nil }
