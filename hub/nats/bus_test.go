package nats_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/draftwire/draftwire/fleet"
	"github.com/draftwire/draftwire/hub/nats"
)

func TestBus(t *testing.T) {
	s := newServer(t, nats.ServerOptions{})
	var all []fleet.Bus
	for range 3 {
		all = append(all, connect(t, nats.Options{Server: s}).Bus())
	}
	came := make(chan string, 10)
	for i, b := range all {
		cancel, err := b.Handle("who", func(data []byte) []byte {
			came <- fmt.Sprint(i, string(data))
			if string(data) == "silent" {
				return nil
			}
			return fmt.Append(nil, i)
		})
		if err != nil {
			t.Fatal(err)
		}
		defer cancel()
	}
	ctx, cancel := context.WithTimeout(bg, 10*time.Second)
	defer cancel()
	heard := func(want ...string) {
		t.Helper()
		var got []string
		for range want {
			select {
			case x := <-came:
				got = append(got, x)
			case <-ctx.Done():
				t.Fatalf("%v, want %v", got, want)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	}
	answers, err := all[0].Ask(ctx, "who", []byte("a"), 3)
	if err != nil || len(answers) != 3 {
		t.Errorf("%q, %v", answers, err)
	}
	heard("0a", "1a", "2a")
	if err := all[1].Send(ctx, "who", []byte("b")); err != nil {
		t.Error(err)
	}
	heard("0b", "1b", "2b")
	short, end := context.WithTimeout(bg, 100*time.Millisecond)
	defer end()
	if answers, err := all[2].Ask(short, "who", []byte("silent"), 3); err != nil || len(answers) != 0 {
		t.Errorf("%q, %v", answers, err)
	}
	heard("0silent", "1silent", "2silent")
	for _, err := range []error{all[0].Send(ctx, "who", make([]byte, fleet.MaxValue+1)), second(all[0].Ask(ctx, "who", make([]byte, fleet.MaxValue+1), 1)), second(all[0].Store(ctx, "k", make([]byte, fleet.MaxValue+1), 0))} {
		if !errors.Is(err, fleet.ErrTooLarge) {
			t.Error(err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestBusValues(t *testing.T) {
	s := newServer(t, nats.ServerOptions{})
	a, b := connect(t, nats.Options{Server: s}).Bus(), connect(t, nats.Options{Server: s}).Bus()
	ctx, cancel := context.WithTimeout(bg, 10*time.Second)
	defer cancel()
	if _, _, err := a.Load(ctx, "plan"); !errors.Is(err, fleet.ErrNone) {
		t.Error(err)
	}
	r, err := a.Store(ctx, "plan", []byte("1"), 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Store(ctx, "plan", []byte("x"), 0); !errors.Is(err, fleet.ErrChanged) {
		t.Error(err)
	}
	v, n, err := b.Load(ctx, "plan")
	if string(v) != "1" || n != r || err != nil {
		t.Errorf("%q, %d, %v, want 1 and %d", v, n, err, r)
	}
	if _, err := b.Store(ctx, "plan", make([]byte, fleet.MaxValue), n); err != nil {
		t.Error(err)
	}
	if _, err := a.Store(ctx, "plan", []byte("x"), r); !errors.Is(err, fleet.ErrChanged) {
		t.Error(err)
	}
	for _, k := range []string{"ledger.a.0", "ledger.a.1", "ledger.b.0"} {
		if _, err := a.Store(ctx, k, []byte("x"), 0); err != nil {
			t.Error(err)
		}
	}
	for prefix, want := range map[string][]string{"ledger.a.": {"ledger.a.0", "ledger.a.1"}, "": {"ledger.a.0", "ledger.a.1", "ledger.b.0", "plan"}, "none": nil} {
		keys, err := b.Keys(ctx, prefix)
		if slices.Sort(keys); !slices.Equal(keys, want) || err != nil {
			t.Errorf("%q: %v, %v, want %v", prefix, keys, err, want)
		}
	}
}
