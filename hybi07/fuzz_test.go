package hybi07

import (
	"testing"

	"github.com/draftwire/draftwire/internal/vectest"
)

func FuzzFrames(f *testing.F)  { vectest.FuzzFrames(f, &Draft, &Draft08) }
func FuzzCodec(f *testing.F)   { vectest.FuzzCodec(f, &Draft, &Draft08) }
func FuzzSession(f *testing.F) { vectest.FuzzSession(f, &Draft, &Draft08) }
