package probe

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/wire"
)

// dial opens a connection when its turn has come.
func (p *prober) dial(ctx context.Context) (net.Conn, error) {
	if err := p.turn(ctx); err != nil {
		return nil, err
	}
	dctx, cancel := context.WithTimeout(ctx, p.o.Timeout)
	defer cancel()
	dial := p.o.NetDial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	port := cmp.Or(p.u.Port(), map[string]string{"ws": "80", "wss": "443"}[p.u.Scheme])
	nc, err := dial(dctx, "tcp", net.JoinHostPort(p.u.Hostname(), port))
	if err != nil {
		return nil, fmt.Errorf("draftwire: probe: %w", err)
	}
	suite := ""
	if p.u.Scheme == "wss" {
		cfg := &tls.Config{}
		if p.o.TLS != nil {
			cfg = p.o.TLS.Clone()
		}
		if cfg.ServerName == "" {
			cfg.ServerName = p.u.Hostname()
		}
		cfg.NextProtos = []string{"http/1.1"}
		t := tls.Client(nc, cfg)
		if err := t.HandshakeContext(dctx); err != nil {
			nc.Close()
			return nil, fmt.Errorf("draftwire: probe: tls: %w", err)
		}
		s := t.ConnectionState()
		suite = tls.VersionName(s.Version) + ", " + tls.CipherSuiteName(s.CipherSuite)
		nc = t
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.address == "" {
		p.address, p.tls = nc.RemoteAddr().String(), suite
	}
	return nc, nil
}

// Behind the first connection, nobody may be there for a moment: a server that was brought down by
// what it got, and comes again.
const (
	comeAgain = 8                      // attempts
	comeAfter = 250 * time.Millisecond // between two
)

// dialAgain opens a connection, and tries again where nobody is there.
func (p *prober) dialAgain(ctx context.Context) (nc net.Conn, err error) {
	for i := range comeAgain {
		if nc, err = p.dial(ctx); err == nil || ctx.Err() != nil || errors.Is(err, errBudget) {
			return nc, err
		}
		if i == 0 {
			p.mu.Lock()
			p.gone++
			p.mu.Unlock()
		}
		select {
		case <-time.After(comeAfter):
		case <-ctx.Done():
		}
	}
	return nil, err
}

// turn waits for the turn of the next connection.
func (p *prober) turn(ctx context.Context) error {
	p.mu.Lock()
	if p.n >= p.o.MaxConns {
		p.mu.Unlock()
		return errBudget
	}
	p.n++
	now := time.Now()
	if p.due.Before(now) {
		p.due = now
	}
	wait := p.due.Sub(now)
	p.due = p.due.Add(time.Duration(float64(time.Second) / p.o.Rate))
	p.mu.Unlock()
	if wait <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// link is a connection of the probe.
type link struct {
	p     *prober
	ctx   context.Context // what ends the probe
	nc    net.Conn
	stop  func() bool // ends the watch on the context
	buf   []byte      // what came and was not looked at
	codec wire.Codec  // of the server's frames, once the connection is open
	draft *wire.Draft
	key   []byte // what frames of hybi-04 are masked with
	read  int64
	most  int64 // bytes that are read at most
	first time.Time
	end   End
	pings int // that came
}

// mostRead is how much is read of a connection on which nothing large is sent.
const mostRead = 256 << 10

// maxPongs is how many pings of a connection are answered.
const maxPongs = 100

// connect opens a connection, which ends with ctx.
func (p *prober) connect(ctx context.Context) (*link, error) {
	nc, err := p.dialAgain(ctx)
	if err != nil {
		return nil, err
	}
	l := &link{p: p, ctx: ctx, nc: nc, most: mostRead}
	l.stop = context.AfterFunc(ctx, func() { nc.SetDeadline(time.Unix(1, 0)) })
	return l, nil
}

func (l *link) close() {
	l.stop()
	l.nc.Close()
}

// send writes b. What goes wrong is seen when the link is read.
func (l *link) send(b []byte) {
	l.nc.SetWriteDeadline(time.Now().Add(l.p.o.Timeout))
	l.nc.Write(b)
}

// errEnd is the end of what a server sends; the link says how it ended.
var errEnd = errors.New("the server ended the connection")

// errLate is a wait that is over.
var errLate = errors.New("nothing came in time")

// fill reads more, until a time. The error is errEnd, errLate, or that of the context.
func (l *link) fill(until time.Time) error {
	if l.end != "" {
		return errEnd
	}
	l.nc.SetReadDeadline(until)
	if l.ctx.Err() != nil { // what it has set is gone
		return errLate
	}
	var b [16 << 10]byte
	n, err := l.nc.Read(b[:])
	if n > 0 {
		if l.first.IsZero() {
			l.first = time.Now()
		}
		l.buf = append(l.buf, b[:n]...)
		if l.read += int64(n); l.read > l.most {
			l.end = Noise
			return errEnd
		}
		return nil
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errLate
	case errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNABORTED):
		l.end = RST
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		l.end = FIN
	default:
		l.end = RST // an error of TLS, or of the way
	}
	return errEnd
}

// head reads the head of an answer. Interim answers before it are skipped, up to five.
func (l *link) head(until time.Time, resp *wire.Response) error {
	for range 6 {
		raw, err := l.rawHead(until)
		if err != nil {
			return err
		}
		*resp = wire.Response{Tolerate: wire.ServerFaults()}
		if err := httphead.ParseResponse(raw, resp); err != nil {
			return err
		}
		if resp.Status/100 != 1 || resp.Status == 101 {
			return nil
		}
	}
	return errors.New("more than five answers came before the last one")
}

// rawHead takes the bytes of a head.
func (l *link) rawHead(until time.Time) (string, error) {
	for seen := 0; ; {
		if end := httphead.End(l.buf, seen); end > 0 {
			raw := string(l.buf[:end])
			l.buf = l.buf[end:]
			return raw, nil
		}
		if prefix := min(len(l.buf), len("HTTP/")); string(l.buf[:prefix]) != "HTTP/"[:prefix] {
			return "", fmt.Errorf("the answer begins with %.40q, which is not HTTP", l.buf)
		}
		if seen = len(l.buf); seen > maxHead {
			return "", fmt.Errorf("the head of the answer is longer than %d bytes", maxHead)
		}
		if err := l.fill(until); err != nil {
			return "", err
		}
	}
}

// take takes n bytes.
func (l *link) take(n int, until time.Time) ([]byte, error) {
	for len(l.buf) < n {
		if err := l.fill(until); err != nil {
			return l.buf, err
		}
	}
	b := l.buf[:n]
	l.buf = l.buf[n:]
	return b, nil
}

// open says that what follows are frames.
func (l *link) open(d *wire.Draft, key []byte) {
	l.draft, l.key = d, key
	l.codec = d.NewCodec(wire.CodecConfig{Role: wire.Client, MaskKey: key, Tolerate: wire.ServerFaults(), RSV1: wire.RSV1Frame})
	l.codec.SetLimit(l.most)
}

// keepMessage is how much of a message is kept, to compare it.
const keepMessage = 4 << 10

// watch reads frames into r, until enough says that it has seen what it waits for, the stream
// ends, or the time is over. A close does not end the watch.
func (l *link) watch(r *Reaction, began, until time.Time, enough func(*Reaction) bool) {
	r.End = Open
	if r.pieces == nil {
		r.pieces = map[int64]bool{}
	}
	note := func() {
		if r.first.IsZero() {
			r.first, r.After = time.Now(), Span(time.Since(began))
		}
	}
	for {
		if err := l.events(r, note); err != nil {
			note()
			r.End, r.Noise = Noise, plain(err)
			r.fault(err)
			return
		}
		if enough != nil && enough(r) {
			return
		}
		switch err := l.fill(until); {
		case errors.Is(err, errEnd):
			r.End = l.end
			note()
			r.EndsIn = Span(time.Since(r.first))
			return
		case err != nil:
			if r.first.IsZero() {
				r.After = Span(time.Since(began))
			}
			return
		}
	}
}

// fault says what a frame that cannot be was meant as: a close with a code that must not be sent
// is one, as is a pong that is too long.
func (r *Reaction) fault(err error) {
	pe, ok := errors.AsType[*wire.ProtocolError](err)
	if !ok {
		return
	}
	switch pe.Fault {
	case wire.FaultCloseCode, wire.FaultCloseLength, wire.FaultCloseText:
		r.Close = true
	case wire.FaultControlLong:
		r.longPong = true
	}
}

// events takes the events that have come.
func (l *link) events(r *Reaction, note func()) error {
	for len(l.buf) > 0 {
		var ev wire.Event
		n, err := l.codec.Decode(l.buf, &ev)
		if err != nil {
			l.buf = nil
			return err
		}
		switch ev.Op {
		case wire.OpText, wire.OpBinary:
			if ev.First {
				r.data, r.size = nil, 0
			}
			r.size += int64(len(ev.Data))
			r.data = append(r.data, ev.Data[:min(len(ev.Data), keepMessage-min(len(r.data), keepMessage))]...)
			if ev.Last {
				r.Echoes++
				r.pieces[r.size] = true
				if len(r.pieces) > 1000 {
					clear(r.pieces)
				}
			}
		case wire.OpPong:
			r.Pongs++
		case wire.OpPing:
			if l.pings++; l.pings > maxPongs {
				break
			}
			if b, err := l.draft.NewCodec(wire.CodecConfig{Role: wire.Client, MaskKey: l.key, Rand: l.p.o.Rand}).AppendFrame(nil, wire.OpPong, true, ev.Data); err == nil {
				l.send(b)
			}
		case wire.OpClose:
			if !r.Close {
				note()
				r.Close, r.Code, r.Text = true, ev.Code, clip(string(bytes.ToValidUTF8(ev.Data, []byte("\uFFFD"))), 123)
			}
		}
		l.buf = l.buf[n:]
	}
	l.buf = nil
	return nil
}

// plain is an error without the names of packages.
func plain(err error) string {
	return clip(strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(err.Error(), "draftwire: "), "probe: "), "handshake: "), 300)
}

// clip cuts a text that a server chose, and makes UTF-8 of it.
func clip(s string, most int) string {
	if len(s) <= most {
		return strings.ToValidUTF8(s, "\uFFFD")
	}
	return strings.ToValidUTF8(s[:most], "\uFFFD") + "..."
}

func clipAll(all []string, most int) []string {
	for i := range all {
		all[i] = clip(all[i], most)
	}
	return all
}
