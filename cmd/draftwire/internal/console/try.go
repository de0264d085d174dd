package console

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/inspect"
	"github.com/draftwire/draftwire/inspect/capture"
)

// Bounds of connections that a console opens.
const (
	maxTries    = 4
	tryTime     = 10 * time.Minute
	tryDial     = 10 * time.Second
	tryMessage  = 1 << 20  // of a message, in bytes
	tryHandover = 64 << 10 // of the bytes of a handshake that are explained
	trySend     = 10 * time.Second
)

// tries are the connections that the console has opened as a client.
type tries struct {
	mu   sync.Mutex
	all  map[string]*try
	n    int // with those whose handshake is under way
	last uint64
}

// try is one of them.
type try struct {
	id    string
	conn  *draftwire.Conn
	watch *watch
	end   context.CancelFunc
}

// Target is where a console connects to: the program's own port.
type Target struct {
	URL  string // ws://HOST:PORT, without a path
	Host string // for the request, "" for that of URL
	// Dial opens the connection below; nil: TCP to the host in URL.
	Dial func(ctx context.Context) (net.Conn, error)
}

// tryRequest is what a page asks for.
type tryRequest struct {
	Version      string   `json:"version"`
	Listener     string   `json:"listener"` // "": the first
	Path         string   `json:"path"`
	Subprotocols []string `json:"subprotocols"`
	Origin       string   `json:"origin"`
	Host         string   `json:"host"`
}

// tried is the answer to it.
type tried struct {
	ID        string           `json:"id"` // "" of a handshake that was refused
	Version   string           `json:"version"`
	Request   string           `json:"request"` // in hexadecimal
	Answer    string           `json:"answer"`
	Annotated []*inspect.Event `json:"annotated"`
	Error     string           `json:"error,omitempty"`
	Hint      string           `json:"hint,omitempty"`
}

func (c *Console) try(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	var q tryRequest
	if no := read(r, &q); no != nil {
		no.answer(w)
		return
	}
	v, err := draftwire.ParseVersion(q.Version)
	if err != nil {
		(&problem{http.StatusBadRequest, "There is no such version.", ""}).answer(w)
		return
	}
	if q.Path == "" {
		q.Path = "/"
	}
	if !strings.HasPrefix(q.Path, "/") || len(q.Subprotocols) > 32 {
		(&problem{http.StatusBadRequest, "A path begins with /, and there are at most 32 subprotocols.", ""}).answer(w)
		return
	}
	to, err := c.o.Target(q.Listener)
	if err != nil {
		(&problem{http.StatusConflict, "The console cannot connect there: " + err.Error() + ".", ""}).answer(w)
		return
	}
	if !c.tries.enter() {
		(&problem{http.StatusTooManyRequests, "The console has opened 4 connections already.", "close one of them"}).answer(w)
		return
	}
	a, opened := c.dial(r.Context(), v, &q, to)
	if !opened {
		c.tries.leave("")
	}
	// Whoever reads the audit and the log may not see the query, which an error of the URL has too.
	path, _, query := strings.Cut(q.Path, "?")
	o := Order{At: time.Now(), Who: Who(r), What: "try " + v.String() + " " + bounded(strings.ToValidUTF8(path, "\ufffd")), Result: "done"}
	if query {
		o.What += "?..."
	}
	if !opened {
		o.Result = "refused: the handshake did not succeed"
	}
	c.Note(o)
	send(w, http.StatusOK, a)
}

func (t *tries) enter() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n >= maxTries {
		return false
	}
	t.n++
	return true
}

// leave ends a connection, or the wait for one.
func (t *tries) leave(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.n--
	delete(t.all, id)
}

func (t *tries) find(id string) *try {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.all[id]
}

// heard is a connection whose first bytes are kept.
type heard struct {
	net.Conn
	mu    sync.Mutex
	both  [2][]byte
	over  atomic.Bool
	parts []heardPart
}

type heardPart struct {
	from capture.Direction
	p    []byte
	at   time.Time
}

func (h *heard) keep(from capture.Direction, p []byte) {
	if h.over.Load() || len(p) == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	p = slices.Clone(p[:min(len(p), tryHandover-len(h.both[from]))])
	h.both[from] = append(h.both[from], p...)
	h.parts = append(h.parts, heardPart{from, p, time.Now()})
}

func (h *heard) Read(p []byte) (int, error) {
	n, err := h.Conn.Read(p)
	h.keep(capture.FromServer, p[:n])
	return n, err
}

func (h *heard) Write(p []byte) (int, error) {
	n, err := h.Conn.Write(p)
	h.keep(capture.FromClient, p[:n])
	return n, err
}

// annotated explains what was kept, and returns that too.
func (h *heard) annotated() (events []*inspect.Event, both [2][]byte) {
	h.over.Store(true)
	h.mu.Lock()
	defer h.mu.Unlock()
	events = []*inspect.Event{}
	kinds := []inspect.Kind{inspect.KindFrame, inspect.KindMessage, inspect.KindEnd, inspect.KindClosing}
	stream := inspect.New(inspect.Options{Payload: -1}, func(e *inspect.Event) {
		if !slices.Contains(kinds, e.Kind) {
			events = append(events, e)
		}
	}).Open(capture.Conn{Number: 1})
	var at [2]int64
	for _, x := range h.parts {
		stream.Data(x.at, x.from, at[x.from], x.p)
		at[x.from] += int64(len(x.p))
	}
	return events, h.both
}

// dial opens a connection.
func (c *Console) dial(ctx context.Context, v draftwire.Version, q *tryRequest, to *Target) (*tried, bool) {
	ctx, cancel := context.WithTimeout(ctx, tryDial)
	defer cancel()
	var nc *heard
	w := &watch{now: time.Now, news: make(chan struct{}), readers: 1}
	o := &draftwire.DialOptions{
		Version: v, Origin: q.Origin, Protocols: q.Subprotocols,
		NetDial: func(ctx context.Context, network, address string) (net.Conn, error) {
			dial := func() (net.Conn, error) { return new(net.Dialer).DialContext(ctx, network, address) }
			if to.Dial != nil {
				dial = func() (net.Conn, error) { return to.Dial(ctx) }
			}
			below, err := dial()
			if err != nil {
				return nil, err
			}
			nc = &heard{Conn: below}
			return nc, nil
		},
		Observer: &draftwire.Observer{Opened: func(x *draftwire.Conn) {
			w.stop = append(w.stop, x.TraceFrames(framePayload, func(f *draftwire.Frame) { w.note(gateway.ClientSide, v, f) }))
		}},
	}
	o.Limits.ReadLimit = tryMessage
	host := to.Host
	if q.Host != "" {
		host = q.Host
	}
	if host != "" {
		o.Fields = draftwire.Fields{{Name: "Host", Value: host}}
	}
	conn, _, err := draftwire.Dial(ctx, to.URL+q.Path, o)
	a := &tried{Version: v.String(), Annotated: []*inspect.Event{}}
	if nc != nil {
		var both [2][]byte
		a.Annotated, both = nc.annotated()
		a.Request, a.Answer = hex.EncodeToString(both[capture.FromClient]), hex.EncodeToString(both[capture.FromServer])
	}
	if err != nil {
		a.Error = "The handshake did not succeed: " + err.Error() + "."
		if h, ok := errors.AsType[*draftwire.HandshakeError](err); ok {
			a.Hint = h.Hint()
		}
		return a, false
	}
	a.ID = c.keep(conn, w)
	return a, true
}

// keep keeps a connection that was opened, and reads it until it ends or its time is over.
func (c *Console) keep(conn *draftwire.Conn, w *watch) string {
	w.live.Conn = conn
	ctx, end := context.WithTimeout(context.Background(), tryTime)
	t := &c.tries
	t.mu.Lock()
	t.last++
	x := &try{id: strconv.FormatUint(t.last, 36) + idText(uint64(time.Now().UnixNano())), conn: conn, watch: w, end: end}
	if t.all == nil {
		t.all = map[string]*try{}
	}
	t.all[x.id] = x
	t.mu.Unlock()
	go func() {
		defer c.tries.leave(x.id)
		defer end()
		defer conn.CloseNow()
		stop := context.AfterFunc(ctx, func() { conn.Close(draftwire.CodeGoingAway, "the time of a try is over") })
		defer stop()
		stopped := make(chan struct{})
		defer close(stopped)
		go func() {
			select {
			case <-c.done:
				conn.CloseNow()
			case <-stopped:
			}
		}()
		for {
			if _, _, err := conn.ReadBorrowed(context.Background()); err != nil {
				break
			}
		}
		// Its reader hears of the end, and may ask once more.
		select {
		case <-time.After(tryLinger):
		case <-c.done:
		}
	}()
	return x.id
}

// tryLinger is how long a connection that has ended is known.
const tryLinger = 10 * time.Second

// tryFrames answers with the frames of a connection that the console has opened, from the first.
func (c *Console) tryFrames(rw http.ResponseWriter, r *http.Request, id string) {
	if c.o.Token == nil || !c.o.Token(r) {
		noToken.answer(rw)
		return
	}
	x := c.tries.find(id)
	if x == nil {
		gone.answer(rw)
		return
	}
	c.follow(rw, r, x.watch, 0)
}

// trySaid is what a page wants sent.
type trySaid struct {
	Text, Hex, Ping *string
	Close           *struct {
		Code   int
		Reason string
	}
}

func (c *Console) trySend(w http.ResponseWriter, r *http.Request, id string) {
	r.Body = http.MaxBytesReader(w, r.Body, 2*tryMessage+maxBody)
	p, err := io.ReadAll(r.Body)
	if err != nil {
		(&problem{http.StatusRequestEntityTooLarge, "A message has at most 1 MiB.", ""}).answer(w)
		return
	}
	var said trySaid
	x := c.tries.find(id)
	switch {
	case x == nil:
		gone.answer(w)
		return
	case unmarshal(p, &said) != nil:
		(&problem{http.StatusBadRequest, "The body is not the JSON of a message.", "send {text}, {hex}, {ping} or {close: {code, reason}}"}).answer(w)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), trySend)
	defer cancel()
	if err := x.say(ctx, &said); err != nil {
		(&problem{http.StatusConflict, "It was not sent: " + err.Error() + ".", ""}).answer(w)
		return
	}
	send(w, http.StatusOK, struct{}{})
}

// say sends what a page wants sent.
func (t *try) say(ctx context.Context, s *trySaid) error {
	switch {
	case s.Text != nil:
		return t.conn.Write(ctx, draftwire.OpText, []byte(*s.Text))
	case s.Hex != nil:
		p, err := hex.DecodeString(strings.Join(strings.Fields(*s.Hex), ""))
		if err != nil {
			return errors.New("that is not hexadecimal")
		}
		return t.conn.Write(ctx, draftwire.OpBinary, p)
	case s.Ping != nil:
		return t.conn.PostPing()
	case s.Close != nil:
		code := draftwire.CodeNoStatus
		if s.Close.Code != 0 {
			code = draftwire.CloseCode(s.Close.Code)
		}
		if !code.OnWire() && code != draftwire.CodeNoStatus {
			return errors.New("that code cannot be sent")
		}
		go t.conn.Close(code, s.Close.Reason)
		return nil
	}
	return errors.New("there is nothing to send")
}
