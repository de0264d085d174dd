package gateway

import (
	"errors"

	"github.com/draftwire/draftwire"
)

// Receiver is a side of a Value: a receiver, with names that package gateway_test can have.
type Receiver interface {
	Write(p draftwire.Part) error
	Lagging() bool
	CannotClose() bool
	CloseWrite(code draftwire.CloseCode, reason string)
	Close(code draftwire.CloseCode, reason string)
	Cut()
	Version() draftwire.Version
}

// told is a Receiver as the relay tells it something.
type told struct{ to Receiver }

func (t told) write(p draftwire.Part, _ bool) error { return t.to.Write(p) }
func (t told) flush() error                         { return nil }
func (t told) lagging() bool                        { return t.to.Lagging() }
func (t told) cannotClose() bool                    { return t.to.CannotClose() }
func (t told) cut()                                 { t.to.Cut() }
func (t told) version() draftwire.Version           { return t.to.Version() }

func (t told) closeWrite(code draftwire.CloseCode, reason string) error {
	t.to.CloseWrite(code, reason)
	return nil
}

func (t told) close(code draftwire.CloseCode, reason string) error {
	t.to.Close(code, reason)
	return nil
}

// Value is a relay without a driver: no socket, no goroutine, no gateway. It is for one goroutine.
type Value struct {
	Lost map[Loss]int
	r    relay
	ways [2]valueWay
}

type valueWay struct {
	direction
	over bool
	gone error
}

func (v *Value) count(Side, draftwire.Op, int, int) {}
func (v *Value) countLoss(_ Side, l Loss)           { v.Lost[l]++ }

// NewValue returns a relay between two sides.
func NewValue(p *Policy, client, backend Receiver) *Value {
	v := &Value{Lost: make(map[Loss]int)}
	v.r.client, v.r.backend = told{client}, told{backend}
	v.r.policy, v.r.binary, v.r.back, v.r.counter = p, encodingOf(p.Binary), p.BinaryBack, v
	v.ways[0].direction = direction{r: &v.r}
	v.ways[1].direction = direction{r: &v.r, fromBackend: true}
	return v
}

// Part passes a part on of what a side, 0 for the client's, sends. lags says that the receiver
// lags.
func (v *Value) Part(side int, p draftwire.Part, more bool) (lags bool) {
	w := &v.ways[side]
	if w.over {
		return false
	}
	if err := w.pass(p, more); err != nil {
		w.over = true
		w.gone = w.stop(err, inTurn)
		return false
	}
	return w.to().lagging()
}

// End tells how a side has ended.
func (v *Value) End(side int, err error) {
	w := &v.ways[side]
	w.over = true
	if w.gone != nil {
		v.r.decide(blame(w.sender().other(), w.gone), w.gone)
		return
	}
	w.end(err)
}

// By returns who has ended it.
func (v *Value) By() Side {
	if o := v.r.outcome.Load(); o != nil {
		return o.by
	}
	return NoSide
}

// Waste returns an error where a direction still holds something of a message.
func (v *Value) Waste() error {
	for i := range v.ways {
		if x := v.ways[i].rest; x != nil && x.gathered != nil {
			return errors.New("a message is still gathered")
		}
	}
	return nil
}
