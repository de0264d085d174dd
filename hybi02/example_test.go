package hybi02_test

import (
	"fmt"

	"github.com/draftwire/draftwire/hybi02"
	"github.com/draftwire/draftwire/wire"
)

// A message in two frames: the first says that more follows.
func Example() {
	c := hybi02.Draft.NewCodec(wire.CodecConfig{Role: wire.Server})
	b, _ := c.AppendFrame(nil, wire.OpText, false, []byte("Hel"))
	b, err := c.AppendFrame(b, wire.OpContinuation, true, []byte("lo"))
	fmt.Printf("% x %v\n", b, err)
	// Output: 84 03 48 65 6c 00 02 6c 6f <nil>
}
