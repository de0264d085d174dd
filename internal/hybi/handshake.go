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

// GUID is what the proof of a server hashes behind the key (RFC 6455 1.3).
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// AppendAccept appends the value of Sec-WebSocket-Accept for a key. The key is hashed as it
// was received, not decoded and encoded again (RFC 6455 4.2.2 step 5.4).
func AppendAccept(dst []byte, key string) []byte {
	n := len(dst)
	dst = append(append(dst, key...), GUID...) // for a moment: dst has room that the stack lacks
	sum := sha1.Sum(dst[n:])
	return base64.StdEncoding.AppendEncode(dst[:n], sum[:])
}

// HandshakeProfile is what a draft decides about its handshake.
type HandshakeProfile struct {
	Version wire.Version
	// Origins are the fields in which a request may name its origin: the first that is there
	// does, and the other one is ignored. Our client writes the first of them.
	Origins []string
	// Nonce: the server's answer has Sec-WebSocket-Nonce.
	Nonce bool
	// MaskKey: both sides make the key that frames are masked with from key and nonce
	// (hybi-04).
	MaskKey bool
}

// MaskKeyGUID is what MaskKey hashes behind key and nonce (hybi-04).
const MaskKeyGUID = "61AC5F19-FBBA-4540-B96F-6561F1AB40A8"

// MaskKey returns the key that a connection's frames are masked with, from the two values
// as they stand in the handshake.
func MaskKey(key, nonce string) []byte {
	sum := sha1.Sum([]byte(key + nonce + MaskKeyGUID))
	return sum[:]
}

// newNonce returns 16 random bytes of r in base64. A nil r is crypto/rand.
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
	Profile *HandshakeProfile
	Rand    io.Reader // nil is crypto/rand
	key     string
	nonce   string
}

// ReadRequest implements wire.ServerHandshake. Package detect has checked key and version
// before.
func (s *Server) ReadRequest(req *wire.Request, asked *wire.ClientRequest) (err error) {
	if s.Profile.Nonce {
		if s.nonce, err = newNonce(s.Rand); err != nil {
			return err
		}
	}
	s.key = req.Fields.Get("Sec-WebSocket-Key")
	for _, name := range s.Profile.Origins {
		if asked.HasOrigin {
			break // a field that the draft does not look at
		}
		if asked.Origin, asked.HasOrigin, err = req.Fields.Origin(s.Profile.Version, name); err != nil {
			return err
		}
	}
	asked.Protocols = req.Fields.First("Sec-WebSocket-Protocol", wire.MaxOffers)
	asked.Extensions = req.Fields.First("Sec-WebSocket-Extensions", wire.MaxOffers)
	return nil
}

// Head implements wire.ServerHandshake (RFC 6455 4.2.2 step 5). An empty
// Sec-WebSocket-Extensions is never written: WebKit fails on it.
func (s *Server) Head(dst []byte, acc *wire.Accept) ([]byte, int) {
	dst = append(dst, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"...)
	dst = append(dst, "Sec-WebSocket-Accept: "...)
	return s.appendRest(AppendAccept(dst, s.key), acc), 0
}

// appendRest appends the lines of the answer that follow the proof.
//
// noinline: keeps a cold frame off the 2 KiB stack (ARCHITECTURE.md, "Stacks")
//
//go:noinline
func (s *Server) appendRest(dst []byte, acc *wire.Accept) []byte {
	dst = append(dst, "\r\n"...)
	if s.Profile.Nonce {
		dst = ascii.AppendField(dst, "Sec-WebSocket-Nonce", s.nonce)
	}
	if s.Profile.MaskKey {
		acc.MaskKey = MaskKey(s.key, s.nonce)
	}
	if acc.Protocol != "" {
		dst = ascii.AppendField(dst, "Sec-WebSocket-Protocol", acc.Protocol)
	}
	if acc.Extensions != "" {
		dst = ascii.AppendField(dst, "Sec-WebSocket-Extensions", acc.Extensions)
	}
	dst = acc.Fields.Append(dst)
	return append(dst, "\r\n"...)
}

// Tail implements wire.ServerHandshake.
func (s *Server) Tail(dst, _ []byte) []byte { return dst }

// Client is the client's side of a handshake with Sec-WebSocket-Key.
type Client struct {
	Profile   *HandshakeProfile
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
	dst = ascii.AppendField(dst, "Host", o.Host)
	dst = append(dst, "Upgrade: websocket\r\nConnection: Upgrade\r\n"...)
	dst = ascii.AppendField(dst, "Sec-WebSocket-Key", key)
	if o.Origin != "" {
		dst = ascii.AppendField(dst, c.Profile.Origins[0], o.Origin)
	}
	if len(o.Protocols) > 0 {
		dst = ascii.AppendField(dst, "Sec-WebSocket-Protocol", strings.Join(o.Protocols, ", "))
	}
	if o.Extensions != "" {
		dst = ascii.AppendField(dst, "Sec-WebSocket-Extensions", o.Extensions)
	}
	dst = ascii.AppendField(dst, "Sec-WebSocket-Version", c.Profile.Version.Info().HeaderValue)
	dst = o.Fields.Append(dst)
	return append(dst, "\r\n"...), nil
}

// Saw takes the place of Head where another client has sent the request: Check then judges the
// answer to that one.
func (c *Client) Saw(req *wire.Request, _ []byte) error {
	c.key = req.Fields.Get("Sec-WebSocket-Key")
	c.accept = string(AppendAccept(nil, c.key))
	c.protocols = req.Fields.List("Sec-WebSocket-Protocol")
	c.extended = req.Fields.Has("Sec-WebSocket-Extensions")
	return nil
}

// Check implements wire.ClientHandshake (RFC 6455 4.1, the six steps on the
// response).
func (c *Client) Check(resp *wire.Response, acc *wire.Accept) (int, error) {
	v, f := c.Profile.Version, resp.Fields
	if resp.Status != 101 {
		return 0, wire.NewRefusedError(v, resp)
	}
	// The answer names one protocol: with two of them the connection could be for either.
	if f.Count("Upgrade") != 1 || !ascii.EqualFold(f.Get("Upgrade"), "websocket") || !f.HasToken("Connection", "upgrade") {
		return 0, wire.NewHandshakeError(v, wire.ReasonBadResponse, fmt.Sprintf("Upgrade is %q, Connection %q", f.Get("Upgrade"), f.Get("Connection")))
	}
	if n := f.Count("Sec-WebSocket-Accept"); n != 1 {
		return 0, wire.NewHandshakeError(v, wire.ReasonBadAccept, fmt.Sprintf("Sec-WebSocket-Accept stands %d times, not once", n))
	}
	if got := f.Get("Sec-WebSocket-Accept"); got != c.accept {
		return 0, wire.NewHandshakeError(v, wire.ReasonBadAccept, fmt.Sprintf("Sec-WebSocket-Accept is %q, not %q", got, c.accept))
	}
	if c.Profile.MaskKey {
		if n := f.Count("Sec-WebSocket-Nonce"); n != 1 {
			return 0, wire.NewHandshakeError(v, wire.ReasonBadResponse, fmt.Sprintf("Sec-WebSocket-Nonce stands %d times, not once", n))
		}
		acc.MaskKey = MaskKey(c.key, f.Get("Sec-WebSocket-Nonce"))
	}
	acc.Protocol = f.Get("Sec-WebSocket-Protocol") // an empty one is none, as servers send that have nothing to choose from
	if n := f.Count("Sec-WebSocket-Protocol"); n > 1 || acc.Protocol != "" && !slices.Contains(c.protocols, acc.Protocol) {
		return 0, wire.NewHandshakeError(v, wire.ReasonNotOffered, fmt.Sprintf("subprotocol %q", acc.Protocol))
	}
	acc.Extensions = strings.Join(f.List("Sec-WebSocket-Extensions"), ", ")
	if acc.Extensions != "" && !c.extended {
		return 0, wire.NewHandshakeError(v, wire.ReasonNotOffered, fmt.Sprintf("extension %q", acc.Extensions))
	}
	return 0, nil
}

// CheckBody implements wire.ClientHandshake.
func (c *Client) CheckBody([]byte) error { return nil }
