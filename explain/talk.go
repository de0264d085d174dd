package explain

import (
	"time"

	"github.com/draftwire/draftwire/browsers"
	"github.com/draftwire/draftwire/inspect"
	"github.com/draftwire/draftwire/inspect/capture"
)

// Explainer explains connections. It implements capture.Sink.
type Explainer struct {
	o     Options
	tell  func(*Explanation)
	talks map[int]*talk
	sink  *inspect.Inspector
}

// New returns an Explainer that calls tell with an Explanation of each connection when both of
// its directions have ended. It may be kept.
func New(o Options, tell func(*Explanation)) *Explainer {
	e := &Explainer{o: o, tell: tell, talks: map[int]*talk{}}
	e.sink = inspect.New(inspect.Options{Secure: o.Secure, Payload: 64}, e.event)
	return e
}

// Bounds of what is held of a connection.
const (
	maxRaw    = 64 << 10 // bytes of each side
	maxRawAs  = 1 << 20  // for a browser, some of which take heads of that size
	maxEvents = 64       // with something that counts
)

// talk is a connection.
type talk struct {
	e    *Explainer
	conn capture.Conn
	in   capture.Stream // of the inspector

	raw   [2][]byte // the first of each side
	total [2]int64
	first [2]time.Time
	last  [2]time.Time
	gap   bool
	ends  []ending
	notes []string

	version   string
	client    string
	server    string
	request   *inspect.Event   // the first for WebSocket, or the first
	answers   []*inspect.Event // heads of the server
	challenge *inspect.Event
	proof     *inspect.Event
	broken    []*inspect.Event // in their order
	frames    [2]int
	data      [2]int // frames that are no control frames
	pings     [2]int
	pongs     [2]int
	pinged    time.Time // the last ping of the server
	closing   *inspect.Closing
	lost      *inspect.Event // the first bytes whose meaning is not known
}

// ending is the end of a direction.
type ending struct {
	from capture.Direction
	how  capture.End
	at   time.Time
}

// Open implements capture.Sink.
func (e *Explainer) Open(c capture.Conn) capture.Stream {
	t := &talk{e: e, conn: c}
	e.talks[c.Number] = t
	t.in = e.sink.Open(c)
	return t
}

// Data implements capture.Stream.
func (t *talk) Data(at time.Time, from capture.Direction, offset int64, p []byte) {
	most := maxRaw
	if t.e.o.As != nil {
		most = maxRawAs
	}
	if n := min(len(p), most-len(t.raw[from])); n > 0 {
		t.raw[from] = append(t.raw[from], p[:n]...)
	}
	if t.total[from] == 0 {
		t.first[from] = at
	}
	t.total[from] += int64(len(p))
	t.last[from] = at
	t.in.Data(at, from, offset, p)
}

// Gap implements capture.Stream.
func (t *talk) Gap(at time.Time, from capture.Direction, offset, n int64) {
	t.gap = true
	t.in.Gap(at, from, offset, n)
}

// Note implements capture.Noted.
func (t *talk) Note(at time.Time, from capture.Direction, offset int64, what string) {
	if len(t.notes) < maxEvents {
		t.notes = append(t.notes, what)
	}
	if n, ok := t.in.(capture.Noted); ok {
		n.Note(at, from, offset, what)
	}
}

// End implements capture.Stream.
func (t *talk) End(at time.Time, from capture.Direction, how capture.End) {
	for _, x := range t.ends {
		if x.from == from {
			return
		}
	}
	t.ends = append(t.ends, ending{from, how, at})
	t.in.End(at, from, how)
	if len(t.ends) == 2 {
		delete(t.e.talks, t.conn.Number)
		t.e.tell(t.explain())
	}
}

// event takes an event of the inspector.
func (e *Explainer) event(ev *inspect.Event) {
	t := e.talks[ev.Conn]
	if t == nil {
		return // it was told
	}
	if ev.Draft != "" {
		t.version = ev.Draft
	}
	side := capture.FromClient
	if ev.From == capture.FromServer.String() {
		side = capture.FromServer
	}
	switch ev.Kind {
	case inspect.KindConnection:
		t.client, t.server = ev.Client, ev.Server
	case inspect.KindRequest:
		if t.request == nil || !isAttempt(t.request) && isAttempt(ev) {
			t.request = ev
		}
	case inspect.KindResponse:
		if len(t.answers) < maxEvents {
			t.answers = append(t.answers, ev)
		}
	case inspect.KindChallenge:
		t.challenge = ev
	case inspect.KindProof:
		t.proof = ev
	case inspect.KindFrame:
		t.frame(ev, side)
	case inspect.KindUnknown:
		if t.lost == nil {
			t.lost = ev
		}
	case inspect.KindClosing:
		t.closing = ev.Closing
	}
	switch ev.Kind {
	case inspect.KindFrame, inspect.KindFault, inspect.KindMessage, inspect.KindRemark:
		if len(ev.Broken()) > 0 && len(t.broken) < maxEvents {
			t.broken = append(t.broken, ev)
		}
	}
}

// frame counts a frame.
func (t *talk) frame(ev *inspect.Event, side capture.Direction) {
	t.frames[side]++
	switch ev.Frame.Op {
	case "ping":
		t.pings[side]++
		if side == capture.FromServer && ev.At != nil {
			t.pinged = *ev.At
		}
	case "pong":
		t.pongs[side]++
	case "close":
	default:
		t.data[side]++
	}
}

// isAttempt reports whether a request is one for WebSocket.
func isAttempt(ev *inspect.Event) bool {
	for i := range ev.Lines {
		name := lower(ev.Lines[i].Name)
		if name == "upgrade" && lower(valueOf(ev.Lines[i].Text)) == "websocket" || hasPrefix(name, "sec-websocket-") {
			return true
		}
	}
	return false
}

// end returns how a direction has ended.
func (t *talk) end(from capture.Direction) capture.End {
	for _, x := range t.ends {
		if x.from == from {
			return x.how
		}
	}
	return capture.Cut
}

// cut reports whether the input ends before the connection does.
func (t *talk) cut() bool {
	return t.end(capture.FromClient) == capture.Cut && t.end(capture.FromServer) == capture.Cut
}

// reset reports whether the connection was reset.
func (t *talk) reset() bool {
	return t.end(capture.FromClient) == capture.Reset || t.end(capture.FromServer) == capture.Reset
}

// exchange is what browsers judge: the request, from its first line, and what the server has sent.
func (t *talk) exchange() *browsers.Exchange {
	request := t.raw[capture.FromClient]
	if t.request != nil && t.request.Offset < int64(len(request)) {
		request = request[t.request.Offset:]
	}
	ended := t.end(capture.FromServer) != capture.Cut && (len(t.ends) == 0 || t.ends[0].from == capture.FromServer)
	return &browsers.Exchange{Request: request, Response: t.raw[capture.FromServer], Secure: t.secure(), Ended: ended}
}

func (t *talk) secure() bool { return t.e.o.Secure || t.conn.TLS != nil }
