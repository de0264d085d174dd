package drafts

import (
	"slices"
	"strings"

	"github.com/draftwire/draftwire/wire"
)

// Account is all that is known of a document, or of a version.
type Account struct {
	Name      string       `json:"name"`
	Version   wire.Version `json:"version"`
	Documents []Document   `json:"documents"` // those of the version, or the one that was asked for
	Exhibit   Exhibit      `json:"exhibit"`
	Changed   []Changes    `json:"changed"` // what each document changed
	Rules     []Held       `json:"rules"`   // those that hold, in the last of the documents
	Drawings  []Drawing    `json:"drawings"`
	Exchange  *Exchange    `json:"exchange,omitempty"`
	Later     []Changes    `json:"later,omitempty"`      // what RFCs added to it since
	Packed    *Exchange    `json:"compressed,omitempty"` // a frame that is compressed
	Clients   []Client     `json:"clients,omitempty"`    // how its clients ask
	Sources   []Source     `json:"sources"`              // what is cited in it, but the documents
}

// Changes are what a document changed, and what else there is to say of it.
type Changes struct {
	Document string   `json:"document"`
	Changes  []Change `json:"changes"`
	Notes    []Fact   `json:"notes,omitempty"`
}

// Held is a rule as it holds in a document.
type Held struct {
	Rule  string `json:"rule"`
	Part  string `json:"part"`
	Title string `json:"title"`
	Step
}

// Show returns the account of a document or version, by any name that Find takes.
func Show(name string) (*Account, error) {
	v, d, err := Find(name)
	if err != nil {
		return nil, err
	}
	a := &Account{Name: v.String(), Version: v, Exhibit: ExhibitOf(v), Drawings: Drawings(v), Clients: Clients(v)}
	if d != nil {
		a.Name, a.Documents = d.Name, []Document{*d}
	} else {
		for _, d := range documentsOf(v) {
			a.Documents = append(a.Documents, *d)
		}
	}
	for _, d := range a.Documents {
		a.Changed = append(a.Changed, Changes{d.Name, Changed(d.Name), d.Notes})
	}
	last := a.Documents[len(a.Documents)-1].Name
	for _, r := range Rules() {
		if s, ok := r.In(last); ok {
			a.Rules = append(a.Rules, Held{r.Name, r.Part, r.Title, s})
		}
	}
	if d == nil || !d.Extends { // the vectors have no HTTP/2
		if a.Exchange, err = NewExchange(v); err != nil {
			return nil, err
		}
	}
	if err := a.addLater(d); err != nil {
		return nil, err
	}
	a.Sources = a.cited()
	return a, nil
}

// addLater adds the RFCs that extend the version, and an example of compression; where one of
// them was asked for it is there already.
func (a *Account) addLater(asked *Document) (err error) {
	for _, d := range documents {
		if d.Version == a.Version && d.Extends && asked == nil {
			a.Later = append(a.Later, Changes{d.Name, Changed(d.Name), d.Notes})
		}
	}
	if a.Later != nil || asked != nil && asked.Name == "RFC 7692" {
		a.Packed, err = NewCompressed()
	}
	return err
}

// facts are all facts of the account.
func (a *Account) facts() (all []Fact) {
	for _, c := range slices.Concat(a.Changed, a.Later) {
		all = append(all, c.Notes...)
		for _, x := range c.Changes {
			all = append(all, x.To.Fact)
		}
	}
	for _, h := range a.Rules {
		all = append(all, h.Fact)
	}
	for _, s := range a.Exhibit.Shipped {
		all = append(all, s.Fact)
	}
	for _, c := range a.Clients {
		all = append(all, c.Fact, c.Sending.Closing)
	}
	all = append(all, a.Exhibit.Wrong...)
	for _, d := range a.Documents {
		all = append(all, Fact{From: d.DateFrom})
	}
	return all
}

// cited are the sources of the account, in the order of the table.
func (a *Account) cited() (out []Source) {
	facts := a.facts()
	for _, s := range sources {
		if slices.ContainsFunc(facts, func(f Fact) bool {
			return slices.ContainsFunc(f.From, func(c string) bool { return citesSource(c, s.Key) })
		}) {
			out = append(out, s)
		}
	}
	return out
}

func citesSource(citation, key string) bool {
	return citation == key || strings.HasPrefix(citation, key+" ")
}
