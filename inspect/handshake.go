package inspect

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/draftwire/draftwire/detect"
	"github.com/draftwire/draftwire/internal/hixie"
	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/wire"
)

// request is a request that waits for its answer.
type request struct {
	req     wire.Request
	attempt bool // for WebSocket
	version wire.Version
	asked   wire.ClientRequest
	key3    []byte
	refused bool
}

// witness is a client's handshake that can judge the answer to a request of another client.
type witness interface {
	wire.ClientHandshake
	Saw(req *wire.Request, key3 []byte) error
}

// request explains the head of a request.
func (c *conversation) request(s *side, raw string) {
	e := c.event(s, KindRequest, int64(len(raw)))
	e.Lines, e.Bytes = headLines(raw, s.offset), []byte(raw)
	q := &request{}
	q.req.Tolerate = wire.AllTolerances
	if err := httphead.ParseRequest(raw, &q.req); err != nil {
		e.Text = "a request that cannot be read"
		e.blameError(handshakeError(err), "RFC 9112 2.1")
		c.say(e)
		s.take(len(raw))
		c.lose(s, "they follow a request that cannot be read")
		return
	}
	q.req.Secure = c.secure
	q.attempt = detect.IsAttempt(&q.req)
	if q.attempt {
		c.explainUpgrade(e, raw, q)
	} else {
		e.Text = "an ordinary request, not one for WebSocket"
	}
	if len(c.requests) < maxRequests {
		c.requests = append(c.requests, q)
	}
	c.version = q.version
	c.say(e)
	s.take(len(raw))
	c.afterRequest(s, q)
}

// explainUpgrade finds the version of a request, and the rules that it keeps and breaks.
func (c *conversation) explainUpgrade(e *Event, raw string, q *request) {
	strict := strictly(raw)
	found, err := detect.Request(&q.req, wire.AllVersions, wire.AllTolerances)
	tolerated := q.req.Tolerated | found.Tolerated
	q.version = found.Version
	if err == nil {
		err = drafts[q.version].NewServer(nil).ReadRequest(&q.req, &q.asked)
		tolerated |= q.asked.Tolerated
	}
	if err != nil {
		he := handshakeError(err)
		e.Text, e.Fault = "a request for WebSocket that no server should accept", string(he.Reason)
		e.blameError(he, cite(q.version, sections[q.version].judge))
	} else {
		e.Text = fmt.Sprintf("a request for WebSocket, %s: %s", q.version, found.Rule)
	}
	e.blameTolerated(tolerated, strict)
	if v := q.version; v != wire.Unknown {
		annotate(e.Lines, requestRules, v, sections[v].request, err == nil)
		if first := &e.Lines[0]; len(first.Notes) == 0 && err == nil {
			first.Notes = append(first.Notes, Note{Verdict: Obeys, Text: "GET, a path, HTTP/1.1", Section: cite(v, sections[v].request)})
		}
	}
}

// strictly returns the first fault of a request's head if nothing is tolerated.
func strictly(raw string) *wire.HandshakeError {
	var req wire.Request
	err := httphead.ParseRequest(raw, &req)
	var found detect.Result
	if err == nil {
		found, err = detect.Request(&req, wire.AllVersions, 0)
	}
	if err == nil {
		err = drafts[found.Version].NewServer(nil).ReadRequest(&req, new(wire.ClientRequest))
	}
	return handshakeError(err)
}

// handshakeError returns err as a *wire.HandshakeError; nil for nil.
func handshakeError(err error) *wire.HandshakeError {
	var he *wire.HandshakeError
	if err != nil && !errors.As(err, &he) {
		he = wire.NewHandshakeError(wire.Unknown, wire.ReasonIO, err.Error())
	}
	return he
}

// afterRequest sets up what follows the head of a request.
func (c *conversation) afterRequest(s *side, q *request) {
	switch {
	case !q.attempt:
		s.expectBody(q.req.Fields, false)
	case q.version == wire.Hixie76 || q.version == wire.Hybi02:
		s.asking, s.state = q, atChallenge
	default:
		if keyed.Has(q.version) {
			c.proveKey(s, q)
		}
		s.state = waiting
	}
}

// waiting is the state of a client whose request for WebSocket is not answered.
func waiting(c *conversation, s *side) bool {
	o := c.other(s)
	if o.ended && len(o.buf) == 0 && !c.opened && len(c.requests) > 0 && (len(s.buf) > 0 || s.ended) {
		c.assume("the answer is not there")
		return true
	}
	return false
}

// atChallenge expects the eight bytes of hixie-76.
func atChallenge(c *conversation, s *side) bool {
	q := s.asking
	if len(s.buf) < hixie.Key3Size {
		if s.ended && len(s.buf) > 0 {
			c.lose(s, "fewer than the eight bytes that follow the head (hixie-76 5.2)")
			return true
		}
		return false
	}
	q.key3 = bytes.Clone(s.buf[:hixie.Key3Size])
	e := c.event(s, KindChallenge, hixie.Key3Size)
	e.Text, e.Bytes = "the eight bytes that end the challenge", q.key3
	e.Notes = []Note{{Verdict: Says, Text: "any value; no field announces them, so a proxy that reads HTTP may keep them back", Section: "hixie-76 4.1"}}
	e.Parts = []Part{{0, hixie.Key3Size, "the third part of the challenge"}}
	c.say(e)
	s.take(hixie.Key3Size)
	c.proveChallenge(s, q)
	s.state = waiting
	if q.refused {
		s.state = atStart
	}
	return true
}

// response explains the head of an answer.
func (c *conversation) response(s *side, raw string) {
	e := c.event(s, KindResponse, int64(len(raw)))
	e.Lines, e.Bytes = headLines(raw, s.offset), []byte(raw)
	resp := wire.Response{Tolerate: wire.AllTolerances}
	if err := httphead.ParseResponse(raw, &resp); err != nil {
		e.Text = "an answer that cannot be read"
		e.blameError(handshakeError(err), "RFC 9112 2.1")
		c.say(e)
		s.take(len(raw))
		c.lose(s, "they follow an answer that cannot be read")
		return
	}
	var q *request
	if len(c.requests) > 0 {
		q = c.requests[0]
		if resp.Status/100 != 1 || resp.Status == 101 {
			c.requests = c.requests[1:]
		}
	}
	switch {
	case resp.Status == 101:
		c.accepted(s, e, q, &resp)
	case q != nil && q.attempt:
		c.refuse(s, e, q, &resp)
	default:
		e.Text, c.plain = "an ordinary answer", true
		c.say(e)
		s.take(len(raw))
		if resp.Status/100 != 1 {
			s.expectBody(resp.Fields, resp.Status != 204 && resp.Status != 304)
		}
	}
}

// refuse explains a refusal.
func (c *conversation) refuse(s *side, e *Event, q *request, resp *wire.Response) {
	c.version = q.version
	e.Text = "the handshake is refused"
	if list := resp.Fields.List("Sec-WebSocket-Version"); len(list) > 0 {
		e.blame(Note{Verdict: Says, Text: "the versions that this server speaks: " + strings.Join(list, ", "), Section: "RFC 6455 4.4"}, "Sec-WebSocket-Version")
	}
	if why := wire.Reason(resp.Fields.Get("Draftwire-Reason")); why != "" && why.Info().Rule != "" {
		info := why.Info()
		e.blame(Note{Verdict: Says, Text: info.Rule, Hint: info.Cure}, "Draftwire-Reason")
	}
	c.refused, q.refused = true, true
	c.say(e)
	s.take(int(e.Length))
	s.expectBody(resp.Fields, resp.Status != 204 && resp.Status != 304)
	if len(c.requests) == 0 && (q.key3 != nil || !challenges.Has(q.version)) {
		c.other(s).state = atStart // it may ask again
	}
}

// accepted explains a 101.
func (c *conversation) accepted(s *side, e *Event, q *request, resp *wire.Response) {
	if q == nil || !q.attempt || q.version == wire.Unknown {
		c.answerWithoutRequest(e, resp)
	} else {
		c.version, c.upgrade = q.version, q
	}
	e.Text = "the handshake is accepted"
	v, proof := c.version, 0
	if c.upgrade != nil {
		proof = c.judge(e, q, resp)
	} else if v == wire.Hixie76 || v == wire.Hybi02 {
		proof = hixie.AnswerSize
	}
	if c.upgrade == nil && v != wire.Unknown {
		annotate(e.Lines, responseRules, v, sections[v].response, false)
	}
	c.agree(e, q, resp)
	c.say(e)
	s.take(int(e.Length))
	if q != nil && v == wire.Hybi04 {
		c.proveMask(s, q, resp)
	}
	if proof > 0 {
		s.state = atProof
		return
	}
	c.open()
}

// answerWithoutRequest finds the version by an answer alone.
func (c *conversation) answerWithoutRequest(e *Event, resp *wire.Response) {
	f := resp.Fields
	v, why := c.o.Version, "as was said"
	if v == wire.Unknown {
		switch {
		case f.Has("Sec-WebSocket-Nonce"):
			v, why = wire.Hybi05, "hybi-04 answers in the same way"
		case f.Has("Sec-WebSocket-Accept"):
			v, why = wire.RFC6455, "versions from hybi-06 on answer in the same way"
		case f.Has("Sec-WebSocket-Location"):
			v, why = wire.Hixie76, "hybi-02 answers in the same way"
		case f.Has("WebSocket-Location"):
			v, why = wire.Hixie75, "by its fields"
		}
	}
	c.version = v
	e.Notes = append(e.Notes, Note{Verdict: Says, Text: fmt.Sprintf("the request is not there; this is taken as %s: %s", v, why)})
}

// judge checks a 101 as the client would, and returns how many bytes of proof follow.
func (c *conversation) judge(e *Event, q *request, resp *wire.Response) (proof int) {
	v := c.version
	w, ok := drafts[v].NewClient(strings.NewReader("")).(witness)
	if !ok || w.Saw(&q.req, q.key3) != nil {
		annotate(e.Lines, responseRules, v, sections[v].response, false)
		return 0
	}
	proof, err := w.Check(resp, &c.terms.answer)
	if he := handshakeError(err); he != nil {
		if v == wire.Hixie76 || v == wire.Hybi02 {
			proof = hixie.AnswerSize
		}
		e.Fault = string(he.Reason)
		section := cite(v, sections[v].check)
		e.blameError(he, section)
		e.Notes = append(e.Notes, Note{Verdict: Says, Text: "a client of this version fails the connection here", Section: section})
	}
	var strict *wire.HandshakeError
	if resp.Tolerated != 0 {
		again := wire.Response{}
		if strict = handshakeError(httphead.ParseResponse(resp.Raw, &again)); strict == nil {
			var acc wire.Accept
			_, err := w.Check(&again, &acc)
			strict = handshakeError(err)
		}
	}
	e.blameTolerated(resp.Tolerated, strict)
	annotate(e.Lines, responseRules, v, sections[v].response, err == nil)
	if first := &e.Lines[0]; v == wire.Hixie75 && len(first.Notes) == 0 && err == nil {
		first.Notes = []Note{{Verdict: Obeys, Text: "in these letters: clients compare the first three lines byte by byte", Section: cite(v, sections[v].check)}}
	}
	c.terms.judge = w
	return proof
}

// atProof expects the sixteen bytes of hixie-76.
func atProof(c *conversation, s *side) bool {
	if o := c.other(s); c.upgrade != nil && c.upgrade.key3 == nil && !o.ended && len(s.buf) < maxWaiting {
		return false // the challenge comes first
	}
	if len(s.buf) < hixie.AnswerSize {
		if s.ended && len(s.buf) > 0 {
			c.lose(s, "fewer than the sixteen bytes that follow the head (hixie-76 5.2)")
			return true
		}
		return false
	}
	e := c.event(s, KindProof, hixie.AnswerSize)
	e.Text, e.Bytes = "the sixteen bytes that prove that the server has read the challenge", bytes.Clone(s.buf[:hixie.AnswerSize])
	e.Parts = []Part{{0, hixie.AnswerSize, "MD5 of the challenge"}}
	section := cite(c.version, sections[c.version].check)
	switch {
	case c.terms.judge == nil || c.upgrade == nil || len(c.upgrade.key3) == 0 || c.terms.judge.Saw(&c.upgrade.req, c.upgrade.key3) != nil:
		e.Notes = []Note{{Verdict: Says, Text: "the challenge is not known, so they cannot be checked"}}
	default:
		if he := handshakeError(c.terms.judge.CheckBody(e.Bytes)); he != nil {
			n := noteOf(he)
			n.Section, e.Fault = section, string(he.Reason)
			e.Notes = []Note{n, {Verdict: Says, Text: "a client of this version closes the stream here", Section: section}}
		} else {
			e.Notes = []Note{{Verdict: Obeys, Text: "they are what the challenge comes to", Section: section}}
		}
	}
	c.say(e)
	s.take(hixie.AnswerSize)
	c.open()
	return true
}

// assume opens the connection though the answer is not there.
func (c *conversation) assume(why string) {
	q := c.requests[len(c.requests)-1]
	c.requests = nil
	if q.version == wire.Unknown {
		s := &c.sides[0]
		s.search()
		return
	}
	c.version, c.upgrade = q.version, q
	s := &c.sides[0]
	e := c.event(s, KindRemark, 0)
	e.Text = why + ": it is taken as a 101"
	if q.version == wire.Hybi04 && len(c.o.MaskKey) == 0 {
		e.Text = why + ", and with it the nonce of which the masks are made (hybi-04 4.2)"
		c.say(e)
		c.lose(s, "masked with what is not known")
		return
	}
	if offers := q.asked.Extensions; len(offers) > 0 {
		c.terms.guess(offers)
	}
	c.say(e)
	c.open()
}
