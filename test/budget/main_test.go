// Package budget_test holds what a connection may cost: allocations, stack, memory. Its
// benchmarks measure the library without the system.
package budget_test

import (
	"context"
	"testing"

	"github.com/draftwire/draftwire/internal/leak"
)

// TestMain fails the run if a goroutine outlives the tests.
func TestMain(m *testing.M) { leak.Main(m, nil, nil) }

var bg = context.Background()
