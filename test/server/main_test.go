// Package server_test holds what stands in front of an open connection and around it: a
// server, its handshakes, options, limits and ordinary HTTP, proxies, and Dial.
package server_test

import (
	"context"
	"testing"

	"github.com/draftwire/draftwire/internal/leak"
)

// TestMain fails the run if a goroutine outlives the tests.
func TestMain(m *testing.M) { leak.Main(m, nil, nil) }

var bg = context.Background()
