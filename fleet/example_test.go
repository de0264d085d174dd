package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/draftwire/draftwire/fleet"
	"github.com/draftwire/draftwire/usage"
	"github.com/draftwire/draftwire/wire"
)

// until waits for what happens soon.
func until(cond func() bool) {
	for !cond() {
		time.Sleep(time.Millisecond)
	}
}

// pair are two nodes of a fleet that know each other.
func pair(o fleet.Options) (a, b *fleet.Node, bus *fleet.Local) {
	bus = fleet.NewLocal()
	o.Every = 10 * time.Millisecond
	o.Name = "gw-1"
	a, _ = fleet.Join(bus, o)
	o.Name = "gw-2"
	b, _ = fleet.Join(bus.Port(), o)
	until(func() bool { return a.Alive() == 2 && b.Alive() == 2 })
	return a, b, bus
}

func ExampleNode() {
	bus := fleet.NewLocal()
	answers := map[string]func(context.Context, string, []byte) ([]byte, error){
		"hello": func(_ context.Context, from string, _ []byte) ([]byte, error) { return []byte("hello, " + from), nil },
	}
	a, err := fleet.Join(bus, fleet.Options{Name: "gw-1"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer a.Close()
	b, err := fleet.Join(bus.Port(), fleet.Options{Name: "gw-2", Answers: answers})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()
	until(func() bool { return a.Alive() == 2 })
	body, err := a.Ask(context.Background(), "gw-2", "hello", nil)
	fmt.Println(string(body), err)
	// Output: hello, gw-1 <nil>
}

func ExampleMember() {
	a, b, _ := pair(fleet.Options{About: func() fleet.About { return fleet.About{Version: "1.0", Connections: 3} }})
	defer a.Close()
	defer b.Close()
	for _, m := range a.Members() {
		fmt.Println(m.Name, m.State, m.Version, m.Connections)
	}
	// Output:
	// gw-1 alive 1.0 3
	// gw-2 alive 1.0 3
}

func ExampleAbout() {
	fmt.Println(fleet.About{Ready: true, Connections: 3}.Connections)
	// Output: 3
}

func ExampleState() {
	a, b, _ := pair(fleet.Options{})
	defer a.Close()
	b.Close() // with a farewell
	until(func() bool { return a.Alive() == 1 })
	fmt.Println(a.Members()[1].State)
	// Output: left
}

func ExampleOptions() {
	_, err := fleet.Join(fleet.NewLocal(), fleet.Options{Name: "gw.example.com"})
	fmt.Println(err)
	fmt.Println(fleet.CleanName("gw.example.com"))
	// Output:
	// fleet: "gw.example.com" is not a name of 1 to 64 letters, digits and '-'
	// gw-example-com
}

func ExampleEvent() {
	told := make(chan fleet.Event, 10)
	a, _ := fleet.Join(fleet.NewLocal(), fleet.Options{Name: "gw-1", Every: 10 * time.Millisecond, Told: func(e fleet.Event) { told <- e }})
	defer a.Close()
	fmt.Println(len(told))
	// Output: 0
}

func ExampleEventKind() {
	fmt.Println(fleet.Died, fleet.BusDown)
	// Output: died bus_down
}

func ExampleLocal() {
	bus := fleet.NewLocal()
	far := bus.Port() // the way of another process
	ctx := context.Background()
	at, _ := bus.Store(ctx, "plan", []byte("one"), 0)
	_, err := far.Store(ctx, "plan", []byte("two"), 0)
	fmt.Println(at, err)
	far.Break(fleet.Cut)
	_, _, err = far.Load(ctx, "plan")
	fmt.Println(err)
	// Output:
	// 1 fleet: the value was changed meanwhile
	// fleet: the bus cannot be reached
}

func ExampleBreak() {
	bus := fleet.NewLocal()
	bus.Break(fleet.Hung)
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	fmt.Println(bus.Send(ctx, "s", nil))
	// Output: context deadline exceeded
}

func ExampleBus() {
	var bus fleet.Bus = fleet.NewLocal()
	cancel, _ := bus.Handle("double", func(p []byte) []byte { return append(p, p...) })
	defer cancel()
	answers, _ := bus.Ask(context.Background(), "double", []byte("ab"), 1)
	fmt.Printf("%s\n", answers)
	// Output: [abab]
}

func ExampleAnswer() {
	a, b, _ := pair(fleet.Options{Answers: map[string]func(context.Context, string, []byte) ([]byte, error){
		"fail": func(context.Context, string, []byte) ([]byte, error) { return nil, errors.New("no file") },
	}})
	defer a.Close()
	defer b.Close()
	for _, x := range a.AskAll(context.Background(), "fail", nil) {
		fmt.Println(x.Name, x.Err)
	}
	// Output:
	// gw-1 no file
	// gw-2 no file
}

func ExampleAnswerError() {
	var err error = &fleet.AnswerError{Text: "no file"}
	fmt.Println(err)
	// Output: no file
}

func ExampleCount() {
	client := netip.MustParsePrefix("10.0.0.7/32")
	a, b, _ := pair(fleet.Options{Counts: func() []fleet.Count { return []fleet.Count{{Client: client, N: 4}} }})
	defer a.Close()
	defer b.Close()
	until(func() bool { return a.Elsewhere(client) > 0 })
	fmt.Println(a.Elsewhere(client))
	// Output: 4
}

func ExamplePlan() {
	a, b, _ := pair(fleet.Options{})
	defer a.Close()
	defer b.Close()
	stages, _ := usage.ParsePlan("hixie-76=off@2027-01-01")
	if _, err := a.SetPlan(context.Background(), 0, stages, "ada"); err != nil {
		fmt.Println(err)
	}
	until(func() bool { return b.Plan().Number == 1 })
	p := b.Plan()
	fmt.Println(p.Number, p.Node, p.Who, p.Stages[wire.Hixie76][0])
	// Output: 1 gw-1 ada off
}

func ExamplePlanConflict() {
	a, b, _ := pair(fleet.Options{})
	defer a.Close()
	defer b.Close()
	_, err := a.SetPlan(context.Background(), 7, nil, "ada")
	fmt.Println(err)
	// Output: fleet: there is no plan of the fleet yet: its number is 0
}

func ExampleKept() {
	a, b, _ := pair(fleet.Options{})
	defer a.Close()
	defer b.Close()
	for _, n := range []*fleet.Node{a, b} {
		l, _ := usage.Open("", &usage.Options{Name: n.Name()})
		l.Opened(usage.Visit{Version: wire.Hixie76, Client: "10.0.0.7"})
		if err := n.Put(context.Background(), l.Snapshot()); err != nil {
			fmt.Println(err)
		}
		l.Close()
	}
	books, err := a.Books(context.Background())
	for _, k := range books {
		fmt.Println(k.Name, k.State, k.Err)
	}
	for _, c := range fleet.Sum(books).Clients {
		fmt.Println(c.Key, c.Opened, err)
	}
	// Output:
	// gw-1 alive <nil>
	// gw-2 alive <nil>
	// 10.0.0.7 2 <nil>
}
