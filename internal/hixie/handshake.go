package hixie

import (
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/draftwire/draftwire/internal/ascii"
	"github.com/draftwire/draftwire/wire"
)

// Opening is what a draft decides about a handshake with two keys and eight
// bytes.
type Opening struct {
	Version wire.Version
	// Draft is the value of Sec-WebSocket-Draft; "" leaves the field out.
	Draft string
	// Whole: the subprotocols are one string, to be repeated as it is
	// (hixie-76); else a list separated by spaces, of which the server chooses
	// one (hybi-02).
	Whole bool
}

// Server is the server's side.
type Server struct {
	O            *Opening
	origin       string
	part1, part2 uint32
}

// Open implements wire.ServerHandshake. It solves the two keys before anything
// is sent (hixie-76 5.2 steps 4 to 7). Flash builds of 2010 ask with
// WebSocket-Protocol and expect the answer in Sec-WebSocket-Protocol: both
// names are read.
func (s *Server) Open(req *wire.Request, o *wire.Opening) (err error) {
	v, f := s.O.Version, req.Fields
	if s.part1, err = Part(v, "Sec-WebSocket-Key1", f.Get("Sec-WebSocket-Key1")); err != nil {
		return err
	}
	if s.part2, err = Part(v, "Sec-WebSocket-Key2", f.Get("Sec-WebSocket-Key2")); err != nil {
		return err
	}
	o.Origin, o.HasOrigin = f.Get("Origin"), f.Has("Origin")
	if s.origin = o.Origin; s.origin == "" {
		s.origin = "null" // a field is never left empty
	}
	p := f.Get("Sec-WebSocket-Protocol")
	if p == "" {
		p = f.Get("WebSocket-Protocol")
	}
	switch {
	case p == "":
	case s.O.Whole:
		o.Protocols = []string{p}
	default:
		o.Protocols = firstFields(p, wire.MostOffers)
	}
	o.WholeProtocol = s.O.Whole
	return nil
}

// firstFields are the first members of a list that blanks divide. NEL and other letters
// beyond ASCII are none.
func firstFields(s string, most int) (out []string) {
	for m := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == ' ' || r == '\t' }) {
		if len(out) == most {
			break
		}
		out = append(out, m)
	}
	return out
}

// Head implements wire.ServerHandshake (hixie-76 5.2 step 10). "Upgrade:
// WebSocket" in this case, "Connection: Upgrade" alone, and no field twice, or
// clients fail.
func (s *Server) Head(dst []byte, acc *wire.Accept) ([]byte, int) {
	dst = append(dst, "HTTP/1.1 101 WebSocket Protocol Handshake\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n"...)
	dst = wire.AppendField(dst, "Sec-WebSocket-Origin", wire.LowerASCII(s.origin))
	dst = wire.AppendField(dst, "Sec-WebSocket-Location", acc.Location)
	if acc.Protocol != "" {
		dst = wire.AppendField(dst, "Sec-WebSocket-Protocol", acc.Protocol)
	}
	dst = acc.Fields.Append(dst)
	return append(dst, "\r\n"...), Key3Size
}

// Tail implements wire.ServerHandshake (hixie-76 5.2 steps 8, 9 and 13).
func (s *Server) Tail(dst, key3 []byte) []byte {
	answer := Answer(s.part1, s.part2, key3)
	return append(dst, answer[:]...)
}

// Client is the client's side.
type Client struct {
	O                *Opening
	Rand             io.Reader // nil is crypto/rand
	origin, location string
	protocols        []string
	answer           [AnswerSize]byte
}

// Head implements wire.ClientHandshake (hixie-76 4.1). The text wants the
// fields in random order so that servers cannot depend on one; they have always
// come in any order, and we keep WebKit's.
func (c *Client) Head(dst []byte, o *wire.Offer) ([]byte, error) {
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	c.origin = wire.LowerASCII(o.Origin)
	c.location = wire.Location(o.Secure, o.Host, o.Target)
	key1, part1, err := NewKey(c.Rand)
	if err != nil {
		return dst, err
	}
	key2, part2, err := NewKey(c.Rand)
	if err != nil {
		return dst, err
	}
	var key3 [Key3Size]byte
	if _, err := io.ReadFull(c.Rand, key3[:]); err != nil {
		return dst, err
	}
	c.answer = Answer(part1, part2, key3[:])

	dst = append(dst, "GET "+o.Target+" HTTP/1.1\r\n"...)
	dst = append(dst, "Upgrade: WebSocket\r\nConnection: Upgrade\r\n"...)
	dst = wire.AppendField(dst, "Host", o.Host)
	dst = wire.AppendField(dst, "Origin", o.Origin)
	if len(o.Protocols) > 0 {
		list := strings.Join(o.Protocols, " ")
		dst = wire.AppendField(dst, "Sec-WebSocket-Protocol", list)
		if c.protocols = o.Protocols; c.O.Whole {
			c.protocols = []string{list}
		}
	}
	if c.O.Draft != "" {
		dst = wire.AppendField(dst, "Sec-WebSocket-Draft", c.O.Draft)
	}
	dst = o.Fields.Append(dst)
	dst = wire.AppendField(dst, "Sec-WebSocket-Key1", key1)
	dst = wire.AppendField(dst, "Sec-WebSocket-Key2", key2)
	dst = append(dst, "\r\n"...)
	return append(dst, key3[:]...), nil
}

// Check implements wire.ClientHandshake (hixie-76 4.1, the steps on the
// response's fields).
func (c *Client) Check(resp *wire.Response, acc *wire.Accept) (int, error) {
	v, f := c.O.Version, resp.Fields
	if resp.Status != 101 {
		return 0, wire.Refused(v, resp)
	}
	for _, want := range []wire.Field{
		{Name: "Upgrade", Value: "WebSocket"}, // case counts
		{Name: "Sec-WebSocket-Origin", Value: c.origin},
		{Name: "Sec-WebSocket-Location", Value: c.location},
	} {
		if err := wire.ExactlyOnce(v, f, want.Name, want.Value); err != nil {
			return 0, err
		}
	}
	if n := f.Count("Connection"); n != 1 || !ascii.EqualFold(f.Get("Connection"), "upgrade") {
		return 0, wire.Refuse(v, wire.ReasonBadResponse, fmt.Sprintf("Connection is %q, %d times", f.Get("Connection"), n))
	}
	if err := c.checkProtocol(f, acc); err != nil {
		return 0, err
	}
	return AnswerSize, nil
}

// checkProtocol: what was not asked for is ignored.
func (c *Client) checkProtocol(f wire.Fields, acc *wire.Accept) error {
	const name = "Sec-WebSocket-Protocol"
	switch {
	case len(c.protocols) == 0:
		return nil
	case c.O.Whole:
		acc.Protocol = c.protocols[0]
		return wire.ExactlyOnce(c.O.Version, f, name, acc.Protocol)
	}
	acc.Protocol = f.Get(name)
	if n := f.Count(name); n > 1 || n == 1 && !slices.Contains(c.protocols, acc.Protocol) {
		return wire.Refuse(c.O.Version, wire.ReasonNotOffered, fmt.Sprintf("subprotocol %q", acc.Protocol))
	}
	return nil
}

// CheckBody implements wire.ClientHandshake: the sixteen bytes are the expected
// ones.
func (c *Client) CheckBody(body []byte) error {
	if subtle.ConstantTimeCompare(body, c.answer[:]) != 1 {
		return wire.Refuse(c.O.Version, wire.ReasonBadAccept, fmt.Sprintf("the 16 bytes are %x, not %x", body, c.answer))
	}
	return nil
}
