package input_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/draftwire/draftwire/inspect/input"
)

// A dump's line "*" stands for as many lines as are missing. Few lines can say that for any
// number of bytes: all of them together expand to no more than an input may have, and the rest
// is bytes that are lost.
func TestRepeatedLinesAreBounded(t *testing.T) {
	var b strings.Builder
	for i := range 8 {
		fmt.Fprintf(&b, "%08x  41 41 41 41\n*\n", i*(input.MaxSize/4))
	}
	r, err := input.Read([]byte(b.String()), "hexdump")
	if err != nil {
		t.Fatal(err)
	}
	have, lost := 0, int64(0)
	for _, p := range r.Conns[0].Pieces {
		have += len(p.Bytes)
		lost += p.Lost
	}
	if have > input.MaxSize+64 || int64(have)+lost != 7*(input.MaxSize/4)+4 {
		t.Errorf("%d bytes, %d lost", have, lost)
	}
}

// The shortest lines and arrays take many times their size as pieces, so there may not be any
// number of them.
func TestPiecesAreBounded(t *testing.T) {
	for format, text := range map[string]string{
		"quoted":  strings.Repeat("\"a\";\n", input.MaxPieces+1),
		"base64":  strings.Repeat("YQ==\n", input.MaxPieces+1),
		"escapes": strings.Repeat("\\0\n\n", input.MaxPieces/2+1),
		"c-array": strings.Repeat("u8 a[]={0}", input.MaxPieces+1),
	} {
		if _, err := input.Read([]byte(text), format); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("the %d", input.MaxPieces)) {
			t.Errorf("%s: %v", format, err)
		}
	}
}
