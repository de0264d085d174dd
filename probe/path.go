package probe

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/draftwire/draftwire/detect"
	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/wire"
)

// PathReport is what the way to a server, most often a proxy, does to each version.
type PathReport struct {
	URL         string    `json:"url"`     // of the proxy
	Backend     string    `json:"backend"` // where the probe listened behind it
	Began       time.Time `json:"began"`
	Took        Span      `json:"took_ms"`
	Connections int       `json:"connections"`
	Versions    []Path    `json:"versions"`
	Stopped     string    `json:"stopped,omitempty"`
}

// Passage is what became of a connection on its way.
type Passage string

// The passages.
const (
	Passes Passage = "passes" // it opens, and frames arrive as they were sent
	// Translated: it opens, the backend is spoken to on a connection of its own, in that version or
	// in another one, and messages arrive.
	Translated Passage = "translated"
	Damaged    Passage = "damaged"             // it reaches the backend, but does not open or carry frames
	Answered   Passage = "answered on the way" // the path refuses it, or answers in the backend's place
	Swallowed  Passage = "swallowed"           // nothing reached the backend, and nothing came back
)

// Path is what the way does to a version.
type Path struct {
	Version wire.Version `json:"version"`
	Passage Passage      `json:"passage"`
	Why     string       `json:"why,omitempty"` // of a passage that is none
	// As is the version that the backend was asked for, where the path opens a connection of its own
	// in place of passing on the client's.
	As     wire.Version `json:"as,omitzero"`
	Answer *Answer      `json:"answer,omitempty"`
	// Request is what the backend saw otherwise than it was sent, Response what the client saw.
	Request  *Changes `json:"request,omitempty"`
	Response *Changes `json:"response,omitempty"`
	// RequestWaits: the head of the request comes to the backend only with the eight bytes behind
	// it. ResponseWaits: the head of the answer comes to the client only when those were sent.
	// Challenge is what became of the eight bytes: "kept", or what came in their place.
	RequestWaits  *bool  `json:"request_waits,omitempty"`
	ResponseWaits *bool  `json:"response_waits,omitempty"`
	Challenge     string `json:"challenge,omitempty"`
	// Held: of a request in one piece the backend gets the eight bytes only when it has answered the
	// head. A server that waits for them hangs behind such a path.
	Held *bool `json:"held,omitempty"`
	// Tolerance names the faults that the path puts into the answer, and that a client then has to
	// tolerate.
	Tolerance string `json:"tolerance,omitempty"`
	// Browsers are what the browsers that spoke the version make of the answer as it comes.
	Browsers []Browser `json:"browsers,omitempty"`
	Open     Span      `json:"open_ms,omitempty"` // how long the handshake took
	// Up and Down are what became of frames from the client and to it.
	Up   *Frames `json:"up,omitempty"`
	Down *Frames `json:"down,omitempty"`
	// HalfOpen: when the client has ended its half of the stream, the backend sees that, and what
	// it still says arrives.
	HalfOpen *bool     `json:"half_open,omitempty"`
	Idle     *Patience `json:"idle,omitempty"` // how long a silent connection is left alone
}

// Frames is what became of frames on the way.
type Frames struct {
	Kept bool   `json:"kept"`
	Came string `json:"came,omitempty"` // the beginning of what came instead, in hexadecimal
	// First is how long the first byte of a frame took that was sent without its rest, 0 where it
	// waited for the rest; Whole is how long 64 KiB took.
	First Span `json:"first_ms"`
	Whole Span `json:"whole_ms"`
}

// Changes are the differences of two heads.
type Changes struct {
	Line      string   `json:"line,omitempty"` // the first line, where it is another one
	Added     []Field  `json:"added,omitempty"`
	Removed   []Field  `json:"removed,omitempty"`
	Changed   []Change `json:"changed,omitempty"`   // values
	Respelled []Change `json:"respelled,omitempty"` // names
	Reordered bool     `json:"reordered,omitempty"` // those that are left stand in another order
}

// Change is a field, or its name, as it was sent and as it came.
type Change struct {
	Name string `json:"name,omitempty"`
	Sent string `json:"sent"`
	Came string `json:"came"`
}

// None reports whether nothing was changed.
func (c *Changes) None() bool {
	return c.Line == "" && len(c.Added)+len(c.Removed)+len(c.Changed)+len(c.Respelled) == 0 && !c.Reordered
}

// has reports whether the value of a field was changed.
func (c *Changes) has(name string) bool {
	return slices.ContainsFunc(c.Changed, func(x Change) bool { return strings.EqualFold(x.Name, name) })
}

// changes compares two heads.
func changes(sent, came string) *Changes {
	c := &Changes{}
	line, fields := headLines(sent)
	first, others := headLines(came)
	if line != first {
		c.Line = clip(first, 200)
	}
	others = slices.Clone(others)
	var order []int // where the fields that were sent stand in what came
	used := make([]bool, len(others))
	for _, f := range fields {
		i := find(others, used, func(o wire.Field) bool { return o == f })
		if i < 0 {
			i = find(others, used, func(o wire.Field) bool { return strings.EqualFold(o.Name, f.Name) })
		}
		if i < 0 {
			c.Removed = append(c.Removed, clipped(f))
			continue
		}
		used[i] = true
		order = append(order, i)
		o := others[i]
		if o.Name != f.Name {
			c.Respelled = append(c.Respelled, Change{Sent: clip(f.Name, 100), Came: clip(o.Name, 100)})
		}
		if o.Value != f.Value {
			c.Changed = append(c.Changed, Change{clip(f.Name, 100), clip(f.Value, 200), clip(o.Value, 200)})
		}
	}
	for i, o := range others {
		if !used[i] {
			c.Added = append(c.Added, clipped(o))
		}
	}
	c.Reordered = !slices.IsSorted(order)
	return c
}

func find(fields wire.Fields, used []bool, is func(wire.Field) bool) int {
	for i, f := range fields {
		if !used[i] && is(f) {
			return i
		}
	}
	return -1
}

// markField has a spelling that a proxy may change.
const markField = "X-draftwire-PROBE"

// visit is a connection that has come to the backend.
type visit struct {
	l   *link
	raw string // the head
	at  time.Time
}

// way is a path under probe.
type way struct {
	*prober
	visits chan *visit
	mark   string
	open   sync.WaitGroup
}

// Through finds out what the way from rawURL to l does to each version. The proxy of that URL has
// to lead what it gets to l, which Through closes. Of the options those that are about a server's
// own behaviour are not used. The error is as with Run.
func Through(ctx context.Context, rawURL string, l net.Listener, o *Options) (*PathReport, error) {
	defer l.Close()
	p, err := newProber(rawURL, o)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	r := &PathReport{URL: rawURL, Backend: l.Addr().String(), Began: began.UTC().Truncate(time.Millisecond)}
	nc, err := p.dial(ctx)
	if err != nil {
		return nil, err
	}
	nc.Close()
	w := &way{prober: p, visits: make(chan *visit), mark: rand.Text()}
	ctx, cancel := context.WithCancel(ctx)
	served := make(chan struct{})
	go func() {
		defer close(served)
		w.serve(ctx, l)
	}()
	stop := context.AfterFunc(ctx, func() { l.Close() })
	err = w.run(ctx, r)
	switch {
	case ctx.Err() != nil:
		r.Stopped = "it was interrupted"
	case err != nil:
		r.Stopped = plain(err)
	}
	cancel()
	stop()
	l.Close()
	<-served
	w.open.Wait()
	r.Took, r.Connections = Span(time.Since(began)), p.n
	return r, nil
}

// serve takes the connections that come to the backend.
func (w *way) serve(ctx context.Context, l net.Listener) {
	for {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		w.open.Go(func() { w.visit(ctx, nc) })
	}
}

// visit reads the head of a request, and gives it to who waits for it. What nobody waits for, a
// check of the proxy's most often, is answered here.
func (w *way) visit(ctx context.Context, nc net.Conn) {
	l := &link{p: w.prober, ctx: ctx, nc: nc, most: 4 << 20}
	l.stop = context.AfterFunc(ctx, func() { nc.SetDeadline(time.Unix(1, 0)) })
	raw, err := l.requestHead(time.Now().Add(4 * w.o.Timeout))
	if err != nil {
		l.close()
		return
	}
	_, fields := headLines(raw)
	// A path may take the mark away; then it is one that asks for WebSocket.
	if fields.Get(markField) == w.mark || fields.Get(markField) == "" && fields.Has("Upgrade") {
		select {
		case w.visits <- &visit{l, raw, time.Now()}:
			return
		case <-ctx.Done():
		case <-time.After(w.o.Timeout):
		}
	}
	l.send([]byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
	l.close()
}

// requestHead takes the head of a request.
func (l *link) requestHead(until time.Time) (string, error) {
	for seen := 0; ; {
		if end := httphead.End(l.buf, seen); end > 0 {
			raw := string(l.buf[:end])
			l.buf = l.buf[end:]
			return raw, nil
		}
		if seen = len(l.buf); seen > maxHead {
			return "", errors.New("the head is too long")
		}
		if err := l.fill(until); err != nil {
			return "", err
		}
	}
}

func (w *way) run(ctx context.Context, r *PathReport) error {
	var idle sync.WaitGroup
	defer idle.Wait()
	vs := w.o.Versions.List()
	r.Versions = make([]Path, len(vs))
	for i, v := range vs {
		r.Versions[i] = Path{Version: v, Passage: Swallowed, Why: "not asked"}
	}
	for i, v := range vs {
		w.say("%s", v)
		path := &r.Versions[i]
		near, far, err := w.pass(ctx, path)
		if err != nil {
			return err
		}
		if near == nil {
			continue
		}
		if path.Challenge != "" {
			if err := w.inOnePiece(ctx, path); err != nil {
				return err
			}
		}
		idle.Go(func() {
			if !w.o.Quick {
				path.Idle = w.watchIdle(ctx, near, far)
			}
			if path.Idle == nil || !path.Idle.Ended {
				w.halfOpen(path, near, far)
			}
			near.close()
			far.close()
		})
	}
	return nil
}

// pass opens a connection of a version and sends frames over it. The two ends are returned where
// it passes; otherwise they are closed.
func (w *way) pass(ctx context.Context, path *Path) (near, far *link, err error) {
	path.Why = ""
	v := path.Version
	hs := drafts[v].NewClient(w.o.Rand).(witness)
	offer := w.offer(v)
	offer.Fields = append(offer.Fields, wire.Field{Name: markField, Value: w.mark})
	request, err := w.compose(hs, v, offer)
	if err != nil {
		return nil, nil, err
	}
	near, err = w.connect(ctx)
	if err != nil {
		return nil, nil, err
	}
	x := &crossing{w: w, path: path, near: near, hs: hs, began: time.Now()}
	end := httphead.End(request, 0)
	x.request, x.key3 = string(request[:end]), request[end:]
	if x.cross() {
		return near, x.far, ctx.Err()
	}
	near.close()
	if x.far != nil {
		x.far.close()
	}
	return nil, nil, ctx.Err()
}

// inOnePiece sends a request with its eight bytes, and sees whether they come before it is answered.
func (w *way) inOnePiece(ctx context.Context, path *Path) error {
	hs := drafts[path.Version].NewClient(w.o.Rand).(witness)
	offer := w.offer(path.Version)
	offer.Fields = append(offer.Fields, wire.Field{Name: markField, Value: w.mark})
	request, err := w.compose(hs, path.Version, offer)
	if err != nil {
		return err
	}
	near, err := w.connect(ctx)
	if err != nil {
		return err
	}
	defer near.close()
	near.send(request)
	select {
	case v := <-w.visits:
		_, err := v.l.take(len(request)-httphead.End(request, 0), time.Now().Add(min(w.o.Timeout, settle)))
		held := errors.Is(err, errLate)
		path.Held = &held
		v.l.send([]byte("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
		v.l.close()
	case <-time.After(min(w.o.Timeout, time.Second)):
	case <-ctx.Done():
	}
	return ctx.Err()
}

// crossing is one connection on its way.
type crossing struct {
	w         *way
	path      *Path
	near, far *link
	hs        witness
	began     time.Time
	request   string
	key3      []byte
	sentKey3  bool
	early     *wire.Response // a 101 that came before the backend was asked
}

// cross reports whether the connection passes.
func (x *crossing) cross() bool {
	visit := x.arrive()
	if visit == nil {
		return false
	}
	x.far = visit.l
	x.path.Request = changes(x.request, visit.raw)
	answer, ok := x.answer(visit.raw)
	if !ok {
		return false
	}
	if !x.open(answer) {
		return false
	}
	x.path.Open = Span(time.Since(x.began))
	if x.path.As != wire.Unknown {
		x.far.draft, x.far.key = drafts[x.path.As], answer.accept.MaskKey
		return x.messages()
	}
	return x.frames()
}

// arrive sends the request, and waits until the backend has it. What the path answers by itself is
// noted.
func (x *crossing) arrive() *visit {
	w := x.w
	x.near.send([]byte(x.request))
	wait := min(w.o.Timeout, time.Second)
	if len(x.key3) > 0 {
		v := x.await(wait / 2)
		waits := v == nil
		if v == nil && x.path.Answer == nil && x.near.end == "" {
			x.sentKey3 = true
			x.near.send(x.key3)
			v = x.await(wait)
		}
		if v != nil {
			x.path.RequestWaits = &waits
		}
		return x.orNone(v)
	}
	return x.orNone(x.await(wait))
}

// await waits for the backend's visit, and for an answer of the path's own.
func (x *crossing) await(wait time.Duration) *visit {
	until := time.Now().Add(wait)
	for time.Now().Before(until) && x.near.end == "" && x.path.Answer == nil {
		select {
		case v := <-x.w.visits:
			return v
		case <-time.After(2 * time.Millisecond):
		}
		if err := x.near.fill(time.Now().Add(time.Millisecond)); err == nil {
			x.tookAnswer(until)
		}
	}
	select { // it may have come with the answer
	case v := <-x.w.visits:
		return v
	case <-time.After(20 * time.Millisecond):
		return nil
	}
}

// tookAnswer reads an answer of the path's own. A 101 may be that of a gateway that asks its backend only
// then.
func (x *crossing) tookAnswer(until time.Time) {
	if x.early != nil {
		return
	}
	var resp wire.Response
	err := x.near.head(until, &resp)
	if err == nil && resp.Status == http.StatusSwitchingProtocols {
		x.early = &resp
		return
	}
	a := answerOf(&resp, err, x.near)
	x.path.Answer = &a
}

// orNone notes why there is no visit.
func (x *crossing) orNone(v *visit) *visit {
	p := x.path
	switch {
	case v != nil:
	case p.Answer != nil:
		p.Passage, p.Why = Answered, p.Answer.Line+p.Answer.Problem
	case x.early != nil:
		p.Passage, p.Why = Answered, clip(x.early.Line, 100)+", and nothing came to the backend"
	case x.near.end != "":
		p.Passage, p.Why = Answered, "it ends the connection ("+string(x.near.end)+")"
	default:
		p.Passage, p.Why = Swallowed, "nothing came to the backend in time"
	}
	return v
}

// answer reads the request as the backend's server of the version would, and returns what that
// answers.
func (x *crossing) answer(raw string) (*answering, bool) {
	p := x.path
	a := &answering{}
	var req wire.Request
	err := httphead.ParseRequest(raw, &req)
	if err == nil {
		var res detect.Result
		if res, err = detect.Request(&req, wire.AllVersions, 0); err == nil {
			if res.Version != p.Version || p.Request.has("Sec-WebSocket-Key") {
				p.As = res.Version // with another key it is another connection
			}
			a.hs = drafts[res.Version].NewServer(x.w.o.Rand)
			err = a.hs.ReadRequest(&req, &a.asked)
		}
	}
	if err != nil {
		p.Passage, p.Why = Damaged, "the request: "+plain(err)
		x.far.send([]byte("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
		return nil, false
	}
	a.accept.Location = location(x.near.p.u.Scheme, x.w.host(), x.w.u.RequestURI())
	if len(a.asked.Protocols) > 0 {
		a.accept.Protocol = a.asked.Protocols[0]
	}
	a.accept.Fields = wire.Fields{{Name: markField, Value: x.w.mark}}
	a.head, a.body = a.hs.Head(nil, &a.accept)
	return a, true
}

// answering is the backend's answer.
type answering struct {
	hs     wire.ServerHandshake
	asked  wire.ClientRequest
	accept wire.Accept
	head   []byte
	body   int
}

// location is the URL that the client used, as hixie answers repeat it.
func location(scheme, host, target string) string {
	return scheme + "://" + strings.ToLower(host) + target
}

// open sends the answer and looks at what comes of it.
func (x *crossing) open(a *answering) bool {
	p, w := x.path, x.w
	until := time.Now().Add(w.o.Timeout)
	x.far.send(a.head)
	t := &try{}
	err := x.readAnswer(a, t, until)
	ans := answerOf(&t.resp, err, x.near)
	p.Answer = &ans
	if err != nil {
		p.Passage, p.Why = Damaged, "the answer: "+problem(err, x.near)
		return false
	}
	p.Response = changes(string(a.head), t.resp.Raw)
	if a.body > 0 && !x.challenge(a, until) {
		return false
	}
	if err := sawRequest(x.hs, append([]byte(x.request), x.key3...), w.u.Scheme == "wss"); err != nil {
		p.Passage, p.Why = Damaged, plain(err)
		return false
	}
	t.judge(x.hs, x.near, p.Version, until)
	t.request = append([]byte(x.request), x.key3...)
	p.Browsers = t.browsers(p.Version, w.u.Scheme == "wss")
	if t.outcome != Opens && t.outcome != Excused {
		p.Passage, p.Why = Damaged, "the answer: "+t.answer.Line+t.answer.Problem
		return false
	}
	if t.resp.Tolerated != 0 {
		p.Tolerance = t.resp.Tolerated.String()
	}
	x.near.open(drafts[p.Version], t.accept.MaskKey)
	return true
}

// readAnswer reads the head of the answer, which may wait for the eight bytes.
func (x *crossing) readAnswer(a *answering, t *try, until time.Time) error {
	if x.early != nil {
		t.resp = *x.early
		return nil
	}
	if len(x.key3) == 0 || x.sentKey3 {
		return x.near.head(until, &t.resp)
	}
	err := x.near.head(time.Now().Add(min(x.w.o.Timeout/2, 500*time.Millisecond)), &t.resp)
	waits := errors.Is(err, errLate)
	x.path.ResponseWaits = &waits
	x.near.send(x.key3)
	if waits {
		err = x.near.head(until, &t.resp)
	}
	return err
}

// challenge reads the eight bytes at the backend and answers them.
func (x *crossing) challenge(a *answering, until time.Time) bool {
	p := x.path
	b, err := x.far.take(a.body, until)
	switch {
	case err != nil:
		p.Challenge = fmt.Sprintf("%d bytes", len(b))
		p.Passage, p.Why = Damaged, fmt.Sprintf("%d of the eight bytes came to the backend", len(b))
		return false
	case !bytes.Equal(b, x.key3):
		p.Challenge = hex.EncodeToString(b)
	default:
		p.Challenge = "kept"
	}
	x.far.send(a.hs.Tail(nil, b))
	return true
}

// frames sends frames both ways.
func (x *crossing) frames() bool {
	p := x.path
	up := x.near.frame(wire.OpText, []byte("draftwire probe"))
	server := drafts[p.Version].NewCodec(wire.CodecConfig{Role: wire.Server, MaskKey: x.near.key})
	down, _ := server.AppendFrame(nil, wire.OpText, true, []byte("draftwire probe")) // every version has text
	long := bytes.Repeat([]byte("0123456789abcdef"), 4<<10)
	longUp := x.near.frame(wire.OpText, long)
	longDown, _ := server.AppendFrame(nil, wire.OpText, true, long)
	p.Up = x.carry(x.near, x.far, up, longUp)
	p.Down = x.carry(x.far, x.near, down, longDown)
	if !p.Up.Kept || !p.Down.Kept {
		p.Passage, p.Why = Damaged, "frames do not arrive as they were sent"
		return false
	}
	p.Passage = Passes
	return true
}

// messages sends a message each way, where the path has two connections.
func (x *crossing) messages() bool {
	p, far := x.path, x.far
	const text = "draftwire probe"
	cfg := wire.CodecConfig{Role: wire.Server, MaskKey: far.key}
	far.codec = far.draft.NewCodec(cfg)
	far.codec.SetLimit(far.most)
	wait := min(x.w.o.Timeout, time.Second)
	came := func(r *Reaction) bool { return string(r.data) == text || r.Close }
	p.Up, p.Down = &Frames{}, &Frames{}
	began := time.Now()
	x.near.send(x.near.frame(wire.OpText, []byte(text)))
	var up, down Reaction
	far.watch(&up, began, began.Add(wait), came)
	p.Up.Kept, p.Up.First = string(up.data) == text, Span(time.Since(began))
	began = time.Now()
	b, _ := far.draft.NewCodec(cfg).AppendFrame(nil, wire.OpText, true, []byte(text)) // every version has text
	far.send(b)
	x.near.watch(&down, began, began.Add(wait), came)
	p.Down.Kept, p.Down.First = string(down.data) == text, Span(time.Since(began))
	if !p.Up.Kept || !p.Down.Kept {
		p.Passage, p.Why = Damaged, fmt.Sprintf("in %s a message does not arrive: up: %s, down: %s", p.As, &up, &down)
		return false
	}
	p.Passage = Translated
	return true
}

// carry sends a frame in two pieces, and a long one in one.
func (x *crossing) carry(from, to *link, short, long []byte) *Frames {
	f := &Frames{}
	wait := min(x.w.o.Timeout, time.Second)
	began := time.Now()
	from.send(short[:1])
	if len(to.buf) > 0 || to.fill(began.Add(min(wait, settle))) == nil {
		f.First = Span(time.Since(began))
	}
	from.send(short[1:])
	got, err := to.take(len(short), time.Now().Add(wait))
	if err != nil || !bytes.Equal(got, short) {
		f.Came = hex.EncodeToString(got[:min(len(got), 32)])
		return f
	}
	began = time.Now()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		from.send(long)
	}()
	got, err = to.take(len(long), began.Add(x.w.o.Timeout))
	f.Whole = Span(time.Since(began))
	<-sent
	f.Kept = err == nil && bytes.Equal(got, long)
	if !f.Kept {
		f.Came = fmt.Sprintf("%d of %d bytes", len(got), len(long))
	}
	return f
}

// watchIdle says nothing on a connection, and sees whether the path ends it.
func (w *way) watchIdle(ctx context.Context, near, far *link) *Patience {
	began := time.Now()
	ended := make(chan *link, 2)
	for _, l := range []*link{near, far} {
		go func() {
			for l.fill(began.Add(w.o.Patience)) == nil {
			}
			ended <- l
		}()
	}
	first := <-ended
	p := &Patience{After: Span(time.Since(began)), Ended: first.end != "", Reaction: Reaction{End: Open}}
	if p.Ended {
		p.Reaction.End = first.end
	}
	<-ended
	if ctx.Err() != nil {
		return nil
	}
	return p
}

// halfOpen ends the client's half of the stream, and sees whether the backend may still speak.
func (w *way) halfOpen(path *Path, near, far *link) {
	near.half()
	until := time.Now().Add(min(w.o.Timeout, time.Second))
	for far.fill(until) == nil {
	}
	ok := far.end == FIN
	if ok {
		far.send([]byte("late"))
		b, err := near.take(len("late"), until)
		ok = err == nil && string(b) == "late"
	}
	path.HalfOpen = &ok
}
