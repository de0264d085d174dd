package console

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/wire"
)

// Bounds of what is watched: the operator chooses a connection, but its peers decide how much
// there is to see.
const (
	maxWatched   = 8  // connections
	maxReaders   = 16 // of their frames
	ringFrames   = 256
	ringBytes    = 256 << 10
	framePayload = 1 << 10
	frameSize    = 256 // what a frame counts beside its bytes
	// burst is how many frames of a connection are noted in a window; further ones are counted.
	burst  = 256
	window = 200 * time.Millisecond
	// gather is how long frames wait for others to be sent with.
	gather = 50 * time.Millisecond
	// pendingLoss is how long a loss waits for the frame that shows it.
	pendingLoss = 300 * time.Millisecond
	beat        = 10 * time.Second
	maxWatch    = time.Hour // of one reader
	// keepRing is how long the ring stays behind its last reader, to be exported.
	keepRing = time.Minute
)

// watch is a connection whose frames are noted, as long as somebody reads them.
type watch struct {
	live Live
	now  func() time.Time

	mu      sync.Mutex
	ring    []frame // oldest first
	first   uint64  // the number of ring[0]
	bytes   int
	since   time.Time // when the window began
	inBurst int
	missed  int // frames that were not noted since the last one that was
	losses  [2][]gateway.Loss
	lossAt  time.Time
	news    chan struct{} // closed when there is something new
	readers int
	left    time.Time // when the last reader left
	stop    []func()
}

// frame is what is noted of a frame, or of a loss without one.
type frame struct {
	at      time.Time
	side    gateway.Side
	sent    bool // by the gateway
	version wire.Version
	op      wire.Op // OpNone: a loss
	typ     byte
	fin     bool
	masked  bool
	head    []byte
	length  int64
	payload []byte
	err     error
	loss    string
	missed  int // frames before it that are not here
}

func (f *frame) size() int { return frameSize + len(f.head) + len(f.payload) }

// watchOf returns the watch of an open connection, and counts a reader of it. The caller calls
// leave.
func (c *Console) watchOf(x Live) (*watch, *problem) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forgetWatches()
	w, readers, watched := c.watched[x.ID], 0, 0
	for _, w := range c.watched {
		readers += w.readers
		if w.readers > 0 {
			watched++
		}
	}
	switch {
	case readers >= maxReaders:
		return nil, &problem{http.StatusTooManyRequests, "Frames are read 16 times already.", "close another page that shows frames"}
	case watched >= maxWatched && (w == nil || w.readers == 0):
		return nil, &problem{http.StatusTooManyRequests, "The frames of 8 connections are watched already.", "close another page that shows frames"}
	case w == nil:
		w = &watch{live: x, now: time.Now, news: make(chan struct{})}
		if c.watched == nil {
			c.watched = map[uint64]*watch{}
		}
		c.watched[x.ID] = w
	}
	w.readers++
	if w.readers == 1 {
		w.begin()
	}
	return w, nil
}

// leave ends a reader.
func (c *Console) leave(w *watch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if w.readers--; w.readers > 0 {
		return
	}
	w.left = w.now()
	for _, stop := range w.stop {
		stop()
	}
	w.stop = nil
}

// forgetWatches forgets rings that nobody has read for a while, and all but a few others. The
// caller holds c.mu.
func (c *Console) forgetWatches() {
	unread := 0
	for id, w := range c.watched {
		if w.readers > 0 {
			continue
		}
		if unread++; unread > maxWatched || w.now().Sub(w.left) > keepRing {
			delete(c.watched, id)
		}
	}
}

// ringOf returns what is watched, or was a moment ago; nil where nothing is.
func (c *Console) ringOf(id uint64) *watch {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forgetWatches()
	return c.watched[id]
}

// begin begins to note the frames of both sides.
func (w *watch) begin() {
	tell := func(side gateway.Side, c *draftwire.Conn) {
		v := c.Version()
		w.stop = append(w.stop, c.TraceFrames(framePayload, func(f *draftwire.Frame) { w.note(side, v, f) }))
	}
	tell(gateway.ClientSide, w.live.Conn)
	s := w.live.Session
	if s == nil {
		return
	}
	if back := s.BackendConn(); back != nil {
		tell(gateway.BackendSide, back)
	}
	w.stop = append(w.stop, s.TraceLosses(w.lost))
}

// index is the place of a side in losses.
func index(side gateway.Side) int {
	if side == gateway.BackendSide {
		return 1
	}
	return 0
}

// note notes a frame. It waits for nothing but others that note.
func (w *watch) note(side gateway.Side, v wire.Version, f *draftwire.Frame) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now()
	if now.Sub(w.since) >= window {
		w.since, w.inBurst = now, 0
	}
	if w.inBurst >= burst && f.Op != wire.OpClose {
		w.missed++
		return
	}
	x := frame{
		at: now, side: side, sent: f.Sent, version: v, op: f.Op, typ: f.Type, fin: f.Fin, masked: f.Masked, length: f.Length,
		head: bytes.Clone(f.Head), payload: bytes.Clone(f.Payload), err: f.Err,
	}
	data := f.Op.IsData() || f.Op == wire.OpContinuation
	switch {
	case f.Sent && (data || f.Op == wire.OpClose): // the losses of what the other side has sent
		from := 1 - index(side)
		var rest []gateway.Loss
		var shown []string
		for _, l := range w.losses[from] {
			if l.Closing() == (f.Op == wire.OpClose) {
				shown = append(shown, string(l))
			} else {
				rest = append(rest, l)
			}
		}
		x.loss, w.losses[from] = strings.Join(shown, ","), rest
	case !f.Sent && f.Op.IsData(): // what this side had sent before shows no frame any more
		w.showLosses(side, now)
	}
	w.add(x)
}

// lost notes what translation has changed, for the frame that shows it.
func (w *watch) lost(from gateway.Side, l gateway.Loss) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if list := &w.losses[index(from)]; len(*list) < 8 {
		*list = append(*list, l)
	}
	w.lossAt = w.now()
	w.wake()
}

// showLosses shows losses that no frame shows. The caller holds w.mu.
func (w *watch) showLosses(side gateway.Side, now time.Time) {
	list := w.losses[index(side)]
	w.losses[index(side)] = nil
	for _, l := range list {
		w.add(frame{at: now, side: side, loss: string(l)})
	}
}

// add adds to the ring. The caller holds w.mu.
func (w *watch) add(x frame) {
	x.missed, w.missed = w.missed, 0
	w.inBurst++
	w.ring = append(w.ring, x)
	w.bytes += x.size()
	n := 0
	for len(w.ring)-n > ringFrames || w.bytes > ringBytes {
		w.bytes -= w.ring[n].size()
		w.ring[n] = frame{}
		n++
	}
	w.ring = w.ring[n:]
	w.first += uint64(n)
	w.wake()
}

// wake wakes the readers. The caller holds w.mu.
func (w *watch) wake() {
	close(w.news)
	w.news = make(chan struct{})
}

// next returns the frames from number at on, the number behind them, how many of those are not
// in the ring any more, and what is closed when there are more.
func (w *watch) next(at uint64) (list []frame, to uint64, lost int, news <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now := w.now(); now.Sub(w.lossAt) >= pendingLoss {
		w.showLosses(gateway.ClientSide, now)
		w.showLosses(gateway.BackendSide, now)
	}
	if at < w.first {
		lost, at = int(w.first-at), w.first
	}
	to = w.first + uint64(len(w.ring))
	return append(list, w.ring[at-w.first:]...), to, lost, w.news
}

// end is the number behind the last frame.
func (w *watch) end() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.first + uint64(len(w.ring))
}

// waits reports whether a loss waits for its frame.
func (w *watch) waits() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.losses[0])+len(w.losses[1]) > 0
}

// frameLine is a line of the answer with frames.
type frameLine struct {
	At       float64 `json:"t_ms"`
	Side     string  `json:"side"`
	Dir      string  `json:"dir"` // in, to the gateway, or out
	Op       string  `json:"op"`  // "loss" for a loss that no frame shows
	Fin      bool    `json:"fin"`
	RSV      int     `json:"rsv"` // 4 is RSV1, 1 is RSV3
	Masked   bool    `json:"masked"`
	Type     string  `json:"type,omitempty"` // in hixie: the frame type, like 0x00
	Head     string  `json:"head"`           // the bytes before the payload, in hexadecimal
	Length   int64   `json:"length"`         // of the payload on the wire
	Payload  *string `json:"payload,omitempty"`
	Hex      string  `json:"payload_hex,omitempty"`
	Cut      bool    `json:"cut,omitempty"`      // there is more payload than is shown
	Withheld bool    `json:"withheld,omitempty"` // the configuration lets no payload be shown
	Code     int     `json:"code,omitempty"`     // of a close
	Reason   string  `json:"reason,omitempty"`
	Loss     string  `json:"loss,omitempty"` // what translation changed, with commas between several
	Error    string  `json:"error,omitempty"`
	NotShown int     `json:"notshown,omitempty"` // frames before this one
}

// line puts a frame into words.
func (f *frame) line(payload bool) *frameLine {
	x := &frameLine{
		At: float64(f.at.UnixMicro()) / 1000, Side: string(f.side), Dir: "in", Op: f.op.String(), Fin: f.fin, Masked: f.masked,
		Head: hex.EncodeToString(f.head), Length: f.length, Loss: f.loss, NotShown: f.missed,
	}
	if f.sent {
		x.Dir = "out"
	}
	if f.err != nil {
		x.Error = f.err.Error()
	}
	if f.op == wire.OpNone && f.err == nil {
		x.Op = "loss"
		return x
	}
	if f.version <= wire.Hixie76 {
		x.Type = "0x" + hex.EncodeToString([]byte{f.typ})
	} else {
		x.RSV = int(f.typ>>4) & 7
	}
	if !payload {
		x.Withheld = f.length > 0
		return x
	}
	x.Cut = int64(len(f.payload)) < f.length
	if f.op == wire.OpClose && f.version.Supports(wire.CapCloseCode) && len(f.payload) >= 2 {
		x.Code, x.Reason = int(f.payload[0])<<8|int(f.payload[1]), string(f.payload[2:])
	}
	text := f.payload
	if x.Cut {
		text = wholeRunes(text)
	}
	isText := f.op == wire.OpText || f.op == wire.OpContinuation || f.op == wire.OpPing || f.op == wire.OpPong
	if x.RSV == 0 && isText && utf8.Valid(text) {
		s := string(text)
		x.Payload = &s
	} else {
		x.Hex = hex.EncodeToString(f.payload)
	}
	return x
}

// wholeRunes cuts off a letter that is not whole at the end.
func wholeRunes(p []byte) []byte {
	for n := 1; n < utf8.UTFMax && n <= len(p); n++ {
		if b := p[len(p)-n]; utf8.RuneStart(b) {
			if !utf8.FullRune(p[len(p)-n:]) {
				return p[:len(p)-n]
			}
			break
		}
	}
	return p
}

// frames answers with the frames of a connection, as they pass, until the reader or the
// connection ends.
func (c *Console) frames(rw http.ResponseWriter, r *http.Request, id string) {
	if !c.isOperator(r) {
		noToken.answer(rw)
		return
	}
	x, ok := c.open(id)
	if !ok {
		gone.answer(rw)
		return
	}
	w, no := c.watchOf(x)
	if no != nil {
		no.answer(rw)
		return
	}
	defer c.leave(w)
	c.follow(rw, r, w, w.end())
}

// follow answers with the frames from number at on.
func (c *Console) follow(rw http.ResponseWriter, r *http.Request, w *watch, at uint64) {
	x := &w.live
	s := newStream(rw, r, c.done)
	defer s.close()
	s.send(map[string]any{"armed": true, "ring": ringFrames, "payload": c.o.Payload()})
	over := x.Conn.Context().Done()
	for s.flush() {
		list, to, lost, news := w.next(at)
		at = to
		for i := range list {
			if i == 0 {
				list[0].missed += lost
			}
			s.send(list[i].line(c.o.Payload()))
		}
		if len(list) > 0 {
			continue
		}
		select {
		case <-over:
			if list, _, _, _ := w.next(at); len(list) == 0 {
				s.send(map[string]any{"ended": true, "why": whyEnded(x, c.o.Payload())})
				s.flush()
				return
			}
		default:
			wait := beat
			if w.waits() {
				wait = pendingLoss
			}
			s.wait(news, over, wait)
		}
	}
}

// whyEnded says how a connection has ended: with the reason of a close, which is what a user says,
// where the reader may see that.
func whyEnded(x *Live, payload bool) string {
	err := context.Cause(x.Conn.Context())
	by := ""
	if x.Session != nil {
		side, why := x.Session.By()
		if side != gateway.NoSide {
			by, err = "The "+string(side)+" has ended it: ", why
		}
	}
	if err == nil {
		return by + "closed"
	}
	if e, ok := errors.AsType[*draftwire.CloseError](err); ok && !payload {
		err = &draftwire.CloseError{Code: e.Code}
	}
	return by + err.Error()
}

// stream is an answer in lines of JSON.
type stream struct {
	to     *http.ResponseController
	w      http.ResponseWriter
	ctx    context.Context
	cancel context.CancelFunc
	failed bool
}

// newStream begins an answer that ends with the request, when done is closed, or behind maxWatch.
func newStream(w http.ResponseWriter, r *http.Request, done <-chan struct{}) *stream {
	s := &stream{to: http.NewResponseController(w), w: w}
	s.ctx, s.cancel = context.WithTimeout(r.Context(), maxWatch)
	go func() {
		select {
		case <-done:
			s.cancel()
		case <-s.ctx.Done():
		}
	}()
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	return s
}

func (s *stream) close() { s.cancel() }

// send writes a line.
func (s *stream) send(x any) {
	if !s.failed {
		s.failed = json.NewEncoder(s.w).Encode(x) != nil
	}
}

// flush sends what was written, and reports whether the answer goes on.
func (s *stream) flush() bool {
	s.failed = s.failed || s.to.Flush() != nil
	return !s.failed && s.ctx.Err() == nil
}

// wait waits for news, for a moment longer so that more may come, or for the end. Where nothing
// comes for that long, an empty line shows that the answer goes on.
func (s *stream) wait(news, over <-chan struct{}, long time.Duration) {
	t := time.NewTimer(long)
	defer t.Stop()
	select {
	case <-news:
	case <-over:
		return
	case <-s.ctx.Done():
		return
	case <-t.C:
		if long == beat {
			_, err := s.w.Write([]byte("\n"))
			s.failed = s.failed || err != nil
		}
		return
	}
	t.Reset(gather)
	select {
	case <-t.C:
	case <-s.ctx.Done():
	}
}
