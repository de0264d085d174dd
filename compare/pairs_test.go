package compare_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire/compare"
	"github.com/draftwire/draftwire/wire"
)

var start = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)

// heard is a log of verdicts.
type heard struct {
	compare.Pairs
	rules compare.Rules
	most  int
	log   []string
	sides [2]compare.Collector
}

func newHeard(r compare.Rules, most int) *heard {
	h := &heard{rules: r, most: most}
	h.Wait = time.Second
	for i := range h.sides {
		h.sides[i] = compare.Collector{Rules: r, Most: most, Keep: 100}
	}
	h.Tell = func(v compare.Verdict, want, got *compare.Message) {
		word := func(m *compare.Message) string {
			if m == nil {
				return "-"
			}
			return string(m.Shown)
		}
		if v == compare.Equal {
			h.log = append(h.log, "="+word(want))
			return
		}
		h.log = append(h.log, fmt.Sprintf("%s:%s/%s", v, word(want), word(got)))
	}
	return h
}

// say plays words of the two sides, which come at a time: ">a" is wanted, "<a" is got.
func (h *heard) say(at time.Duration, words ...string) {
	for _, w := range words {
		side := 0
		if w[0] == '<' {
			side = 1
		}
		m, _ := h.sides[side].Part(wire.OpText, []byte(w[1:]), true, true)
		m.At = start.Add(at)
		if side == 0 {
			h.Want(m)
		} else {
			h.Got(m)
		}
	}
}

func (h *heard) check(t *testing.T, want ...string) {
	t.Helper()
	if got := strings.Join(h.log, " "); got != strings.Join(want, " ") {
		t.Errorf("\ngot  %s\nwant %s", got, strings.Join(want, " "))
	}
}

// Messages pair up in order, whichever side is ahead; what stands between two that are the same
// is different, missing or more.
func TestPairs(t *testing.T) {
	for _, x := range []struct {
		words string
		want  string
	}{
		{">a >b <a <b", "=a =b"},
		{"<a <b >a >b", "=a =b"},
		{">a <x >b <b", "different:a/x =b"},
		{">a >b <b", "missing:a/- =b"},
		{">b <a <b", "more:-/a =b"},
		{">a >b >c <x <c", "different:a/x missing:b/- =c"},
		{">a >c <x <y <c", "different:a/x more:-/y =c"},
		{">a >a <a", "=a"},
	} {
		h := newHeard(nil, 0)
		h.say(0, strings.Fields(x.words)...)
		if got := strings.Join(h.log, " "); got != x.want {
			t.Errorf("%s: %s, want %s", x.words, got, x.want)
		}
	}
}

// What has no counterpart is judged behind Wait, a pair that differs when both have waited, and the
// last ones at the end.
func TestPairsTime(t *testing.T) {
	h := newHeard(nil, 0)
	h.say(0, ">a")
	if next := h.Pass(start); next != start.Add(time.Second) {
		t.Errorf("next at %v", next)
	}
	h.say(900*time.Millisecond, "<x")
	if next := h.Pass(start.Add(time.Second)); next != start.Add(1900*time.Millisecond) || len(h.log) > 0 {
		t.Errorf("next at %v, %v", next, h.log)
	}
	h.Pass(start.Add(1900 * time.Millisecond))
	h.say(2*time.Second, ">b")
	h.Pass(start.Add(3 * time.Second))
	h.say(3*time.Second, "<c")
	if next := h.Pass(start.Add(4 * time.Second)); !next.IsZero() {
		t.Errorf("something waits, until %v", next)
	}
	h.say(5*time.Second, ">d", "<e", ">f")
	h.End(compare.Missing, compare.More)
	h.say(6*time.Second, "<g")
	h.End(compare.NotCompared, compare.NotCompared)
	h.check(t, "different:a/x", "missing:b/-", "more:-/c", "different:d/e", "missing:f/-", "not compared:-/g")
}

// A side that says something else all the time does not make the other one wait.
func TestPairsFull(t *testing.T) {
	h := newHeard(nil, 0)
	for i := range 100 {
		h.say(0, fmt.Sprintf(">a%d", i), fmt.Sprintf("<b%d", i))
	}
	want, got := h.Waiting()
	if want != compare.LookAhead-1 || got != want || len(h.log) != 100-want || h.log[0] != "different:a0/b0" {
		t.Errorf("%d and %d wait, %v", want, got, h.log)
	}
}

// Of a message that is too long for the rules only sameness is known.
func TestPairsLong(t *testing.T) {
	h := newHeard(rules(t, "/at"), 20)
	h.say(0, `>{"at":1}`, `<{"at":2}`, `>{"at":1,"long":"12345678"}`, `<{"at":2,"long":"12345678"}`, `>{"at":3,"long":"12345678"}`, `<{"at":3,"long":"12345678"}`)
	h.check(t, `={"at":1}`, `not compared:{"at":1,"long":"12345678"}/{"at":2,"long":"12345678"}`, `={"at":3,"long":"12345678"}`)
}

// Of two sides that say the same but for edits that are far enough from each other, each edit is
// found, in any order in which the messages come.
func TestPairsModel(t *testing.T) {
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 1))
		var want, got, edits []string
		for i := range 200 {
			word := fmt.Sprintf("w%d", i)
			if i%10 != 5 {
				want, got = append(want, ">"+word), append(got, "<"+word)
				continue
			}
			switch r.IntN(3) {
			case 0:
				want, got = append(want, ">"+word), append(got, "<x"+word)
				edits = append(edits, "different:"+word+"/x"+word)
			case 1:
				want = append(want, ">"+word)
				edits = append(edits, "missing:"+word+"/-")
			case 2:
				got = append(got, "<"+word)
				edits = append(edits, "more:-/"+word)
			}
		}
		h := newHeard(nil, 0)
		for at := time.Duration(0); len(want)+len(got) > 0; at++ {
			if n := min(len(want), r.IntN(20)); n > 0 {
				h.say(at, want[:n]...)
				want = want[n:]
			}
			if n := min(len(got), r.IntN(20)); n > 0 {
				h.say(at, got[:n]...)
				got = got[n:]
			}
			h.Pass(start.Add(at))
		}
		h.End(compare.Missing, compare.More)
		var found []string
		for _, line := range h.log {
			if line[0] != '=' {
				found = append(found, line)
			}
		}
		if strings.Join(found, "\n") != strings.Join(edits, "\n") {
			t.Fatalf("seed %d:\nfound %v\nwant  %v", seed, found, edits)
		}
	}
}

// A Collector holds no more of a message than it is to.
func TestCollector(t *testing.T) {
	c := compare.Collector{Keep: 5}
	for i := range 3 {
		if _, ok := c.Part(wire.OpBinary, []byte("abc"), true, false); ok {
			t.Fatal("a beginning is no message")
		}
		m, ok := c.Part(wire.OpBinary, []byte("def"), false, true)
		if !ok || string(m.Shown) != "abcde" || m.Size != 6 || m.Number != i+1 || m.Op != wire.OpBinary {
			t.Errorf("%+v, %v", m, ok)
		}
	}
}
