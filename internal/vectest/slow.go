package vectest

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"io"
	"slices"
	"unicode/utf8"

	"github.com/draftwire/draftwire/internal/session"
	"github.com/draftwire/draftwire/vectors"
	"github.com/draftwire/draftwire/wire"
)

// slow reads frames as the documents say, all of them at once and without regard to speed:
// what FuzzFrames holds sessions against. It has no compression, and nothing of the code
// that it judges.
type slow struct {
	v      wire.Version
	client bool // who reads
	cfg    session.Config
	fails  bool // on text that is not UTF-8; else the text is not compared

	got     Got
	faults  []wire.Fault // any of them is right
	open    int          // place of the open message, -1 for none
	begun   bool         // an event of it was given
	op      string
	data    []byte
	size    uint64 // announced of it
	clipped bool   // the stream ends within something
	closed  bool
}

func readSlowly(d *wire.Draft, cfg session.Config, p []byte) *slow {
	policy := cfg.Text
	if policy == wire.TextByVersion {
		policy = d.InvalidText[cfg.Role]
	}
	s := &slow{v: d.Version, client: cfg.Role == wire.Client, cfg: cfg, fails: policy == wire.FailText, open: -1}
	for len(p) > 0 && !s.closed && !s.clipped && s.faults == nil {
		if s.v <= wire.Hixie76 {
			p = s.hixie(p)
		} else {
			p = s.hybi(p)
		}
	}
	if s.faults == nil && (s.clipped || s.op != "") { // behind a close, too: it came within a message
		s.got.EOF = io.ErrUnexpectedEOF
	}
	return s
}

// agrees reports whether a session found the same.
func (s *slow) agrees(got Got) bool {
	want := s.got
	if s.faults != nil {
		if !slices.Contains(s.faults, got.Fault) {
			return false
		}
		want.Fault = got.Fault
	}
	if !s.fails { // how text is replaced is package utf8x's, and a character that is cut is held back
		want.Events, got.Events = slices.Clone(want.Events), slices.Clone(got.Events)
		for i, e := range want.Events[:min(len(want.Events), len(got.Events))] {
			if e.Op == "text" && !utf8.Valid(e.Data) {
				want.Events[i].Data, got.Events[i].Data = nil, nil
			}
		}
	}
	return want.Equal(got) && (want.EOF == nil) == (got.EOF == nil)
}

// piece adds a piece of the open message to the events, in the way that Feed does.
func (s *slow) piece(data []byte, last bool) {
	s.data = append(s.data, data...)
	if s.op == "text" && s.fails && !utf8.Valid(s.data) && (last || !isPrefix(s.data)) {
		s.faults = []wire.Fault{wire.FaultText}
		return
	}
	if len(data) == 0 && !last && s.begun {
		return
	}
	e := vectors.Event{Op: s.op, Data: append(vectors.Hex{}, s.data...), Partial: !last}
	if s.open < 0 {
		s.open = len(s.got.Events)
		s.got.Events = append(s.got.Events, e)
	}
	s.got.Events[s.open] = e
	s.begun = true
	if last { // where it ends is its place
		s.got.Events = append(slices.Delete(s.got.Events, s.open, s.open+1), e)
		s.open, s.op = -1, ""
		s.data, s.begun = nil, false
	}
}

// isPrefix reports whether text is UTF-8 but for a character that is cut at its end.
func isPrefix(p []byte) bool {
	for len(p) > 0 {
		r, n := utf8.DecodeRune(p)
		if r == utf8.RuneError && n == 1 {
			return !utf8.FullRune(p)
		}
		p = p[n:]
	}
	return true
}

func (s *slow) limit() uint64 {
	if s.cfg.Limit <= 0 {
		return 1<<63 - 1
	}
	return uint64(s.cfg.Limit)
}

// sentinel takes text up to FF.
func (s *slow) sentinel(op string, p []byte) (rest []byte) {
	s.op = op
	end := bytes.IndexByte(p, 0xFF)
	data := p
	if end >= 0 {
		data = p[:end]
	}
	if uint64(len(data)) > s.limit() { // what fits is delivered
		s.piece(data[:s.limit()], false)
		if s.faults == nil {
			s.faults = []wire.Fault{wire.FaultTooBig}
		}
		return nil
	}
	if end >= 0 {
		s.piece(data, true)
		return p[end+1:]
	}
	s.clipped = true
	if len(p) > 0 {
		s.piece(data, false)
	}
	return nil
}

// hixie takes a frame of hixie-75 or hixie-76.
func (s *slow) hixie(p []byte) (rest []byte) {
	t := p[0]
	p = p[1:]
	switch {
	case t == 0x00:
		return s.sentinel("text", p)
	case t != 0xFF && !s.client:
		s.faults = []wire.Fault{wire.FaultHixieType}
		return nil
	case t < 0x80:
		return s.sentinel("discard", p)
	}
	var n uint64
	for i := 0; ; i++ {
		switch {
		case i == len(p):
			s.clipped = true
			return nil
		case i == 9:
			s.faults = []wire.Fault{wire.FaultHixieLength}
			return nil
		}
		n = n*128 + uint64(p[i]&0x7F)
		if p[i] < 0x80 {
			p = p[i+1:]
			break
		}
	}
	switch {
	case t == 0xFF && n == 0 && s.v == wire.Hixie76:
		s.closed = true
		s.got.Events = append(s.got.Events, vectors.Event{Op: "close", Code: int(wire.CodeNoStatus)})
	case n > 0 && !s.client:
		s.faults = []wire.Fault{wire.FaultHixieType}
	case n > s.limit():
		s.faults = []wire.Fault{wire.FaultHixieLength}
	case uint64(len(p)) >= n:
		s.op = "discard"
		s.piece(p[:n], true)
		return p[n:]
	default:
		s.clipped, s.op = true, "discard"
		if len(p) > 0 {
			s.piece(p, false)
		}
	}
	return nil
}

// numbers are the opcodes, of the drafts up to 06 and of those behind.
var numbers = [2]map[byte]string{
	{0: "continuation", 1: "close", 2: "ping", 3: "pong", 4: "text", 5: "binary"},
	{0: "continuation", 1: "text", 2: "binary", 8: "close", 9: "ping", 10: "pong"},
}

// clear takes a client's mask off a stream that begins with a frame of the drafts 04 to 06.
func (s *slow) clear(p []byte) []byte {
	mask := p[:4]
	if s.v == wire.Hybi04 {
		sum := sha1.Sum(append(bytes.Clone(p[:4]), s.cfg.MaskKey...))
		mask = sum[:]
	}
	p = bytes.Clone(p[4:])
	for i := range p {
		p[i] ^= mask[i%len(mask)]
	}
	return p
}

// frame is the head of a frame.
type frame struct {
	op     string
	fin    bool
	masked bool
	length uint64
	size   int // of the head
}

func (f *frame) control() bool { return f.op == "ping" || f.op == "pong" || f.op == "close" }

// broken are the rules that the first two bytes break.
func (s *slow) broken(b0, b1 byte, f *frame) (faults []wire.Fault) {
	add := func(broken bool, fault wire.Fault) {
		if broken {
			faults = append(faults, fault)
		}
	}
	newer := s.v >= wire.Hybi07
	add(b0&0x70 != 0 || f.masked && !newer, wire.FaultRSV)
	add(f.op == "", wire.FaultOpcode)
	add(f.control() && !f.fin, wire.FaultControlFrag)
	tolerated := s.cfg.Tolerate.Has(wire.TolerateUnmasked) || b1 == 0 && s.cfg.Tolerate.Has(wire.TolerateEmptyUnmasked)
	add(newer && !s.client && !f.masked && !tolerated, wire.FaultUnmasked)
	add(s.v >= wire.Hybi08 && s.client && f.masked, wire.FaultMasked)
	add(f.op == "continuation" && s.op == "", wire.FaultOrphan)
	add((f.op == "text" || f.op == "binary") && s.op != "", wire.FaultInterleaved)
	return faults
}

// head reads the head of a frame; ok is false where it is not whole, or breaks a rule.
func (s *slow) head(p []byte) (f frame, ok bool) {
	if len(p) < 2 {
		s.clipped = true
		return f, false
	}
	f.op = numbers[map[bool]int{true: 1}[s.v >= wire.Hybi07]][p[0]&0x0F]
	f.fin = p[0]&0x80 != 0 != (s.v == wire.Hybi02)
	f.masked = p[1]&0x80 != 0
	if s.faults = s.broken(p[0], p[1], &f); s.faults != nil {
		return f, false
	}
	wide := map[byte]int{126: 2, 127: 8}[p[1]&0x7F]
	f.size = 2 + wide
	if f.masked {
		f.size += 4
	}
	if len(p) < f.size {
		s.clipped = true
		return f, false
	}
	f.length = uint64(p[1] & 0x7F)
	switch wide {
	case 2:
		f.length = uint64(binary.BigEndian.Uint16(p[2:]))
	case 8:
		f.length = binary.BigEndian.Uint64(p[2:])
	}
	if wide > 0 && f.control() {
		s.faults = append(s.faults, wire.FaultControlLong) // which of two things is wrong shows with the length
	}
	if f.length>>63 > 0 {
		s.faults = append(s.faults, wire.FaultLengthMSB)
	}
	if s.v == wire.RFC6455 && (wide == 2 && f.length < 126 || wide == 8 && f.length < 1<<16) {
		s.faults = append(s.faults, wire.FaultLengthLong)
	}
	return f, s.faults == nil
}

// hybi takes a frame of hybi-02 or later.
func (s *slow) hybi(p []byte) (rest []byte) {
	hidden := !s.client && s.v >= wire.Hybi04 && s.v <= wire.Hybi06
	in := p
	if hidden {
		if len(p) < 4 {
			s.clipped = true
			return nil
		}
		p = s.clear(p)
	}
	f, ok := s.head(p)
	if !ok {
		return nil
	}
	body := p[f.size:]
	whole := uint64(len(body)) >= f.length
	if whole {
		body = body[:f.length]
		rest = in[len(in)-len(p)+f.size+len(body):]
	}
	body = bytes.Clone(body)
	if f.masked {
		for i := range body {
			body[i] ^= p[f.size-4+i%4]
		}
	}
	switch f.op {
	case "ping", "pong", "close":
		s.clipped = !whole
		if whole {
			s.control(f.op, body)
		}
		return rest
	case "continuation":
	default:
		s.op, s.size = f.op, 0
	}
	if s.size += f.length; s.size > s.limit() {
		s.faults = []wire.Fault{wire.FaultTooBig}
		return nil
	}
	s.clipped = !whole
	if len(body) > 0 || whole {
		s.piece(body, whole && f.fin)
	}
	return rest
}

func (s *slow) control(op string, body []byte) {
	e := vectors.Event{Op: op, Data: append(vectors.Hex{}, body...)}
	if op == "close" {
		s.closed = true
		e.Code = int(wire.CodeNoStatus)
		switch {
		case s.v == wire.Hybi02: // whatever it is
		case s.v <= wire.Hybi05 || len(body) == 0:
			e.Data = nil
		case len(body) == 1:
			s.faults = []wire.Fault{wire.FaultCloseLength}
		default:
			code := int(binary.BigEndian.Uint16(body))
			e.Code, e.Data = code, e.Data[2:]
			if s.v < wire.RFC6455 && code == 1004 {
				e.Code = 1009
			}
			if c := e.Code; c < 1000 || c > 4999 || c >= 1004 && c <= 1006 || c > 1014 && c < 3000 {
				s.faults = append(s.faults, wire.FaultCloseCode)
			}
			if !utf8.Valid(e.Data) {
				s.faults = append(s.faults, wire.FaultCloseText)
			}
		}
	}
	if s.faults == nil {
		s.got.Events = append(s.got.Events, e)
	}
}
