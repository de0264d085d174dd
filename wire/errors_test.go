package wire_test

import (
	"errors"
	"testing"

	"github.com/draftwire/draftwire/wire"
)

func TestNewUnsupportedError(t *testing.T) {
	err := wire.NewUnsupportedError(wire.Hixie76, "binary messages")
	if err.Error() != "draftwire: hixie-76 has no binary messages" {
		t.Errorf("it says %q", err)
	}
	if !errors.Is(err, wire.ErrUnsupported) || !errors.Is(err, errors.ErrUnsupported) {
		t.Error("errors.Is does not find ErrUnsupported")
	}
}
