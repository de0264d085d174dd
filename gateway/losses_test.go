package gateway_test

import (
	"context"
	"errors"
	"maps"
	"net"
	"testing"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
)

// A lossCase is a connection through the gateway on which a loss occurs.
type lossCase struct {
	loss        gateway.Loss
	front, back draftwire.Version // Unknown: a tcp backend
	policy      gateway.Policy
	act         func(x *pair) // causes the loss
	fine        func(x *pair) // is similar and loses nothing
	closes      bool          // if the loss is fatal, the connection closes before act's message arrives
}

// pair is both ends of a connection through the gateway. With a tcp backend, back is nil and
// stream is the connection that it has accepted.
type pair struct {
	t           *testing.T
	front, back *player
	stream      net.Conn
}

func (x *pair) do(err error) {
	x.t.Helper()
	if err != nil {
		x.t.Error(err)
	}
}

const (
	text   = draftwire.OpText
	binary = draftwire.OpBinary
)

func utters(op draftwire.Op, s string) func(x *pair) {
	return func(x *pair) { x.do(x.front.c.Write(bg, op, []byte(s))) }
}

func streamSays(s string) func(x *pair) {
	return func(x *pair) {
		_, err := x.stream.Write([]byte(s))
		x.do(err)
	}
}

func closes(code draftwire.CloseCode, reason string) func(x *pair) {
	return func(x *pair) { x.do(x.front.c.Close(code, reason)) }
}

func leaves(x *pair) { x.do(x.front.c.CloseNow()) }

// sayPieces sends a message in frames. Where that is not allowed, the connection may be closed
// before the second one is sent.
func sayPieces(x *pair) {
	err := x.front.send(step{op: text, kind: "ascii", size: 100, pieces: 2})
	if _, closed := errors.AsType[*draftwire.CloseError](err); !closed && !errors.Is(err, draftwire.ErrClosed) {
		x.do(err)
	}
}

// begin sends the beginning of a message and then does then.
func begin(then func(x *pair)) func(x *pair) {
	return func(x *pair) {
		w, err := x.front.c.Writer(bg, text)
		x.do(err)
		_, err = w.Write([]byte("abc"))
		x.do(err)
		rest()
		then(x)
	}
}

var lossCases = []lossCase{
	{loss: gateway.LossBinaryRejected, front: draftwire.RFC6455, back: draftwire.Hixie76, act: utters(binary, "b"), fine: utters(text, "t"), closes: true},
	{loss: gateway.LossBinaryEncoded, front: draftwire.RFC6455, back: draftwire.Hixie76, policy: gateway.Policy{Binary: "hex"},
		act: utters(binary, "b"), fine: utters(text, "t"), closes: true},
	{loss: gateway.LossBinaryDropped, front: draftwire.RFC6455, back: draftwire.Hixie75, policy: gateway.Policy{Binary: "drop"},
		act: utters(binary, "b"), fine: utters(text, "t"), closes: true},
	{loss: gateway.LossTextDecoded, front: draftwire.Hixie76, back: draftwire.RFC6455, policy: gateway.Policy{Binary: "hex", BinaryBack: true},
		act: utters(text, "42"), closes: true},
	{loss: gateway.LossTextRepaired, front: draftwire.RFC6455, back: draftwire.Unknown, policy: gateway.Policy{RawText: true},
		act: streamSays("a\xff"), fine: streamSays("é"), closes: true},
	{loss: gateway.LossFragmentsJoined, front: draftwire.RFC6455, back: draftwire.Hixie76, act: sayPieces, fine: utters(text, "t"), closes: true},
	{loss: gateway.LossFragmentsJoined, front: draftwire.RFC6455, back: draftwire.Hybi08, policy: gateway.Policy{Fragments: "gather"},
		act: sayPieces, fine: utters(text, "t"), closes: true},
	{loss: gateway.LossFragmentsMoved, front: draftwire.Hixie76, back: draftwire.Hybi08, act: sayHalf, fine: utters(text, "t"), closes: true},
	{loss: gateway.LossBoundaries, front: draftwire.RFC6455, back: draftwire.Unknown, act: utters(text, "t"), fine: streamSays("t"), closes: true},
	{loss: gateway.LossCloseCode, front: draftwire.RFC6455, back: draftwire.Hybi05, act: closes(1000, ""), fine: closes(draftwire.CodeNoStatus, "")},
	{loss: gateway.LossCloseCode, front: draftwire.RFC6455, back: draftwire.Unknown, act: closes(1000, ""), fine: closes(draftwire.CodeNoStatus, "")},
	{loss: gateway.LossCloseCodeChanged, front: draftwire.RFC6455, back: draftwire.Hybi08, act: closes(1011, "x"), fine: closes(1009, "x")},
	{loss: gateway.LossCloseReason, front: draftwire.Hybi02, back: draftwire.Hybi02, act: closes(draftwire.CodeNoStatus, "x"), fine: closes(draftwire.CodeNoStatus, "")},
	{loss: gateway.LossCloseCodeAdded, front: draftwire.Hybi04, back: draftwire.RFC6455, act: closes(draftwire.CodeNoStatus, "")},
	{loss: gateway.LossCloseCodeAdded, front: draftwire.RFC6455, back: draftwire.Unknown, act: func(x *pair) { x.do(x.stream.Close()) }},
	{loss: gateway.LossCloseCut, front: draftwire.Hybi05, back: draftwire.Hixie76, act: begin(closes(draftwire.CodeNoStatus, "")), fine: closes(draftwire.CodeNoStatus, "")},
	{loss: gateway.LossAbnormal, front: draftwire.RFC6455, back: draftwire.RFC6455, act: leaves, fine: closes(1000, "")},
	{loss: gateway.LossAbnormal, front: draftwire.RFC6455, back: draftwire.Hixie76, act: leaves, fine: closes(draftwire.CodeNoStatus, "")},
}

// sayHalf sends the beginning of a frame.
func sayHalf(x *pair) { begin(func(*pair) {})(x) }

// connect opens a case's connection.
func (lc *lossCase) connect(w *world, policy gateway.Policy) *pair {
	x := &pair{t: w.t}
	p := &plan{versions: [2]draftwire.Version{lc.front, lc.back}, policy: policy}
	if lc.back != draftwire.Unknown {
		players := p.open(w)
		x.front, x.back = players[0], players[1]
		return x
	}
	streams := w.streams("raw:1")
	w.start(to(policy, "tcp://raw:1"))
	x.front = newPlayer(w.mustClient(lc.front, draftwire.DialOptions{}), "")
	x.stream = <-streams
	return x
}

// lostBy returns what is lost when act is done.
func (lc *lossCase) lostBy(t *testing.T, policy gateway.Policy, act func(x *pair), then func(x *pair)) (lost losses) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		x := lc.connect(w, policy)
		if act != nil {
			act(x)
		}
		rest()
		lost = w.losses()
		if then != nil {
			then(x)
		}
		x.front.c.CloseNow()
		s := <-w.ends
		if got := losses(s.Losses()); !maps.Equal(got, w.losses()) {
			t.Errorf("the session has %v, the hook was told %v", got, w.losses())
		}
	})
	return lost
}

func (p *player) over() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Each row of the table is shown by something that causes the loss and by something similar
// that does not. A fatal loss closes the connection, unless the connection ends with it
// anyway.
func TestLosses(t *testing.T) {
	shown := map[gateway.Loss]bool{
		gateway.LossProtocols: true, // a loss of the handshake, which other tests show
		gateway.LossDiscarded: true, // of a server that is no draftwire: TestDiscardedIsALoss
	}
	for _, lc := range lossCases {
		shown[lc.loss] = true
		t.Run(string(lc.loss)+" "+lc.front.String()+" to "+lc.back.String(), func(t *testing.T) {
			if got := lc.lostBy(t, lc.policy, lc.act, nil); got[lc.loss] != 1 {
				t.Errorf("lost %v", got)
			}
			if got := lc.lostBy(t, lc.policy, lc.fine, nil); got[lc.loss] != 0 {
				t.Errorf("lost %v where nothing is", got)
			}
			fatal := lc.policy
			fatal.Fatal = []gateway.Loss{lc.loss}
			got := lc.lostBy(t, fatal, lc.act, func(x *pair) {
				if !lc.closes {
					return
				}
				if !x.front.over() {
					t.Fatal("it goes on")
				}
				if ce := x.front.heard(); lc.front.Supports(draftwire.CapCloseCode) && (ce.code != draftwire.CodeUnsupported && ce.code != draftwire.CodeInternal || ce.reason == "") {
					t.Errorf("the client heard %v", ce)
				}
				if x.back != nil && len(x.back.come()) > 0 {
					t.Errorf("but the backend got %v", x.back.come())
				}
			})
			if got[lc.loss] != 1 {
				t.Errorf("made fatal: lost %v", got)
			}
		})
	}
	for _, row := range gateway.Losses() {
		if !shown[row.Loss] {
			t.Errorf("%s is not shown", row.Loss)
		}
		if row.From == "" || row.To == "" || row.What == "" {
			t.Errorf("%s is not explained: %+v", row.Loss, row)
		}
		var l gateway.Loss
		if err := l.UnmarshalText([]byte(row.Loss)); err != nil || l != row.Loss {
			t.Errorf("%s is read as %q, %v", row.Loss, l, err)
		}
	}
	var l gateway.Loss
	if err := l.UnmarshalText([]byte("patience")); err == nil {
		t.Error("a loss of no row is taken")
	}
}

// A sender that is refused is told why, and has time to answer.
func TestRefusalWaits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.echo("back:80", draftwire.VersionsOf(draftwire.Hixie75))
		w.start(to(gateway.Policy{}, backURL(draftwire.Hixie75)))
		var below net.Conn
		var seen *tap
		c, _, err := draftwire.Dial(bg, "ws://front/", &draftwire.DialOptions{NetDial: func(ctx context.Context, n, a string) (_ net.Conn, err error) {
			below, err = w.dial(ctx, n, a)
			seen = &tap{Conn: below}
			return seen, err
		}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		if err := c.Write(bg, binary, []byte("b")); err != nil { // the client does not read, so it does not answer the close
			t.Fatal(err)
		}
		rest()
		if _, err := below.Write(nil); err != nil || len(w.ends) > 0 {
			t.Errorf("it was cut at once: %v", err)
		}
		if _, _, err := c.Read(bg); draftwire.CloseStatus(err) != draftwire.CodeUnsupported {
			t.Errorf("heard %v", err)
		}
		<-w.ends
	})
}
