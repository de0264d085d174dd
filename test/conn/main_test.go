// Package conn_test holds what an open connection does, on any network: it reads, writes,
// holds back, waits, is cancelled, is broken and closes. Most tests go over all versions.
package conn_test

import (
	"context"
	"testing"

	"github.com/draftwire/draftwire/internal/leak"
)

// TestMain fails the run if a goroutine outlives the tests.
func TestMain(m *testing.M) { leak.Main(m, nil, nil) }

var bg = context.Background()
