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
		return nil, explain(err)
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

var unknownKey = regexp.MustCompile(`^(line \d+): field (\S+) not found in type gateway\.(\w+)$`)

// explain makes yaml's error one for people: with what may have been meant.
func explain(err error) error {
	te, ok := errors.AsType[*yaml.TypeError](err)
	if !ok {
		return errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	var lines []string
	for _, line := range te.Errors {
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
				keys = append(keys, f.Tag.Get("yaml"))
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
