package usage

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"time"
)

// exportFormat is the first thing that an export says.
const exportFormat = "draftwire-usage/1"

// What Import takes at most.
const (
	maxRecord  = 1 << 20   // bytes of one record
	maxClients = 1_000_000 // records
	maxSources = 1000
)

// Export writes what Snapshot().Export does, and holds no copy of the ledger: it costs
// less than a megabyte of memory, however slowly w takes it.
func (l *Ledger) Export(w io.Writer) error {
	s, seats := l.outline()
	return s.export(w, l.copies(seats))
}

const (
	exportWait  = 5 * time.Second  // of a request for the one before it
	exportStall = 30 * time.Second // for a reader that takes nothing
)

// ServeHTTP answers GET with an export, for the listener of an administrator: it has
// the keys of all clients. One is written at a time, so that many requests take no more
// of the processor than one: who comes meanwhile waits for up to 5 seconds and then is
// answered 503. A reader that takes nothing for 30 seconds is cut off.
func (l *Ledger) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET", http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	if r.Method == http.MethodGet {
		if !l.takeTurn(r.Context()) {
			w.Header().Set("Retry-After", "5")
			http.Error(w, "another export is being written", http.StatusServiceUnavailable)
			return
		}
		defer func() { <-l.export }()
		w.Header().Set("Connection", "close") // which ends the deadline of the last write too
	}
	w.Header().Set("Content-Type", "application/json")
	if r.Method == http.MethodGet {
		l.Export(&impatient{w, http.NewResponseController(w)}) // an error is the client's that went away
	}
}

// takeTurn waits for the right to export. Whoever has it gives it back.
func (l *Ledger) takeTurn(ctx context.Context) bool {
	late := time.NewTimer(exportWait)
	defer late.Stop()
	select {
	case l.export <- struct{}{}:
		return true
	case <-ctx.Done():
	case <-late.C:
	}
	return false
}

// impatient writes to a reader that has to go on reading.
type impatient struct {
	io.Writer
	c *http.ResponseController
}

func (w *impatient) Write(p []byte) (int, error) {
	w.c.SetWriteDeadline(time.Now().Add(exportStall)) // what has no deadlines is no socket
	return w.Writer.Write(p)
}

// Export writes the snapshot as one JSON object, a line for each record:
//
//	{"format":"draftwire-usage/1","made":"2026-11-22T01:38:20Z",
//	"sources":[...],
//	"versions":[...],
//	"clients":[...]}
//
// A day is an array [date, opened, refused, carried, in, out] without the zeros
// at its end; date counts days since 1970-01-01.
func (s *Snapshot) Export(w io.Writer) error {
	return s.export(w, func(yield func([]Client) bool) { yield(s.Clients) })
}

// export is Export with the clients from elsewhere.
func (s *Snapshot) export(w io.Writer, clients iter.Seq[[]Client]) error {
	made, err := json.Marshal(s.Made)
	if err != nil {
		return err
	}
	e := newExporter(w)
	fmt.Fprintf(e.out, "{\"format\":%q,\"made\":%s", exportFormat, made)
	e.begin("sources")
	for i := range s.Sources {
		e.record(&s.Sources[i])
	}
	e.begin("versions")
	for i := range s.Versions {
		e.record(&s.Versions[i])
	}
	e.begin("clients")
	var c clientJSON
	for some := range clients {
		for i := 0; i < len(some) && e.err == nil; i++ {
			c.plainClient, c.Tolerated = plainClient(some[i]), some[i].Tolerated.String()
			e.record(&c)
		}
		if e.err != nil {
			break
		}
	}
	return e.end()
}

// exporter writes arrays of records. The first error sticks.
type exporter struct {
	out    *bufio.Writer
	line   bytes.Buffer // of the record in hand
	json   *json.Encoder
	arrays int
	n      int // records of the array in hand
	err    error
}

func newExporter(w io.Writer) *exporter {
	e := &exporter{out: bufio.NewWriterSize(w, 32<<10)}
	e.json = json.NewEncoder(&e.line)
	return e
}

func (e *exporter) begin(name string) {
	if e.arrays++; e.arrays > 1 {
		e.out.WriteByte(']')
	}
	fmt.Fprintf(e.out, ",\n%q:[", name)
	e.n = 0
}

func (e *exporter) record(x any) {
	e.line.Reset()
	if e.err == nil {
		e.err = e.json.Encode(x)
	}
	if e.err != nil {
		return
	}
	if e.n++; e.n > 1 {
		e.out.WriteByte(',')
	}
	e.out.WriteByte('\n')
	_, e.err = e.out.Write(bytes.TrimSuffix(e.line.Bytes(), []byte("\n")))
}

func (e *exporter) end() error {
	if e.err != nil {
		return e.err
	}
	e.out.WriteString("]}\n")
	return e.out.Flush()
}

// Import reads what Export writes. It takes a million clients and a thousand
// sources at most, each in a megabyte at most; what it does not know it passes
// over. Strings are cleaned as those of a Visit are.
func Import(r io.Reader) (*Snapshot, error) {
	p := &importer{s: &Snapshot{}, seen: map[any]bool{}}
	p.in = &ration{r: r}
	p.d = json.NewDecoder(p.in)
	if err := p.read(); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("it ends too early")
		}
		return nil, fmt.Errorf("usage: export: %w", err)
	}
	p.s.complete()
	return p.s, nil
}

var errRation = fmt.Errorf("a record is above %d bytes", maxRecord)

// ration lets one record's worth of bytes through until it is filled again.
type ration struct {
	r    io.Reader
	left int
}

func (r *ration) Read(p []byte) (int, error) {
	if r.left <= 0 {
		return 0, errRation
	}
	n, err := r.r.Read(p[:min(len(p), r.left)])
	r.left -= n
	return n, err
}

type importer struct {
	s    *Snapshot
	in   *ration
	d    *json.Decoder
	seen map[any]bool // each key of the object, each record
}

func (p *importer) read() error {
	if err := p.want(json.Delim('{')); err != nil {
		return err
	}
	for first := true; p.more(); first = false {
		t, err := p.d.Token()
		if err != nil {
			return err
		}
		name, ok := t.(string)
		if !ok || first != (name == "format") || p.seen[name] {
			return errors.New("it is not from a ledger")
		}
		p.seen[name] = true
		if err := p.value(name); err != nil {
			return err
		}
	}
	if !p.seen["format"] {
		return errors.New("it is not from a ledger")
	}
	return p.want(json.Delim('}'))
}

func (p *importer) want(d json.Delim) error {
	p.in.left = maxRecord
	t, err := p.d.Token()
	if err != nil {
		return err
	}
	if t != d {
		return fmt.Errorf("%v where %v should be", t, d)
	}
	return nil
}

func (p *importer) more() bool {
	p.in.left = maxRecord
	return p.d.More()
}

func (p *importer) decode(v any) error {
	p.in.left = maxRecord
	return p.d.Decode(v)
}

func (p *importer) value(name string) error {
	switch name {
	case "format":
		var f string
		if err := p.decode(&f); err != nil {
			return err
		}
		if f != exportFormat {
			return fmt.Errorf("format %.40q; this program knows %s", f, exportFormat)
		}
		return nil
	case "made":
		if err := p.decode(&p.s.Made); err != nil {
			return err
		}
		return cleanTimes(&p.s.Made)
	case "sources":
		return array(p, maxSources, func(s *Source) (any, error) {
			err := s.check()
			p.s.Sources = append(p.s.Sources, *s)
			return sourceKey(s.ID), err
		})
	case "versions":
		return array(p, maxSources, func(t *Totals) (any, error) {
			err := t.check()
			p.s.Versions = append(p.s.Versions, *t)
			return t.Version, err
		})
	case "clients":
		return array(p, maxClients, func(c *Client) (any, error) {
			err := c.check()
			p.s.Clients = append(p.s.Clients, *c)
			return seatKey{c.Version, c.Key}, err
		})
	}
	var skip json.RawMessage
	return p.decode(&skip)
}

// sourceKey tells a source's ID from a key of the object.
type sourceKey string

// array reads records one by one. None may come twice.
func array[T any](p *importer, most int, f func(*T) (key any, err error)) error {
	if err := p.want(json.Delim('[')); err != nil {
		return err
	}
	for n := 0; p.more(); n++ {
		if n == most {
			return fmt.Errorf("more than %d records", most)
		}
		x := new(T)
		if err := p.decode(x); err != nil {
			return err
		}
		key, err := f(x)
		if err != nil {
			return err
		}
		if p.seen[key] {
			return fmt.Errorf("two records of %.80v", key)
		}
		p.seen[key] = true
	}
	return p.want(json.Delim(']'))
}
