package gateway

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/pool"
)

// Side names one end of a relayed connection.
type Side string

// The sides.
const (
	NoSide      Side = ""
	ClientSide  Side = "client"
	BackendSide Side = "backend"
	GatewaySide Side = "gateway"
)

// other is the opposite of the client's or the backend's side.
func (s Side) other() Side {
	if s == ClientSide {
		return BackendSide
	}
	return ClientSide
}

// relay carries messages between a client and a backend until one of them ends,
// and then ends the other. Each way has a goroutine, which holds one piece of a
// message at a time: where the receiver is slow the sender is not read.
type relay struct {
	client, backend peer
	policy          *Policy
	binary          *encoding // nil where binary is rejected or dropped
	back            bool      // text is read back to binary
	textOnly        bool      // the client says and hears text alone, whatever its version
	count           func(from Side, op draftwire.Op, n int)
	lost            func(Loss)
	by              atomic.Pointer[end]
	busy            [2]atomic.Bool // the client's way, and the backend's, has something in hand
}

// end is how a relayed connection ended.
type end struct {
	by  Side
	err error // what the side said, or what broke
}

// way is one of the two.
type way struct {
	*relay
	side     Side // the sender
	from, to peer
	op       draftwire.Op // of the message under way, as the receiver gets it
	how      handling
	size     int  // of the message, so far
	joined   bool // its frames were found to be joined, or
	moved    bool // to be cut elsewhere
	carry    []byte
	gathered *pool.Buf // the message so far, where it is gathered
}

// handling is what is done with a message.
type handling uint8

const (
	asIs handling = iota
	encode
	decode
	drop
)

// run relays until both sides have ended.
func (r *relay) run() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.carry(&way{relay: r, side: BackendSide, from: r.backend, to: r.client})
	}()
	r.carry(&way{relay: r, side: ClientSide, from: r.client, to: r.backend})
	<-done
	r.client.cut()
	r.backend.cut()
}

// ended notes how the connection ended; the first to do so is right.
func (r *relay) ended(by Side, err error) bool { return r.by.CompareAndSwap(nil, &end{by, err}) }

// refusal closes the sender: what it said cannot be passed on.
type refusal struct {
	code   draftwire.CloseCode
	reason string
}

func (e *refusal) Error() string { return "gateway: " + e.reason }

// carry carries one way, and ends the other side when it is over.
func (r *relay) carry(w *way) {
	readErr, writeErr := w.loop()
	pool.Put(w.gathered)
	if errors.Is(writeErr, draftwire.ErrUnsupported) || errors.Is(writeErr, draftwire.ErrInvalidText) {
		writeErr = &refusal{draftwire.CodeInvalidData, writeErr.Error()} // cannot be, but would leave half a session
	}
	no, refused := errors.AsType[*refusal](writeErr)
	switch {
	case refused:
		if r.ended(GatewaySide, writeErr) {
			var told sync.WaitGroup
			told.Go(func() { w.from.close(no.code, no.reason) })
			code, _ := gone(w.side, nil)
			w.to.close(code, no.reason)
			told.Wait()
		}
	case writeErr != nil:
		r.unheard(w, writeErr)
	case r.ended(blame(w.side, readErr), readErr):
		code, reason := w.farewell(readErr)
		w.to.close(code, reason)
	}
}

// lastWords is how long a side may take for what the other has sent it last, when the
// other is gone.
const lastWords = time.Second

// drainMost is how many bytes are read of a side, for nothing, when the other is gone.
const drainMost = 16 << 20

// unheard ends a way whose receiver is gone: a write that fails ends it. The other way
// reads the receiver, knows why, and ends this sender; but it may be in a write to the
// sender, who waits for us to read. So the sender is read on, for nothing, and where it
// takes nothing all the same it is closed here.
func (r *relay) unheard(w *way, writeErr error) {
	r.inHand(w.side).Store(false)
	receiver := w.side.other()
	note := func() bool { return r.ended(blame(receiver, writeErr), writeErr) }
	var told sync.WaitGroup
	told.Add(1)
	late := time.AfterFunc(lastWords, func() {
		defer told.Done()
		if note() {
			w.from.close(gone(receiver, nil))
		}
	})
	for n, err := 0, error(nil); err == nil; {
		var p draftwire.Part
		if p, err = w.from.read(true); err == nil {
			n += len(p.Data)
		}
		if n > drainMost {
			w.from.cut()
		}
	}
	if late.Stop() {
		told.Done()
	}
	told.Wait()
	note()
}

// blame names who ended a connection whose sender's read gave err.
func blame(side Side, err error) Side {
	if errors.Is(err, draftwire.ErrClosed) {
		return GatewaySide
	}
	return side
}

// loop passes messages on until the sender or the receiver ends.
func (w *way) loop() (readErr, writeErr error) {
	more := false
	for busy := w.inHand(w.side); ; {
		busy.Store(false)
		p, err := w.from.read(!more)
		busy.Store(true)
		if more && err == errWait { // what had come was no whole piece
			more = false
			if err := w.to.flush(); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return err, nil
		}
		more = w.from.buffered()
		if err := w.take(p, more); err != nil {
			return nil, err
		}
		if !more {
			if err := w.to.flush(); err != nil {
				return nil, err
			}
		}
	}
}

// inHand tells whether a side's way has something in hand, for which a slow receiver
// lets it wait: meanwhile the side is not read.
func (r *relay) inHand(side Side) *atomic.Bool {
	if side == ClientSide {
		return &r.busy[0]
	}
	return &r.busy[1]
}

// take takes a piece of a message.
func (w *way) take(p draftwire.Part, more bool) error {
	if p.First {
		if err := w.begin(p.Op); err != nil {
			return err
		}
	}
	w.size += len(p.Data)
	if p.Last {
		w.count(w.side, p.Op, w.size)
	}
	if p.Last && p.Repaired {
		if err := w.lose(LossTextRepaired); err != nil {
			return err
		}
	}
	if w.how == drop {
		return nil
	}
	if err := w.borders(p); err != nil {
		return err
	}
	if w.policy.Fragments == "gather" && !(p.First && p.Last) {
		if p = w.gather(p); !p.Last {
			return nil
		}
		defer func() {
			pool.Put(w.gathered)
			w.gathered = nil
		}()
	}
	if w.how != asIs {
		return w.convert(p, more)
	}
	return w.to.write(p, more)
}

// begin decides what is done with a message.
func (w *way) begin(op draftwire.Op) error {
	w.how, w.size, w.joined, w.moved, w.op = asIs, 0, false, false, op
	switch {
	case w.to.version() == draftwire.Unknown:
		if err := w.lose(LossBorders); err != nil {
			return err
		}
	case op == draftwire.OpBinary && w.saysText(w.to):
		return w.beginBinary()
	}
	if op == draftwire.OpText && w.back && w.binary != nil && w.saysText(w.from) && !w.saysText(w.to) {
		w.how, w.op = decode, draftwire.OpBinary
		return w.lose(LossTextDecoded)
	}
	return nil
}

// saysText reports whether a peer has no binary messages.
func (r *relay) saysText(p peer) bool {
	v := p.version()
	return v != draftwire.Unknown && !v.Supports(draftwire.CapBinary) || r.textOnly && p == r.client
}

// beginBinary decides on binary for a peer that has none.
func (w *way) beginBinary() error {
	switch {
	case w.binary != nil:
		w.how, w.op = encode, draftwire.OpText
		return w.lose(LossBinaryEncoded)
	case w.policy.Binary == "drop":
		w.how = drop
		return w.lose(LossBinaryDropped)
	}
	w.lost(LossBinaryRejected)
	return &refusal{draftwire.CodeUnsupported, "no binary messages on " + w.to.version().String()}
}

// lose counts a loss, and refuses where it is fatal.
func (w *way) lose(l Loss) error {
	w.lost(l)
	if slices.Contains(w.policy.Fatal, l) {
		return &refusal{draftwire.CodeUnsupported, string(l)}
	}
	return nil
}

// borders notes where the frames that the receiver gets are not the sender's.
func (w *way) borders(p draftwire.Part) error {
	fragments := w.to.version().Supports(draftwire.CapFragments) && w.policy.Fragments != "gather"
	switch {
	case w.to.version() == draftwire.Unknown: // LossBorders says it
	case p.FrameEnd && !p.Last && !fragments && !w.joined:
		w.joined = true
		return w.lose(LossFragmentsJoined)
	case fragments && !w.moved && !p.FrameEnd:
		w.moved = true
		return w.lose(LossFragmentsMoved)
	}
	return nil
}

// gather adds a piece to the message; Last with the whole of it when that is
// there. How much that may be the sender's connection bounds.
func (w *way) gather(p draftwire.Part) draftwire.Part {
	if w.gathered == nil {
		w.gathered = pool.Get(2 * len(p.Data))
	}
	w.gathered.B = append(w.gathered.B, p.Data...)
	return draftwire.Part{Op: p.Op, Data: w.gathered.B, First: true, Last: p.Last, FrameEnd: true}
}

// convert passes a piece of a message on in another form. What makes no whole
// unit of it is carried over to the next piece.
func (w *way) convert(p draftwire.Part, more bool) error {
	in := p.Data
	if len(w.carry) > 0 {
		b := pool.Get(len(w.carry) + len(in))
		defer pool.Put(b)
		b.B = append(append(b.B, w.carry...), in...)
		in = b.B
	}
	out := pool.Get(2*len(in) + 4)
	defer pool.Put(out)
	var n int
	if w.how == encode {
		out.B, n = w.binary.encode(out.B, in, p.Last)
	} else {
		var err error
		if out.B, n, err = w.binary.decode(out.B, in, p.Last); err != nil {
			return &refusal{draftwire.CodeInvalidData, "the text is not " + w.binary.name}
		}
	}
	w.carry = append(w.carry[:0], in[n:]...)
	p.Op, p.Data = w.op, out.B
	if len(out.B) == 0 && !p.First && !p.Last {
		return nil
	}
	return w.to.write(p, more)
}

// gone is what the other side is told of a side that is gone without a close.
func gone(side Side, err error) (draftwire.CloseCode, string) {
	why := "connection lost"
	if pe, ok := errors.AsType[*draftwire.ProtocolError](err); ok {
		why = pe.Msg
	}
	if side == ClientSide {
		return draftwire.CodeGoingAway, "client: " + why
	}
	return draftwire.CodeInternal, "backend: " + why
}

// farewell says how the receiver's connection is to be closed, by how the
// sender's ended.
func (w *way) farewell(err error) (code draftwire.CloseCode, reason string) {
	ce, closed := errors.AsType[*draftwire.CloseError](err)
	switch {
	case errors.Is(err, draftwire.ErrClosed): // by the gateway
		return draftwire.CodeGoingAway, ""
	case !closed || ce.Code == draftwire.CodeAbnormal:
		if w.to.version().Supports(draftwire.CapCloseFrame) && !w.to.deaf() { // else it ends like the sender
			w.lost(LossAbnormal)
		}
		return gone(w.side, err)
	}
	if w.to.deaf() {
		w.lost(LossCloseCut)
	}
	return w.pass(ce)
}

// pass says what the receiver hears of the sender's close.
func (w *way) pass(ce *draftwire.CloseError) (code draftwire.CloseCode, reason string) {
	from, to := w.from.version(), w.to.version()
	if code = ce.Code; code == draftwire.CodeNoStatus {
		if ce.Reason != "" {
			w.lost(LossCloseReason)
		}
		if !from.Supports(draftwire.CapCloseCode) && to.Supports(draftwire.CapCloseCode) && w.policy.CloseWithoutCode == "normal" {
			w.lost(LossCloseCodeAdded)
			code = draftwire.CodeNormal
		}
		return code, ""
	}
	switch draftwire.HeardCode(to, code) {
	case code:
	case draftwire.CodeNoStatus:
		w.lost(LossCloseCode)
	default:
		w.lost(LossCloseCodeChanged)
	}
	return code, ce.Reason
}
