package gateway

import (
	"errors"
	"slices"
	"sync/atomic"

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

// other returns the backend's side for the client's, and the client's for the backend's.
func (s Side) other() Side {
	if s == ClientSide {
		return BackendSide
	}
	return ClientSide
}

// relay is what is between a client and a backend: the translation of what one says into what the
// other one hears. It does no I/O, waits for nothing and knows no clock. What comes is given to its
// two directions (pass, end), and they call the receivers. Who reads the sides, and waits, is a driver:
// pump, with two goroutines, or onLoop, where a loop reads both sides.
//
// A close travels like a message: it goes to the other side behind all that was said before
// it, that side's own close is the answer to it, and what that side says before it answers
// still arrives. Where a side ends without a close, the other one is closed at once.
type relay struct {
	client, backend receiver
	policy          *Policy
	binary          *encoding // nil where binary messages are rejected or dropped
	counter         counter
	mirror          *mirrored               // is told what both sides say; nil: nobody is
	outcome         atomic.Pointer[outcome] // nil while both sides are open
	holding         [2]atomic.Bool          // see holds
	back            bool                    // text is decoded to binary on its way to a peer that has binary messages
	textOnly        bool                    // the client sends and gets only text, whatever its version has
}

// counter is told what a relay passes on.
type counter interface {
	// count counts messages of n bytes each.
	count(from Side, op draftwire.Op, n, times int)
	// countLoss counts a loss of what a side has sent.
	countLoss(from Side, l Loss)
}

// receiver is a side of a relay, as far as it is told something.
type receiver interface {
	// write passes a part on. hold tells that another part is about to follow, so that
	// this one may wait for it.
	write(p draftwire.Part, hold bool) error
	// flush sends what write has held back.
	flush() error
	// lagging reports whether the receiver has not taken what was written, where write does not
	// wait for that: its sender is not read until it has.
	lagging() bool
	// cannotClose reports whether the peer cannot be sent a close now: it is a hixie
	// peer, and the beginning of a text message was sent to it.
	cannotClose() bool
	// closeWrite says a close with a code and a reason, as far as the version has them, or
	// answers the peer's. What the peer says before its own close can still be read, within
	// the close timeout.
	closeWrite(code draftwire.CloseCode, reason string) error
	// close is closeWrite where nobody gets any more what the peer says.
	close(code draftwire.CloseCode, reason string) error
	// cut ends the connection at once.
	cut()
	// version is Unknown for a stream.
	version() draftwire.Version
}

// outcome says how a relayed connection ended.
type outcome struct {
	by  Side
	err error // the close that the side sent, or what failed
}

// decide sets the outcome. The first call does, and returns true.
func (r *relay) decide(by Side, err error) bool {
	o := &outcome{by, err}
	first := r.outcome.CompareAndSwap(nil, o)
	if first && r.mirror != nil {
		r.mirror.ending(o)
	}
	return first
}

// holds reports, and lets the driver set, whether there is a part of a side that the other
// side has not taken yet. That side is not read meanwhile.
func (r *relay) holds(side Side) *atomic.Bool {
	if side == ClientSide {
		return &r.holding[0]
	}
	return &r.holding[1]
}

// hasNoBinary reports whether a peer gets binary messages as text.
func (r *relay) hasNoBinary(p receiver) bool {
	v := p.version()
	return v != draftwire.Unknown && !v.Supports(draftwire.CapBinary) || r.textOnly && p == r.client
}

// direction is one of a relay's two: from the client to the backend, or back.
type direction struct {
	r           *relay
	fromBackend bool
	message     message
	rest        *rest // nil where there is none
}

// rest is what a direction keeps of a message between two of its parts.
type rest struct {
	gathered *pool.Buf // the message so far, while its parts are gathered
	partial  []byte    // the end of the last part, too short to be encoded or decoded
}

// sender is the side from which the direction leads.
func (d *direction) sender() Side {
	if d.fromBackend {
		return BackendSide
	}
	return ClientSide
}

// from is the sender, which only hears how its direction ends.
func (d *direction) from() receiver { return d.r.side(d.sender()) }

// to is the receiver.
func (d *direction) to() receiver { return d.r.side(d.sender().other()) }

// side returns a side.
func (r *relay) side(s Side) receiver {
	if s == ClientSide {
		return r.client
	}
	return r.backend
}

// needRest returns d.rest, and makes it where there is none.
func (d *direction) needRest() *rest {
	if d.rest == nil {
		d.rest = new(rest)
	}
	return d.rest
}

// message is the message of which parts are on the way.
type message struct {
	op     draftwire.Op // as the receiver gets it
	how    handling
	joined bool // LossFragmentsJoined was counted
	moved  bool // LossFragmentsMoved was counted
	size   int  // of the parts so far
}

// handling is what is done with a message.
type handling uint8

const (
	asIs handling = iota
	encode
	decode
	drop
)

// refusal is the error of a message that cannot be passed on. It closes the sender.
type refusal struct {
	code   draftwire.CloseCode
	reason string
}

func (e *refusal) Error() string { return "gateway: " + e.reason }

// stop ends the direction behind an error of pass or flush. What is refused closes both sides.
// Otherwise the receiver is gone, of which stop returns the error, and whoever reads the receiver
// learns why: the sender is read on, and what it sends is discarded.
func (d *direction) stop(err error, do together) (gone error) {
	d.free()
	if errors.Is(err, draftwire.ErrUnsupported) || errors.Is(err, draftwire.ErrInvalidText) {
		// This cannot happen, but without a close half a session would stay open.
		err = &refusal{draftwire.CodeInvalidData, err.Error()}
	}
	no, refused := errors.AsType[*refusal](err)
	switch {
	case !refused:
		return err
	case d.r.decide(GatewaySide, err):
		d.refuse(no, do)
	}
	return nil
}

// free gives back what the direction has gathered.
func (d *direction) free() {
	if d.rest != nil {
		pool.Put(d.rest.gathered)
		d.rest.gathered = nil
	}
}

// end passes on that the sender has ended, as err says.
func (d *direction) end(err error) {
	d.free()
	first := d.r.decide(blame(d.sender(), err), err)
	ce := closeOf(err)
	switch asked := d.asked(); {
	case first && ce != nil:
		d.to().closeWrite(d.passClose(ce))
	case first && errors.Is(err, draftwire.ErrClosed): // the gateway has closed the sender
		d.to().close(draftwire.CodeGoingAway, "")
	case first:
		d.r.closeLost(d.to(), d.sender(), err)
	case asked == nil: // nobody waits for an answer
	case ce == nil: // nor does one come any more
		d.to().closeWrite(echo(asked))
	default:
		d.to().closeWrite(d.answer(asked, ce))
	}
}

// closeOf returns the close that err, of a read, says the peer has sent; nil where it has
// sent none.
func closeOf(err error) *draftwire.CloseError {
	ce, ok := errors.AsType[*draftwire.CloseError](err)
	if !ok || ce.Code == draftwire.CodeAbnormal || errors.Is(err, draftwire.ErrClosed) {
		return nil
	}
	return ce
}

// asked returns the close of the receiver that waits for the sender's, nil where it has not
// closed first.
func (d *direction) asked() *draftwire.CloseError {
	if o := d.r.outcome.Load(); o.by == d.sender().other() {
		return closeOf(o.err)
	}
	return nil
}

// refuse closes both sides: the sender for what it sent, the receiver as the sender is
// gone for it.
func (d *direction) refuse(no *refusal, do together) {
	code, _ := closeOfLost(d.sender(), nil)
	do(func() { d.from().close(no.code, no.reason) }, func() { d.to().close(code, no.reason) })
}

// together makes two calls neither of which has to wait for the other's end.
type together func(f, g func())

// maxDiscarded is how many bytes of a sender are read and discarded after its receiver has
// ended.
const maxDiscarded = 16 << 20

// blame names the side that ended a connection, where a read from or a write to side gave
// err.
func blame(side Side, err error) Side {
	if errors.Is(err, draftwire.ErrClosed) {
		return GatewaySide
	}
	return side
}

// pass passes a part of a message on, or does with it what the policy says. more tells
// that another part is about to follow.
func (d *direction) pass(p draftwire.Part, more bool) error {
	if d.r.mirror != nil {
		d.r.mirror.part(d.fromBackend, p)
	}
	if p.First {
		if err := d.begin(p.Op); err != nil {
			return err
		}
	}
	d.message.size += len(p.Data)
	if p.Last {
		d.r.counter.count(d.sender(), p.Op, d.message.size, 1)
	}
	if p.Last && p.Repaired {
		if err := d.lose(LossTextRepaired); err != nil {
			return err
		}
	}
	if d.message.how == drop {
		return nil
	}
	if err := d.compareFrames(p); err != nil {
		return err
	}
	if d.r.policy.Fragments == "gather" && !(p.First && p.Last) {
		if p = d.gather(p); !p.Last {
			return nil
		}
		defer d.free()
	}
	if d.message.how != asIs {
		return d.convert(p, more)
	}
	return d.to().write(p, more)
}

// begin decides what is done with a message.
func (d *direction) begin(op draftwire.Op) error {
	d.message = message{op: op}
	switch {
	case d.to().version() == draftwire.Unknown:
		if err := d.lose(LossBoundaries); err != nil {
			return err
		}
	case op == draftwire.OpBinary && d.r.hasNoBinary(d.to()):
		return d.beginBinary()
	}
	if op == draftwire.OpText && d.r.back && d.r.binary != nil && d.r.hasNoBinary(d.from()) && !d.r.hasNoBinary(d.to()) {
		d.message.how, d.message.op = decode, draftwire.OpBinary
		return d.lose(LossTextDecoded)
	}
	return nil
}

// beginBinary decides what is done with a binary message for a peer that has none.
func (d *direction) beginBinary() error {
	switch {
	case d.r.binary != nil:
		d.message.how, d.message.op = encode, draftwire.OpText
		return d.lose(LossBinaryEncoded)
	case d.r.policy.Binary == "drop":
		d.message.how = drop
		return d.lose(LossBinaryDropped)
	}
	d.r.counter.countLoss(d.sender(), LossBinaryRejected)
	return &refusal{draftwire.CodeUnsupported, "no binary messages on " + d.to().version().String()}
}

// lose counts a loss of the message. Its error is the refusal of the message, where the
// policy makes the loss fatal.
func (d *direction) lose(l Loss) error {
	d.r.counter.countLoss(d.sender(), l)
	if slices.Contains(d.r.policy.Fatal, l) {
		return &refusal{draftwire.CodeUnsupported, string(l)}
	}
	return nil
}

// compareFrames counts a loss where the frames that the receiver gets are not those of the
// sender.
func (d *direction) compareFrames(p draftwire.Part) error {
	fragments := d.to().version().Supports(draftwire.CapFragments) && d.r.policy.Fragments != "gather"
	switch {
	case d.to().version() == draftwire.Unknown: // LossBoundaries says it
	case p.FrameEnd && !p.Last && !fragments && !d.message.joined:
		d.message.joined = true
		return d.lose(LossFragmentsJoined)
	case fragments && !d.message.moved && !p.FrameEnd:
		d.message.moved = true
		return d.lose(LossFragmentsMoved)
	}
	return nil
}

// gather adds a part to the message, and returns all of it so far as one part. The read
// limit of the sender's connection bounds it.
func (d *direction) gather(p draftwire.Part) draftwire.Part {
	x := d.needRest()
	if x.gathered == nil {
		x.gathered = pool.Get(2 * len(p.Data))
	}
	x.gathered.B = append(x.gathered.B, p.Data...)
	return draftwire.Part{Op: p.Op, Data: x.gathered.B, First: true, Last: p.Last, FrameEnd: true}
}

// convert encodes or decodes a part and passes it on. Bytes at its end that are too few
// to be converted wait for the next part.
func (d *direction) convert(p draftwire.Part, more bool) error {
	in, x := p.Data, d.needRest()
	if len(x.partial) > 0 {
		b := pool.Get(len(x.partial) + len(in))
		defer pool.Put(b)
		b.B = append(append(b.B, x.partial...), in...)
		in = b.B
	}
	out := pool.Get(2*len(in) + 4)
	defer pool.Put(out)
	var n int
	if d.message.how == encode {
		out.B, n = d.r.binary.encode(out.B, in, p.Last)
	} else {
		var err error
		if out.B, n, err = d.r.binary.decode(out.B, in, p.Last); err != nil {
			return &refusal{draftwire.CodeInvalidData, "the text is not " + d.r.binary.name}
		}
	}
	x.partial = append(x.partial[:0], in[n:]...)
	p.Op, p.Data = d.message.op, out.B
	if len(out.B) == 0 && !p.First && !p.Last {
		return nil
	}
	return d.to().write(p, more)
}

// closeOfLost is the close that one side gets where the other has ended without one. err
// is what broke that other side, if it is known.
func closeOfLost(lost Side, err error) (draftwire.CloseCode, string) {
	why := "connection lost"
	if pe, ok := errors.AsType[*draftwire.ProtocolError](err); ok {
		why = pe.Msg
	}
	if lost == ClientSide {
		return draftwire.CodeGoingAway, "client: " + why
	}
	return draftwire.CodeInternal, "backend: " + why
}

// closeLost closes a side as the other one, lost, has ended without a close; err is what
// broke that one, if it is known.
func (r *relay) closeLost(side receiver, lost Side, err error) {
	if r.policy.Abnormal == "cut" {
		side.cut()
		return
	}
	// A side that gets no close ends as abnormally as the other one: nothing is lost.
	if side.version().Supports(draftwire.CapCloseFrame) && !side.cannotClose() {
		r.counter.countLoss(lost, LossAbnormal)
	}
	side.close(closeOfLost(lost, err))
}

// passClose returns what the receiver is sent for the sender's close, which comes first.
func (d *direction) passClose(ce *draftwire.CloseError) (code draftwire.CloseCode, reason string) {
	if d.to().cannotClose() {
		d.r.counter.countLoss(d.sender(), LossCloseCut)
	}
	return d.translateClose(ce)
}

// answer is the close that answers the receiver's, where ce is the sender's. It is the
// sender's own; where that repeats what the sender was told, or one of the versions has no
// codes, it repeats what it answers.
func (d *direction) answer(asked, ce *draftwire.CloseError) (code draftwire.CloseCode, reason string) {
	switch from, to := d.from().version(), d.to().version(); {
	case !from.Supports(draftwire.CapCloseCode) || !to.Supports(draftwire.CapCloseCode):
		return echo(asked)
	case ce.Code == draftwire.HeardCode(from, asked.Code):
		return asked.Code, ce.Reason
	}
	return d.translateClose(ce)
}

// echo repeats a close: its code or, in versions that have none, its body, as hybi-03 wants
// it.
func echo(asked *draftwire.CloseError) (code draftwire.CloseCode, reason string) {
	if asked.Code == draftwire.CodeNoStatus {
		return draftwire.CodeNoStatus, asked.Reason
	}
	return asked.Code, ""
}

// translateClose returns what the receiver is sent for the sender's close, and counts what
// of it the receiver does not get.
func (d *direction) translateClose(ce *draftwire.CloseError) (code draftwire.CloseCode, reason string) {
	from, to := d.from().version(), d.to().version()
	if ce.Code == draftwire.CodeNoStatus {
		if ce.Reason != "" {
			d.r.counter.countLoss(d.sender(), LossCloseReason)
		}
		if !from.Supports(draftwire.CapCloseCode) && to.Supports(draftwire.CapCloseCode) && d.r.policy.CloseWithoutCode == "normal" {
			d.r.counter.countLoss(d.sender(), LossCloseCodeAdded)
			return draftwire.CodeNormal, ""
		}
		return draftwire.CodeNoStatus, ""
	}
	switch draftwire.HeardCode(to, ce.Code) {
	case ce.Code:
	case draftwire.CodeNoStatus:
		d.r.counter.countLoss(d.sender(), LossCloseCode)
	default:
		d.r.counter.countLoss(d.sender(), LossCloseCodeChanged)
	}
	return ce.Code, ce.Reason
}
