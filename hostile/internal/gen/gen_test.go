package gen

import (
	"bytes"
	"compress/flate"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/draftwire/draftwire/hostile"
)

func TestFilesAreUpToDate(t *testing.T) {
	for _, f := range Files() {
		want, err := Encode(f)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join("..", "..", f.Side+".json"))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s.json is not up to date; run go run ./hostile/gen", f.Side)
		}
	}
}

var caseID = regexp.MustCompile(`^(server|client|front|behind|pages)/([a-z0-9]+)/[a-z0-9./-]+$`)

func TestCasesAreWellFormed(t *testing.T) {
	names := map[string]bool{"": true}
	for _, d := range dialects {
		names[d.name] = true
	}
	seen, alike := map[string]bool{}, map[string]string{}
	for _, f := range Files() {
		for _, c := range f.Cases {
			m := caseID.FindStringSubmatch(c.ID)
			if m == nil || m[1] != f.Side || m[2] != c.Kind || !slices.Contains(hostile.Kinds, c.Kind) {
				t.Errorf("%s: the ID does not fit side %s, kind %s", c.ID, f.Side, c.Kind)
			}
			if seen[c.ID] {
				t.Errorf("%s stands twice", c.ID)
			}
			seen[c.ID] = true
			if last := c.ID[strings.LastIndex(c.ID, "/")+1:]; !names[c.Version] || names[last] && last != c.Version {
				t.Errorf("%s has the version %q", c.ID, c.Version)
			}
			checkCase(t, c)
			c.ID, c.Comment, c.Holes = "", "", nil
			b, err := json.Marshal(c)
			if err != nil {
				t.Fatal(err)
			}
			if other := alike[f.Side+string(b)]; other != "" {
				t.Errorf("%s is the same as %s", m[0], other)
			}
			alike[f.Side+string(b)] = m[0]
		}
	}
}

var outcomeNames = []string{hostile.Refused, hostile.Failed, hostile.Ended, hostile.Served, hostile.Any}

func checkCase(t *testing.T, c hostile.Case) {
	t.Helper()
	if c.Comment == "" || len(c.Steps) == 0 || len(c.Verdict.Outcomes) == 0 {
		t.Errorf("%s lacks a comment, steps or outcomes", c.ID)
	}
	for _, o := range c.Verdict.Outcomes {
		if !slices.Contains(outcomeNames, o) {
			t.Errorf("%s has the outcome %q", c.ID, o)
		}
	}
	for _, n := range c.Needs {
		if !slices.Contains(hostile.Needs, n) {
			t.Errorf("%s needs %q", c.ID, n)
		}
	}
	if (c.TLS || c.ALPN != nil) && !slices.Contains(c.Needs, "tls") {
		t.Errorf("%s does not say that it needs TLS", c.ID)
	}
	if c.Cut != "" && c.Cut != "reset" && c.Cut != "end" {
		t.Errorf("%s has the cut %q", c.ID, c.Cut)
	}
	for i, s := range c.Steps {
		if s.Do == hostile.Open && c.Version == "" {
			t.Errorf("%s opens without a version", c.ID)
		}
		if (s.Do == hostile.Send) != (len(s.Parts) > 0) || (s.Do == hostile.Hold || s.Do == hostile.Wait) != (s.For > 0) {
			t.Errorf("%s: step %d has not what it needs", c.ID, i)
		}
		for _, p := range s.Parts {
			hostile.Latin1(p.Text)
			if (p.Text == "") == (len(p.Hex) == 0) || p.Mask && c.Version != "hybi-04" {
				t.Errorf("%s: step %d has a part that is none", c.ID, i)
			}
		}
	}
}

func TestFramesAreThoseOfTheDocuments(t *testing.T) {
	named := map[string]dialect{}
	for _, d := range dialects {
		named[d.name] = d
	}
	for _, c := range []struct{ what, version, want string }{
		{"RFC 6455 5.7", "rfc6455", "818537fa213d7f9f4d5158"},
		{"hybi-05: the head is masked too", "hybi-05", "37fa213db3ff6958" + "5b964e"},
		{"hybi-02: the top bit says more", "hybi-02", "040548656c6c6f"},
	} {
		if got := hex.EncodeToString(raw(named[c.version].text("Hello"))); got != c.want {
			t.Errorf("%s: %s, want %s", c.what, got, c.want)
		}
	}
	if got := hex.EncodeToString(raw(named["rfc6455"].textDown("Hello"))); got != "810548656c6c6f" {
		t.Errorf("a server's frame: %s", got)
	}
	if got := named["hybi-04"].text("Hello"); len(got) != 1 || !got[0].Mask || hex.EncodeToString(got[0].Hex) != "840548656c6c6f" {
		t.Errorf("hybi-04: %v", got)
	}
}

func TestLongFramesAreTheSameHoweverTheyAreWritten(t *testing.T) {
	for _, d := range dialects {
		if d.hixie || d.masking == maskHash {
			continue
		}
		for _, payload := range []string{"a", "abc", "abcde", strings.Repeat("x", 63)} {
			long := raw(d.up(frame{op: d.op.text, payload: []byte(payload), times: 1001}))
			whole := raw(d.up(frame{op: d.op.text, payload: []byte(strings.Repeat(payload, 1001))}))
			if string(long) != string(whole) {
				t.Errorf("%s: %.10s, repeated, is masked in another way", d.name, payload)
			}
		}
	}
}

func inflate(t *testing.T, p []byte) string {
	t.Helper()
	out, err := io.ReadAll(flate.NewReader(io.MultiReader(bytes.NewReader(p), strings.NewReader("\x00\x00\xff\xff\x01\x00\x00\xff\xff"))))
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestBombsAreWhatTheySay(t *testing.T) {
	got := inflate(t, slices.Concat(bombBegin, make([]byte, 64), bombEnd))
	if least := 64 * 1032; len(got) < least || strings.Trim(got, "a") != "" {
		t.Errorf("64 bytes become %d, want at least %d, all of them a", len(got), least)
	}
	if got := inflate(t, append(emptyTables(), 0)); got != "" {
		t.Errorf("empty blocks become %q", got)
	}
	if got := inflate(t, append([]byte{0x02, 0x08, 0x20, 0x80, 0x00}, 0)); got != "" {
		t.Errorf("empty blocks with the fixed codes become %q", got)
	}
	if got := inflate(t, packed("evil")); got != "evil" {
		t.Errorf("a packed text becomes %q", got)
	}
	if got := len(inflate(t, slices.Concat(packed("x"), []byte{0, 0, 0xFF, 0xFF}, again64k))); got != 1+254*258 {
		t.Errorf("a repetition becomes %d bytes", got)
	}
}
