package hixie

import (
	"crypto/rand"
	"strings"
	"testing"

	"github.com/draftwire/draftwire/wire"
)

// The published examples: hixie-76 1.2, 1.3, 4.1, 5.2.
func TestPublished(t *testing.T) {
	for _, tt := range []struct {
		key1, key2   string
		part1, part2 uint32
		key3, answer string
	}{
		{"4 @1  46546xW%0l 1 5", "12998 5 Y3 1  .P00", 829309203, 259970620, "^n:ds[4U", "8jKS'y:G*Co,Wxa-"},
		{"18x 6]8vM;54 *(5:  {   U1]8  z [  8", "1_ tx7X d  <  nw  334J702) 7]o}` 0", 155712099, 173347027, "Tm[K T2u", "fQJ,fN/4F4!~K~MH"},
		{"3e6b263  4 17 80", "17  9 G`ZD9   2 2b 7X 3 /r90", 906585445, 179922739, "WjN}|M(6", "n`9eBk9z$R8pOtVb"},
		{"P388 O503D&ul7 {K%gX( %7  15", "1 N ?|k UT0or 3o  4 I97N 5-S3O 31", 777007543, 114997259, `G0"-Z?GX`, "0st3Rl&q-2ZU^weu"},
	} {
		p1, _, err1 := Part(wire.Hixie76, "Key1", tt.key1)
		p2, _, err2 := Part(wire.Hixie76, "Key2", tt.key2)
		if p1 != tt.part1 || p2 != tt.part2 || err1 != nil || err2 != nil {
			t.Errorf("%q, %q: %d, %d, %v, %v", tt.key1, tt.key2, p1, p2, err1, err2)
		}
		if got := Answer(p1, p2, []byte(tt.key3)); string(got[:]) != tt.answer {
			t.Errorf("%q: answer %q, want %q", tt.key3, got, tt.answer)
		}
	}
}

// Keys that we make hide the number that we think they hide, and look as the
// draft says.
func TestNewKey(t *testing.T) {
	parts := make(map[uint32]bool)
	for range 20000 {
		key, part, err := NewKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := Part(wire.Hixie76, "Key1", key)
		if err != nil || got != part {
			t.Fatalf("%q: %d, %v, want %d", key, got, err, part)
		}
		spaces := strings.Count(key, " ")
		if spaces < 1 || spaces > 12 || key[0] == ' ' || key[len(key)-1] == ' ' {
			t.Fatalf("%q has %d spaces", key, spaces)
		}
		others := 0 // characters that are neither digit nor space
		for _, c := range []byte(key) {
			if c != ' ' && (c < 0x21 || c > 0x7E) {
				t.Fatalf("%q holds %#x", key, c)
			}
			if c != ' ' && (c < '0' || c > '9') {
				others++
			}
		}
		if others < 1 || others > 12 {
			t.Fatalf("%q has %d other characters", key, others)
		}
		parts[part] = true
	}
	if len(parts) < 19_900 {
		t.Errorf("20000 keys hide %d numbers", len(parts))
	}
}

// A part fits 32 bits.
func TestLargestPart(t *testing.T) {
	if part, _, err := Part(wire.Hixie76, "Key1", "42949 67295"); part != 4294967295 || err != nil {
		t.Errorf("%d, %v", part, err)
	}
	if part, _, err := Part(wire.Hixie76, "Key1", "42949 67296"); part != 0 || err == nil {
		t.Errorf("%d, %v", part, err)
	}
}
