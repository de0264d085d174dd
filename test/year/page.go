package main

import (
	_ "embed"
	"html/template"
	"os"
	"time"

	"github.com/draftwire/draftwire/usage"
	"github.com/draftwire/draftwire/wire"
)

//go:embed page.html
var page string

var pageTemplate = template.Must(template.New("year").Parse(page))

// strip is a version in the page: its verdicts, one after the other.
type strip struct {
	Version wire.Version
	Spans   []stretch
	Now     usage.Verdict // on the last day
}

// stretch is a span as the page shows it.
type stretch struct {
	Code       usage.Code
	X, Days    int
	From, To   usage.Date
	Text       string // the verdict on its last day
	Labelled   bool   // there is room for the code
	Middle     int
	Confidence usage.Confidence // on its last day
}

// writePage writes the verdicts of all days as one page that needs no script and no other file.
func writePage(name string, start time.Time, j judged) error {
	first := usage.DateOf(start)
	var strips []strip
	for _, v := range wire.AllVersions.List() {
		s := strip{Version: v, Now: j[v][days-1]}
		for _, x := range j.spans(v) {
			end := j[v][x.to]
			n := x.to - x.from + 1
			s.Spans = append(s.Spans, stretch{
				Code: x.code, X: 2 * x.from, Days: 2 * n, From: first + usage.Date(x.from), To: first + usage.Date(x.to),
				Text: end.Text, Labelled: n > 20, Middle: x.from*2 + n, Confidence: end.Confidence,
			})
		}
		strips = append(strips, s)
	}
	var months []stretch
	for t := start; t.Before(start.AddDate(0, 0, days)); t = t.AddDate(0, 1, 1-t.Day()) {
		months = append(months, stretch{X: 2 * int(usage.DateOf(t)-first), Text: t.Format("Jan")})
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return pageTemplate.Execute(f, struct {
		From, To usage.Date
		Strips   []strip
		Months   []stretch
		Width    int
	}{first, first + days - 1, strips, months, 2 * days})
}
