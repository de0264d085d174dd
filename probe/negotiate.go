package probe

import (
	"context"
	"net/http"
	"strings"

	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/wire"
)

// Subprotocols that nobody speaks.
const strange, strangers = "draftwire.probe", "draftwire.probe.other"

// subprotocols offers some.
func (p *prober) subprotocols(ctx context.Context, v *Version) error {
	offers := [][]string{{strange}, {strange, strangers}}
	if len(p.o.Protocols) > 0 {
		offers = append(offers, p.o.Protocols)
	}
	for _, names := range offers {
		l, t, err := p.persist(ctx, v, func(o *wire.Offer) { o.Protocols = names })
		if l != nil {
			l.leave()
		}
		if err != nil {
			return err
		}
		o := Offered{Offer: strings.Join(names, ", "), Answer: protocolOf(t.resp.Fields)}
		switch t.outcome {
		case Refused:
			o.Problem = t.answer.Line
		case Broken, NoAnswer:
			o.Problem = t.answer.Problem
		}
		v.Protocols = append(v.Protocols, o)
	}
	return nil
}

func protocolOf(f wire.Fields) string {
	for _, name := range []string{"Sec-WebSocket-Protocol", "WebSocket-Protocol"} {
		if s := f.Get(name); s != "" {
			return clip(s, 200)
		}
	}
	return ""
}

// offers are the extensions that are offered.
var offers = []string{
	"permessage-deflate; client_max_window_bits",
	"permessage-deflate; server_no_context_takeover; client_no_context_takeover",
	"permessage-deflate; server_max_window_bits=9",
	"deflate-frame", "x-webkit-deflate-frame", "deflate-stream", "draftwire-probe",
}

// extensions offers each by itself. The connection is left at once where the server takes one: it
// is not spoken.
func (p *prober) extensions(ctx context.Context, v *Version) error {
	if !v.Version.Supports(wire.CapExtensions) {
		return nil
	}
	for _, offer := range offers {
		if strings.HasPrefix(offer, "permessage") && !v.Version.Supports(wire.CapDeflate) {
			continue
		}
		o, err := p.extension(ctx, v.Version, offer)
		if err != nil {
			return err
		}
		v.Extensions = append(v.Extensions, o)
	}
	return nil
}

func (p *prober) extension(ctx context.Context, v wire.Version, offer string) (Offered, error) {
	out := Offered{Offer: offer}
	hs := drafts[v].NewClient(p.o.Rand).(witness)
	o := p.offer(v)
	o.Extensions = offer
	request, err := hs.Head(nil, o)
	if err != nil {
		return out, err
	}
	l, err := p.connect(ctx)
	if err != nil {
		return out, err
	}
	t := &try{}
	p.handshake(l, drafts[v], hs, request, t)
	out.Answer = clip(strings.Join(t.resp.Fields.First("Sec-WebSocket-Extensions", 10), ", "), 300)
	switch {
	case t.resp.Status != http.StatusSwitchingProtocols:
		out.Problem = t.answer.Line + t.answer.Problem
	case t.outcome == Broken:
		out.Problem = t.answer.Problem
	case out.Answer != "" && extensionName(out.Answer) != extensionName(offer):
		out.Problem = "it was not offered"
	}
	if out.Problem == "" && out.Answer == "" {
		l.open(drafts[v], t.accept.MaskKey)
		l.leave()
	} else {
		l.close()
	}
	return out, ctx.Err()
}

// extensionName is an extension without its parameters.
func extensionName(s string) string {
	name, _, _ := strings.Cut(s, ";")
	name, _, _ = strings.Cut(name, ",")
	return strings.TrimSpace(name)
}

// headLines splits a raw head into its lines.
func headLines(raw string) (first string, fields wire.Fields) {
	var resp wire.Response
	resp.Tolerate = wire.AllTolerances
	if httphead.ParseResponse(raw, &resp) == nil {
		return resp.Line, resp.Fields
	}
	var req wire.Request
	req.Tolerate = wire.AllTolerances
	if httphead.ParseRequest(raw, &req) == nil {
		return req.Method + " " + req.Target + " " + req.Proto, req.Fields
	}
	return "", nil
}
