package drafts

import (
	"slices"
	"strings"

	"github.com/draftwire/draftwire/wire"
)

// Match is a rule that a search has found.
type Match struct {
	Rule
	Tests   []Tested  `json:"tests,omitempty"`   // how the vectors test it, by version
	Refused []Refusal `json:"refused,omitempty"` // what a server of this program answers to what breaks it
}

// Refusal is a reason of a refusal, from the table of package wire.
type Refusal struct {
	Reason wire.Reason `json:"reason"`
	Status int         `json:"status,omitempty"`
	Rule   string      `json:"rule"`
	Cure   string      `json:"cure,omitempty"`
}

// Vector is a vector that a search has found by its comment.
type Vector struct {
	ID      string `json:"id"`
	Section string `json:"section"`
	Comment string `json:"comment"`
	Result  string `json:"result"`
}

// Search finds rules by words, over all their forms: each word stands somewhere in the rule,
// in any case, as a whole word or the beginning of one; a number, as "5.4", in a section that it
// cites. Rules that have all words in their name or title come first. The name of a rule finds
// that one alone, and no words find every rule.
func Search(text string) ([]Match, error) {
	words := strings.Fields(strings.ToLower(text))
	var first, then []Match
	for _, r := range Rules() {
		if named := IsRule(text); named && r.Name != text || !named && !contains(r.text(), words) {
			continue
		}
		m := Match{Rule: r}
		var err error
		if m.Tests, err = r.Tests(); err != nil {
			return nil, err
		}
		for _, i := range wire.Reasons() {
			if slices.Contains(r.Codes, string(i.Reason)) && i.Status > 0 {
				m.Refused = append(m.Refused, Refusal{i.Reason, i.Status, i.Rule, i.Cure})
			}
		}
		if contains(r.Name+" "+r.Title, words) {
			first = append(first, m)
		} else {
			then = append(then, m)
		}
	}
	return append(first, then...), nil
}

// IsRule reports whether there is a rule of that name.
func IsRule(name string) bool {
	return slices.ContainsFunc(Rules(), func(r Rule) bool { return r.Name == name })
}

// SearchVectors finds vectors by the words of their comments, ids and sections. The first most
// are returned, and the number of all.
func SearchVectors(text string, most int) (found []Vector, n int, err error) {
	words := strings.Fields(strings.ToLower(text))
	if len(words) == 0 {
		return nil, 0, nil
	}
	files, err := corpus()
	if err != nil {
		return nil, 0, err
	}
	for _, f := range files {
		for _, v := range f.Vectors {
			if !contains(v.ID+" "+v.Section+" "+v.Comment+" "+codeOf(&v), words) {
				continue
			}
			if n++; n <= most {
				found = append(found, Vector{v.ID, v.Section, v.Comment, v.Result})
			}
		}
	}
	return found, n, nil
}

// text is all in which a rule is searched.
func (r *Rule) text() string {
	b := strings.Join(append([]string{r.Name, r.Title, r.Words, r.Part}, r.Codes...), " ")
	for _, s := range r.Steps {
		b += " " + s.Since + " " + s.Says + " " + strings.Join(s.From, " ")
	}
	return b
}

// contains reports whether each word begins a word of the text.
func contains(text string, words []string) bool {
	text = strings.ToLower(text)
	return !slices.ContainsFunc(words, func(w string) bool { return !begins(text, w) })
}

func begins(text, word string) bool {
	for at := 0; ; {
		i := strings.Index(text[at:], word)
		if i < 0 {
			return false
		}
		at += i
		if at == 0 || !isWord(text[at-1]) {
			return true
		}
		at++
	}
}

func isWord(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '.' || c >= 0x80
}
