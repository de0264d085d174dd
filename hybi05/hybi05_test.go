package hybi05_test

import (
	"testing"

	"github.com/draftwire/draftwire/hybi05"
	"github.com/draftwire/draftwire/internal/vectest"
)

func TestVectors(t *testing.T) { vectest.Run(t, &hybi05.Draft) }
func TestCodec(t *testing.T)   { vectest.Codec(t, &hybi05.Draft) }

func TestVectors06(t *testing.T) { vectest.Run(t, &hybi05.Draft06) }
func TestCodec06(t *testing.T)   { vectest.Codec(t, &hybi05.Draft06) }
