package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"github.com/draftwire/draftwire/bench/load"
)

// runner runs cells.
type runner struct {
	scale
	servers string // the program of the Go servers
	log     io.Writer
	faults  []string
	passed  int
}

// row is what was measured of one entry: for each name of a number its values,
// one for each round.
type row struct {
	entry
	values map[string][]float64
}

// table is what was measured of one cell in one placement.
type table struct {
	cell
	placement string
	rows      []row
}

// run measures a cell. In each round every entry has its turn; who begins
// changes from round to round.
func (r *runner) run(ctx context.Context, c cell, p placement) table {
	t := table{cell: c, placement: p.name}
	for _, e := range c.entries {
		t.rows = append(t.rows, row{entry: e, values: make(map[string][]float64)})
	}
	for round := range c.rounds(r.rounds) {
		for i := range t.rows {
			row := &t.rows[(i+round)%len(t.rows)]
			res, err := r.once(ctx, &c, row.entry, p)
			if ctx.Err() != nil {
				return t
			}
			if err != nil {
				fault := fmt.Sprintf("%s, %s, %s in version %s: %v", c.name, p.name, row.Server, row.Version, err)
				r.faults = append(r.faults, fault)
				fmt.Fprintln(r.log, "FAULT:", fault)
			} else {
				r.passed++
			}
			row.add(res, c.columns, round)
		}
	}
	return t
}

// add adds a round's numbers.
func (r *row) add(res load.Result, columns []column, round int) {
	names := []string{load.LoadBusy}
	for _, c := range columns {
		names = append(names, c.key)
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		v, ok := res[name]
		if !ok {
			v = math.NaN()
		}
		r.values[name] = append(r.values[name], v)
	}
}

// grace is what a measurement may take beyond its own time: thousands of
// connections have to be opened, and the memory watched until it rests.
const grace = 45 * time.Second

// once measures a cell once, with a server of its own.
func (r *runner) once(ctx context.Context, c *cell, e entry, p placement) (load.Result, error) {
	spec := c.spec
	spec.Version, spec.Warm, spec.For, spec.Settle = e.Version, r.warm, r.each, r.settle
	if nodeServers[e.Server] != "" {
		spec.Warm = r.warmNode
	}
	spec.Raw, spec.Silent = e.Server == "raw", e.Server == "accept"
	ctx, cancel := context.WithTimeout(ctx, 10*spec.Warm+spec.For+grace)
	defer cancel()
	s, err := r.start(ctx, e.Server, c.args, p.server)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	spec.Addr, spec.PID = s.addr, s.cmd.Process.Pid
	res, err := runLoad(ctx, &spec, p.load)
	if err != nil {
		s.stop()
		err = fmt.Errorf("%w %.300s", err, s.stderr.String())
	}
	return res, err
}
