package gateway

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// This file is how a configuration writes times and sizes.

// Duration is a time.Duration that is written like 30s; none, or a negative one, is none. In a file 0 is an error, as it would be the default.
type Duration time.Duration

// noTimeout is a timeout that does not pass: ten years, with which sums do not overflow.
const noTimeout = 10 * 365 * 24 * time.Hour

// timeout returns d as a timeout; a negative d is none.
func (d Duration) timeout() time.Duration {
	if d < 0 {
		return noTimeout
	}
	return time.Duration(d)
}

// spread returns d as a time over which something is spread; a negative d is none.
func (d Duration) spread() time.Duration { return time.Duration(max(d, 0)) }

// UnmarshalYAML implements yaml.Unmarshaler. Its errors name the line.
func (d *Duration) UnmarshalYAML(n *yaml.Node) error { return unmarshalScalar(n, d) }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(p []byte) error {
	if string(p) == none {
		*d = -1
		return nil
	}
	v, err := time.ParseDuration(string(p))
	if err != nil {
		return fmt.Errorf("%q is not a time like 500ms, 30s or 2m", p)
	}
	*d = Duration(v)
	return nil
}

// String returns the time like 1m30s.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) {
	if d <= 0 { // what has a default has it before this
		return []byte(none), nil
	}
	return []byte(d.String()), nil
}

// none is how a time or a size is written that does not bound anything.
const none = "none"

// Size is a number of bytes that is written like 64KiB; none, or a negative one, is none.
type Size int64

var units = []struct {
	name string
	size Size
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// UnmarshalYAML implements yaml.Unmarshaler. Its errors name the line.
func (s *Size) UnmarshalYAML(n *yaml.Node) error { return unmarshalScalar(n, s) }

// unmarshalScalar reads a single value. Package yaml itself would not name the line of a
// wrong one.
func unmarshalScalar(n *yaml.Node, v interface{ UnmarshalText([]byte) error }) error {
	err := errors.New("expected a single value, found a list or a mapping")
	if n.Kind == yaml.ScalarNode {
		err = v.UnmarshalText([]byte(n.Value))
	}
	if err == nil && reflect.ValueOf(v).Elem().IsZero() {
		err = fmt.Errorf("%s would mean the default; leave the key out, or write none", n.Value)
	}
	if err != nil {
		return &yaml.TypeError{Errors: []string{fmt.Sprintf("line %d: %v", n.Line, err)}}
	}
	return nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Size) UnmarshalText(p []byte) error {
	text, unit := string(p), Size(1)
	if text == none {
		*s = -1
		return nil
	}
	for _, u := range units {
		if number, ok := strings.CutSuffix(text, u.name); ok {
			text, unit = strings.TrimSpace(number), u.size
			break
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if limit := (1 << 62) / int64(unit); err != nil || n > limit || n < -limit {
		return fmt.Errorf("%q is not a size like 512, 64KiB or 1MiB", p)
	}
	*s = Size(n) * unit
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (s Size) MarshalText() ([]byte, error) {
	if s <= 0 {
		return []byte(none), nil
	}
	for _, u := range units {
		if s >= u.size && s%u.size == 0 {
			return []byte(strconv.FormatInt(int64(s/u.size), 10) + u.name), nil
		}
	}
	return []byte(strconv.FormatInt(int64(s), 10)), nil
}
