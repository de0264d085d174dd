package gateway

import (
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// locate puts the line of its key, or of the value that it quotes, before each fault of a
// configuration that was read from a file.
func (f faults) locate(file *yaml.Node) {
	if file == nil || len(file.Content) == 0 {
		return
	}
	for i, err := range f {
		if line := lineOfFault(file.Content[0], err.Error()); line > 0 {
			f[i] = fmt.Errorf("line %d: %w", line, err)
		}
	}
}

// lineOfFault follows the path that a fault begins with ("route r: policy: binary: ...") from
// the top of a file, as far as it leads. Where it does not even begin there, as with a default
// that collides with a value, it returns the line of a value that the fault quotes, or 0.
func lineOfFault(n *yaml.Node, fault string) (line int) {
	for part := range strings.SplitSeq(fault, ": ") {
		kind, name, named := strings.Cut(part, " ")
		var key, below *yaml.Node
		switch {
		case named && line == 0 && kind == "route":
			below = itemOf(valueOf(n, "routes"), name, "name")
			key = below
		case named && line == 0 && kind == "listen":
			below = itemOf(valueOf(n, "listen"), name, "name", "address")
			key = below
		default:
			key, below = entryOf(n, part)
		}
		if below == nil {
			break
		}
		n, line = below, key.Line
	}
	return lineOfValue(n, fault, line)
}

// entryOf returns a key of a mapping with its value, nil if there is none.
func entryOf(n *yaml.Node, name string) (key, value *yaml.Node) {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i], n.Content[i+1]
		}
	}
	return nil, nil
}

func valueOf(n *yaml.Node, name string) *yaml.Node {
	_, value := entryOf(n, name)
	return value
}

// itemOf returns the item of a list that has a name under one of keys, or else has it by its
// place, from 1; nil if there is none.
func itemOf(list *yaml.Node, name string, keys ...string) *yaml.Node {
	if list == nil || list.Kind != yaml.SequenceNode {
		return nil
	}
	for _, item := range list.Content {
		for _, k := range keys {
			if v := valueOf(item, k); v != nil && v.Value == name {
				return item
			}
		}
	}
	if i, err := strconv.Atoi(name); err == nil && 0 < i && i <= len(list.Content) {
		return list.Content[i-1]
	}
	return nil
}

// lineOfValue returns the line of the last value below n that a fault quotes, else line: of
// two that are the same, the second one is too many.
func lineOfValue(n *yaml.Node, fault string, line int) int {
	if n.Kind == yaml.ScalarNode && n.Value != "" && strings.Contains(fault, strconv.Quote(n.Value)) {
		return n.Line
	}
	for _, below := range n.Content {
		line = lineOfValue(below, fault, line)
	}
	return line
}
