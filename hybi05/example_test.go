package hybi05_test

import (
	"fmt"
	"strings"

	"github.com/draftwire/draftwire/hybi05"
	"github.com/draftwire/draftwire/wire"
)

// A client's close: the mask in clear, then head and body under it. hybi-05 has
// a letter there, hybi-06 a code and a reason.
func Example() {
	for _, d := range []wire.Draft{hybi05.Draft, hybi05.Draft06} {
		c := d.NewCodec(wire.CodecConfig{Role: wire.Client, Rand: strings.NewReader("\x00\x00\x00\x00")})
		b, err := c.AppendClose(nil, wire.CodeNormal, "bye")
		fmt.Printf("%s % x %v\n", d.Version, b, err)
	}
	// Output:
	// hybi-05 00 00 00 00 81 01 43 <nil>
	// hybi-06 00 00 00 00 81 05 03 e8 62 79 65 <nil>
}
