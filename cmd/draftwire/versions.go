package main

import (
	"cmp"
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
	for _, v := range draftwire.AllVersions.List() {
		i := v.Info()
		rows = append(rows, versionRow{i.Name, i.Aliases, i.HeaderValue, i.Date,
			draftwire.ServedVersions().Has(v), i.Caps.Names(), i.Shipped, i.Spec})
	}
	return rows
}

// versionWords are the words that complete a version, or a set of versions.
func versionWords(sets bool) []string {
	var words []string
	if sets {
		words = append(words, "all", "modern")
	}
	for _, v := range draftwire.ServedVersions().List() {
		words = append(words, v.String())
	}
	return words
}

type versionsOptions struct{ json, long bool }

// writeVersions prints the table, one line for each version.
func writeVersions(w io.Writer, o versionsOptions) error {
	if o.json {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(versionRows())
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	cells := []string{"VERSION", "HEADER", "DATE", "SERVED", "MESSAGES", "CLOSING", "SHIPPED BY", "CAPABILITIES", "SPEC"}
	print := func() {
		if !o.long {
			cells = cells[:7]
		}
		fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	print()
	for _, v := range draftwire.AllVersions.List() {
		i, served := v.Info(), "no"
		if draftwire.ServedVersions().Has(v) {
			served = "yes"
		}
		cells = []string{i.Name, cmp.Or(i.HeaderValue, "-"), i.Date, served, messagesOf(v), closingOf(v),
			i.Shipped, strings.Join(i.Caps.Names(), ","), i.Spec}
		print()
	}
	return t.Flush()
}

// messagesOf lists the kinds of messages that a version has.
func messagesOf(v draftwire.Version) string {
	if v.Supports(draftwire.CapBinary) {
		return "text, binary"
	}
	return "text"
}

// closingOf says how a version closes.
func closingOf(v draftwire.Version) string {
	switch {
	case v.Supports(draftwire.CapCloseCode):
		return "code"
	case v.Supports(draftwire.CapCloseFrame):
		return "frame"
	}
	return "tcp"
}

func (p *program) versionsCommand() command {
	return command{
		name: "versions", usage: "print the table of the protocol's versions",
		about: "HEADER is the value of Sec-WebSocket-Version. SERVED says whether this program speaks the version. " +
			"CLOSING says how a connection is closed: by TCP alone, by a frame, or by a frame with a code and a reason.",
		examples: []example{
			{"draftwire versions", "as a table"},
			{"draftwire versions --long", "with capabilities and documents, in wide lines"},
			{"draftwire versions --json | jq -r '.[] | select(.served).version'", "the names of those that this program speaks"},
		},
		flags: []cli.Flag{
			&cli.BoolFlag{Name: "long", Aliases: []string{"l"}, Usage: "with the columns CAPABILITIES and SPEC"},
			&cli.BoolFlag{Name: "json", Usage: "print everything as JSON"},
		},
		run: func(c *cli.Context) error {
			return writeVersions(p.out, versionsOptions{json: c.Bool("json"), long: c.Bool("long")})
		},
	}
}
