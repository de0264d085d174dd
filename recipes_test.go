package draftwire_test

import (
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Each recipe has its four files and a row in the index; a configuration that its page shows
// is its file, links lead somewhere, and the drawing is one for light and dark without scripts.
// What it does is played by test/recipes.
func TestRecipes(t *testing.T) {
	const dir = "docs/recipes"
	configs, err := filepath.Glob(dir + "/*.yaml")
	if err != nil || len(configs) == 0 {
		t.Fatalf("no recipes: %v", err)
	}
	read := func(path ...string) string {
		b, err := os.ReadFile(filepath.Join(path...))
		if err != nil {
			t.Error(err)
		}
		return string(b)
	}
	index := read(dir, "README.md")
	table := read("test/recipes")
	yaml := regexp.MustCompile("(?s)```yaml\n(listen:.*?)```")
	link := regexp.MustCompile(`\]\(([^):#]+)(#[^)]*)?\)`)
	for _, config := range configs {
		name := strings.TrimSuffix(filepath.Base(config), ".yaml")
		page, drawing := read(dir, name+".md"), read(dir, name+".svg")
		read("test/recipe", name)
		if !strings.Contains(index, "\n| ["+name+"]("+name+".md) |") {
			t.Errorf("%s/README.md has no row of %s", dir, name)
		}
		if !strings.Contains(table, "\n"+name+" ") {
			t.Errorf("test/recipes does not play %s", name)
		}
		if !strings.Contains(page, "]("+name+".yaml)") || !strings.Contains(page, "]("+name+".svg)") {
			t.Errorf("%s.md shows no configuration or no drawing", name)
		}
		if shown := yaml.FindStringSubmatch(page); shown != nil && shown[1] != read(config) {
			t.Errorf("%s.md shows another configuration than %s.yaml", name, name)
		}
		for _, l := range link.FindAllStringSubmatch(page, -1) {
			if _, err := os.Stat(filepath.Join(dir, l[1])); err != nil {
				t.Errorf("%s.md: %v", name, err)
			}
		}
		dark := strings.Contains(drawing, "prefers-color-scheme: dark")
		for d := xml.NewDecoder(strings.NewReader(drawing)); ; {
			token, err := d.Token()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Errorf("%s.svg: %v", name, err)
				break
			}
			if e, ok := token.(xml.StartElement); ok && e.Name.Local == "script" {
				t.Errorf("%s.svg has a script", name)
			}
		}
		if !dark {
			t.Errorf("%s.svg has no colours for dark", name)
		}
	}
}
