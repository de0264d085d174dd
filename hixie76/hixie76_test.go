package hixie76_test

import (
	"testing"

	"github.com/draftwire/draftwire/hixie76"
	"github.com/draftwire/draftwire/internal/vectest"
)

func TestVectors(t *testing.T) { vectest.Run(t, &hixie76.Draft) }
func TestCodec(t *testing.T)   { vectest.Codec(t, &hixie76.Draft) }
