package draftwire_test

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// drafted are the folders of the draft packages.
var drafted = []string{"hixie75", "hixie76", "hybi02", "hybi04", "hybi05", "hybi07", "rfc6455"}

// parseDir reads the Go files of a folder, those of tests too where asked for.
func parseDir(t *testing.T, fset *token.FileSet, dir string, tests bool) (files []*ast.File) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !tests && strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	if len(names) == 0 {
		t.Fatalf("no Go files in %s", dir)
	}
	return files
}

// TestExamples: an exported type of the packages that users import has an
// example that runs, and each draft package has one. An alias has that of what
// it stands for.
func TestExamples(t *testing.T) {
	for _, dir := range append([]string{".", "wire", "detect", "compat/gorilla"}, drafted...) {
		fset := token.NewFileSet()
		p, err := doc.NewFromFiles(fset, parseDir(t, fset, dir, true), module+"/"+dir)
		if err != nil {
			t.Fatal(err)
		}
		need := func(name string, have []*doc.Example) {
			if !slices.ContainsFunc(have, func(e *doc.Example) bool { return e.Output != "" || e.EmptyOutput }) {
				t.Errorf("%s: no example of %s that runs", dir, name)
			}
		}
		if slices.Contains(drafted, dir) {
			need("the package", p.Examples)
			continue
		}
		for _, typ := range p.Types {
			if !isAlias(typ) {
				need(typ.Name, typ.Examples)
			}
		}
	}
}

// TestFunctionExamples: each exported function of the package that programs begin with,
// and each method of a Conn and a Server, is called in an example that runs.
func TestFunctionExamples(t *testing.T) {
	fset := token.NewFileSet()
	p, err := doc.NewFromFiles(fset, parseDir(t, fset, ".", true), module)
	if err != nil {
		t.Fatal(err)
	}
	called := map[string]bool{}
	calls := func(examples []*doc.Example) {
		for _, e := range examples {
			if e.Output == "" && !e.EmptyOutput {
				continue
			}
			ast.Inspect(e.Code, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok {
					called[s.Sel.Name] = true
				}
				return true
			})
		}
	}
	need := p.Funcs
	calls(p.Examples)
	for _, typ := range p.Types {
		calls(typ.Examples)
		need = append(need, typ.Funcs...)
		for _, m := range typ.Methods {
			calls(m.Examples)
		}
		if typ.Name == "Conn" || typ.Name == "Server" {
			need = append(need, typ.Methods...)
		}
	}
	for _, f := range need {
		calls(f.Examples)
	}
	for _, f := range need {
		if !called[f.Name] {
			t.Errorf("no example that runs calls %s %s", f.Recv, f.Name)
		}
	}
}

// TestAliases: whatever type of package wire a signature or a field names can be reached
// from the package that programs begin with.
func TestAliases(t *testing.T) {
	fset := token.NewFileSet()
	p, err := doc.NewFromFiles(fset, parseDir(t, fset, ".", false), module)
	if err != nil {
		t.Fatal(err)
	}
	named := func(n ast.Node) {
		ast.Inspect(n, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := s.X.(*ast.Ident); ok && x.Name == "wire" {
					t.Errorf("%s: wire.%s has no name here", fset.Position(s.Pos()), s.Sel.Name)
				}
			}
			return true
		})
	}
	funcs := func(fs []*doc.Func) {
		for _, f := range fs {
			named(f.Decl.Type)
		}
	}
	funcs(p.Funcs)
	for _, typ := range p.Types {
		funcs(typ.Funcs)
		funcs(typ.Methods)
		if !isAlias(typ) {
			named(typ.Decl)
		}
	}
}

func isAlias(typ *doc.Type) bool {
	spec, ok := typ.Decl.Specs[0].(*ast.TypeSpec)
	return ok && spec.Assign.IsValid()
}

// TestDocComments: what is exported has a comment. A group of constants or
// variables needs one of its own, or one for each that is exported.
func TestDocComments(t *testing.T) {
	for _, dir := range append([]string{".", "wire", "detect", "compat/gorilla"}, drafted...) {
		fset := token.NewFileSet()
		p, err := doc.NewFromFiles(fset, parseDir(t, fset, dir, false), module+"/"+dir)
		if err != nil {
			t.Fatal(err)
		}
		need := func(at ast.Node, name, text string) {
			if strings.TrimSpace(text) == "" {
				t.Errorf("%s: %s has no comment", fset.Position(at.Pos()), name)
			}
		}
		values := func(vs []*doc.Value) {
			for _, v := range vs {
				for _, spec := range v.Decl.Specs {
					s := spec.(*ast.ValueSpec)
					for _, name := range s.Names {
						if name.IsExported() {
							need(name, name.Name, v.Doc+s.Doc.Text()+s.Comment.Text())
						}
					}
				}
			}
		}
		funcs := func(fs []*doc.Func) {
			for _, f := range fs {
				need(f.Decl, strings.TrimSpace(f.Recv+" "+f.Name), f.Doc)
			}
		}
		if p.Doc == "" {
			t.Errorf("%s: the package has no comment", dir)
		}
		values(p.Consts)
		values(p.Vars)
		funcs(p.Funcs)
		for _, typ := range p.Types {
			need(typ.Decl, typ.Name, typ.Doc)
			values(typ.Consts)
			values(typ.Vars)
			funcs(typ.Funcs)
			funcs(typ.Methods)
			spec := typ.Decl.Specs[0].(*ast.TypeSpec)
			if i, ok := spec.Type.(*ast.InterfaceType); ok {
				for _, m := range i.Methods.List {
					for _, name := range m.Names {
						need(name, typ.Name+" "+name.Name, m.Doc.Text()+m.Comment.Text())
					}
				}
			}
		}
	}
}

// A citation reads "hixie-76 5.2", "hixie-76 5.2 step 4", "hixie-76 5.2 steps 4
// to 7", "hixie-76 5.2 steps 8, 9 and 13", "hybi-07 4.2" or "RFC 6455 5.5.1".
var (
	// document names a document in any spelling.
	document = `\b(?:(?i:draft-)?(?i:hixie)[- ]?7[56]|(?i:hybi)[- ]?\d\d|(?i:RFC)[- ]?\d{4,5})`
	// citing finds what may be a citation: document, gap, word, number and what
	// follows.
	citing = regexp.MustCompile(`(` + document + `)([ ,:;/#(]*)` +
		`((?i:§+|sections?|secs?\.?|sects?\.?|chapters?|chap\.|clauses?|paragraphs?|paras?\.|pp?\.|ss?\.?) ?)?(\d+(?:\.\d+)*)`)
	// turned finds "section 5 of RFC 6455", and any other section with its number.
	turned = regexp.MustCompile(`§|(?i:\b(?:sections?|secs?\.|sects?\.|chapters?|clauses?) \d[.\d]*)`)

	cited    = regexp.MustCompile(`^(?:hixie-7[56]|hybi-\d\d|RFC \d{4,5}) \d{1,2}(?:\.\d{1,2})*`)
	behind   = regexp.MustCompile(`^(?:$|[ ;:)"'?!]|[.,](?:$|[ )"']))`)
	stepping = regexp.MustCompile(`^[ ,(]*(?i:steps?) ?\d`)
	steps    = regexp.MustCompile(`^ (?:step \d+(?:\.\d+)*|steps \d+(?:, \d+)*(?:,? (?:and|to) \d+)|steps \d+(?:, \d+)+)`)
	oneOnly  = regexp.MustCompile(`^ step `)
	another  = regexp.MustCompile(`^ (?:to|and) \d`)
)

// badCitations returns the citations in a comment that have another form.
func badCitations(text string) (bad []string) {
	text = strings.Join(strings.Fields(text), " ") // a citation may go over the end of a line
	for _, m := range citing.FindAllStringSubmatchIndex(text, -1) {
		gap, word, number := text[m[4]:m[5]], m[6] >= 0, text[m[8]:m[9]]
		if !word && gap != " " && (gap == "" || !strings.Contains(number, ".")) {
			continue // "hybi-07, 8 bytes" is no citation
		}
		end := min(len(text), m[1]+20)
		found := strings.ToValidUTF8(text[m[0]:end], "")
		good := cited.FindString(text[m[0]:])
		if len(good) != m[1]-m[0] || !behind.MatchString(text[m[1]:]) {
			bad = append(bad, found)
			continue
		}
		if rest := text[m[1]:]; stepping.MatchString(rest) {
			form := steps.FindString(rest)
			rest = rest[len(form):]
			if form == "" || !behind.MatchString(rest) || oneOnly.MatchString(form) && another.MatchString(rest) {
				bad = append(bad, found)
			}
		}
	}
	return append(bad, turned.FindAllString(text, -1)...)
}

func TestBadCitations(t *testing.T) {
	for _, good := range []string{
		"hixie-76 5.2", "hixie-76 5.2.", "(hixie-76 5.2)", "hixie-75 6: TCP's end", "hybi-07 4.2",
		"hixie-76 5.2 step 4", "hixie-76 5.2 steps 4\n\tto 7). The", "hixie-76 5.2 steps 8, 9 and 13.",
		"hixie-75 4.1 steps 12, 13)", "RFC 6455 4.2.2 step 5.4)", "RFC 6455 5.5.1", "RFC\n6455 7.4.1, 7.4.2", "(RFC 9110 5.6.2)",
		"of RFC 6455, on one port", "Unknown is RFC6455.", "drafts hixie-75 5.1, hixie-76 5.2",
		"of hixie-76, 8 bytes", "hybi-07, hybi-08 and rfc6455", "hybi-08 (drafts 08 to 12, June)", "-13 to -17 and RFC 6455",
		"RFC 6455 4.1, the six steps", "for hixie-76: 16 bytes", "hixie-75 4.4: a client; 5.4 leaves",
		"reserved in this section", "draft 11 renamed it",
	} {
		if bad := badCitations(good); bad != nil {
			t.Errorf("%q: found %q", good, bad)
		}
	}
	for _, bad := range []string{
		"RFC 6455, section 5", "RFC 6455 section 5.2", "RFC 6455, 5.2", "RFC6455 5.2", "rfc6455 5.2", "rfc 6455 5.2", "RFC-6455 5.2",
		"RFC 6455 s5.2", "RFC 6455 s. 5.2", "RFC 6455 sec. 5.2", "RFC 6455 (5.2)", "RFC 6455 §5.2", "RFC 6455 § 5.2", "§ 5.2", "RFC 6455: 5.2",
		"RFC 6455 5.2-5.4", "RFC 6455 5.2a", "RFC 6455/5.2", "RFC 6455#5.2",
		"section 5.2 of RFC 6455", "Section 7", "chapter 4", "hixie 76 5.2", "Hixie-76 5.2", "hixie76 5.2", "hybi07 4.2", "hybi-07 chapter 4",
		"draft-hixie-76 5.2", "hixie-76 5.2, step 4", "hixie-76 5.2, steps 4 to 7", "hixie-76 5.2 steps 4", "hixie-76 5.2 step 4 to 7",
		"hixie-76 5.2 steps 4-7", "hixie-76 5.2 (step 4)", "hixie-76 5.2 Step 4", "RFC 6455\n\tsection 5",
	} {
		if badCitations(bad) == nil {
			t.Errorf("%q: not found", bad)
		}
	}
}

// TestCitations: all code cites its documents in one form.
func TestCitations(t *testing.T) {
	dirs := append([]string{".", "wire", "detect", "compat/gorilla"}, drafted...)
	err := filepath.WalkDir("internal", func(path string, d fs.DirEntry, err error) error {
		if dir := filepath.Dir(path); filepath.Ext(path) == ".go" && !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		fset := token.NewFileSet()
		for _, f := range parseDir(t, fset, dir, false) {
			for _, group := range f.Comments {
				for _, bad := range badCitations(group.Text()) {
					t.Errorf("%s: citation %q", fset.Position(group.Pos()), bad)
				}
			}
		}
	}
}
