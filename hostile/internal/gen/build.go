// Package gen makes the files of attacks. It computes every byte by itself: of the
// module it uses package hostile for the form of a case, and nothing that reads or
// writes the protocol.
//
// dialect.go has the nine versions and their frames, head.go the heads, and the other
// files the cases, by side.
package gen

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/draftwire/draftwire/hostile"
)

// Files returns every file, in the order of hostile.Sides.
func Files() []hostile.File {
	return []hostile.File{
		file(hostile.Server, serverCases()),
		file(hostile.Client, clientCases()),
		file(hostile.Front, frontCases()),
		file(hostile.Behind, behindCases()),
		file(hostile.Pages, pagesCases()),
	}
}

func file(side string, cases []hostile.Case) hostile.File {
	if cases == nil {
		cases = []hostile.Case{} // JSON shall say [], not null
	}
	return hostile.File{Format: hostile.Format, License: "0BSD", Side: side, Cases: cases}
}

// Encode returns the file's text: a line for each case, so that a difference shows which.
func Encode(f hostile.File) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "{\"format\": %q, \"license\": %q, \"side\": %q, \"cases\": [", f.Format, f.License, f.Side)
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	for i := range f.Cases {
		b.WriteByte('\n')
		if err := e.Encode(&f.Cases[i]); err != nil {
			return nil, err
		}
		b.Truncate(b.Len() - 1) // the encoder's newline
		if i < len(f.Cases)-1 {
			b.WriteByte(',')
		}
	}
	b.WriteString("\n]}\n")
	return b.Bytes(), nil
}

// list gathers the cases of a side.
type list struct {
	side  string
	cases []hostile.Case
}

// add appends a case. name is KIND/WHAT; the case's ID and Kind follow from it.
func (l *list) add(name string, c hostile.Case) {
	kind, _, ok := strings.Cut(name, "/")
	if !ok {
		panic("gen: a name without a kind: " + name)
	}
	c.ID, c.Kind = l.side+"/"+name, kind
	for i := range c.Steps {
		c.Steps[i].Parts = shortened(c.Steps[i].Parts)
	}
	l.cases = append(l.cases, c)
}

// each appends a case for each version that when tells; the version ends its ID.
func (l *list) each(name string, when func(dialect) bool, make func(d dialect) hostile.Case) {
	for _, d := range dialects {
		if !when(d) {
			continue
		}
		c := make(d)
		c.Version = d.name
		l.add(name+"/"+d.name, c)
	}
}

// What each is told: which versions can say it.
func everyVersion(dialect) bool { return true }
func hixies(d dialect) bool     { return d.hixie }
func hybis(d dialect) bool      { return !d.hixie }
func keyed(d dialect) bool      { return d.version != "" }            // hybi-04 and later
func challenged(d dialect) bool { return d.body != "" }               // hixie-76 and hybi-02
func deflating(d dialect) bool  { return d.deflate }                  // hybi-07 and later
func coded(d dialect) bool      { return d.closeCode }                // hybi-06 and later
func closing(d dialect) bool    { return d.closeFrame }               // all but hixie-75
func finished(d dialect) bool   { return d.version == "13" }          // RFC 6455
func clearHead(d dialect) bool  { return !d.hixie && !d.hidesHead() } // a frame's head is not masked

// named is these versions.
func named(names ...string) func(dialect) bool {
	return func(d dialect) bool { return slices.Contains(names, d.name) }
}

// sample is a version for each form of frames: not masked, with a masked head, and with a
// masked payload.
var sample = named("hybi-02", "hybi-05", "rfc6455")

// but is when without some versions.
func but(when func(dialect) bool, names ...string) func(dialect) bool {
	return func(d dialect) bool { return when(d) && !slices.Contains(names, d.name) }
}

// Units of cases.
const (
	ms  = hostile.Duration(time.Millisecond)
	sec = hostile.Duration(time.Second)
	kib = 1 << 10
	mib = 1 << 20
)

// Steps.

func open(fields ...string) hostile.Step {
	s := hostile.Step{Do: hostile.Open}
	for _, f := range fields {
		s.Fields += f + "\r\n"
	}
	return s
}

// send sends parts, which may be []hostile.Part, hostile.Part, string (Latin-1) or []byte.
func send(parts ...any) hostile.Step {
	return hostile.Step{Do: hostile.Send, Parts: cat(parts...)}
}

// times is a send, over and over.
func times(n int64, parts ...any) hostile.Step {
	s := send(parts...)
	s.Times = n
	return s
}

// pieces is a send whose writes have n bytes each, with a pause between two.
func pieces(n int, pause hostile.Duration, parts ...any) hostile.Step {
	s := send(parts...)
	s.Piece, s.Pause = n, pause
	return s
}

// within is s, stopped after a time.
func within(most hostile.Duration, s hostile.Step) hostile.Step { s.Most = most; return s }

func expect(text string) hostile.Step          { return hostile.Step{Do: hostile.Expect, Text: text} }
func expectHex(b []byte) hostile.Step          { return hostile.Step{Do: hostile.Expect, Hex: b} }
func wait(d hostile.Duration) hostile.Step     { return hostile.Step{Do: hostile.Wait, For: d} }
func hold(d hostile.Duration) hostile.Step     { return hostile.Step{Do: hostile.Hold, For: d} }
func end() hostile.Step                        { return hostile.Step{Do: hostile.End} }
func reset() hostile.Step                      { return hostile.Step{Do: hostile.Reset} }
func steps(s ...hostile.Step) []hostile.Step   { return s }
func outcomes(names ...string) hostile.Verdict { return hostile.Verdict{Outcomes: names} }
func refused(status ...int) hostile.Verdict {
	return hostile.Verdict{Outcomes: []string{hostile.Refused}, Status: status}
}
func failed(codes ...int) hostile.Verdict {
	return hostile.Verdict{Outcomes: []string{hostile.Failed}, Codes: codes}
}
func ended() hostile.Verdict    { return outcomes(hostile.Ended) }
func served() hostile.Verdict   { return outcomes(hostile.Served) }
func whatever() hostile.Verdict { return outcomes(hostile.Any) }
func never(v hostile.Verdict, s ...string) hostile.Verdict {
	v.Never = append(v.Never[:len(v.Never):len(v.Never)], s...)
	return v
}

// Parts.

// over is a part, over and over.
func over(n int64, part any) hostile.Part {
	ps := cat(part)
	if len(ps) != 1 || ps[0].Times > 1 {
		panic("gen: what is repeated is not one part")
	}
	ps[0].Times = n
	return ps[0]
}

// cat joins what send takes, neighbours of one kind into one part.
func cat(parts ...any) []hostile.Part {
	var out []hostile.Part
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			out = joined(out, hostile.Part{Text: p})
		case []byte:
			out = joined(out, hostile.Part{Hex: p})
		case hostile.Part:
			out = joined(out, p)
		case []hostile.Part:
			for _, q := range p {
				out = joined(out, q)
			}
		default:
			panic(fmt.Sprintf("gen: %T is no part", p))
		}
	}
	return out
}

// joined appends a part, to the last one if both are plain.
func joined(out []hostile.Part, p hostile.Part) []hostile.Part {
	plain := func(p hostile.Part) bool { return p.Times <= 1 && !p.Mask }
	if p.Text == "" && len(p.Hex) == 0 {
		return out
	}
	if n := len(out); n > 0 && plain(out[n-1]) && plain(p) && (out[n-1].Text == "") == (p.Text == "") {
		last := &out[n-1]
		last.Text += p.Text
		last.Hex = append(last.Hex[:len(last.Hex):len(last.Hex)], p.Hex...)
		if len(last.Hex) == 0 {
			last.Hex = nil
		}
		return out
	}
	return append(out, p)
}

// raw returns the bytes of parts that are plain.
func raw(parts []hostile.Part) []byte {
	var b []byte
	for _, p := range parts {
		if p.Mask || strings.Contains(p.Text, "{") {
			panic("gen: bytes that only the player knows")
		}
		for range max(p.Times, 1) {
			b = append(b, hostile.Latin1(p.Text)...)
			b = append(b, p.Hex...)
		}
	}
	return b
}

// latin1 returns bytes as a text of a case.
func latin1(b []byte) string {
	r := make([]rune, len(b))
	for i, c := range b {
		r[i] = rune(c)
	}
	return string(r)
}
