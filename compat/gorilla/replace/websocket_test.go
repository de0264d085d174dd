package websocket

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestWhole: it has each exported name of compat/gorilla, and no other.
func TestWhole(t *testing.T) {
	here, there := names(t, "*.go"), names(t, "../*.go")
	if !slices.Equal(here, there) || len(here) < 40 {
		t.Errorf("here:\n%s\nin compat/gorilla:\n%s", here, there)
	}
}

// names returns the exported names of a package, sorted.
func names(t *testing.T, pattern string) (all []string) {
	files, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil {
					all = append(all, d.Name.Name)
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					switch spec := spec.(type) {
					case *ast.TypeSpec:
						all = append(all, spec.Name.Name)
					case *ast.ValueSpec:
						for _, name := range spec.Names {
							all = append(all, name.Name)
						}
					}
				}
			}
		}
	}
	all = slices.DeleteFunc(all, func(name string) bool { return !ast.IsExported(name) })
	slices.Sort(all)
	return all
}
