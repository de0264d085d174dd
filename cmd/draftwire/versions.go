package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/draftwire/draftwire"
	"github.com/urfave/cli/v2"
)

// versionRow is a row of the version table as JSON.
type versionRow struct {
	Version      string   `json:"version"`
	Aliases      []string `json:"aliases"`
	Header       string   `json:"header"`
	Date         string   `json:"date"`
	Served       bool     `json:"served"`
	Capabilities []string `json:"capabilities"`
	Shipped      string   `json:"shipped"`
	Spec         string   `json:"spec"`
}

// versionRows follows from the library's table alone.
func versionRows() []versionRow {
	var rows []versionRow
	for _, v := range draftwire.Every.List() {
		i := v.Info()
		rows = append(rows, versionRow{i.Name, i.Aliases, i.Header, i.Date,
			draftwire.Served().Has(v), i.Caps.Names(), i.Shipped, i.Spec})
	}
	return rows
}

// versionWords are the words that complete a version, or a set of versions.
func versionWords(sets bool) []string {
	var words []string
	if sets {
		words = append(words, "all", "modern")
	}
	for _, v := range draftwire.Served().List() {
		words = append(words, v.String())
	}
	return words
}

func writeVersions(w io.Writer, asJSON bool) error {
	rows := versionRows()
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(rows)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "VERSION\tHEADER\tDATE\tSERVED\tSHIPPED BY\tCAPABILITIES\tSPEC")
	for _, r := range rows {
		served := "no"
		if r.Served {
			served = "yes"
		}
		header := r.Header
		if header == "" {
			header = "-"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Version, header, r.Date, served,
			r.Shipped, strings.Join(r.Capabilities, ","), r.Spec)
	}
	return t.Flush()
}

func (p *program) versionsCommand() command {
	return command{
		name: "versions", usage: "print the table of the protocol's versions",
		about: "HEADER is the value of Sec-WebSocket-Version. SERVED says whether this program speaks the version.",
		examples: []example{
			{"draftwire versions", "as a table"},
			{"draftwire versions --json | jq -r '.[] | select(.served).version'", "the names of those spoken here"},
		},
		flags: []cli.Flag{&cli.BoolFlag{Name: "json", Usage: "print JSON"}},
		run:   func(c *cli.Context) error { return writeVersions(p.out, c.Bool("json")) },
	}
}
