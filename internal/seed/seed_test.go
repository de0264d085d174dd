package seed

import (
	"bytes"
	"encoding/binary"
	"reflect"
	"strings"
	"testing"
)

// What is encoded is decoded, and so is what Go's fuzzer writes.
func TestEncode(t *testing.T) {
	args := []any{[]byte("a\x00\xff\"\n"), "é`", true, false, uint8(7), uint16(65535), uint32(1 << 31), -5}
	if got, err := Decode(Encode(args...)); err != nil || !reflect.DeepEqual(got, args) {
		t.Errorf("%#v, %v", got, err)
	}
	got, err := Decode([]byte("go test fuzz v1\n[]byte(\"\\x80\")\nbyte('\\x01')\nbyte('\\'')\nint(-3)\nbool(true)\nstring(\"a\")\n"))
	if want := []any{[]byte("\x80"), uint8(1), uint8('\''), -3, true, "a"}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%#v, %v", got, err)
	}
	for _, bad := range []string{"", "go test fuzz v2\nint(1)", "go test fuzz v1\nint()", "go test fuzz v1\nfloat64(1)", "go test fuzz v1\n7", "go test fuzz v1\nint(\"a\")", "go test fuzz v1\nbool(1)"} {
		if got, err := Decode([]byte(bad)); err == nil {
			t.Errorf("%q is decoded: %v", bad, got)
		}
	}
}

// consume takes arguments from libFuzzer's bytes as OSS-Fuzz's builds do: a byte, a
// number of two, and texts.
func consume(p []byte, n int) (b byte, u uint16, texts []string) {
	b, u, p = p[0], binary.BigEndian.Uint16(p[1:]), p[3:]
	w, sum := p[:n], 0
	for _, x := range w {
		sum += int(x)
	}
	p = p[n:]
	all := len(p)
	for i := range n {
		size := all / n
		if sum > 0 {
			size = all * int(w[i]) / sum
		}
		if i == n-1 {
			size = len(p)
		}
		texts = append(texts, string(p[:size]))
		p = p[size:]
	}
	return b, u, texts
}

// The bytes for libFuzzer are read as the arguments.
func TestLibFuzzer(t *testing.T) {
	long := strings.Repeat("x", 3000)
	for _, texts := range [][]string{{""}, {"abc"}, {long}, {"", ""}, {"a", ""}, {"", "a"}, {"abc", "de"}, {long[:600], "abc"}, {"a", long[:200]}, {"/", "example.com", "http://example.com", "chat superchat"}} {
		args := []any{uint16(0x1234)}
		for i, s := range texts {
			if i == 0 {
				args = append(args, []byte(s), byte(9))
			} else {
				args = append(args, s)
			}
		}
		// What has a fixed size goes first, in its order: the number, then the byte.
		p, err := LibFuzzer(args...)
		if err != nil {
			t.Errorf("%.20q: %v", texts, err)
			continue
		}
		p[0], p[1], p[2] = p[2], p[0], p[1]
		b, u, got := consume(p, len(texts))
		if b != 9 || u != 0x1234 || !reflect.DeepEqual(got, texts) {
			t.Errorf("%.40q: %d, %x, %.40q", texts, b, u, got)
		}
	}
	if p, err := LibFuzzer(true, false, uint32(5), 6); err != nil || !bytes.Equal(p, []byte{1, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 6}) {
		t.Errorf("%x, %v", p, err)
	}
	for _, args := range [][]any{{1.5}, {long, "abc"}} {
		if p, err := LibFuzzer(args...); err == nil {
			t.Errorf("%.20v has the form %.20x", args, p)
		}
	}
}

// Every version has frames for both sides, and there are requests, answers and extensions
// of each kind.
func TestSeeds(t *testing.T) {
	for _, v := range []string{"hixie-75", "hixie-76", "hybi-02", "hybi-04", "hybi-05", "hybi-06", "hybi-07", "hybi-08", "rfc6455"} {
		var sides [2]int
		for _, f := range FramesOf(t, v) {
			sides[map[bool]int{true: 1}[f.Client]]++
		}
		if sides[0] < 10 || sides[1] < 5 {
			t.Errorf("%s: %v", v, sides)
		}
	}
	if a, b, c := len(Requests(t)), len(Responses(t)), len(Extensions(t)); a < 300 || b < 100 || c < 120 {
		t.Errorf("%d requests, %d responses, %d extensions", a, b, c)
	}
}
