package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/draftwire/draftwire/hostile"
)

// The results of a case.
const (
	passed  = "ok"
	failed  = "FAIL"
	skipped = "skip"
)

// unknown is the value of a figure that the player could not see.
const unknown = -1

// result is what came of a case: a line of the output. Figures that could not be seen
// are -1.
type result struct {
	ID          string   `json:"id"`
	Result      string   `json:"result"`
	Reason      string   `json:"reason,omitempty"`
	Holes       []string `json:"holes,omitempty"`
	Clients     int      `json:"clients"`
	Outcomes    string   `json:"outcomes,omitempty"`
	Seconds     float64  `json:"seconds"`     // until the last verdict
	Memory      int64    `json:"memory"`      // bytes
	CPU         float64  `json:"cpu_seconds"` // of all threads
	Descriptors int      `json:"descriptors"` // that were not given back
	Probe       float64  `json:"probe_seconds"`
	LogLines    int      `json:"log_lines"`
}

func (r *result) fail(format string, args ...any) {
	r.Result = failed
	if r.Reason != "" {
		r.Reason += "; "
	}
	r.Reason += fmt.Sprintf(format, args...)
}

// spent compares what the process of the target has used with the budget.
func (r *result) spent(c cost, b hostile.Budget) {
	if !c.known {
		r.Memory, r.CPU, r.Descriptors = unknown, unknown, unknown
		return
	}
	r.Memory, r.CPU, r.Descriptors = c.memory, c.cpu.Seconds(), c.descriptors
	if c.memory > b.Memory {
		r.fail("%s of memory, budget %s", size(c.memory), size(b.Memory))
	}
	if c.cpu > time.Duration(b.CPU) {
		r.fail("%v of processor, budget %v", c.cpu, time.Duration(b.CPU))
	}
	if c.descriptors > 0 {
		r.fail("%d descriptors were not given back within %v", c.descriptors, time.Duration(b.Recover))
	}
}

// reporter prints results on out and talk on talk.
type reporter struct {
	out, talk io.Writer
	mu        sync.Mutex // several players report
	json      bool
	terminal  bool // talk is one
	counts    map[string]int
	skips     map[string]int // reasons
	results   []result
}

func newReporter(out, talk io.Writer, asJSON bool) *reporter {
	r := &reporter{out: out, talk: talk, json: asJSON, counts: map[string]int{}, skips: map[string]int{}}
	if f, ok := talk.(*os.File); ok {
		info, err := f.Stat()
		r.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return r
}

func (r *reporter) say(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wipe()
	fmt.Fprintf(r.talk, "hostile/run: "+format+"\n", args...)
}

func (r *reporter) wipe() {
	if r.terminal {
		fmt.Fprint(r.talk, "\r\x1b[K")
	}
}

// progress shows on a terminal what is being played.
func (r *reporter) progress(i, n int, id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.terminal {
		fmt.Fprintf(r.talk, "\r\x1b[K%d/%d %s", i+1, n, id)
	}
}

func (r *reporter) add(c result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wipe()
	r.counts[c.Result]++
	r.results = append(r.results, c)
	if c.Result == skipped {
		r.skips[c.Reason]++
	}
	if r.json {
		json.NewEncoder(r.out).Encode(c)
		return
	}
	fmt.Fprintln(r.out, c.line())
}

// line is a result for people and for awk.
func (c *result) line() string {
	if c.Result == skipped {
		return fmt.Sprintf("%-4s %-56s # %s", c.Result, c.ID, c.Reason)
	}
	text := fmt.Sprintf("%-4s %-56s %7.3fs %9s %7s %4s %7s %5s", c.Result, c.ID, c.Seconds,
		orDash(c.Memory, size), orDash(c.CPU, seconds), orDash(c.Descriptors, count), orDash(c.Probe, seconds), orDash(c.LogLines, count))
	if c.Reason != "" {
		text += " # " + c.Reason
	}
	return strings.TrimRight(text, " ")
}

func orDash[T int | int64 | float64](v T, f func(T) string) string {
	if v == unknown {
		return "-"
	}
	return f(v)
}

func count(n int) string       { return fmt.Sprint(n) }
func seconds(s float64) string { return fmt.Sprintf("%.3fs", s) }
func heading() string {
	return fmt.Sprintf("#    %-56s %8s %9s %7s %4s %7s %5s", "case", "time", "memory", "cpu", "fds", "probe", "log")
}

func size(n int64) string {
	switch {
	case n >= 1<<20 || n <= -1<<20:
		return fmt.Sprintf("%.1fMiB", float64(n)/(1<<20))
	case n >= 1<<10 || n <= -1<<10:
		return fmt.Sprintf("%.1fKiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%dB", n)
}

// close prints the counts.
func (r *reporter) close() {
	for _, reason := range sortedKeys(r.skips) {
		r.say("%d skipped: %s", r.skips[reason], reason)
	}
	text := fmt.Sprintf("%d passed, %d failed, %d skipped", r.counts[passed], r.counts[failed], r.counts[skipped])
	if r.json {
		r.say("%s", text)
		return
	}
	fmt.Fprintln(r.out, text)
}

// figures prints what connections cost, in Markdown.
func (r *reporter) figures() {
	fmt.Fprintln(r.out, "| attack | connections | memory | bytes each |")
	fmt.Fprintln(r.out, "| --- | --- | --- | --- |")
	for _, c := range r.results {
		if c.Result == skipped || c.Memory == unknown {
			continue
		}
		fmt.Fprintf(r.out, "| `%s` | %d | %s | %d |\n", c.ID, c.Clients, size(c.Memory), c.Memory/int64(max(c.Clients, 1)))
	}
}
