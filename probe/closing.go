package probe

import (
	"context"
	"time"

	"github.com/draftwire/draftwire/wire"
)

// ownCode is a code that a program chooses (RFC 6455 7.4.2).
const ownCode = 4001

// closing finds out how the server closes.
func (p *prober) closing(ctx context.Context, v *Version) error {
	v.Closing = &Closing{}
	err := p.end(ctx, v, &v.Closing.Answer, func(l *link) { l.goodbye(wire.CodeNormal, "") })
	if err != nil {
		return err
	}
	if v.Version.Supports(wire.CapCloseCode) {
		v.Closing.Own = &Reaction{}
		if err := p.end(ctx, v, v.Closing.Own, func(l *link) { l.goodbye(ownCode, "draftwire probe") }); err != nil {
			return err
		}
	}
	return p.end(ctx, v, &v.Closing.HalfClosed, func(l *link) { l.half() })
}

// end opens a connection, ends it in some way and watches what the server does, for as long as an
// answer may take.
func (p *prober) end(ctx context.Context, v *Version, r *Reaction, how func(*link)) error {
	l, err := p.again(ctx, v)
	if err != nil || l == nil {
		r.End = Unopened
		return err
	}
	defer l.close()
	began := time.Now()
	how(l)
	l.watch(r, began, began.Add(p.o.Timeout), nil)
	return ctx.Err()
}

// goodbye sends the close of the version, or ends the stream where it has none.
func (l *link) goodbye(code wire.CloseCode, reason string) {
	if b := l.closing(code, reason); len(b) > 0 {
		l.send(b)
		return
	}
	l.half()
}

// half ends our half of the stream.
func (l *link) half() {
	if c, ok := l.nc.(interface{ CloseWrite() error }); ok {
		c.CloseWrite()
	}
}

// leave ends a connection as a polite client does, and does not wait long for the answer.
func (l *link) leave() {
	if l.end == "" {
		var r Reaction
		began := time.Now()
		l.goodbye(wire.CodeNormal, "")
		l.watch(&r, began, began.Add(min(settle, l.p.o.Timeout)), func(r *Reaction) bool { return r.Close })
	}
	l.close()
}
