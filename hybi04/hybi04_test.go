package hybi04_test

import (
	"testing"

	"github.com/draftwire/draftwire/hybi04"
	"github.com/draftwire/draftwire/internal/vectest"
)

func TestVectors(t *testing.T) { vectest.Run(t, &hybi04.Draft) }
func TestCodec(t *testing.T)   { vectest.Codec(t, &hybi04.Draft) }
