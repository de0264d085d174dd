package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/draftwire/draftwire/drafts"
	"github.com/draftwire/draftwire/wire"
)

// inColumns writes a table; an empty cell is a hyphen.
func inColumns(w io.Writer, head string, rows func(row func(...string))) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, head)
	rows(func(cells ...string) {
		for i := range cells {
			cells[i] = cmp.Or(cells[i], "-")
		}
		fmt.Fprintln(t, strings.Join(cells, "\t"))
	})
	return t.Flush()
}

// sheet writes an account, or a part of one, for people.
type sheet struct{ strings.Builder }

func (s *sheet) heading(title string) { fmt.Fprintf(s, "\n%s\n", strings.ToUpper(title)) }

// entry writes a label and a text beside it, which goes on below itself.
func (s *sheet) entry(label, text string) {
	const column = 20
	lines := wrap(text, column)
	if len(label) <= column-3 {
		fmt.Fprintf(s, "  %-*s%s\n", column-2, label, lines)
	} else {
		fmt.Fprintf(s, "  %s\n%*s%s\n", label, column, "", lines)
	}
}

// cited is a fact with its sources.
func cited(f drafts.Fact) string {
	return strings.TrimSpace(f.Says + " [" + f.Cited() + "]")
}

func showDraft(w io.Writer, name string, o draftsOptions) error {
	a, err := drafts.Show(name)
	if err != nil {
		return usagef("%w", err)
	}
	if o.json {
		return writeJSON(w, a)
	}
	var s sheet
	fmt.Fprintf(&s, "%s\n", a.Name)
	if a.Name != a.Version.String() {
		fmt.Fprintf(&s, "on the wire it is %s (%s)\n", a.Version, drafts.DocumentRange(a.Version))
	}
	fmt.Fprintf(&s, "\n%s\n", wrap(a.Exhibit.Summary, 0))
	s.documents(a.Documents)
	s.heading("what changed")
	for _, c := range a.Changed {
		s.changes(c, len(a.Changed) > 1)
	}
	s.pictures(a)
	s.shipped(a.Exhibit)
	s.clients(a.Clients)
	s.heading("what was wrong with it")
	for _, f := range a.Exhibit.Wrong {
		fmt.Fprintf(&s, "  - %s\n", wrap(cited(f), 4))
	}
	s.heading("its rules")
	for _, h := range a.Rules {
		s.entry(h.Rule, cited(drafts.Fact{Says: h.Says, From: h.From, Mark: h.Mark})+since(a.Documents, h.Since))
	}
	s.later(a)
	s.heading("sources")
	for _, x := range a.Sources {
		s.entry(x.Key, strings.TrimSpace(x.What+" "+x.URL))
	}
	_, err = io.WriteString(w, s.String())
	return err
}

// since tells from which document a rule holds, where that is none of these.
func since(documents []drafts.Document, name string) string {
	for _, d := range documents {
		if d.Name == name {
			return ""
		}
	}
	return ", since " + name
}

func (s *sheet) documents(all []drafts.Document) {
	s.heading("documents")
	// Of a long series the first, the last, and those that are dated.
	for i, d := range all {
		if len(all) > 20 && i > 0 && i < len(all)-1 && d.Date == "" {
			continue
		}
		text := cmp.Or(d.Date, "no date found")
		if d.Date != "" {
			text += " [" + drafts.Fact{From: d.DateFrom, Mark: d.DateMark}.Cited() + "]"
		}
		if d.Editors != "" {
			text += ", " + d.Editors
		}
		s.entry(d.Name, text+"\n"+d.URL)
	}
}

func (s *sheet) changes(c drafts.Changes, named bool) {
	if len(c.Changes)+len(c.Notes) == 0 {
		if !named {
			fmt.Fprintln(s, "  nothing that was found")
		}
		return
	}
	if named {
		fmt.Fprintf(s, "  %s\n", c.Document)
	}
	for _, n := range c.Notes {
		s.entry("", cited(n))
	}
	for _, x := range c.Changes {
		s.entry(x.Rule, cited(drafts.Fact{Says: x.To.News(), From: x.To.From, Mark: x.To.Mark}))
	}
}

// pictures are the frames and the connection.
func (s *sheet) pictures(a *drafts.Account) {
	s.heading("frames")
	for _, d := range a.Drawings {
		fmt.Fprintf(s, "%s:\n%s", d.Title, d.Text())
	}
	if a.Exchange != nil {
		s.heading("a connection")
		fmt.Fprintf(s, "%s\n", wrap("The vector "+a.Exchange.Vector+" ("+a.Exchange.Section+"): "+a.Exchange.Comment+".", 0))
		s.WriteString(a.Exchange.Text())
	}
}

func (s *sheet) shipped(e drafts.Exhibit) {
	s.heading("who shipped it")
	for _, x := range e.Shipped {
		what := x.Who
		for _, more := range []string{x.When, x.Says} {
			if more != "" {
				what += "; " + more
			}
		}
		s.entry(x.Kind, cited(drafts.Fact{Says: what, From: x.From, Mark: x.Mark}))
	}
}

// clients has their requests line by line; what follows a head is hexadecimal.
func (s *sheet) clients(all []drafts.Client) {
	if len(all) > 0 {
		s.heading("how its clients ask")
	}
	for _, c := range all {
		s.entry(c.Name, cited(drafts.Fact{Says: c.Who + "; " + c.Says, From: c.From, Mark: c.Mark}))
		for _, line := range c.Lines {
			fmt.Fprintln(s, "      "+strings.TrimRight(line, " ")) // a field may be empty
		}
		if c.Tail != "" {
			fmt.Fprintf(s, "\n      %s\n", c.Tail)
		}
	}
}

func (s *sheet) later(a *drafts.Account) {
	if a.Later != nil {
		s.heading("what came after")
	}
	for _, c := range a.Later {
		s.changes(c, len(a.Later) > 1)
	}
	if a.Packed != nil {
		s.heading("a compressed frame")
		fmt.Fprintf(s, "The vector %s (%s)\n%s", a.Packed.Vector, a.Packed.Section, a.Packed.Text())
	}
}

// draftDiff is "drafts diff" as JSON.
type draftDiff struct {
	From    string          `json:"from"`
	To      string          `json:"to"`
	Changes []drafts.Change `json:"changes"`
	Frames  []sameMessage   `json:"frames,omitempty"`
}

// sameMessage is the first frame of a client in the example of a version.
type sameMessage struct {
	Version wire.Version `json:"version"`
	Vector  string       `json:"vector"`
	Frame   drafts.Move  `json:"frame"`
}

func diffDrafts(w io.Writer, a, b string, o draftsOptions) error {
	changes, err := drafts.Diff(a, b)
	if err != nil {
		return usagef("%w", err)
	}
	d := draftDiff{From: a, To: b, Changes: changes}
	if d.Frames, err = framesOf(a, b); err != nil {
		return err
	}
	if o.json {
		return writeJSON(w, d)
	}
	var s sheet
	fmt.Fprintf(&s, "%s and %s: %s\n", a, b, counted(int64(len(changes)), "rule differs", "rules differ"))
	for _, c := range changes {
		fmt.Fprintf(&s, "\n%s: %s\n", c.Rule, c.Title)
		s.side(a, c.From)
		s.side(b, c.To)
	}
	for i, f := range d.Frames {
		if i == 0 {
			s.heading("a message of a client")
		}
		fmt.Fprintf(&s, "%s (%s)\n%s", f.Version, f.Vector, moveText(f.Frame))
	}
	_, err = io.WriteString(w, s.String())
	return err
}

func (s *sheet) side(name string, step *drafts.Step) {
	if step == nil {
		s.entry(name, "not known, or not there")
		return
	}
	s.entry(name, cited(step.Fact))
}

// framesOf are the first frames of clients of two drafts, if they differ.
func framesOf(a, b string) (frames []sameMessage, err error) {
	for _, name := range []string{a, b} {
		v, _, err := drafts.Find(name)
		if err != nil {
			return nil, err
		}
		e, err := drafts.NewExchange(v)
		if err != nil {
			return nil, err
		}
		for _, m := range e.Moves {
			if m.Kind == drafts.MoveFrame {
				frames = append(frames, sameMessage{Version: v, Vector: e.Vector, Frame: m})
				break
			}
		}
	}
	if frames[0].Version == frames[1].Version {
		return nil, nil
	}
	return frames, nil
}

func moveText(m drafts.Move) string {
	return drafts.Exchange{Moves: []drafts.Move{m}}.Text()
}

// foundRules is "drafts rule" as JSON.
type foundRules struct {
	Words   string          `json:"words"`
	Rules   []drafts.Match  `json:"rules"`
	Vectors []drafts.Vector `json:"vectors,omitempty"` // whose comments have the words
	Total   int             `json:"vectors_total"`
}

// mostVectors is how many vectors are shown that only their comment has found.
const mostVectors = 8

func findRules(w io.Writer, words string, o draftsOptions) error {
	found := foundRules{Words: words}
	var err error
	if found.Rules, err = drafts.Search(words); err != nil {
		return err
	}
	if !drafts.IsRule(words) {
		if found.Vectors, found.Total, err = drafts.SearchVectors(words, mostVectors); err != nil {
			return err
		}
	}
	switch {
	case len(found.Rules)+found.Total == 0:
		return exitf(exitFailure, "no rule and no vector has the words %q; 'draftwire drafts rule' lists the rules", words)
	case o.json:
		return writeJSON(w, found)
	case words == "":
		return inColumns(w, "RULE\tPART\tWHAT IT DECIDES", func(row func(...string)) {
			for _, m := range found.Rules {
				row(m.Name, m.Part, m.Title)
			}
		})
	}
	var s sheet
	for i, m := range found.Rules {
		if i > 0 {
			s.WriteByte('\n')
		}
		s.rule(m, o.long)
	}
	s.vectors(found, len(found.Rules) > 0)
	_, err = io.WriteString(w, s.String())
	return err
}

// rule writes a rule through all drafts.
func (s *sheet) rule(m drafts.Match, long bool) {
	fmt.Fprintf(s, "%s: %s (%s)\n", m.Name, m.Title, m.Part)
	for _, step := range m.Steps {
		s.entry(step.Since, cited(step.Fact))
	}
	for _, code := range m.Codes {
		s.tested(code, m.Tests, long)
	}
	for _, r := range m.Refused {
		s.entry("~ refused", fmt.Sprintf("%d %s: %s", r.Status, r.Reason, r.Rule))
	}
}

// tested says where the vectors have a code of a rule.
func (s *sheet) tested(code string, tests []drafts.Tested, long bool) {
	var sections, ids []string
	for _, t := range tests {
		if t.Code == code {
			sections, ids = append(sections, t.Sections...), append(ids, t.Vectors...)
		}
	}
	if ids == nil {
		return
	}
	slices.Sort(sections)
	shown := ids
	if !long {
		shown = ids[:1]
	}
	s.entry("~ tested", fmt.Sprintf("%s: %s; %s, as %s", code, strings.Join(slices.Compact(sections), ", "),
		counted(int64(len(ids)), "vector", "vectors"), strings.Join(shown, ", ")))
}

func (s *sheet) vectors(found foundRules, behind bool) {
	if found.Total == 0 {
		return
	}
	if behind {
		s.WriteByte('\n')
	}
	fmt.Fprintf(s, "%s with these words\n", counted(int64(found.Total), "vector", "vectors"))
	for _, v := range found.Vectors {
		s.entry(v.ID, fmt.Sprintf("%s, %s: %s", v.Section, v.Result, v.Comment))
	}
	if more := found.Total - len(found.Vectors); more > 0 {
		fmt.Fprintf(s, "  and %d more\n", more)
	}
}
