package inspect

import (
	"slices"
	"strings"

	"github.com/draftwire/draftwire/internal/deflate"
	"github.com/draftwire/draftwire/wire"
)

// terms are what a handshake has agreed on.
type terms struct {
	answer  wire.Accept
	judge   witness
	deflate *deflate.Params // nil: nothing that is known
	stream  bool            // deflate-stream
	guessed bool            // of the offer, as the answer is not there
}

// agree reads the extensions that an answer names.
func (c *conversation) agree(e *Event, q *request, resp *wire.Response) {
	answers := resp.Fields.List("Sec-WebSocket-Extensions")
	var offers []string
	if q != nil {
		offers = q.req.Fields.List("Sec-WebSocket-Extensions")
	}
	if len(answers) == 0 && q == nil && c.o.Extensions != "" {
		answers = wire.Fields{{Name: "E", Value: c.o.Extensions}}.List("E")
	}
	if n := c.terms.read(answers, offers); n != nil {
		e.blame(*n, "Sec-WebSocket-Extensions")
	}
}

// read reads the extensions of an answer, and says what is wrong or not known of them.
func (t *terms) read(answers, offers []string) (n *Note) {
	for i, a := range answers {
		name, rest := extensionName(a)
		switch {
		case offers != nil && !slices.ContainsFunc(offers, func(o string) bool { offered, _ := extensionName(o); return offered == name }):
			n = &Note{Verdict: Breaks, Text: "an extension that was not offered, which clients refuse", Section: "RFC 6455 4.1", Fault: string(wire.ReasonNotOffered)}
		case name == deflate.PerMessage:
			p, ok := deflate.Accepted([]string{a}, true)
			if !ok || i > 0 && t.deflate != nil {
				n = &Note{Verdict: Breaks, Text: "an answer that no offer of permessage-deflate has, which clients refuse", Section: "RFC 7692 7.1", Fault: string(wire.ReasonNotOffered)}
				continue
			}
			t.deflate = &p
		case name == deflate.DeflateFrame || name == deflate.WebkitFrame:
			t.deflate = &deflate.Params{Name: name, PerFrame: true, ClientNoTake: strings.Contains(rest, "no_context_takeover"), ServerNoTake: bindsServer(offers, name)}
		case name == "deflate-stream":
			t.stream = true
			n = &Note{Verdict: Says, Text: "with deflate-stream all bytes behind the head are one compressed stream, frames included: offsets count what it comes to"}
		default:
			n = &Note{Verdict: Says, Text: "an extension that is not known here: what it does to frames is not undone"}
		}
	}
	return n
}

// extensionName returns the name of an extension, and its parameters.
func extensionName(s string) (name, parameters string) {
	name, parameters, _ = strings.Cut(s, ";")
	return strings.TrimSpace(name), parameters
}

// bindsServer reports whether a client of deflate-frame wants the server to keep no window.
func bindsServer(offers []string, name string) bool {
	for _, o := range offers {
		if n, rest := extensionName(o); n == name && strings.Contains(rest, "no_context_takeover") {
			return true
		}
	}
	return false
}

// guess takes the compression that a server would choose of a client's offers.
func (t *terms) guess(offers []string) {
	var p deflate.Params
	if p.Answer(offers, true) != "" {
		t.deflate, t.guessed = &p, true
	}
}
