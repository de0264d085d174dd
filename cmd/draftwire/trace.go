package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/wire"
)

// Bounds of traces: whoever asks for one is the operator, but clients decide how much there
// is to see.
const (
	maxTraces   = 4
	maxTrace    = 10 * time.Minute
	traceEvents = 10_000   // of one trace
	traceBytes  = 16 << 20 // of one trace
	traceQueue  = 256      // events that wait to be sent; further ones are left out
	traceHead   = 16 << 10 // of one head
	tracePart   = 1024     // of the payload of one frame
)

// traceEvent is a line of a trace.
type traceEvent struct {
	Time      time.Time   `json:"time"`
	Event     string      `json:"event"` // handshake, refused, message, frame, end
	Client    string      `json:"client_ip,omitempty"`
	Listener  string      `json:"listener,omitempty"`
	Draft     string      `json:"draft,omitempty"`
	Head      string      `json:"head,omitempty"`   // of the request, as it came
	Answer    string      `json:"answer,omitempty"` // the head of the answer
	Reason    string      `json:"reason,omitempty"`
	Detail    string      `json:"detail,omitempty"`
	Hint      string      `json:"hint,omitempty"`
	Direction string      `json:"direction,omitempty"` // in, from the client, or out
	Op        string      `json:"op,omitempty"`
	Length    *int64      `json:"length,omitempty"` // of the payload: a message's, or a frame's on the wire
	Frame     *traceFrame `json:"frame,omitempty"`
	Omitted   int         `json:"omitted,omitempty"`
}

// traceFrame is what a line of a trace says of a frame.
type traceFrame struct {
	Type       string `json:"type,omitempty"` // in hixie: the frame type, like 0x00
	Opcode     *int   `json:"opcode,omitempty"`
	Fin        bool   `json:"fin"`
	RSV        int    `json:"rsv"` // 4 is RSV1, 1 is RSV3
	Masked     bool   `json:"masked"`
	Bytes      string `json:"head"`                  // those before the payload, in hexadecimal
	Payload    string `json:"payload,omitempty"`     // its beginning, of text
	PayloadHex string `json:"payload_hex,omitempty"` // its beginning, of anything else
}

// tracer tells those who ask for it about chosen clients.
type tracer struct {
	mu   sync.RWMutex
	runs map[*traceRun]struct{}
}

// traceRun is one trace.
type traceRun struct {
	client  netip.Prefix // valid: of these clients alone
	path    string       // not "": of the paths that begin so
	frames  bool         // it has the frames of the clients' connections
	payload int          // how much of the payload of each frame it has
	events  chan traceEvent
	mu      sync.Mutex
	omitted int
}

func (t *traceRun) wants(remote, target string) bool {
	if t.client.IsValid() {
		if a, err := netip.ParseAddr(ipOf(remote)); err != nil || !t.client.Contains(a.Unmap().WithZone("")) {
			return false
		}
	}
	return strings.HasPrefix(target, t.path)
}

// tell passes an event on. It does not wait.
func (t *traceRun) tell(e traceEvent) {
	select {
	case t.events <- e:
	default:
		t.mu.Lock()
		t.omitted++
		t.mu.Unlock()
	}
}

// of returns the traces that want a client.
func (t *tracer) of(remote, target string) (runs []*traceRun) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for r := range t.runs {
		if r.wants(remote, target) {
			runs = append(runs, r)
		}
	}
	return runs
}

func (t *tracer) idle() bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.runs) == 0
}

// observer tells of the handshakes at a listener.
func (t *tracer) observer(listener string) *draftwire.Observer {
	return &draftwire.Observer{
		Opened: func(c *draftwire.Conn) {
			h := c.Handshake()
			runs := t.of(h.Remote(), h.Target())
			for _, r := range runs {
				r.tell(traceEvent{Time: time.Now(), Event: "handshake", Client: ipOf(h.Remote()), Listener: listener,
					Draft: h.Version().String(), Head: cut(h.Request(), traceHead), Answer: cut(h.Response(), traceHead)})
			}
		},
		Refused: func(remote string, head []byte, he *draftwire.HandshakeError) {
			if t.idle() {
				return
			}
			reason, detail, hint := refusal(he)
			for _, r := range t.of(remote, readHead(head).Target) {
				r.tell(traceEvent{Time: time.Now(), Event: "refused", Client: ipOf(remote), Listener: listener,
					Draft: he.Version.String(), Head: cut(string(head), traceHead), Reason: reason, Detail: detail, Hint: hint})
			}
		},
	}
}

// frames returns what is to be told of the frames of a connection, and with how much of their
// payload; nil where nobody wants them.
func (t *tracer) frames(c *draftwire.Conn, listener string) (most int, tell func(*draftwire.Frame)) {
	runs := t.of(c.Handshake().Remote(), c.Handshake().Target())
	runs = slices.DeleteFunc(runs, func(r *traceRun) bool { return !r.frames })
	if len(runs) == 0 {
		return 0, nil
	}
	for _, r := range runs {
		most = max(most, r.payload)
	}
	v, client := c.Handshake().Version(), ipOf(c.Handshake().Remote())
	return most, func(f *draftwire.Frame) {
		length := f.Length
		e := traceEvent{Time: time.Now(), Event: "frame", Client: client, Listener: listener, Draft: v.String(), Direction: "in", Op: f.Op.String(), Length: &length}
		if f.Sent {
			e.Direction = "out"
		}
		if f.Err != nil {
			e.Reason = errorText(f.Err)
		}
		for _, r := range runs {
			e.Frame = frameOf(v, f, r.payload)
			r.tell(e)
		}
	}
}

// meter returns what tells of the messages of a session; nil if nobody wants them.
func (t *tracer) meter(s *gateway.Session, direction string) func(op draftwire.Op, n int) {
	h := s.Handshake()
	runs := t.of(h.Remote(), h.Target())
	if len(runs) == 0 {
		return nil
	}
	return func(op draftwire.Op, n int) {
		length := int64(n)
		for _, r := range runs {
			r.tell(traceEvent{Time: time.Now(), Event: "message", Client: ipOf(h.Remote()), Listener: s.Listener,
				Draft: h.Version().String(), Direction: direction, Op: op.String(), Length: &length})
		}
	}
}

// frameOf describes a frame, with up to most bytes of its payload.
func frameOf(v draftwire.Version, f *draftwire.Frame, most int) *traceFrame {
	x := &traceFrame{Fin: f.Fin, Masked: f.Masked, Bytes: hex.EncodeToString(f.Head)}
	if v <= draftwire.Hixie76 {
		x.Type = fmt.Sprintf("0x%02x", f.Type)
	} else {
		opcode := f.Opcode()
		x.Opcode, x.RSV = &opcode, f.RSV()
	}
	switch p := f.Payload[:min(most, len(f.Payload))]; {
	case x.RSV != 0 || f.Op == draftwire.OpBinary || f.Op == wire.OpClose || f.Op == wire.OpDiscard || f.Op == wire.OpContinuation && !utf8.Valid(p):
		x.PayloadHex = hex.EncodeToString(p)
	default:
		x.Payload = strings.ToValidUTF8(string(p), "\ufffd")
	}
	return x
}

// ServeHTTP implements http.Handler: the answer has one line of JSON for each event.
func (t *tracer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	run, d, err := newTrace(r.URL.Query())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if !t.add(run) {
		http.Error(w, fmt.Sprintf("there are %d traces already", maxTraces), http.StatusTooManyRequests)
		return
	}
	defer t.remove(run)
	ctx, cancel := context.WithTimeout(r.Context(), d)
	defer cancel()
	w.Header().Set("Content-Type", "application/x-ndjson")
	run.send(ctx, w)
}

func newTrace(q url.Values) (*traceRun, time.Duration, error) {
	client, during := q.Get("client"), q.Get("for")
	run := &traceRun{path: q.Get("path"), events: make(chan traceEvent, traceQueue)}
	d := time.Minute
	var err error
	if during != "" {
		if d, err = time.ParseDuration(during); err != nil || d <= 0 || d > maxTrace {
			return nil, 0, fmt.Errorf("for: %.40q is not a time up to %s", during, maxTrace)
		}
	}
	run.frames = q.Get("frames") == "true"
	if n := q.Get("payload"); n != "" {
		if run.payload, err = strconv.Atoi(n); err != nil || run.payload < 0 || run.payload > tracePart {
			return nil, 0, fmt.Errorf("payload: %.40q is not a number up to %d", n, tracePart)
		}
	}
	if client == "" {
		return run, d, nil
	}
	if run.client, err = parseNetwork(client); err != nil {
		return nil, 0, fmt.Errorf("client: %.80q is neither an address nor a network like 192.0.2.0/24", client)
	}
	return run, d, nil
}

func parseNetwork(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	return netip.ParsePrefix(s)
}

func (t *tracer) add(r *traceRun) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.runs) >= maxTraces {
		return false
	}
	if t.runs == nil {
		t.runs = map[*traceRun]struct{}{}
	}
	t.runs[r] = struct{}{}
	return true
}

func (t *tracer) remove(r *traceRun) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.runs, r)
}

// traceBeat is how often a trace without events sends an empty line, so that the one that
// asked for it is seen to be there.
const traceBeat = 5 * time.Second

// send sends events until ctx ends, the reader is gone, or a bound is reached.
func (t *traceRun) send(ctx context.Context, w http.ResponseWriter) {
	to := http.NewResponseController(w)
	beat := time.NewTicker(traceBeat)
	defer beat.Stop()
	for n, size := 0, 0; n < traceEvents && size < traceBytes; {
		line := []byte("\n")
		if to.Flush() != nil {
			return
		}
		select {
		case e := <-t.events:
			b, _ := json.Marshal(e)
			line = append(b, '\n')
			n++
		case <-beat.C:
		case <-ctx.Done():
			t.end(w, "")
			return
		}
		if _, err := w.Write(line); err != nil {
			return
		}
		size += len(line)
	}
	t.end(w, "the trace is as long as it may be")
}

// end sends the last event.
func (t *traceRun) end(w http.ResponseWriter, why string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	json.NewEncoder(w).Encode(traceEvent{Time: time.Now(), Event: "end", Detail: why, Omitted: t.omitted})
}

// text is an event for people.
func (e *traceEvent) text() string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s", e.Time.Local().Format("15:04:05.000"), e.Event)
	for _, s := range []string{e.Client, e.Draft, e.Listener, e.Direction, e.Op} {
		if s != "" {
			b.WriteString(" " + visible(s))
		}
	}
	switch {
	case e.Length != nil && e.Frame != nil:
		e.Frame.write(&b, *e.Length)
	case e.Length != nil:
		fmt.Fprintf(&b, ", %d bytes", *e.Length)
	case e.Omitted > 0:
		fmt.Fprintf(&b, ", %d events were left out", e.Omitted)
	}
	for _, s := range []string{e.Reason, e.Detail, e.Hint} {
		if s != "" {
			b.WriteString(": " + visible(s))
		}
	}
	b.WriteByte('\n')
	for _, head := range []struct{ mark, text string }{{"> ", e.Head}, {"< ", e.Answer}} {
		for line := range strings.Lines(head.text) {
			if line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"); line != "" {
				b.WriteString("  " + head.mark + visible(line) + "\n")
			}
		}
	}
	return b.String()
}

// write writes a frame for people.
func (f *traceFrame) write(b *bytes.Buffer, length int64) {
	switch {
	case f.Type != "":
		b.WriteString(", type " + visible(f.Type))
	case f.Opcode != nil:
		fmt.Fprintf(b, ", opcode %d", *f.Opcode)
		if f.Fin {
			b.WriteString(", fin")
		}
		if f.RSV != 0 {
			fmt.Fprintf(b, ", rsv %03b", f.RSV)
		}
		if f.Masked {
			b.WriteString(", masked")
		}
	}
	fmt.Fprintf(b, ", %d bytes, head %s", length, visible(f.Bytes))
	if f.Payload != "" {
		b.WriteString(", " + strconv.Quote(f.Payload))
	}
	if f.PayloadHex != "" {
		b.WriteString(", hex " + visible(f.PayloadHex))
	}
}
