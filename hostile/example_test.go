package hostile_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/draftwire/draftwire/hostile"
)

// The attacks that stand for a published hole.
func Example() {
	cases, err := hostile.All()
	if err != nil {
		panic(err)
	}
	i := slices.IndexFunc(cases, func(c hostile.Case) bool { return slices.Contains(c.Holes, "CVE-2024-37890") })
	fmt.Println(i < 0 || strings.Contains(cases[i].ID, "/head/"))
	// Output: true
}

func ExampleFile() {
	f, err := hostile.Load(hostile.Server)
	if err != nil {
		panic(err)
	}
	fmt.Println(f.Format, f.License, f.Side)
	// Output: draftwire-hostile/1 0BSD server
}

// A frame with a reserved opcode, and what a sound server does.
func ExampleCase() {
	text := `{"id": "server/frame/reserved/rfc6455", "kind": "frame", "version": "rfc6455", "comment": "A reserved opcode.",
		"steps": [{"do": "open"}, {"do": "send", "parts": [{"hex": "838000000000"}]}],
		"verdict": {"outcomes": ["failed"], "codes": [1002]}}`
	var c hostile.Case
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		panic(err)
	}
	fmt.Println(c.ID, len(c.Steps), c.Verdict.Outcomes, c.Verdict.Codes)
	// Output: server/frame/reserved/rfc6455 2 [failed] [1002]
}

// Two steps: a handshake, and a ping of nothing, a million times over.
func ExampleStep() {
	steps := []hostile.Step{
		{Do: hostile.Open},
		{Do: hostile.Send, Parts: []hostile.Part{{Hex: hostile.Hex{0x89, 0x80, 0, 0, 0, 0}}}, Times: 1_000_000},
	}
	text, err := json.Marshal(steps)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(text))
	// Output: [{"do":"open"},{"do":"send","parts":[{"hex":"898000000000"}],"times":1000000}]
}

func ExamplePart() {
	p := hostile.Part{Text: "caf\u00e9", Times: 2}
	fmt.Printf("% x, %d times\n", hostile.Latin1(p.Text), p.Times)
	// Output: 63 61 66 e9, 2 times
}

func ExampleVerdict() {
	v := hostile.Verdict{Outcomes: []string{hostile.Refused}, Status: []int{400, 403}, Never: []string{" 101 "}}
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(text))
	// Output: {"outcomes":["refused"],"status":[400,403],"never":[" 101 "]}
}

// One connection to the backend at most, and nothing on it before the backend's 101.
func ExampleBeyond() {
	one := 1
	text, err := json.Marshal(hostile.Beyond{Connections: &one, Early: true})
	if err != nil {
		panic(err)
	}
	fmt.Println(string(text))
	// Output: {"connections":1,"early":true}
}

func ExampleBudget() {
	b := hostile.Budget{Memory: 1 << 20}.WithDefaults()
	fmt.Println(b.Memory, time.Duration(b.Time), b.LogLines)
	// Output: 1048576 8s 40
}

func ExampleDuration() {
	var d hostile.Duration
	if err := d.UnmarshalText([]byte("1.5s")); err != nil {
		panic(err)
	}
	fmt.Println(time.Duration(d))
	// Output: 1.5s
}

func ExampleHex() {
	var h hostile.Hex
	if err := h.UnmarshalText([]byte("8100")); err != nil {
		panic(err)
	}
	fmt.Println([]byte(h))
	// Output: [129 0]
}
