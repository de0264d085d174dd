package gateway

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Example is a configuration that works, with comments: what "draftwire config
// init" writes.
//
//go:embed example.yaml
var Example string

// configMost bounds a configuration file, in bytes.
const configMost = 4 << 20

// Load reads a configuration in YAML and checks it. Keys that do not exist are
// errors, with their line and what may have been meant.
func Load(r io.Reader) (*Config, error) {
	p, err := io.ReadAll(io.LimitReader(r, configMost+1))
	if err != nil {
		return nil, err
	}
	if len(p) > configMost {
		return nil, fmt.Errorf("the configuration is above %d bytes", configMost)
	}
	var c Config
	d := yaml.NewDecoder(bytes.NewReader(p))
	d.KnownFields(true)
	if err := d.Decode(&c); err != nil && !errors.Is(err, io.EOF) {
		return nil, explain(err, p)
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("the configuration has more than one document")
	}
	return &c, c.Check()
}

// Check finds what is wrong with a configuration, all of it.
func (c *Config) Check() error {
	own := c.own()
	return own.check()
}

// own is a copy with all defaults.
func (c *Config) own() *Config {
	own := *c
	own.Listen, own.Routes = slices.Clone(c.Listen), slices.Clone(c.Routes)
	for i := range own.Listen {
		if t := own.Listen[i].TLS; t != nil {
			mine := *t
			own.Listen[i].TLS = &mine
		}
	}
	own.withDefaults()
	return &own
}

// Print writes the configuration with all defaults, in YAML.
func (c *Config) Print(w io.Writer) error {
	e := yaml.NewEncoder(w)
	e.SetIndent(2)
	if err := e.Encode(c.own()); err != nil {
		return err
	}
	return e.Close()
}

var (
	unknownKey = regexp.MustCompile(`^(line \d+): field (.+) not found in type gateway\.(\w+)$`)
	wrongType  = regexp.MustCompile(`^(line \d+: )cannot unmarshal !!(\w+)( .*)? into (\S+)$`)
	wrongTime  = regexp.MustCompile(`^parsing time ("[^"]*")`)
	someType   = strings.NewReplacer("str", "text", "seq", "a list", "map", "keys", "int", "a number", "float", "a number", "null", "nothing", "bool", "true or false", "timestamp", "a time")
)

// explain makes yaml's error for p one for people: with what may have been meant.
func explain(err error, p []byte) error {
	te, ok := errors.AsType[*yaml.TypeError](err)
	if !ok {
		text := strings.TrimPrefix(err.Error(), "yaml: ")
		if strings.HasPrefix(text, "line ") {
			return errors.New(text)
		}
		at := lineOf(text, p)
		if m := wrongTime.FindStringSubmatch(text); m != nil {
			text = m[1] + " is no date or time like 2027-01-31"
		}
		return errors.New(at + text)
	}
	var lines []string
	for _, line := range te.Errors {
		if m := wrongType.FindStringSubmatch(line); m != nil {
			line = fmt.Sprintf("%s%s%s stands where %s should", m[1], someType.Replace(m[2]), m[3], kindName(m[4]))
		}
		if m := unknownKey.FindStringSubmatch(line); m != nil {
			line = fmt.Sprintf("%s: there is no key %q here", m[1], m[2])
			known := keysOf(m[3])
			if near := nearest(m[2], known); near != "" {
				line += fmt.Sprintf("; %q is meant?", near)
			} else if len(known) > 0 {
				line += "; there are " + strings.Join(known, ", ")
			}
		}
		lines = append(lines, line)
	}
	return errors.New(strings.Join(lines, "\n"))
}

// kindName is a Go type in the words of a configuration.
func kindName(goType string) string {
	switch {
	case strings.HasPrefix(goType, "[]"):
		return "a list"
	case strings.HasPrefix(goType, "int"):
		return "a number"
	case goType == "bool":
		return "true or false"
	case goType == "time.Time":
		return "a date or a time"
	case strings.HasPrefix(goType, "map["), strings.HasPrefix(goType, "gateway."):
		return "keys"
	}
	return "text"
}

// lineOf finds the value that an error quotes, of which yaml does not tell the
// line: "line N: ", or "" where there is none or it is not the only one.
func lineOf(text string, p []byte) string {
	var doc yaml.Node
	if yaml.Unmarshal(p, &doc) != nil {
		return ""
	}
	found := 0
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		if n.Kind == yaml.ScalarNode && strings.Contains(text, strconv.Quote(n.Value)) {
			if found != 0 {
				found = -1
			} else {
				found = n.Line
			}
		}
		for _, below := range n.Content {
			walk(below)
		}
	}
	walk(&doc)
	if found <= 0 {
		return ""
	}
	return fmt.Sprintf("line %d: ", found)
}

// keysOf are the keys of the struct with that name, in the configuration.
func keysOf(name string) []string {
	var keys []string
	var walk func(t reflect.Type)
	walk = func(t reflect.Type) {
		for t.Kind() == reflect.Slice || t.Kind() == reflect.Pointer || t.Kind() == reflect.Map {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct || t.PkgPath() != reflect.TypeFor[Config]().PkgPath() || len(keys) > 0 {
			return
		}
		for i := range t.NumField() {
			f := t.Field(i)
			if t.Name() == name {
				key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
				keys = append(keys, key)
			}
		}
		for i := range t.NumField() {
			walk(t.Field(i).Type)
		}
	}
	walk(reflect.TypeFor[Config]())
	return keys
}

// nearest is the word that s is nearest to, "" where none is near.
func nearest(s string, words []string) string {
	best, most := "", len(s)/3+2
	for _, w := range words {
		if d := distance(s, w); d < most {
			best, most = w, d
		}
	}
	return best
}

// distance is the number of letters to put in, take out or change.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := before
			if a[i] != b[j] {
				cost = 1 + min(before, row[j], row[j+1])
			}
			before, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
