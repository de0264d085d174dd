package fleet_test

import (
	"testing"

	"github.com/draftwire/draftwire/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m, nil, nil) }
