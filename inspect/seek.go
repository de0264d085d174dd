package inspect

import (
	"bytes"

	"github.com/draftwire/draftwire/internal/hybi"
	"github.com/draftwire/draftwire/internal/utf8x"
	"github.com/draftwire/draftwire/wire"
)

// Bounds of the search for a border of frames.
const (
	seekFrames = 4        // frames behind each other that prove a border, if something wrong follows
	seekBytes  = 64 << 10 // how far frames are followed
	seekPiece  = 512
	// How often a side is searched in vain: one of a connection that is known to have frames,
	// and any other, which is probably none of WebSocket.
	seekKnown, seekOther = 64, 4
)

// candidate is a version, and the role of who receives its frames.
type candidate struct {
	version wire.Version
	role    wire.Role
}

// search makes a side be searched for the border of a frame.
func (s *side) search() { s.state, s.lost, s.searching = seeking, true, true }

// seeking searches a side that begins in the middle for the border of a frame. It waits for as
// many bytes as are searched, or for the end: payload that repeats itself can look like several
// frames, but not for long.
func seeking(c *conversation, s *side) bool {
	if len(s.buf) == 0 || !s.ended && len(s.buf) < seekBytes {
		return false
	}
	c.goOn(s)
	return true
}

// goOn goes on behind the first border that is found.
func (c *conversation) goOn(s *side) {
	c.flush(s)
	skipped, found, ok := c.seek(s)
	if !ok {
		most := seekOther
		if c.version != wire.Unknown {
			most = seekKnown
		}
		if s.futile++; s.futile > most {
			c.lose(s, "no border of a frame is found in them")
			return
		}
		c.puzzle(s, max(len(s.buf)/2, min(len(s.buf), seekPiece)), "no border of a frame is found in them")
		return
	}
	s.futile = 0
	if skipped > 0 {
		c.puzzle(s, skipped, "they stand before the first border of a frame that is found")
		c.flush(s)
	}
	c.found(s, found)
}

// found begins to read at a border.
func (c *conversation) found(s *side, found candidate) {
	e := c.event(s, KindRemark, 0)
	e.Text = "a frame begins here"
	if c.version == wire.Unknown {
		c.version = found.version
		e.Notes = append(e.Notes, Note{Verdict: Says, Text: "there is no handshake: the version is taken from the form of the frames; --version says another"})
		if found.version == wire.RFC6455 {
			e.Notes = append(e.Notes, Note{Verdict: Says, Text: "hybi-07 and hybi-08 have the same form"})
		}
		if c.o.Extensions != "" && c.terms.deflate == nil {
			c.terms.read(wire.Fields{{Name: "E", Value: c.o.Extensions}}.List("E"), nil)
		}
	}
	if found.role != roleOf(s) {
		e.Notes = append(e.Notes, Note{Verdict: Says, Text: "these are frames of a " + senderOf(found.role) + ": the two sides may be the other way round"})
	}
	c.say(e)
	c.opened = true
	if s.offset == 0 && !c.conn.Midway {
		c.read(s, c.newReader(s, c.version, found.role, false))
		return
	}
	c.read(s, c.resume(s, c.version, found.role))
}

// senderOf is who sends what a role receives.
func senderOf(r wire.Role) string {
	if r == wire.Server {
		return "client"
	}
	return "server"
}

// candidates are what the frames of a side may be, the likeliest first.
func (c *conversation) candidates(s *side) (out []candidate) {
	own := roleOf(s)
	versions := []wire.Version{wire.RFC6455, wire.Hixie76, wire.Hybi06, wire.Hybi02}
	if v := c.o.Version; v != wire.Unknown && c.version == wire.Unknown {
		versions = []wire.Version{v}
	}
	if c.version != wire.Unknown {
		versions = []wire.Version{c.version}
	}
	for _, v := range versions {
		out = append(out, candidate{v, own})
	}
	if !c.opened && c.version == wire.Unknown {
		out = append(out, candidate{wire.RFC6455, 1 - own})
	}
	return out
}

// seek returns the first offset from which on there are frames as far as the bytes go; where
// there is none, that from which on there are most of them. One frame proves nothing, unless it
// begins where the bytes begin.
func (c *conversation) seek(s *side) (skipped int, found candidate, ok bool) {
	p := s.buf[:min(len(s.buf), seekBytes)]
	all := c.candidates(s)
	most := seekFrames - 1
	for i := range p {
		for _, x := range all {
			if !x.mayBegin(p[i:]) {
				continue
			}
			f := c.try(x, p[i:])
			if f.right && (f.frames > 1 || i == 0 && (f.whole || s.offset == 0 && !c.conn.Midway)) {
				if c.conn.Midway || s.offset > 0 {
					i += f.odd
				}
				return i, x, true
			}
			if f.frames > most {
				most, skipped = f.frames, i
				found, ok = x, true
			}
		}
	}
	return skipped, found, ok
}

// mayBegin reports whether a frame of a candidate may begin so. It is a quick look, before a codec
// is made.
func (x candidate) mayBegin(p []byte) bool {
	opcodes, clear := &hybi.Opcodes07, x.version >= wire.Hybi07
	switch {
	case x.version <= wire.Hixie76:
		return p[0] == 0x00 || p[0] == 0xFF
	case x.version < wire.Hybi07:
		opcodes, clear = &hybi.Opcodes02, x.version == wire.Hybi02 || x.role == wire.Client
	}
	first := p[0]
	switch {
	case clear:
	case len(p) < 5:
		return false
	case x.version == wire.Hybi04:
		return true
	default:
		first ^= p[4]
	}
	return first&0x30 == 0 && opcodes.Knows(first)
}

// fit is how well frames of a candidate fit.
type fit struct {
	frames int  // that are whole
	right  bool // nothing is wrong behind them
	whole  bool // the last one ends where the bytes end
	// odd is the length of up to three frames in front of the first plain text, which have
	// nothing in them that could be checked: bytes of payload may look like some that end where
	// the first real frame begins.
	odd int
}

// try returns how well frames of a candidate fit at the front of p.
func (c *conversation) try(x candidate, p []byte) (f fit) {
	cfg := wire.CodecConfig{Role: x.role, MaskKey: c.maskKey(), RSV1: wire.RSV1Frame}
	if !x.version.Supports(wire.CapDeflate) {
		cfg.RSV1 = wire.NoRSV1
	}
	if x.version == wire.Hybi04 && x.role == wire.Server && len(cfg.MaskKey) == 0 {
		return f
	}
	codec := drafts[x.version].NewCodec(cfg)
	var text utf8x.Validator
	taken := 0
	var packed, closed, checked bool
	var scratch [seekPiece]byte
	for len(p) > 0 {
		n := copy(scratch[:], p)
		p = p[n:]
		for q := scratch[:n]; len(q) > 0; {
			var ev wire.Event
			k, err := codec.Decode(q, &ev)
			if err != nil || closed {
				return f
			}
			q = q[k:]
			taken += k
			if ev.First {
				text.Reset()
				packed = ev.RSV1
			}
			switch {
			case ev.Op == wire.OpDiscard:
				return f // nobody is known to send them
			case ev.Op == wire.OpText && !packed && !(text.Write(bytes.Clone(ev.Data)) && (!ev.Last || text.Done())):
				return f
			}
			if !ev.FrameEnd {
				continue
			}
			closed = ev.Op == wire.OpClose
			f.frames++
			if checked = checked || ev.Op == wire.OpText && !packed; !checked && f.frames < seekFrames {
				f.odd = taken
			}
		}
	}
	f.right, f.whole = true, codec.EOF() == nil
	if !checked {
		f.odd = 0
	}
	return f
}
