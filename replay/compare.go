package replay

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"github.com/draftwire/draftwire/recording"
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
			return Ignore{}, fmt.Errorf("replay: %q: %w", text, err)
		}
		return Ignore{re: re}, nil
	}
	if !strings.HasPrefix(text, "/") {
		return Ignore{}, fmt.Errorf("replay: %q is neither a JSON pointer, which begins with /, nor re: with a regular expression", text)
	}
	parts := strings.Split(text[1:], "/")
	for i := range parts {
		parts[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(parts[i])
	}
	return Ignore{pointer: parts}, nil
}

// same reports whether a message is the one that was recorded.
func (o *Options) same(want *Step, got heard) bool {
	if want.Op != got.op {
		return false
	}
	if bytes.Equal(want.Payload, got.p) {
		return true
	}
	if want.Op != wire.OpText {
		return false
	}
	a, b := want.Payload, got.p
	if len(o.Redacted) > 0 {
		r := recording.Redaction{Names: o.Redacted}
		a, _ = r.Text(a)
		b, _ = r.Text(b)
	}
	var pointers [][]string
	for _, i := range o.Ignore {
		if i.re != nil {
			a, b = i.re.ReplaceAll(a, nil), i.re.ReplaceAll(b, nil)
		} else {
			pointers = append(pointers, i.pointer)
		}
	}
	if bytes.Equal(a, b) {
		return true
	}
	return len(pointers) > 0 && sameJSON(a, b, pointers)
}

// sameJSON compares two texts of JSON, without what pointers name. What stands before the first
// bracket, as the number of a Socket.IO packet does, is compared as it is.
func sameJSON(a, b []byte, pointers [][]string) bool {
	i, j := bytes.IndexAny(a, "{["), bytes.IndexAny(b, "{[")
	if i < 0 || j < 0 || !bytes.Equal(a[:i], b[:j]) {
		return false
	}
	x, ok := decode(a[i:])
	y, ok2 := decode(b[j:])
	if !ok || !ok2 {
		return false
	}
	for _, p := range pointers {
		x, y = without(x, p), without(y, p)
	}
	return reflect.DeepEqual(x, y)
}

func decode(p []byte) (v any, ok bool) {
	d := json.NewDecoder(bytes.NewReader(p))
	d.UseNumber()
	if d.Decode(&v) != nil || d.More() {
		return nil, false
	}
	return v, true
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
