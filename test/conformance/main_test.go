// Package conformance_test plays the rules of the documents, case by case: RFC 6455, RFC 7692,
// and the whole connections of vectors/.
package conformance_test

import (
	"context"
	"testing"

	"github.com/draftwire/draftwire/internal/leak"
)

// TestMain fails the run if a goroutine outlives the tests.
func TestMain(m *testing.M) { leak.Main(m, nil, nil) }

var bg = context.Background()
