package usage

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
)

//go:embed report.html
var page string

var pageTemplate = template.Must(template.New("report").Funcs(template.FuncMap{"date": DateOf, "sum": sum}).Parse(page))

// pageRow is a row, and the texts in which the page shows it.
type pageRow struct {
	*Row
	Count, Seen, Less, Share, Floor, Who string
	Points                               string // of the chart
	Peak                                 uint64
	Span                                 string
}

// The chart of a row, in pixels.
const (
	chartWidth  = KeptDays
	chartHeight = 24
)

// HTML writes the report as one page that needs no script and no other file.
func (r *Report) HTML(w io.Writer) error {
	var rows []pageRow
	for i := range r.Rows {
		row := &r.Rows[i]
		p := pageRow{Row: row, Count: row.clients(), Seen: r.ago(row.LastSeen), Less: row.trend(), Share: row.share(), Floor: row.tls(), Who: row.agents(topAgents)}
		p.Points, p.Peak = points(row.Daily)
		p.Span = fmt.Sprintf("handshakes a day since %s, %d at most", r.To-Date(max(len(row.Daily), 1)-1), p.Peak)
		rows = append(rows, p)
	}
	return pageTemplate.Execute(w, struct {
		*Report
		Summary       string
		Rows          []pageRow
		Width, Height int
	}{r, r.summary(), rows, chartWidth, chartHeight})
}

// points returns the points of the chart: today is at the right end, the day with the most
// at the top.
func points(days []uint64) (line string, peak uint64) {
	for _, n := range days {
		peak = max(peak, n)
	}
	if peak == 0 {
		return "", 0
	}
	var b strings.Builder
	for i, n := range days {
		y := float64(chartHeight-1) * (1 - float64(n)/float64(peak))
		fmt.Fprintf(&b, "%d,%.1f ", chartWidth-len(days)+i, y+0.5)
	}
	return strings.TrimSpace(b.String()), peak
}
