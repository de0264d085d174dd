package deflate

import (
	"bytes"
	"compress/flate"
	"crypto/rand"
	"encoding/hex"
	"io"
	"strings"
	"testing"

	"github.com/draftwire/draftwire/wire"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// expand expands a unit whole.
func expand(e *Expander, p []byte, room int64) ([]byte, error) {
	e.Gather(p)
	var out []byte
	for {
		q, err := e.Expand(room - int64(len(out)))
		out = append(out, q...)
		switch err {
		case io.EOF:
			return out, nil
		case nil:
		default:
			return out, err
		}
	}
}

// The examples of RFC 7692 7.2.3, and their kind.
func TestPublished(t *testing.T) {
	for _, tt := range []struct {
		name     string
		takeover bool
		in, want []string
	}{
		{"one block (7.2.3.1)", false, []string{"f248cdc9c90700"}, []string{"Hello"}},
		{"takeover (7.2.3.2)", true, []string{"f248cdc9c90700", "f200110000"}, []string{"Hello", "Hello"}},
		{"stored (7.2.3.3)", false, []string{"000500faff48656c6c6f00"}, []string{"Hello"}},
		{"last block (7.2.3.4)", false, []string{"f348cdc9c9070000"}, []string{"Hello"}},
		{"last block, then more with takeover", true, []string{"f348cdc9c9070000", "f200110000"}, []string{"Hello", "Hello"}},
		{"two blocks (7.2.3.5)", false, []string{"f248050000 00ffffcac9c90700"}, []string{"Hello"}},
		{"empty (7.2.3.6)", false, []string{"00", "f248cdc9c90700"}, []string{"", "Hello"}},
	} {
		e := Expander{Takeover: tt.takeover}
		for i, in := range tt.in {
			got, err := expand(&e, unhex(t, strings.ReplaceAll(in, " ", "")), 1000)
			if err != nil || string(got) != tt.want[i] {
				t.Errorf("%s: %q, %v", tt.name, got, err)
			}
		}
		if e.Drop(); e.Holds() {
			t.Errorf("%s: holds something between units", tt.name)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	noise := make([]byte, 200<<10)
	rand.Read(noise)
	units := [][]byte{nil, []byte("a"), []byte(strings.Repeat("hello ", 40000)), noise, bytes.Repeat(noise[:40000], 3), nil, []byte("end")}
	for _, takeover := range []bool{false, true} {
		c, e := Compressor{Takeover: takeover}, Expander{Takeover: takeover}
		for round := range 3 {
			for i, u := range units {
				var z []byte
				if round == 1 { // in pieces, as a streaming writer does
					for p := u; ; p = p[min(len(p), 5000):] {
						z = c.Append(z, p[:min(len(p), 5000)], len(p) <= 5000)
						if len(p) <= 5000 {
							break
						}
					}
				} else {
					z = c.Append(nil, u, true)
				}
				got, err := expand(&e, z, int64(len(u)))
				if err != nil || !bytes.Equal(got, u) {
					t.Fatalf("takeover %v, unit %d: %d bytes of %d, %v", takeover, i, len(got), len(u), err)
				}
				e.Drop()
			}
		}
		if c.Holds() != takeover || e.Holds() {
			t.Errorf("takeover %v: compressor holds %v, expander %v", takeover, c.Holds(), e.Holds())
		}
	}
}

// A bomb is refused at the limit, however much it would become.
func TestBomb(t *testing.T) {
	var z bytes.Buffer
	w, _ := flate.NewWriter(&z, flate.BestCompression)
	w.Write(make([]byte, 1<<20))
	w.Flush() // ends at a byte, and needs nothing from before: it can be repeated
	bomb := bytes.Repeat(z.Bytes(), 1024)
	var e Expander
	got, err := expand(&e, bomb[:len(bomb)-len(tail)], 1<<20)
	if err != ErrTooBig || len(got) > 1<<20 || e.Holds() {
		t.Errorf("%d bytes of a bomb of %d, %v", len(got), len(bomb), err)
	}
}

func TestCorrupt(t *testing.T) {
	for _, s := range []string{"ff", "07", "000500faff", "f248cdc9c9"} {
		var e Expander
		if got, err := expand(&e, unhex(t, s), 1000); err != ErrCorrupt && s != "f248cdc9c9" {
			t.Errorf("%s: %q, %v", s, got, err)
		}
		e.Drop()
	}
}

func FuzzExpand(f *testing.F) {
	f.Add([]byte{0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00}, []byte{0xf2, 0x00, 0x11, 0x00, 0x00}, true)
	f.Add([]byte{0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00}, []byte{0x00}, false)
	f.Fuzz(func(t *testing.T, a, b []byte, takeover bool) {
		e := Expander{Takeover: takeover}
		for _, p := range [][]byte{a, b} {
			got, err := expand(&e, p, 1<<16)
			if len(got) > 1<<16 {
				t.Fatalf("%d bytes above the room", len(got))
			}
			if err != nil {
				return
			}
			e.Drop()
			if e.Holds() {
				t.Fatal("holds something between units")
			}
		}
	})
}

func TestAnswer(t *testing.T) {
	for _, tt := range []struct{ offer, answer, withTakeover string }{
		{"permessage-deflate", "permessage-deflate; server_no_context_takeover; client_no_context_takeover", "permessage-deflate"},
		{"permessage-deflate; client_max_window_bits", "permessage-deflate; server_no_context_takeover; client_no_context_takeover", "permessage-deflate"},
		{"permessage-deflate; server_no_context_takeover", "permessage-deflate; server_no_context_takeover; client_no_context_takeover", "permessage-deflate; server_no_context_takeover"},
		{"permessage-deflate; client_max_window_bits; server_max_window_bits=10", "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10", "permessage-deflate; server_max_window_bits=10"},
		{`permessage-deflate; server_max_window_bits="10"`, "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10", "permessage-deflate; server_max_window_bits=10"},
		{"permessage-deflate; server_max_window_bits=7, permessage-deflate", "permessage-deflate; server_no_context_takeover; client_no_context_takeover", "permessage-deflate"},
		{"x-webkit-deflate-frame, permessage-deflate", "permessage-deflate; server_no_context_takeover; client_no_context_takeover", "permessage-deflate"},
		{"x-webkit-deflate-frame", "x-webkit-deflate-frame; no_context_takeover", "x-webkit-deflate-frame"},
		{"deflate-frame; max_window_bits=9; no_context_takeover", "deflate-frame; no_context_takeover", "deflate-frame"},
		{"permessage-deflate; foo=1", "", ""},
		{`foo; a="x, permessage-deflate, y"`, "", ""},
		{`permessage-deflate; server_max_window_bits="1\0"`, "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10", "permessage-deflate; server_max_window_bits=10"},
		{"permessage-deflate; server_max_window_bits", "", ""},
		{"permessage-deflate; server_max_window_bits=08", "", ""},
		{"permessage-deflate; server_max_window_bits=16", "", ""},
		{"permessage-deflate; client_max_window_bits=7", "", ""},
		{"permessage-deflate; server_no_context_takeover=1", "", ""},
		{"permessage-deflate; server_no_context_takeover; server_no_context_takeover", "", ""},
		{"deflate-frame; max_window_bits=7", "", ""},
		{"deflate-frame; foo", "", ""},
		{"deflate-stream", "", ""},
		{"x-deflate-frame", "", ""},
		{"; a", "", ""},
	} {
		offers := wire.Fields{{Name: "E", Value: tt.offer}}.List("E")
		if _, got := Answer(offers, false); got != tt.answer {
			t.Errorf("%s: %q, want %q", tt.offer, got, tt.answer)
		}
		if _, got := Answer(offers, true); got != tt.withTakeover {
			t.Errorf("%s with takeover: %q, want %q", tt.offer, got, tt.withTakeover)
		}
	}
}

func TestAccepted(t *testing.T) {
	for answer, ok := range map[string]bool{
		"permessage-deflate": true, "permessage-deflate; client_max_window_bits=10": true,
		"permessage-deflate; server_max_window_bits=9; client_no_context_takeover": true, "": true,
		"permessage-deflate; client_max_window_bits": false, "permessage-deflate; foo": false,
		"x-webkit-deflate-frame": false, "permessage-deflate, permessage-deflate": false,
		"permessage-deflate; client_max_window_bits=16": false,
	} {
		p, got := Accepted(wire.Fields{{Name: "E", Value: answer}}.List("E"), true)
		if got != ok || ok && (p.Name != "") != (answer != "") {
			t.Errorf("%q: %v, %+v", answer, got, p)
		}
	}
	if _, ok := Accepted([]string{"permessage-deflate"}, false); ok {
		t.Error("a server that keeps its window though it was asked not to")
	}
}
