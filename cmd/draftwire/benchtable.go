package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// writeTable prints a line for each version, and one for all.
func (r *benchReport) writeTable(w io.Writer, long bool) error {
	head := []string{"VERSION", "CONNS", "MSGS", "MSGS/S", "MB/S", "P50", "P90", "P99", "P99.9", "MAX", "ERRORS"}
	if long {
		head = append(head, "OPEN P50", "OPEN P99")
	}
	table := [][]string{head}
	for _, s := range append(r.rows[:len(r.rows):len(r.rows)], r.total) {
		x := s.row(r.lasted)
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

// columns aligns all but the first column at its right, as numbers are.
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
