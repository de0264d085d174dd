package draftwire

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/draftwire/draftwire/internal/deflate"
	"github.com/draftwire/draftwire/internal/hixie"
	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/wire"
)

// asking is what a client sends to open a connection, and what it was offered in it.
type asking struct {
	pieces     [][]byte // each is written by itself
	extensions []string // nil: those of Compression
	composed   bool
}

// witness is a client's handshake that can judge the answer to a request of another client.
type witness interface {
	Saw(req *wire.Request, key3 []byte) error
}

// ask makes the request, and puts the whole of it into dst. Where Compose has written it, offer
// says afterwards what it asks for.
func (d *DialOptions) ask(hs wire.ClientHandshake, draft *row, offer *wire.Offer, dst []byte) ([]byte, asking, error) {
	if d.Compose == nil {
		dst, err := hs.Head(dst, offer)
		return dst, asking{pieces: [][]byte{dst}}, err
	}
	pieces, err := d.Compose(offer)
	if err != nil {
		return dst, asking{}, fmt.Errorf("draftwire: dial: compose: %w", err)
	}
	for _, p := range pieces {
		dst = append(dst, p...)
	}
	a := asking{pieces: pieces, composed: true}
	a.extensions, err = saw(hs, draft, offer, string(dst))
	if err != nil {
		return dst, a, fmt.Errorf("draftwire: dial: compose: the request cannot be one of %s: %w", draft.Version, err)
	}
	return dst, a, nil
}

// saw lets hs judge the answer to the request raw of another client, stores in offer what that
// asks for, and returns the extensions that it offers.
func saw(hs wire.ClientHandshake, draft *row, offer *wire.Offer, raw string) (extensions []string, err error) {
	end := httphead.End(raw, 0)
	if end < 0 {
		return nil, errors.New("its head does not end")
	}
	req := wire.Request{Secure: offer.Secure, Tolerate: wire.AllTolerances}
	if err := httphead.ParseRequest(raw[:end], &req); err != nil {
		return nil, err
	}
	body := 0
	if req.Fields.Has("Sec-WebSocket-Key1") {
		body = hixie.Key3Size
	}
	if len(raw)-end != body {
		return nil, fmt.Errorf("%d bytes follow its head, not %d", len(raw)-end, body)
	}
	if err := hs.(witness).Saw(&req, []byte(raw[end:])); err != nil {
		return nil, err
	}
	var asked wire.ClientRequest
	if err := draft.NewServer(strings.NewReader(raw)).ReadRequest(&req, &asked); err != nil {
		return nil, err
	}
	*offer = wire.Offer{
		Target: req.Path(), Host: req.Host(), Secure: offer.Secure, Origin: asked.Origin, Protocols: asked.Protocols,
		Extensions: strings.Join(asked.Extensions, ", "), Fields: req.Fields,
	}
	return asked.Extensions, nil
}

// send writes the request.
func (a *asking) send(nc net.Conn) error {
	for _, p := range a.pieces {
		if _, err := nc.Write(p); err != nil {
			return err
		}
	}
	return nil
}

// accepted parses the extensions of the answer.
func (a *asking) accepted(answers []string, takeover bool) (deflate.Params, bool) {
	if a.composed {
		return deflate.AcceptedOf(a.extensions, answers)
	}
	return deflate.Accepted(answers, takeover)
}
