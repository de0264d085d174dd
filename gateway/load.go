package gateway

import (
	"bytes"
	"cmp"
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

// Example is a configuration that works, with every key and a comment for it. "draftwire
// config init" writes it.
//
//go:embed example.yaml
var Example string

// maxConfig bounds a configuration file, in bytes.
const maxConfig = 4 << 20

// Load reads a configuration in YAML and checks it. An unknown key is an error, which names
// its line and a key that is spelled alike. What could be read is returned beside an error,
// for CheckFiles; it is nil if that is nothing.
func Load(r io.Reader) (*Config, error) {
	p, err := io.ReadAll(io.LimitReader(r, maxConfig+1))
	if err != nil {
		return nil, err
	}
	if len(p) > maxConfig {
		return nil, fmt.Errorf("the configuration is longer than %d bytes", maxConfig)
	}
	d := yaml.NewDecoder(bytes.NewReader(p))
	c := Config{file: new(yaml.Node)}
	switch err := d.Decode(c.file); {
	case errors.Is(err, io.EOF): // an empty file
		return &c, c.Check()
	case err != nil:
		return nil, explain(err)
	}
	read := reading{seen: map[visited]bool{}}
	if len(c.file.Content) > 0 {
		read.walk(c.file.Content[0], reflect.TypeFor[Config]())
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		read.faults = append(read.faults, "the configuration has more than one document")
	}
	found := c.file.Decode(&c)
	for _, f := range read.restore {
		f()
	}
	wrong := errors.Join(errors.New(strings.Join(read.faults, "\n")), explain(found))
	if _, ok := errors.AsType[*yaml.TypeError](found); found != nil && !ok {
		return nil, sorted(wrong) // the rest could not be read
	}
	c.partial = len(read.faults) > 0 || found != nil
	return &c, sorted(errors.Join(wrong, c.Check()))
}

// sorted returns faults in the order of their lines, those without one first. It is nil if there are none.
func sorted(err error) error {
	if err == nil {
		return nil
	}
	lines := slices.DeleteFunc(strings.Split(err.Error(), "\n"), func(s string) bool { return s == "" })
	if len(lines) == 0 {
		return nil
	}
	slices.SortStableFunc(lines, func(a, b string) int { return cmp.Compare(lineIn(a), lineIn(b)) })
	return errors.New(strings.Join(lines, "\n"))
}

// lineIn returns the line that a fault begins with, 0 if it has none.
func lineIn(fault string) (n int) {
	fmt.Sscanf(fault, "line %d:", &n)
	return n
}

// Check reports everything that is wrong with a configuration.
func (c *Config) Check() error {
	own := c.own()
	return own.check()
}

// own returns a copy with all defaults.
func (c *Config) own() *Config {
	own := *c
	own.Listen, own.Routes = slices.Clone(c.Listen), slices.Clone(c.Routes)
	for i := range own.Listen {
		if t := own.Listen[i].TLS; t != nil {
			mine := *t
			if t.ACME != nil {
				acme := *t.ACME
				mine.ACME = &acme
			}
			own.Listen[i].TLS = &mine
		}
	}
	for i := range own.Routes {
		own.Routes[i].Backends = slices.Clone(own.Routes[i].Backends)
		if m := own.Routes[i].Mirror; m != nil {
			mine := *m
			own.Routes[i].Mirror = &mine
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
	wrongType = regexp.MustCompile(`^(line \d+: )cannot unmarshal !!(\w+)( .*)? into (\S+)$`)
	foundType = strings.NewReplacer("str", "the text", "seq", "a list", "map", "a mapping", "int", "the number", "float", "the number", "null", "nothing", "bool", "the value", "timestamp", "the time")
)

// explain puts an error that yaml has returned into words for the author of the file.
func explain(err error) error {
	if err == nil {
		return nil
	}
	te, ok := errors.AsType[*yaml.TypeError](err)
	if !ok {
		return errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	var lines []string
	for _, line := range te.Errors {
		if m := wrongType.FindStringSubmatch(line); m != nil {
			line = fmt.Sprintf("%sexpected %s, found %s%s", m[1], kindName(m[4]), foundType.Replace(m[2]), m[3])
		}
		lines = append(lines, line)
	}
	return errors.New(strings.Join(lines, "\n"))
}

// kindName returns the words for a Go type in a configuration.
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
		return "a mapping (key: value)"
	}
	return "text"
}
