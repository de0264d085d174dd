package usage

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// exportFormat is the first thing that an export says.
const exportFormat = "draftwire-usage/1"

// What Import takes at most.
const (
	maxRecord  = 1 << 20   // bytes of one record
	maxClients = 1_000_000 // records
	maxSources = 1000
)

// Export writes a snapshot of the ledger; see Snapshot.Export.
func (l *Ledger) Export(w io.Writer) error { return l.Snapshot().Export(w) }

// ServeHTTP answers GET with an export, for the listener of an administrator:
// it has the keys of all clients.
func (l *Ledger) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET", http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if r.Method == http.MethodGet {
		l.Export(w) // an error is the client's that went away
	}
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
	b := bufio.NewWriter(w)
	made, err := json.Marshal(s.Made)
	if err != nil {
		return err
	}
	fmt.Fprintf(b, "{\"format\":%q,\"made\":%s", exportFormat, made)
	if err := writeArray(b, "sources", s.Sources); err != nil {
		return err
	}
	if err := writeArray(b, "versions", s.Versions); err != nil {
		return err
	}
	if err := writeArray(b, "clients", s.Clients); err != nil {
		return err
	}
	b.WriteString("}\n")
	return b.Flush()
}

func writeArray[T any](b *bufio.Writer, name string, records []T) error {
	fmt.Fprintf(b, ",\n%q:[", name)
	for i := range records {
		record, err := json.Marshal(&records[i])
		if err != nil {
			return err
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
		if _, err := b.Write(record); err != nil {
			return err
		}
	}
	return b.WriteByte(']')
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
