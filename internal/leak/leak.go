// Package leak fails tests that leave goroutines behind.
package leak

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// patience is how long a goroutine may take to end behind the tests.
const patience = 5 * time.Second

// Main runs the tests and fails where goroutines of this module, or with one of also
// in their stack, outlive them; those with one of not may stay. It is for TestMain,
// and ends the process.
func Main(m *testing.M, also, not []string) {
	code := m.Run()
	late, tick := time.After(patience), time.Tick(10*time.Millisecond)
	for code == 0 {
		left := leaked(append(also, "draftwire/draftwire"), append(not, "TestMain"))
		if left == "" {
			break
		}
		select {
		case <-tick:
		case <-late:
			fmt.Fprintf(os.Stderr, "goroutines left behind:\n%s\n", left)
			code = 1
		}
	}
	os.Exit(code)
}

func leaked(of, not []string) string {
	var left []string
	buf := make([]byte, 1<<20)
	for g := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if contains(g, of) && !contains(g, not) {
			left = append(left, g)
		}
	}
	return strings.Join(left, "\n\n")
}

func contains(s string, list []string) bool {
	for _, x := range list {
		if strings.Contains(s, x) {
			return true
		}
	}
	return false
}
