package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/draftwire/draftwire/drafts"
	"github.com/urfave/cli/v2"
)

// draftWords complete the arguments of the command: what it does, and the documents that
// people ask for by name.
func draftWords() []string {
	words := versionWords(false)
	for _, d := range drafts.Documents() {
		name := strings.ReplaceAll(strings.ToLower(d.Name), " ", "")
		if !strings.HasPrefix(name, "hixie") && !slices.Contains(words, name) {
			words = append(words, name)
		}
	}
	return words
}

func (p *program) draftsCommand() command {
	return command{
		name: "drafts", usage: "tell what each draft of the protocol said, and who spoke it",
		args: "list|show|diff|rule|pages [DRAFT|WORD|DIR]...", least: 1, most: 20,
		about: "list has a line for each version on the wire. show DRAFT tells what is known of a draft or version: what it changed, its frames, a connection byte by byte " +
			"with its arithmetic, who shipped it, what was wrong with it, its rules. diff DRAFT DRAFT has the rules that differ. rule WORD... finds rules by words, a name or a section, " +
			"over all drafts, and shows how they changed; without words it lists them. pages DIR writes all of it as Markdown with drawings.\n" +
			"A draft is named as hixie-75, hybi-07, \"RFC 6455\" or by an alias of 'draftwire versions'. " +
			"Behind each fact stand its sources and how sure it is: text (read in the document), program (programs of the time, or their authors' notes), told, or unverified. " +
			"Where nothing is found the exit code is 1.",
		examples: []example{
			{"draftwire drafts list --long", "every document"},
			{"draftwire drafts show hybi-04", "one of them"},
			{"draftwire drafts diff hybi-06 hybi-07", "what changed between two"},
			{"draftwire drafts rule masked server frame", "a rule, through all drafts"},
			{"draftwire drafts rule --json close-codes | jq '.rules[].steps[] | [.since, .says]'", "as JSON"},
		},
		flags: []cli.Flag{
			&cli.BoolFlag{Name: "json", Usage: "print JSON"},
			&cli.BoolFlag{Name: "long", Aliases: []string{"l"}, Usage: "list: a line for each document; rule: the vectors that test it too"},
		},
		run: func(c *cli.Context) error {
			args := c.Args().Slice()
			o := draftsOptions{json: c.Bool("json"), long: c.Bool("long")}
			return p.drafts(args[0], args[1:], o)
		},
	}
}

type draftsOptions struct{ json, long bool }

// drafts does what the first argument says.
func (p *program) drafts(what string, args []string, o draftsOptions) error {
	wants := map[string][2]int{"list": {0, 0}, "show": {1, 1}, "diff": {2, 2}, "rule": {0, 19}, "pages": {1, 1}}
	n, ok := wants[what]
	switch {
	case !ok:
		return usagef("%q is not one of list, show, diff, rule, pages", what)
	case len(args) < n[0]:
		return usagef("%s needs %s", what, map[string]string{"show": "a draft", "diff": "two drafts", "pages": "a folder"}[what])
	case len(args) > n[1]:
		return usagef("unexpected argument %q", args[n[1]])
	}
	switch what {
	case "list":
		return listDrafts(p.out, o)
	case "show":
		return showDraft(p.out, args[0], o)
	case "diff":
		return diffDrafts(p.out, args[0], args[1], o)
	case "rule":
		return findRules(p.out, strings.Join(args, " "), o)
	}
	return p.writePages(args[0], o)
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// listedVersion is a version of "drafts list" as JSON.
type listedVersion struct {
	Version   string            `json:"version"`
	Summary   string            `json:"summary"`
	Shipped   string            `json:"shipped"`
	Documents []drafts.Document `json:"documents"`
}

func listDrafts(w io.Writer, o draftsOptions) error {
	switch {
	case o.json:
		return writeJSON(w, listedVersions())
	case o.long:
		return listDocuments(w)
	}
	return inColumns(w, "VERSION\tDOCUMENTS\tDATES\tSHIPPED BY", func(row func(...string)) {
		for _, e := range drafts.Exhibits() {
			row(e.Version.String(), drafts.DocumentRange(e.Version), drafts.DateRange(e.Version), e.Version.Info().Shipped)
		}
	})
}

func listedVersions() (out []listedVersion) {
	for _, e := range drafts.Exhibits() {
		v := listedVersion{Version: e.Version.String(), Summary: e.Summary, Shipped: e.Version.Info().Shipped}
		for _, d := range drafts.Documents() {
			if d.Version == e.Version {
				v.Documents = append(v.Documents, d)
			}
		}
		out = append(out, v)
	}
	return out
}

func listDocuments(w io.Writer) error {
	return inColumns(w, "DOCUMENT\tVERSION\tNUMBER\tDATE\tCHANGED\tTEXT", func(row func(...string)) {
		for _, d := range drafts.Documents() {
			var names []string
			for _, c := range drafts.Changed(d.Name) {
				names = append(names, c.Rule)
			}
			row(d.Name, d.Version.String(), d.Number, d.Date, few(names, 3), d.URL)
		}
	})
}

// few is the first of some names, and how many more there are.
func few(names []string, most int) string {
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// writePages writes the pages into a folder, which is made if it is not there.
func (p *program) writePages(dir string, o draftsOptions) error {
	pages, err := drafts.Pages()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var names []string
	for name := range pages {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(pages[name]), 0o644); err != nil {
			return err
		}
	}
	if o.json {
		return writeJSON(p.out, map[string]any{"dir": dir, "files": names})
	}
	_, err = fmt.Fprintf(p.out, "%d files in %s\n", len(names), dir)
	return err
}
