package input_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/draftwire/draftwire/inspect"
	"github.com/draftwire/draftwire/inspect/input"
	"github.com/draftwire/draftwire/internal/vectest"
	"github.com/draftwire/draftwire/vectors"
)

// explained plays a recording, and returns the events as text: without times and addresses,
// and without what the two directions do in between each other where together is false.
func explained(t testing.TB, r *input.Recording, o inspect.Options, together bool) string {
	t.Helper()
	var b [3]strings.Builder
	err := r.Play(inspect.New(o, func(e *inspect.Event) {
		if e.Kind == inspect.KindConnection || e.Kind == inspect.KindRemark && strings.HasPrefix(e.Text, "both sides") {
			return
		}
		e.At, e.Client, e.Server = nil, "", ""
		j, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		k := 0
		if !together {
			k = strings.Index("cs", e.From[:min(1, len(e.From))])
			if e.From == "" {
				k = 2
			}
		}
		b[k].Write(append(j, '\n'))
	}), 1, input.Unknown)
	if err != nil {
		t.Fatal(err)
	}
	return b[0].String() + b[1].String() + b[2].String()
}

// direct is a recording as it is.
func direct(pieces []vectest.Recorded) *input.Recording {
	var c input.Conn
	for _, p := range pieces {
		from := input.Server
		if p.Client {
			from = input.Client
		}
		c.Pieces = append(c.Pieces, input.Piece{From: from, Bytes: p.Bytes})
	}
	return &input.Recording{Conns: []input.Conn{c}}
}

// read reads one text, or one of each side.
func read(t testing.TB, texts []string, format string) *input.Recording {
	t.Helper()
	var all []*input.Recording
	for _, text := range texts {
		said := ""
		if format == "raw" { // a head with wrong ends of lines looks like a pasted one
			said = format
		}
		r, err := input.Read([]byte(text), said)
		if err != nil {
			t.Fatalf("%v\n%.400q", err, text)
		}
		if r.Format != format && !(format == "wireshark-hex" && r.Format == "hexdump") { // of one side they are the same
			t.Fatalf("taken for %s, not %s:\n%.400s", r.Format, format, text)
		}
		all = append(all, r)
	}
	if len(all) == 1 {
		return all[0]
	}
	r, err := input.Join(all[0], all[1])
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// everything is set by INSPECT_ALL=1: each vector in each format, which takes a minute. Without
// it each vector goes through two of the formats, others than its neighbours.
var everything = os.Getenv("INSPECT_ALL") != ""

// Each vector comes out of each format as it is itself.
func TestVectors(t *testing.T) {
	all := 0
	for i, r := range vectest.Recordings(t) {
		v := r.Vector
		var pieces []vectest.Recorded
		size := 0
		for _, p := range r.Pieces {
			if size += len(p.Bytes); len(p.Bytes) > 0 {
				pieces = append(pieces, p)
			}
		}
		if size > 1<<16 {
			continue // text of it is no test of anything more
		}
		o := inspect.Options{Limit: v.Limit, MaskKey: v.ConnectionKey, Secure: v.Secure || v.Offer != nil && v.Offer.Secure, Payload: 64}
		want := map[bool]string{}
		for k, d := range dialects {
			if !everything && (i+k)%9 != 0 {
				continue
			}
			texts := d.write(pieces)
			together := len(texts) == 1 && d.format != "tcpdump-x"
			if v.Kind == vectors.KindDetect && !strings.Contains(texts[0], "\n") && d.format == "base64" {
				continue
			}
			if want[together] == "" {
				want[together] = explained(t, direct(pieces), o, together)
			}
			if got := explained(t, read(t, texts, d.format), o, together); got != want[together] {
				t.Fatalf("%s as %s:\n%s\nnot\n%s\n%.1500s", v.ID, d.name, got, want[together], texts[0])
			}
			all++
		}
	}
	t.Logf("%d readings", all)
}
