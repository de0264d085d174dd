package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// fromFiles makes the report of earlier runs from their files of JSON. A cell that a later file has is that of
// the later one, and the report says so.
func fromFiles(names string, all scale) (*report, error) {
	r := &report{scale: all}
	for i, name := range strings.Split(names, ",") {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		var d data
		if err := json.Unmarshal(text, &d); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		tables, err := d.tables(r.scale)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if i == 0 {
			r.about, r.skipped, r.tables, r.rounds = d.About, d.Skipped, tables, d.Rounds
			if r.each, err = time.ParseDuration(d.Each); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		} else {
			r.replace(tables, d.About[0])
		}
		r.faults = append(r.faults, d.Faults...)
	}
	// A fault counts while the cell that had it is there.
	r.faults = slices.DeleteFunc(r.faults, func(fault string) bool { return r.replaced(fault) })
	return r, nil
}

// replace puts tables of a later run, of that commit, in the places of those of the same cells, or behind all.
func (r *report) replace(later []table, commit string) {
	for _, t := range later {
		t.later = commit
		i := slices.IndexFunc(r.tables, func(x table) bool { return x.name == t.name && x.placement == t.placement })
		if i < 0 {
			i, r.tables = len(r.tables), append(r.tables, table{})
		}
		r.tables[i] = t
	}
}

// replaced reports whether a later run has the cell of a fault.
func (r *report) replaced(fault string) bool {
	for _, t := range r.tables {
		if t.later != "" && strings.HasPrefix(fault, t.name+", "+t.placement+", ") {
			return true
		}
	}
	return false
}

// tables makes tables of what a file has.
func (d *data) tables(all scale) (list []table, err error) {
	cells := allCells(all)
	turns := &runner{scale: all}
	for _, x := range d.Cells {
		i := slices.IndexFunc(cells, func(c cell) bool { return c.name == x.Name })
		if i < 0 {
			return nil, fmt.Errorf("no cell %q", x.Name)
		}
		t := table{cell: cells[i], placement: x.Placement, turns: max(1, turns.turnsOf(&cells[i]))}
		t.title = x.Title
		for _, e := range x.Rows {
			values := map[string][]float64{}
			for key, n := range e.Numbers {
				values[key] = n.Rounds
			}
			t.rows = append(t.rows, row{entry: e.entry, values: values})
		}
		list = append(list, t)
	}
	return list, nil
}
