// Package seed has what fuzz targets begin with: the bytes of vectors/*.json and of
// hostile/*.json. It is for tests only.
package seed

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/draftwire/draftwire/hostile"
	"github.com/draftwire/draftwire/vectors"
)

// Folder is the variable of the environment that names the folder into which Add writes.
// Fuzzers that do not know f.Add are given seeds from there; see fuzz/README.md.
const Folder = "FUZZ_SEEDS"

// Most is the length in bytes above which an input is left out: long inputs are mutated
// slowly, and what they reach shorter ones reach too.
const Most = 4 << 10

// Add adds an input to a target, as f.Add does. Where Folder is set, it also writes it, in
// the format of testdata/fuzz, into a folder there with the target's name.
func Add(f *testing.F, args ...any) {
	f.Helper()
	f.Add(args...)
	if dir := os.Getenv(Folder); dir != "" {
		if err := write(filepath.Join(dir, f.Name()), Encode(args...)); err != nil {
			f.Fatal(err)
		}
	}
}

func write(dir string, p []byte) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, fmt.Sprintf("%x", sha256.Sum256(p))[:16]), p, 0o644)
}

// Encode returns the arguments in the format of testdata/fuzz.
func Encode(args ...any) []byte {
	var b bytes.Buffer
	b.WriteString("go test fuzz v1\n")
	for _, a := range args {
		switch x := a.(type) {
		case []byte:
			fmt.Fprintf(&b, "[]byte(%q)\n", x)
		case string:
			fmt.Fprintf(&b, "string(%q)\n", x)
		default:
			fmt.Fprintf(&b, "%T(%v)\n", x, x)
		}
	}
	return b.Bytes()
}

// Frames are bytes for a reader of frames.
type Frames struct {
	Input     []byte
	Client    bool   // who reads them is a client
	Clear     bool   // of hybi-04: frames before they are masked
	Extension string // agreed on, as the server answered it
	Limit     int64  // of a message; 0 is none
}

// FramesOf returns the frames of a version. With rfc6455 come those of the extensions.
func FramesOf(tb testing.TB, version string) (all []Frames) {
	tb.Helper()
	names := []string{version}
	if version == "rfc6455" {
		names = append(names, "rfc7692", "deflate-frame")
	}
	for _, name := range names {
		file, err := vectors.Load(name)
		if err != nil {
			tb.Fatal(err)
		}
		for _, v := range file.Vectors {
			if v.Kind == vectors.KindFrames && len(v.Input) <= Most {
				all = append(all, Frames{Input: v.Input, Client: v.Role == "client", Extension: v.Extension, Limit: v.Limit})
			}
		}
	}
	for _, c := range attacks(tb) {
		if c.Version != version {
			continue
		}
		if p, clear := sent(c.Steps, true); len(p) > 0 {
			all = append(all, Frames{Input: p, Client: c.side == hostile.Client || c.side == hostile.Behind, Clear: clear})
		}
	}
	return once(all, func(f Frames) string {
		return fmt.Sprintf("%x%v%v%s%d", f.Input, f.Client, f.Clear, f.Extension, f.Limit)
	})
}

// alike are versions whose heads differ from those of RFC 6455 in a number: their attacks
// are left out, as fuzzers run all that they begin with before they change any of it.
func alike(version string) bool {
	return version >= "hybi-05" && version <= "hybi-08"
}

// Requests returns request heads, and what stands behind some of them: whole ones, and
// such as no program sends that means well.
func Requests(tb testing.TB) (all [][]byte) {
	tb.Helper()
	for _, v := range every(tb) {
		if v.Request != "" {
			all = append(all, append(vectors.Latin1(v.Request), v.Tail...))
		}
	}
	for _, c := range attacks(tb) {
		if (c.side == hostile.Server || c.side == hostile.Front) && !alike(c.Version) {
			if p, _ := sent(c.Steps, false); len(p) > 0 {
				all = append(all, p)
			}
		}
	}
	return once(all, func(p []byte) string { return string(p) })
}

// once leaves out what is there already.
func once[T any](all []T, key func(T) string) (left []T) {
	seen := map[string]bool{}
	for _, x := range all {
		if k := key(x); !seen[k] {
			seen[k] = true
			left = append(left, x)
		}
	}
	return left
}

// Response is what a server answers to the offer of the vector, which attacks do not have.
// Text of the form {accept} stands for what is right: see hostile.Part.
type Response struct {
	Offer *vectors.Offer
	Head  []byte
	Tail  []byte // behind the head
}

// Responses returns response heads.
func Responses(tb testing.TB) (all []Response) {
	tb.Helper()
	for _, v := range every(tb) {
		if v.Response != "" {
			all = append(all, Response{v.Offer, vectors.Latin1(v.Response), v.ResponseTail})
		}
	}
	for _, c := range attacks(tb) {
		if (c.side == hostile.Client || c.side == hostile.Behind) && !alike(c.Version) {
			p, _ := sent(c.Steps, false)
			if head, tail, ok := bytes.Cut(p, []byte("\r\n\r\n")); ok {
				all = append(all, Response{Head: append(head, "\r\n\r\n"...), Tail: tail})
			}
		}
	}
	return once(all, func(r Response) string { return fmt.Sprintf("%v%q%x", r.Offer, r.Head, r.Tail) })
}

// Extension is an offer of extensions, or an answer.
type Extension struct {
	Offered, Answer string
	Takeover        bool
	Client          bool // the answer is judged, not the offer
}

// Extensions returns offers and answers.
func Extensions(tb testing.TB) (all []Extension) {
	tb.Helper()
	for _, v := range every(tb) {
		if v.Kind == vectors.KindExtension {
			all = append(all, Extension{v.Offered, v.Answer, v.Takeover, v.Role == "client"})
		}
	}
	const field = "Sec-WebSocket-Extensions: "
	for _, c := range attacks(tb) {
		for _, s := range c.Steps {
			for line := range strings.SplitSeq(s.Fields, "\r\n") {
				if value, ok := strings.CutPrefix(line, field); ok {
					all = append(all, Extension{Offered: value, Answer: value, Client: c.side == hostile.Client || c.side == hostile.Behind})
				}
			}
		}
	}
	return once(all, func(x Extension) string { return fmt.Sprintf("%+v", x) })
}

func every(tb testing.TB) (all []vectors.Vector) {
	files, err := vectors.All()
	if err != nil {
		tb.Fatal(err)
	}
	for _, f := range files {
		all = append(all, f.Vectors...)
	}
	return all
}

// attack is a case and the side that it is played at.
type attack struct {
	hostile.Case
	side string
}

func attacks(tb testing.TB) (all []attack) {
	for _, side := range hostile.Sides {
		f, err := hostile.Load(side)
		if err != nil {
			tb.Fatal(err)
		}
		for _, c := range f.Cases {
			all = append(all, attack{c, side})
		}
	}
	return all
}

// sent is what the steps send, opened ones behind their handshake, the others from the
// beginning; nil where it is too long or there is nothing. clear: frames are to be masked.
func sent(steps []hostile.Step, opened bool) (p []byte, clear bool) {
	begun := !opened
	for _, s := range steps {
		switch {
		case s.Do == hostile.Open && !opened:
			return p, false
		case s.Do == hostile.Open:
			begun = true
		case s.Do == hostile.Send && begun:
			for range max(1, min(s.Times, Most)) {
				for _, x := range s.Parts {
					clear = clear || x.Mask
					one := append(hostile.Latin1(x.Text), x.Hex...)
					if x.Times > Most || len(p)+len(one)*int(max(1, x.Times)) > Most {
						return nil, false
					}
					p = append(p, bytes.Repeat(one, int(max(1, x.Times)))...)
				}
			}
		}
	}
	return p, clear
}
