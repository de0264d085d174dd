package drafts

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/draftwire/draftwire/wire"
)

// Pages returns the museum as files: an index, a page for each version, and drawings. The
// names have no folders.
func Pages() (map[string]string, error) {
	pages := map[string]string{}
	var accounts []*Account
	for _, v := range wire.AllVersions.List() {
		a, err := Show(v.String())
		if err != nil {
			return nil, err
		}
		accounts = append(accounts, a)
	}
	for i, a := range accounts {
		name := a.Name
		pages[name+".md"] = page(a, accounts, i)
		pages[name+"-frames.svg"] = SVG(a.Drawings)
		pages[name+"-exchange.svg"] = StripSVG(a.Exchange.Moves)
	}
	pages["README.md"] = indexPage(accounts)
	return pages, nil
}

// generated stands in the head of each page.
const generated = "<!-- Made by `draftwire drafts pages`; edit package drafts instead. -->\n"

// writer writes Markdown.
type writer struct{ strings.Builder }

func (w *writer) line(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }

// cell makes a text fit a cell of a table, and shows what Markdown or HTML would take for their own.
var cell = strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;", "*", `\*`, "_", `\_`)

// cites writes sources as links.
func cites(from []string) string {
	var out []string
	for _, c := range from {
		text := cell.Replace(c)
		if s, ok := sourceOf(c); ok && s.URL != "" {
			text = "[" + text + "][" + s.Key + "]" // references stand at the end of the page
		} else if url := citedURL(c); url != "" {
			text = "[" + text + "](" + url + ")"
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

// references writes where the links of sources go.
func references(w *writer, all []Source) {
	w.line("")
	for _, s := range all {
		if s.URL != "" {
			w.line("[%s]: %s", s.Key, s.URL)
		}
	}
}

// citedURL is the address of a document, or of its section.
func citedURL(citation string) string {
	name, section := citedDocument(citation)
	i := order(name)
	if i < 0 {
		return ""
	}
	if section == "" {
		return documents[i].URL
	}
	return documents[i].URL + "#section-" + section
}

// citedDocument takes "hixie-76 5.2 step 4" or "RFC 6455 5.4" apart.
func citedDocument(citation string) (name, section string) {
	words := strings.Fields(citation)
	n := 1
	if len(words) > 1 && words[0] == "RFC" {
		n = 2
	}
	name = strings.Join(words[:n], " ")
	if len(words) > n {
		section = words[n]
	}
	return name, section
}

func indexPage(accounts []*Account) string {
	var w writer
	w.line("%s# Drafts of the WebSocket protocol", generated)
	w.line("\nEvery published draft, from January 2009 to RFC 6455 and what came after it, by what is the same on the wire: "+
		"%d documents, %d versions. Each page has what the drafts changed, a connection byte by byte with its arithmetic, who shipped it, "+
		"what was wrong with it, and its rules with their sections.\n", len(documents), len(accounts))
	w.line("`draftwire drafts list`, `show`, `diff` and `rule` tell the same on a terminal, and as JSON.\n")
	w.line("| version | documents | dates | a request says | who spoke it |")
	w.line("| --- | --- | --- | --- | --- |")
	for _, a := range accounts {
		w.line("| [%s](%s.md) | %s | %s | %s | %s |", a.Name, a.Name, DocumentRange(a.Version), DateRange(a.Version),
			cell.Replace(heldIn(a, "version")), cell.Replace(a.Version.Info().Shipped))
	}
	w.line("\n## How sure it is\n")
	w.line("Each fact has its sources behind it, and a mark:\n")
	for m := Text; m <= Unverified; m++ {
		w.line("- **%s**: %s.", m, m.Meaning())
	}
	w.line("\nThe texts of hixie-68, hixie-75, hixie-76 and RFC 6455 were read whole, those of the other drafts in part or not at all: " +
		"what is said of these is from the programs that implemented them, and from their authors' notes. " +
		"A rule that began in an earlier document than the one that is looked at holds there as far as nothing was found that changed it.\n")
	rulesTable(&w)
	w.line("## Documents\n")
	w.line("| document | version | number | date | editors | changed |")
	w.line("| --- | --- | --- | --- | --- | --- |")
	documentRows(&w)
	w.line("\nThe IETF keeps the texts; for the hixie drafts its list lacks the numbers 04, 08, 09, 14, 37 and 38.\n")
	w.line("## Sources\n")
	for _, s := range sources {
		text := s.What
		if s.URL != "" {
			text = "[" + text + "](" + s.URL + ")"
		}
		w.line("- **%s**: %s", s.Key, text)
	}
	references(&w, sources)
	return w.String()
}

// documentRows are the rows of the documents. Those of which nothing else is known share one.
func documentRows(w *writer) {
	var bare []string
	flush := func(v wire.Version) {
		if bare != nil {
			w.line("| %s | [%s](%s.md) | - | - | - | - |", strings.Join(bare, ", "), v, v)
		}
		bare = nil
	}
	for _, d := range documents {
		link := "[" + d.Name + "](" + d.URL + ")"
		changed := strings.Join(changedNames(d.Name), ", ")
		if d.Date == "" && changed == "" {
			bare = append(bare, link)
			continue
		}
		flush(wire.Hixie75)
		date := "-"
		if d.Date != "" {
			date = fmt.Sprintf("%s (%s; %s)", d.Date, cites(d.DateFrom), d.DateMark)
		}
		w.line("| %s | [%s](%s.md) | %s | %s | %s | %s |", link, d.Version, d.Version, cmp.Or(d.Number, "-"), date, cmp.Or(d.Editors, "-"), cmp.Or(changed, "-"))
	}
}

// rulesTable is a row for each rule, with the documents in which it changed.
func rulesTable(w *writer) {
	w.line("## Rules\n")
	w.line("`draftwire drafts rule NAME` shows each form of a rule.\n")
	w.line("| rule | what it decides | changed in |")
	w.line("| --- | --- | --- |")
	for _, r := range Rules() {
		w.line("| %s | %s | %s |", r.Name, cell.Replace(r.Title), cmp.Or(strings.Join(r.changedIn(), ", "), "-"))
	}
	w.line("")
}

func changedNames(document string) (names []string) {
	for _, c := range Changed(document) {
		names = append(names, c.Rule)
	}
	return names
}

// heldIn is what a rule says in an account.
func heldIn(a *Account, rule string) string {
	for _, h := range a.Rules {
		if h.Rule == rule {
			return h.Says
		}
	}
	return ""
}

// DocumentRange is the documents of a version, in short: "hybi-08 to hybi-12".
func DocumentRange(v wire.Version) string {
	all := documentsOf(v)
	switch n := len(all); {
	case n == 1:
		return all[0].Name
	case n == 2:
		return all[0].Name + " = " + all[1].Name
	case v == wire.RFC6455:
		return all[0].Name + " to " + all[n-2].Name + " = " + all[n-1].Name
	default:
		return all[0].Name + " to " + all[n-1].Name
	}
}

// DateRange is the dates of a version's documents, first to last.
func DateRange(v wire.Version) string {
	all := documentsOf(v)
	first, last := all[0].Date, all[len(all)-1].Date
	if first == last {
		return first
	}
	return first + " to " + last
}

func page(a *Account, all []*Account, i int) string {
	var w writer
	w.line("%s# %s", generated, a.Name)
	w.line("\n%s\n", a.Exhibit.Summary)
	w.line("Documents: %s, %s. A request says: %s. Test vectors: [%s.json](../../vectors/%s.json).\n",
		DocumentRange(a.Version), DateRange(a.Version), heldIn(a, "version"), a.Name, a.Name)
	w.line("What the marks mean stands in the [index](README.md#how-sure-it-is).")
	changedSection(&w, a)
	w.line("\n## Its frames\n")
	w.line("![The frames of %s](%s-frames.svg)\n", a.Name, a.Name)
	w.line("<details><summary>as text</summary>\n")
	for _, d := range a.Drawings {
		w.line("```\n%s:\n%s```\n", d.Title, d.Text())
	}
	w.line("</details>\n")
	exchangeSection(&w, a)
	shippedSection(&w, a)
	w.line("\n## Its rules\n")
	heldTable(&w, a.Rules)
	laterSection(&w, a)
	w.line("\n---\n%s", neighbours(all, i))
	references(&w, a.Sources)
	return w.String()
}

func neighbours(all []*Account, i int) string {
	var links []string
	if i > 0 {
		links = append(links, fmt.Sprintf("before: [%s](%s.md)", all[i-1].Name, all[i-1].Name))
	}
	links = append(links, "[all](README.md)")
	if i+1 < len(all) {
		links = append(links, fmt.Sprintf("after: [%s](%s.md)", all[i+1].Name, all[i+1].Name))
	}
	return strings.Join(links, " · ")
}

// cite is the end of a fact.
func cite(f Fact) string {
	if len(f.From) == 0 {
		return "(" + f.Mark.String() + ")"
	}
	return fmt.Sprintf("(%s; %s)", cites(f.From), f.Mark)
}

func changedSection(w *writer, a *Account) {
	w.line("\n## What changed\n")
	for _, c := range a.Changed {
		writeChanges(w, c)
	}
}

func writeChanges(w *writer, c Changes) {
	if len(c.Changes)+len(c.Notes) == 0 {
		return
	}
	d := documents[order(c.Document)]
	w.line("### [%s](%s)\n", d.Name, d.URL)
	if d.Date != "" {
		w.line("%s (%s; %s)%s\n", d.Date, cites(d.DateFrom), d.DateMark, after(", ", d.Editors))
	}
	for _, n := range c.Notes {
		w.line("- %s %s", cell.Replace(n.Says), cite(n))
	}
	for _, x := range c.Changes {
		w.line("- **%s**: %s %s", x.Title, cell.Replace(x.To.News()), cite(x.To.Fact))
	}
	w.line("")
}

func after(what, s string) string {
	if s == "" {
		return ""
	}
	return what + s
}

func exchangeSection(w *writer, a *Account) {
	w.line("## A connection\n")
	w.line("The vector `%s` (%s): %s. The bytes are the vector's, the arithmetic is what the code of the version computes.\n", a.Exchange.Vector, a.Exchange.Section, a.Exchange.Comment)
	w.line("![Its frames, byte by byte](%s-exchange.svg)\n", a.Name)
	w.line("```\n%s```", a.Exchange.Text())
}

func shippedSection(w *writer, a *Account) {
	w.line("\n## Who shipped it\n")
	w.line("| who | what | when | | source | mark |")
	w.line("| --- | --- | --- | --- | --- | --- |")
	for _, s := range a.Exhibit.Shipped {
		w.line("| %s | %s | %s | %s | %s | %s |", cell.Replace(s.Who), s.Kind, cmp.Or(s.When, "-"), cell.Replace(s.Says), cites(s.From), s.Mark)
	}
	clientsSection(w, a.Clients)
	w.line("\n## What was wrong with it\n")
	for _, f := range a.Exhibit.Wrong {
		w.line("- %s %s", cell.Replace(f.Says), cite(f))
	}
}

// clientsSection has their requests as they are, and what follows a head in hexadecimal.
func clientsSection(w *writer, all []Client) {
	if len(all) > 0 {
		w.line("\n## How its clients ask")
	}
	for _, c := range all {
		tail := c.Tail
		if tail != "" {
			tail = "\n" + tail + "\n"
		}
		w.line("\n`%s`, %s: %s %s\n", c.Name, c.Who, cell.Replace(c.Says), cite(c.Fact))
		w.line("```\n%s%s```", strings.ReplaceAll(strings.Join(c.Lines, "\n")+"\n", " \n", "\n"), tail)
		w.line("\nIts keys: %s. It closes by: %s; it answers a close by: %s; %s %s", c.Sending.Keys, c.Sending.Ends, c.Sending.Answers, cell.Replace(c.Sending.Closing.Says), cite(c.Sending.Closing))
	}
}

func heldTable(w *writer, held []Held) {
	w.line("| rule | | since | source | mark |")
	w.line("| --- | --- | --- | --- | --- |")
	for _, h := range held {
		w.line("| %s | %s | %s | %s | %s |", h.Rule, cell.Replace(h.Says), h.Since, cites(h.From), h.Mark)
	}
}

func laterSection(w *writer, a *Account) {
	if a.Later == nil {
		return
	}
	w.line("\n## What came after\n")
	for _, c := range a.Later {
		writeChanges(w, c)
	}
	w.line("A message that is compressed, the vector `%s` (%s):\n", a.Packed.Vector, a.Packed.Section)
	w.line("```\n%s```", a.Packed.Text())
}
