package session

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/draftwire/draftwire/wire"
)

// headMost is more than the longest head: a key, two bytes, a length of eight.
const headMost = 16

// tracing is who is told of the frames of a session.
type tracing struct {
	tracer atomic.Pointer[tracer] // nil while nobody is
	mu     sync.Mutex             // held while that changes
}

// tracer is a codec that tells of the frames that pass through another one. Connections that
// nobody traces have none.
type tracer struct {
	wire.Codec
	version wire.Version
	role    wire.Role
	told    atomic.Pointer[[]*listener]
	in, out passing
	// reads and writes: in and out are in use, which they are from the border of a frame on.
	reads, writes bool
}

// listener is one who is told of frames.
type listener struct {
	most int // of a payload
	tell func(*wire.Frame)
}

// passing is the frame that passes in one direction.
type passing struct {
	head    [headMost]byte // its first bytes
	n       int            // how many of them are there
	total   int64          // bytes of the frame until now
	length  int64          // of its payload until now
	payload []byte
	op      wire.Op
	fin     bool
	rsv1    bool
	err     error
}

// TraceFrames makes tell be called for each frame, with up to most bytes of its payload, until stop
// is called. Any goroutine may call both, at any time. A frame of which a part has passed already is
// left out. tell is called by the goroutine that reads and by those that write, and what it gets
// is valid only until it returns; a call that is under way may go on behind stop.
func (s *Session) TraceFrames(most int, tell func(*wire.Frame)) (stop func()) {
	x, l := &s.needExtra().tracing, &listener{most, tell}
	x.mu.Lock()
	defer x.mu.Unlock()
	t := x.tracer.Load()
	if t == nil {
		t = &tracer{Codec: s.codec, version: s.draft.Version, role: s.role}
		t.told.Store(&[]*listener{l})
		x.tracer.Store(t)
	} else {
		t.change(func(all []*listener) []*listener { return append(all, l) })
	}
	return func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		t.change(func(all []*listener) []*listener {
			return slices.DeleteFunc(all, func(of *listener) bool { return of == l })
		})
		if len(*t.told.Load()) == 0 {
			x.tracer.CompareAndSwap(t, nil)
		}
	}
}

// change replaces the listeners. Its caller holds tracing.mu.
func (t *tracer) change(to func([]*listener) []*listener) {
	all := to(slices.Clone(*t.told.Load()))
	t.told.Store(&all)
}

// Traced reports whether anybody is told of frames.
func (s *Session) Traced() bool {
	x := s.extra.Load()
	return x != nil && x.tracer.Load() != nil
}

// coder is the codec through which frames pass.
func (s *Session) coder() wire.Codec {
	if x := s.extra.Load(); x != nil {
		if t := x.tracer.Load(); t != nil {
			return t
		}
	}
	return s.codec
}

// Decode implements wire.Codec.
func (t *tracer) Decode(p []byte, ev *wire.Event) (int, error) {
	if !t.reads {
		t.reads = t.Codec.EOF() == nil
		if !t.reads { // inside a frame, or perhaps behind one of a message
			n, err := t.Codec.Decode(p, ev)
			t.reads = ev.Op != wire.OpNone && ev.FrameEnd
			return n, err
		}
	}
	f := &t.in
	first := copy(f.head[f.n:], p) // before the payload is unmasked in place
	n, err := t.Codec.Decode(p, ev)
	f.n += min(first, n)
	f.total += int64(n)
	if err != nil {
		if f.n == 0 { // the byte that is wrong was not consumed
			f.n = min(first, 2)
		}
		f.err = err
		t.report(f, false)
		return n, err
	}
	switch {
	case ev.Op == wire.OpNone:
		return n, nil
	case f.op == wire.OpNone && ev.Op.IsData() && !ev.First:
		f.op = wire.OpContinuation
	case f.op == wire.OpNone:
		f.op = ev.Op
	}
	if ev.Op == wire.OpClose && ev.Code != wire.CodeNoStatus {
		f.add([]byte{byte(ev.Code >> 8), byte(ev.Code)}, t.most())
	}
	f.add(ev.Data, t.most())
	f.rsv1 = f.rsv1 || ev.RSV1
	if ev.FrameEnd {
		f.fin = ev.Last
		t.report(f, false)
	}
	return n, nil
}

// AppendFrame implements wire.Codec.
func (t *tracer) AppendFrame(dst []byte, op wire.Op, fin bool, payload []byte) ([]byte, error) {
	before := len(dst)
	dst, err := t.Codec.AppendFrame(dst, op, fin, payload)
	if err == nil {
		t.appended(dst[before:], op, fin, payload)
	}
	return dst, err
}

// AppendFraming implements wire.Codec.
func (t *tracer) AppendFraming(dst []byte, op wire.Op, fin bool, payload []byte) ([]byte, int, error) {
	before := len(dst)
	dst, head, err := t.Codec.AppendFraming(dst, op, fin, payload)
	if err == nil {
		t.appended(dst[before:before+head], op, fin, payload)
	}
	return dst, head, err
}

// AppendClose implements wire.Codec.
func (t *tracer) AppendClose(dst []byte, code wire.CloseCode, reason string) ([]byte, error) {
	before := len(dst)
	dst, err := t.Codec.AppendClose(dst, code, reason)
	if frame := dst[before:]; err == nil && len(frame) > 0 {
		masked, key := t.masks(true)
		head := min(headLength(t.version, frame, masked), len(frame))
		if key > 0 {
			head = min(key+2, len(frame))
		}
		f := passing{op: wire.OpClose, fin: true, total: int64(len(frame))}
		f.n = copy(f.head[:], frame)
		body := slices.Clone(frame[head:])
		switch {
		case key > 0 && code != wire.CodeNoStatus && len(body) >= 2:
			copy(body, append([]byte{byte(code >> 8), byte(code)}, reason...))
		case key > 0:
			body = nil // which its mask hides
		case masked:
			for i := range body {
				body[i] ^= frame[head-4+i%4]
			}
		}
		f.add(body, t.most())
		t.report(&f, true)
	}
	return dst, err
}

// appended tells of a frame that was appended, or in hixie notes a part of one.
func (t *tracer) appended(frame []byte, op wire.Op, fin bool, payload []byte) {
	if !t.writes && t.version <= wire.Hixie76 && op == wire.OpContinuation { // a part of a frame
		t.writes = fin
		return
	}
	t.writes = true
	f := &t.out
	f.n += copy(f.head[f.n:], frame)
	f.total += int64(len(frame))
	if f.op == wire.OpNone {
		f.op, f.rsv1 = op&^wire.RSV1, op&wire.RSV1 != 0
	}
	f.add(payload, t.most())
	if fin || t.version > wire.Hixie76 {
		f.fin = fin
		t.report(f, true)
	}
}

// most is how much of a payload somebody wants.
func (t *tracer) most() (n int) {
	for _, l := range *t.told.Load() {
		n = max(n, l.most)
	}
	return n
}

// add notes a part of the payload.
func (f *passing) add(p []byte, most int) {
	f.length += int64(len(p))
	if room := most - len(f.payload); room > 0 {
		f.payload = append(f.payload, p[:min(room, len(p))]...)
	}
}

// masks reports whether frames of a direction are masked, and how long the key is that then
// stands before the head.
func (t *tracer) masks(sent bool) (masked bool, key int) {
	masked = sent == (t.role == wire.Client) && t.version >= wire.Hybi04
	if masked && t.version < wire.Hybi07 {
		key = 4
	}
	return masked, key
}

// report tells of a frame, and begins the next one.
func (t *tracer) report(f *passing, sent bool) {
	masked, key := t.masks(sent)
	x := wire.Frame{Sent: sent, Op: f.op, Fin: f.fin, Masked: masked, Length: f.length, Payload: f.payload, Err: f.err}
	first := f.head[:f.n]
	switch {
	case key > 0: // the mask is made of the key and of the handshake, and hides the head
		x.Type = early[f.op]
		if f.fin {
			x.Type |= 0x80
		}
		if f.rsv1 {
			x.Type |= 0x40
		}
		x.Head = first[:min(key+2+lengthBytes(f), len(first))]
	default:
		if len(first) > 0 {
			x.Type = first[0]
		}
		x.Head = first[:min(headLength(t.version, first, masked), len(first))]
	}
	if f.op == wire.OpClose {
		x.Length = f.total - int64(len(x.Head)) // of hybi-02 to hybi-05 an event of a close leaves some of it out
	}
	for _, l := range *t.told.Load() {
		y := x
		y.Payload = x.Payload[:min(l.most, len(x.Payload))]
		l.tell(&y)
	}
	*f = passing{}
}

// early are the opcodes of hybi-04 to hybi-06.
var early = map[wire.Op]byte{wire.OpClose: 1, wire.OpPing: 2, wire.OpPong: 3, wire.OpText: 4, wire.OpBinary: 5}

// lengthBytes returns how many bytes the length of a whole frame has behind its second byte.
func lengthBytes(f *passing) int {
	switch {
	case f.op.IsControl() || f.length < 126:
		return 0
	case f.length < 1<<16:
		return 2
	}
	return 8
}

// headLength returns how many of the first bytes of a frame are its head. Where it is masked it
// has the key at its end.
func headLength(v wire.Version, p []byte, masked bool) int {
	if v <= wire.Hixie76 {
		n := 1
		for ; n < len(p) && p[0]&0x80 != 0; n++ { // a length, in groups of seven bits
			if p[n]&0x80 == 0 {
				return n + 1
			}
		}
		return n
	}
	if len(p) < 2 {
		return len(p)
	}
	n := 2
	if masked {
		n += 4
	}
	switch p[1] & 0x7F {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	return n
}
