package hybi

import (
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/draftwire/draftwire/internal/ascii"
	"github.com/draftwire/draftwire/wire"
)

// guid: RFC 6455 1.3.
const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// AppendAccept appends the value of Sec-WebSocket-Accept for a key as it was
// received: never decoded and encoded again (RFC 6455 4.2.2 step 5.4).
func AppendAccept(dst []byte, key string) []byte {
	n := len(dst)
	dst = append(append(dst, key...), guid...) // for a moment, rather than on the stack
	sum := sha1.Sum(dst[n:])
	return base64.StdEncoding.AppendEncode(dst[:n], sum[:])
}

// Opening is what a draft decides about its handshake.
type Opening struct {
	Version wire.Version
	// Origins are the fields in which a request may name its origin; the
	// client writes the first.
	Origins []string
	// Nonce: the server answers with Sec-WebSocket-Nonce; MaskKey: both sides
	// make the key of the frames from it (hybi-04).
	Nonce, MaskKey bool
}

// maskGUID: hybi-04, masking.
const maskGUID = "61AC5F19-FBBA-4540-B96F-6561F1AB40A8"

// MaskKey returns the key of a connection's frames, from the two values as they
// stand in the handshake.
func MaskKey(key, nonce string) []byte {
	sum := sha1.Sum([]byte(key + nonce + maskGUID))
	return sum[:]
}

// newNonce returns 16 random bytes in base64; nil is crypto/rand.
func newNonce(r io.Reader) (string, error) {
	if r == nil {
		r = rand.Reader
	}
	var b [16]byte
	_, err := io.ReadFull(r, b[:])
	return base64.StdEncoding.EncodeToString(b[:]), err
}

// Server is the server's side of a handshake with Sec-WebSocket-Key.
type Server struct {
	O     *Opening
	Rand  io.Reader // nil is crypto/rand
	key   string
	nonce string
}

// Open implements wire.ServerHandshake. detect has already judged key and
// version.
func (s *Server) Open(req *wire.Request, o *wire.Opening) (err error) {
	if s.O.Nonce {
		if s.nonce, err = newNonce(s.Rand); err != nil {
			return err
		}
	}
	s.key = req.Fields.Get("Sec-WebSocket-Key")
	for _, name := range s.O.Origins {
		if req.Fields.Has(name) && !o.HasOrigin {
			o.Origin, o.HasOrigin = req.Fields.Get(name), true
		}
	}
	o.Protocols = req.Fields.First("Sec-WebSocket-Protocol", wire.MostOffers)
	o.Extensions = req.Fields.First("Sec-WebSocket-Extensions", wire.MostOffers)
	return nil
}

// Head implements wire.ServerHandshake (RFC 6455 4.2.2 step 5). An empty
// Sec-WebSocket-Extensions is never written: WebKit fails on it.
func (s *Server) Head(dst []byte, acc *wire.Accept) ([]byte, int) {
	dst = append(dst, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"...)
	dst = append(dst, "Sec-WebSocket-Accept: "...)
	return s.more(AppendAccept(dst, s.key), acc), 0
}

// more appends what follows the proof. It is apart, as the stack is short where the
// proof is made.
//
//go:noinline
func (s *Server) more(dst []byte, acc *wire.Accept) []byte {
	dst = append(dst, "\r\n"...)
	if s.O.Nonce {
		dst = wire.AppendField(dst, "Sec-WebSocket-Nonce", s.nonce)
	}
	if s.O.MaskKey {
		acc.MaskKey = MaskKey(s.key, s.nonce)
	}
	if acc.Protocol != "" {
		dst = wire.AppendField(dst, "Sec-WebSocket-Protocol", acc.Protocol)
	}
	if acc.Extensions != "" {
		dst = wire.AppendField(dst, "Sec-WebSocket-Extensions", acc.Extensions)
	}
	dst = acc.Fields.Append(dst)
	return append(dst, "\r\n"...)
}

// Tail implements wire.ServerHandshake.
func (s *Server) Tail(dst, _ []byte) []byte { return dst }

// Client is the client's side of a handshake with Sec-WebSocket-Key.
type Client struct {
	O         *Opening
	Rand      io.Reader // nil is crypto/rand
	key       string
	accept    string
	protocols []string
	extended  bool
}

// Head implements wire.ClientHandshake (RFC 6455 4.1).
func (c *Client) Head(dst []byte, o *wire.Offer) ([]byte, error) {
	key, err := newNonce(c.Rand)
	if err != nil {
		return dst, err
	}
	c.key = key
	c.accept, c.protocols, c.extended = string(AppendAccept(nil, key)), o.Protocols, o.Extensions != ""

	dst = append(dst, "GET "+o.Target+" HTTP/1.1\r\n"...)
	dst = wire.AppendField(dst, "Host", o.Host)
	dst = append(dst, "Upgrade: websocket\r\nConnection: Upgrade\r\n"...)
	dst = wire.AppendField(dst, "Sec-WebSocket-Key", key)
	if o.Origin != "" {
		dst = wire.AppendField(dst, c.O.Origins[0], o.Origin)
	}
	if len(o.Protocols) > 0 {
		dst = wire.AppendField(dst, "Sec-WebSocket-Protocol", strings.Join(o.Protocols, ", "))
	}
	if o.Extensions != "" {
		dst = wire.AppendField(dst, "Sec-WebSocket-Extensions", o.Extensions)
	}
	dst = wire.AppendField(dst, "Sec-WebSocket-Version", c.O.Version.Info().Header)
	dst = o.Fields.Append(dst)
	return append(dst, "\r\n"...), nil
}

// Check implements wire.ClientHandshake (RFC 6455 4.1, the six steps on the
// response).
func (c *Client) Check(resp *wire.Response, acc *wire.Accept) (int, error) {
	v, f := c.O.Version, resp.Fields
	if resp.Status != 101 {
		return 0, wire.Refused(v, resp)
	}
	// An answer names one protocol: of two the connection might be either's.
	if f.Count("Upgrade") != 1 || !ascii.EqualFold(f.Get("Upgrade"), "websocket") || !f.HasToken("Connection", "upgrade") {
		return 0, wire.Refuse(v, wire.ReasonBadResponse, fmt.Sprintf("Upgrade is %q, Connection %q", f.Get("Upgrade"), f.Get("Connection")))
	}
	if got := f.Get("Sec-WebSocket-Accept"); f.Count("Sec-WebSocket-Accept") != 1 || got != c.accept {
		return 0, wire.Refuse(v, wire.ReasonBadAccept, fmt.Sprintf("Sec-WebSocket-Accept is %q, not %q", got, c.accept))
	}
	if c.O.MaskKey {
		if n := f.Count("Sec-WebSocket-Nonce"); n != 1 {
			return 0, wire.Refuse(v, wire.ReasonBadResponse, fmt.Sprintf("Sec-WebSocket-Nonce stands %d times, not once", n))
		}
		acc.MaskKey = MaskKey(c.key, f.Get("Sec-WebSocket-Nonce"))
	}
	acc.Protocol = f.Get("Sec-WebSocket-Protocol")
	if n := f.Count("Sec-WebSocket-Protocol"); n > 1 || n == 1 && !slices.Contains(c.protocols, acc.Protocol) {
		return 0, wire.Refuse(v, wire.ReasonNotOffered, fmt.Sprintf("subprotocol %q", acc.Protocol))
	}
	acc.Extensions = strings.Join(f.List("Sec-WebSocket-Extensions"), ", ")
	if acc.Extensions != "" && !c.extended {
		return 0, wire.Refuse(v, wire.ReasonNotOffered, fmt.Sprintf("extension %q", acc.Extensions))
	}
	return 0, nil
}

// CheckBody implements wire.ClientHandshake.
func (c *Client) CheckBody([]byte) error { return nil }
