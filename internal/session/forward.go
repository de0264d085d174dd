package session

import (
	"github.com/draftwire/draftwire/internal/hybi"
	"github.com/draftwire/draftwire/internal/utf8x"
	"github.com/draftwire/draftwire/wire"
)

// Run are messages that have come one behind the other, each in one frame, and that another session
// can send as they came.
type Run struct {
	Len      int // bytes of the frames
	Messages int
	Payload  int // bytes
	Kinds    []Kind
	kinds    [8]Kind
}

// Kind are messages of a Run that follow each other and are alike.
type Kind struct {
	Op    wire.Op
	Size  int // of the payload of each
	Times int
}

// Forwards reports whether messages of s can go on by to as they came, masks included: where the frames of
// both are the same, and nothing of what they hold is compressed or repaired.
func (s *Session) Forwards(to *Session) bool {
	from, ok := s.codec.(*hybi.Codec)
	other, also := to.codec.(*hybi.Codec)
	return ok && also && from.SameFrames(other) && s.InPlace() && to.z == nil
}

// Run finds the messages that stand whole at the beginning of p, up to one that Next is to look at: a
// control frame, a part of a message, one that breaks a rule. Text among them is UTF-8. Nothing
// is consumed. It is for a session that Forwards.
func (s *Session) Run(p []byte, run *Run) {
	run.Len, run.Messages, run.Payload = 0, 0, 0
	run.Kinds = run.kinds[:0]
	if s.closeReceived || s.err != nil || s.Traced() {
		return
	}
	codec := s.codec.(*hybi.Codec)
	for {
		rest := p[run.Len:]
		w := codec.Whole(rest)
		if w.Op == wire.OpNone || w.Op == wire.OpText && !s.isText(rest[:w.End], w.Head) || !run.add(w) {
			return
		}
	}
}

// isText reports whether the payload of a frame is UTF-8. A mask is taken off and put on again.
func (s *Session) isText(frame []byte, head int) bool {
	payload := frame[head:]
	if s.role == wire.Client {
		return utf8x.Valid(payload)
	}
	mask := [4]byte(frame[head-4:])
	hybi.Mask(payload, mask, 0)
	ok := utf8x.Valid(payload)
	hybi.Mask(payload, mask, 0)
	return ok
}

// add adds a message. It is false where the run has as many kinds as it may.
func (run *Run) add(w hybi.Whole) bool {
	n := len(run.Kinds)
	size := w.End - w.Head
	if n > 0 && run.kinds[n-1].Size == size && run.kinds[n-1].Op == w.Op {
		run.kinds[n-1].Times++
	} else if n == len(run.kinds) {
		return false
	} else {
		run.Kinds = append(run.Kinds, Kind{w.Op, size, 1})
	}
	run.Len += w.End
	run.Messages++
	run.Payload += size
	return true
}
