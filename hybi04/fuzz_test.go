package hybi04

import (
	"testing"

	"github.com/draftwire/draftwire/internal/vectest"
)

func FuzzFrames(f *testing.F)  { vectest.FuzzFrames(f, &Draft) }
func FuzzCodec(f *testing.F)   { vectest.FuzzCodec(f, &Draft) }
func FuzzSession(f *testing.F) { vectest.FuzzSession(f, &Draft) }
