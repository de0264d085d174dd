package vectest

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/draftwire/draftwire/internal/seed"
	"github.com/draftwire/draftwire/internal/session"
	"github.com/draftwire/draftwire/wire"
)

// play is a connection without a connection: two sessions, and what is under way between
// them. A script says what they do.
type play struct {
	t      *testing.T
	d      *wire.Draft
	script []byte
	sides  [2]actor // by wire.Role
}

// actor is one of the sides.
type actor struct {
	s      *session.Session
	way    []byte  // sent and not yet heard by the other
	sent   []heard // what the other has to hear
	heard  []heard
	open   *heard
	closes int // closes that were heard
}

// next takes a byte of the script; what is missing is 0.
func (p *play) next() byte {
	if len(p.script) == 0 {
		return 0
	}
	b := p.script[0]
	p.script = p.script[1:]
	return b
}

// The things that a side can do.
const (
	doWhole = iota
	doPieces
	doPing
	doPong
	doClose
	doWrong
	doAtOnce
	doDeliver
	numDoings
)

func (p *play) step() {
	b := p.next()
	side := wire.Role(b & 1)
	a := &p.sides[side]
	switch int(b>>1) % numDoings {
	case doWhole:
		op, data := p.message()
		p.frame(a, op, true, data)
	case doPieces:
		p.pieces(a)
	case doPing:
		p.frame(a, wire.OpPing, true, bytes.Repeat([]byte{p.next()}, int(p.next())))
	case doPong:
		p.frame(a, wire.OpPong, true, bytes.Repeat([]byte{p.next()}, int(p.next())))
	case doClose:
		p.close(a)
	case doWrong:
		p.wrong(a)
	case doAtOnce:
		p.encoded(a, side)
	case doDeliver:
		p.deliver(wire.Client-side, 1+int(p.next()))
	}
}

// alphabet are the characters of texts, some of them long.
var alphabet = []string{"a", "b", " ", "\x00", "é", "€", "\U0001F600", "\uffff", "hello "}

// message draws a message: text of few characters or of many, or bytes.
func (p *play) message() (op wire.Op, data []byte) {
	kind, size := p.next(), int(p.next())
	if p.next() > 0xF0 {
		size *= 12 // seldom, as long messages take long
	}
	r := rand.New(rand.NewPCG(uint64(p.next()), 0))
	few := 1 + int(kind>>1)%len(alphabet)
	if kind&1 != 0 && p.d.Version.Supports(wire.CapBinary) {
		for range size {
			data = append(data, byte(r.IntN(few*few*3+1)))
		}
		return wire.OpBinary, data
	}
	for len(data) < size {
		data = append(data, alphabet[r.IntN(few)]...)
	}
	return wire.OpText, data
}

// may are the errors that a caller can make.
var may = []error{wire.ErrUnsupported, wire.ErrInvalidText, wire.ErrClosed, wire.ErrTooBig}

// frame sends a frame, and notes what is to be heard of it.
func (p *play) frame(a *actor, op wire.Op, fin bool, data []byte) bool {
	before := len(a.way)
	var err error
	if a.s.PayloadAsIs() && len(data)%2 > 0 {
		var out []byte
		var head int
		if out, head, err = a.s.AppendFraming(nil, op, fin, data); err == nil {
			a.way = append(append(append(a.way, out[:head]...), data...), out[head:]...)
		}
	} else {
		a.way, err = a.s.AppendFrame(a.way, op, fin, data)
	}
	if err != nil {
		expected := op.IsControl() || a.s.CloseSent() || !utf8.Valid(data)
		if !expected || len(a.way) != before || !slices.ContainsFunc(may, func(e error) bool { return errors.Is(err, e) }) {
			p.t.Fatalf("%v of %d bytes: %v, after %d bytes", op, len(data), err, len(a.way)-before)
		}
		return false
	}
	if op != wire.OpContinuation {
		m := heard{op: op, data: bytes.Clone(data)}
		if op.IsControl() || fin {
			a.sent = append(a.sent, m)
		} else {
			a.open = &m
		}
		return true
	}
	a.open.data = append(a.open.data, data...)
	if fin {
		a.sent, a.open = append(a.sent, *a.open), nil
	}
	return true
}

// pieces sends a message in frames, cut anywhere, with pings in between.
func (p *play) pieces(a *actor) {
	op, data := p.message()
	ok := true
	for n := int(p.next()) % 5; n >= 0 && ok; n-- {
		k := len(data)
		if n > 0 {
			k = int(p.next()) * len(data) / 255
		}
		ok = p.frame(a, op, n == 0, data[:k])
		if n > 0 && p.next()&1 != 0 {
			p.frame(a, wire.OpPing, true, data[:min(k, 9)])
		}
		op, data = wire.OpContinuation, data[k:]
	}
}

func (p *play) close(a *actor) {
	code := []wire.CloseCode{wire.CodeNormal, wire.CodeNoStatus, wire.CodeInvalidData, wire.CodeTooBig, wire.CodeRestart, 3000, 4999, wire.CodeAbnormal}[p.next()%8]
	reason := bytes.Repeat([]byte("é"), int(p.next())%80)
	var err error
	a.way, err = a.s.AppendClose(a.way, code, string(reason))
	if (err != nil) != (code == wire.CodeAbnormal && !a.s.CloseSent() && p.d.Version >= wire.Hybi02) {
		p.t.Fatalf("close with %d: %v", code, err)
	}
}

// wrong tries what no caller may do. Nothing of it is sent.
func (p *play) wrong(a *actor) {
	kinds := []struct {
		op   wire.Op
		fin  bool
		data string
	}{
		{wire.OpText, true, "a\xff"}, {wire.OpText, true, "\xc3"}, {wire.OpContinuation, true, ""}, {wire.OpClose, true, ""},
		{wire.OpPing, true, string(make([]byte, 126))}, {wire.OpNone, true, ""}, {wire.OpDiscard, true, "x"},
	}
	k := kinds[int(p.next())%len(kinds)]
	if !p.d.Version.Supports(wire.CapBinary) && k.op == wire.OpNone {
		k.op = wire.OpBinary
	}
	if out, err := a.s.AppendFrame(nil, k.op, k.fin, []byte(k.data)); err == nil || len(out) > 0 {
		p.t.Fatalf("%v %q is sent: %x", k.op, k.data, out)
	}
}

// encoded sends a message that was encoded for many connections, if this side is a server.
func (p *play) encoded(a *actor, side wire.Role) {
	op, data := p.message()
	encoding, ok := a.s.Encoding(len(data))
	if !ok || side == wire.Client || a.s.CloseSent() {
		return
	}
	b, err := session.Encode(p.d, encoding, op, data)
	if err != nil {
		p.t.Fatal(err)
	}
	a.way = append(a.way, b...)
	a.sent = append(a.sent, heard{op: op, data: data})
}

// deliver lets a side hear the next n bytes that are under way to it.
func (p *play) deliver(to wire.Role, n int) {
	a, from := &p.sides[to], &p.sides[wire.Client-to]
	in := from.way[:min(n, len(from.way))]
	from.way = from.way[len(in):]
	in = bytes.Clone(in) // it is unmasked in place
	for len(in) > 0 || a.s.Pending() {
		var ev wire.Event
		if left := a.s.Remaining(); left > 0 && !a.s.InPlace() {
			p.t.Fatalf("%d bytes are left of what is not in place", left)
		}
		k, err := a.s.Next(in, &ev)
		if err != nil {
			p.t.Fatalf("the %v fails at %x: %v", to, in, err)
		}
		in = in[k:]
		a.hear(p.t, &ev)
		if a.way, err = a.s.AppendReply(a.way, &ev); err != nil {
			p.t.Fatalf("an answer to %+v: %v", ev, err)
		}
	}
	a.s.ReleaseScratch()
}

func (a *actor) hear(t *testing.T, ev *wire.Event) {
	switch {
	case ev.Op == wire.OpClose:
		a.closes++
	case ev.Op == wire.OpPing || ev.Op == wire.OpPong:
		a.heard = append(a.heard, heard{op: ev.Op, data: bytes.Clone(ev.Data)})
	case ev.Op.IsData() && ev.First:
		a.heard = append(a.heard, heard{op: ev.Op, data: bytes.Clone(ev.Data)})
	case ev.Op.IsData():
		i := len(a.heard) - 1
		for a.heard[i].op.IsControl() {
			i--
		}
		a.heard[i].data = append(a.heard[i].data, ev.Data...)
		if ev.Last { // it is sent when its last piece is
			m := a.heard[i]
			a.heard = append(slices.Delete(a.heard, i, i+1), m)
		}
	case ev.Op != wire.OpNone:
		t.Fatalf("%+v", ev)
	}
}

// end delivers all that is under way, lets both close, and compares.
func (p *play) end() {
	for _, last := range []bool{false, true} {
		for range 4 {
			for role := range p.sides {
				p.deliver(wire.Role(role), 1<<30)
			}
		}
		for i := range p.sides {
			a := &p.sides[i]
			if last {
				break
			}
			var err error
			if a.way, err = a.s.AppendClose(a.way, wire.CodeGoingAway, ""); err != nil {
				p.t.Fatal(err)
			}
		}
	}
	if session.FailureCode(io.EOF) != wire.CodeInternal {
		p.t.Fatal("what is no fault of the peer's is not ours")
	}
	for role := range p.sides {
		a, from := &p.sides[role], &p.sides[1-role]
		asked := slices.DeleteFunc(slices.Clone(a.heard), func(m heard) bool { return m.op == wire.OpPong })
		sent := slices.DeleteFunc(slices.Clone(from.sent), func(m heard) bool { return m.op == wire.OpPong })
		if !slices.EqualFunc(asked, sent, heard.equal) {
			p.t.Fatalf("%v: the %v heard %v, but %v was sent", p.d.Version, wire.Role(role), asked, sent)
		}
		err := a.s.EOF()
		ce, _ := errors.AsType[*wire.CloseError](err)
		switch closes := p.d.Version.Supports(wire.CapCloseFrame); {
		case closes && (a.closes != 1 || err != io.EOF), !closes && (a.closes != 0 || ce == nil || ce.Code != wire.CodeNoStatus):
			p.t.Fatalf("%v: the %v heard %d closes, and in the end %v", p.d.Version, wire.Role(role), a.closes, err)
		}
		if _, err := a.s.AppendFrame(nil, wire.OpText, true, nil); !errors.Is(err, wire.ErrClosed) {
			p.t.Fatalf("behind its close: %v", err)
		}
		if a.s.RepairedMessages() > 0 || a.s.MessageRepaired() {
			p.t.Fatal("good text was repaired")
		}
	}
}

// trace traces the frames of a side until stop is called.
func (p *play) trace(role int) (stop func()) {
	const most = 8
	return p.sides[role].s.TraceFrames(most, func(f *wire.Frame) {
		if len(f.Payload) > most || int64(len(f.Payload)) > f.Length {
			p.t.Errorf("a trace has %d bytes of %d", len(f.Payload), f.Length)
		}
	})
}

// FuzzSession fuzzes two sessions of a draft that talk with each other, as a script says:
// messages whole and in pieces, pings, closes, delivered in any portions, with any
// agreement on compression. What the one sends the other hears, in order, and nothing else.
func FuzzSession(f *testing.F, drafts ...*wire.Draft) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, h := range []How{0, howDeflate, howDeflate | howTakeover, howDeflate | howPerFrame, howDeflate | howTakeover | howWindow0 | howThreshold, howDeflate | howPerFrame | howTakeover | howWindow2, howDeflate | howWindow0} {
		for _, which := range []How{0, howSecond} {
			for range 3 {
				script := make([]byte, 200)
				for i := range script {
					script[i] = byte(r.Uint32())
				}
				seed.Add(f, script, uint32(h|which))
			}
		}
	}
	for doing := range byte(numDoings) { // one at a time
		for side := range byte(2) {
			seed.Add(f, []byte{doing<<1 | side, 0, 126, 0, 7, 3, 100, 1, 100, 0, doDeliver<<1 | side, 255}, uint32(howDeflate|howPerFrame))
			seed.Add(f, []byte{doing<<1 | side, 9, 0xff, 9, 7, 3, 100, 1, 100, 0, doClose<<1 | side, doing, 3, doing<<1 | side, 0, doing<<1 | side, 1}, uint32(0))
		}
	}
	f.Fuzz(func(t *testing.T, script []byte, how uint32) {
		h := How(how)
		d := h.draft(drafts)
		p := &play{t: t, d: d, script: script[:min(len(script), 300)]}
		for role := range p.sides {
			cfg := h.session(d)
			cfg.Role, cfg.Limit, cfg.Tolerate = wire.Role(role), 1<<16, 0
			p.sides[role].s = session.New(d, cfg)
			if len(script) > 1 && role == int(script[1])%3 { // of a loop; as below
				p.sides[role].s.OnDeepStack()
			}
			if len(script) > 0 && role == int(script[0])%3 { // one side, the other, or none
				p.trace(role)
			}
		}
		late := append(slices.Clone(p.script[:min(len(p.script), 5)]), 0, 0, 0, 0, 0)
		stop := func() {}
		for n := 0; len(p.script) > 0; n++ {
			switch n { // another trace, which begins and ends in the middle
			case int(late[2]) % 16:
				stop = p.trace(int(late[4]) % 2)
			case int(late[2])%16 + 1 + int(late[3])%16:
				stop()
			}
			p.step()
		}
		p.end()
	})
}
