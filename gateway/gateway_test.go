package gateway_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
)

// Short and long text crosses every pair of versions unchanged in both directions.
func TestEveryPair(t *testing.T) {
	forPairs(t, func(t *testing.T, front, back draftwire.Version) {
		w := newWorld(t)
		w.echo("back:80", draftwire.VersionsOf(back))
		w.start(to(gateway.Policy{}, backURL(back)))
		c := w.mustClient(front, draftwire.DialOptions{})
		for _, text := range []string{"", "a", "grüße", strings.Repeat("0123456789", 100), strings.Repeat("x€", 50000)} {
			done := make(chan error, 1)
			go func() { done <- c.Write(bg, draftwire.OpText, []byte(text)) }()
			op, p, err := c.Read(bg)
			if err != nil || op != draftwire.OpText || !bytes.Equal(p, []byte(text)) {
				t.Fatalf("%d bytes came back as %d of %v, %v", len(text), len(p), op, err)
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Close(draftwire.CodeNormal, "bye"); err != nil {
			t.Errorf("close: %v", err)
		}
		s := <-w.ends
		if by, err := s.By(); by != gateway.ClientSide {
			t.Errorf("ended by %q: %v", by, err)
		}
	})
}
