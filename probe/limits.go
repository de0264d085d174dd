package probe

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/draftwire/draftwire/wire"
)

// Where the doubling begins, in bytes.
const (
	leastMessage = 4 << 10
	leastHead    = 2 << 10
	fragment     = 4 << 10
)

// limits finds the largest message, in one frame and in several.
func (p *prober) limits(ctx context.Context, v *Version) (err error) {
	p.say("%s: how much it takes", v.Version)
	if v.Message, err = p.doubling(ctx, v, 0); err != nil {
		return err
	}
	if v.Version.Supports(wire.CapFragments) {
		v.Frames, err = p.doubling(ctx, v, fragment)
	}
	return err
}

// doubling sends messages of growing size on one connection, in frames of part bytes or, for 0,
// in one. What is refused is sent again on another one: it may have been chance.
func (p *prober) doubling(ctx context.Context, v *Version, part int) (*Limit, error) {
	var l *link
	defer func() {
		if l != nil {
			l.leave()
		}
	}()
	limit := &Limit{Sure: v.Echoes || v.Pongs != nil && *v.Pongs}
	for size := int64(leastMessage); size <= p.o.Largest; size *= 2 {
		var r *Reaction
		taken := false
		for range 2 {
			if l == nil {
				var err error
				if l, err = p.again(ctx, v); err != nil || l == nil {
					return nil, err
				}
				l.most = 4*p.o.Largest + 1<<20
				l.codec.SetLimit(l.most)
			}
			if r, taken = p.takes(l, size, part, v, limit.Sure); taken {
				break
			}
			l.close()
			l = nil
			if err := ctx.Err(); err != nil {
				return limit, err
			}
		}
		if !taken {
			limit.Refused, limit.How = size, r
			return limit, nil
		}
		limit.Taken = size
	}
	return limit, nil
}

// takes reports whether the server takes a message of that size, and what it does.
func (p *prober) takes(l *link, size int64, part int, v *Version, sure bool) (*Reaction, bool) {
	began := time.Now()
	r := &Reaction{}
	shown := func(r *Reaction) bool { return r.pieces[size] || !v.Echoes && r.Pongs > 0 || r.Close }
	done := make(chan struct{})
	go func() { // the echo of a part may come before the rest was taken
		defer close(done)
		p.sendMessage(l, size, part, v)
	}()
	until := began.Add(p.o.Timeout + time.Duration(size/(1<<20))*time.Second)
	if !sure {
		until = began.Add(settle)
	}
	l.watch(r, began, until, shown)
	l.nc.SetWriteDeadline(time.Unix(1, 0)) // what is not taken by now is not waited for
	<-done
	return r, !r.Close && r.End == Open && (!sure || shown(r))
}

// sendMessage sends a message of that size, and a ping behind it where the server does not echo.
func (p *prober) sendMessage(l *link, size int64, part int, v *Version) {
	// Text that does not look like an attack to anybody.
	payload := bytes.Repeat([]byte("0123456789abcdef"), int(size/16))
	var b []byte
	if part == 0 {
		b = l.frame(wire.OpText, payload)
	} else {
		for op := wire.OpText; ; op = wire.OpContinuation {
			n := min(part, len(payload))
			b = append(b, l.fragment(op, n == len(payload), payload[:n])...)
			if payload = payload[n:]; len(payload) == 0 {
				break
			}
		}
	}
	if !v.Echoes && v.Version.Supports(wire.CapPing) {
		b = append(b, l.frame(wire.OpPing, []byte("taken"))...)
	}
	l.send(b)
}

// headLimit finds the longest head that is not refused for its length: in the newest version that
// opens, or of an ordinary request where none does.
func (p *prober) headLimit(ctx context.Context, opens wire.Versions) (*Limit, error) {
	limit := &Limit{Sure: true}
	for size := leastHead; size <= maxHead; size *= 2 {
		request, err := p.longRequest(opens, size)
		if err != nil {
			return limit, err
		}
		a, err := p.ask(ctx, request)
		if err != nil {
			return limit, err
		}
		if tooLong(a, opens) {
			if limit.Taken == 0 {
				return nil, nil // it refuses any
			}
			limit.Refused, limit.How = int64(size), &Reaction{Status: a.Status, Reason: a.Reason, End: Open, After: a.After}
			return limit, nil
		}
		limit.Taken = int64(size)
	}
	return limit, nil
}

// longRequest is a request whose head has that size.
func (p *prober) longRequest(opens wire.Versions, size int) ([]byte, error) {
	const name = "X-Draftwire-Probe"
	if opens == 0 {
		request := p.request("Connection: close\r\n" + name + ": \r\n")
		return p.request("Connection: close\r\n" + name + ": " + strings.Repeat("x", max(0, size-len(request))) + "\r\n"), nil
	}
	vs := opens.List()
	v := vs[len(vs)-1]
	make := func(fill int) ([]byte, error) {
		o := p.offer(v)
		o.Fields = append(o.Fields, wire.Field{Name: name, Value: strings.Repeat("x", fill)})
		return drafts[v].NewClient(p.o.Rand).Head(nil, o)
	}
	request, err := make(1)
	if err != nil {
		return nil, err
	}
	return make(max(1, size-len(request)+1))
}

// tooLong reports whether an answer says that a head is too long.
func tooLong(a *Answer, opens wire.Versions) bool {
	if opens != 0 {
		return a.Status != http.StatusSwitchingProtocols
	}
	return a.Status == 0 || a.Status == 431 || a.Status == 414 || a.Status == 413 || a.Status == 400
}

// patience sends a part of a request and nothing more.
func (p *prober) patience(ctx context.Context, part string) *Patience {
	l, err := p.connect(ctx)
	if err != nil {
		return nil
	}
	defer l.close()
	began := time.Now()
	if part != "" {
		l.send([]byte(part))
	}
	var resp wire.Response
	w := &Patience{}
	err = l.head(began.Add(p.o.Patience), &resp)
	w.After = Span(time.Since(began))
	if err == nil {
		w.Reaction.Status, w.Reaction.Reason = resp.Status, clip(resp.Fields.Get("Draftwire-Reason"), 60)
	}
	if ctx.Err() != nil {
		return nil
	}
	w.Ended = err == nil || l.end != ""
	w.Reaction.End = Open
	if l.end != "" {
		w.Reaction.End = l.end
	}
	return w
}

// idle opens a connection and says nothing on it, but answers pings.
func (p *prober) idle(ctx context.Context, v wire.Version) *Patience {
	l, err := p.again(ctx, &Version{Version: v})
	if err != nil || l == nil {
		return nil
	}
	defer l.leave()
	began := time.Now()
	w := &Patience{}
	l.watch(&w.Reaction, began, began.Add(p.o.Patience), func(r *Reaction) bool { return r.Close })
	w.After = Span(time.Since(began))
	w.Ended = w.Reaction.Close || w.Reaction.End != Open
	if ctx.Err() != nil {
		return nil
	}
	return w
}
