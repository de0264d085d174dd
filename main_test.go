package draftwire_test

import (
	"testing"

	"github.com/draftwire/draftwire/internal/leak"
)

// TestMain fails the run if a goroutine outlives the tests.
func TestMain(m *testing.M) { leak.Main(m, nil, nil) }
