package usage_test

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/draftwire/draftwire/usage"
	"github.com/draftwire/draftwire/wire"
)

// A client that is evicted, comes again and is evicted again before the next flush is not
// left in the file.
func TestGivenUpTwice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	l := open(t, path, &clock{newYear}, usage.Options{Clients: 1})
	for _, client := range []string{"a", "flush", "b", "a", "b", "flush"} {
		if client != "flush" {
			l.Opened(usage.Visit{Version: wire.Hybi05, Client: client})
		} else if err := l.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(l.Close(), clientsOf(path, "b")); err != nil {
		t.Error(err)
	}
}

func clientsOf(path string, want ...string) error {
	s, err := usage.ReadFile(path, 0)
	if err != nil {
		return err
	}
	for i, c := range s.Clients {
		if i >= len(want) || c.Key != want[i] {
			return errors.New("there is also " + c.Key)
		}
	}
	return nil
}
