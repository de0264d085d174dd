package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/draftwire/draftwire/cmd/draftwire/internal/load"
)

// benchJSON is what --json prints of a run.
type benchJSON struct {
	URL         string        `json:"url"`
	DurationS   float64       `json:"duration_s"`
	Interrupted bool          `json:"interrupted"`
	WarmupS     float64       `json:"warmup_s"`
	RatePerS    int           `json:"rate_per_s"` // 0: none
	MeasuredBy  string        `json:"latency_from"`
	Depth       int           `json:"depth"`
	Sizes       []int         `json:"sizes_bytes"`
	Type        string        `json:"type"`
	Versions    []load.Result `json:"versions"`
	Total       load.Result   `json:"total"`
}

// writeBench prints a report as a table or as JSON.
func writeBench(w io.Writer, r *load.Report, o benchOptions) error {
	if !o.json {
		return writeTable(w, r, o.long)
	}
	out := benchJSON{
		URL: o.load.URL, DurationS: seconds(r.Lasted), Interrupted: r.Interrupted, WarmupS: seconds(o.load.Warmup),
		RatePerS: o.load.Rate, MeasuredBy: "sent", Depth: o.load.Depth, Sizes: o.load.Sizes, Type: o.load.Op.String(),
		Versions: r.Versions, Total: r.Total,
	}
	if u, err := url.Parse(o.load.URL); err == nil {
		out.URL = u.Redacted()
	}
	if o.load.Rate > 0 {
		out.MeasuredBy = "due"
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(out)
}

// writeTable prints a line for each version, and one for all.
func writeTable(w io.Writer, r *load.Report, long bool) error {
	head := []string{"VERSION", "CONNS", "MSGS", "MSGS/S", "MB/S", "P50", "P90", "P99", "P99.9", "MAX", "ERRORS"}
	if long {
		head = append(head, "OPEN P50", "OPEN P99")
	}
	table := [][]string{head}
	for _, x := range append(r.Versions[:len(r.Versions):len(r.Versions)], r.Total) {
		line := []string{x.Version, strconv.Itoa(x.Connections), fmt.Sprint(x.Messages), fmt.Sprintf("%.0f", x.MessagesPerS), fmt.Sprintf("%.2f", x.MBPerS)}
		for _, us := range []int64{x.P50, x.P90, x.P99, x.P999, x.Max} {
			line = append(line, timeCell(us, x.Messages))
		}
		line = append(line, fmt.Sprint(x.Errors))
		if long {
			line = append(line, timeCell(x.HandshakeP50, int64(x.Connections)), timeCell(x.HandshakeP99, int64(x.Connections)))
		}
		table = append(table, line)
	}
	_, err := io.WriteString(w, columns(table))
	return err
}

// columns aligns all columns but the first at their right, as numbers are.
func columns(table [][]string) string {
	width := make([]int, len(table[0]))
	for _, line := range table {
		for i, cell := range line {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, line := range table {
		for i, cell := range line {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				b.WriteString(cell + pad)
			} else {
				b.WriteString("  " + pad + cell)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func timeCell(us, count int64) string {
	if count == 0 {
		return "-"
	}
	return shortTime(us)
}

// shortTime writes microseconds in three digits, like 12.3ms.
func shortTime(us int64) string {
	d := time.Duration(us) * time.Microsecond
	for unit := 10 * time.Microsecond; ; unit *= 10 {
		if d < 100*unit {
			return d.Round(unit / 10).String()
		}
	}
}

// comment says on stderr what the table has no room for.
func comment(w io.Writer, r *load.Report) {
	for _, x := range r.Versions {
		if x.WrongAnswers > 0 {
			fmt.Fprintf(w, "%s: %s not what was sent; is this an echo server?\n", x.Version, counted(x.WrongAnswers, "answer was", "answers were"))
		}
		for _, why := range x.Reasons {
			fmt.Fprintf(w, "%s: %s: %s\n", x.Version, counted(int64(why.Count), "connection", "connections"), why.Text)
		}
		if x.Unsent > 0 {
			fmt.Fprintf(w, "%s: %s due and not sent\n", x.Version, counted(x.Unsent, "message was", "messages were"))
		}
	}
}

func counted(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprint(n, " ", many)
}

// exitOf is the exit code for the worst failure of a run.
var exitOf = map[load.Severity]int{
	load.NoFailure: exitDone, load.Failed: exitFailure, load.Abnormal: exitAbnormal, load.Violation: exitProtocol,
}

// verdict is the exit code of a run. A failure goes before --max-p99, which was then
// measured on less than was asked for.
func verdict(r *load.Report, o benchOptions) error {
	p99 := time.Duration(r.Total.P99) * time.Microsecond
	switch {
	case r.Interrupted:
		return &exitError{code: exitInterrupted}
	case r.Total.Errors > 0:
		return exitf(exitOf[r.Worst], "%s", counted(r.Total.Errors, "error", "errors"))
	case r.Total.Messages == 0:
		return exitf(exitFailure, "nothing was measured: no message came back")
	case o.maxP99 > 0 && p99 > o.maxP99:
		return exitf(exitCondition, "p99 is %s, above --max-p99 %s", shortTime(r.Total.P99), o.maxP99)
	}
	return nil
}
