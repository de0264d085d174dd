package browsers_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/draftwire/draftwire/browsers"
	"github.com/draftwire/draftwire/wire"
)

const request = "GET /chat HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nHost: example.com\r\nOrigin: http://example.com\r\n" +
	"Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\nSec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\n\r\n^n:ds[4U"

const response = "HTTP/1.1 101 WebSocket Protocol Handshake\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Origin: http://example.com\r\nSec-WebSocket-Location: ws://example.com:8080/chat\r\n\r\n8jKS'y:G*Co,Wxa-"

// A server behind a proxy answers with the address that it listens on.
func Example() {
	for _, b := range browsers.Of(wire.Hixie76) {
		v, err := b.Check(&browsers.Exchange{Request: []byte(request), Response: []byte(response)})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(v.Browser, v.Outcome, v.Rule, v.Mark)
	}
	// Output:
	// chrome6 fails location-mismatch read
	// chrome11 fails location-mismatch read
	// safari5.0.1 fails location-mismatch read
	// ios4 fails location-mismatch read
	// safari5.1 fails location-mismatch read
	// ios5 fails location-mismatch read
	// qtwebkit4.8 fails location-mismatch read
	// phantomjs1.9 fails location-mismatch run
	// firefox4 fails location-mismatch read
}

func ExampleBrowser() {
	b, err := browsers.Find("iOS 5")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(b.Name, b.Version, b.Source)
	// Output: ios5 hixie-76 BlzFans/wke 484c2cbd Source/WebCore/websockets/WebSocketHandshake.cpp
}

func ExampleExchange() {
	b, _ := browsers.Find("phantomjs1.9")
	x := &browsers.Exchange{Request: []byte(request), Response: []byte(strings.Replace(response, ":8080", "", 1))}
	v, _ := b.Check(x)
	fmt.Println(v)
	x.Response = x.Response[:60]
	v, _ = b.Check(x)
	fmt.Println(v)
	// Output:
	// phantomjs1.9 opens the connection
	// phantomjs1.9 waits: the answer goes on until its end has come
}

func ExampleVerdict() {
	b, _ := browsers.Find("safari5.1")
	v, _ := b.Check(&browsers.Exchange{Request: []byte(request), Response: []byte(response)})
	fmt.Println(v)
	fmt.Println(v.Message)
	json.NewEncoder(os.Stdout).Encode(v.From)
	// Output:
	// safari5.1 fails: the URL in the answer is that of the page's WebSocket, letter by letter: "ws://example.com/chat" is wanted, "ws://example.com:8080/chat" came
	// Error during WebSocket handshake: location mismatch: ws://example.com/chat != ws://example.com:8080/chat
	// ["BlzFans/wke 484c2cbd Source/WebCore/websockets/WebSocketHandshake.cpp checkResponseHeaders"]
}

func ExampleOutcome() {
	for _, o := range []browsers.Outcome{browsers.Opens, browsers.Fails, browsers.Waits} {
		fmt.Println(o)
	}
	// Output:
	// opens
	// fails
	// waits
}

func ExampleMark() {
	for m := browsers.Run; m <= browsers.Guess; m++ {
		fmt.Printf("%s: %s\n", m, m.Meaning())
	}
	// Output:
	// run: the browser was run, and does so
	// read: its source was read
	// told: somebody reports it
	// guess: taken from the document, or from other versions of the browser
}

func ExampleRule() {
	for _, r := range browsers.Rules()[:3] {
		fmt.Println(r.Name, "-", r.Says)
	}
	// Output:
	// no-answer - the server has to answer
	// incomplete - the answer goes on until its end has come
	// status-line - the answer begins with a line of HTTP
}
