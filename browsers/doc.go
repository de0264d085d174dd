// Package browsers says whether a browser would open a connection: of the bytes of a request
// and of the answer to it, what Safari 5, iOS 4 and 5, QtWebKit, PhantomJS, Chrome, Firefox and
// Internet Explorer 10 would make, and which of their comparisons fails first.
//
// A document says what a client has to check; each browser checked something else, and that
// decides whether a page gets its connection. WebKit of 2011 fails on a field without a value,
// wants Connection to be "Upgrade" and nothing else, and compares the Location of hixie-76 with
// its own URL, letter by letter. Each comparison here names the source file and the function in
// which it was read, and has a mark that says how sure it is. The browsers that can be run are
// run: test/browsers plays 360 answers to each, most of them wrong, and what they do is what is
// said here.
package browsers

import (
	"fmt"
	"strconv"
)

// Exchange is what went over the wire until a connection was open, or was not.
type Exchange struct {
	// Request is the head of a request, and in hixie-76 the eight bytes behind it. Whoever has
	// sent it, its values are what the answer is compared with.
	Request []byte
	// Response is all that the server has sent, to the end of its handshake at least.
	Response []byte
	Secure   bool // the client's URL was wss
	Ended    bool // the server's stream ended at once behind Response
}

// Outcome is what a browser makes of an answer.
type Outcome uint8

// The outcomes.
const (
	Opens Outcome = iota
	Fails
	Waits // for bytes that it lacks, until the stream ends
)

var outcomeNames = [...]string{"opens", "fails", "waits"}

// String returns the outcome in lower case.
func (o Outcome) String() string { return nameOf(outcomeNames[:], int(o)) }

// MarshalText writes the outcome's name.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText reads an outcome's name.
func (o *Outcome) UnmarshalText(p []byte) error {
	i, err := indexOf(outcomeNames[:], string(p), "outcome")
	*o = Outcome(i)
	return err
}

// Mark says how well a comparison is known.
type Mark uint8

// The marks, best known first.
const (
	// Run: the browser was run, and does so.
	Run Mark = iota
	// Read: its source was read, of that version or of one that its authors made at the time.
	Read
	// Told: somebody reports it.
	Told
	// Guess: what the document says, or what the versions before and behind it do.
	Guess
)

var markNames = [...]string{"run", "read", "told", "guess"}

// String returns the mark in lower case.
func (m Mark) String() string { return nameOf(markNames[:], int(m)) }

// MarshalText writes the mark's name.
func (m Mark) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads a mark's name.
func (m *Mark) UnmarshalText(p []byte) error {
	i, err := indexOf(markNames[:], string(p), "mark")
	*m = Mark(i)
	return err
}

// Meaning returns what the mark says, in a sentence.
func (m Mark) Meaning() string {
	switch m {
	case Run:
		return "the browser was run, and does so"
	case Read:
		return "its source was read"
	case Told:
		return "somebody reports it"
	case Guess:
		return "taken from the document, or from other versions of the browser"
	}
	return ""
}

func nameOf(names []string, i int) string {
	if i < len(names) {
		return names[i]
	}
	return "invalid"
}

func indexOf(names []string, name, what string) (int, error) {
	for i, n := range names {
		if n == name {
			return i, nil
		}
	}
	return 0, fmt.Errorf("browsers: unknown %s %q", what, name)
}

// Verdict is what a browser makes of an exchange.
type Verdict struct {
	Browser string  `json:"browser"`
	Outcome Outcome `json:"outcome"`
	// Rule is the name of the comparison that fails first, or of what is waited for; "" where
	// the connection opens. Rules has them all.
	Rule string `json:"rule,omitempty"`
	Says string `json:"says,omitempty"` // what is compared, and with what it ends
	// Field is the field that the comparison is about; "" where it is about another part.
	Field string `json:"field,omitempty"`
	Want  string `json:"want,omitempty"` // what the comparison wants; "" where that is no single text
	Got   string `json:"got,omitempty"`  // what came
	// Message is what the browser writes to its console; "" where it writes nothing, or where
	// that is not known.
	Message string   `json:"message,omitempty"`
	From    []string `json:"from,omitempty"` // where the comparison stands: a source file and its function, or a document's section
	Mark    Mark     `json:"mark"`
}

// String returns the verdict as a sentence without its end.
func (v Verdict) String() string {
	if v.Outcome == Opens {
		return v.Browser + " opens the connection"
	}
	s := v.Browser + " " + v.Outcome.String() + ": " + v.Says
	if v.Want != "" {
		s += ": " + strconv.Quote(v.Want) + " is wanted"
	}
	if v.Got != "" || v.Want != "" && v.Outcome == Fails {
		s += ", " + strconv.Quote(v.Got) + " came"
	}
	return s
}
