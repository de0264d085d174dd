package input

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/draftwire/draftwire/rfc6455"
	"github.com/draftwire/draftwire/wire"
)

// har is what is read of a HAR file.
type har struct {
	Log struct {
		Entries list[harEntry] `json:"entries"`
	} `json:"log"`
}

type harEntry struct {
	Started  string `json:"startedDateTime"`
	Request  harMessage
	Response harMessage
	Type     string           `json:"_resourceType"`
	Messages list[harPayload] `json:"_webSocketMessages"`
}

func (e harEntry) holds() bool {
	return e.Type == "websocket" || len(e.Messages) > 0 || e.Response.Status == 101
}

type harMessage struct {
	Method      string `json:"method"`
	URL         string `json:"url"`
	HTTPVersion string `json:"httpVersion"`
	Status      int    `json:"status"`
	StatusText  string `json:"statusText"`
	Headers     list[harHeader]
}

type harHeader struct{ Name, Value string }

func (h harHeader) holds() bool { return h != harHeader{} }

type harPayload struct {
	Type   string  `json:"type"` // send or receive
	Time   float64 `json:"time"` // seconds
	Opcode int     `json:"opcode"`
	Data   string  `json:"data"`
}

func (p harPayload) holds() bool { return p != harPayload{} }

// list is a list of JSON that keeps only what holds something: three letters of a file may be an
// object of some hundred bytes.
type list[T interface{ holds() bool }] []T

// UnmarshalJSON implements json.Unmarshaler.
func (l *list[T]) UnmarshalJSON(p []byte) error {
	d := json.NewDecoder(bytes.NewReader(p))
	begin, err := d.Token()
	if err != nil || begin == nil {
		return err
	}
	if begin != json.Delim('[') {
		return fmt.Errorf("%.20s is no list", p)
	}
	var x, none T
	for d.More() {
		x = none
		if err := d.Decode(&x); err != nil {
			return err
		}
		if x.holds() {
			*l = append(*l, x)
		}
	}
	return nil
}

func looksHAR(text string) bool {
	text = strings.TrimLeft(text, " \t\r\n")
	return strings.HasPrefix(text, "{") && strings.Contains(text[:min(len(text), 4<<10)], `"log"`)
}

// readHAR reads a HAR file. It has messages, not frames, and heads that were parsed; bytes are
// made of them as a client of RFC 6455 without compression would send them.
func readHAR(text string) (*Recording, error) {
	var h har
	if err := json.Unmarshal([]byte(text), &h); err != nil {
		return nil, err
	}
	r := new(Recording)
	for i := range h.Log.Entries {
		e := &h.Log.Entries[i]
		c, err := e.conn()
		if err != nil {
			return nil, fmt.Errorf("the entry of %.100q: %w", e.Request.URL, err)
		}
		r.Conns = append(r.Conns, *c)
	}
	if len(r.Conns) == 0 {
		return nil, errors.New("it has no WebSocket")
	}
	return r, nil
}

// conn makes a connection of an entry.
func (e *harEntry) conn() (*Conn, error) {
	c := &Conn{Secure: strings.HasPrefix(e.Request.URL, "wss:")}
	c.Notes = []string{"a HAR file has messages, not frames: the frames are made of them, with masks of zeros and without compression"}
	at, _ := time.Parse(time.RFC3339, e.Started)
	if e.Request.field("Sec-WebSocket-Key") != "" && e.Response.Status > 0 {
		u, err := url.Parse(e.Request.URL)
		if err != nil {
			return nil, err
		}
		c.Pieces = append(c.Pieces, Piece{From: Client, At: at, Bytes: e.Request.head("GET "+u.RequestURI()+" HTTP/1.1", u.Host)},
			Piece{From: Server, At: at, Bytes: e.Response.head(strings.TrimRight(fmt.Sprintf("HTTP/1.1 %d %s", e.Response.Status, e.Response.StatusText), " "), "")})
	} else {
		c.Notes = append(c.Notes, "the HAR file has no whole handshake: it was one over HTTP/2, or the browser has left it out")
	}
	f := newFrames()
	for _, m := range e.Messages {
		from := Server
		if m.Type == "send" {
			from = Client
		}
		data := []byte(m.Data)
		if m.Opcode == 2 || m.Opcode >= 8 {
			if p, err := unbase64(m.Data); err == nil {
				data = p
			}
		}
		if err := f.add(c, from, secondsTime(m.Time), m.Opcode, data); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// field returns the value of a field.
func (m *harMessage) field(name string) string {
	for _, h := range m.Headers {
		if strings.EqualFold(h.Name, name) {
			return h.Value
		}
	}
	return ""
}

// head writes a head. A pseudo field of HTTP/2 is left out.
func (m *harMessage) head(first, host string) []byte {
	var b strings.Builder
	b.WriteString(first + "\r\n")
	if host != "" && m.field("Host") == "" {
		b.WriteString("Host: " + host + "\r\n")
	}
	for _, h := range m.Headers {
		if !strings.HasPrefix(h.Name, ":") {
			b.WriteString(oneLine(h.Name) + ": " + oneLine(h.Value) + "\r\n")
		}
	}
	return []byte(b.String() + "\r\n")
}

func oneLine(s string) string { return strings.NewReplacer("\r", " ", "\n", " ").Replace(s) }

// secondsTime returns a time that is a number of seconds.
func secondsTime(s float64) time.Time {
	if s <= 0 || math.IsNaN(s) || s > 1e11 {
		return time.Time{}
	}
	whole, part := math.Modf(s)
	return time.Unix(int64(whole), int64(part*1e6)*1000).UTC()
}

// frames makes frames of messages.
type frames struct{ client, server wire.Codec }

func newFrames() *frames {
	return &frames{
		client: rfc6455.Draft.NewCodec(wire.CodecConfig{Role: wire.Client, Rand: zeros{}}),
		server: rfc6455.Draft.NewCodec(wire.CodecConfig{Role: wire.Server}),
	}
}

// zeros is a source of masks that hide nothing.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

var opcodes = map[int]wire.Op{1: wire.OpText, 2: wire.OpBinary, 9: wire.OpPing, 10: wire.OpPong}

// add appends a message as a frame.
func (f *frames) add(c *Conn, from Side, at time.Time, opcode int, data []byte) error {
	codec := f.server
	if from == Client {
		codec = f.client
	}
	var p []byte
	var err error
	switch op, known := opcodes[opcode]; {
	case known && op.IsData():
		p, err = codec.AppendFrame(nil, op, true, data)
	case known:
		p, err = codec.AppendFrame(nil, op, true, data[:min(len(data), 125)])
	case opcode == 8:
		code, reason := wire.CodeNoStatus, ""
		if len(data) >= 2 {
			code, reason = wire.CloseCode(data[0])<<8|wire.CloseCode(data[1]), string(bytes.ToValidUTF8(data[2:], nil))
		}
		p, err = codec.AppendClose(nil, code, reason[:min(len(reason), wire.MaxReason)])
	default:
		c.Notes = append(c.Notes, "a message with the opcode "+strconv.Itoa(opcode)+" is left out")
		return nil
	}
	if err != nil {
		return err
	}
	c.Pieces = append(c.Pieces, Piece{From: from, At: at, Bytes: p})
	return nil
}
