package hixie75

import (
	"io"
	"strings"

	"github.com/draftwire/draftwire/internal/ascii"
	"github.com/draftwire/draftwire/internal/hixie"
	"github.com/draftwire/draftwire/wire"
)

// Draft is this version, complete.
var Draft = hixie.WithFrames(
	wire.Draft{
		Version: wire.Hixie75,
		// A client replaces invalid text (hixie-75 4.4). What a server does is left
		// undefined (5.4), so ours fails.
		InvalidText: [2]wire.TextPolicy{wire.Server: wire.FailText, wire.Client: wire.ReplaceText},
		TextSection: "5.4",
		NewServer:   func(io.Reader) wire.ServerHandshake { return new(server) },
		NewClient:   func(io.Reader) wire.ClientHandshake { return new(client) },
	},
	hixie.FrameProfile{
		Close:   false, // hixie-75 6: the stream closes, no frame does
		Section: "5.3",
	},
)

// statusLines is what the client compares byte by byte (hixie-75 4.1 steps 12, 13).
const statusLines = "HTTP/1.1 101 Web Socket Protocol Handshake\r\n" +
	"Upgrade: WebSocket\r\n" +
	"Connection: Upgrade\r\n"

type server struct{ origin string }

// ReadRequest reads Origin and WebSocket-Protocol (hixie-75 5.1).
func (s *server) ReadRequest(req *wire.Request, asked *wire.ClientRequest) error {
	asked.Origin, asked.HasOrigin = req.Fields.Get("Origin"), req.Fields.Has("Origin")
	s.origin = asked.Origin
	if p := req.Fields.Get("WebSocket-Protocol"); p != "" {
		asked.Protocols = []string{p}
	}
	asked.WholeProtocol = true
	return nil
}

// Head appends the answer (hixie-75 5.2).
func (s *server) Head(dst []byte, acc *wire.Accept) ([]byte, int) {
	dst = append(dst, statusLines...)
	dst = ascii.AppendField(dst, "WebSocket-Origin", hixie.RepeatOrigin(s.origin))
	dst = ascii.AppendField(dst, "WebSocket-Location", acc.Location)
	if acc.Protocol != "" {
		dst = ascii.AppendField(dst, "WebSocket-Protocol", acc.Protocol)
	}
	dst = acc.Fields.Append(dst)
	return append(dst, "\r\n"...), 0
}

func (s *server) Tail(dst, _ []byte) []byte { return dst }

type client struct {
	origin, protocol string
	locations        []string
}

// Head appends the request, with its lines in this order (hixie-75 4.1 steps 3 to 9). The
// subprotocols are one string.
func (c *client) Head(dst []byte, o *wire.Offer) ([]byte, error) {
	c.origin = ascii.ToLower(o.Origin)
	c.locations = hixie.Locations(o)
	c.protocol = strings.Join(o.Protocols, " ")
	dst = append(dst, "GET "+o.Target+" HTTP/1.1\r\n"...)
	dst = append(dst, "Upgrade: WebSocket\r\nConnection: Upgrade\r\n"...)
	dst = ascii.AppendField(dst, "Host", o.Host)
	dst = ascii.AppendField(dst, "Origin", o.Origin)
	if c.protocol != "" {
		dst = ascii.AppendField(dst, "WebSocket-Protocol", c.protocol)
	}
	dst = o.Fields.Append(dst)
	return append(dst, "\r\n"...), nil
}

// Saw takes the place of Head where another client has sent the request: Check then judges the
// answer to that one.
func (c *client) Saw(req *wire.Request, _ []byte) error {
	c.origin, c.protocol = ascii.ToLower(req.Fields.Get("Origin")), req.Fields.Get("WebSocket-Protocol")
	c.locations = hixie.Locations(&wire.Offer{Host: req.Host(), Secure: req.Secure, Target: req.SentPath(), Fields: req.Fields})
	return nil
}

// Check compares the answer with what was asked for (hixie-75 4.1 steps 12 to 23).
func (c *client) Check(resp *wire.Response, acc *wire.Accept) (int, error) {
	if resp.Status != 101 {
		return 0, wire.NewRefusedError(wire.Hixie75, resp)
	}
	if err := checkFirstLines(resp); err != nil {
		return 0, err
	}
	if err := hixie.RequireField(wire.Hixie75, resp.Fields, "WebSocket-Origin", c.origin); err != nil {
		return 0, err
	}
	if err := hixie.RequireLocation(wire.Hixie75, resp, "WebSocket-Location", c.locations); err != nil {
		return 0, err
	}
	if c.protocol != "" { // otherwise it ignores what the server says of one
		if err := hixie.RequireField(wire.Hixie75, resp.Fields, "WebSocket-Protocol", c.protocol); err != nil {
			return 0, err
		}
	}
	acc.Protocol = c.protocol
	return 0, nil
}

// lineEnds makes CR LF of the line ends that TolerateLineEnds accepts.
var lineEnds = strings.NewReplacer("\r\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r\n")

// checkFirstLines compares the first three lines of an answer with those of the draft.
func checkFirstLines(resp *wire.Response) error {
	const fault = "the first three lines are not those of the draft (4.1 steps 12, 13)"
	raw := resp.Raw
	if resp.Tolerated.Has(wire.TolerateLineEnds) {
		raw = lineEnds.Replace(raw)
	}
	if strings.HasPrefix(raw, statusLines) {
		return nil
	}
	for _, f := range []wire.Field{{Name: "Upgrade", Value: "WebSocket"}, {Name: "Connection", Value: "Upgrade"}} {
		if resp.Fields.Count(f.Name) != 1 || !ascii.EqualFold(resp.Fields.Get(f.Name), f.Value) {
			return wire.NewHandshakeError(wire.Hixie75, wire.ReasonBadResponse, fault)
		}
	}
	return resp.Excuse(wire.Hixie75, wire.TolerateFirstLines, fault)
}

func (c *client) CheckBody([]byte) error { return nil }
