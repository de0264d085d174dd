package main

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/draftwire/draftwire/hostile"
)

// play is one case while it is played.
type play struct {
	c        *hostile.Case
	budget   hostile.Budget // with defaults, scaled
	ctx      context.Context
	deadline time.Time // of the verdict
	begin    time.Time
	values   values // that are the same on all connections
	path     string // what an open step asks for
	beyond   *beyond
	accepted func() // where the attacker is the server: a connection has come; may be nil

	mu     sync.Mutex
	tally  map[string]int // outcomes, in words, and how many connections had them
	fault  string         // why the case has failed: the first reason
	last   time.Duration  // when the last verdict was there
	active int            // connections that are not judged yet
	change chan struct{}  // is closed, and made anew, when one of these changes
	cuts   int64          // the next byte to be cut at, where the target makes the connections
	whole  bool           // the steps had fewer bytes than the last cut
}

func newPlay(ctx context.Context, c *hostile.Case, b hostile.Budget, v values, path string) (*play, context.CancelFunc) {
	p := &play{c: c, budget: b, values: v, path: path, begin: time.Now(), tally: map[string]int{}, change: make(chan struct{})}
	p.deadline = p.begin.Add(time.Duration(b.Time))
	p.beyond = newBeyond(c, &p.values)
	var cancel context.CancelFunc
	p.ctx, cancel = context.WithDeadline(ctx, p.deadline)
	return p, cancel
}

// count takes the outcome of a connection, in words; fault says why it is none that
// the case allows.
func (p *play) count(outcome, fault string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tally[outcome]++
	p.last = time.Since(p.begin)
	if p.fault == "" {
		p.fault = fault
	}
	p.changed()
}

// changed wakes who waits for a change. The lock is held.
func (p *play) changed() {
	close(p.change)
	p.change = make(chan struct{})
}

// fail fails the case for a reason that is no connection's outcome.
func (p *play) fail(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fault == "" {
		p.fault = fmt.Sprintf(format, args...)
	}
}

func (p *play) outcomes() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for _, k := range slices.Sorted(maps.Keys(p.tally)) {
		out = append(out, fmt.Sprintf("%d %s", p.tally[k], k))
	}
	return strings.Join(out, ", ")
}

func (p *play) played() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.judged()
}

// judged is how many connections have their outcome. The lock is held.
func (p *play) judged() int {
	n := 0
	for _, v := range p.tally {
		n += v
	}
	return n
}

// seen is what is known of a connection when it is judged.
type seen struct {
	opened  bool // the handshake was answered with a 101
	behind  bool // something came behind the handshake
	server  bool // the attacker is the server
	ended   bool
	status  int
	code    int
	found   bool // every expect
	ok      bool // and the target had not ended it when the steps were over
	hit     []byte
	sample  []byte
	total   int64
	how     string
	version string
}

// glance returns what is known now.
func (k *conn) glance() seen {
	k.in.mu.Lock()
	defer k.in.mu.Unlock()
	in := k.in
	s := seen{
		opened: in.opened, behind: in.behind > 0, server: k.server, ended: in.ended, status: in.status,
		hit: in.never.hit, sample: in.sample, total: in.total, how: in.how, version: in.d.name,
		found: in.first.found == len(in.first.finders) && in.second.found == len(in.second.finders),
	}
	if k.server {
		s.opened = k.opened || s.behind
	}
	s.code = in.frames.code
	return s
}

// is tells whether an outcome of a verdict is that of the connection. A client that
// ends the connection behind a faultless answer, without a byte, has refused it or has
// failed it: nobody can tell.
func (s *seen) is(outcome string) bool {
	switch outcome {
	case hostile.Refused:
		if s.server {
			return s.ended && !s.behind
		}
		return !s.opened && (s.status >= 400 || s.ended)
	case hostile.Failed:
		return s.opened && s.ended
	case hostile.Ended:
		return s.ended
	case hostile.Served:
		return s.ok
	}
	return outcome == hostile.Any
}

// hopeless: whatever comes, none of the outcomes can come any more.
func (s *seen) hopeless(outcomes []string) bool {
	for _, o := range outcomes {
		switch {
		case o == hostile.Refused && !s.server && s.opened:
		case o == hostile.Failed && !s.opened && s.status >= 400:
		case o == hostile.Served: // was decided when the steps were over
		default:
			return false
		}
	}
	return true
}

// name is the outcome in a word, with its status or code.
func (s *seen) name() string {
	switch {
	case s.is(hostile.Failed) && s.code != 0:
		return fmt.Sprintf("failed %d", s.code)
	case s.is(hostile.Failed):
		return "failed"
	case s.is(hostile.Refused) && s.status != 0:
		return fmt.Sprintf("refused %d", s.status)
	case s.is(hostile.Refused):
		return "refused"
	case s.ok:
		return "served"
	case !s.found:
		return "unanswered"
	}
	return "open"
}

// String says what came.
func (s *seen) String() string {
	var out []string
	if s.status != 0 {
		out = append(out, fmt.Sprintf("status %d", s.status))
	}
	if s.server && s.behind {
		out = append(out, "it opened")
	}
	if s.code != 0 {
		out = append(out, fmt.Sprintf("close code %d", s.code))
	}
	if !s.found {
		out = append(out, "not all that was expected")
	}
	if s.ended {
		out = append(out, "the end ("+s.how+")")
	} else {
		out = append(out, "no end")
	}
	return fmt.Sprintf("%s; %d bytes: %q", strings.Join(out, ", "), s.total, s.sample)
}

// judge waits until the connection has an outcome that the case allows, or until there
// is no time left. The steps are over.
func (k *conn) judge() {
	v := &k.play.c.Verdict
	over := k.glance()
	ok := over.found && !over.ended && !(k.play.c.Unread && peerEnded(k.raw))
	s := over
	allowed := func() bool {
		s = k.glance()
		s.ok = ok
		return slices.ContainsFunc(v.Outcomes, s.is)
	}
	if !allowed() {
		k.drain()
		settled := func() bool { return allowed() || s.ended || s.hopeless(v.Outcomes) }
		k.wait(func() bool { return settled() || k.saysGoodbye() }, 0)
		if !settled() && k.saysGoodbye() {
			k.endHalf()
			k.wait(settled, 0)
		}
	}
	if len(v.Never) > 0 || k.play.beyond != nil && !k.server {
		k.drain()
		k.wait(k.in.hasEnded, afterwards)
	}
	good := allowed()
	k.play.count(s.name(), k.play.verdict(&s, good))
}

// saysGoodbye: the target has sent its closing handshake, and sends nothing more. It may
// wait then for the attacker's, or until the attacker ends the connection: that is no part
// of any attack behind its steps.
func (k *conn) saysGoodbye() bool {
	return k.in.look(func(in *inbound) bool { return in.frames.closed })
}

// afterwards is how long the player looks for what must not come behind the outcome.
const afterwards = 30 * time.Millisecond

// verdict returns what is wrong, or nothing.
func (p *play) verdict(s *seen, allowed bool) string {
	v := &p.c.Verdict
	switch {
	case s.hit != nil:
		return fmt.Sprintf("%q must not come; came: %s", s.hit, s)
	case !allowed:
		return fmt.Sprintf("expected %s; came: %s", expected(v), s)
	case s.is(hostile.Refused) && s.status != 0 && len(v.Status) > 0 && !slices.Contains(v.Status, s.status):
		return fmt.Sprintf("expected %s; came: %s", expected(v), s)
	case s.is(hostile.Failed) && s.code != 0 && len(v.Codes) > 0 && !allowsCode(v.Codes, s):
		return fmt.Sprintf("expected %s; came: %s", expected(v), s)
	}
	return ""
}

// allowsCode: what is 1009 since RFC 6455 was 1004 in the versions 6 to 8.
func allowsCode(codes []int, s *seen) bool {
	code := s.code
	if code == 1004 && s.version != "rfc6455" {
		code = 1009
	}
	return slices.Contains(codes, code) || slices.Contains(codes, s.code)
}

func expected(v *hostile.Verdict) string {
	out := strings.Join(v.Outcomes, " or ")
	if len(v.Status) > 0 {
		out += " with status " + joinInts(v.Status)
	}
	if len(v.Codes) > 0 {
		out += " with code " + joinInts(v.Codes)
	}
	return out
}

func joinInts(ns []int) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(ns), " ", "/"), "[]")
}

// request takes from a request what a server's texts can name.
func (v *values) request(head []byte, secure bool) {
	v.key, v.nonce = fieldOf(head, "Sec-WebSocket-Key"), sampleNonce
	v.accept = accept(v.key)
	v.origin = fieldOf(head, "Origin")
	if v.origin == "" {
		v.origin = fieldOf(head, "Sec-WebSocket-Origin")
	}
	v.origin = strings.ToLower(v.origin)
	for _, name := range []string{"Sec-WebSocket-Protocol", "WebSocket-Protocol"} {
		if p := fieldOf(head, name); p != "" && v.protocol == "" {
			v.protocol = p
			if end := strings.IndexAny(p, `, "`); end >= 0 { // a parser that knows quoted strings ends a name there
				v.protocol = p[:end]
			}
		}
	}
	scheme := "ws://"
	if secure {
		scheme = "wss://"
	}
	v.location = scheme + strings.ToLower(fieldOf(head, "Host")) + targetOf(head)
}

// targetOf returns what a request asks for.
func targetOf(head []byte) string {
	line, _, _ := strings.Cut(string(head), "\r\n")
	if f := strings.Fields(line); len(f) == 3 {
		return f[1]
	}
	return "/"
}

// attack plays the steps on a connection that is there. What has come on it already is
// pre.
func (p *play) attack(c, raw net.Conn, server bool, cutAt int64, pre []byte) *conn {
	k := newConn(p, c, raw, server)
	k.cutAt = cutAt
	k.v.key = sampleKey
	if len(pre) > 0 {
		k.in.feed(pre)
	}
	go k.read()
	defer k.close()
	if server && !speaksBelowTLS(p.c) {
		k.readRequest()
	}
	k.run()
	if p.ctx.Err() != nil {
		s := k.glance()
		p.fail("the steps were not over within %v; came: %s", time.Duration(p.budget.Time), &s)
	}
	k.judge()
	return k
}

// attackVisitor plays the steps on a connection that the target has made.
func (p *play) attackVisitor(c, raw net.Conn, pre []byte) {
	p.mu.Lock()
	p.active++
	cutAt := int64(-1)
	if p.c.Cut != "" {
		cutAt = p.cuts
		p.cuts++
	}
	p.mu.Unlock()
	if t, ok := raw.(*net.TCPConn); ok && p.c.Unread {
		t.SetReadBuffer(4 << 10)
	}
	k := p.attack(c, raw, true, cutAt, pre)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.active--
	p.whole = p.whole || cutAt > k.sent
	p.changed()
}

// noHandshake judges a connection of the target that has ended within TLS.
func (p *play) noHandshake(err error) {
	s := seen{server: true, ended: true, how: err.Error(), found: true}
	p.count(s.name(), p.verdict(&s, slices.ContainsFunc(p.c.Verdict.Outcomes, s.is)))
}

func (p *play) isWhole() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.whole
}

// settle waits until every connection that has begun is judged.
func (p *play) settle() {
	p.untilChange(func() bool { return p.active == 0 }, nil)
}

// untilChange waits until cond, which is asked with the lock held, is so, until stop is
// closed, or until the time is over.
func (p *play) untilChange(cond func() bool, stop <-chan struct{}) {
	for {
		p.mu.Lock()
		ok, change := cond(), p.change
		p.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-change:
		case <-stop:
			return
		case <-p.ctx.Done():
			return
		}
	}
}

// needsSomebody fails a case at which nothing was played, unless that is allowed.
func (p *play) needsSomebody(fault string) {
	p.settle()
	if p.played() == 0 && !slices.Contains(p.c.Verdict.Outcomes, hostile.Any) {
		p.fail("%s", fault)
	}
}
