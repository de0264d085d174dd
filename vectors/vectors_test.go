package vectors_test

import (
	"encoding/base64"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/vectors"
	"github.com/draftwire/draftwire/vectors/internal/gen"
	"github.com/draftwire/draftwire/wire"
)

func all(t *testing.T) []vectors.File {
	t.Helper()
	fs, err := vectors.All()
	if err != nil {
		t.Fatal(err)
	}
	return fs
}

func TestFilesAreUpToDate(t *testing.T) {
	for i, f := range gen.Files() {
		want, err := gen.Encode(f)
		if err != nil {
			t.Fatal(err)
		}
		got, err := vectors.Raw(f.Version)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s.json is not up to date; run go run ./vectors/gen", f.Version)
		}
		if vectors.Names[i] != f.Version {
			t.Errorf("Names[%d] is %s, the generator has %s", i, vectors.Names[i], f.Version)
		}
	}
}

func TestIDsAreUnique(t *testing.T) {
	prefixes := map[string]string{"hixie-75": "h75", "hixie-76": "h76", "hybi-02": "hy02", "hybi-04": "hy04", "hybi-05": "hy05",
		"hybi-06": "hy06", "hybi-07": "hy07", "hybi-08": "hy08", "rfc6455": "rfc",
		"rfc7692": "pmd", "deflate-frame": "dff", "detect": "any"}
	seen := map[string]bool{}
	for _, f := range all(t) {
		for _, v := range f.Vectors {
			if seen[v.ID] {
				t.Errorf("%s stands twice", v.ID)
			}
			seen[v.ID] = true
			if !strings.HasPrefix(v.ID, prefixes[f.Version]+"-") {
				t.Errorf("%s stands in %s", v.ID, f.Version)
			}
		}
	}
}

// TestNoTwoAlike: an input that is tested twice tests nothing more.
func TestNoTwoAlike(t *testing.T) {
	for _, f := range all(t) {
		seen := map[string]string{}
		for _, v := range f.Vectors {
			id := v.ID
			v.ID, v.Section, v.Comment, v.Result = "", "", "", ""
			b, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			if other := seen[string(b)]; other != "" {
				t.Errorf("%s is the same as %s", id, other)
			}
			seen[string(b)] = id
		}
	}
}

// TestTypesMatchTheFiles: no field of a file is unknown to the types.
func TestTypesMatchTheFiles(t *testing.T) {
	for _, name := range vectors.Names {
		b, err := vectors.Raw(name)
		if err != nil {
			t.Fatal(err)
		}
		d := json.NewDecoder(strings.NewReader(string(b)))
		d.DisallowUnknownFields()
		var f vectors.File
		if err := d.Decode(&f); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if f.Format != vectors.Format || f.License != "0BSD" || f.Version != name {
			t.Errorf("%s: head is %q, %q, %q", name, f.Format, f.License, f.Version)
		}
	}
}

// def is the part of the schema that these tests look at.
type def struct {
	Enum       []string                   `json:"enum"`
	Required   []string                   `json:"required"`
	Additional *bool                      `json:"additionalProperties"`
	Properties map[string]json.RawMessage `json:"properties"`
	Pattern    string                     `json:"pattern"`
}

func schema(t *testing.T) map[string]def {
	t.Helper()
	b, err := vectors.Raw("schema")
	if err != nil {
		t.Fatal(err)
	}
	var s struct {
		Defs map[string]def `json:"$defs"`
	}
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	return s.Defs
}

// TestSchema: every vector has the fields that the schema demands of its kind,
// and no others.
func TestSchema(t *testing.T) {
	defs := schema(t)
	id, section := regexp.MustCompile(defs["id"].Pattern), regexp.MustCompile(defs["section"].Pattern)
	for _, name := range vectors.Names {
		b, err := vectors.Raw(name)
		if err != nil {
			t.Fatal(err)
		}
		var f struct{ Vectors []map[string]json.RawMessage }
		if err := json.Unmarshal(b, &f); err != nil {
			t.Fatal(err)
		}
		for _, v := range f.Vectors {
			str := func(k string) (s string) { _ = json.Unmarshal(v[k], &s); return s }
			d, ok := defs[str("kind")]
			if !ok || d.Additional == nil || *d.Additional {
				t.Fatalf("%s: no closed definition of kind %q", v["id"], str("kind"))
			}
			for _, k := range d.Required {
				if v[k] == nil {
					t.Errorf("%s: no %s", v["id"], k)
				}
			}
			for k := range v {
				if d.Properties[k] == nil {
					t.Errorf("%s: %s is not in the schema", v["id"], k)
				}
			}
			if !id.MatchString(str("id")) || !section.MatchString(str("section")) || str("comment") == "" {
				t.Errorf("%s: section %q, comment %q", v["id"], str("section"), str("comment"))
			}
			if !slices.Contains(defs["result"].Enum, str("result")) {
				t.Errorf("%s: result %q", v["id"], str("result"))
			}
		}
	}
}

// TestKinds: what the schema says with conditions.
func TestKinds(t *testing.T) {
	for _, f := range all(t) {
		for _, v := range f.Vectors {
			invalid := v.Result == vectors.Invalid
			switch v.Kind {
			case vectors.KindFrames:
				if v.Role == "" || invalid && v.Error == "" || v.Result == vectors.Valid && v.Error != "" || v.Error != "" && v.Truncated {
					t.Errorf("%s: role %q, result %s, error %q, truncated %v", v.ID, v.Role, v.Result, v.Error, v.Truncated)
				}
				for i, e := range v.Events {
					if (e.Data == nil) == (e.Size == 0) || (e.Op == "close") != (e.Code != 0) || e.Size > 0 && v.Repeat == nil && e.Pattern == nil ||
						e.Pattern != nil && (e.Size == 0 || len(e.Pattern) == 0) {
						t.Errorf("%s: event %d is %+v", v.ID, i, e)
					}
					if e.Partial && (v.Extension != "" || i != len(v.Events)-1 || !v.Truncated && v.Error == "" || e.Data != nil && len(e.Data) == 0) {
						t.Errorf("%s: event %d is partial", v.ID, i)
					}
				}
				if (f.Version == "rfc7692" || f.Version == "deflate-frame") != (v.Extension != "") {
					t.Errorf("%s: extension %q", v.ID, v.Extension)
				}
				if r := v.Repeat; r != nil && (len(r.Byte) != 1 || r.Count < 1 || r.Mask != nil && len(r.Mask) != 4 && len(r.Mask) != 20) {
					t.Errorf("%s: repeat %+v", v.ID, *r)
				}
			case vectors.KindHandshake:
				if invalid != (v.Accept == nil) || invalid != (v.Reason != "") || invalid != (v.Response == "") {
					t.Errorf("%s: result %s does not fit its outcome", v.ID, v.Result)
				}
				if v.Accept != nil && v.Accept.Version != f.Version {
					t.Errorf("%s: version %s", v.ID, v.Accept.Version)
				}
				head(t, v.ID, v.Request)
				if v.Response != "" {
					head(t, v.ID, v.Response)
				}
			case vectors.KindResponse:
				if invalid != (v.Error != "") || invalid != (v.Accept == nil) {
					t.Errorf("%s: result %s does not fit its outcome", v.ID, v.Result)
				}
				head(t, v.ID, v.Response)
			case vectors.KindDetect:
				if invalid != (v.Version == "") || invalid != (v.Status != 0) || (v.Body == 8) != (v.Version == "hixie-76" || v.Version == "hybi-02") {
					t.Errorf("%s: result %s does not fit its outcome", v.ID, v.Result)
				}
				if i := wire.Reason(v.Reason).Info(); invalid && i.Status != v.Status {
					t.Errorf("%s: status %d, reason %s has %d", v.ID, v.Status, v.Reason, i.Status)
				}
				head(t, v.ID, v.Request)
			case vectors.KindClose:
				if v.Code == 0 || v.Output == nil || v.Mask != nil && len(v.Mask) != 4 {
					t.Errorf("%s: code %d, output %x, mask %x", v.ID, v.Code, v.Output, v.Mask)
				}
			case vectors.KindSession:
				for i, s := range v.Steps {
					last := i == len(v.Steps)-1
					if (len(s.Bytes) == 0) == (s.Event == "") || last != (s.Event == "fin") || s.Wait && (last || v.Steps[i+1].From != "server") {
						t.Errorf("%s: step %d is %+v", v.ID, i, s)
					}
				}
			case vectors.KindExtension:
				server := v.Role == "server"
				if v.Offered == "" || v.Takeover && !server || server && (v.Error != "" || v.Result == vectors.Valid && v.Answer == "" || invalid && v.Answer != "") ||
					!server && invalid != (v.Error != "") {
					t.Errorf("%s: role %q, result %s, offered %q, answer %q, error %q", v.ID, v.Role, v.Result, v.Offered, v.Answer, v.Error)
				}
			default:
				t.Errorf("%s: kind %q", v.ID, v.Kind)
			}
		}
	}
}

// TestSizes: files stay small enough to read.
func TestSizes(t *testing.T) {
	for _, name := range vectors.Names {
		if b, _ := vectors.Raw(name); len(b) > 160<<10 {
			t.Errorf("%s.json has %d bytes", name, len(b))
		}
	}
}

// TestMaskKeys: what hybi-04 makes its masks from stands where it is needed,
// and nowhere else; and the nonce is the one of the response.
func TestMaskKeys(t *testing.T) {
	for _, f := range all(t) {
		keys, nonces := f.Version == "hybi-04", f.Version == "hybi-04" || f.Version == "hybi-05"
		for _, v := range f.Vectors {
			framed := v.Kind == vectors.KindFrames || v.Kind == vectors.KindClose
			if n := len(v.ConnectionKey); n != 0 != (keys && framed) || n != 0 && n != 20 {
				t.Errorf("%s: connection key of %d bytes", v.ID, n)
			}
			if v.Accept != nil {
				if n := len(v.Accept.ConnectionKey); n != 0 != keys || n != 0 && n != 20 {
					t.Errorf("%s: connection key of %d bytes", v.ID, n)
				}
			}
			if v.Kind != vectors.KindHandshake && v.Kind != vectors.KindSession {
				continue
			}
			if v.Server == nil {
				if v.Kind == vectors.KindHandshake || nonces {
					t.Errorf("%s: no server", v.ID)
				}
				continue
			}
			if n := len(v.Server.Nonce); n != 0 != nonces || n != 0 && n != 16 {
				t.Errorf("%s: nonce of %d bytes", v.ID, n)
			}
			said := v.Response
			for _, s := range v.Steps {
				said += string(s.Bytes)
			}
			line := "\r\nSec-WebSocket-Nonce: " + base64.StdEncoding.EncodeToString(v.Server.Nonce) + "\r\n"
			if strings.Contains(said, line) != nonces {
				t.Errorf("%s: %q in the response: %v", v.ID, line, !nonces)
			}
		}
	}
}

// head checks that s is a whole head of Latin-1 text.
func head(t *testing.T, id, s string) {
	t.Helper()
	b := string(vectors.Latin1(s))
	if httphead.End(b, 0) != len(b) {
		t.Errorf("%s: %q is not one head", id, s)
	}
}

// constants returns the values of the constants of that type in package wire.
func constants(t *testing.T, typ string) map[string]bool {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "../wire/errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		if s, ok := n.(*ast.ValueSpec); ok && len(s.Values) == 1 {
			id, _ := s.Type.(*ast.Ident)
			lit, _ := s.Values[0].(*ast.BasicLit)
			if id != nil && id.Name == typ && lit != nil {
				v, _ := strconv.Unquote(lit.Value)
				out[v] = true
			}
		}
		return true
	})
	return out
}

// TestErrorListIsClosed: the errors of the schema are the faults of package
// wire, and each of them is tested.
func TestErrorListIsClosed(t *testing.T) {
	faults := constants(t, "Fault")
	reasons := constants(t, "Reason")
	used := map[string]map[string]bool{"fault": {}, "client_reason": {}, "server_reason": {}}
	for _, f := range all(t) {
		for _, v := range f.Vectors {
			switch {
			case v.Kind == vectors.KindFrames && v.Error != "":
				used["fault"][v.Error] = true
			case (v.Kind == vectors.KindResponse || v.Kind == vectors.KindExtension) && v.Error != "":
				used["client_reason"][v.Error] = true
			case v.Kind != vectors.KindClose && v.Reason != "":
				used["server_reason"][v.Reason] = true
			}
		}
	}
	defs := schema(t)
	for name, u := range used {
		for _, e := range defs[name].Enum {
			if !u[e] {
				t.Errorf("%s %s is in the schema and in no vector", name, e)
			}
			if !faults[e] && !reasons[e] {
				t.Errorf("%s %s is not in package wire", name, e)
			}
			delete(u, e)
		}
		for e := range u {
			t.Errorf("%s %s is not in the schema", name, e)
		}
	}
	for e := range faults {
		if !slices.Contains(defs["fault"].Enum, e) {
			t.Errorf("fault %s of package wire is not in the schema", e)
		}
	}
}

// TestReadmeListsErrors: the list for people is the list of the schema.
func TestReadmeListsErrors(t *testing.T) {
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	defs := schema(t)
	for _, name := range []string{"fault", "client_reason", "server_reason"} {
		for _, e := range defs[name].Enum {
			if !strings.Contains(string(b), "`"+e+"`") {
				t.Errorf("README.md lacks %s", e)
			}
		}
	}
}

// TestReadmeCounts: the numbers for people are those of the files.
func TestReadmeCounts(t *testing.T) {
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	sum := 0
	for _, f := range all(t) {
		sum += len(f.Vectors)
		row := regexp.MustCompile("(?m)^\\| `" + f.Version + "\\.json` \\|.*\\| " + strconv.Itoa(len(f.Vectors)) + " \\|$")
		if !row.Match(b) {
			t.Errorf("README.md has no row of %s with %d vectors", f.Version, len(f.Vectors))
		}
	}
	if !strings.Contains(string(b), strconv.Itoa(sum)+" in all") {
		t.Errorf("README.md does not say that there are %d", sum)
	}
}

func TestLicence(t *testing.T) {
	b, err := os.ReadFile("LICENSE")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"BSD Zero Clause License", "draftwire authors", "with or without fee is hereby granted"} {
		if !strings.Contains(string(b), s) {
			t.Errorf("LICENSE lacks %q", s)
		}
	}
}

func TestLoadUnknown(t *testing.T) {
	for _, name := range []string{"", "hixie-77", "schema"} {
		if _, err := vectors.Load(name); err == nil {
			t.Errorf("Load(%q) succeeds", name)
		}
	}
}
