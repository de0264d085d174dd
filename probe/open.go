package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/draftwire/draftwire/browsers"
	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/internal/origin"
	"github.com/draftwire/draftwire/wire"
)

// witness is a client's handshake that can judge the answer to a request of another client.
type witness interface {
	wire.ClientHandshake
	Saw(req *wire.Request, key3 []byte) error
}

// host is what the Host field says: no default port.
func (p *prober) host() string { return origin.StripPort(p.u.Scheme, p.u.Host) }

// offer is what a request of v asks for.
func (p *prober) offer(v wire.Version) *wire.Offer {
	o := &wire.Offer{
		Target: p.u.RequestURI(), Host: p.host(), Secure: p.u.Scheme == "wss", Origin: p.o.Origin, Fields: slices.Clone(p.o.Fields),
	}
	if o.Origin == "" && v.Supports(wire.CapOrigin) {
		o.Origin = "http" + strings.TrimPrefix(p.u.Scheme, "ws") + "://" + o.Host
	}
	if !v.Supports(wire.CapProtocolSet) && len(p.o.Protocols) > 0 {
		o.Protocols = p.o.Protocols[:1]
	} else {
		o.Protocols = p.o.Protocols
	}
	return o
}

// request returns a request whose fields are these lines.
func (p *prober) request(lines string) []byte {
	b := []byte("GET " + p.u.RequestURI() + " HTTP/1.1\r\nHost: " + p.host() + "\r\n" + lines)
	return append(p.o.Fields.Append(b), "\r\n"...)
}

// ask sends a request and reads the answer.
func (p *prober) ask(ctx context.Context, request []byte) (*Answer, error) {
	l, err := p.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer l.close()
	began := time.Now()
	l.send(request)
	var resp wire.Response
	err = l.head(began.Add(p.o.Timeout), &resp)
	a := answerOf(&resp, err, l)
	a.After = Span(time.Since(began))
	return &a, ctx.Err()
}

// answerOf describes an answer, or why there is none.
func answerOf(resp *wire.Response, err error, l *link) Answer {
	if err != nil {
		return Answer{Problem: problem(err, l)}
	}
	a := Answer{
		Line: clip(resp.Line, 200), Status: resp.Status, Reason: clip(resp.Fields.Get("Draftwire-Reason"), 60),
		Named: clipAll(resp.Fields.First("Sec-WebSocket-Version", 20), 20),
	}
	for _, f := range resp.Fields {
		a.Fields = append(a.Fields, clipped(f))
	}
	return a
}

// problem says why there is no answer.
func problem(err error, l *link) string {
	switch {
	case errors.Is(err, errEnd) && l.end == Noise:
		return "it sends more than is read"
	case errors.Is(err, errEnd):
		return fmt.Sprintf("the connection ended (%s) after %d bytes", l.end, l.read)
	case errors.Is(err, errLate):
		return fmt.Sprintf("nothing came in time, but %d bytes", l.read)
	}
	return plain(err)
}

// try is one opening handshake.
type try struct {
	resp    wire.Response
	answer  Answer
	accept  wire.Accept
	outcome Outcome
	fault   *wire.HandshakeError // of an outcome that is not Opens
	first   *bool                // HeadFirst
	timing  Timing
	request []byte // as it was sent
	proof   []byte // what came behind the head
}

// browsers says what the browsers that spoke the version make of the answer.
func (t *try) browsers(v wire.Version, secure bool) (out []Browser) {
	if t.resp.Status != http.StatusSwitchingProtocols {
		return nil
	}
	for _, b := range browsers.Of(v) {
		verdict, err := b.Check(&browsers.Exchange{Request: t.request, Response: append([]byte(t.resp.Raw), t.proof...), Secure: secure})
		if err != nil {
			continue // the request is none of the version: what was sent was another one's
		}
		x := Browser{Name: b.Name, Opens: verdict.Outcome == browsers.Opens, Rule: verdict.Rule, Sure: verdict.Mark}
		if !x.Opens {
			x.Why = clip(strings.TrimPrefix(verdict.String(), b.Name+" "), 300)
		}
		out = append(out, x)
	}
	return out
}

// openWith speaks the opening handshake of v. A link that is open is the caller's to close; of one
// that is not, nil is returned. The error is about the probe, not about the server.
func (p *prober) openWith(ctx context.Context, v wire.Version, change func(*wire.Offer)) (*link, *try, error) {
	draft := drafts[v]
	offer := p.offer(v)
	if change != nil {
		change(offer)
	}
	hs := draft.NewClient(p.o.Rand).(witness)
	request, err := p.compose(hs, v, offer)
	if err != nil {
		return nil, nil, err
	}
	before := time.Now()
	l, err := p.connect(ctx)
	if err != nil {
		return nil, nil, err
	}
	t := &try{timing: Timing{Connect: Span(time.Since(before))}, request: request}
	p.handshake(l, draft, hs, request, t)
	if t.outcome == Opens || t.outcome == Excused {
		l.open(draft, t.accept.MaskKey)
		return l, t, ctx.Err()
	}
	l.close()
	return nil, t, ctx.Err()
}

// attempts is how often a handshake is tried that may fail by chance: a server that stumbles over some
// of the random bytes of hixie-76.
const attempts = 3

// byChance reports whether another try may have another end.
func (t *try) byChance() bool {
	return t.outcome == NoAnswer || t.outcome == Broken && t.fault != nil && t.fault.Reason == wire.ReasonBadAccept
}

// persist is openWith for a version that has opened before. It tries again where chance may have been at
// work, and counts.
func (p *prober) persist(ctx context.Context, v *Version, change func(*wire.Offer)) (l *link, t *try, err error) {
	for range attempts {
		if l, t, err = p.openWith(ctx, v.Version, change); err != nil {
			return l, t, err
		}
		chance := l == nil && t.byChance()
		p.mu.Lock()
		v.Handshakes++
		if chance {
			v.Failed++
		}
		p.mu.Unlock()
		if !chance {
			break
		}
	}
	return l, t, nil
}

// again opens another connection of a version that has opened before. The link is nil where it does not
// open again.
func (p *prober) again(ctx context.Context, v *Version) (*link, error) {
	l, _, err := p.persist(ctx, v, nil)
	return l, err
}

// compose makes the request of v.
func (p *prober) compose(hs witness, v wire.Version, offer *wire.Offer) ([]byte, error) {
	if p.o.Compose == nil || p.o.ComposeVersion != v {
		return hs.Head(nil, offer)
	}
	pieces, err := p.o.Compose(offer)
	if err != nil {
		return nil, err
	}
	var raw []byte
	for _, b := range pieces {
		raw = append(raw, b...)
	}
	return raw, sawRequest(hs, raw, offer.Secure)
}

// sawRequest lets hs judge the answer to a request.
func sawRequest(hs witness, raw []byte, secure bool) error {
	end := httphead.End(raw, 0)
	if end < 0 {
		return errors.New("draftwire: probe: the request does not end")
	}
	req := wire.Request{Secure: secure, Tolerate: wire.AllTolerances}
	if err := httphead.ParseRequest(string(raw[:end]), &req); err != nil {
		return err
	}
	return hs.Saw(&req, raw[end:])
}

// isWhole reports whether the request of a version is sent in one piece.
func (p *prober) isWhole(v wire.Version) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.whole.Has(v)
}

// handshake sends a request and judges the answer. Eight bytes behind a head wait for the head of
// the answer, for a while.
func (p *prober) handshake(l *link, draft *wire.Draft, hs wire.ClientHandshake, request []byte, t *try) {
	began := time.Now()
	until := began.Add(p.o.Timeout)
	end := httphead.End(request, 0)
	err := error(nil)
	if key3 := request[end:]; len(key3) > 0 && !p.isWhole(draft.Version) {
		l.send(request[:end])
		err = l.head(began.Add(min(p.o.Timeout/2, time.Second)), &t.resp)
		first := err == nil
		t.first = &first
		l.send(key3)
		if errors.Is(err, errLate) {
			err = l.head(until, &t.resp)
		}
	} else {
		l.send(request)
		err = l.head(until, &t.resp)
	}
	t.answer = answerOf(&t.resp, err, l)
	if !l.first.IsZero() {
		t.timing.Answer = Span(l.first.Sub(began))
	}
	t.answer.After = Span(time.Since(began))
	if err != nil {
		t.outcome = NoAnswer
		if he, ok := errors.AsType[*wire.HandshakeError](err); ok {
			t.outcome, t.fault = Broken, he
		}
		return
	}
	t.judge(hs, l, draft.Version, until)
	t.timing.Open = Span(time.Since(began))
}

// judge says what a client of the version makes of the answer.
func (t *try) judge(hs wire.ClientHandshake, l *link, v wire.Version, until time.Time) {
	if t.resp.Status != http.StatusSwitchingProtocols {
		t.outcome = Refused
		return
	}
	body, err := hs.Check(&t.resp, &t.accept)
	if err == nil {
		var proof []byte
		if proof, err = l.take(body, until); err == nil {
			t.proof = bytes.Clone(proof)
			err = hs.CheckBody(proof)
		} else {
			err = wire.NewHandshakeError(v, wire.ReasonBadAccept, fmt.Sprintf("%d bytes follow the head, not %d: %s", len(proof), body, problem(err, l)))
		}
	}
	switch {
	case err != nil:
		t.outcome = Broken
		t.fault, _ = errors.AsType[*wire.HandshakeError](err)
		t.answer.Problem = plain(err)
	case t.resp.Tolerated != 0:
		t.outcome = Excused
	default:
		t.outcome = Opens
	}
}

// opening opens the first connection of a version and looks at it.
func (p *prober) opening(ctx context.Context, v *Version) error {
	l, t, err := p.openWith(ctx, v.Version, nil)
	for i := 1; i < 2*attempts && err == nil && l == nil && t.first != nil && t.byChance(); i++ {
		v.Handshakes++
		v.Failed++
		l, t, err = p.openWith(ctx, v.Version, nil)
	}
	if err == nil && l == nil && t.first != nil && t.outcome != Refused {
		l, t, err = p.inOnePiece(ctx, v, t)
	}
	if t != nil {
		v.Outcome, v.Answer = t.outcome, t.answer
		v.HeadFirst, v.Timing = t.first, &t.timing
		if t.resp.Tolerated != 0 {
			v.Tolerance = t.resp.Tolerated.String()
		}
		v.Notes = append(v.Notes, notes(t)...)
		v.Browsers = t.browsers(v.Version, p.u.Scheme == "wss")
	}
	if err != nil || l == nil {
		return err
	}
	if t.first != nil && !*t.first { // nothing is won by waiting each time
		p.mu.Lock()
		p.whole = p.whole.With(v.Version)
		p.mu.Unlock()
	}
	defer l.leave()
	p.talk(l, v)
	return ctx.Err()
}

// inOnePiece tries a version again whose eight bytes were sent behind its head, in a packet of their
// own. Where they have to come with the head, they do from then on.
func (p *prober) inOnePiece(ctx context.Context, v *Version, apart *try) (*link, *try, error) {
	p.mu.Lock()
	p.whole = p.whole.With(v.Version)
	p.mu.Unlock()
	v.Handshakes, v.Failed = 0, 0 // that was no chance
	for range attempts {
		l, t, err := p.openWith(ctx, v.Version, nil)
		switch {
		case err != nil:
			return nil, apart, err
		case l != nil:
			v.OnePiece = true
			v.Notes = append(v.Notes, "it opens only where the eight bytes come in one piece with the head, which not all clients and proxies do; otherwise: "+
				strings.TrimPrefix(apart.answer.Line+", ", ", ")+apart.answer.Problem)
			return l, t, nil
		}
	}
	return nil, apart, nil
}

// talk finds out whether the server speaks first, echoes, and answers a ping.
func (p *prober) talk(l *link, v *Version) {
	var r Reaction
	began := time.Now()
	l.send(l.frame(wire.OpText, []byte(p.o.Message)))
	echoed := func(r *Reaction) bool { return string(r.data) == p.o.Message || r.Close }
	l.watch(&r, began, began.Add(max(settle, min(p.o.Timeout, time.Second))), echoed)
	v.Echoes = string(r.data) == p.o.Message
	v.Greets = r.Echoes > 1 || r.Echoes == 1 && !v.Echoes
	if v.Echoes {
		v.Timing.Echo = Span(time.Since(began))
	}
	if r.Close || r.End != Open {
		v.Notes = append(v.Notes, "a text message ends the connection: "+r.String())
		return
	}
	if !v.Version.Supports(wire.CapPing) {
		return
	}
	began = time.Now()
	l.send(l.frame(wire.OpPing, []byte("draftwire")))
	r = Reaction{}
	l.watch(&r, began, began.Add(p.o.Timeout), func(r *Reaction) bool { return r.Pongs > 0 || r.Close })
	pongs := r.Pongs > 0
	v.Pongs = &pongs
	if pongs {
		v.Timing.Ping = Span(time.Since(began))
	}
}

// spellings are the fields of an answer as the documents spell them.
var spellings = []string{
	"Upgrade", "Connection", "WebSocket-Origin", "WebSocket-Location", "WebSocket-Protocol", "Sec-WebSocket-Origin", "Sec-WebSocket-Location",
	"Sec-WebSocket-Protocol", "Sec-WebSocket-Accept", "Sec-WebSocket-Nonce", "Sec-WebSocket-Extensions", "Sec-WebSocket-Version",
}

// notes says what clients of the time may stumble over.
func notes(t *try) (out []string) {
	for _, f := range t.resp.Fields {
		for _, s := range spellings {
			if f.Name != s && strings.EqualFold(f.Name, s) {
				out = append(out, fmt.Sprintf("%s is spelled %s: clients of 2010 and 2011 that compare names as they stand do not see it", s, clip(f.Name, 60)))
			}
		}
	}
	if t.accept.Extensions != "" {
		out = append(out, "it takes the device's offer of "+clip(t.accept.Extensions, 100)+", with which echoes are not recognized")
	}
	if t.first != nil && !*t.first && (t.outcome == Opens || t.outcome == Excused) {
		out = append(out, "the head of the answer waits for the eight bytes, which a proxy may hold back until it sees the head")
	}
	return out
}

// String says it in a few words.
func (r *Reaction) String() string {
	var parts []string
	if r.Status > 0 {
		s := fmt.Sprintf("%d", r.Status)
		if r.Reason != "" {
			s += " (" + r.Reason + ")"
		}
		parts = append(parts, s)
	}
	if r.Close {
		s := "close"
		if r.Code != wire.CodeNoStatus && r.Code != 0 {
			s += fmt.Sprintf(" %d", int(r.Code))
		}
		parts = append(parts, s)
	}
	switch {
	case r.Noise == "", r.longPong:
	case r.Close:
		parts = append(parts, "which must not be sent")
	default:
		parts = append(parts, "sends what is no frame")
	}
	if r.End != Open && r.End != "" && r.End != Noise {
		parts = append(parts, string(r.End))
	}
	if len(parts) == 0 {
		switch {
		case r.longPong, r.Echoes > 0 || r.Pongs > 0:
			return "goes on"
		default:
			return "nothing"
		}
	}
	return strings.Join(parts, ", ")
}
