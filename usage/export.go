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

// exportFormat is the first value in an export.
const exportFormat = "draftwire-usage/1"

// The bounds of what Import accepts.
const (
	maxRecord  = 1 << 20   // bytes of one record
	maxClients = 1_000_000 // records
	maxSources = 1000
)

// Export writes the same as Snapshot().Export, but without a copy of the ledger: it needs
// less than a megabyte of memory, however slow w is.
func (l *Ledger) Export(w io.Writer) error {
	s, seats := l.outline()
	return s.export(w, l.copies(seats))
}

const (
	exportWait  = 5 * time.Second  // that a request waits for the one before it
	exportStall = 30 * time.Second // after which a reader that reads nothing is cut off
)

// ServeHTTP answers GET with an export. It is for the port of an administrator, as an export
// has the keys of all clients. One export is written at a time, so that many requests need
// no more processor time than one. A request that comes meanwhile waits for up to 5 seconds
// and then gets a 503. A reader that reads nothing for 30 seconds is cut off.
func (l *Ledger) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "the method must be GET", http.StatusMethodNotAllowed)
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
		w.Header().Set("Connection", "close") // so that the last write's deadline does not outlast the answer
	}
	w.Header().Set("Content-Type", "application/json")
	if r.Method == http.MethodGet {
		l.Export(&deadlineWriter{w, http.NewResponseController(w)}) // it fails when the client has gone away
	}
}

// takeTurn waits until this request may export. The caller receives from l.export when it is
// done.
func (l *Ledger) takeTurn(ctx context.Context) bool {
	timeout := time.NewTimer(exportWait)
	defer timeout.Stop()
	select {
	case l.export <- struct{}{}:
		return true
	case <-ctx.Done():
	case <-timeout.C:
	}
	return false
}

// deadlineWriter gives each write its own deadline.
type deadlineWriter struct {
	io.Writer
	c *http.ResponseController
}

func (w *deadlineWriter) Write(p []byte) (int, error) {
	w.c.SetWriteDeadline(time.Now().Add(exportStall)) // fails only where there is no socket, as in tests
	return w.Writer.Write(p)
}

// Export writes the snapshot as one JSON object, a line for each record:
//
//	{"format":"draftwire-usage/1","made":"2026-11-22T01:38:20Z",
//	"sources":[...],
//	"versions":[...],
//	"clients":[...]}
//
// A day is an array [date, opened, refused, carried, in, out] without the zeros at its end.
// The date is the number of days since 1970-01-01.
func (s *Snapshot) Export(w io.Writer) error {
	return s.export(w, func(yield func([]Client) bool) { yield(s.Clients) })
}

// export writes an export with these clients.
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

// exporter writes arrays of records. After the first error it writes nothing.
type exporter struct {
	out    *bufio.Writer
	line   bytes.Buffer // the current record
	json   *json.Encoder
	arrays int
	n      int // records of the current array
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

// Import reads what Export writes. It accepts up to a million clients and a thousand
// sources, each of at most a megabyte, and ignores keys that it does not know. It cleans
// strings as those of a Visit.
func Import(r io.Reader) (*Snapshot, error) {
	p := &importer{s: &Snapshot{}, seen: map[any]bool{}}
	p.in = &ration{r: r}
	p.d = json.NewDecoder(p.in)
	if err := p.read(); err != nil {
		if isCutOff(err) {
			err = errors.New("the export ends too early")
		}
		return nil, fmt.Errorf("usage: export: %w", err)
	}
	p.s.complete()
	return p.s, nil
}

// isCutOff reports whether encoding/json has found the end of its input within a value. It
// says so in two ways: the second is that of Go 1.27.
func isCutOff(err error) bool {
	syntax, ok := errors.AsType[*json.SyntaxError](err)
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		ok && syntax.Error() == "unexpected end of JSON input"
}

var errRation = fmt.Errorf("a record is longer than %d bytes", maxRecord)

// ration returns at most left bytes, until left is set again for the next record.
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
	seen map[any]bool // keys of the object, and keys of records
}

var errNoExport = errors.New("this is not an export of a ledger")

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
			return errNoExport
		}
		p.seen[name] = true
		if err := p.value(name); err != nil {
			return err
		}
	}
	if !p.seen["format"] {
		return errNoExport
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
		return fmt.Errorf("expected %v, found %v", d, t)
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
			return fmt.Errorf("the format is %.40q, but this program reads only %s", f, exportFormat)
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

// sourceKey is the ID of a source. Its type keeps it apart from the keys of the object.
type sourceKey string

// array reads up to limit records one by one. No key may occur twice.
func array[T any](p *importer, limit int, f func(*T) (key any, err error)) error {
	if err := p.want(json.Delim('[')); err != nil {
		return err
	}
	for n := 0; p.more(); n++ {
		if n == limit {
			return fmt.Errorf("more than %d records", limit)
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
