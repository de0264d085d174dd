package gateway_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
)

// The oracle says what must be the outcome of a plan. It knows the table of losses and the
// table of versions in the documents, and nothing of the code.

func isHixie(v draftwire.Version) bool   { return v <= draftwire.Hixie76 }
func saysCodes(v draftwire.Version) bool { return v >= draftwire.Hybi06 }

// said returns what a version can send of a close: 1007 became a code in draft 10; 1008, 1010
// and the later ones in RFC 6455.
func said(v draftwire.Version, c draftwire.CloseCode) draftwire.CloseCode {
	switch {
	case !saysCodes(v):
		return draftwire.CodeNoStatus
	case v == draftwire.RFC6455, c < 1007, c == draftwire.CodeTooBig, c >= 3000:
		return c
	case c == draftwire.CodeInvalidData && v == draftwire.Hybi08:
		return c
	}
	return draftwire.CodeProtocol
}

// message is a message that was sent or has arrived.
type message struct {
	op   draftwire.Op
	data string
}

func (m message) String() string {
	return fmt.Sprintf("%v of %d bytes %.40q", m.op, len(m.data), m.data)
}

// step is what a side does: it sends a message.
type step struct {
	op     draftwire.Op
	kind   string // of data: ascii, wide, encoded; of binary: bytes
	size   int
	seed   uint64
	pieces int  // 0: one frame; otherwise the number of frames, followed by an empty one
	ping   bool // a ping is sent before it
}

func (s step) String() string {
	return fmt.Sprintf("%v %s %d seed %d in %d pieces, ping %v", s.op, s.kind, s.size, s.seed, s.pieces, s.ping)
}

func (s step) random() *rand.Rand { return rand.New(rand.NewPCG(s.seed, 0)) }

func (s step) bytes() []byte {
	r := s.random()
	p := make([]byte, s.size)
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	return p
}

// data returns the payload of the message. An encoded text is bytes in the encoding of the
// plan.
func (s step) data(way string) string {
	switch s.kind {
	case "ascii":
		p := s.bytes()
		for i := range p {
			p[i] &= 0x7F
		}
		return string(p)
	case "wide":
		var b strings.Builder
		for r := s.random(); b.Len() < s.size; {
			b.WriteString([]string{"a", "é", "€", "\U0001F600", "\x00", "\ufeff", "\u007f", "\uffff"}[r.IntN(8)])
		}
		return b.String()
	case "encoded":
		return encoded(way, s.bytes())
	}
	return string(s.bytes())
}

// cuts returns where its frames end; some of them are empty.
func (s step) cuts(n int) []int {
	r := s.random()
	at := []int{0}
	for range s.pieces - 1 {
		at = append(at, at[len(at)-1]+r.IntN(n-at[len(at)-1]+1))
	}
	return append(at, n)
}

// encoded returns bytes as text.
func encoded(way string, p []byte) string {
	switch way {
	case "base64":
		return base64.StdEncoding.EncodeToString(p)
	case "hex":
		return hex.EncodeToString(p)
	}
	var b strings.Builder
	for _, x := range p {
		b.WriteRune(rune(x))
	}
	return b.String()
}

func encodes(way string) bool { return way == "base64" || way == "hex" || way == "latin1" }

// losses by name.
type losses map[gateway.Loss]int

func (l losses) add(m losses) {
	for k, n := range m {
		l[k] += n
	}
}

// direction is one of the two directions of a plan.
type direction struct {
	from, to draftwire.Version
	policy   *gateway.Policy
	zipped   bool // what arrives is compressed by message, so that its frames are not visible
}

// joins reports whether the receiver gets messages in one frame.
func (d direction) joins() bool { return isHixie(d.to) || d.policy.Fragments == "gather" }

// crosses returns what the receiver gets of a message; ok is false if it gets nothing.
func (d direction) crosses(s step) (m message, ok bool, lost losses) {
	lost = losses{}
	way := d.policy.Binary
	m = message{s.op, s.data(way)}
	frames := 1
	if s.pieces > 0 && !isHixie(d.from) && !d.zipped {
		frames = s.pieces + 1
	}
	switch {
	case s.op == draftwire.OpBinary && isHixie(d.to):
		if way == "drop" {
			lost[gateway.LossBinaryDropped]++
			return m, false, lost
		}
		lost[gateway.LossBinaryEncoded]++
		m = message{draftwire.OpText, encoded(way, []byte(m.data))}
	case s.op == draftwire.OpText && isHixie(d.from) && !isHixie(d.to) && d.policy.BinaryBack && encodes(way):
		lost[gateway.LossTextDecoded]++
		m = message{draftwire.OpBinary, string(s.bytes())}
	}
	if frames > 1 && d.joins() {
		lost[gateway.LossFragmentsJoined]++
	}
	return m, true, lost
}

// all returns what arrives of steps. With fragments: stream each message may also have other
// frames.
func (d direction) all(steps []step) (come []message, exact, most losses) {
	exact, most = losses{}, losses{}
	for _, s := range steps {
		m, ok, lost := d.crosses(s)
		exact.add(lost)
		if ok {
			come = append(come, m)
		}
		if ok && !d.joins() {
			most[gateway.LossFragmentsMoved]++
		}
	}
	return come, exact, most
}

// heard says how a side's connection ends.
type heard struct {
	code   draftwire.CloseCode
	reason string
}

func (v heard) String() string { return fmt.Sprintf("%v %q", v.code, v.reason) }

// hears returns what a version gets of a close.
func hears(v draftwire.Version, code draftwire.CloseCode, reason string) heard {
	if code = said(v, code); code == draftwire.CodeNoStatus {
		reason = ""
	}
	return heard{code, reason}
}

// ends returns what the other side gets of an ending, and what is lost. With midst, a part of
// a message was passed on to it.
func (d direction) ends(e ending, side string, midst bool) (heard, losses) {
	lost := losses{}
	inOrder := e.closes || !saysCodes(d.from) && !e.half && e.how != "reset"
	if isHixie(d.from) && e.half { // a close cannot be sent inside text
		inOrder = false
	}
	cut := midst && isHixie(d.to) // nor can it be passed on there
	h := heard{draftwire.CodeAbnormal, ""}
	if !inOrder {
		if !cut && d.to != draftwire.Hixie75 {
			lost[gateway.LossAbnormal]++
		}
		if !cut {
			h = hears(d.to, map[string]draftwire.CloseCode{"client": 1001, "backend": 1011}[side], side+": connection lost")
		}
		return h, lost
	}
	code, reason := draftwire.CodeNoStatus, ""
	if e.closes {
		code = said(d.from, e.code)
		if code != draftwire.CodeNoStatus || d.from == draftwire.Hybi02 && e.code == draftwire.CodeNoStatus {
			reason = e.reason // hybi-02: the body of a close may be anything
		}
	}
	switch {
	case code == draftwire.CodeNoStatus:
		if reason != "" {
			lost[gateway.LossCloseReason]++
		}
		reason = ""
		if !saysCodes(d.from) && saysCodes(d.to) && d.policy.CloseWithoutCode == "normal" {
			lost[gateway.LossCloseCodeAdded]++
			code = draftwire.CodeNormal
		}
	case !saysCodes(d.to):
		lost[gateway.LossCloseCode]++
	case said(d.to, code) != code:
		lost[gateway.LossCloseCodeChanged]++
	}
	if cut {
		lost[gateway.LossCloseCut]++
		return h, lost
	}
	return hears(d.to, code, reason), lost
}

// answer returns what the side that closes first gets as the answer of the other one, and
// what is lost: that one's own close, or a repetition where one of both knows no codes.
func (d direction) answer(e ending) (heard, losses) {
	lost := losses{}
	own, code := said(d.from, e.code), said(d.to, e.answer)
	switch {
	case !saysCodes(d.from) && d.from == draftwire.Hybi02 && e.code == draftwire.CodeNoStatus:
		return heard{draftwire.CodeNoStatus, e.reason}, lost
	case !saysCodes(d.from) || !saysCodes(d.to):
		return heard{own, ""}, lost
	case code == said(d.to, own):
		return hears(d.from, own, e.answerReason), lost
	case said(d.from, code) != code:
		lost[gateway.LossCloseCodeChanged]++
	}
	return hears(d.from, code, e.answerReason), lost
}

// outcome is the outcome of a plan, real or expected.
type outcome struct {
	come  [2][]message // what the client and the backend got
	ends  [2]heard
	exact losses
	most  losses // losses that may have occurred in addition
}

// differs says what is not as it must be. In the direction against a close that did not wait,
// only a beginning has to have arrived, and there may be fewer losses.
func (want outcome) differs(got outcome, p *plan) string {
	for side, name := range sides {
		w, g := want.come[side], got.come[side]
		if loose := !p.end.settled && !p.end.answers && side == p.end.by; len(g) > len(w) || len(g) < len(w) && !loose {
			return fmt.Sprintf("the %s got %d messages, want %d", name, len(g), len(w))
		}
		for i := range g {
			if g[i] != w[i] {
				return fmt.Sprintf("the %s's message %d: %v, want %v", name, i, g[i], w[i])
			}
		}
		hears := !p.end.own() || side != p.end.by || p.end.answers
		if side == p.end.by && !p.end.settled && isHixie(p.versions[side]) && got.ends[side].code == draftwire.CodeAbnormal {
			hears = false // the close came inside text of the other side
		}
		if hears && got.ends[side] != want.ends[side] {
			return fmt.Sprintf("the %s heard %v, want %v", name, got.ends[side], want.ends[side])
		}
	}
	all := maps.Clone(want.exact)
	all.add(want.most)
	for l, n := range got.exact {
		if n > all[l] {
			return fmt.Sprintf("%s was counted %d times, want %d at most", l, n, all[l])
		}
	}
	for l, n := range want.exact {
		if got.exact[l] < n {
			return fmt.Sprintf("%s was counted %d times, want %d", l, got.exact[l], n)
		}
	}
	return ""
}
