package input_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/draftwire/draftwire/inspect/input"
)

// Objects of a HAR file that hold nothing take no memory.
func TestEmptyObjectsOfHAR(t *testing.T) {
	const many = 200_000
	nothing := strings.Repeat("{},", many)
	for name, text := range map[string]string{
		"entries":  `{"log":{"entries":[` + nothing + `{}]}}`,
		"messages": `{"log":{"entries":[{"_resourceType":"websocket","_webSocketMessages":[` + nothing + `{}]}]}}`,
		"headers":  `{"log":{"entries":[{"_resourceType":"websocket","request":{"headers":[` + nothing + `{}]}}]}}`,
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := input.Read([]byte(text), "har"); err == nil {
			t.Errorf("%s: read", name)
		}
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 48*uint64(len(text)) {
			t.Errorf("%s: %d bytes for a text of %d", name, n, len(text))
		}
	}
}

// Lists of a HAR file may be null, and what is no list is an error.
func TestListsOfHAR(t *testing.T) {
	for text, want := range map[string]string{
		`{"log":{"entries":null}}`: "it has no WebSocket",
		`{"log":{"entries":{}}}`:   "is no list",
		`{"log":{"entries":[{"_resourceType":"websocket","_webSocketMessages":7}]}}`: "is no list",
	} {
		if _, err := input.Read([]byte(text), "har"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
