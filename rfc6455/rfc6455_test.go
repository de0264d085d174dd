package rfc6455_test

import (
	"testing"

	"github.com/draftwire/draftwire/internal/vectest"
	"github.com/draftwire/draftwire/rfc6455"
)

func TestVectors(t *testing.T) { vectest.Run(t, &rfc6455.Draft) }
func TestCodec(t *testing.T)   { vectest.Codec(t, &rfc6455.Draft) }
