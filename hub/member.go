package hub

import (
	"context"
	"unicode/utf8"

	"github.com/draftwire/draftwire"
)

// member is a connection in a room. Its fields are of the room's lock.
type member struct {
	c    *draftwire.Conn
	room *room
	text bool // its version has no binary messages
	gone bool
	// seq is, of one that is behind, the last message that it has got or missed. One that is not has
	// got what the room has.
	seq    uint64
	behind bool
	// missed and unsaid are how many messages it was not sent, and not told of yet (Options.Missed and Unsupported); unsure
	// tells that nobody knows how many.
	missed, unsaid uint64
	unsure         bool
}

// maxAhead is how many messages a member may have had, in another hub, that this hub has not sent yet.
const maxAhead = 4 * queueMessages

// historyPart is how many messages of the history are asked for at a time.
const historyPart = 100

// begin sends a new member what it has to get of the history, and lets it into the room.
func (m *member) begin(ctx context.Context, o JoinOptions) (j Joined, err error) {
	r := m.room
	at, err := r.subscribe(ctx)
	if err != nil {
		return j, err
	}
	// Where the member is: behind the last message that it has had.
	after := o.After
	if after != (Position{}) && (after.Epoch != at.Epoch || after.Seq > at.Seq+maxAhead) {
		after, j.Unknown = Position{}, true
	}
	if after == (Position{}) {
		after = at
		if o.Last > 0 {
			after.Seq -= min(after.Seq, uint64(o.Last))
		}
	}
	known := o.After != (Position{}) && !j.Unknown
	begins := func() {
		if o.Begins != nil {
			o.Begins(after)
		}
	}
	begins()
	for {
		at, ok, err := r.enter(m, after)
		if ok || err != nil {
			j.Position = at
			return j, err
		}
		if at.Epoch != after.Epoch { // the broker has begun anew meanwhile
			after, known = at, false
			j.Unknown = true
			begins()
			continue
		}
		part, err := r.h.o.Broker.History(ctx, r.name, after, historyPart)
		if err != nil {
			return j, err
		}
		from := after.Seq
		for _, x := range part {
			if x.Epoch != after.Epoch || x.Seq <= after.Seq || !x.canBeSaid() {
				continue
			}
			if known {
				j.Missed += x.Seq - after.Seq - 1
			} else if x.Seq > after.Seq+1 {
				after.Seq = x.Seq - 1
				begins()
			}
			if r.hasLeft(m) {
				return j, ErrClosed
			}
			sent, err := m.write(ctx, &x)
			if err != nil {
				return j, err
			}
			if sent {
				j.Sent++
			}
			after = x.Position
		}
		if after.Seq == from { // the broker keeps none of these
			after.Seq = at.Seq
			if known {
				j.Missed += at.Seq - from
			} else {
				begins()
			}
		}
	}
}

// canBeSaid reports whether a message is one: another program may have published text that is not UTF-8, which no member can
// be sent.
func (x *Message) canBeSaid() bool {
	return x.Op == draftwire.OpBinary || x.Op == draftwire.OpText && utf8.Valid(x.Data)
}

// write writes a message of the history, as far as the member's version can say it.
func (m *member) write(ctx context.Context, x *Message) (sent bool, err error) {
	op, data := x.Op, x.Data
	if m.text && op == draftwire.OpBinary {
		if m.room.h.o.AsText == nil {
			m.room.unsupported(m, 1)
			return false, nil
		}
		op, data = draftwire.OpText, m.room.h.o.AsText(data)
	}
	if err := m.c.Write(ctx, op, data); err != nil {
		return false, err
	}
	m.room.h.counts.delivered.Add(1)
	return true, nil
}
