package gateway

import (
	_ "embed"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/draftwire/draftwire/internal/suggest"
	"go.yaml.in/yaml/v3"
)

// The keys of a configuration are the fields of its types: the tag "yaml" has the name, the
// tag "is" what a value has to look like. In the latter "a|b" lists the words to choose from,
// "1..2" has bounds, "required" says that the key may not be missing, and other names stand for
// forms (keys_test.go has their patterns) that check looks at. The reference of all keys and the
// JSON Schema are made from the same tags.

// Schema is a JSON Schema of configurations, for editors. "draftwire config schema" prints it.
//
//go:embed config.schema.json
var Schema string

// key is a field of a type of the configuration.
type key struct {
	name  string
	field int      // its index in the struct
	is    string   // what the value has to look like; "": its type says it
	words []string // to choose from; nil: it is not chosen from a list
	least Size     // with most: the bounds of a number or a size
	most  Size
	needs bool // it may not be missing
	typ   reflect.Type
}

// keysOf returns the keys of a struct of the configuration.
func keysOf(t reflect.Type) (keys []key) {
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() {
			continue
		}
		k := key{field: i, typ: f.Type}
		k.name, _, _ = strings.Cut(f.Tag.Get("yaml"), ",")
		k.is, k.needs = strings.CutSuffix(f.Tag.Get("is"), "required")
		k.is = strings.TrimSuffix(k.is, ",")
		if strings.Contains(k.is, "|") {
			k.words = strings.Split(k.is, "|")
		}
		if least, most, ok := strings.Cut(k.is, ".."); ok {
			k.least.UnmarshalText([]byte(least))
			k.most.UnmarshalText([]byte(most))
		}
		keys = append(keys, k)
	}
	return keys
}

// isSection reports whether t is a struct whose fields are keys.
func isSection(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && t.PkgPath() == reflect.TypeFor[Config]().PkgPath()
}

// keys checks words and bounds of all values below v, which has its defaults.
func (f *faults) keys(at string, v reflect.Value) {
	for _, k := range keysOf(v.Type()) {
		x, at := v.Field(k.field), at+k.name
		if x.Kind() == reflect.Pointer && !x.IsNil() {
			x = x.Elem()
		}
		switch {
		case k.words != nil:
			f.word(at, x.String(), k.words...)
		case k.most != 0 && !x.IsZero() && (x.Int() < int64(k.least) || x.Int() > int64(k.most)):
			f.add("%s: %d is not from %s", at, x.Int(), strings.Replace(k.is, "..", " to ", 1))
		case isSection(x.Type()):
			f.keys(at+": ", x)
		}
	}
}

// reading finds in a file what package yaml would not say, or would say of the first one alone:
// keys that do not exist, and texts that a type refuses.
type reading struct {
	faults  []string
	seen    map[visited]bool
	restore []func() // puts back what was wrong
}

type visited struct {
	node *yaml.Node
	typ  reflect.Type
}

// dummies are right values of types that read a text. They stand in for wrong ones, so that
// the rest of the file can be read, and checked as if they were right.
var dummies = map[reflect.Type]string{
	reflect.TypeFor[netip.Prefix](): "192.0.2.0/24",
	reflect.TypeFor[time.Time]():    "2001-01-01",
	reflect.TypeFor[Loss]():         string(LossAbnormal),
}

// walk looks at what is read into a value of type t.
func (r *reading) walk(n *yaml.Node, t reflect.Type) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if at := (visited{n, t}); r.seen[at] {
		return
	} else {
		r.seen[at] = true
	}
	switch dummy, isText := dummies[t]; {
	case isText:
		r.text(n, t, dummy)
	case n.Kind == yaml.ScalarNode && t.Kind() == reflect.Int && n.ShortTag() == "!!float": // which package yaml would cut
		r.faults = append(r.faults, fmt.Sprintf("line %d: expected a whole number, found %s", n.Line, n.Value))
	case n.Kind == yaml.SequenceNode && t.Kind() == reflect.Slice:
		for _, below := range n.Content {
			r.walk(below, t.Elem())
		}
	case n.Kind == yaml.MappingNode && t.Kind() == reflect.Map:
		for i := 1; i < len(n.Content); i += 2 {
			r.walk(n.Content[i], t.Elem())
		}
	case n.Kind == yaml.MappingNode && isSection(t):
		r.mapping(n, t)
	}
}

// text looks at a value of a type that reads a text.
func (r *reading) text(n *yaml.Node, t reflect.Type, dummy string) {
	if n.Kind != yaml.ScalarNode || n.ShortTag() == "!!null" || n.ShortTag() == "!!timestamp" && t == reflect.TypeFor[time.Time]() {
		return
	}
	err := reflect.New(t).Interface().(interface{ UnmarshalText([]byte) error }).UnmarshalText([]byte(n.Value))
	if err == nil {
		return
	}
	text := err.Error()
	switch t {
	case reflect.TypeFor[time.Time]():
		text = fmt.Sprintf("%q is not a date or time like 2027-01-31", n.Value)
	case reflect.TypeFor[netip.Prefix]():
		text = fmt.Sprintf("%q is not a network like 10.0.0.0/8", n.Value)
		if a, err := netip.ParseAddr(n.Value); err == nil && a.Zone() == "" {
			text += fmt.Sprintf("; that of this address alone is %s/%d", a, a.BitLen())
		}
	}
	r.faults = append(r.faults, fmt.Sprintf("line %d: %s", n.Line, text))
	before := *n
	r.restore = append(r.restore, func() { *n = before })
	n.Value, n.Tag, n.Style = dummy, "", 0
}

// mapping looks at a mapping whose keys are those of a struct.
func (r *reading) mapping(n *yaml.Node, t reflect.Type) {
	keys := keysOf(t)
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		if name.ShortTag() == "!!merge" {
			merged := []*yaml.Node{value}
			if value.Kind == yaml.SequenceNode {
				merged = value.Content
			}
			for _, m := range merged {
				r.walk(m, t)
			}
			continue
		}
		if j := slices.IndexFunc(keys, func(k key) bool { return k.name == name.Value }); j >= 0 {
			r.walk(value, keys[j].typ)
			continue
		}
		var known []string
		for _, k := range keys {
			known = append(known, k.name)
		}
		fault := fmt.Sprintf("line %d: unknown key %q", name.Line, name.Value)
		if near := suggest.Nearest(name.Value, known); near != "" {
			fault += fmt.Sprintf("; did you mean %q?", near)
		} else {
			fault += "; the keys here are " + strings.Join(known, ", ")
		}
		r.faults = append(r.faults, fault)
	}
}
