package metrics

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMain fails the run if a goroutine outlives the tests.
func TestMain(m *testing.M) {
	code := m.Run()
	late, tick := time.After(5*time.Second), time.Tick(10*time.Millisecond)
	for code == 0 && leaked() != "" {
		select {
		case <-tick:
		case <-late:
			fmt.Fprintf(os.Stderr, "goroutines left behind:\n%s\n", leaked())
			code = 1
		}
	}
	os.Exit(code)
}

// leaked returns the stacks of goroutines that the tests have started.
func leaked() string {
	var left []string
	buf := make([]byte, 1<<20)
	for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(g, "draftwire.") && !strings.Contains(g, "TestMain") {
			left = append(left, g)
		}
	}
	return strings.Join(left, "\n\n")
}
