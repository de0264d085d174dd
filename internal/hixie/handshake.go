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

// HandshakeProfile is what a draft decides about its handshake with two keys and eight
// bytes.
type HandshakeProfile struct {
	Version wire.Version
	// Draft is the value of Sec-WebSocket-Draft that our client sends; "" leaves the field
	// out.
	Draft string
	// WholeProtocol: the subprotocols are one string, which the server repeats (hixie-76).
	// Where it is false they are a list separated by spaces, of which the server chooses
	// one (hybi-02).
	WholeProtocol bool
}

// Server is the server's side of the handshake.
type Server struct {
	Profile      *HandshakeProfile
	origin       string
	part1, part2 uint32
}

// ReadRequest implements wire.ServerHandshake. It solves the two keys before anything is
// sent (hixie-76 5.2 steps 4 to 7). It reads WebSocket-Protocol too: Flash builds of 2010
// send it and expect the answer in Sec-WebSocket-Protocol.
func (s *Server) ReadRequest(req *wire.Request, asked *wire.ClientRequest) (err error) {
	f := req.Fields
	if s.part1, err = s.solve(req, "Sec-WebSocket-Key1", asked); err != nil {
		return err
	}
	if s.part2, err = s.solve(req, "Sec-WebSocket-Key2", asked); err != nil {
		return err
	}
	if asked.Origin, asked.HasOrigin, err = f.Origin(s.Profile.Version, "Origin"); err != nil {
		return err
	}
	s.origin = asked.Origin
	p := f.Get("Sec-WebSocket-Protocol")
	if p == "" {
		p = f.Get("WebSocket-Protocol")
	}
	switch {
	case p == "":
	case s.Profile.WholeProtocol:
		asked.Protocols = []string{p}
	default:
		asked.Protocols = firstFields(p, wire.MaxOffers)
	}
	asked.WholeProtocol = s.Profile.WholeProtocol
	return nil
}

// solve returns the number that a key hides.
func (s *Server) solve(req *wire.Request, name string, asked *wire.ClientRequest) (uint32, error) {
	key := req.Fields.Get(name)
	part, uneven, err := Part(s.Profile.Version, name, key)
	if err != nil || !uneven {
		return part, err
	}
	if !req.Tolerate.Has(wire.TolerateUnevenKey) {
		he := wire.NewHandshakeError(s.Profile.Version, wire.ReasonChallenge, fmt.Sprintf("%s: the digits of %.80q are no multiple of its spaces", name, key))
		he.Tolerance = wire.TolerateUnevenKey
		return 0, he
	}
	asked.Tolerated |= wire.TolerateUnevenKey
	return part, nil
}

// firstFields returns the first members of a list that is separated by spaces and tabs, at
// most n of them. NEL and other characters beyond ASCII separate nothing.
func firstFields(s string, n int) (out []string) {
	for m := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == ' ' || r == '\t' }) {
		if len(out) == n {
			break
		}
		out = append(out, m)
	}
	return out
}

// Head implements wire.ServerHandshake (hixie-76 5.2 step 10). Clients fail the connection
// unless Upgrade is WebSocket, in this spelling, Connection is Upgrade alone, and no field
// stands twice.
func (s *Server) Head(dst []byte, acc *wire.Accept) ([]byte, int) {
	dst = append(dst, "HTTP/1.1 101 WebSocket Protocol Handshake\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n"...)
	dst = ascii.AppendField(dst, "Sec-WebSocket-Origin", RepeatOrigin(s.origin))
	dst = ascii.AppendField(dst, "Sec-WebSocket-Location", acc.Location)
	if acc.Protocol != "" {
		dst = ascii.AppendField(dst, "Sec-WebSocket-Protocol", acc.Protocol)
	}
	dst = acc.Fields.Append(dst)
	return append(dst, "\r\n"...), Key3Size
}

// Tail implements wire.ServerHandshake (hixie-76 5.2 steps 8, 9 and 13).
func (s *Server) Tail(dst, key3 []byte) []byte {
	answer := Answer(s.part1, s.part2, key3)
	return append(dst, answer[:]...)
}

// Client is the client's side of the handshake.
type Client struct {
	Profile   *HandshakeProfile
	Rand      io.Reader // nil is crypto/rand
	origin    string
	locations []string
	protocols []string
	answer    [AnswerSize]byte
}

// Head implements wire.ClientHandshake (hixie-76 4.1). The document wants the fields in
// random order, so that no server depends on an order. Servers accept any order, and ours is
// that of WebKit.
func (c *Client) Head(dst []byte, o *wire.Offer) ([]byte, error) {
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	c.origin = ascii.ToLower(o.Origin)
	c.locations = Locations(o)
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
	dst = ascii.AppendField(dst, "Host", o.Host)
	dst = ascii.AppendField(dst, "Origin", o.Origin)
	if len(o.Protocols) > 0 {
		list := strings.Join(o.Protocols, " ")
		dst = ascii.AppendField(dst, "Sec-WebSocket-Protocol", list)
		c.protocols = o.Protocols
		if c.Profile.WholeProtocol {
			c.protocols = []string{list}
		}
	}
	if c.Profile.Draft != "" {
		dst = ascii.AppendField(dst, "Sec-WebSocket-Draft", c.Profile.Draft)
	}
	dst = o.Fields.Append(dst)
	dst = ascii.AppendField(dst, "Sec-WebSocket-Key1", key1)
	dst = ascii.AppendField(dst, "Sec-WebSocket-Key2", key2)
	dst = append(dst, "\r\n"...)
	return append(dst, key3[:]...), nil
}

// Saw takes the place of Head where another client has sent the request, with the eight bytes
// behind it: Check and CheckBody then judge the answer to that one.
func (c *Client) Saw(req *wire.Request, key3 []byte) error {
	var s Server
	s.Profile = c.Profile
	var asked wire.ClientRequest
	if err := s.ReadRequest(req, &asked); err != nil {
		return err
	}
	c.origin, c.protocols = ascii.ToLower(asked.Origin), asked.Protocols
	c.locations = Locations(&wire.Offer{Host: req.Host(), Secure: req.Secure, Target: req.SentPath(), Fields: req.Fields})
	if len(key3) == Key3Size {
		c.answer = Answer(s.part1, s.part2, key3)
	}
	return nil
}

// Check implements wire.ClientHandshake (hixie-76 4.1, the steps on the
// response's fields).
func (c *Client) Check(resp *wire.Response, acc *wire.Accept) (int, error) {
	v, f := c.Profile.Version, resp.Fields
	if resp.Status != 101 {
		return 0, wire.NewRefusedError(v, resp)
	}
	if err := checkUpgrade(v, resp); err != nil {
		return 0, err
	}
	if err := RequireField(v, f, "Sec-WebSocket-Origin", c.origin); err != nil {
		return 0, err
	}
	if err := RequireLocation(v, resp, "Sec-WebSocket-Location", c.locations); err != nil {
		return 0, err
	}
	if n := f.Count("Connection"); n != 1 || !ascii.EqualFold(f.Get("Connection"), "upgrade") {
		return 0, wire.NewHandshakeError(v, wire.ReasonBadResponse, fmt.Sprintf("Connection is %q, %d times", f.Get("Connection"), n))
	}
	if err := c.checkProtocol(f, acc); err != nil {
		return 0, err
	}
	return AnswerSize, nil
}

// checkUpgrade checks the Upgrade field of an answer, in which case counts.
func checkUpgrade(v wire.Version, resp *wire.Response) error {
	const name, value = "Upgrade", "WebSocket"
	if got := resp.Fields.Get(name); got != value && resp.Fields.Count(name) == 1 && ascii.EqualFold(got, value) {
		return resp.Excuse(v, wire.TolerateUpgradeCase, fmt.Sprintf("%s is %q, not %q", name, got, value))
	}
	return RequireField(v, resp.Fields, name, value)
}

// checkProtocol checks the subprotocol of the answer. It ignores one that was not asked for.
func (c *Client) checkProtocol(f wire.Fields, acc *wire.Accept) error {
	const name = "Sec-WebSocket-Protocol"
	switch {
	case len(c.protocols) == 0:
		return nil
	case c.Profile.WholeProtocol:
		acc.Protocol = c.protocols[0]
		return RequireField(c.Profile.Version, f, name, acc.Protocol)
	}
	acc.Protocol = f.Get(name)
	if n := f.Count(name); n > 1 || acc.Protocol != "" && !slices.Contains(c.protocols, acc.Protocol) {
		return wire.NewHandshakeError(c.Profile.Version, wire.ReasonNotOffered, fmt.Sprintf("subprotocol %q", acc.Protocol))
	}
	return nil
}

// RepeatOrigin returns the origin of a request as the answer repeats it: in ASCII lower
// case (hixie-75 5.2, hixie-76 5.2), and "null" for none: the field is
// never left empty.
func RepeatOrigin(origin string) string {
	if origin == "" {
		return "null"
	}
	return ascii.ToLower(origin)
}

// Location returns the URL that a server must repeat: scheme, host in lower case without
// the scheme's default port, target (hixie-75 5.1, hixie-76 5.2).
func Location(secure bool, host, target string) string {
	scheme, port := "ws://", ":80"
	if secure {
		scheme, port = "wss://", ":443"
	}
	return scheme + strings.TrimSuffix(strings.ToLower(host), port) + target
}

// Locations returns the URLs that a server may repeat. The first is that of the request. Where
// the request says that a proxy has got it with another host or scheme, servers make the URL
// of these, and some take any X-Forwarded-Proto for https.
func Locations(o *wire.Offer) []string {
	hosts, schemes := []string{o.Host}, []bool{o.Secure}
	if host := o.Fields.Get("X-Forwarded-Host"); host != "" && host != o.Host {
		hosts = append(hosts, host)
	}
	if o.Fields.Has("X-Forwarded-Proto") {
		schemes = append(schemes, !o.Secure)
	}
	var out []string
	for _, host := range hosts {
		for _, secure := range schemes {
			out = append(out, Location(secure, host, o.Target))
		}
	}
	return out
}

// RequireLocation checks, for a client, the URL that the server repeats in the field name.
func RequireLocation(v wire.Version, resp *wire.Response, name string, locations []string) error {
	got := resp.Fields.Get(name)
	if resp.Fields.Count(name) != 1 {
		return RequireField(v, resp.Fields, name, locations[0])
	}
	if slices.Contains(locations, got) {
		return nil
	}
	return resp.Excuse(v, wire.TolerateOtherLocation, fmt.Sprintf("%s is %q, not %q", name, got, locations[0]))
}

// RequireField checks, for a client, that the server sent the field name once and with
// that value.
func RequireField(v wire.Version, f wire.Fields, name, value string) error {
	if n := f.Count(name); n != 1 {
		return wire.NewHandshakeError(v, wire.ReasonBadResponse, fmt.Sprintf("%s stands %d times, not once", name, n))
	}
	if got := f.Get(name); got != value {
		return wire.NewHandshakeError(v, wire.ReasonBadResponse, fmt.Sprintf("%s is %q, not %q", name, got, value))
	}
	return nil
}

// CheckBody implements wire.ClientHandshake. It checks the proof of the server.
func (c *Client) CheckBody(body []byte) error {
	if subtle.ConstantTimeCompare(body, c.answer[:]) != 1 {
		return wire.NewHandshakeError(c.Profile.Version, wire.ReasonBadAccept, fmt.Sprintf("the 16 bytes are %x, not %x", body, c.answer))
	}
	return nil
}
