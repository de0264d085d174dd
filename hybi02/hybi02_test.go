package hybi02_test

import (
	"testing"

	"github.com/draftwire/draftwire/hybi02"
	"github.com/draftwire/draftwire/internal/vectest"
)

func TestVectors(t *testing.T) { vectest.Run(t, &hybi02.Draft) }
func TestCodec(t *testing.T)   { vectest.Codec(t, &hybi02.Draft) }
