package gateway

import (
	"sync"
	"time"

	"github.com/draftwire/draftwire"
)

// pump is the driver of a relay that has goroutines: TLS to the backend, streams, and systems without loops. Each
// direction has one, which holds one part of a message at a time: while the receiver is slow, the
// sender is not read.
type pump struct {
	*relay
	client, backend peer
}

// run relays until both sides have ended.
func (p *pump) run() {
	var both sync.WaitGroup
	both.Go((&pumped{direction{r: p.relay, fromBackend: true}, p.backend}).run)
	(&pumped{direction{r: p.relay}, p.client}).run()
	both.Wait()
	p.client.cut()
	p.backend.cut()
}

// pumped is a direction with its goroutine, which reads the sender.
type pumped struct {
	direction
	source peer
}

// run passes messages on until the sender ends, or the receiver does, and sees to it that
// the other one ends too.
func (d *pumped) run() {
	readErr, writeErr := d.forward()
	if writeErr == nil {
		d.end(readErr)
	} else if gone := d.stop(writeErr, atOnce); gone != nil {
		d.endUnheard(gone)
	}
}

// forward passes messages on until the sender ends, with readErr, or the receiver does,
// with writeErr.
func (d *pumped) forward() (readErr, writeErr error) {
	holds := d.r.holds(d.sender())
	for more := false; ; {
		holds.Store(false)
		p, ok, err := d.next(more)
		holds.Store(true)
		switch {
		case err != nil:
			return err, nil
		case ok:
			more = d.source.buffered()
			if err := d.pass(p, more); err != nil {
				return nil, err
			}
		default:
			more = false // what has come is no whole part
		}
		if !more {
			if err := d.to().flush(); err != nil {
				return nil, err
			}
		}
	}
}

// next reads the next part. Where more bytes have come than were read, it does not wait:
// ok is false if they are no whole part, so that the receiver gets what it was sent before.
func (d *pumped) next(more bool) (p draftwire.Part, ok bool, err error) {
	if more {
		return d.source.tryRead()
	}
	p, err = d.source.read()
	return p, err == nil, err
}

// atOnce is together for calls that wait.
func atOnce(f, g func()) {
	var both sync.WaitGroup
	both.Go(f)
	g()
	both.Wait()
}

// lastWriteTime is how long a side may take to accept what the other one has sent before it
// ended.
const lastWriteTime = time.Second

// endUnheard ends a direction whose receiver is gone, as a failed write has shown. The
// goroutine of the other direction reads that receiver, learns why it is gone, and closes
// this sender. But it may be blocked in a write to the sender, which accepts nothing until
// we read it. So the sender is read on and what it sends is discarded; where it accepts
// nothing all the same, it is closed here.
func (d *pumped) endUnheard(writeErr error) {
	d.r.holds(d.sender()).Store(false)
	receiver := d.sender().other()
	decide := func() bool { return d.r.decide(blame(receiver, writeErr), writeErr) }
	var closing sync.WaitGroup
	closing.Add(1)
	timer := time.AfterFunc(lastWriteTime, func() {
		defer closing.Done()
		if decide() {
			d.r.closeLost(d.source, receiver, nil)
		}
	})
	for n, err := 0, error(nil); err == nil; {
		var p draftwire.Part
		if p, err = d.source.read(); err == nil {
			n += len(p.Data)
		}
		if n > maxDiscarded {
			d.source.cut()
		}
	}
	if timer.Stop() {
		closing.Done()
	}
	closing.Wait()
	decide()
}
