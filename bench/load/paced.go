package load

import (
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// paced sends messages at a fixed rate, one connection after the other, whether replies come or
// not, and notes what each reply took. The time of a message begins when it was to be sent: one
// that is late, because its connection still waits for a reply or the generator is behind, counts
// as slow. What is due is looked for all the time, without waiting for the kernel.
func (g *generator) paced(d time.Duration) (count int, err error) {
	g.took = g.took[:0]
	began := time.Now()
	gap := time.Second / time.Duration(g.Rate)
	due := make([][]time.Duration, len(g.conns)) // of each connection: when its messages were to be sent
	g.done = func(c *conn) error {
		g.took = append(g.took, time.Since(began)-due[c.id][0])
		due[c.id] = due[c.id][1:]
		if len(due[c.id]) > 0 {
			return g.send(c)
		}
		return nil
	}
	for next := time.Duration(0); next < d; {
		for now := min(time.Since(began), d); next < now; next += gap {
			c := g.conns[count%len(g.conns)]
			count++
			if due[c.id] = append(due[c.id], next); len(due[c.id]) > 1 {
				continue // the reply before it sends it
			}
			if err := g.send(c); err != nil {
				return count, err
			}
		}
		if err := g.look(); err != nil {
			return count, err
		}
	}
	return count, g.settle()
}

// look serves the connections that are ready now.
func (g *generator) look() error {
	n, err := unix.EpollWait(g.poll, g.events, 0)
	if err == unix.EINTR {
		return nil
	}
	if err != nil {
		return err
	}
	return g.serve(g.events[:n])
}

// percentile returns in how many microseconds so many of a hundred replies have come.
func (g *generator) percentile(p int) float64 {
	slices.Sort(g.took)
	return float64(g.took[(len(g.took)-1)*p/100].Nanoseconds()) / 1e3
}
