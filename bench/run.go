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
	built  string // the folder of what was built: the program of the Go servers, and programs
	other  string // the same of another checkout
	turns  int    // of each server in a round; 0: one server at a time
	log    io.Writer
	faults []string
	passed int
}

// row is what was measured of one entry: for each name of a number its values,
// one for each turn of each round.
type row struct {
	entry
	values map[string][]float64
}

// table is what was measured of one cell in one placement.
type table struct {
	cell
	placement string
	turns     int // of each row in a round
	rows      []row
	later     string // the commit, where it is of a later run than the report
}

// run measures a cell. In each round every entry has its turn, with a server of its own
// each time; who begins changes from round to round. Where servers take turns, those of a
// round are alive at once and have many turns each.
func (r *runner) run(ctx context.Context, c cell, p placement) table {
	t := table{cell: c, placement: p.name, turns: 1}
	together := 1
	if turns := r.turnsOf(&c); turns > 0 {
		t.turns, together = turns, len(c.entries)
		if c.spec.Kind != load.Paced && !c.gateways() {
			t.columns = turnColumns
		}
	}
	for _, e := range c.entries {
		t.rows = append(t.rows, row{entry: e, values: make(map[string][]float64)})
	}
	for round := range c.rounds(r.rounds) {
		var order []*row
		for i := range t.rows {
			order = append(order, &t.rows[(i+round)%len(t.rows)])
		}
		for group := range slices.Chunk(order, together) {
			res, err := r.measure(ctx, &c, group, p, t.turns)
			if ctx.Err() != nil {
				return t
			}
			if err != nil {
				fault := fmt.Sprintf("%s, %s, %v", c.name, p.name, err)
				r.faults = append(r.faults, fault)
				fmt.Fprintln(r.log, "FAULT:", fault)
				res = make([][]load.Result, len(group))
			} else {
				r.passed += len(group)
			}
			for i, row := range group {
				row.add(res[i], t.columns, t.turns)
			}
		}
	}
	return t
}

// turnsOf is how many turns each server of a cell has in a round; 0: one server at a time.
// Gateways always take turns, but where memory is measured.
func (r *runner) turnsOf(c *cell) int {
	if c.spec.Kind == load.Idle || c.spec.Kind == load.Hold {
		return 0
	}
	if r.turns == 0 && c.gateways() {
		return r.gatewayTurns
	}
	return r.turns
}

// add adds the numbers of a round, which has so many turns.
func (r *row) add(res []load.Result, columns []column, turns int) {
	names := []string{load.LoadBusy}
	for _, c := range columns {
		names = append(names, c.key)
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		for turn := range turns {
			v := math.NaN()
			if turn < len(res) {
				if w, ok := res[turn][name]; ok {
					v = w
				}
			}
			r.values[name] = append(r.values[name], v)
		}
	}
}

// grace is what a measurement may take beyond its own time: thousands of
// connections have to be opened, and the memory watched until it rests.
const grace = 45 * time.Second

// measure measures the cell with servers of its own, one for each row, which are alive at
// once.
func (r *runner) measure(ctx context.Context, c *cell, rows []*row, p placement, turns int) ([][]load.Result, error) {
	if c.spec.Kind == load.Hold {
		res, err := r.holdCell(ctx, c, p)
		return [][]load.Result{res}, err
	}
	turn := r.each + time.Second // to rest, and for the last reply on a busy machine
	ctx, cancel := context.WithTimeout(ctx, time.Duration(len(rows))*(10*max(r.warm, r.warmNode)+time.Duration(turns)*turn)+grace)
	defer cancel()
	var specs []load.Spec
	var servers []*server
	args, settle, each := c.args, r.settle, r.each
	if c.gateways() {
		each = min(each, turnTime)
		back, behind, err := r.startBehind(ctx, c, p)
		if err != nil {
			return nil, err
		}
		defer back.stop()
		args, settle = behind, 5*r.settle // nothing makes them collect their garbage
	}
	for _, e := range rows {
		name := fmt.Sprintf("%s in version %s", e.Server, e.Version)
		s, err := r.start(ctx, e.Server, args, p.server)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		defer s.stop()
		servers = append(servers, s)
		spec := c.spec
		spec.Name, spec.Version, spec.Warm, spec.For, spec.Settle = name, e.Version, r.warm, each, settle
		spec.Fragments = c.gateways()
		if nodeServers[e.Server] != "" {
			spec.Warm = r.warmNode
		}
		spec.Raw, spec.Silent = e.Server == "raw", e.Server == "accept"
		spec.Addr, spec.PID, spec.Others = s.addr, s.cmd.Process.Pid, s.others
		specs = append(specs, spec)
	}
	res, err := runLoad(ctx, specs, turns, p.load)
	if err != nil {
		for _, s := range servers {
			s.stop()
			err = fmt.Errorf("%w %.300s", err, s.said())
		}
	}
	return res, err
}
