//go:build linux

package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/draftwire/draftwire"
)

// client is a member of the room, which connects again when it has lost its connection.
type client struct {
	gate    int
	url     string
	version draftwire.Version

	mu    sync.Mutex
	heard []time.Time
}

const again = 100 * time.Millisecond

// listen notes when something comes, until ctx ends.
func (c *client) listen(ctx context.Context) {
	for ctx.Err() == nil {
		try, cancel := context.WithTimeout(ctx, 5*time.Second)
		conn, _, err := draftwire.Dial(try, c.url, &draftwire.DialOptions{Version: c.version})
		cancel()
		if err == nil {
			for _, err := range conn.Messages(ctx) {
				if err != nil {
					break
				}
				c.mu.Lock()
				c.heard = append(c.heard, time.Now())
				c.mu.Unlock()
			}
			conn.CloseNow()
		}
		select {
		case <-time.After(again):
		case <-ctx.Done():
		}
	}
}

// longest returns the longest silence of a client since a time.
func (c *client) longest(since time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	last, longest := since, time.Duration(0)
	for _, at := range c.heard {
		if at.After(since) {
			longest = max(longest, at.Sub(last))
			last = at
		}
	}
	return max(longest, time.Since(last))
}

// after reports whether a client has heard something since a time.
func (c *client) after(since time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.heard) > 0 && c.heard[len(c.heard)-1].After(since)
}

// How long everything must have been well until a case counts as over: where a server of the hub comes back late, the others
// may elect a leader anew, which takes them some seconds, and lets the room's leader lose its place.
const calm = 10 * time.Second

// recent is how long ago a client has heard something at most that hears.
const recent = time.Second

// well waits until all clients hear, the backend has one connection, and both have stayed so for a time.
func (f *fleet) well(ctx context.Context, quiet time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, bound+quiet)
	defer cancel()
	for since := time.Now(); ; {
		wrong := f.wrong()
		switch {
		case wrong != nil:
			since = time.Now()
		case time.Since(since) >= quiet:
			return nil
		}
		select {
		case <-time.After(tick):
		case <-ctx.Done():
			return cmp.Or(wrong, errors.New("the clients hear, and then do not, time and again"))
		}
	}
}

// wrong says what is not well now.
func (f *fleet) wrong() error {
	since := time.Now().Add(-recent)
	for _, c := range f.clients {
		if !c.after(since) {
			return fmt.Errorf("a client of %v on %s hears nothing", c.version, f.gates[c.gate].name)
		}
	}
	if n := f.backend.count(); n != 1 {
		return fmt.Errorf("the backend has %d connections, want one for the room", n)
	}
	return nil
}

// row is what was measured of a case.
type row struct {
	kase
	there, elsewhere time.Duration // the longest silence of clients of the gateway, and of the others
}

func (r row) silence() string {
	return fmt.Sprintf("its clients heard nothing for %s, those of the others for %s", seconds(r.there), seconds(r.elsewhere))
}

func seconds(d time.Duration) string {
	if d < 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// kase is something that ends.
type kase struct {
	what string
	// leads says which gateway is hurt: that with the connection to the backend, or another one.
	leads bool
	// hurt does it, and heal makes it good again.
	hurt, heal func(f *fleet, g *gate) error
	// pause is how long it is left so.
	pause time.Duration
}

func kill(_ *fleet, g *gate) error  { return g.signal(syscall.SIGKILL) }
func drain(_ *fleet, g *gate) error { return g.signal(syscall.SIGTERM) }
func stop(_ *fleet, g *gate) error  { return g.signal(syscall.SIGSTOP) }
func goOn(_ *fleet, g *gate) error  { return g.signal(syscall.SIGCONT) }
func start(_ *fleet, g *gate) error { return g.start() }

func endBackend(f *fleet, _ *gate) error {
	f.backend.close()
	return nil
}
func startBackend(f *fleet, _ *gate) error { return f.backend.open() }

var cases = []kase{
	{"a gateway is killed, and started again after 5 s", false, kill, start, 5 * time.Second},
	{"the gateway with the connection to the backend is killed, and started again after 15 s", true, kill, start, 15 * time.Second},
	{"a gateway is shut down (SIGTERM), and started again", false, drain, start, 0},
	{"the gateway with the connection to the backend is shut down (SIGTERM), and started again", true, drain, start, 0},
	{"the gateway with the connection to the backend hangs for 40 s (SIGSTOP)", true, stop, goOn, 40 * time.Second},
	{"the backend ends, and starts again after 2 s", true, endBackend, startBackend, 2 * time.Second},
}

// bound is how long it may take until all is well, once what was hurt is good again.
const bound = time.Minute

// measure plays a case.
func (f *fleet) measure(ctx context.Context, k kase) (row, error) {
	r := row{kase: k}
	limit, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	hurt, err := f.upstream(limit)
	if err != nil {
		return r, err
	}
	if !k.leads {
		hurt = (hurt + 1) % len(f.gates)
	}
	g := f.gates[hurt]
	began := time.Now()
	if err := k.hurt(f, g); err != nil {
		return r, err
	}
	select {
	case <-time.After(k.pause):
	case <-ctx.Done():
		return r, ctx.Err()
	}
	if err := k.heal(f, g); err != nil {
		return r, err
	}
	if err := f.well(ctx, calm); err != nil {
		return r, err
	}
	for _, c := range f.clients {
		d := c.longest(began)
		if c.gate == hurt {
			r.there = max(r.there, d)
		} else {
			r.elsewhere = max(r.elsewhere, d)
		}
	}
	return r, nil
}

const (
	mark = "<!-- deaths -->"
	done = "<!-- /deaths -->"
)

// tableOf is the table for the document.
func tableOf(rows []row) string {
	var b strings.Builder
	b.WriteString("| what happens | its own clients hear nothing for | those of the others for |\n| --- | ---: | ---: |\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", r.what, seconds(r.there), seconds(r.elsewhere))
	}
	return b.String()
}

// put puts the table between the marks of a document.
func put(name, table string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	before, rest, ok := bytes.Cut(text, []byte(mark))
	_, after, ok2 := bytes.Cut(rest, []byte(done))
	if !ok || !ok2 {
		return fmt.Errorf("%s has no %s and %s", name, mark, done)
	}
	return os.WriteFile(name, fmt.Appendf(nil, "%s%s\n\n%s\n%s%s", before, mark, table, done, after), 0o644)
}
