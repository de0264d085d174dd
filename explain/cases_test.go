package explain

import (
	"encoding/json"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/draftwire/draftwire/browsers"
	"github.com/draftwire/draftwire/inspect/capture"
)

// labelled is a failure of testdata/cases.json: what bytes passed, or what a browser or the log
// said, and which cause the people in the thread have found. Names, hosts and addresses are not
// theirs; where no thread is named, it is made after what such programs are known to send, or captured.
type labelled struct {
	Name    string   `json:"name"`
	From    []string `json:"from"` // threads, as owner/repository#number
	What    string   `json:"what"`
	As      string   `json:"as"`
	Secure  bool     `json:"secure"`
	Steps   []step   `json:"steps"`
	Message string   `json:"message"`
	Result  Result   `json:"result"` // "": Fails
	Cause   string   `json:"cause"`
	Culprit Culprit  `json:"culprit"` // "" where the thread does not tell
	Later   bool     `json:"later"`   // was written when the program was whole; 43 of 54 were right then
}

// step is something that one side does.
type step struct {
	From  string  `json:"from"`
	At    float64 `json:"at"`    // seconds
	Bytes string  `json:"bytes"` // one character for each, as in Latin-1
	End   string  `json:"end"`   // fin or rst
}

// readCases reads testdata/cases.json.
func readCases(t testing.TB) (cases []labelled) {
	t.Helper()
	p, err := os.ReadFile("testdata/cases.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(p, &cases); err != nil {
		t.Fatal(err)
	}
	return cases
}

// bytesOf are the bytes of a text in Latin-1.
func bytesOf(s string) (p []byte) {
	for _, r := range s {
		p = append(p, byte(r))
	}
	return p
}

// play plays steps to an Explainer.
func play(o Options, steps []step) (x *Explanation) {
	e := New(o, func(got *Explanation) { x = got })
	s := e.Open(capture.Conn{Number: 1, Client: netip.MustParseAddrPort("192.0.2.1:40000"), Server: netip.MustParseAddrPort("192.0.2.2:80")})
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var offset [2]int64
	at := start
	for _, st := range steps {
		from := capture.FromClient
		if st.From == "server" {
			from = capture.FromServer
		}
		at = start.Add(time.Duration(st.At * float64(time.Second)))
		switch st.End {
		case "fin":
			s.End(at, from, capture.Fin)
		case "rst":
			s.End(at, from, capture.Reset)
		default:
			p := bytesOf(st.Bytes)
			s.Data(at, from, offset[from], p)
			offset[from] += int64(len(p))
		}
	}
	s.End(at, capture.FromClient, capture.Cut)
	s.End(at, capture.FromServer, capture.Cut)
	return x
}

// explainCase explains a labelled failure.
func explainCase(t testing.TB, c *labelled) *Explanation {
	t.Helper()
	o := Options{Secure: c.Secure}
	if c.As != "" {
		b, err := browsers.Find(c.As)
		if err != nil {
			t.Fatal(err)
		}
		o.As = &b
	}
	if c.Message != "" {
		x, ok := Message(c.Message)
		if !ok {
			return &Explanation{Result: Unclear}
		}
		return x
	}
	return play(o, c.Steps)
}

// TestCases holds the causes that are found against those that people have found in public: right
// in nine of ten at least, and never wrong where the explanation is certain.
func TestCases(t *testing.T) {
	cases := readCases(t)
	var fails, threads, right, culprits, rightCulprits int
	for i := range cases {
		c := &cases[i]
		x := explainCase(t, c)
		want := c.Result
		if want == "" {
			want = Fails
			fails++
			if len(c.From) > 0 {
				threads++
			}
		}
		good := x.Result == want && x.Cause == c.Cause
		if good && want == Fails {
			right++
		}
		if !good {
			t.Logf("%s: got %s %s (%s) %s, want %s %s", c.Name, x.Result, x.Cause, x.Sure, x.Says, want, c.Cause)
			if want == Works {
				t.Errorf("%s works, and is said to fail", c.Name)
			}
			if x.Result == Fails && x.Sure == Certain {
				t.Errorf("%s: certain, and wrong", c.Name)
			}
		}
		if c.Culprit != "" && good {
			culprits++
			if x.Culprit == c.Culprit {
				rightCulprits++
			} else if x.CulpritSure == Certain {
				t.Errorf("%s: the culprit is certainly %s, and was %s", c.Name, x.Culprit, c.Culprit)
			} else {
				t.Logf("%s: the culprit is %s, and was %s", c.Name, x.Culprit, c.Culprit)
			}
		}
	}
	t.Logf("%d of %d right, %d of %d culprits", right, fails, rightCulprits, culprits)
	if threads < 80 {
		t.Errorf("%d are from public threads; at least 80 have to be", threads)
	}
	if right*10 < fails*9 {
		t.Errorf("%d of %d are right, which is less than nine of ten", right, fails)
	}
	if rightCulprits*10 < culprits*9 {
		t.Errorf("%d of %d culprits are right, which is less than nine of ten", rightCulprits, culprits)
	}
}
