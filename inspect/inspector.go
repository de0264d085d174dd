package inspect

import (
	"cmp"
	"time"

	"github.com/draftwire/draftwire/inspect/capture"
	"github.com/draftwire/draftwire/wire"
)

// Options say how connections are explained. The zero value is ready to use.
type Options struct {
	// Payload is how many bytes of each payload are kept; 0 is 256, and a negative number none.
	Payload int
	// Limit is the largest message that is read, in bytes, expanded; 0 is 16 MiB where messages
	// are compressed, whose memory it bounds, and elsewhere none.
	Limit int64
	// Version is what connections speak whose handshake is not there; Unknown finds it by
	// looking at the frames.
	Version wire.Version
	// Extensions is what the server has answered in Sec-WebSocket-Extensions on such
	// connections; "" is nothing.
	Extensions string
	// MaskKey is what the masks of hybi-04 are made of, 20 bytes, in place of what the handshake
	// makes of its key and nonce; nil leaves it at that.
	MaskKey []byte
	// Secure: the client's URL was wss, though the bytes are not TLS any more. Where the capture
	// has opened the TLS itself, that is known.
	Secure bool
}

// Bounds of what is held of a connection.
const (
	defaultPayload = 256
	defaultLimit   = 16 << 20
	maxHead        = 64 << 10  // of a head
	maxLine        = 2 << 10   // of the first line of a request
	maxWaiting     = 256 << 10 // bytes of one side that wait for the other one
	maxRequests    = 64        // requests that wait for their answers
	piece          = 32 << 10  // what is taken in at once
)

func (o *Options) payload() int {
	if o.Payload < 0 {
		return 0
	}
	return cmp.Or(o.Payload, defaultPayload)
}

func (o *Options) limit(compressed bool) int64 {
	if o.Limit <= 0 && compressed {
		return defaultLimit
	}
	return max(o.Limit, 0)
}

// Inspector explains connections. It implements capture.Sink.
type Inspector struct {
	o    Options
	tell func(*Event)
}

// New returns an Inspector that calls tell with each event, which may be kept.
func New(o Options, tell func(*Event)) *Inspector { return &Inspector{o, tell} }

// Open implements capture.Sink.
func (i *Inspector) Open(c capture.Conn) capture.Stream {
	x := &conversation{o: &i.o, tell: i.tell, conn: c, secure: i.o.Secure || c.TLS != nil}
	x.sides[capture.FromServer].from = capture.FromServer
	e := &Event{Kind: KindConnection}
	if c.Client.IsValid() {
		e.Client = c.Client.String()
	}
	if c.Server.IsValid() {
		e.Server = c.Server.String()
	}
	if c.Midway {
		e.Notes = append(e.Notes, Note{Verdict: Says, Text: "the capture begins in the middle of this connection"})
	}
	if c.TLS != nil && c.TLS.Err != nil {
		e.Notes = append(e.Notes, Note{Verdict: Says, Text: "TLS that could not be opened: " + c.TLS.Err.Error()})
	}
	x.say(e)
	return x
}

// conversation explains one connection. It implements capture.Noted.
type conversation struct {
	o      *Options
	tell   func(*Event)
	conn   capture.Conn
	secure bool // the client's URL is wss

	sides    [2]side
	version  wire.Version
	requests []*request // that wait for their answers
	upgrade  *request   // that was accepted
	opened   bool       // frames follow
	refused  bool       // the last handshake was refused
	plain    bool       // an ordinary request was answered
	failed   bool       // a fault ended a direction
	terms    terms
	closing  closing
	done     bool
}

// side is one direction of a conversation.
type side struct {
	from   capture.Direction
	state  func(*conversation, *side) bool // nil: atStart
	offset int64                           // of the first byte of buf
	buf    []byte                          // what has come and is not explained
	at     time.Time
	ended  bool
	end    capture.End

	lost                   bool  // no head is expected any more
	searching              bool  // for the border of a frame
	futile                 int   // searches that found none
	seen                   int   // bytes of buf that have no end of a head
	skip                   int64 // of a body; below 0 it goes on to the end
	chunks                 bool  // the body is chunked
	body                   []byte
	bodyOffset, bodyLength int64
	asking                 *request // whose challenge is not whole
	reader                 *reader
	unknown                unknown
	expanded               bool      // with deflate-stream: behind the head offset counts what it comes to
	expander               *expander // nil where it is over
	packed                 []byte    // what has come and is not expanded
}

// unknown is a run of bytes whose meaning is not known.
type unknown struct {
	offset, length int64
	bytes          []byte
	why            string
}

func (c *conversation) other(s *side) *side { return &c.sides[s.from.Other()] }

func (c *conversation) isClient(s *side) bool { return s.from == capture.FromClient }

// Data implements capture.Stream.
func (c *conversation) Data(at time.Time, from capture.Direction, offset int64, p []byte) {
	s := &c.sides[from]
	s.at = at
	if !s.expanded && offset > s.offset+int64(len(s.buf)) {
		c.Gap(at, from, s.offset+int64(len(s.buf)), offset-s.offset-int64(len(s.buf)))
	}
	for len(p) > 0 {
		n := min(len(p), piece)
		if s.expander != nil {
			s.packed = append(s.packed, p[:n]...)
		} else {
			s.buf = append(s.buf, p[:n]...)
		}
		p = p[n:]
		c.run()
		if len(s.buf) > maxWaiting {
			c.overflow(s)
			c.run()
		}
	}
}

// run explains what can be explained.
func (c *conversation) run() {
	for {
		client := c.advance(&c.sides[capture.FromClient])
		server := c.advance(&c.sides[capture.FromServer])
		if client || server {
			continue
		}
		client = c.expand(&c.sides[capture.FromClient])
		server = c.expand(&c.sides[capture.FromServer])
		if !client && !server {
			return
		}
	}
}

// advance takes one step of a side, and reports whether there was one to take.
func (c *conversation) advance(s *side) bool {
	if s.state == nil {
		s.state = atStart
	}
	return s.state(c, s)
}

// take removes n bytes from the front of what has come.
func (s *side) take(n int) {
	s.buf = s.buf[:copy(s.buf, s.buf[n:])]
	s.offset += int64(n)
	s.seen = 0
}

// overflow goes on with a side that waits for what does not come.
func (c *conversation) overflow(s *side) {
	switch {
	case c.isClient(s) && len(c.requests) > 0 && !c.opened:
		c.assume("the answer is not there")
	case !c.isClient(s) && len(c.requests) == 0:
		s.state = answerAlone
	default:
		c.lose(s, "there is no end of a head")
	}
}

// Gap implements capture.Stream.
func (c *conversation) Gap(at time.Time, from capture.Direction, offset, n int64) {
	s := &c.sides[from]
	s.at = at
	c.settle(s)
	c.endExpanding(s, "deflate-stream: the stream is not known behind bytes that are missing")
	e := c.event(s, KindGap, n)
	e.Offset = offset
	e.Text = "these bytes are missing from the capture"
	c.say(e)
	s.offset += n
	switch {
	case s.reader != nil:
		s.reader.gap(n)
	case !c.opened:
		c.lose(s, "the handshake has a gap")
		s.search()
	}
	c.run()
}

// settle explains, before a gap or the end, what is left of a side as far as it goes.
func (c *conversation) settle(s *side) {
	c.run()
	for s.searching && len(s.buf) > 0 {
		c.goOn(s)
		c.run()
	}
	if s.reader != nil {
		s.reader.finish()
	}
	c.finishBody(s)
	if len(s.buf) > 0 {
		c.lose(s, "they end in the middle")
	}
	c.flush(s)
}

// Note implements capture.Noted.
func (c *conversation) Note(at time.Time, from capture.Direction, offset int64, what string) {
	s := &c.sides[from]
	s.at = at
	e := c.event(s, KindRemark, 0)
	e.Offset, e.Text = offset, what
	c.say(e)
}

// End implements capture.Stream.
func (c *conversation) End(at time.Time, from capture.Direction, how capture.End) {
	s := &c.sides[from]
	if s.ended {
		return
	}
	if !at.IsZero() {
		s.at = at
	}
	s.ended, s.end = true, how
	c.run()
	o := c.other(s)
	if !c.isClient(s) || s.reader != nil || o.ended {
		c.settle(s)
	}
	e := c.event(s, KindEnd, 0)
	e.Offset = s.offset
	switch how {
	case capture.Fin:
		e.Text = "ends its stream"
	case capture.Reset:
		e.Text = "the connection is reset"
	default:
		e.Text = "the capture ends here"
	}
	c.closing.ended(s, how)
	if !o.ended {
		c.say(e)
		return
	}
	c.settle(o)
	c.say(e)
	for i := range c.sides {
		c.endExpanding(&c.sides[i], "")
	}
	if !c.done {
		c.done = true
		c.sum()
	}
}

// event returns an event about the next n bytes of a side.
func (c *conversation) event(s *side, k Kind, n int64) *Event {
	e := &Event{Kind: k, From: s.from.String(), Offset: s.offset, Length: n, direction: s.from}
	if !s.at.IsZero() {
		at := s.at
		e.At = &at
	}
	return e
}

// say passes an event on.
func (c *conversation) say(e *Event) {
	e.Conn = c.conn.Number
	if c.version != wire.Unknown {
		e.Draft = c.version.String()
	}
	if e.Kind != KindUnknown && e.From != "" {
		c.flush(&c.sides[e.direction])
	}
	c.tell(e)
}

// lose discards what a side has, as bytes whose meaning is not known, and what follows.
func (c *conversation) lose(s *side, why string) {
	s.state, s.lost, s.searching = discarding, true, false
	c.puzzle(s, len(s.buf), why)
}

// discarding is the state of a side of which nothing more is known.
func discarding(c *conversation, s *side) bool {
	if len(s.buf) == 0 {
		return false
	}
	c.puzzle(s, len(s.buf), s.unknown.why)
	return true
}

// puzzle takes n bytes whose meaning is not known.
func (c *conversation) puzzle(s *side, n int, why string) {
	u := &s.unknown
	if why != u.why {
		c.flush(s)
	}
	if u.length == 0 {
		u.offset = s.offset
	}
	u.why = why
	u.length += int64(n)
	u.bytes = append(u.bytes, s.buf[:min(n, max(0, c.o.payload()-len(u.bytes)))]...)
	s.take(n)
}

// flush tells of bytes whose meaning is not known.
func (c *conversation) flush(s *side) {
	u := s.unknown
	s.unknown = unknown{why: u.why}
	if u.length == 0 {
		return
	}
	e := c.event(s, KindUnknown, u.length)
	e.Offset, e.Text, e.Bytes = u.offset, u.why, u.bytes
	c.say(e)
}
