package hostile_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire/hostile"
)

var versions = []string{"hixie-75", "hixie-76", "hybi-02", "hybi-04", "hybi-05", "hybi-06", "hybi-07", "hybi-08", "rfc6455"}

func all(t *testing.T) []hostile.Case {
	t.Helper()
	cases, err := hostile.All()
	if err != nil {
		t.Fatal(err)
	}
	return cases
}

func TestFilesSayWhatTheyAre(t *testing.T) {
	for _, side := range hostile.Sides {
		f, err := hostile.Load(side)
		if err != nil {
			t.Fatal(err)
		}
		if f.Side != side || f.License != "0BSD" || f.Format != hostile.Format {
			t.Errorf("%s: side %q, licence %q, format %q", side, f.Side, f.License, f.Format)
		}
	}
	if _, err := hostile.Load("middle"); err == nil {
		t.Error("there is a side that is none")
	}
}

func TestIDsAreUniqueAndSayWhatACaseIs(t *testing.T) {
	form := regexp.MustCompile(`^(server|client|front|behind|pages)/([a-z0-9]+)(/[a-z0-9][a-z0-9.-]*)+$`)
	seen := map[string]bool{}
	for _, side := range hostile.Sides {
		f, err := hostile.Load(side)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range f.Cases {
			m := form.FindStringSubmatch(c.ID)
			if m == nil || m[1] != side || m[2] != c.Kind {
				t.Errorf("%s: not SIDE/KIND/WHAT of side %s, kind %s", c.ID, side, c.Kind)
			}
			if seen[c.ID] {
				t.Errorf("%s: stands twice", c.ID)
			}
			seen[c.ID] = true
			last := c.ID[strings.LastIndexByte(c.ID, '/')+1:]
			if slices.Contains(versions, last) && last != c.Version {
				t.Errorf("%s: has the version %q", c.ID, c.Version)
			}
		}
	}
}

func TestCasesUseTheWordsOfTheContract(t *testing.T) {
	hole := regexp.MustCompile(`^(CVE-\d{4}-\d{4,}|GHSA(-[a-z0-9]{4}){3}|GO-\d{4}-\d+|PYSEC-\d{4}-\d+)$`)
	outcomes := []string{hostile.Refused, hostile.Failed, hostile.Ended, hostile.Served, hostile.Any}
	for _, c := range all(t) {
		if !slices.Contains(hostile.Kinds, c.Kind) {
			t.Errorf("%s: the kind %q", c.ID, c.Kind)
		}
		if c.Version != "" && !slices.Contains(versions, c.Version) {
			t.Errorf("%s: the version %q", c.ID, c.Version)
		}
		if c.Comment == "" {
			t.Errorf("%s: no comment", c.ID)
		}
		for _, n := range c.Needs {
			if !slices.Contains(hostile.Needs, n) {
				t.Errorf("%s: needs %q", c.ID, n)
			}
		}
		for _, h := range c.Holes {
			if !hole.MatchString(h) {
				t.Errorf("%s: the hole %q", c.ID, h)
			}
		}
		if !slices.Contains([]string{"", "reset", "end"}, c.Cut) {
			t.Errorf("%s: the cut %q", c.ID, c.Cut)
		}
		if len(c.ALPN) > 0 && !c.TLS || c.TLS && !slices.Contains(c.Needs, "tls") {
			t.Errorf("%s: TLS without its need", c.ID)
		}
		if len(c.Verdict.Outcomes) == 0 {
			t.Errorf("%s: no outcome", c.ID)
		}
		for _, o := range c.Verdict.Outcomes {
			if !slices.Contains(outcomes, o) {
				t.Errorf("%s: the outcome %q", c.ID, o)
			}
		}
	}
}

// TestStepsFitTheirBudget: a target that does nothing for as long as the steps wait is told
// from one that is late.
func TestStepsFitTheirBudget(t *testing.T) {
	for _, c := range all(t) {
		var waits hostile.Duration
		for _, s := range c.Steps {
			waits += s.For + s.Most
		}
		may := slices.Contains(c.Verdict.Outcomes, hostile.Any) && c.Rounds <= 1 || c.Budget.Time == 0
		if least := waits + hostile.Duration(time.Second); may && c.Budget.WithDefaults().Time < least {
			t.Errorf("%s: a budget of %v for steps that wait for %v", c.ID, time.Duration(c.Budget.WithDefaults().Time), time.Duration(waits))
		}
	}
}

func TestVerdictsFitTheirSides(t *testing.T) {
	for _, c := range all(t) {
		v := c.Verdict
		proxy := strings.HasPrefix(c.ID, hostile.Front+"/") || strings.HasPrefix(c.ID, hostile.Behind+"/") || strings.HasPrefix(c.ID, hostile.Pages+"/")
		if v.Beyond != nil && !proxy {
			t.Errorf("%s: looks beyond what is no proxy", c.ID)
		}
		if len(v.Status) > 0 && !slices.Contains(v.Outcomes, hostile.Refused) || len(v.Codes) > 0 && !slices.Contains(v.Outcomes, hostile.Failed) {
			t.Errorf("%s: a status or a code without its outcome", c.ID)
		}
		texts := slices.Clone(v.Never)
		if v.Beyond != nil {
			texts = append(texts, v.Beyond.Never...)
		}
		for _, text := range texts {
			checkText(t, c.ID, text)
			if text == "" {
				t.Errorf("%s: what must not come is empty", c.ID)
			}
		}
		b := c.Budget
		if b.Time < 0 || b.Memory < 0 || b.CPU < 0 || b.Probe < 0 || b.Recover < 0 || b.LogLines < 0 || c.Clients < 0 || c.PerSecond < 0 || c.Rounds < 0 {
			t.Errorf("%s: a number below 0", c.ID)
		}
	}
}

var names = regexp.MustCompile(`\{[a-z]+\}`)

// checkText looks whether a text is Latin-1 and names what the player knows.
func checkText(t *testing.T, id, text string) {
	t.Helper()
	for _, r := range text {
		if r > 0xFF {
			t.Errorf("%s: %q is not Latin-1", id, text)
		}
	}
	ours := []string{"{host}", "{port}", "{accept}", "{digest}", "{origin}", "{location}", "{protocol}"}
	for _, n := range names.FindAllString(text, -1) {
		if asServer := !strings.HasPrefix(id, hostile.Server) && !strings.HasPrefix(id, hostile.Front) && !strings.HasPrefix(id, hostile.Pages); slices.Index(ours, n) > 1 && !asServer {
			t.Errorf("%s: %s, which a client does not know", id, n)
		}
	}
}

func TestStepsAreWhole(t *testing.T) {
	for _, c := range all(t) {
		if len(c.Steps) == 0 {
			t.Errorf("%s: no steps", c.ID)
		}
		for i, s := range c.Steps {
			checkStep(t, &c, i, s)
		}
	}
}

func checkStep(t *testing.T, c *hostile.Case, i int, s hostile.Step) {
	t.Helper()
	where := fmt.Sprintf("%s: step %d, %s,", c.ID, i, s.Do)
	if !slices.Contains([]string{hostile.Open, hostile.Send, hostile.Expect, hostile.Wait, hostile.Hold, hostile.End, hostile.Reset}, s.Do) {
		t.Errorf("%s is unknown", where)
	}
	is := func(do ...string) bool { return slices.Contains(do, s.Do) }
	if s.Fields != "" && !is(hostile.Open) || s.Fields != "" && !strings.HasSuffix(s.Fields, "\r\n") {
		t.Errorf("%s has fields that are none: %q", where, s.Fields)
	}
	if is(hostile.Open) && c.Version == "" {
		t.Errorf("%s has no version", where)
	}
	if is(hostile.Send) != (len(s.Parts) > 0) || !is(hostile.Send) && (s.Times != 0 || s.Piece != 0 || s.Pause != 0 || s.Most != 0 || s.Stuck != 0) {
		t.Errorf("%s sends something or has no parts", where)
	}
	if is(hostile.Expect) != (s.Text != "" || len(s.Hex) > 0) || s.Text != "" && len(s.Hex) > 0 {
		t.Errorf("%s expects not one thing", where)
	}
	if is(hostile.Wait, hostile.Hold) != (s.For > 0) {
		t.Errorf("%s lasts %v", where, time.Duration(s.For))
	}
	if s.Times < 0 || s.Piece < 0 || s.Pause < 0 || s.Most < 0 || s.Stuck < 0 {
		t.Errorf("%s has a number below 0", where)
	}
	checkText(t, c.ID, s.Text)
	checkText(t, c.ID, s.Fields)
	for _, p := range s.Parts {
		checkText(t, c.ID, p.Text)
		if (p.Text == "") == (len(p.Hex) == 0) || p.Times < 0 {
			t.Errorf("%s has a part that is not one of text and hex", where)
		}
		if p.Mask && c.Version != "hybi-04" {
			t.Errorf("%s masks what is not hybi-04", where)
		}
	}
}

// TestShortCasesAreShort: what a case does by itself takes no more than the two seconds
// that Case.Slow speaks of.
func TestShortCasesAreShort(t *testing.T) {
	for _, c := range all(t) {
		var least time.Duration
		for _, s := range c.Steps {
			if s.Do == hostile.Wait {
				least += time.Duration(s.For)
			}
		}
		if least *= time.Duration(max(c.Rounds, 1)); least > 2*time.Second && !c.Slow {
			t.Errorf("%s waits %v and is not slow", c.ID, least)
		}
	}
}

// TestReadmeCounts holds the numbers of README.md against the files.
func TestReadmeCounts(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme := string(text)
	total, holes := 0, map[string]bool{}
	for _, side := range hostile.Sides {
		f, err := hostile.Load(side)
		if err != nil {
			t.Fatal(err)
		}
		total += len(f.Cases)
		for _, c := range f.Cases {
			for _, h := range c.Holes {
				holes[h] = true
			}
		}
		if want := fmt.Sprintf("| %d |", len(f.Cases)); !regexp.MustCompile("(?m)^\\| `" + side + "\\.json` .*" + regexp.QuoteMeta(want) + "$").MatchString(readme) {
			t.Errorf("README.md's row of %s.json does not end with %q", side, want)
		}
	}
	if want := fmt.Sprintf("%d attacks", total); !strings.Contains(readme, want) {
		t.Errorf("README.md does not say %q", want)
	}
	if want := fmt.Sprintf("%d published holes", len(holes)); !strings.Contains(readme, want) {
		t.Errorf("README.md does not say %q", want)
	}
	for _, word := range slices.Concat(hostile.Kinds, hostile.Needs) {
		if !strings.Contains(readme, "`"+word+"`") {
			t.Errorf("README.md does not explain `%s`", word)
		}
	}
}

func TestBudgetsHaveDefaults(t *testing.T) {
	got := hostile.Budget{Memory: 1}.WithDefaults()
	want := hostile.Budget{Time: hostile.DefaultTime, Memory: 1, CPU: hostile.DefaultCPU, Probe: hostile.DefaultProbe,
		Recover: hostile.DefaultRecover, LogLines: hostile.DefaultLogLines}
	if got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// TestCasesSurviveJSON: what was read is written as it was.
func TestCasesSurviveJSON(t *testing.T) {
	for _, c := range all(t) {
		first, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		var again hostile.Case
		if err := json.Unmarshal(first, &again); err != nil {
			t.Fatalf("%s: %v", c.ID, err)
		}
		second, err := json.Marshal(again)
		if err != nil || string(first) != string(second) {
			t.Errorf("%s is not the same when it was read again: %v", c.ID, err)
		}
	}
}

// TestExportedTypesHaveExamples that run.
func TestExportedTypesHaveExamples(t *testing.T) {
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range []string{"hostile.go", "example_test.go"} {
		f, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	p, err := doc.NewFromFiles(fset, files, "github.com/draftwire/draftwire/hostile")
	if err != nil {
		t.Fatal(err)
	}
	for _, typ := range p.Types {
		if !slices.ContainsFunc(typ.Examples, func(e *doc.Example) bool { return e.Output != "" }) {
			t.Errorf("no example of %s that runs", typ.Name)
		}
	}
}
