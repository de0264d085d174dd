package main

import (
	"bytes"
	"fmt"
	"sync"

	"github.com/draftwire/draftwire/hostile"
)

const (
	mostHead   = 64 << 10 // of a head that is kept
	mostSample = 160      // bytes that are kept to be shown
)

// inbound is what a connection of the attacker gets from the target. It keeps the head
// and searches the rest as it comes.
type inbound struct {
	mu     sync.Mutex
	server bool // the attacker is the server: what comes begins with a request
	d      *dialect

	total   int64
	sample  []byte
	head    []byte // as far as it came; whole, with its empty line, where headEnd is set
	headEnd bool
	status  int    // of an answer
	lacking int    // bytes of the proof behind the head that have not come
	proof   []byte // the sixteen bytes of an answer, the eight of a request
	late    finder // for a 101 behind another answer
	opened  bool   // an answer's 101 came
	behind  int64  // bytes behind head and proof

	first, second *sequence // what the steps expect: before the open step, and behind it
	never         *anyOf
	frames        walker

	ended bool   // by the target
	how   string // the end, in words
	cut   bool   // by the attacker: what comes behind that is no end of the target's
}

func newInbound(c *hostile.Case, v *values, server bool) *inbound {
	d := dialectOf(c.Version)
	in := &inbound{server: server, d: d, never: newAnyOf(c.Verdict.Never, v), late: finder{want: []byte("HTTP/1.1 101 ")}}
	var wants [2][][]byte
	stage := 0
	for i := range c.Steps {
		switch s := &c.Steps[i]; s.Do {
		case hostile.Open:
			stage = 1
		case hostile.Expect:
			wants[stage] = append(wants[stage], v.pattern(s))
		}
	}
	in.first, in.second = newSequence(wants[0]), newSequence(wants[1])
	in.frames = walker{d: d, v: v, client: server}
	return in
}

// feed takes what came.
func (in *inbound) feed(p []byte) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.total += int64(len(p))
	if room := mostSample - len(in.sample); room > 0 {
		in.sample = append(in.sample, p[:min(room, len(p))]...)
	}
	in.never.feed(p)
	rest := p
	if !in.headEnd {
		rest = in.takeHead(p)
	}
	if in.headEnd && in.lacking > 0 {
		n := min(in.lacking, len(rest))
		in.proof = append(in.proof, rest[:n]...)
		in.lacking -= n
		rest = rest[n:]
	}
	in.first.feed(p[:len(p)-len(rest)])
	if len(rest) > 0 {
		in.takeRest(rest)
	}
}

// takeHead returns what comes behind the head.
func (in *inbound) takeHead(p []byte) []byte {
	from := max(0, len(in.head)-3)
	had := len(in.head)
	in.head = append(in.head, p[:min(len(p), mostHead-had)]...)
	end := bytes.Index(in.head[from:], []byte("\r\n\r\n"))
	if !in.server && in.status == 0 {
		if line, _, ok := bytes.Cut(in.head, []byte("\r\n")); ok {
			in.status = statusOf(line)
		}
	}
	if end < 0 {
		if len(in.head) >= mostHead {
			in.headEnd = true
		}
		return nil
	}
	end += from + 4
	in.head = in.head[:end]
	rest := p[end-had:]
	if !in.server && in.status >= 100 && in.status < 200 && in.status != 101 { // a head before the answer's
		in.head, in.status = nil, 0
		return in.takeHead(rest)
	}
	in.headEnd = true
	in.opened = !in.server && in.status == 101
	if in.d.digest && (in.server || in.opened) {
		in.lacking = 16
		if in.server {
			in.lacking = 8
		}
	}
	return rest
}

func (in *inbound) takeRest(p []byte) {
	in.behind += int64(len(p))
	if in.second.finders == nil {
		in.first.feed(p)
	} else {
		in.second.feed(p)
	}
	if !in.server && !in.opened {
		in.opened = in.late.feed(p) >= 0
		return
	}
	in.frames.feed(p)
}

// end is told when nothing more comes.
func (in *inbound) end(err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.cut {
		in.ended, in.how = true, fmt.Sprint(err)
	}
}

// cutHere is told when the attacker ends the connection.
func (in *inbound) cutHere() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.cut = true
}

func (in *inbound) look(f func(*inbound) bool) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return f(in)
}

// handshakeDone: the answer's or the request's head is there, with its proof.
func (in *inbound) handshakeDone() bool {
	return in.look(func(in *inbound) bool { return in.headEnd && in.lacking == 0 })
}

func (in *inbound) hasEnded() bool { return in.look(func(in *inbound) bool { return in.ended }) }

// isFound: the expect step of that number, of all of the case, was found.
func (in *inbound) isFound(n int) bool {
	return in.look(func(in *inbound) bool {
		if n < len(in.first.finders) {
			return in.first.found > n
		}
		return in.second.found > n-len(in.first.finders)
	})
}
