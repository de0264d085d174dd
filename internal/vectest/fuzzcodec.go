package vectest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/draftwire/draftwire/wire"
)

// heard is a message or a control, as a codec decodes it.
type heard struct {
	op   wire.Op
	data []byte
	code wire.CloseCode
	rsv1 bool
}

func (m heard) String() string {
	return fmt.Sprintf("[%v %d %v %.40q/%d]", m.op, m.code, m.rsv1, m.data, len(m.data))
}

func (m heard) equal(x heard) bool {
	return m.op == x.op && m.rsv1 == x.rsv1 && m.code == x.code && bytes.Equal(m.data, x.data)
}

// ears are what listens to a codec, and checks on the way what holds for each.
type ears struct {
	t        *testing.T
	c        wire.Codec
	messages []heard // that are whole, in the order of their ends
	open     *heard
	fault    wire.Fault
}

// hear takes a piece of the stream. It gives the codec what it asks for: the rest of a
// payload in one call.
func (e *ears) hear(piece []byte) {
	p := slices.Clone(piece)
	for calls := 0; len(p) > 0 && e.fault == ""; calls++ {
		if calls > 2*len(piece)+4 {
			e.t.Fatalf("no progress: %d calls for %d bytes", calls, len(piece))
		}
		in, remaining := p, e.c.Remaining()
		if remaining > 0 {
			in = p[:min(remaining, int64(len(p)))]
		}
		var ev wire.Event
		n, err := e.c.Decode(in, &ev)
		if n < 0 || n > len(in) || remaining > 0 && (err != nil || n != len(in) || len(ev.Data) != n || !ev.Op.IsData()) {
			e.t.Fatalf("Remaining is %d, but of %d bytes %d made %+v, %v", remaining, len(in), n, ev, err)
		}
		p = p[n:]
		if err != nil {
			e.failed(err, &ev)
			return
		}
		if ev.Op == wire.OpNone && n < len(in) {
			e.t.Fatalf("no event, but %d bytes remaining", len(p))
		}
		e.event(&ev)
	}
}

func (e *ears) failed(err error, ev *wire.Event) {
	var pe *wire.ProtocolError
	if !errors.As(err, &pe) || pe.Fault == "" || pe.Code == 0 || pe.Error() == "" || errors.Is(err, wire.ErrTooBig) != (pe.Code == wire.CodeTooBig) {
		e.t.Fatalf("error %#v is no complete ProtocolError", err)
	}
	if ev.Op != wire.OpNone {
		e.t.Fatalf("an event %+v beside the error %v", ev, err)
	}
	if _, again := e.c.Decode([]byte{0, 0}, ev); again != err || e.c.EOF() != nil {
		e.t.Fatalf("the error %v does not stick: %v, %v", err, again, e.c.EOF())
	}
	e.fault = pe.Fault
}

func (e *ears) event(ev *wire.Event) {
	switch {
	case ev.Op == wire.OpNone:
	case ev.Op.IsControl():
		if !ev.First || !ev.Last || len(ev.Data) > 125 {
			e.t.Fatalf("a control %+v", ev)
		}
		e.messages = append(e.messages, heard{op: ev.Op, data: bytes.Clone(ev.Data), code: ev.Code})
	case ev.First != (e.open == nil):
		e.t.Fatalf("First is %v of %+v, open is %+v", ev.First, ev, e.open)
	default:
		if ev.First {
			e.open = &heard{op: ev.Op, rsv1: ev.RSV1}
		}
		if e.open.op != ev.Op {
			e.t.Fatalf("a message of %v goes on with %v", e.open.op, ev.Op)
		}
		e.open.data = append(e.open.data, ev.Data...)
		if ev.Last {
			e.messages = append(e.messages, *e.open)
			e.open = nil
		}
	}
}

// said encodes messages as the other side would, and checks that both ways of encoding
// give the same.
func said(t testing.TB, d *wire.Draft, from wire.Role, messages []heard) (p []byte) {
	cfg := wire.CodecConfig{Role: from, MaskKey: key, Rand: zeros{}}
	c, apart := d.NewCodec(cfg), d.NewCodec(cfg)
	for _, m := range messages {
		var err error
		before := len(p)
		op := m.op
		if m.rsv1 {
			op |= wire.RSV1
		}
		switch m.op {
		case wire.OpDiscard:
			continue
		case wire.OpClose:
			p, err = c.AppendClose(p, m.code, string(m.data))
		default:
			p, err = c.AppendFrame(p, op, true, m.data)
			borders, head, err := apart.AppendFraming(nil, op, true, m.data)
			if from == wire.Client && err != wire.ErrUnsupported {
				t.Fatalf("a client's borders: %v", err)
			}
			if parts := slices.Concat(borders[:head], m.data, borders[head:]); from == wire.Server && (err != nil || !bytes.Equal(parts, p[before:])) {
				t.Fatalf("%v: borders make %x, %v, not %x", op, parts, err, p[before:])
			}
		}
		if err != nil {
			t.Fatalf("what was decoded, %v of %d bytes, code %d, is not encoded: %v", m.op, len(m.data), m.code, err)
		}
	}
	return p
}

// refuses checks what a codec may not encode: nothing of it is sent.
func refuses(t *testing.T, d *wire.Draft, from wire.Role) {
	hixie := !d.Version.Supports(wire.CapBinary)
	for _, m := range []struct {
		op   wire.Op
		fin  bool
		data []byte
		may  bool
	}{
		{op: wire.OpNone, fin: true}, {op: wire.OpDiscard, fin: true}, {op: wire.OpPing, fin: true, data: make([]byte, 126)}, {op: wire.OpClose, data: []byte("x")},
		{op: wire.OpPong, fin: true, data: make([]byte, 125), may: !hixie}, {op: wire.OpBinary, fin: true, may: !hixie}, {op: wire.OpText, fin: true, data: []byte{0xFF}, may: !hixie},
	} {
		c := d.NewCodec(wire.CodecConfig{Role: from, MaskKey: key, Rand: zeros{}})
		out, err := c.AppendFrame(nil, m.op, m.fin, m.data)
		borders, _, borderErr := c.AppendFraming(nil, m.op, m.fin, m.data)
		if (err == nil) != m.may || (len(out) > 0) != m.may || (borderErr == nil) != (m.may && from == wire.Server) || (len(borders) > 0) != (borderErr == nil) {
			t.Fatalf("%v of %d bytes: %x, %v; borders %x, %v", m.op, len(m.data), out, err, borders, borderErr)
		}
	}
	c := d.NewCodec(wire.CodecConfig{Role: from, MaskKey: key, Rand: bytes.NewReader([]byte("abc"))}) // too few for a mask
	out, err := c.AppendFrame(nil, wire.OpText, false, nil)
	if fails := from == wire.Client && d.Version.Supports(wire.CapMasking); (err != nil) != fails || fails && len(out) > 0 {
		t.Fatalf("without a mask: %x, %v", out, err)
	}
	if out, err := c.AppendClose(nil, wire.CodeNoStatus, ""); err == nil && hixie && len(out) > 0 {
		t.Fatalf("a close inside of text: %x", out)
	}
}

// FuzzCodec fuzzes the codecs of the drafts, which are of one package: any split of any
// input gives the same messages; what a codec says of what is remaining is true; and what is
// decoded can be encoded, which decodes to the same, close codes aside that the version
// has no word for.
func FuzzCodec(f *testing.F, drafts ...*wire.Draft) {
	addFrames(f, drafts)
	f.Fuzz(func(t *testing.T, p []byte, i, j uint16, how uint32) {
		h := How(how)
		d := h.draft(drafts)
		cfg := h.codec()
		cfg.RSV1 = wire.RSV1Use(h.number(howRSV10, 2) % 3)
		used := wire.Tolerances(0)
		cfg.Seen = func(t wire.Tolerances) { used |= t }
		if h.has(howClear) && d.Version == wire.Hybi04 && cfg.Role == wire.Server {
			p = masked04(p)
		}
		listen := func(limit int64, pieces ...[]byte) *ears {
			e := &ears{t: t, c: d.NewCodec(cfg)}
			e.c.SetLimit(limit)
			for _, p := range pieces {
				e.hear(p)
			}
			return e
		}
		whole, pieces := listen(h.limit(), p), listen(h.limit(), cut(p, i, j)...)
		if whole.fault != pieces.fault || !slices.EqualFunc(whole.messages, pieces.messages, heard.equal) || (whole.c.EOF() == nil) != (pieces.c.EOF() == nil) {
			t.Fatalf("%x cut at %d and %d: %v, %q\nwhole %v, %q", p, i, j, pieces.messages, pieces.fault, whole.messages, whole.fault)
		}
		if used&^cfg.Tolerate != 0 {
			t.Fatalf("%v was used of %v", used, cfg.Tolerate)
		}
		refuses(t, d, wire.Client-cfg.Role)
		messages := slices.DeleteFunc(whole.messages, func(m heard) bool { return m.op == wire.OpDiscard })
		if h.has(howThreshold) && h.number(howWindow0, 3) == 7 && len(messages) > 0 && messages[0].op.IsData() { // seldom, as it takes long
			messages[0].data = bytes.Repeat([]byte("ab"), 1<<15)[:1<<16-5+int(i)%6]
		}
		for round := range 2 {
			again := listen(0, said(t, d, wire.Client-cfg.Role, messages))
			if again.fault != "" || again.c.EOF() != nil || len(again.messages) != len(messages) {
				t.Fatalf("%v came back as %v, %q, %v", messages, again.messages, again.fault, again.c.EOF())
			}
			for k, m := range again.messages {
				if round == 0 && m.op == wire.OpClose {
					m.code = messages[k].code // the version may have no word for it
				}
				if !m.equal(messages[k]) {
					t.Fatalf("round %d: %+v came back as %+v", round, messages[k], m)
				}
			}
			messages = again.messages
		}
	})
}
