package capture

import (
	"bytes"
	"slices"
	"time"
)

// Bounds of what is held for a connection.
const (
	defaultMaxHeld      = 4 << 20
	defaultMaxHeldTotal = 8 << 20
	defaultMaxConns     = 16384
	// maxClosed is how many ended connections are remembered, so that what comes late is not
	// taken for a new one.
	maxClosed = 1024
	// maxSegments is how many segments a direction may hold.
	maxSegments = 4096
	// heldCost is what holding a segment costs beside its bytes.
	heldCost = 64
	// patience is how many packets of a connection may come, once bytes have been
	// acknowledged that the capture does not have, until these are a gap: packets can be
	// recorded in another order than that in which they came.
	patience = 16
	// maxWild is how many segments in a row may be far from all others until they are taken
	// for another connection.
	maxWild = 8
	// window is how far from the next byte a segment can be (RFC 7323 2.3).
	window = 1 << 30
)

// segment is what waits for bytes before it. data is nil for bytes that the capture does not
// have.
type segment struct {
	at   time.Time
	off  int64
	n    int64
	data []byte
}

func (g *segment) end() int64 { return g.off + g.n }

// half is one direction of a flow.
type half struct {
	known   bool   // seq and next are
	syn     bool   // a SYN was seen
	isn     uint32 // its number
	ended   bool
	seq     uint32 // the number of the byte at next
	next    int64  // the offset that is wanted next
	acked   int64  // what the other side has acknowledged
	fin     int64  // where a FIN is; -1: nowhere yet
	held    []segment
	clock   time.Time // of what was given last
	waiting int       // packets that came while acked was beyond next, and next did not move
	mark    int64     // acked, when the first of them came
	wild    int
}

// begin sets the number of the first byte.
func (h *half) begin(seq uint32) {
	*h = half{known: true, seq: seq, fin: -1, syn: h.syn, isn: h.isn}
}

func (h *half) offset(seq uint32) int64 { return h.next + int64(int32(seq-h.seq)) }

// flow is a TCP connection that is followed.
type flow struct {
	id     flowID
	conn   Conn
	halves [2]half // by which endpoint of the id sends
	client int     // which of both is the client
	out    *front  // nil: nobody wants it
	held   int
	closed bool

	in [2]links // the lists in which it is, by flowList.which

	waits bool // it is in the list of those that hold something
}

// flowID has both endpoints, the lower one first.
type flowID [2]endpoint

func identify(s *tcpSegment) (id flowID, from int) {
	if bytes.Compare(s.src[:], s.dst[:]) <= 0 {
		return flowID{s.src, s.dst}, 0
	}
	return flowID{s.dst, s.src}, 1
}

// tracker follows all connections.
type tracker struct {
	o       Options
	sink    Sink
	tls     *opener
	flows   map[flowID]*flow
	open    flowList
	closed  flowList
	waiting flowList // those that hold something, in the order in which they began to
	held    int
	report  *Report
}

// flowList is a list of flows, that of which something came last at its end.
type flowList struct {
	first, last *flow
	n           int
	which       int // of the links of a flow
}

// links are a flow's neighbours in a list.
type links struct{ older, newer *flow }

// The lists: a flow is among the open or the closed ones, and may be among those that hold
// something.
const (
	byAge = iota
	byHolding
)

func (l *flowList) add(f *flow) {
	f.in[l.which] = links{older: l.last}
	if l.last != nil {
		l.last.in[l.which].newer = f
	} else {
		l.first = f
	}
	l.last = f
	l.n++
}

func (l *flowList) remove(f *flow) {
	at := &f.in[l.which]
	if at.older != nil {
		at.older.in[l.which].newer = at.newer
	} else {
		l.first = at.newer
	}
	if at.newer != nil {
		at.newer.in[l.which].older = at.older
	} else {
		l.last = at.older
	}
	*at = links{}
	l.n--
}

// touch moves a flow to the end of its list.
func (l *flowList) touch(f *flow) {
	if l.last != f {
		l.remove(f)
		l.add(f)
	}
}

func newTracker(sink Sink, o Options, opener *opener, report *Report) *tracker {
	return &tracker{o: o, sink: sink, tls: opener, flows: map[flowID]*flow{}, report: report, waiting: flowList{which: byHolding}}
}

// segment takes a segment.
func (t *tracker) segment(s *tcpSegment) {
	id, from := identify(s)
	f := t.flows[id]
	if f != nil && t.isAnother(f, s, from) {
		t.finish(f, s.at, Cut)
		t.forget(f)
		f = nil
	}
	if f == nil {
		if f = t.begin(s, id, from); f == nil {
			return
		}
	}
	if f.closed {
		return
	}
	t.open.touch(f)
	if f.out == nil {
		t.followEnd(f, s, from)
		return
	}
	t.step(f, s, from)
}

// isAnother reports whether a segment is not of the flow that has its addresses, but of a later
// one.
func (t *tracker) isAnother(f *flow, s *tcpSegment, from int) bool {
	h := &f.halves[from]
	if s.flags&tcpSYN != 0 {
		if h.syn {
			return h.isn != s.seq
		}
		// A flow of which only the answer was seen, or that began in the middle.
		return f.closed || h.known && h.offset(s.seq+1) != 0 || s.flags&tcpACK == 0 && f.client != from
	}
	if !h.known || s.flags&tcpRST != 0 || len(s.data) == 0 {
		return false
	}
	off := h.offset(s.seq)
	far := off > h.next+window || off < h.next-window
	if f.closed {
		return off > h.next+defaultMaxHeld || off < h.next-window
	}
	if !far {
		h.wild = 0
		return false
	}
	h.wild++
	return h.wild >= maxWild
}

// begin begins a flow, if the segment is one with which something begins.
func (t *tracker) begin(s *tcpSegment, id flowID, from int) *flow {
	syn := s.flags&tcpSYN != 0
	n := len(s.data) + s.lost
	if !syn && (s.flags&tcpRST != 0 || n == 0 || n == 1 && len(s.data) == 1 && s.data[0] == 0) {
		return nil // an acknowledgement, a scan, or a question whether the other side is still there
	}
	f := &flow{id: id, client: from}
	switch {
	case syn && s.flags&tcpACK != 0:
		f.client = 1 - from
	case !syn && portRank(id[from].addrPort().Port()) < portRank(id[1-from].addrPort().Port()):
		f.client = 1 - from
	}
	t.report.Conns++
	f.conn = Conn{Client: id[f.client].addrPort(), Server: id[1-f.client].addrPort(), Number: t.report.Conns, Midway: !syn}
	if t.o.Filter == nil || t.o.Filter(f.conn) {
		f.out = &front{flow: f, sink: t.sink, opener: t.tls}
	}
	if t.open.n >= t.o.MaxConns {
		t.report.Evicted++
		t.finish(t.open.first, s.at, Cut)
	}
	t.flows[id] = f
	t.open.add(f)
	return f
}

// portRank is lower for a port that looks more like a server's.
func portRank(port uint16) int {
	switch port {
	case 80, 443:
		return 0
	case 843, 8000, 8008, 8080, 8081, 8443, 8888:
		return 1
	}
	return 2 + int(port)
}

// followEnd only finds out when a flow ends that nobody wants, and another one begins.
func (t *tracker) followEnd(f *flow, s *tcpSegment, from int) {
	if s.flags&tcpSYN != 0 {
		f.halves[from].syn, f.halves[from].isn = true, s.seq
	}
	if s.flags&tcpRST != 0 {
		t.close(f)
	}
}

// step is a segment of a flow that is open.
func (t *tracker) step(f *flow, s *tcpSegment, from int) {
	h, other := &f.halves[from], &f.halves[1-from]
	seq := s.seq
	if s.flags&tcpSYN != 0 {
		h.syn, h.isn = true, seq
		seq++ // the SYN has a number of its own, which data may follow
		if !h.known {
			h.begin(seq)
		}
	}
	if !h.known && s.flags&tcpRST == 0 {
		h.begin(seq)
	}
	if s.flags&tcpACK != 0 && s.flags&tcpRST == 0 {
		if !other.known {
			other.begin(s.ack)
		}
		if off := other.offset(s.ack); off > other.acked && off <= other.next+window {
			other.acked = off
		}
	}
	if s.flags&tcpRST != 0 {
		t.reset(f, s, from)
		return
	}
	t.data(f, h, s, seq)
	t.advance(f, from, s.at)
	t.advance(f, 1-from, s.at)
	t.bound(f, s.at)
	if f.halves[0].ended && f.halves[1].ended {
		t.close(f)
	}
}

// reset ends both directions, if the segment can be of this connection.
func (t *tracker) reset(f *flow, s *tcpSegment, from int) {
	h := &f.halves[from]
	if h.known {
		if off := h.offset(s.seq); off < h.next-1<<16 || off > h.next+window {
			return
		}
	}
	t.drain(f, from, s.at)
	t.drain(f, 1-from, s.at)
	t.end(f, from, s.at, Reset)
	t.end(f, 1-from, s.at, Reset)
	t.close(f)
}

// data takes the bytes of a segment.
func (t *tracker) data(f *flow, h *half, s *tcpSegment, seq uint32) {
	off := h.offset(seq)
	n := int64(len(s.data) + s.lost)
	if h.ended || off > h.next+window || off+n < h.next-window {
		return
	}
	if s.flags&tcpFIN != 0 && h.fin < 0 && off+n >= h.next {
		t.setFin(f, h, off+n)
	}
	if n == 0 || off+n <= h.next {
		return
	}
	data, lost := s.data, int64(s.lost)
	if beyond := off + n - h.fin; h.fin >= 0 && beyond > 0 {
		if off >= h.fin {
			return
		}
		cut := min(lost, beyond)
		lost -= cut
		data = data[:int64(len(data))-(beyond-cut)]
	}
	if off <= h.next && lost == 0 && len(h.held) == 0 {
		// What nearly all segments are: the next one.
		t.give(f, h, s.at, data[min(int64(len(data)), h.next-off):])
		return
	}
	t.hold(f, h, s.at, off, data)
	if lost > 0 {
		t.holdLost(f, h, segment{at: s.at, off: off + int64(len(data)), n: lost})
	}
}

// setFin notes where a FIN is. What is held behind it cannot be of this connection.
func (t *tracker) setFin(f *flow, h *half, at int64) {
	h.fin = at
	for i := len(h.held) - 1; i >= 0 && h.held[i].end() > at; i-- {
		g := &h.held[i]
		t.count(f, -len(g.data))
		g.n = max(0, at-g.off)
		g.data = g.data[:min(int64(len(g.data)), g.n)]
		t.count(f, len(g.data))
		if g.n == 0 {
			t.count(f, -heldCost)
			h.held = h.held[:i]
		}
	}
}

// give hands on the next bytes.
func (t *tracker) give(f *flow, h *half, at time.Time, p []byte) {
	if len(p) == 0 {
		return
	}
	h.tick(at)
	off := h.next
	h.moved(int64(len(p)))
	f.out.data(h.clock, f.direction(h), off, p)
}

// skip hands on that bytes are missing.
func (t *tracker) skip(f *flow, h *half, at time.Time, n int64) {
	h.tick(at)
	off := h.next
	h.moved(n)
	f.out.gap(h.clock, f.direction(h), off, n)
}

// tick moves the clock of a direction, which never goes back.
func (h *half) tick(at time.Time) {
	if at.After(h.clock) {
		h.clock = at
	}
}

func (h *half) moved(n int64) {
	h.next += n
	h.seq += uint32(n)
	h.waiting = 0
}

func (f *flow) direction(h *half) Direction {
	if h == &f.halves[f.client] {
		return FromClient
	}
	return FromServer
}

// hold keeps bytes that come before others, as far as they are not held yet: what came first
// stays.
func (t *tracker) hold(f *flow, h *half, at time.Time, off int64, p []byte) {
	if off < h.next {
		p = p[min(int64(len(p)), h.next-off):]
		off = h.next
	}
	i, _ := slices.BinarySearchFunc(h.held, off, func(g segment, off int64) int {
		if g.end() <= off {
			return -1
		}
		return 1
	})
	for len(p) > 0 {
		n := int64(len(p))
		if i < len(h.held) {
			g := &h.held[i]
			if g.off <= off { // its beginning is held
				p = p[min(n, g.end()-off):]
				off = g.end()
				i++
				continue
			}
			n = min(n, g.off-off)
		}
		t.insert(f, h, i, segment{at: at, off: off, n: n, data: slices.Clone(p[:n])})
		p, off = p[n:], off+n
		i++
	}
}

// holdLost keeps a note of bytes that were on the wire but are not in the capture, up to what
// is held. Nothing that comes later takes their place: it would be cut off as well.
func (t *tracker) holdLost(f *flow, h *half, g segment) {
	if g.off < h.next {
		g.n -= h.next - g.off
		g.off = h.next
	}
	i, _ := slices.BinarySearchFunc(h.held, g.off, func(x segment, off int64) int {
		if x.end() <= off {
			return -1
		}
		return 1
	})
	if i < len(h.held) {
		g.n = min(g.n, h.held[i].off-g.off)
	}
	if g.n > 0 {
		t.insert(f, h, i, g)
	}
}

func (t *tracker) insert(f *flow, h *half, i int, g segment) {
	h.held = slices.Insert(h.held, i, g)
	t.count(f, len(g.data)+heldCost)
}

// count adds to what a flow holds.
func (t *tracker) count(f *flow, n int) {
	f.held += n
	t.held += n
	switch {
	case f.held > 0 && !f.waits:
		f.waits = true
		t.waiting.add(f)
	case f.held == 0 && f.waits:
		f.waits = false
		t.waiting.remove(f)
	}
}

// advance gives what can be given of a direction.
func (t *tracker) advance(f *flow, from int, at time.Time) {
	h := &f.halves[from]
	if !h.known || h.ended {
		return
	}
	t.ready(f, h, at)
	if h.acked <= h.next || h.fin >= 0 && h.next >= h.fin { // a FIN has a number of its own
		h.waiting = 0
	} else if h.waiting++; h.waiting == 1 {
		h.mark = h.acked
	} else if h.waiting > patience {
		h.waiting = 0
		t.jump(f, h, at, h.mark)
	}
	if h.fin >= 0 && h.next >= h.fin {
		t.drop(f, h)
		t.end(f, from, at, Fin)
	}
}

// ready gives what is held and has nothing missing before it.
func (t *tracker) ready(f *flow, h *half, at time.Time) {
	i := 0
	for ; i < len(h.held) && h.held[i].off <= h.next; i++ {
		g := &h.held[i]
		late := g.at
		if at.After(late) {
			late = at
		}
		switch {
		case g.end() <= h.next:
		case g.data == nil:
			t.skip(f, h, late, g.end()-h.next)
		default:
			t.give(f, h, late, g.data[h.next-g.off:])
		}
		t.count(f, -len(g.data)-heldCost)
		g.data = nil
	}
	if i > 0 {
		h.held = h.held[i:]
		if len(h.held) == 0 {
			h.held = nil
		}
	}
}

// jump makes what is missing a gap: up to what is held, and no further than an offset.
func (t *tracker) jump(f *flow, h *half, at time.Time, to int64) bool {
	if len(h.held) > 0 {
		to = min(to, h.held[0].off)
	} else if h.fin < 0 && to == h.next+1 {
		return false // probably a FIN that is not in the capture: it has a number too
	}
	if h.fin >= 0 {
		to = min(to, h.fin)
	}
	if to <= h.next {
		return false
	}
	t.skip(f, h, at, to-h.next)
	t.ready(f, h, at)
	return true
}

// drain gives all that is held, with gaps between.
func (t *tracker) drain(f *flow, from int, at time.Time) {
	h := &f.halves[from]
	if !h.known || h.ended {
		return
	}
	t.ready(f, h, at)
	for len(h.held) > 0 {
		t.jump(f, h, at, h.held[0].off)
	}
	t.jump(f, h, at, max(h.acked, h.fin))
	if h.fin >= 0 {
		t.end(f, from, at, Fin)
	}
}

// drop lets go what is held.
func (t *tracker) drop(f *flow, h *half) {
	for i := range h.held {
		t.count(f, -len(h.held[i].data)-heldCost)
	}
	h.held = nil
}

// bound lets go of what is held beyond the limits: gaps come in its place.
func (t *tracker) bound(f *flow, at time.Time) {
	for i := range f.halves {
		h := &f.halves[i]
		if len(h.held) <= maxSegments && f.held <= t.o.MaxHeld {
			continue
		}
		// Half of it goes, so that this is not done again for the next packet.
		for len(h.held) > maxSegments/2 || f.held > t.o.MaxHeld/2 && len(h.held) > 0 {
			t.jump(f, h, at, h.held[0].off)
		}
	}
	for t.held > t.o.MaxHeldTotal && t.waiting.first != nil {
		w := t.waiting.first
		for i := range w.halves {
			for h := &w.halves[i]; len(h.held) > 0; {
				t.jump(w, h, at, h.held[0].off)
			}
		}
	}
}

// end ends a direction.
func (t *tracker) end(f *flow, from int, at time.Time, how End) {
	h := &f.halves[from]
	if h.ended {
		return
	}
	h.ended = true
	h.tick(at)
	f.out.end(h.clock, f.direction(h), how)
}

// finish ends a flow that has not ended by itself.
func (t *tracker) finish(f *flow, at time.Time, how End) {
	if f.closed {
		return
	}
	if f.out != nil {
		for _, from := range []int{f.client, 1 - f.client} {
			t.drain(f, from, at)
		}
		for _, from := range []int{f.client, 1 - f.client} {
			t.end(f, from, at, how)
		}
	}
	t.close(f)
}

// close moves a flow to the closed ones.
func (t *tracker) close(f *flow) {
	for i := range f.halves {
		t.drop(f, &f.halves[i])
	}
	f.closed, f.out = true, nil
	t.open.remove(f)
	t.closed.add(f)
	t.forgetOld()
}

func (t *tracker) forgetOld() {
	if t.closed.n > maxClosed {
		t.forget(t.closed.first)
	}
}

// forget removes a closed flow.
func (t *tracker) forget(f *flow) {
	t.closed.remove(f)
	delete(t.flows, f.id)
}

// finishAll ends all flows, as the capture ends.
func (t *tracker) finishAll(at time.Time) {
	for t.open.first != nil {
		t.finish(t.open.first, at, Cut)
	}
}
