package load

import (
	"fmt"
	"syscall"
	"time"
)

// idle measures what connections hold that say nothing: after the handshake,
// and after a message each. The server is asked to collect its garbage before
// each look, so that only what it holds is seen. What the kernel keeps for a
// socket is not counted: it is the same for all.
func (g *generator) idle() (Result, error) {
	if err := g.visit(min(baseConns, g.Conns)); err != nil {
		return nil, err
	}
	base, err := g.settled()
	if err != nil {
		return nil, err
	}
	if err := g.openSilent(g.Conns); err != nil {
		return nil, err
	}
	open, err := g.settled()
	if err != nil {
		return nil, err
	}
	if err := g.sayOnce(); err != nil {
		return nil, err
	}
	used, err := g.settled()
	if err != nil {
		return nil, err
	}
	n := float64(g.Conns)
	return Result{OpenBytes: float64(open-base) / n, UsedBytes: float64(used-base) / n}, nil
}

// visit opens connections, uses them and closes them, so that what the server
// sets up once is not counted.
func (g *generator) visit(n int) error {
	if err := g.openSilent(n); err != nil {
		return err
	}
	if err := g.sayOnce(); err != nil {
		return err
	}
	g.hangUp()
	return nil
}

// openSilent opens connections, over TLS if they are to be.
func (g *generator) openSilent(n int) error {
	if g.TLS {
		return g.openSecret(n)
	}
	return g.open(n)
}

// sayOnce has every connection echo a message, a few at a time.
func (g *generator) sayOnce() error {
	if g.TLS {
		return g.saySecret()
	}
	g.done = func(*conn) error { return nil }
	for i, c := range g.conns {
		if err := g.send(c); err != nil {
			return err
		}
		if i%together == together-1 {
			if err := g.settle(); err != nil {
				return err
			}
		}
	}
	return g.settle()
}

// settled asks the server to free what it can and returns what it has when that
// number no longer changes.
func (g *generator) settled() (int64, error) {
	time.Sleep(g.Settle)
	var last int64
	for range 20 {
		if err := syscall.Kill(g.PID, syscall.SIGUSR2); err != nil {
			return 0, fmt.Errorf("signal to the server: %w", err)
		}
		time.Sleep(g.Settle)
		now, err := Resident(g.pids()...)
		if err != nil {
			return 0, err
		}
		if diff := now - last; diff > -settledBytes && diff < settledBytes {
			return now, nil
		}
		last = now
	}
	return last, nil
}

// settledBytes is how little two looks may differ.
const settledBytes = 64 << 10
