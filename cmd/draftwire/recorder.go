package main

import (
	"errors"
	"time"

	"github.com/draftwire/draftwire/inspect"
	"github.com/draftwire/draftwire/recording"
	"github.com/draftwire/draftwire/wire"
)

// sessionRecorder writes what the inspector tells of connections to a recording. Its calls come from one
// goroutine.
type sessionRecorder struct {
	w      *recording.Writer
	redact recording.Redaction
	base   uint64 // connections that the file had before
	conns  map[int]*recordedConn
	full   int64 // events that had no room in the file
	err    error
	count  int
}

// recordedConn is a connection that is being recorded.
type recordedConn struct {
	number         uint64
	client, server string
	begun          bool
	version        wire.Version
	text           [2]bool // of the message whose frames come, of the client and the server
}

func newSessionRecorder(w *recording.Writer, base uint64, redact recording.Redaction) *sessionRecorder {
	return &sessionRecorder{w: w, base: base, redact: redact, conns: map[int]*recordedConn{}}
}

// tell takes an event of the inspector.
func (r *sessionRecorder) tell(e *inspect.Event) {
	c := r.conns[e.Conn]
	if c == nil {
		c = &recordedConn{}
		r.conns[e.Conn] = c
	}
	if e.Kind == inspect.KindConnection {
		c.client, c.server = e.Client, e.Server
		return
	}
	if v := e.Version(); v != wire.Unknown {
		c.version = v
	}
	if !c.begun {
		if e.Kind != inspect.KindRequest || e.Draft == "" { // an ordinary request, or what belongs to none
			if e.Kind == inspect.KindClosing {
				delete(r.conns, e.Conn)
			}
			return
		}
		c.begun = true
		r.count++
		c.number = r.base + uint64(r.count)
		r.write(e, c, recording.Event{Kind: recording.KindConn, Version: c.version, ClientAt: c.client, ServerAt: c.server})
	}
	r.event(e, c)
	if e.Kind == inspect.KindClosing {
		delete(r.conns, e.Conn)
	}
}

// event writes what follows the beginning of a connection.
func (r *sessionRecorder) event(e *inspect.Event, c *recordedConn) {
	switch e.Kind {
	case inspect.KindRequest:
		r.apply(e, c, recording.Event{Kind: recording.KindRequest, Head: e.Bytes})
	case inspect.KindChallenge:
		r.write(e, c, recording.Event{Kind: recording.KindRequest, Head: e.Bytes})
	case inspect.KindResponse:
		r.apply(e, c, recording.Event{Kind: recording.KindAnswer, Version: c.version, Head: e.Bytes})
	case inspect.KindProof:
		r.write(e, c, recording.Event{Kind: recording.KindAnswer, Version: c.version, Head: e.Bytes})
	case inspect.KindFrame:
		r.frame(e, c)
	case inspect.KindMessage:
		r.message(e, c)
	case inspect.KindGap, inspect.KindUnknown:
		r.write(e, c, recording.Event{Kind: recording.KindLost, Lost: e.Length})
	case inspect.KindEnd:
		r.write(e, c, recording.Event{Kind: recording.KindEnd, How: e.Text})
	case inspect.KindClosing:
		r.apply(e, c, recording.Event{Kind: recording.KindEnd, How: e.Closing.Result, Code: e.Closing.Code, Reason: e.Closing.Reason})
	}
}

// frame writes a frame.
func (r *sessionRecorder) frame(e *inspect.Event, c *recordedConn) {
	f := e.Frame
	x := recording.Event{Kind: recording.KindFrame, Op: frameOps[f.Op], Type: byte(f.Type), Masked: f.Masked, Mask: f.Mask, Size: f.Size, Payload: f.Payload}
	if text := &c.text[side(e)]; x.Op.IsData() {
		*text = x.Op == wire.OpText
	}
	if int64(len(f.Payload)) < f.Size {
		x.Withheld, x.Payload = true, nil
	}
	r.apply(e, c, x)
}

// apply writes an event without what is to be taken out.
func (r *sessionRecorder) apply(e *inspect.Event, c *recordedConn, x recording.Event) {
	r.redact.Apply(&x, c.text[side(e)])
	r.write(e, c, x)
}

// frameOps are the operations by their names.
var frameOps = map[string]wire.Op{}

func init() {
	for _, op := range []wire.Op{wire.OpText, wire.OpBinary, wire.OpContinuation, wire.OpClose, wire.OpPing, wire.OpPong, wire.OpDiscard} {
		frameOps[op.String()] = op
	}
}

func (r *sessionRecorder) message(e *inspect.Event, c *recordedConn) {
	m := e.Message
	x := recording.Event{Kind: recording.KindMessage, Op: wire.OpText, Size: m.Size, Payload: m.Payload, Compressed: m.Packed}
	if m.Op == "binary" {
		x.Op = wire.OpBinary
	}
	if m.Opaque || int64(len(m.Payload)) < m.Size {
		x.Withheld, x.Payload = true, nil
	}
	r.apply(e, c, x)
}

func side(e *inspect.Event) int {
	if e.From == "server" {
		return 1
	}
	return 0
}

// write writes an event of a connection.
func (r *sessionRecorder) write(e *inspect.Event, c *recordedConn, x recording.Event) {
	switch {
	case r.err != nil:
		return
	case r.full > 0: // a shorter one may have room, but a hole would be played as if nothing had been there
		r.full++
		return
	}
	x.Conn = c.number
	x.From = []recording.Side{recording.Client, recording.Server}[side(e)]
	if e.From == "" {
		x.From = recording.Both
	}
	at := time.Now()
	if e.At != nil {
		at = *e.At
	}
	x.At = at.Sub(r.w.Began())
	switch err := r.w.Write(&x); {
	case errors.Is(err, recording.ErrFull):
		r.full++
	case err != nil:
		r.err = err
	}
}
