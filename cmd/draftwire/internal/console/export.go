package console

import (
	"encoding/base64"
	"fmt"
	"mime"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/inspect/capture"
	"github.com/draftwire/draftwire/internal/hixie"
	"github.com/draftwire/draftwire/recording"
	"github.com/draftwire/draftwire/wire"
)

// shot is what the ring of a connection holds, for a file.
type shot struct {
	program string
	live    Live
	frames  []frame
}

// exports are the forms of files, with their names' ends and types.
var exports = map[string]struct {
	end, mime string
	write     func(*shot, http.ResponseWriter) error
}{
	"pcap":      {".pcap", "application/vnd.tcpdump.pcap", (*shot).pcap},
	"har":       {".har", "application/json", (*shot).har},
	"recording": {".dwr", "application/octet-stream", (*shot).recording},
}

// export answers with what the ring holds of a connection that is watched, or was a moment ago.
func (c *Console) export(w http.ResponseWriter, r *http.Request, id string) {
	form, ok := exports[r.URL.Query().Get("as")]
	n, _ := readID(id)
	x := c.ringOf(n)
	switch {
	case !c.isOperator(r):
		noToken.answer(w)
		return
	case !ok:
		(&problem{http.StatusBadRequest, "There is no such form of a file.", "ask with as=pcap, as=har or as=recording"}).answer(w)
		return
	case !c.o.Payload():
		(&problem{http.StatusForbidden, "The configuration lets nobody see what frames carry.", "admin: {console: on} does"}).answer(w)
		return
	case x == nil:
		(&problem{http.StatusNotFound, "Nothing of this connection was watched, or not lately.", "watch its frames first"}).answer(w)
		return
	}
	s := &shot{program: "draftwire " + c.o.Version, live: x.live}
	s.frames, _, _, _ = x.next(0)
	w.Header().Set("Content-Type", form.mime)
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": "connection-" + id + form.end}))
	form.write(s, w) // an error of it is the reader's end
}

// part is one of the two connections of a session.
type part struct {
	side           gateway.Side
	conn           *draftwire.Conn
	client, server netip.AddrPort
	gatewayIs      capture.Direction // which side of it the gateway is
}

// parts are the connections that were watched: the client's, and that to the backend.
func (s *shot) parts() []part {
	list := []part{{gateway.ClientSide, s.live.Conn, address(s.live.Conn.Handshake().Remote()), addressOf(s.live.Conn.LocalAddr()), capture.FromServer}}
	if s.live.Session != nil {
		if back := s.live.Session.BackendConn(); back != nil {
			list = append(list, part{gateway.BackendSide, back, addressOf(back.LocalAddr()), addressOf(back.RemoteAddr()), capture.FromClient})
		}
	}
	return list
}

func addressOf(a fmt.Stringer) netip.AddrPort { return address(a.String()) }

// from is who has sent a frame of a part.
func (p *part) from(f *frame) capture.Direction {
	if f.sent {
		return p.gatewayIs
	}
	return p.gatewayIs.Other()
}

// heads are the heads of a part without what is secret; empty where they are not kept.
func (p *part) heads() (request, answer []byte) {
	h := p.conn.Handshake()
	if h.Request() == "" {
		return nil, nil
	}
	return secrets.Head([]byte(h.Request())), secrets.Head([]byte(h.Response()))
}

// challenge returns, for hixie-76, eight bytes of zeros in the place of those that the client sent
// behind its head, which are not kept, and the proof that answers them: without the two nobody
// could read what follows.
func (p *part) challenge() (challenge, proof []byte) {
	h := p.conn.Handshake()
	if h.Version() != wire.Hixie76 {
		return nil, nil
	}
	challenge = make([]byte, 8)
	var parts [2]uint32
	for i, name := range []string{"Sec-WebSocket-Key1", "Sec-WebSocket-Key2"} {
		parts[i], _, _ = hixie.Part(wire.Hixie76, name, h.Field(name)) // it was read once before
	}
	sum := hixie.Answer(parts[0], parts[1], challenge)
	return challenge, sum[:]
}

// pcap writes packets as they may have gone by. Payload that was not noted is missing, as packets
// are that a capture has lost. Frames that were not watched are left out without a gap, of which
// nobody could tell how long it is: so what follows is read as what it is, whole frames.
func (s *shot) pcap(w http.ResponseWriter) error {
	out := capture.NewWriter(w)
	for i, p := range s.parts() {
		stream := out.Open(capture.Conn{Client: p.client, Server: p.server, Number: i + 1})
		var at [2]int64
		data := func(t time.Time, from capture.Direction, b []byte) {
			stream.Data(t, from, at[from], b)
			at[from] += int64(len(b))
		}
		gap := func(t time.Time, from capture.Direction, n int64) {
			stream.Gap(t, from, at[from], n)
			at[from] += n
		}
		began := p.conn.Handshake().Began()
		if request, answer := p.heads(); request != nil {
			challenge, proof := p.challenge()
			data(began, capture.FromClient, append(request, challenge...))
			data(began.Add(p.conn.Handshake().Took()), capture.FromServer, append(answer, proof...))
		}
		for i := range s.frames {
			f := &s.frames[i]
			if f.side != p.side || f.op == wire.OpNone {
				continue
			}
			from := p.from(f)
			head, payload, end := f.bytes()
			data(f.at, from, append(slices.Clone(head), payload...))
			if n := f.length - int64(len(payload)); n > 0 {
				gap(f.at, from, n)
			}
			if len(end) > 0 {
				data(f.at, from, end)
			}
		}
	}
	return out.Err()
}

// bytes are those of a frame on the wire, as far as they are known: the payload masked again, and
// what stands behind it.
func (f *frame) bytes() (head, payload, end []byte) {
	head, payload = f.head, f.payload
	switch {
	case f.version <= wire.Hixie76:
		if f.typ < 0x80 {
			end = []byte{0xFF}
		}
	case f.masked && f.version < wire.Hybi07: // the mask, which hides the head too, is not known
		payload = nil
	case f.masked && len(head) >= 4:
		key := head[len(head)-4:]
		payload = slices.Clone(payload)
		for i := range payload {
			payload[i] ^= key[i%4]
		}
	}
	return head, payload, end
}

// The members of a HAR file, as browsers write them.
type (
	harFile struct {
		Log harLog `json:"log"`
	}
	harLog struct {
		Version string     `json:"version"`
		Creator harName    `json:"creator"`
		Entries []harEntry `json:"entries"`
	}
	harName struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	}
	harEntry struct {
		Started  string       `json:"startedDateTime"`
		Time     float64      `json:"time"` // in milliseconds
		Request  harMessage   `json:"request"`
		Response harMessage   `json:"response"`
		Cache    struct{}     `json:"cache"`
		Timings  harTimings   `json:"timings"`
		Comment  string       `json:"comment"`
		Type     string       `json:"_resourceType"`
		Messages []harPayload `json:"_webSocketMessages"`
	}
	harTimings struct {
		Send    float64 `json:"send"`
		Wait    float64 `json:"wait"`
		Receive float64 `json:"receive"`
	}
	harMessage struct {
		Method      string      `json:"method,omitempty"`
		URL         string      `json:"url,omitempty"`
		HTTPVersion string      `json:"httpVersion"`
		Status      int         `json:"status,omitempty"`
		StatusText  string      `json:"statusText,omitempty"`
		Headers     []harField  `json:"headers"`
		Cookies     []struct{}  `json:"cookies"`
		Query       *[]struct{} `json:"queryString,omitempty"`
		Content     *harContent `json:"content,omitempty"`
		RedirectURL *string     `json:"redirectURL,omitempty"`
		HeadersSize int         `json:"headersSize"`
		BodySize    int         `json:"bodySize"`
	}
	harField struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	harContent struct {
		Size     int    `json:"size"`
		MimeType string `json:"mimeType"`
	}
	harPayload struct {
		Type   string  `json:"type"` // send or receive
		Time   float64 `json:"time"` // in seconds
		Opcode int     `json:"opcode"`
		Data   string  `json:"data"`
	}
)

// har writes a HAR file, with an entry for each connection. HAR has messages, so frames of one are
// put together; what of them is not noted is missing.
func (s *shot) har(w http.ResponseWriter) error {
	file := harFile{harLog{Version: "1.2", Creator: harName{"draftwire", strings.TrimPrefix(s.program, "draftwire ")}, Entries: []harEntry{}}}
	for _, p := range s.parts() {
		h := p.conn.Handshake()
		request, answer := p.heads()
		scheme := "ws"
		if h.Secure() {
			scheme = "wss"
		}
		target := secrets.Head([]byte("GET " + h.Target() + " HTTP/1.1\r\n\r\n"))
		path, _, _ := strings.Cut(strings.TrimPrefix(string(target), "GET "), " ")
		e := harEntry{
			Started: h.Began().UTC().Format(time.RFC3339Nano), Time: float64(h.Took().Microseconds()) / 1000, Type: "websocket", Messages: []harPayload{},
			Comment:  fmt.Sprintf("the %s's side, %s; what was watched of it", p.side, h.Version()),
			Request:  harMessage{Method: "GET", URL: scheme + "://" + h.Host() + path, HTTPVersion: "HTTP/1.1", Headers: fieldsOf(request), Cookies: []struct{}{}, Query: &[]struct{}{}, HeadersSize: -1},
			Response: harMessage{Status: 101, StatusText: "Switching Protocols", HTTPVersion: "HTTP/1.1", Headers: fieldsOf(answer), Cookies: []struct{}{}, Content: &harContent{MimeType: "x-unknown"}, RedirectURL: new(string), HeadersSize: -1},
		}
		e.Timings.Wait = e.Time
		messages, packed := s.messages(&p)
		if packed > 0 {
			e.Comment += fmt.Sprintf("; %d compressed messages are left out", packed)
		}
		for _, m := range messages {
			x := harPayload{Type: "receive", Time: float64(m.at.UnixMicro()) / 1e6, Opcode: opcodes[m.op], Data: string(m.payload)}
			if m.from == capture.FromClient {
				x.Type = "send"
			}
			if m.op != wire.OpText || !utf8.Valid(m.payload) {
				x.Data = base64.StdEncoding.EncodeToString(m.payload)
			}
			e.Messages = append(e.Messages, x)
		}
		file.Log.Entries = append(file.Log.Entries, e)
	}
	return encode(w, file)
}

// opcodes are those of RFC 6455, in which HAR writes messages of any version.
var opcodes = map[wire.Op]int{wire.OpText: 1, wire.OpBinary: 2, wire.OpClose: 8, wire.OpPing: 9, wire.OpPong: 10}

// fieldsOf are the fields of a head.
func fieldsOf(head []byte) []harField {
	list := []harField{}
	_, rest, _ := strings.Cut(string(head), "\n")
	for line := range strings.Lines(rest) {
		if name, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":"); ok {
			list = append(list, harField{name, strings.TrimSpace(value)})
		}
	}
	return list
}

// message is a message whose frames were noted.
type message struct {
	at      time.Time // of its last frame
	from    capture.Direction
	op      wire.Op
	payload []byte
}

// messages puts frames together. A message whose beginning is missing is left out, and one that is
// compressed is counted: what it is made of may have gone by before.
func (s *shot) messages(p *part) (list []message, packed int) {
	var open [2]*message
	for i := range s.frames {
		f := &s.frames[i]
		if f.side != p.side || opcodes[f.op] == 0 && f.op != wire.OpContinuation {
			continue
		}
		from := p.from(f)
		switch {
		case f.op.IsControl():
			list = append(list, message{f.at, from, f.op, f.payload})
			continue
		case f.op == wire.OpContinuation && open[from] == nil:
			continue
		case f.op == wire.OpContinuation:
			open[from].payload = append(open[from].payload, f.payload...)
		default:
			open[from] = &message{from: from, op: f.op, payload: slices.Clone(f.payload)}
			if f.packed() {
				open[from] = nil
				packed++
			}
		}
		if f.fin && open[from] != nil {
			open[from].at = f.at
			list = append(list, *open[from])
			open[from] = nil
		}
	}
	return list, packed
}

// packed reports whether a frame is compressed.
func (f *frame) packed() bool {
	return f.version > wire.Hixie76 && f.op != wire.OpDiscard && f.typ&0x40 != 0
}

// recording writes a recording, in which the gateway is the server of the client's connection and
// the client of the backend's. Texts are without what is secret, as in other recordings.
func (s *shot) recording(w http.ResponseWriter) error {
	began := time.Now()
	for _, p := range s.parts() {
		if t := p.conn.Handshake().Began(); t.Before(began) {
			began = t
		}
	}
	out, err := recording.NewWriter(w, recording.Header{Program: s.program, Began: began, Redacted: recording.DefaultNames})
	if err != nil {
		return err
	}
	for i, p := range s.parts() {
		if err := s.recordPart(out, uint64(i+1), &p); err != nil {
			return err
		}
	}
	return out.Flush()
}

// isWhole reports whether every message of a part is among the frames: as many have ended in each
// direction as the connection has counted. What is counted is looked at behind the frames, so that
// a message of meanwhile can only make it false.
func (s *shot) isWhole(p *part) bool {
	var noted [2]uint64
	var open [2]bool
	for i := range s.frames {
		f := &s.frames[i]
		if f.side != p.side || !f.op.IsData() && f.op != wire.OpContinuation {
			continue
		}
		from := p.from(f)
		open[from] = open[from] || f.op.IsData()
		if f.fin && open[from] {
			noted[from]++
			open[from] = false
		}
	}
	n := p.conn.Stats()
	return noted[p.gatewayIs.Other()] == n.MessagesIn && noted[p.gatewayIs] == n.MessagesOut
}

// recordPart records one connection.
func (s *shot) recordPart(out *recording.Writer, number uint64, p *part) error {
	h := p.conn.Handshake()
	sides := [2]recording.Side{capture.FromClient: recording.Client, capture.FromServer: recording.Server}
	events := []recording.Event{{Kind: recording.KindConn, At: h.Began().Sub(out.Began()), Version: h.Version(), ClientAt: p.client.String(), ServerAt: p.server.String(), Secure: h.Secure()}}
	if x := s.live.Session; x != nil {
		events[0].Listener, events[0].Route = x.Listener, x.Route
	}
	if request, answer := p.heads(); request != nil {
		events = append(events,
			recording.Event{Kind: recording.KindRequest, From: recording.Client, At: h.Began().Sub(out.Began()), Head: request},
			recording.Event{Kind: recording.KindAnswer, From: recording.Server, At: h.Began().Add(h.Took()).Sub(out.Began()), Version: h.Version(), Head: answer})
	}
	first := !s.isWhole(p) // something is missing before the first frame
	var open [2]struct {
		op      wire.Op
		size    int64
		payload []byte
		whole   bool
	}
	for i := range s.frames {
		f := &s.frames[i]
		if f.side != p.side || f.op == wire.OpNone {
			continue
		}
		from, at := p.from(f), f.at.Sub(out.Began())
		if first || f.missed > 0 {
			for _, side := range sides {
				events = append(events, recording.Event{Kind: recording.KindLost, From: side, At: at, Lost: 1})
			}
			first = false
		}
		e := recording.Event{Kind: recording.KindFrame, From: sides[from], At: at, Op: f.op, Type: f.typ, Masked: f.masked, Size: f.length, Payload: f.payload, Withheld: int64(len(f.payload)) < f.length}
		if n := len(f.head); f.masked && n >= 4 && f.version >= wire.Hybi07 {
			e.Mask = f.head[n-4:]
		}
		m := &open[from]
		data := f.op.IsData() || f.op == wire.OpContinuation
		if f.op.IsData() {
			m.op, m.size, m.payload = f.op, 0, nil
			m.whole = true
		}
		if data {
			m.size += f.length
			m.payload = append(m.payload, f.payload...)
			m.whole = m.whole && !e.Withheld && !f.packed()
		}
		if m.op == wire.OpText && data {
			e.Withheld, e.Payload = true, nil // the message has it, without what is secret
		}
		events = append(events, e)
		if !data || !f.fin || m.op == wire.OpNone {
			continue
		}
		x := recording.Event{Kind: recording.KindMessage, From: sides[from], At: at, Op: m.op, Size: m.size, Payload: m.payload, Withheld: !m.whole}
		switch {
		case x.Withheld:
			x.Payload = nil
		case m.op == wire.OpText:
			x.Payload, _ = secrets.Text(m.payload)
		}
		events = append(events, x)
		m.op = wire.OpNone
	}
	if first { // no frame is there to mark it
		for _, side := range sides {
			events = append(events, recording.Event{Kind: recording.KindLost, From: side, At: time.Since(out.Began()), Lost: 1})
		}
	}
	events = append(events, recording.Event{Kind: recording.KindEnd, At: time.Since(out.Began()), How: "cut"})
	for i := range events {
		events[i].Conn = number
		if err := out.Write(&events[i]); err != nil {
			return err
		}
	}
	return nil
}
