package capture

import (
	"bytes"
	"time"
)

// maxUndecided is how much of a connection waits until it is known whether it is TLS.
const maxUndecided = 4 << 10

// front stands between a flow and the sink: it finds out whether what comes is TLS, and opens
// the connection.
type front struct {
	flow    *flow
	sink    Sink
	opener  *opener
	decided bool
	stream  Stream // once decided; nil: nobody wants it
	// Until then, of each direction: what is missing before its first byte, its first bytes
	// and when they came.
	gaps  [2]int64
	first [2][]byte
	at    [2]time.Time
}

func (f *front) data(at time.Time, from Direction, off int64, p []byte) {
	if f.decided {
		if f.stream != nil {
			f.stream.Data(at, from, off, p)
		}
		return
	}
	if f.flow.conn.Midway && len(f.first[from]) == 0 && speaker(p) == from.Other() {
		f.turn()
		from = from.Other()
	}
	f.at[from] = at
	have := len(f.first[from])
	first := p
	if have > 0 {
		first = append(f.first[from], p...)
	}
	// Where the beginning is not there, it takes a record's head to know that this is TLS,
	// and a direction may begin in the middle of one. Then the other one decides.
	kind := isTLS(first, f.flow.conn.Midway || f.gaps[FromClient]+f.gaps[FromServer] > 0)
	if kind == no && len(f.first[from.Other()]) == 0 && (f.flow.conn.Midway || f.gaps[from] > 0) {
		kind = maybe
	}
	if kind == maybe && len(first) < maxUndecided && f.opener.held+len(p) < f.opener.limit {
		f.opener.held += len(p)
		f.first[from] = bytes.Clone(first)
		return
	}
	if kind == yes {
		f.decide(newSession(f.flow.conn, f.sink, f.opener))
	} else {
		f.decide(f.sink.Open(f.flow.conn))
	}
	f.data(at, from, off, p)
}

// turn makes the client of a connection the server.
func (f *front) turn() {
	f.flow.client = 1 - f.flow.client
	c := &f.flow.conn
	c.Client, c.Server = c.Server, c.Client
	f.gaps[0], f.gaps[1] = f.gaps[1], f.gaps[0]
	f.at[0], f.at[1] = f.at[1], f.at[0]
	f.first[0], f.first[1] = f.first[1], f.first[0]
}

// decide says who takes the connection, who gets what came before.
func (f *front) decide(to Stream) {
	f.decided, f.stream = true, to
	for _, from := range []Direction{FromClient, FromServer} {
		if to != nil && f.gaps[from] > 0 {
			to.Gap(f.at[from], from, 0, f.gaps[from])
		}
		if to != nil && len(f.first[from]) > 0 {
			to.Data(f.at[from], from, f.gaps[from], f.first[from])
		}
		f.opener.held -= len(f.first[from])
		f.first[from] = nil
	}
}

func (f *front) gap(at time.Time, from Direction, off, n int64) {
	switch {
	case f.decided && f.stream == nil:
	case f.decided:
		f.stream.Gap(at, from, off, n)
	case len(f.first[from]) > 0:
		f.decide(f.sink.Open(f.flow.conn))
		f.gap(at, from, off, n)
	default:
		f.gaps[from] += n
		f.at[from] = at
	}
}

func (f *front) end(at time.Time, from Direction, how End) {
	if !f.decided {
		f.decide(f.sink.Open(f.flow.conn))
	}
	if f.stream != nil {
		f.stream.End(at, from, how)
	}
}

// speaker returns which side says something like this first; for what it does not know, neither
// of both.
func speaker(p []byte) Direction {
	method, _, found := bytes.Cut(p[:min(len(p), 16)], []byte(" "))
	switch {
	case bytes.HasPrefix(p, []byte("HTTP/1.")), len(p) > recordHead && p[0] == recordHandshake && p[1] == 3 && p[recordHead] == helloServer:
		return FromServer
	case len(p) > recordHead && p[0] == recordHandshake && p[1] == 3 && p[recordHead] == helloClient:
		return FromClient
	case found && len(method) >= 3 && bytes.Equal(method, bytes.ToUpper(method)) && method[0] >= 'A' && method[0] <= 'Z':
		return FromClient
	}
	return 2
}

// answer of a question that may need more bytes.
type answer uint8

const (
	maybe answer = iota
	yes
	no
)

// isTLS reports whether a direction begins with a hello of TLS, or loosely with any record of
// it.
func isTLS(p []byte, loose bool) answer {
	if p[0]&0x80 != 0 && len(p) < recordHead {
		return maybe
	}
	if isOldHello(p) {
		return yes
	}
	if p[0] != recordHandshake && (!loose || p[0] < recordChange || p[0] > recordData) {
		return no
	}
	if len(p) > 1 && p[1] != 3 || len(p) > 2 && p[2] > 4 {
		return no
	}
	if len(p) >= recordHead {
		if n := int(p[3])<<8 | int(p[4]); n == 0 || n > maxRecord {
			return no
		}
	}
	switch {
	case len(p) <= recordHead:
		return maybe
	case !loose && p[recordHead] != helloClient && p[recordHead] != helloServer:
		return no
	}
	return yes
}
