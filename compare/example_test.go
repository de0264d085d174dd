package compare_test

import (
	"fmt"
	"log"
	"time"

	"github.com/draftwire/draftwire/compare"
	"github.com/draftwire/draftwire/wire"
)

// What changes with each run is not compared.
func ExampleRules() {
	rules, err := compare.ParseRules([]string{"/data/*/time", "re:[0-9]+ ms"})
	if err != nil {
		log.Fatal(err)
	}
	old, now := []byte(`{"data":[{"time":1,"price":5}]}`), []byte(`{"data":[{"price":6,"time":2}]}`)
	fmt.Println(rules.Same(wire.OpText, []byte("took 3 ms"), []byte("took 12 ms")))
	fmt.Println(rules.Same(wire.OpText, old, now), rules.Where(wire.OpText, old, now))
	// Output:
	// true
	// false /data/0/price
}

// The verdicts on two servers that say nearly the same.
func ExamplePairs() {
	var old, now compare.Collector
	old.Keep, now.Keep = 10, 10
	p := compare.Pairs{Wait: time.Second, Tell: func(v compare.Verdict, want, got *compare.Message) {
		switch {
		case got == nil:
			fmt.Printf("%s: %s\n", v, want.Shown)
		case want == nil:
			fmt.Printf("%s: %s\n", v, got.Shown)
		default:
			fmt.Printf("%s: %s, %s\n", v, want.Shown, got.Shown)
		}
	}}
	for _, word := range []string{"hello", "goal", "end"} {
		m, _ := old.Part(wire.OpText, []byte(word), true, true)
		p.Want(m)
	}
	for _, word := range []string{"Hello", "end"} {
		m, _ := now.Part(wire.OpText, []byte(word), true, true)
		p.Got(m)
	}
	// Output:
	// different: hello, Hello
	// missing: goal
	// equal: end, end
}
