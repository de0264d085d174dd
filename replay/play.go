package replay

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"strings"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/compare"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/recording"
	"github.com/draftwire/draftwire/wire"
)

// Options say how sessions are played. The zero value plays as fast as the other side answers.
type Options struct {
	// Speed is how much faster than it was recorded a session is played; 1 is the original timing,
	// and 0 as fast as the other side answers.
	Speed float64
	// Wait is how long a message of the other side may be late. Behind one that did not come, others
	// have a tenth of it, and behind ten in a row the session is given up. Default 10 s.
	Wait time.Duration
	// Linger is how long this side listens, before it closes, for messages that are not in the
	// recording. Default 100 ms.
	Linger time.Duration
	// Set are values in place of those that were redacted, by their names in lower case.
	Set map[string]string
	// Redacted are the names that were redacted in the recording: their values are not compared.
	Redacted []string
	// Ignore says what is not compared.
	Ignore compare.Rules
}

// Defaults of Options.
const (
	DefaultWait   = 10 * time.Second
	DefaultLinger = 100 * time.Millisecond
)

// Kind says what a difference is.
type Kind string

// The differences.
const (
	NotOpened Kind = "not opened" // the handshake was accepted, and is not now, or the other way round
	Missing   Kind = "missing"    // a message of the other side did not come
	Extra     Kind = "extra"      // a message came that is not in the recording
	Differs   Kind = "differs"    // a message is another one
	NotSent   Kind = "not sent"   // the connection had ended before a message could be sent
	Closes    Kind = "closes"     // the other side closes in another way
)

// Difference is something that was recorded and is otherwise now.
type Difference struct {
	Kind Kind   `json:"kind"`
	Step int    `json:"step"` // the number of the message in the session, from 1; 0 for none
	Want string `json:"want,omitempty"`
	Got  string `json:"got,omitempty"`
}

// Result is what became of a session that was played.
type Result struct {
	Session     uint64               `json:"session"`
	Recorded    string               `json:"recorded"` // the version of the recording
	Played      string               `json:"played"`   // the version in which it was played
	Sent        int                  `json:"sent"`     // messages
	Got         int                  `json:"got"`
	Differences []Difference         `json:"differences,omitempty"`
	Losses      map[gateway.Loss]int `json:"losses,omitempty"` // what the version cannot say
	Late        time.Duration        `json:"late_ns"`          // the most by which a message was sent late that nothing held up
	Late99      time.Duration        `json:"late_p99_ns"`      // of 99 in 100 of these messages, at most
	Took        time.Duration        `json:"took_ns"`
	Skipped     string               `json:"skipped,omitempty"` // why it was not played
	Err         error                `json:"-"`                 // of the network, or of the context: there is no verdict
}

// Same reports whether the session was played, and nothing differs that a loss does not explain.
func (r *Result) Same() bool { return len(r.Differences) == 0 && r.Skipped == "" && r.Err == nil }

// maxDifferences is how many differences of a session are kept.
const maxDifferences = 100

func (r *Result) differs(k Kind, step int, want, got string) {
	if len(r.Differences) < maxDifferences {
		r.Differences = append(r.Differences, Difference{k, step, want, got})
	}
}

func (r *Result) loses(l gateway.Loss) {
	if r.Losses == nil {
		r.Losses = map[gateway.Loss]int{}
	}
	r.Losses[l]++
}

// shown is the beginning of a message, as differences show it.
func shown(op wire.Op, p []byte) string {
	const most = 400
	if op == wire.OpBinary {
		return fmt.Sprintf("%d bytes: %x", len(p), p[:min(len(p), most/2)])
	}
	if len(p) > most {
		return fmt.Sprintf("%s... (%d bytes)", strings.ToValidUTF8(string(p[:most]), ""), len(p))
	}
	return string(p)
}

// Client plays the client of a session against the server at a URL. The path is the recorded one,
// unless the URL has one. d is how to connect: its Version, where it is not Unknown, is spoken in
// place of the recorded one, and its Fields follow the recorded ones. The result of a session whose
// recording is incomplete has Skipped.
func Client(ctx context.Context, s *Session, url string, d draftwire.DialOptions, o Options) *Result {
	r := &Result{Session: s.Number, Recorded: s.Version.String()}
	if d.Version == wire.Unknown {
		d.Version = s.Version
	}
	r.Played = d.Version.String()
	switch {
	case s.Incomplete != "":
		r.Skipped = s.Incomplete
		return r
	case !draftwire.ServedVersions().Has(d.Version):
		r.Skipped = "version " + r.Played + " is not spoken"
		return r
	}
	o.prepare(s, &d, r)
	began := time.Now()
	c, _, err := draftwire.Dial(ctx, o.urlFor(s, url), &d)
	if err != nil {
		r.refused(ctx, s, err)
		return r
	}
	if s.End == "refused" {
		r.differs(NotOpened, 0, "the handshake is refused", "it is accepted")
	}
	o.play(ctx, c, recording.Client, s, r)
	r.Took = time.Since(began)
	return r
}

// refused notes that a connection did not open.
func (r *Result) refused(ctx context.Context, s *Session, err error) {
	he, ok := errors.AsType[*draftwire.HandshakeError](err)
	switch {
	case ctx.Err() != nil, !ok:
		r.Err = err
	case s.End != "refused":
		r.differs(NotOpened, 0, "the handshake is accepted", he.Error())
	}
}

// prepare sets what the recorded request had.
func (o *Options) prepare(s *Session, d *draftwire.DialOptions, r *Result) {
	if d.Origin == "" {
		d.Origin = o.fill(s.Origin)
	}
	if d.Protocols == nil {
		d.Protocols = nil
		for _, name := range s.Protocols {
			if name = o.fill(name); !strings.Contains(name, "[redacted:") {
				d.Protocols = append(d.Protocols, name)
			}
		}
		if d.Version.Supports(wire.CapProtocolSet) && !s.Version.Supports(wire.CapProtocolSet) && len(d.Protocols) > 0 { // several, in one string
			d.Protocols = strings.FieldsFunc(d.Protocols[0], func(c rune) bool { return c == ' ' || c == ',' })
		}
		if !d.Version.Supports(wire.CapProtocolSet) && len(d.Protocols) > 1 {
			d.Protocols = d.Protocols[:1]
			r.loses(gateway.LossProtocols)
		}
	}
	var fields draftwire.Fields
	for _, f := range s.Fields {
		f.Value = o.fill(f.Value)
		if !strings.Contains(f.Value, "[redacted:") { // otherwise it would be sent as it is
			fields = append(fields, f)
		}
	}
	d.Fields = append(fields, d.Fields...)
}

// urlFor is the URL of a session.
func (o *Options) urlFor(s *Session, base string) string {
	scheme, rest, ok := strings.Cut(base, "://")
	host, path, hasPath := strings.Cut(rest, "/")
	if !ok || hasPath && path != "" {
		return base
	}
	target := o.fill(s.Target)
	if !strings.HasPrefix(target, "/") {
		target = "/" + target
	}
	return scheme + "://" + host + target
}

// fill puts values in place of what was redacted.
func (o *Options) fill(text string) string {
	for name, value := range o.Set {
		text = strings.ReplaceAll(text, recording.Mark(name), value)
	}
	return text
}

// fillText is fill for the text of a message: a value that stands alone in a string of JSON is
// escaped as JSON has it.
func (o *Options) fillText(text string) string {
	for name, value := range o.Set {
		literal, err := json.Marshal(value)
		if err == nil {
			text = strings.ReplaceAll(text, `"`+recording.Mark(name)+`"`, string(literal))
		}
	}
	return o.fill(text)
}

// Server plays the server of a session on a connection that was accepted, until it has ended.
func Server(c *draftwire.Conn, s *Session, o Options) *Result {
	r := &Result{Session: s.Number, Recorded: s.Version.String(), Played: c.Version().String()}
	if s.Incomplete != "" {
		r.Skipped = s.Incomplete
		return r
	}
	began := time.Now()
	o.play(context.Background(), c, recording.Server, s, r)
	r.Took = time.Since(began)
	return r
}

// player plays one side of a session.
type player struct {
	Options
	c      *draftwire.Conn
	me     recording.Side
	s      *Session
	r      *Result
	began  time.Time
	heard  chan heard
	ended  error   // of the reading half; nil while it goes on
	missed int     // messages of the other side, in a row
	late   [24]int // messages that were sent late by less than 1, 2, 4 and so on times lateUnit
}

// givenUp is how many messages in a row may not come before a session is given up.
const givenUp = 10

// lateUnit is the least time by which messages are late that is told from none.
const lateUnit = 50 * time.Microsecond

// late99 is by how much 99 in 100 messages were late at most, up to a factor of two.
func (p *player) late99() time.Duration {
	all, n := 0, 0
	for _, k := range p.late {
		all += k
	}
	for i, k := range p.late {
		if n += k; all > 0 && n*100 >= all*99 {
			return min(lateUnit<<i, p.r.Late)
		}
	}
	return 0
}

// heard is a message of the other side, or the end of what it says.
type heard struct {
	op  wire.Op
	p   []byte
	err error
}

func (o Options) play(ctx context.Context, c *draftwire.Conn, me recording.Side, s *Session, r *Result) {
	ctx, cancel := context.WithCancel(ctx)
	o.Wait, o.Linger = cmp.Or(max(o.Wait, 0), DefaultWait), cmp.Or(max(o.Linger, 0), DefaultLinger)
	p := &player{Options: o, c: c, me: me, s: s, r: r, began: time.Now(), heard: make(chan heard, 16)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.listen(ctx)
	}()
	defer func() {
		cancel()
		c.CloseNow()
		<-done
	}()
	for i := 0; i < len(s.Steps) && r.Err == nil; {
		if p.missed >= givenUp {
			break
		}
		if s.Steps[i].From == me {
			if !p.say(ctx, i) {
				return
			}
			i++
		} else {
			i = p.hear(ctx, i)
		}
	}
	r.Late99 = p.late99()
	if r.Err == nil && p.missed < givenUp {
		p.finish(ctx)
	}
}

// listen reads what the other side says.
func (p *player) listen(ctx context.Context) {
	for {
		op, b, err := p.c.Read(ctx)
		select {
		case p.heard <- heard{op, b, err}:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// at is when a step is due.
func (p *player) at(s *Step) time.Time {
	if p.Speed <= 0 {
		return p.began
	}
	return p.began.Add(time.Duration(float64(s.At) / p.Speed))
}

// say sends a message when its time has come. It is false where the connection has ended.
func (p *player) say(ctx context.Context, i int) bool {
	step := &p.s.Steps[i]
	free := time.Now() // nothing but the time holds it up from now on
	due := p.at(step)
	if wait := time.Until(due); wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			p.r.Err = ctx.Err()
			return false
		}
	}
	if p.Speed > 0 && !free.After(due) {
		late := time.Since(due)
		p.r.Late = max(p.r.Late, late)
		p.late[min(bits.Len64(uint64(late/lateUnit)), len(p.late)-1)]++
	}
	if !p.c.Version().Supports(wire.CapBinary) && step.Op == wire.OpBinary {
		p.r.loses(gateway.LossBinaryDropped)
		return true
	}
	payload := step.Payload
	if step.Op == wire.OpText && len(p.Set) > 0 {
		payload = []byte(p.fillText(string(payload)))
	}
	if err := p.c.Write(ctx, step.Op, payload); err != nil {
		if ctx.Err() != nil {
			p.r.Err = ctx.Err()
			return false
		}
		p.r.differs(NotSent, i+1, shown(step.Op, payload), p.why(err))
		return false
	}
	p.r.Sent++
	return true
}

// why says why a connection has ended, as far as the reading half knows it better.
func (p *player) why(err error) string {
	for p.ended == nil {
		select {
		case h := <-p.heard:
			p.ended = h.err
		case <-time.After(time.Second):
			p.ended = err
		}
	}
	return p.ended.Error()
}

// hear waits for a message of the other side, the one of step i, and returns the next step.
func (p *player) hear(ctx context.Context, i int) (next int) {
	step := &p.s.Steps[i]
	if !p.c.Version().Supports(wire.CapBinary) && step.Op == wire.OpBinary {
		p.r.loses(gateway.LossBinaryDropped)
		return i + 1
	}
	h, ok := p.next(ctx, p.at(step))
	switch {
	case p.r.Err != nil:
		return i
	case !ok:
		got := "nothing came in time"
		if p.ended != nil {
			got = p.ended.Error()
		}
		p.r.differs(Missing, i+1, shown(step.Op, step.Payload), got)
		p.missed++
		return i + 1
	}
	p.missed = 0
	p.r.Got++
	// Where others came instead, the ones between are missing.
	for k := i; k < len(p.s.Steps) && k < i+compare.LookAhead && p.s.Steps[k].From != p.me; k++ {
		if p.same(&p.s.Steps[k], h) {
			for ; i < k; i++ {
				p.r.differs(Missing, i+1, shown(p.s.Steps[i].Op, p.s.Steps[i].Payload), "what follows it came")
			}
			return k + 1
		}
	}
	p.r.differs(Differs, i+1, shown(step.Op, step.Payload), shown(h.op, h.p))
	return i + 1
}

// same reports whether a message is the one that was recorded.
func (o *Options) same(want *Step, got heard) bool {
	if want.Op != got.op {
		return false
	}
	a, b := want.Payload, got.p
	if want.Op == wire.OpText && len(o.Redacted) > 0 && !bytes.Equal(a, b) {
		r := recording.Redaction{Names: o.Redacted}
		a, _ = r.Text(a)
		b, _ = r.Text(b)
	}
	return o.Ignore.Same(want.Op, a, b)
}

// next returns the next message of the other side. ok is false where there is none in time, or no
// more at all.
func (p *player) next(ctx context.Context, due time.Time) (h heard, ok bool) {
	if p.ended != nil {
		return h, false
	}
	wait := p.Wait
	if p.missed > 0 {
		wait /= 10
	}
	if early := time.Until(due); early > 0 {
		wait += early
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case h = <-p.heard:
		if h.err != nil {
			p.ended = h.err
			if ctx.Err() != nil {
				p.r.Err = ctx.Err()
			}
			return h, false
		}
		return h, true
	case <-timer.C:
		return h, false
	case <-ctx.Done():
		p.r.Err = ctx.Err()
		return h, false
	}
}

// finish closes as the recording did, or waits until the other side does.
func (p *player) finish(ctx context.Context) {
	mine := p.s.Closer == p.me || p.s.Closer == recording.Both && p.me == recording.Client
	if p.s.cut() { // nobody has closed
		p.extras(ctx)
		p.c.Close(wire.CodeNormal, "")
		return
	}
	if mine {
		p.extras(ctx)
		code := wire.CloseCode(p.s.Code)
		if !code.OnWire() {
			code = wire.CodeNormal
		}
		if p.s.Code != 0 && !p.c.Version().Supports(wire.CapCloseCode) {
			p.r.loses(gateway.LossCloseCode)
		}
		p.c.Close(code, closeReason(p.s.Reason))
		return
	}
	// What comes meanwhile does not prolong the wait, or a server that goes on speaking had no end.
	for until := time.Now().Add(p.Wait); time.Now().Before(until); {
		h, ok := p.next(ctx, time.Now())
		if p.r.Err != nil {
			return
		}
		if !ok {
			break
		}
		p.r.Got++
		p.r.differs(Extra, 0, "", shown(h.op, h.p))
	}
	p.closed()
}

// closeReason is as much of a reason as a close has room for: one with a mark in place of a value may
// be longer than it was.
func closeReason(reason string) string {
	const most = 123
	return strings.ToValidUTF8(reason[:min(len(reason), most)], "")
}

// extras takes what comes beyond the recording.
func (p *player) extras(ctx context.Context) {
	if p.ended != nil {
		return
	}
	timer := time.NewTimer(p.Linger)
	defer timer.Stop()
	for {
		select {
		case h := <-p.heard:
			if h.err != nil {
				p.ended = h.err
				if p.s.End == "clean" && ctx.Err() == nil {
					p.r.differs(Closes, 0, "open, until this side closes", h.err.Error())
				}
				return
			}
			p.r.Got++
			if p.s.cut() { // it may have come then too, when nobody recorded any more
				continue
			}
			p.r.differs(Extra, 0, "", shown(h.op, h.p))
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// closed compares how the other side has closed.
func (p *player) closed() {
	want := fmt.Sprintf("a close with %d", p.s.Code)
	if p.s.Code == 0 {
		want = "a close without a code"
	}
	if p.ended == nil {
		p.r.differs(Closes, 0, want, "the connection is open")
		return
	}
	ce, clean := errors.AsType[*draftwire.CloseError](p.ended)
	clean = clean && ce.Code != wire.CodeAbnormal
	v := p.c.Version()
	switch {
	case !clean && p.s.End != "clean":
		return // as it was
	case !clean && !v.Supports(wire.CapCloseFrame):
		p.r.loses(gateway.LossAbnormal)
		return
	case !clean:
		p.r.differs(Closes, 0, want, p.ended.Error())
		return
	}
	got := int(ce.Code)
	if ce.Code == wire.CodeNoStatus {
		got = 0
	}
	switch {
	case got == p.s.Code || p.s.Code == int(wire.CodeNoStatus) && got == 0:
	case !v.Supports(wire.CapCloseCode):
		p.r.loses(gateway.LossCloseCode)
	case p.s.Code == 0 && !p.s.Version.Supports(wire.CapCloseCode):
		p.r.loses(gateway.LossCloseCodeAdded)
	case got == int(wire.CodeProtocol) && v != p.s.Version && v < wire.RFC6455:
		p.r.loses(gateway.LossCloseCodeChanged)
	default:
		p.r.differs(Closes, 0, want, fmt.Sprintf("a close with %d", got))
	}
}
