package hixie75_test

import (
	"testing"

	"github.com/draftwire/draftwire/hixie75"
	"github.com/draftwire/draftwire/internal/vectest"
)

func TestVectors(t *testing.T) { vectest.Run(t, &hixie75.Draft) }
func TestCodec(t *testing.T)   { vectest.Codec(t, &hixie75.Draft) }
