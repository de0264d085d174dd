package drafts_test

import (
	"fmt"
	"strings"

	"github.com/draftwire/draftwire/drafts"
	"github.com/draftwire/draftwire/wire"
)

// What changed between two drafts, with the section or the source of each.
func ExampleDiff() {
	changes, err := drafts.Diff("hybi-10", "hybi-11")
	if err != nil {
		panic(err)
	}
	for _, c := range changes {
		fmt.Printf("%s: %s\n", c.Rule, c.To.Says)
	}
	// Output:
	// origin: Origin again, though the number of the version stays 8
	// version-list: a refusal with Sec-WebSocket-Version, which lists the numbers that it speaks
}

// A rule, through all drafts.
func ExampleSearch() {
	found, err := drafts.Search("masked server frame")
	if err != nil {
		panic(err)
	}
	for _, m := range found {
		fmt.Println(m.Name)
		for _, s := range m.Steps {
			fmt.Printf("  %s (%s)\n", s.Since, s.Cited())
		}
	}
	// Output:
	// unmasked
	//   hybi-04 (PW 653e4dc; program)
	//   hybi-07 (GECKO, hybi-07 4.1; program)
	//   hybi-15 (PWN; program)
	//   RFC 6455 (RFC 6455 5.1; text)
}

// Who spoke a version.
func ExampleExhibitOf() {
	for _, s := range drafts.ExhibitOf(wire.Hybi07).Shipped[:2] {
		fmt.Println(s.Kind, s.Who)
	}
	// Output:
	// browser Firefox 6
	// library UnittWebSocketClient for iOS
}

// A mask of February 2011, taken off.
func ExampleNewExchange() {
	e, err := drafts.NewExchange(wire.Hybi05)
	if err != nil {
		panic(err)
	}
	for _, m := range e.Moves {
		if m.Kind == drafts.MoveFrame && m.From == "client" {
			fmt.Println(m.Sums[0])
		}
	}
	// Output:
	// b3 f8 49 54 xor 37 fa 21 3d = 84 02 68 69
	// b6 fb 62 xor 37 fa 21 = 81 01 43
}

// A document by any of its names.
func ExampleFind() {
	v, d, err := drafts.Find("draft-ietf-hybi-thewebsocketprotocol-09")
	fmt.Println(v, d.Name, d.Number, d.Date, err)
	// Output: hybi-08 hybi-09 8 2011-06-13 <nil>
}

// What is known of a draft.
func ExampleShow() {
	a, err := drafts.Show("hybi-11")
	if err != nil {
		panic(err)
	}
	for _, c := range a.Changed[0].Changes {
		fmt.Println(c.Title, "-", c.To.News())
	}
	// Output:
	// how a request names the page's origin - Origin again, though the number of the version stays 8
	// what a server says to a version that it does not speak - a refusal with Sec-WebSocket-Version, which lists the numbers that it speaks
}

// A frame in the style of an RFC.
func ExampleDrawing_Text() {
	fmt.Print(drafts.Drawings(wire.Hybi07)[0].Text())
	// Output:
	//  0                   1                   2                   3
	//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
	// +-+-+-+-+-------+-+-------------+-------------------------------+
	// |F|R|R|R|opcode |M|   length    |       length, 16 bits,        |
	// |I|S|S|S|       |A|             |         if it was 126         |
	// |N|V|V|V|       |S|             |                               |
	// | |1|2|3|       |K|             |                               |
	// +-+-+-+-+-------+-+-------------+-------------------------------+
	// |     length, 64 bits in place of the 16, if it was 127 ...     |
	// +---------------------------------------------------------------+
	// |                      mask, if MASK is 1                       |
	// +---------------------------------------------------------------+
	// |                          payload ...                          |
	// +---------------------------------------------------------------+
	// under the mask: the payload
}

// The request of a browser of 2011, for a page of today.
func ExampleClient_Ask() {
	c, _ := drafts.ClientNamed("chrome4")
	pieces, err := c.Ask(&wire.Offer{Target: "/feed", Host: "example.org", Origin: "http://example.org"}, nil)
	if err != nil {
		panic(err)
	}
	fmt.Print(strings.ReplaceAll(string(pieces[0]), "\r", ""))
	fmt.Println("It closes by:", c.Sending.Ends)
	// Output:
	// GET /feed HTTP/1.1
	// Upgrade: WebSocket
	// Connection: Upgrade
	// Host: example.org
	// Origin: http://example.org
	//
	// It closes by: tcp
}
