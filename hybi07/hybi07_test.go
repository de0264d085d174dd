package hybi07_test

import (
	"testing"

	"github.com/draftwire/draftwire/hybi07"
	"github.com/draftwire/draftwire/internal/vectest"
)

func TestVectors(t *testing.T) { vectest.Run(t, &hybi07.Draft) }
func TestCodec(t *testing.T)   { vectest.Codec(t, &hybi07.Draft) }

func TestVectors08(t *testing.T) { vectest.Run(t, &hybi07.Draft08) }
func TestCodec08(t *testing.T)   { vectest.Codec(t, &hybi07.Draft08) }
