package draftwire_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestDialect: the code of all packages, but of bench/ and test/, is that of other Go programs
// in three things in which it was not:
//
//   - what stands before the condition of an if is what the condition is about, or declares
//     a variable of the if;
//   - no more than three values are assigned to as many variables at once;
//   - a call has at most one bare true or false, as two do not tell what they are.
func TestDialect(t *testing.T) {
	found := map[string][]string{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (slices.Contains([]string{"bench", "test", "testdata", "node_modules"}, path) || strings.HasPrefix(d.Name(), ".") && path != "."):
			return fs.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, path, nil, 0)
		if err != nil {
			return err
		}
		dir := filepath.ToSlash(filepath.Dir(path))
		found[dir] = append(found[dir], dialect(fset, f)...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < 30 {
		t.Errorf("only %d folders have code", len(found))
	}
	for _, bad := range found {
		for _, b := range bad {
			t.Error(b)
		}
	}
}

// dialect returns where a file breaks the rules of TestDialect.
func dialect(fset *token.FileSet, f *ast.File) (bad []string) {
	say := func(n ast.Node, what string) {
		bad = append(bad, fmt.Sprintf("%s: %s", fset.Position(n.Pos()), what))
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.IfStmt:
			declares, _ := n.Init.(*ast.AssignStmt)
			if n.Init != nil && (declares == nil || declares.Tok != token.DEFINE) && !mentions(n.Cond, subjects(n.Init)) {
				say(n, "the condition is not about what stands before it")
			}
		case *ast.AssignStmt:
			if len(n.Lhs) > 3 && len(n.Rhs) == len(n.Lhs) {
				say(n, fmt.Sprintf("%d values are assigned at once", len(n.Lhs)))
			}
		case *ast.CallExpr:
			if bools := slices.DeleteFunc(slices.Clone(n.Args), func(x ast.Expr) bool { return !isBool(x) }); len(bools) > 1 {
				say(n, fmt.Sprintf("%d bare bools in a call", len(bools)))
			}
		}
		return true
	})
	return bad
}

// subjects are the names that a condition behind this statement may be about: what it
// assigns, or where it assigns nothing any that it has.
func subjects(s ast.Stmt) (names []string) {
	var of []ast.Node
	switch s := s.(type) {
	case *ast.AssignStmt:
		for _, x := range s.Lhs {
			of = append(of, target(x))
		}
	case *ast.IncDecStmt:
		of = append(of, target(s.X))
	default:
		of = append(of, s)
	}
	for _, n := range of {
		ast.Inspect(n, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok && id.Name != "_" {
				names = append(names, id.Name)
			}
			return true
		})
	}
	return names
}

// target is the name in what is assigned: f of x.f, x of x[i] and of *x.
func target(x ast.Expr) ast.Node {
	switch x := x.(type) {
	case *ast.SelectorExpr:
		return x.Sel
	case *ast.IndexExpr:
		return target(x.X)
	case *ast.StarExpr:
		return target(x.X)
	case *ast.ParenExpr:
		return target(x.X)
	}
	return x
}

func mentions(cond ast.Expr, names []string) (yes bool) {
	ast.Inspect(cond, func(n ast.Node) bool {
		id, ok := n.(*ast.Ident)
		yes = yes || ok && slices.Contains(names, id.Name)
		return !yes
	})
	return yes
}

func isBool(x ast.Expr) bool {
	id, ok := x.(*ast.Ident)
	return ok && (id.Name == "true" || id.Name == "false")
}

func TestDialectItself(t *testing.T) {
	for code, want := range map[string]int{
		"if err := f(); err != nil {}": 0, "if n++; n == 3 {}": 0, "if x.n += 2; x.n > y {}": 0, "if p[i] = 1; len(p) > 2 {}": 0,
		"if *p = 1; *p > 2 {}": 0, "if _, ok := m[k]; !ok {}": 0, "if t.Reset(); t.armed {}": 0, "if x := f(); y {}": 0, "if x = f(); y {}": 1,
		"if x.n = 2; x.m > 0 {}": 1, "if f(x); y {}": 1, "if n--; err != nil {}": 1, "if a, _ = f(); b {}": 1,
		"a, b, c = 1, 2, 3": 0, "a, b, c, d := f()": 0, "a, b, c, d = 1, 2, 3, 4": 1,
		"f(true, x)": 0, "f(true, g(false))": 0, "f(x, true, false)": 1, "go f(false, x, false)": 1,
	} {
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, "", "package p\nfunc _() {\n"+code+"\n}\n", 0)
		if err != nil {
			t.Fatal(err)
		}
		if bad := dialect(fset, f); len(bad) != want {
			t.Errorf("%s: found %q, want %d", code, bad, want)
		}
	}
}
