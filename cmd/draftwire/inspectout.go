package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/draftwire/draftwire/inspect"
	"github.com/draftwire/draftwire/inspect/capture"
	"github.com/draftwire/draftwire/vectors"
	"github.com/draftwire/draftwire/wire"
)

// jsonEvents writes a line of JSON for each event.
type jsonEvents struct{ w io.Writer }

func (j *jsonEvents) add(e *inspect.Event) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	_, err = j.w.Write(append(visibleJSON(line), '\n'))
	return err
}

func (j *jsonEvents) close() error { return nil }

// htmlEvents gathers the events for a page.
type htmlEvents struct {
	w    io.Writer
	page inspect.Page
}

func (h *htmlEvents) add(e *inspect.Event) error {
	h.page.Add(e)
	return nil
}

func (h *htmlEvents) close() error { return h.page.Write(h.w) }

// Bounds of the text that waits for a connection to end.
const (
	textOfConn = 1 << 20
	textOfAll  = 32 << 20
)

// textEvents writes events for people: one connection behind the other, as far as they are
// short; a long one is written in parts.
type textEvents struct {
	w       io.Writer
	o       inspect.TextOptions
	waiting map[int]*bytes.Buffer
	total   int
	parts   map[int]bool // a part was written already
	shown   map[int]bool // there is more than the line of the connection
	only    bool         // connections without more are left out
	live    bool         // each event is written as it comes
	last    int          // the connection that was written last
	written int          // connections and parts
}

func newTextEvents(o inspectOptions, w io.Writer, std stdio) *textEvents {
	t := &textEvents{w: w, waiting: map[int]*bytes.Buffer{}, parts: map[int]bool{}, shown: map[int]bool{}, only: o.only != nil, live: o.live != nil}
	t.o.Width, t.o.Color = 100, o.color == "always"
	if f, ok := std.out.(*os.File); ok && isTerminal(std.out) {
		t.o.Width, _ = sizeOf(f)
		t.o.Color = t.o.Color || o.color == "auto" && os.Getenv("NO_COLOR") == ""
	}
	if o.width > 0 {
		t.o.Width = o.width
	}
	return t
}

func (t *textEvents) add(e *inspect.Event) error {
	b := t.waiting[e.Conn]
	if b == nil {
		b = new(bytes.Buffer)
		t.waiting[e.Conn] = b
	}
	before := b.Len()
	t.shown[e.Conn] = t.shown[e.Conn] || e.Kind != inspect.KindConnection
	if err := inspect.WriteText(b, e, t.o); err != nil {
		return err
	}
	t.total += b.Len() - before
	if e.Kind == inspect.KindClosing || b.Len() > textOfConn || t.total > textOfAll || t.live && (t.shown[e.Conn] || !t.only) {
		return t.flush(e.Conn, e.Kind == inspect.KindClosing)
	}
	return nil
}

// flush writes what waits of a connection.
func (t *textEvents) flush(n int, ended bool) error {
	b := t.waiting[n]
	if b.Len() > 0 && (t.shown[n] || !t.only) {
		head := ""
		if t.written > 0 && !(t.live && t.last == n) {
			head = "\n"
			if t.parts[n] && t.written > 1 {
				head += fmt.Sprintf("connection %d, goes on\n", n)
			}
		}
		t.last = n
		if _, err := io.WriteString(t.w, head); err != nil {
			return err
		}
		if _, err := t.w.Write(b.Bytes()); err != nil {
			return err
		}
		t.written++
	}
	t.total -= b.Len()
	delete(t.waiting, n)
	t.parts[n] = true
	if ended {
		delete(t.parts, n)
		delete(t.shown, n)
	}
	return nil
}

func (t *textEvents) close() error {
	var numbers []int
	for n := range t.waiting {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	for _, n := range numbers {
		if err := t.flush(n, true); err != nil {
			return err
		}
	}
	return nil
}

// hexSink writes connections as dumps of both sides, in the form of Wireshark's Follow Stream:
// the server's lines are indented. One connection follows the other, in the order in which they
// end.
type hexSink struct {
	w       *bufio.Writer
	waiting int // bytes of dumps of connections that have not ended
	written int // connections
	most    int // of waiting; 0 is hexMost
	err     error
}

func (h *hexSink) Open(c capture.Conn) capture.Stream { return &hexStream{h: h, number: c.Number} }

func (h *hexSink) close() error {
	if h.err == nil && h.written == 0 {
		return errNothing
	}
	return h.err
}

// errNothing is for an input of which nothing is to be written.
var errNothing = exitf(exitFailure, "there is no connection in it, or none with the number of --stream")

type hexStream struct {
	h      *hexSink
	number int
	b      bytes.Buffer
	ended  int
}

// hexMost is how much of dumps may wait for their connections to end.
const hexMost = 256 << 20

func (s *hexStream) Data(_ time.Time, from capture.Direction, offset int64, p []byte) {
	indent := ""
	if from == capture.FromServer {
		indent = "    "
	}
	before := s.b.Len()
	defer func() { s.h.waiting += s.b.Len() - before }()
	for i := 0; i < len(p) && s.h.err == nil; i += 16 {
		line := p[i:min(i+16, len(p))]
		columns := fmt.Sprintf("% x", line)
		if len(line) > 8 {
			columns = fmt.Sprintf("% x  % x", line[:8], line[8:])
		}
		shown := bytes.Map(func(r rune) rune {
			if r < ' ' || r > '~' {
				return '.'
			}
			return r
		}, line)
		fmt.Fprintf(&s.b, "%s%08X  %-48s   %s\n", indent, offset+int64(i), columns, shown)
		if most := cmp.Or(s.h.most, hexMost); s.h.waiting+s.b.Len()-before > most {
			s.h.err = exitf(exitFailure, "connections of more than %d bytes as dumps at once; --stream N writes one, and --write pcap holds none back", most)
		}
	}
}

func (s *hexStream) Gap(time.Time, capture.Direction, int64, int64) {}

func (s *hexStream) End(time.Time, capture.Direction, capture.End) {
	if s.ended++; s.ended < 2 || s.b.Len() == 0 || s.h.err != nil {
		return
	}
	s.h.waiting -= s.b.Len()
	s.h.written++
	fmt.Fprintf(s.h.w, "# connection %d\n", s.number)
	_, s.h.err = s.b.WriteTo(s.h.w)
}

// pcapSink writes connections as pcap.
type pcapSink struct {
	*capture.Writer
	any bool
}

// Open implements capture.Sink.
func (p *pcapSink) Open(c capture.Conn) capture.Stream {
	p.any = true
	return p.Writer.Open(c)
}

func (p *pcapSink) close() error {
	if !p.any && p.Err() == nil {
		return errNothing
	}
	return p.Err()
}

// vectorSink writes connections as test vectors: those whose handshake is accepted and that
// break no rule.
type vectorSink struct {
	w       *bufio.Writer
	o       *inspectOptions
	vectors map[wire.Version][]vectors.Vector
	held    int // memory of the steps of all connections
	most    int // of held; 0 is heldVectors
	err     error
}

// vectorsMost is the most bytes of a connection that become a vector.
const vectorsMost = 1 << 20

// heldVectors is how much memory the steps of all connections may take: a file has its vectors in
// one document, so none is written before the last one is known. stepSize is that of a step
// without its bytes.
const (
	heldVectors = 256 << 20
	stepSize    = 128
)

// vectorNames are what identifiers of a version begin with, and the section on how a connection
// goes.
var vectorNames = map[wire.Version][2]string{
	wire.Hixie75: {"h75", "hixie-75 1.2"}, wire.Hixie76: {"h76", "hixie-76 1.2"}, wire.Hybi02: {"hy02", "hybi-02 1.2"},
	wire.Hybi04: {"hy04", "hybi-04 1.2"}, wire.Hybi05: {"hy05", "hybi-05 1.2"}, wire.Hybi06: {"hy06", "hybi-06 1.2"},
	wire.Hybi07: {"hy07", "hybi-07 1.2"}, wire.Hybi08: {"hy08", "hybi-08 1.2"}, wire.RFC6455: {"rfc", "RFC 6455 1.2"},
}

func (v *vectorSink) Open(c capture.Conn) capture.Stream {
	s := &vectorStream{sink: v, number: c.Number}
	s.explained = inspect.New(v.o.explain, s.tell).Open(c)
	return s
}

type vectorStream struct {
	sink      *vectorSink
	number    int
	explained capture.Stream
	vector    vectors.Vector
	version   wire.Version
	size      int
	held      int
	accepted  bool
	broken    bool
	ended     int
}

// tell learns from the events of the connection what a vector says beside its bytes.
func (s *vectorStream) tell(e *inspect.Event) {
	s.broken = s.broken || len(e.Broken()) > 0 || e.Kind == inspect.KindGap || e.Kind == inspect.KindUnknown
	if e.Kind != inspect.KindResponse || e.Version() == wire.Unknown {
		return
	}
	s.version = e.Version()
	for i, l := range e.Lines {
		name, value := l.Name, ""
		if n := len(name) + 2; len(l.Text) > n {
			value = l.Text[n:]
		}
		switch {
		case i == 0:
			s.accepted = bytes.Contains([]byte(l.Text), []byte(" 101"))
		case name == "Sec-WebSocket-Protocol" || name == "WebSocket-Protocol":
			s.server().Protocols = []string{value}
		case name == "Sec-WebSocket-Nonce":
			if p, err := base64.StdEncoding.DecodeString(value); err == nil {
				s.server().Nonce = p
			}
		}
	}
}

func (s *vectorStream) server() *vectors.Server {
	if s.vector.Server == nil {
		s.vector.Server = &vectors.Server{Protocols: []string{}}
	}
	return s.vector.Server
}

func (s *vectorStream) Data(at time.Time, from capture.Direction, offset int64, p []byte) {
	if s.size += len(p); s.size <= vectorsMost && s.hold(stepSize+len(p)) {
		steps := s.vector.Steps
		if n := len(steps); from == capture.FromServer && n > 0 && steps[n-1].From == "client" {
			steps[n-1].Wait = true
		}
		s.vector.Steps = append(steps, vectors.Step{From: from.String(), Bytes: bytes.Clone(p)})
	}
	s.explained.Data(at, from, offset, p)
}

// hold counts memory, and reports whether there may be so much.
func (s *vectorStream) hold(n int) bool {
	v := s.sink
	if most := cmp.Or(v.most, heldVectors); v.err == nil && v.held+n > most {
		v.err = exitf(exitFailure, "connections of more than %d bytes as vectors; --stream N writes one", most)
	}
	if v.err != nil {
		return false
	}
	s.held += n
	v.held += n
	return true
}

func (s *vectorStream) Gap(at time.Time, from capture.Direction, offset, n int64) {
	s.explained.Gap(at, from, offset, n)
}

func (s *vectorStream) End(at time.Time, from capture.Direction, how capture.End) {
	if how == capture.Fin && s.hold(stepSize) {
		s.vector.Steps = append(s.vector.Steps, vectors.Step{From: from.String(), Event: "fin"})
	}
	s.explained.End(at, from, how)
	if s.ended++; s.ended < 2 {
		return
	}
	names, ok := vectorNames[s.version]
	if !ok || !s.accepted || s.broken || s.size > vectorsMost {
		s.sink.held -= s.held
		s.vector = vectors.Vector{}
		return
	}
	v := &s.vector
	v.ID, v.Kind, v.Section = fmt.Sprintf("%s-capture-%d", names[0], s.number), vectors.KindSession, names[1]
	v.Role, v.Result, v.Comment = "server", vectors.Valid, fmt.Sprintf("connection %d of a capture", s.number)
	s.sink.vectors[s.version] = append(s.sink.vectors[s.version], *v)
}

// close writes a file for each version, one JSON document a line.
func (v *vectorSink) close() error {
	if v.err != nil {
		return v.err
	}
	if len(v.vectors) == 0 {
		return exitf(exitFailure, "no connection is a vector: only those are whose handshake is accepted, that break no rule and that have at most %d bytes", vectorsMost)
	}
	for _, version := range wire.AllVersions.List() {
		if v.vectors[version] == nil {
			continue
		}
		file := vectors.File{Format: vectors.Format, License: "0BSD", Version: version.String(), Vectors: v.vectors[version]}
		if err := json.NewEncoder(v.w).Encode(file); err != nil {
			return err
		}
	}
	return nil
}
