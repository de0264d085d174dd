package inspect

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/draftwire/draftwire/detect"
	"github.com/draftwire/draftwire/inspect/capture"
	"github.com/draftwire/draftwire/internal/hybi"
	"github.com/draftwire/draftwire/internal/session"
	"github.com/draftwire/draftwire/wire"
)

// reader explains the frames of a direction. The session below it is the one that serves
// connections; tap is put between that and its codec to see the frames.
type reader struct {
	c       *conversation
	s       *side
	session *session.Session
	codec   wire.Codec // of the draft
	plain   bool       // what is compressed is not expanded, as its window is not known
	resumed bool       // it began at a border that was found
	at      int64      // offset of the next byte that is decoded
	frame   building
	number  int // of the message
	part    int // of the frame in its message
	packed  bool
	wire    int64  // bytes of the message's payload on the wire
	first   []byte // of the payload of the message's first frame
	message Message
	seen    wire.Tolerances // of the frame
	owed    int64           // what was missing of the frame at a gap
	open    bool            // a message has begun and has not ended
	closed  bool
	done    bool
}

// building is the frame that is being read.
type building struct {
	offset  int64
	total   int64 // bytes of it until now
	length  int64 // of its payload until now
	raw     []byte
	payload []byte
	op      wire.Op
	begun   bool // its operation is known
	first   bool // it begins its message
}

// open begins to read frames in both directions.
func (c *conversation) open() {
	c.opened = true
	if c.terms.stream {
		c.expandStreams()
	}
	for i := range c.sides {
		s := &c.sides[i]
		switch {
		case c.version == wire.Unknown:
			s.search()
		default:
			c.read(s, c.newReader(s, c.version, roleOf(s), false))
		}
	}
}

// roleOf returns the role of who receives what a side sends.
func roleOf(s *side) wire.Role {
	if s.from == capture.FromClient {
		return wire.Server
	}
	return wire.Client
}

// read makes r read a side.
func (c *conversation) read(s *side, r *reader) {
	s.reader, s.state, s.searching = r, inFrames, false
}

// newReader returns a reader of frames that stand at the front of a side. If it is plain, it
// leaves compressed messages as they are.
func (c *conversation) newReader(s *side, v wire.Version, role wire.Role, plain bool) *reader {
	r := &reader{c: c, s: s, at: s.offset, plain: plain}
	d := *drafts[v]
	d.NewCodec = func(cfg wire.CodecConfig) wire.Codec {
		r.codec = drafts[v].NewCodec(cfg)
		return &tap{r.codec, r}
	}
	// What is not UTF-8 is replaced, in all versions, and judged when the message is whole: so the
	// events do not depend on the pieces in which it came.
	cfg := session.Config{Limit: c.o.limit(c.terms.deflate != nil), Deflate: c.terms.deflate, Text: wire.ReplaceText, CodecConfig: wire.CodecConfig{
		Role: role, MaskKey: c.maskKey(), Tolerate: wire.AllTolerances, Seen: func(t wire.Tolerances) { r.seen |= t },
	}}
	if plain {
		cfg.Deflate, cfg.RSV1 = nil, c.reserved(v)
	}
	r.session = session.New(&d, cfg)
	return r
}

// reserved says where the first reserved bit may be set if nothing is expanded.
func (c *conversation) reserved(v wire.Version) wire.RSV1Use {
	switch z := c.terms.deflate; {
	case !v.Supports(wire.CapDeflate):
		return wire.NoRSV1
	case z != nil && z.PerFrame:
		return wire.RSV1Frame
	}
	return wire.RSV1Message
}

// maskKey returns what the masks of hybi-04 are made of.
func (c *conversation) maskKey() []byte {
	if c.o.MaskKey != nil {
		return c.o.MaskKey
	}
	return c.terms.answer.MaskKey
}

// resume returns a reader that begins at a border that was found. What is compressed with a
// window that is not known is left as it is.
func (c *conversation) resume(s *side, v wire.Version, role wire.Role) *reader {
	z := c.terms.deflate
	known := z != nil && (role == wire.Server && z.ClientNoTake || role == wire.Client && z.ServerNoTake)
	r := c.newReader(s, v, role, !known)
	r.resumed = true
	return r
}

// inFrames reads frames.
func inFrames(c *conversation, s *side) bool {
	if len(s.buf) == 0 {
		return false
	}
	if s.reader.at == s.offset && s.reader.number == 0 && s.reader.frame.total == 0 {
		c.perhapsOther(s)
	}
	s.reader.read()
	return true
}

// perhapsOther makes the connection one of hybi-01, or of hixie-76, if the client's first byte
// says that: the two open in the same way (tolerances hybi-01 and hixie-frames).
func (c *conversation) perhapsOther(s *side) {
	o := c.other(s)
	if !c.isClient(s) || o.reader == nil || o.reader.number > 0 || s.reader.resumed || c.upgrade == nil {
		return
	}
	v, name := wire.Unknown, ""
	switch {
	case c.version == wire.Hixie76 && detect.IsHybi01(s.buf[0]):
		v, name = wire.Hybi02, "hybi-01"
	case c.version == wire.Hybi02 && detect.IsHixie76(s.buf[0]):
		v, name = wire.Hixie76, "hixie-frames"
	default:
		return
	}
	e := c.event(s, KindRemark, 0)
	e.Text = "the handshake is that of " + c.version.String() + ", and the first frame one of " + v.String()
	e.Notes = []Note{{Verdict: Breaks, Text: "the frames are not those of the version that the handshake names", Section: cite(c.version, sections[c.version].frame), Tolerate: name}}
	c.version = v
	c.say(e)
	c.read(s, c.newReader(s, v, wire.Server, false))
	c.read(o, c.newReader(o, v, wire.Client, false))
}

// read decodes what has come.
func (r *reader) read() {
	s := r.s
	p := s.buf
	for (len(p) > 0 || r.session.Pending()) && s.reader == r && !r.done {
		var ev wire.Event
		before := r.frame.total
		n, err := r.session.Next(p, &ev)
		s.offset += int64(n)
		rest := p[n:]
		if err != nil {
			s.buf = s.buf[:copy(s.buf, rest)]
			r.fail(err, before)
			return
		}
		p = rest
		if r.closed {
			s.buf = s.buf[:copy(s.buf, p)]
			r.afterClose()
			return
		}
		if ev.Op.IsData() {
			r.deliver(&ev)
		}
	}
	if s.reader == r && !r.done {
		r.session.ReleaseScratch()
		s.buf = s.buf[:copy(s.buf, p)]
	}
}

// afterClose goes on behind the close of a side.
func (r *reader) afterClose() {
	r.done = true
	r.s.state = discarding
	r.s.unknown.why = "they follow the close, and are discarded (" + cite(r.c.version, sections[r.c.version].closing) + ")"
}

// tap is a codec that tells its reader of the frames.
type tap struct {
	wire.Codec
	r *reader
}

// headMost is more than the longest head of a frame.
const headMost = 18

// controlMost is the longest body of a control frame.
const controlMost = 125

// Decode implements wire.Codec.
func (t *tap) Decode(p []byte, ev *wire.Event) (int, error) {
	r := t.r
	f := &r.frame
	if f.total == 0 {
		*f = building{offset: r.at}
	}
	have := len(f.raw)
	keep := headMost + max(controlMost, r.c.o.payload())
	f.raw = append(f.raw, p[:min(len(p), keep-have)]...) // before the payload is unmasked in place
	n, err := t.Codec.Decode(p, ev)
	f.total += int64(n)
	r.at += int64(n)
	if err != nil {
		f.raw = f.raw[:min(len(f.raw), max(have+n, 1))]
		r.tellFrame(ev, err)
		return n, err
	}
	f.raw = f.raw[:min(len(f.raw), have+n)]
	if ev.Op == wire.OpNone {
		return n, nil
	}
	r.partOf(f, ev)
	if ev.FrameEnd {
		r.tellFrame(ev, nil)
	}
	return n, nil
}

// partOf adds an event of the codec to the frame.
func (r *reader) partOf(f *building, ev *wire.Event) {
	if !f.begun {
		f.begun, f.op, f.first = true, ev.Op, ev.First
		switch {
		case !ev.Op.IsData():
		case ev.First:
			r.number++
			r.part, r.packed = 1, ev.RSV1
			r.wire, r.first = 0, nil
		default:
			r.part++
			f.op = wire.OpContinuation
			r.packed = r.packed || ev.RSV1
		}
	}
	f.length += int64(len(ev.Data))
	f.payload = append(f.payload, ev.Data[:min(len(ev.Data), max(0, r.c.o.payload()-len(f.payload)))]...)
	if ev.Op.IsData() {
		r.wire += int64(len(ev.Data))
	}
}

// tellFrame tells of the frame that has ended, or that is wrong.
func (r *reader) tellFrame(ev *wire.Event, err error) {
	f := &r.frame
	e := r.c.event(r.s, KindFrame, f.total)
	e.Offset, e.Bytes = f.offset, f.raw
	x := &Frame{Op: f.op.String(), Fin: ev.Last, Payload: f.payload, Size: f.length, Message: r.number, Part: r.part}
	if !f.op.IsData() && f.op != wire.OpContinuation {
		x.Message, x.Part = 0, 0
	}
	e.Frame = x
	r.headOf(e, x)
	switch {
	case err != nil:
		x.Unfinished = true
		r.wrong(e, err)
	case !f.begun || !ev.FrameEnd:
		x.Unfinished = true
		e.Notes = append(e.Notes, Note{Verdict: Says, Text: "the rest of the frame is not there"})
	}
	r.tolerated(e)
	if f.op == wire.OpClose && err == nil {
		r.heardClose(e, ev)
	}
	r.partsOf(e, x)
	if r.part == 1 && f.op.IsData() {
		r.first = f.payload
	}
	limit := headMost + max(controlMost, r.c.o.payload())
	e.Bytes = slices.Clip(e.Bytes[:min(len(e.Bytes), limit)])
	*f = building{}
	r.c.say(e)
}

// headOf reads the head of the frame off its first bytes.
func (r *reader) headOf(e *Event, x *Frame) {
	raw, v := r.frame.raw, r.c.version
	if len(raw) == 0 {
		return
	}
	x.Type = int(raw[0])
	if v <= wire.Hixie76 {
		x.Head = 1
		if raw[0]&0x80 != 0 {
			for x.Head < len(raw) && x.Head <= 10 {
				x.Head++
				if raw[x.Head-1]&0x80 == 0 {
					break
				}
			}
		}
		return
	}
	head, mask := r.clearHead()
	switch {
	case head != nil:
		x.Head, x.Masked, x.Mask = min(4+len(head), len(raw)), true, bytes.Clone(mask)
	case len(raw) < 2:
		return
	default:
		head = raw[:min(hybi.HeadSize(raw[1]), len(raw))]
		x.Head, x.Masked = len(head), raw[1]&0x80 != 0 && v >= wire.Hybi07
		if x.Masked && hybi.HeadSize(raw[1]) <= len(raw) {
			x.Mask = bytes.Clone(head[len(head)-4:])
		}
	}
	opcode := int(head[0] & 15)
	x.Type, x.Opcode, x.RSV = int(head[0]), &opcode, int(head[0]>>4)&7
	x.Packed = x.RSV&4 != 0
	if e.Length > int64(x.Head) && r.frame.op == wire.OpClose { // of hybi-04 and hybi-05 the codec drops the body
		x.Size = e.Length - int64(x.Head)
		x.Payload = r.unmasked(raw[x.Head:], x)
	}
}

// clearHead returns the head of a frame whose head is masked, and its mask.
func (r *reader) clearHead() (head, mask []byte) {
	c, ok := r.codec.(*hybi.Codec)
	if !ok || len(r.frame.raw) < 6 {
		return nil, nil
	}
	return c.ClearHead()
}

// unmasked returns a payload without its mask.
func (r *reader) unmasked(p []byte, x *Frame) []byte {
	p = bytes.Clone(p)
	if len(x.Mask) == 0 {
		return p
	}
	from := 0
	if x.Head > 0 && r.c.version < wire.Hybi07 {
		from = x.Head - 4 // the mask begins with the head
	}
	for i := range p {
		p[i] ^= x.Mask[(from+i)%len(x.Mask)]
	}
	return p
}

// wrong says which rule the frame breaks.
func (r *reader) wrong(e *Event, err error) {
	var pe *wire.ProtocolError
	if !errors.As(err, &pe) {
		return
	}
	if !r.frame.begun {
		e.Frame.Op = wire.OpNone.String()
		e.Frame.Message, e.Frame.Part = 0, 0
	}
	if r.resumed && r.number == 0 && pe.Fault == wire.FaultOrphan {
		e.Notes = append(e.Notes, Note{Verdict: Says, Text: "it goes on with a message whose beginning is not there"})
		return
	}
	e.Fault = string(pe.Fault)
	e.Notes = append(e.Notes, faultNote(pe))
}

// faultNote is a broken rule of a frame or of a message.
func faultNote(pe *wire.ProtocolError) Note {
	n := Note{Verdict: Breaks, Text: pe.Msg, Section: citeAny(pe.Version, pe.Section), Fault: string(pe.Fault), Hint: pe.Hint()}
	if pe.Tolerance != 0 {
		n.Tolerate = pe.Tolerance.String()
	}
	if pe.Fault == wire.FaultTooBig || pe.Fault == wire.FaultHixieLength && pe.Msg == "frame length above the limit" {
		n.Verdict, n.Hint = Says, "a larger limit (--max-message) reads it"
	}
	return n
}

// admitted are the faults that a codec has tolerated.
var admitted = map[wire.Tolerances]wire.Fault{
	wire.TolerateUnmasked: wire.FaultUnmasked, wire.TolerateEmptyUnmasked: wire.FaultUnmasked,
	wire.TolerateLongLength: wire.FaultLengthLong, wire.TolerateMasked: wire.FaultMasked,
}

// tolerated says which rules the frame breaks that a tolerance admits.
func (r *reader) tolerated(e *Event) {
	if r.seen == 0 { // as nearly always
		return
	}
	for _, row := range wire.ToleranceTable() {
		if !r.seen.Has(row.Tolerance) {
			continue
		}
		fault := admitted[row.Tolerance]
		if fault == wire.FaultLengthLong && r.frame.op.IsControl() {
			fault = wire.FaultControlLong
		}
		e.Notes = append(e.Notes, Note{Verdict: Breaks, Text: row.Accepts, Section: row.Section, Fault: string(fault), Tolerate: row.Name})
	}
	r.seen = 0
}

// deliver adds an event of the session to the message.
func (r *reader) deliver(ev *wire.Event) {
	m := &r.message
	if ev.First {
		*m = Message{Number: r.number, Op: ev.Op.String()}
	}
	r.open = !ev.Last
	m.Size += int64(len(ev.Data))
	m.Payload = append(m.Payload, ev.Data[:min(len(ev.Data), max(0, r.c.o.payload()-len(m.Payload)))]...)
	if !ev.Last {
		return
	}
	m.Frames, m.Wire, m.Packed = r.part, r.wire, r.packed
	e := r.c.event(r.s, KindMessage, 0)
	e.Offset = r.at
	switch {
	case r.plain && r.packed:
		m.Opaque, m.Size, m.Payload = true, r.wire, r.first
		e.Notes = []Note{{Verdict: Says, Text: "it is compressed with what came before the part of the connection that is there, and cannot be expanded", Section: "RFC 7692 7.2.3.2"}}
	case ev.Op == wire.OpText:
		m.Text = textOf(whole(m.Payload, m.Size > int64(len(m.Payload))))
		r.judgeText(e, m)
	}
	x := *m
	e.Message = &x
	r.c.say(e)
}

// judgeText says that text was not UTF-8.
func (r *reader) judgeText(e *Event, m *Message) {
	if !r.session.MessageRepaired() {
		return
	}
	m.Repaired = true
	v := r.c.version
	if drafts[v].InvalidText[roleOf(r.s)] == wire.ReplaceText {
		e.Notes = append(e.Notes, Note{Verdict: Says, Text: "what is not UTF-8 becomes U+FFFD at the receiver", Section: cite(v, sections[v].text)})
		return
	}
	r.failText(e)
}

// failText says that text was not UTF-8 where the receiver fails on it. What follows is read
// all the same.
func (r *reader) failText(e *Event) {
	v := r.c.version
	pe := &wire.ProtocolError{Version: v, Fault: wire.FaultText, Code: wire.CodeInvalidData}
	e.Fault = string(pe.Fault)
	e.Notes = append(e.Notes,
		Note{Verdict: Breaks, Text: "text is not UTF-8", Section: cite(v, sections[v].text), Fault: e.Fault},
		Note{Verdict: Says, Text: failing(v, pe)})
	r.c.failed = true
}

// fail ends a direction whose sender has broken a rule.
func (r *reader) fail(err error, before int64) {
	c, s := r.c, r.s
	var pe *wire.ProtocolError
	if !errors.As(err, &pe) {
		return
	}
	r.done = true
	if r.resumed && r.number == 0 && pe.Fault == wire.FaultOrphan {
		s.reader = nil
		s.search()
		return
	}
	v := c.version
	n := faultNote(pe)
	e := c.event(s, KindFault, 0)
	e.Offset, e.Text, e.Fault = r.at, pe.Msg, string(pe.Fault)
	e.Notes = []Note{n}
	if n.Verdict == Breaks {
		c.failed = true
		e.Notes = append(e.Notes, Note{Verdict: Says, Text: failing(v, pe), Section: ""})
	}
	if pe.Fault == wire.FaultDeflate && c.terms.guessed {
		e.Notes = append(e.Notes, Note{Verdict: Says, Text: "which compression was agreed on is a guess, as the answer is not there"})
	}
	c.say(e)
	s.state = discarding
	s.unknown.why = "they follow a fault, and are not read"
}

// failing says what a receiver does with a fault.
func failing(v wire.Version, pe *wire.ProtocolError) string {
	if !v.Supports(wire.CapCloseCode) {
		return "the receiver ends the connection here; this version has no codes that would tell why"
	}
	return fmt.Sprintf("the receiver closes here, with %s", pe.Code)
}

// finish tells of a frame that has not ended, before a gap or at the end.
func (r *reader) finish() {
	r.owed = 0
	if r.done {
		return
	}
	defer r.finishMessage()
	if r.frame.total == 0 {
		return
	}
	r.owed = r.codec.Remaining()
	ev := wire.Event{}
	if !r.frame.begun {
		r.frame.op = wire.OpNone
	}
	r.tellFrame(&ev, nil)
}

// finishMessage tells of a message that has not ended, and if its text is none.
func (r *reader) finishMessage() {
	if !r.open {
		return
	}
	r.open = false
	e := r.c.event(r.s, KindRemark, 0)
	e.Offset, e.Text = r.at, fmt.Sprintf("message %d has not ended: %s of it are there", r.message.Number, count(int(r.message.Size), "byte"))
	r.c.say(e)
	if !r.session.MessageRepaired() || r.plain && r.packed || drafts[r.c.version].InvalidText[roleOf(r.s)] == wire.ReplaceText {
		return
	}
	e = r.c.event(r.s, KindFault, 0)
	e.Offset, e.Text = r.at, "what is there of the message is not UTF-8"
	r.failText(e)
	r.c.say(e)
}

// gap goes on behind n bytes that are missing.
func (r *reader) gap(n int64) {
	if r.done {
		return
	}
	r.done = true
	r.s.reader = nil
	if r.owed > n {
		r.s.skip = r.owed - n
		r.s.state = inRest
		return
	}
	r.s.search()
}

// inRest skips the rest of a frame of which a part is missing.
func inRest(c *conversation, s *side) bool {
	n := int(min(int64(len(s.buf)), s.skip))
	if n == 0 {
		return false
	}
	s.skip -= int64(n)
	c.puzzle(s, n, "the rest of a frame of which a part is missing")
	if s.skip == 0 {
		c.flush(s)
		c.read(s, c.resume(s, c.version, roleOf(s)))
	}
	return true
}
