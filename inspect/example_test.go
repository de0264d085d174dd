package inspect_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/draftwire/draftwire/inspect"
	"github.com/draftwire/draftwire/inspect/capture"
)

// connection is one of hixie-76, as the two sides have sent it.
var connection = []struct {
	from  capture.Direction
	bytes string
}{
	{capture.FromClient, "GET /demo HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\nUpgrade: WebSocket\r\n" +
		"Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\nOrigin: http://example.com\r\n\r\n^n:ds[4U"},
	{capture.FromServer, "HTTP/1.1 101 WebSocket Protocol Handshake\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Origin: http://example.com\r\nSec-WebSocket-Location: ws://example.com/demo\r\n\r\n8jKS'y:G*Co,Wxa-"},
	{capture.FromClient, "\x00Hello\xff"},
	{capture.FromClient, "\xff\x00"},
	{capture.FromServer, "\xff\x00"},
}

// explain gives it to an inspector.
func explain(o inspect.Options, tell func(*inspect.Event)) {
	s := inspect.New(o, tell).Open(capture.Conn{Number: 1})
	var at [2]int64
	for _, x := range connection {
		s.Data(time.Time{}, x.from, at[x.from], []byte(x.bytes))
		at[x.from] += int64(len(x.bytes))
	}
	s.End(time.Time{}, capture.FromServer, capture.Fin)
	s.End(time.Time{}, capture.FromClient, capture.Fin)
}

func ExampleInspector() {
	explain(inspect.Options{}, func(e *inspect.Event) {
		fmt.Println(strings.TrimSpace(fmt.Sprintf("%s %s %s", e.Kind, e.From, e.Text)))
	})
	// Output:
	// connection
	// request client a request for WebSocket, hixie-76: Sec-WebSocket-Key1 and -Key2
	// challenge client the eight bytes that end the challenge
	// keys client what the sixteen bytes have to be (hixie-76 5.2)
	// response server the handshake is accepted
	// proof server the sixteen bytes that prove that the server has read the challenge
	// frame client
	// message client
	// frame client
	// frame server
	// end server ends its stream
	// end client ends its stream
	// closing  the client closed first, and the server answered: a clean close
}

func ExampleEvent() {
	explain(inspect.Options{}, func(e *inspect.Event) {
		for _, step := range e.Steps {
			fmt.Println(step)
		}
	})
	// Output:
	// key 1    "4 @1  46546xW%0l 1 5"
	//          its digits 4146546015, divided by its 5 spaces: 829309203
	// key 2    "12998 5 Y3 1  .P00"
	//          its digits 1299853100, divided by its 5 spaces: 259970620
	// together 31 6e 41 13  0f 7e d6 3c  5e 6e 3a 64 73 5b 34 55
	// MD5      38 6a 4b 53 27 79 3a 47 2a 43 6f 2c 57 78 61 2d
	// as text  "8jKS'y:G*Co,Wxa-"
}

func ExampleLine() {
	explain(inspect.Options{}, func(e *inspect.Event) {
		if e.Kind != inspect.KindResponse {
			return
		}
		for _, l := range e.Lines {
			fmt.Println(l.Text)
			for _, n := range l.Notes {
				fmt.Println("   ", n.Verdict, n.Text, "-", n.Section)
			}
		}
	})
	// Output:
	// HTTP/1.1 101 WebSocket Protocol Handshake
	// Upgrade: WebSocket
	//     obeys once, WebSocket in this spelling - hixie-76 4.1
	// Connection: Upgrade
	//     obeys once, Upgrade alone - hixie-76 4.1
	// Sec-WebSocket-Origin: http://example.com
	//     obeys once, the request's Origin in lower case - hixie-76 4.1
	// Sec-WebSocket-Location: ws://example.com/demo
	//     obeys once, the client's URL: ws or wss, the host in lower case without the scheme's own port, the target - hixie-76 4.1
}

// The client's URL was wss, as it came over TLS that something in front has opened.
func ExampleOptions() {
	explain(inspect.Options{Secure: true}, func(e *inspect.Event) {
		for _, n := range e.Broken() {
			fmt.Println(n.Text, "-", n.Section)
			fmt.Println("tolerate", n.Tolerate)
		}
	})
	// Output:
	// the server's response is not what the version demands: Sec-WebSocket-Location is "ws://example.com/demo", not "wss://example.com/demo" - hixie-76 4.1
	// tolerate other-location
}

func ExampleNote() {
	explain(inspect.Options{}, func(e *inspect.Event) {
		for _, n := range e.Notes {
			if n.Verdict == inspect.Obeys {
				fmt.Println(e.Kind, n.Text)
			}
		}
	})
	// Output: proof they are what the challenge comes to
}

func ExampleFrame() {
	explain(inspect.Options{}, func(e *inspect.Event) {
		if f := e.Frame; f != nil {
			fmt.Printf("%d %s type %02X, %d bytes %q\n", e.Offset, f.Op, f.Type, f.Size, f.Payload)
		}
	})
	// Output:
	// 200 text type 00, 5 bytes "Hello"
	// 207 close type FF, 0 bytes ""
	// 191 close type FF, 0 bytes ""
}

func ExamplePart() {
	explain(inspect.Options{}, func(e *inspect.Event) {
		if e.Frame == nil || e.Frame.Op != "text" {
			return
		}
		for _, p := range e.Parts {
			fmt.Printf("% x: %s\n", e.Bytes[p.Offset:p.Offset+int(p.Length)], p.Meaning)
		}
	})
	// Output:
	// 00: the frame type 00: text, up to FF (hixie-76 5.3)
	// 48 65 6c 6c 6f: the text
	// ff: FF ends the text
}

func ExampleMessage() {
	explain(inspect.Options{}, func(e *inspect.Event) {
		if m := e.Message; m != nil {
			fmt.Printf("%s %d from the %s: %q\n", m.Op, m.Number, e.From, m.Text)
		}
	})
	// Output: text 1 from the client: "Hello"
}

func ExampleClosing() {
	explain(inspect.Options{}, func(e *inspect.Event) {
		if c := e.Closing; c != nil {
			fmt.Println(c.First, c.Answered, c.Result)
		}
	})
	// Output: client true clean
}

func ExampleHex() {
	j, _ := json.Marshal(inspect.Hex("\x00Hello\xff"))
	fmt.Println(string(j))
	// Output: "0048656c6c6fff"
}
