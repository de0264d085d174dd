package drafts

import (
	"cmp"
	"slices"
	"sync"

	"github.com/draftwire/draftwire/vectors"
	"github.com/draftwire/draftwire/wire"
)

// Rule is one thing that the documents decide, with each form that it had.
type Rule struct {
	Name  string `json:"name"`
	Part  string `json:"part"` // "handshake", "frames" or "closing"
	Title string `json:"title"`
	// Words are other words for it, by which it is found too.
	Words string `json:"words,omitempty"`
	// Codes are the errors of the vectors, and the reasons of refusals, of what breaks it.
	Codes []string `json:"codes,omitempty"`
	Steps []Step   `json:"steps"` // its forms, oldest first
}

// Step is a form of a rule: what a document says that the one before it did not.
type Step struct {
	Since string `json:"since"`         // the document in which it began
	New   string `json:"new,omitempty"` // what is new in it, where that is not all
	// Restates: nothing was found that it changes. It is there because its document was read, or
	// to say that nothing was found.
	Restates bool `json:"restates,omitempty"`
	Fact
}

// News is what is new in a step.
func (s Step) News() string { return cmp.Or(s.New, s.Says) }

// Rules returns all rules, in the order of a connection.
func Rules() []Rule {
	return slices.Concat(handshakeRules, frameRules, closingRules)
}

// changedIn are the documents in which the rule changed.
func (r *Rule) changedIn() (names []string) {
	for _, s := range r.Steps {
		if !s.Restates {
			names = append(names, s.Since)
		}
	}
	return names
}

// In returns the form that a rule has in a document; ok is false where it has none yet, or none
// that is known. A document that extends another has that one's rules and its own.
func (r *Rule) In(document string) (s Step, ok bool) {
	at := order(document)
	for _, step := range r.Steps {
		d := order(step.Since)
		if d < 0 || d > at || documents[d].Extends && d != at {
			continue
		}
		s, ok = step, true
	}
	return s, ok
}

// Changed returns what a document changed: the forms that began in it, each with its rule and
// with the form before it.
func Changed(document string) (out []Change) {
	for _, r := range Rules() {
		for i, s := range r.Steps {
			if s.Since != document || s.Restates {
				continue
			}
			c := Change{Rule: r.Name, Title: r.Title, To: &s}
			if i > 0 {
				c.From = &r.Steps[i-1]
			}
			out = append(out, c)
		}
	}
	return out
}

// Change is a rule that differs between two documents.
type Change struct {
	Rule  string `json:"rule"`
	Title string `json:"title"`
	From  *Step  `json:"from,omitempty"` // nil where the rule has no form that is known
	To    *Step  `json:"to,omitempty"`
}

// Diff returns the rules that differ between two documents, or versions: between the last
// documents of these.
func Diff(a, b string) ([]Change, error) {
	from, err := lastOf(a)
	if err != nil {
		return nil, err
	}
	to, err := lastOf(b)
	if err != nil {
		return nil, err
	}
	var out []Change
	for _, r := range Rules() {
		x, hasX := r.In(from)
		y, hasY := r.In(to)
		if hasX == hasY && !r.changes(from, to) {
			continue
		}
		c := Change{Rule: r.Name, Title: r.Title}
		if hasX {
			c.From = &x
		}
		if hasY {
			c.To = &y
		}
		out = append(out, c)
	}
	return out, nil
}

// changes reports whether a step between two documents, in either order, is a change.
func (r *Rule) changes(a, b string) bool {
	if order(a) > order(b) {
		a, b = b, a
	}
	x, _ := r.In(a)
	y, _ := r.In(b)
	changed := false
	for _, s := range r.Steps {
		after := order(s.Since) > order(x.Since) && order(s.Since) <= order(y.Since)
		changed = changed || after && !s.Restates
	}
	return changed
}

// lastOf is the document of that name, or the last one of the version of that name.
func lastOf(name string) (string, error) {
	v, d, err := Find(name)
	switch {
	case err != nil:
		return "", err
	case d != nil:
		return d.Name, nil
	}
	all := documentsOf(v)
	return all[len(all)-1].Name, nil
}

// Tested is how the vectors test a rule in one version.
type Tested struct {
	Version  wire.Version `json:"version"`
	Code     string       `json:"code"`     // the error, or the reason of the refusal
	Sections []string     `json:"sections"` // where the rule stands, as the vectors cite it
	Vectors  []string     `json:"vectors"`  // their ids
}

// Tests returns what the vectors have of the rule's codes, by version and code. Those of
// requests that belong to no version have the version Unknown.
func (r *Rule) Tests() ([]Tested, error) {
	files, err := corpus()
	if err != nil {
		return nil, err
	}
	var out []Tested
	for _, f := range files {
		for i := range f.Vectors {
			v := &f.Vectors[i]
			code := codeOf(v)
			if code == "" || !slices.Contains(r.Codes, code) {
				continue
			}
			out = addTest(out, versionOf(&f), code, v)
		}
	}
	return out, nil
}

// corpus is all vectors, which are parsed once. Nobody changes them.
var corpus = sync.OnceValues(vectors.All)

func addTest(all []Tested, version wire.Version, code string, v *vectors.Vector) []Tested {
	i := slices.IndexFunc(all, func(t Tested) bool { return t.Version == version && t.Code == code })
	if i < 0 {
		i = len(all)
		all = append(all, Tested{Version: version, Code: code})
	}
	t := &all[i]
	t.Vectors = append(t.Vectors, v.ID)
	if !slices.Contains(t.Sections, v.Section) {
		t.Sections = append(t.Sections, v.Section)
	}
	return all
}

// codeOf is the error of a vector, or the reason of its refusal.
func codeOf(v *vectors.Vector) string {
	switch v.Kind {
	case vectors.KindClose:
		return "" // there Reason is the text of a close
	case vectors.KindDetect, vectors.KindHandshake:
		return v.Reason
	}
	return v.Error
}

// versionOf is the version of a file of vectors. The files of extensions are those of RFC 6455.
func versionOf(f *vectors.File) wire.Version {
	if f.Version == "detect" {
		return wire.Unknown
	}
	if v, err := wire.ParseVersion(f.Version); err == nil {
		return v
	}
	return wire.RFC6455
}
