package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/draftwire/draftwire/bench/load"
)

// column is a number of the tables.
type column struct {
	key, title string
	show       func(float64) string
	ratio      bool // beside it, the ratio to the reference
}

var (
	echoColumns = []column{
		{load.PerCPU, "messages / CPU second", thousands, true},
		{load.PerSecond, "messages / second", thousands, true},
		{load.Busy, "cores busy", short, false},
		{load.Reads, "reads / message", calls, false},
		{load.Writes, "writes / message", calls, false},
	}
	deflateColumns = []column{
		{load.PerCPU, "messages / CPU second", thousands, true},
		{load.PerSecond, "messages / second", thousands, true},
		{load.Busy, "cores busy", short, false},
		{load.ReplyBytes, "bytes / reply", whole, false},
		{load.Reads, "reads / message", calls, false},
		{load.Writes, "writes / message", calls, false},
	}
	handshakeColumns = []column{
		{load.CPUMicros, "CPU µs / handshake", oneDigit, true},
		{load.Reads, "reads", calls, false},
		{load.Writes, "writes", calls, false},
	}
	broadcastColumns = []column{
		{load.LastMillis, "ms to the last", short, true},
		{load.CPUMicros, "CPU µs / delivery", short, true},
		{load.Busy, "cores busy", short, false},
		{load.Writes, "writes / delivery", calls, false},
	}
	tailColumns = []column{
		{load.P99Micros, "99th percentile, µs", oneDigit, true},
		{load.P50Micros, "median, µs", oneDigit, true},
		{load.CPUMicros, "CPU ns / message", nanos, true},
		{load.PerSecond, "messages / second", thousands, false},
	}
	// turnColumns are those of all cells where servers take turns.
	turnColumns = []column{
		{load.CPUMicros, "CPU ns / message", nanos, true},
	}
	idleColumns = []column{
		{load.OpenBytes, "bytes / connection", whole, true},
		{load.UsedBytes, "after a message each", whole, true},
	}
)

func short(v float64) string { return fmt.Sprintf("%.2f", v) }

// calls shows system calls. None were seen where the kernel does not count them.
func calls(v float64) string {
	if v < 0.005 {
		return "-"
	}
	return short(v)
}

func oneDigit(v float64) string { return fmt.Sprintf("%.1f", v) }
func whole(v float64) string    { return fmt.Sprintf("%.0f", v) }
func nanos(v float64) string    { return whole(v * 1000) }

// thousands shows three or four digits: more are noise.
func thousands(v float64) string {
	if v < 10000 {
		return whole(v)
	}
	return fmt.Sprintf("%.1f k", v/1000)
}

// report is everything that was measured.
type report struct {
	scale
	turns   int
	about   []string // machine and versions
	skipped []string
	tables  []table
	faults  []string
}

// keep writes all numbers to the file of -json.
func (s *settings) keep(r *report) error {
	if s.json == "" {
		return nil
	}
	b, err := json.MarshalIndent(r.data(), "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(s.json, append(b, '\n'), 0o644)
}

// report writes what the flags ask for.
func (s *settings) report(r *report) error {
	if err := s.keep(r); err != nil {
		return err
	}
	text := r.markdown()
	if s.md != "" {
		if err := os.WriteFile(s.md, []byte(text), 0o644); err != nil {
			return err
		}
	}
	if s.write != "" && len(r.faults) > 0 {
		return fmt.Errorf("%s stays as it was; faults: %d, the first: %s", s.write, len(r.faults), r.faults[0])
	}
	if s.write != "" {
		for _, section := range []string{serverTables, gatewayTables} {
			if part := r.part(section); len(part.tables) > 0 {
				if err := fill(s.write, section, part.markdown()); err != nil {
					return err
				}
			}
		}
		return nil
	}
	if s.md == "" {
		fmt.Print(text)
	}
	return nil
}

// The sections of a file that -write fills, which stand between <!-- NAME --> and <!-- /NAME -->.
// One without tables in a run stays as it was.
const (
	serverTables  = "tables"
	gatewayTables = "gateways"
)

// part is what of the report goes into a section.
func (r *report) part(section string) *report {
	part := *r
	part.tables = nil
	for _, t := range r.tables {
		if t.gateways() == (section == gatewayTables) {
			part.tables = append(part.tables, t)
		}
	}
	return &part
}

// fill replaces a section of a file.
func fill(name, section, text string) error {
	b, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	begin, end := "<!-- "+section+" -->\n", "<!-- /"+section+" -->\n"
	before, rest, ok := strings.Cut(string(b), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no line %s before a line %s", name, strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	return os.WriteFile(name, []byte(before+begin+"\n"+text+"\n"+end+after), 0o644)
}

func (r *report) markdown() string {
	var b strings.Builder
	for _, line := range r.about {
		fmt.Fprintf(&b, "- %s\n", line)
	}
	fmt.Fprintf(&b, "- rounds: %d of %v; %d where memory is measured\n",
		r.rounds, r.each, (&cell{steady: true}).rounds(r.rounds))
	if r.turns == 0 && slices.ContainsFunc(r.tables, func(t table) bool { return t.gateways() && t.turns > 1 }) {
		fmt.Fprintf(&b, "- a gateway has %d turns of %v in a round, but where memory is measured\n", r.gatewayTurns, min(r.each, turnTime))
	}
	if r.turns > 0 {
		fmt.Fprintf(&b, "- a server has %d turns in a round, but where memory is measured; a message is also a handshake, or a delivery\n", r.turns)
	}
	for _, line := range append(r.skipped, r.faults...) {
		fmt.Fprintf(&b, "- %s\n", line)
	}
	for i := range r.tables {
		b.WriteString("\n")
		r.tables[i].markdown(&b)
	}
	return b.String()
}

func (t *table) markdown(b *strings.Builder) {
	fmt.Fprintf(b, "### %s (%s)\n\n", t.title, t.placement)
	if t.later != "" {
		fmt.Fprintf(b, "Of a later run, at %s.\n\n", t.later)
	}
	ref := t.rows[0]
	b.WriteString("| server |")
	line := "\n| --- |"
	for _, c := range t.columns {
		fmt.Fprintf(b, " %s |", c.title)
		line += " ---: |"
		if c.ratio {
			spread := "from - to"
			if t.turns > 1 && len(ref.values[c.key]) >= least*t.turns {
				spread = "95 %"
			}
			fmt.Fprintf(b, " × %s | %s |", ref.label(t), spread)
			line += " ---: | ---: |"
		}
	}
	b.WriteString(line + "\n")
	for _, row := range t.rows {
		fmt.Fprintf(b, "| %s |", row.label(t))
		for _, c := range t.columns {
			b.WriteString(row.cells(c, ref, t.turns))
		}
		b.WriteString("\n")
	}
}

// cells are a column's cells in the row.
func (r *row) cells(c column, ref row, turns int) string {
	s, ok := newStat(r.values[c.key])
	out := " - |"
	if ok {
		out = " " + c.show(s.Median) + " |"
	}
	if !c.ratio {
		return out
	}
	of := medians(ratios(r.values[c.key], ref.values[c.key]), turns)
	s, ok = newStat(of)
	if !ok {
		return out + " - | - |"
	}
	if turns > 1 {
		low, high := interval(of)
		return out + fmt.Sprintf(" %.3f | %.3f - %.3f |", s.Median, low, high)
	}
	return out + fmt.Sprintf(" %.2f | %.2f - %.2f |", s.Median, s.Min, s.Max)
}

// label names the row, with the version where the table has several.
func (r *row) label(t *table) string {
	name := strings.Replace(r.Server, "-buf", ", buffered", 1)
	name = strings.Replace(name, "-lean", ", heads dropped", 1)
	name = strings.Replace(name, "-apart", ", handler returns", 1)
	name = strings.Replace(name, "-translate", ", translated", 1)
	if r.Server == "accept" {
		name = "accept and close"
	}
	for _, other := range t.rows {
		if other.Version != r.Version {
			return name + ", " + versionNames[r.Version]
		}
	}
	return name
}

// The JSON file.
type (
	data struct {
		About   []string   `json:"about"`
		Rounds  int        `json:"rounds"`
		Each    string     `json:"each"`
		Skipped []string   `json:"skipped,omitempty"`
		Faults  []string   `json:"faults,omitempty"`
		Cells   []cellData `json:"cells"`
	}
	cellData struct {
		Name      string    `json:"name"`
		Title     string    `json:"title"`
		Placement string    `json:"placement"`
		Reference entry     `json:"reference"`
		Rows      []rowData `json:"rows"`
	}
	rowData struct {
		entry
		Numbers map[string]number `json:"numbers"`
	}
	number struct {
		stat
		Ratio    *stat     `json:"ratio,omitempty"`
		Interval []float64 `json:"interval,omitempty"` // of the ratio, 95 %; where servers take turns
		Rounds   []float64 `json:"rounds"`             // all turns of the first one, then of the second
	}
)

func (r *report) data() data {
	d := data{About: r.about, Rounds: r.rounds, Each: r.each.String(), Skipped: r.skipped, Faults: r.faults}
	for _, t := range r.tables {
		c := cellData{Name: t.name, Title: t.title, Placement: t.placement, Reference: t.rows[0].entry}
		for _, row := range t.rows {
			c.Rows = append(c.Rows, row.data(t.rows[0], t.turns))
		}
		d.Cells = append(d.Cells, c)
	}
	return d
}

func (r *row) data(ref row, turns int) rowData {
	d := rowData{entry: r.entry, Numbers: make(map[string]number)}
	for name, values := range r.values {
		s, ok := newStat(values)
		if !ok {
			continue
		}
		n := number{stat: s}
		for _, v := range values {
			if !math.IsNaN(v) { // JSON has none
				n.Rounds = append(n.Rounds, v)
			}
		}
		of := medians(ratios(values, ref.values[name]), turns)
		if q, ok := newStat(of); ok {
			n.Ratio = &q
			if turns > 1 {
				low, high := interval(of)
				n.Interval = []float64{low, high}
			}
		}
		d.Numbers[name] = n
	}
	return d
}
