package compare

import (
	"time"
)

// Verdict is what was found about a message of one side, or a pair of both.
type Verdict uint8

// The verdicts.
const (
	Equal       Verdict = iota
	Different           // each side has said something else
	Missing             // only the side that is compared with has said it
	More                // only the side that is compared has said it
	NotCompared         // it could not be found out

	Verdicts // their number
)

var verdictNames = [Verdicts]string{"equal", "different", "missing", "more", "not compared"}

// String returns a word for the verdict.
func (v Verdict) String() string {
	if v < Verdicts {
		return verdictNames[v]
	}
	return "unknown"
}

// LookAhead is how many messages in a row may be missing, or be too many, before one by which both
// sides are recognised to say the same again.
const LookAhead = 8

// Pairs compares what two sides say at the same time, in order: what is wanted, by the side that
// is compared with, and what is got. Each may be ahead of the other. The zero value tells nobody and
// waits for nothing.
type Pairs struct {
	// Wait is how long a message may be without its counterpart.
	Wait time.Duration
	// Tell is called with each verdict: want is nil for More, got for Missing, and one of them may be
	// for NotCompared. They are valid until it returns.
	Tell func(v Verdict, want, got *Message)

	want, got []Message
}

// Waiting returns how many messages of both sides wait for their counterparts.
func (p *Pairs) Waiting() (want, got int) { return len(p.want), len(p.got) }

// Want takes a message of the side that is compared with.
func (p *Pairs) Want(m Message) {
	p.want = append(p.want, m)
	p.match()
}

// Got takes a message of the side that is compared.
func (p *Pairs) Got(m Message) {
	p.got = append(p.got, m)
	p.match()
}

// match takes all pairs from the front that are the same, and what stands before them.
func (p *Pairs) match() {
	for len(p.want) > 0 && len(p.got) > 0 {
		i, j, ok := p.nearest()
		switch {
		case ok:
			p.settle(i, j)
			p.tell(Equal, &p.want[0], &p.got[0])
			p.drop(1, 1)
		case len(p.want) >= LookAhead && len(p.got) >= LookAhead:
			p.settle(1, 1)
		default:
			return
		}
	}
}

// nearest returns the first messages of both sides that are the same: those with the fewest before
// them.
func (p *Pairs) nearest() (i, j int, ok bool) {
	n, m := min(len(p.want), LookAhead), min(len(p.got), LookAhead)
	for sum := range n + m - 1 {
		for i := max(0, sum-m+1); i <= min(sum, n-1); i++ {
			if p.want[i].same(&p.got[sum-i]) {
				return i, sum - i, true
			}
		}
	}
	return 0, 0, false
}

// settle gives verdicts on the first i and j messages, none of which is the same as another one.
func (p *Pairs) settle(i, j int) {
	for k := range max(i, j) {
		switch {
		case k >= j:
			p.tell(Missing, &p.want[k], nil)
		case k >= i:
			p.tell(More, nil, &p.got[k])
		case p.want[k].cut || p.got[k].cut:
			p.tell(NotCompared, &p.want[k], &p.got[k])
		default:
			p.tell(Different, &p.want[k], &p.got[k])
		}
	}
	p.drop(i, j)
}

func (p *Pairs) tell(v Verdict, want, got *Message) {
	if p.Tell != nil {
		p.Tell(v, want, got)
	}
}

// drop removes the first i and j messages.
func (p *Pairs) drop(i, j int) {
	p.want, p.got = shift(p.want, i), shift(p.got, j)
}

// shift removes the first n messages, and begins at the front of the memory again where none is left.
func shift(list []Message, n int) []Message {
	clear(list[:n])
	if n == len(list) {
		if cap(list) > 4*LookAhead {
			return nil
		}
		return list[:0]
	}
	return list[n:]
}

// Pass gives verdicts on what has waited long enough at the time now, and returns when something
// will have; zero where nothing waits.
func (p *Pairs) Pass(now time.Time) (next time.Time) {
	for len(p.want)+len(p.got) > 0 {
		var at time.Time
		for _, list := range [][]Message{p.want, p.got} {
			if len(list) > 0 && list[0].At.After(at) {
				at = list[0].At
			}
		}
		if next = at.Add(p.Wait); next.After(now) {
			return next
		}
		p.settle(min(len(p.want), 1), min(len(p.got), 1))
		p.match()
	}
	return time.Time{}
}

// End gives verdicts on all that waits, as nothing comes any more: want on what only the side that
// is compared with has said, Missing or NotCompared, and got on what only the other one has said.
func (p *Pairs) End(want, got Verdict) {
	if want == Missing {
		both := min(len(p.want), len(p.got))
		p.settle(both, both)
	}
	for k := range p.want {
		p.tell(want, &p.want[k], nil)
	}
	for k := range p.got {
		p.tell(got, nil, &p.got[k])
	}
	p.want, p.got = nil, nil
}
