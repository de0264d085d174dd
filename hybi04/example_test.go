package hybi04_test

import (
	"fmt"
	"strings"

	"github.com/draftwire/draftwire/hybi04"
	"github.com/draftwire/draftwire/wire"
)

// A client's frame: four bytes in clear, then head and payload under SHA-1 of
// these and the connection's key.
func Example() {
	c := hybi04.Draft.NewCodec(wire.CodecConfig{
		Role:    wire.Client,
		MaskKey: []byte("01234567890123456789"), // from the handshake: Accept.MaskKey
		Rand:    strings.NewReader("ABCD"),
	})
	b, err := c.AppendFrame(nil, wire.OpText, true, []byte("Hello"))
	fmt.Printf("% x %v\n", b, err)
	// Output: 41 42 43 44 0d 35 77 ad b0 57 16 <nil>
}
