package probe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/draftwire/draftwire/detect"
	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/internal/session"
	"github.com/draftwire/draftwire/wire"
)

// frameFault is a fault in what a client sends on an open connection.
type frameFault struct {
	name string
	of   func(wire.Version) bool // the versions that can have it
	make func(*link) []byte
}

func always(wire.Version) bool         { return true }
func isHybi(v wire.Version) bool       { return v.Supports(wire.CapFragments) }
func hasMaskBit(v wire.Version) bool   { return v >= wire.Hybi07 }
func hasCloseCode(v wire.Version) bool { return v.Supports(wire.CapCloseCode) }
func isHixie(v wire.Version) bool      { return !isHybi(v) }

// bits of the first byte of a frame.
const (
	finBit = 0x80 // MORE until hybi-03
	rsv1   = 0x40
	rsv3   = 0x10
)

var frameFaults = []frameFault{
	{"a frame without a mask", hasMaskBit, func(l *link) []byte { return l.bare(wire.OpText, true, []byte("bare")) }},
	{"text that is not UTF-8", isHybi, func(l *link) []byte { return l.frame(wire.OpText, []byte("a\xFF\xFEb")) }},
	{"text that is not UTF-8", isHixie, func(l *link) []byte { return []byte("\x00a\xFE\xC0b\xFF") }},
	{"the first reserved bit", isHybi, func(l *link) []byte { return l.tampered(wire.OpText, "rsv1", func(b []byte) { b[0] |= rsv1 }) }},
	{"the third reserved bit", isHybi, func(l *link) []byte { return l.tampered(wire.OpText, "rsv3", func(b []byte) { b[0] |= rsv3 }) }},
	{"a reserved opcode", isHybi, func(l *link) []byte {
		return l.tampered(wire.OpText, "opcode", func(b []byte) { b[0] = b[0]&0xF0 | 0x0E })
	}},
	{"a reserved opcode of a control frame", hasMaskBit, func(l *link) []byte {
		return l.tampered(wire.OpPing, "opcode", func(b []byte) { b[0] = b[0]&0xF0 | 0x0B })
	}},
	{"a continuation of nothing", isHybi, func(l *link) []byte { return l.mask(l.continuation(true, "orphan")) }},
	{"a message inside a message", isHybi, func(l *link) []byte {
		return append(l.fragment(wire.OpText, false, []byte("one")), l.frame(wire.OpText, []byte("two"))...)
	}},
	{"a ping in two frames", isHybi, func(l *link) []byte {
		return append(l.tampered(wire.OpPing, "one", func(b []byte) { b[0] ^= finBit }), l.mask(l.continuation(true, "two"))...)
	}},
	{"a ping of 126 bytes", isHybi, func(l *link) []byte {
		long, ping := l.bare(wire.OpText, true, []byte(strings.Repeat("p", 126))), l.bare(wire.OpPing, true, nil)
		long[0] = ping[0]
		return l.mask(long)
	}},
	{"a length of 4 in two bytes", isHybi, func(l *link) []byte { return l.mask(withLength(l.bare(wire.OpText, true, []byte("long")), 2, 4)) }},
	{"a length of 4 in eight bytes", isHybi, func(l *link) []byte { return l.mask(withLength(l.bare(wire.OpText, true, []byte("long")), 8, 4)) }},
	{"a length of 2^63 and more", isHybi, func(l *link) []byte { return l.mask(withLength(l.bare(wire.OpText, true, []byte("long")), 8, 1<<63|4)) }},
	{"a close of one byte", hasCloseCode, func(l *link) []byte { return l.rawClose("\x03") }},
	{"a close with code 1005", hasCloseCode, func(l *link) []byte { return l.rawClose("\x03\xED") }},
	{"a close with code 999", hasCloseCode, func(l *link) []byte { return l.rawClose("\x03\xE7") }},
	{"a close whose reason is not UTF-8", hasCloseCode, func(l *link) []byte { return l.rawClose("\x03\xE8\xFF\xFE") }},
	{"a frame of type 80", isHixie, func(l *link) []byte { return []byte("\x80\x02hi") }},
	{"a frame of type 01", isHixie, func(l *link) []byte { return []byte("\x01hi\xFF") }},
	{"FF with a length", func(v wire.Version) bool { return v == wire.Hixie76 }, func(l *link) []byte { return []byte("\xFF\x02hi") }},
	{"a length without an end", isHixie, func(l *link) []byte { return []byte("\x80" + strings.Repeat("\xFF", 12) + "\x7F") }},
}

// tampered returns a frame that was changed before it was masked.
func (l *link) tampered(op wire.Op, payload string, change func([]byte)) []byte {
	b := l.bare(op, true, []byte(payload))
	change(b)
	return l.mask(b)
}

// continuation returns a bare continuation.
func (l *link) continuation(fin bool, payload string) []byte {
	return l.bare(wire.OpContinuation, fin, []byte(payload))
}

// rawClose returns a close with that body.
func (l *link) rawClose(body string) []byte {
	closing, _ := l.draft.NewCodec(wire.CodecConfig{Role: wire.Server, MaskKey: l.key}).AppendClose(nil, wire.CodeNormal, "")
	b := l.bare(wire.OpPing, true, []byte(body))
	b[0] = closing[0]
	return l.mask(b)
}

// headFault is a fault in a request.
type headFault struct {
	name   string
	of     func(wire.Version) bool
	change func(head string) string
}

func hasKey(v wire.Version) bool       { return v >= wire.Hybi04 }
func hasChallenge(v wire.Version) bool { return v == wire.Hixie76 || v == wire.Hybi02 }

var headFaults = []headFault{
	{"no Upgrade", always, func(h string) string { return without(h, "Upgrade") }},
	{"no Connection", always, func(h string) string { return without(h, "Connection") }},
	{"no Host", always, func(h string) string { return without(h, "Host") }},
	{"no origin", func(v wire.Version) bool { return v.Supports(wire.CapOrigin) && !hasKey(v) }, func(h string) string { return without(h, "Origin") }},
	{"HTTP/1.0", always, func(h string) string { return strings.Replace(h, "HTTP/1.1", "HTTP/1.0", 1) }},
	{"POST", always, func(h string) string { return "POST" + strings.TrimPrefix(h, "GET") }},
	{"lines that end in LF", always, func(h string) string { return strings.ReplaceAll(h, "\r\n", "\n") }},
	{"no key", hasKey, func(h string) string { return without(h, "Sec-WebSocket-Key") }},
	{"a key of 4 bytes", hasKey, func(h string) string { return withValue(h, "Sec-WebSocket-Key", "AAAAAA==") }},
	{"two keys", hasKey, func(h string) string { return added(h, "Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==") }},
	{"no version", hasKey, func(h string) string { return without(h, "Sec-WebSocket-Version") }},
	{"a key without a space", hasChallenge, func(h string) string { return withValue(h, "Sec-WebSocket-Key1", "a1234b5678") }},
	{"a key whose digits its spaces do not divide", hasChallenge, func(h string) string { return withValue(h, "Sec-WebSocket-Key1", "a1 23 b") }},
	{"a key of digits that overflow", hasChallenge, func(h string) string { return withValue(h, "Sec-WebSocket-Key1", strings.Repeat("9", 40)+" x") }},
	{"one key of two", hasChallenge, func(h string) string { return without(h, "Sec-WebSocket-Key2") }},
}

// without takes a field out of a head.
func without(head, name string) string {
	before, rest, ok := strings.Cut(head, "\r\n"+name+": ")
	if !ok {
		return head
	}
	_, after, _ := strings.Cut(rest, "\r\n")
	return before + "\r\n" + after
}

func withValue(head, name, value string) string {
	before, rest, ok := strings.Cut(head, "\r\n"+name+": ")
	if !ok {
		return head
	}
	_, after, _ := strings.Cut(rest, "\r\n")
	return before + "\r\n" + name + ": " + value + "\r\n" + after
}

func added(head, line string) string {
	return strings.Replace(head, "\r\n\r\n", "\r\n"+line+"\r\n\r\n", 1)
}

// faults sends each fault on a connection of its own.
func (p *prober) faults(ctx context.Context, v *Version) error {
	p.say("%s: faults", v.Version)
	for _, f := range headFaults {
		if !f.of(v.Version) {
			continue
		}
		t, err := p.headFault(ctx, v.Version, &f)
		if err != nil {
			return err
		}
		v.Faults = append(v.Faults, *t)
	}
	for _, f := range frameFaults {
		if !f.of(v.Version) {
			continue
		}
		t, err := p.frameFault(ctx, v, &f)
		if err != nil {
			return err
		}
		v.Faults = append(v.Faults, *t)
	}
	return nil
}

// headFault sends a request with a fault.
func (p *prober) headFault(ctx context.Context, v wire.Version, f *headFault) (*FaultTest, error) {
	hs := drafts[v].NewClient(p.o.Rand)
	raw, err := hs.Head(nil, p.offer(v))
	if err != nil {
		return nil, err
	}
	end := httphead.End(raw, 0)
	head := f.change(string(raw[:end]))
	t := &FaultTest{Name: f.name, Want: wantOfHead(head, p.u.Scheme == "wss")}
	l, err := p.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer l.close()
	began := time.Now()
	l.send(append([]byte(head), raw[end:]...))
	var resp wire.Response
	err = l.head(began.Add(p.o.Timeout), &resp)
	t.Got.After, t.Got.End = Span(time.Since(began)), Open
	if l.end != "" {
		t.Got.End = l.end
	}
	if err == nil {
		t.Got.Status, t.Got.Reason = resp.Status, clip(resp.Fields.Get("Draftwire-Reason"), 60)
	}
	t.Goes = resp.Status == http.StatusSwitchingProtocols
	t.Fails = !t.Goes && (resp.Status > 0 || l.end != "")
	t.judge()
	return t, ctx.Err()
}

// wantOfHead says what the documents have a server do with a head.
func wantOfHead(head string, secure bool) string {
	req := wire.Request{Secure: secure}
	err := httphead.ParseRequest(head, &req)
	if err == nil {
		var res detect.Result
		if res, err = detect.Request(&req, wire.AllVersions, 0); err == nil {
			var asked wire.ClientRequest
			err = drafts[res.Version].NewServer(nil).ReadRequest(&req, &asked)
		}
	}
	if he, ok := errors.AsType[*wire.HandshakeError](err); ok {
		return fmt.Sprintf("%d: %s", he.Status, he.Reason.Info().Rule)
	}
	return wantOpen
}

// frameFault sends frames with a fault, and behind them a message and a ping that show whether the
// server goes on.
func (p *prober) frameFault(ctx context.Context, v *Version, f *frameFault) (*FaultTest, error) {
	t := &FaultTest{Name: f.name, Verdict: Unseen}
	l, err := p.again(ctx, v)
	if err != nil || l == nil {
		t.Got.End = Unopened
		return t, err
	}
	defer l.close()
	bytes := f.make(l)
	t.Want = wantOfFrames(l, bytes)
	began := time.Now()
	l.send(append(bytes, l.marker()...))
	goes := func(r *Reaction) bool { return r.marked() || r.Pongs > 0 && !v.Echoes }
	l.watchFault(&t.Got, began, goes)
	t.Goes = (goes(&t.Got) || t.Got.longPong) && !t.Got.Close
	t.Fails = t.Got.Close || t.Got.End == FIN || t.Got.End == RST
	t.judge()
	return t, ctx.Err()
}

// behindFault is a message that shows, where it comes back, that a server has gone on.
const behindFault = "behind the fault"

// marker is that message, and a ping where there are pings.
func (l *link) marker() []byte {
	b := l.frame(wire.OpText, []byte(behindFault))
	if l.draft.Version.Supports(wire.CapPing) {
		b = append(b, l.frame(wire.OpPing, nil)...)
	}
	return b
}

// marked reports whether the message of a marker has come back.
func (r *Reaction) marked() bool { return string(r.data) == behindFault }

// What Want begins with where the documents have a server accept.
const wantOpen, wantGo = "101", "go on"

// judge compares what was done with what is wanted.
func (t *FaultTest) judge() {
	accepts := t.Want == wantOpen || t.Want == wantGo
	switch {
	case accepts && t.Goes, !accepts && t.Fails:
		t.Verdict = AsWritten
	case t.Fails:
		t.Verdict = Stricter
	case t.Goes:
		t.Verdict = Laxer
	default:
		t.Verdict = Unseen
	}
}

// watchFault watches what the server does with a fault: until it goes on, or for a second; behind
// its close a little longer, for the end of TCP.
func (l *link) watchFault(r *Reaction, began time.Time, goes func(*Reaction) bool) {
	l.watch(r, began, began.Add(min(l.p.o.Timeout, time.Second)), func(r *Reaction) bool { return goes(r) || r.Close })
	if r.Close {
		l.watch(r, began, time.Now().Add(min(l.p.o.Timeout, settle)), nil)
	}
}

// wantOfFrames says what the version has a server do with what a client sent.
func wantOfFrames(l *link, sent []byte) string {
	s := session.New(l.draft, session.Config{CodecConfig: wire.CodecConfig{Role: wire.Server, MaskKey: l.key}})
	b := append([]byte(nil), sent...)
	for len(b) > 0 {
		var ev wire.Event
		n, err := s.Next(b, &ev)
		if pe, ok := errors.AsType[*wire.ProtocolError](err); ok {
			code := ""
			if l.draft.Version.Supports(wire.CapCloseCode) {
				code = fmt.Sprintf(" with %d", int(pe.Code))
			}
			return fmt.Sprintf("fail%s: %s (%s)", code, pe.Msg, strings.TrimSpace(specName(l.draft.Version)+" "+pe.Section))
		}
		if n == 0 {
			break
		}
		b = b[n:]
	}
	return wantGo
}

// specName is the document that the sections of a version's errors are of.
func specName(v wire.Version) string {
	if v == wire.RFC6455 {
		return "RFC 6455"
	}
	return v.String()
}
