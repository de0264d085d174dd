package compare

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/draftwire/draftwire/wire"
)

// Ignore is a part of messages that is not compared.
type Ignore struct {
	pointer []string       // of a JSON pointer; "*" is any
	re      *regexp.Regexp // nil: the pointer holds
}

// ParseIgnore reads a JSON pointer (RFC 6901) like /data/time, in which * is any member or element,
// or a regular expression, behind "re:".
func ParseIgnore(text string) (Ignore, error) {
	if pattern, ok := strings.CutPrefix(text, "re:"); ok {
		re, err := regexp.Compile(pattern)
		if err != nil {
			return Ignore{}, fmt.Errorf("compare: %q: %w", text, err)
		}
		return Ignore{re: re}, nil
	}
	if !strings.HasPrefix(text, "/") {
		return Ignore{}, fmt.Errorf("compare: %q is neither a JSON pointer, which begins with /, nor re: with a regular expression", text)
	}
	parts := strings.Split(text[1:], "/")
	for i := range parts {
		parts[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(parts[i])
	}
	return Ignore{pointer: parts}, nil
}

// Rules are what is not compared of text messages. The zero value compares everything.
type Rules []Ignore

// ParseRules reads each of a list as ParseIgnore does.
func ParseRules(list []string) (r Rules, err error) {
	for _, text := range list {
		i, err := ParseIgnore(text)
		if err != nil {
			return nil, err
		}
		r = append(r, i)
	}
	return r, nil
}

// Same reports whether two messages are the same.
func (r Rules) Same(op wire.Op, a, b []byte) bool {
	return bytes.Equal(a, b) || op == wire.OpText && len(r) > 0 && bytes.Equal(r.Canonical(op, a), r.Canonical(op, b))
}

// Canonical returns what is compared of a message: two messages are the same where it is equal. It
// is p itself where nothing is left out.
//
// Where a pointer is among the rules, a text that is JSON is written in one form, its members in
// order. What stands before the first bracket, as the number of a Socket.IO packet does, stays as it
// is.
func (r Rules) Canonical(op wire.Op, p []byte) []byte {
	if op != wire.OpText {
		return p
	}
	prefix, v, isJSON := r.reduce(p, r.hasPointer())
	if !isJSON {
		return prefix
	}
	form, err := json.Marshal(v)
	if err != nil { // cannot happen: v was read from JSON
		return prefix
	}
	return append(slices.Clip(prefix), form...)
}

// hasPointer reports whether the rules leave out parts of JSON.
func (r Rules) hasPointer() bool {
	return slices.ContainsFunc(r, func(i Ignore) bool { return i.re == nil })
}

// reduce takes out of a text what is not compared. Where it is JSON, and is to be read as such, v is its value
// and rest what stands before it. Otherwise rest is the text.
func (r Rules) reduce(p []byte, read bool) (rest []byte, v any, isJSON bool) {
	for _, i := range r {
		if i.re != nil {
			p = i.re.ReplaceAll(p, nil)
		}
	}
	at := bytes.IndexAny(p, "{[")
	if !read || at < 0 {
		return p, nil, false
	}
	if v, isJSON = decode(p[at:]); !isJSON {
		return p, nil, false
	}
	for _, i := range r {
		if i.re == nil {
			v = without(v, i.pointer)
		}
	}
	return p[:at], v, true
}

func decode(p []byte) (v any, ok bool) {
	d := json.NewDecoder(bytes.NewReader(p))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return nil, false
	}
	_, err := d.Token()
	return v, err == io.EOF
}

// without returns a value without what a pointer names.
func without(v any, pointer []string) any {
	name, rest := pointer[0], pointer[1:]
	switch v := v.(type) {
	case map[string]any:
		for key := range v {
			switch {
			case name != key && name != "*":
			case len(rest) == 0:
				delete(v, key)
			default:
				v[key] = without(v[key], rest)
			}
		}
	case []any:
		for i := range v {
			switch {
			case name != strconv.Itoa(i) && name != "*":
			case len(rest) == 0:
				v[i] = nil
			default:
				v[i] = without(v[i], rest)
			}
		}
	}
	return v
}

// maxWhere bounds a pointer that Where returns, in bytes.
const maxWhere = 200

// Where says in which place two messages that are not the same begin to differ: as a JSON pointer
// where both are JSON, otherwise as the number of a byte, from 1. It names members, and no values.
func (r Rules) Where(op wire.Op, a, b []byte) string {
	if op == wire.OpText {
		_, x, ok := r.reduce(a, true)
		_, y, also := r.reduce(b, true)
		if ok && also {
			if at := differs(x, y); at != "" && len(at) <= maxWhere {
				return at
			}
		}
	}
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return "byte " + strconv.Itoa(n+1)
}

// differs returns the pointer of the first value that is not the same in two others; "" where they
// are the same, or differ as a whole.
func differs(x, y any) string {
	escape := strings.NewReplacer("~", "~0", "/", "~1")
	switch x := x.(type) {
	case map[string]any:
		other, ok := y.(map[string]any)
		if !ok {
			return ""
		}
		var names []string
		for name := range x {
			names = append(names, name)
		}
		for name := range other {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			v, has := x[name]
			w, also := other[name]
			if has != also || !reflect.DeepEqual(v, w) {
				return "/" + escape.Replace(name) + differs(v, w)
			}
		}
	case []any:
		other, ok := y.([]any)
		if !ok {
			return ""
		}
		for i := range min(len(x), len(other)) {
			if !reflect.DeepEqual(x[i], other[i]) {
				return "/" + strconv.Itoa(i) + differs(x[i], other[i])
			}
		}
		if len(x) != len(other) {
			return "/" + strconv.Itoa(min(len(x), len(other)))
		}
	}
	return ""
}
