package hixie76_test

import (
	"fmt"
	"strings"

	"github.com/draftwire/draftwire/hixie76"
	"github.com/draftwire/draftwire/wire"
)

// The handshake of hixie-76 1.2, and a message.
func Example() {
	hs := hixie76.Draft.NewServer(nil)
	var asked wire.ClientRequest
	err := hs.ReadRequest(&wire.Request{Method: "GET", Target: "/demo", Proto: "HTTP/1.1", Fields: wire.Fields{
		{Name: "Host", Value: "example.com"},
		{Name: "Connection", Value: "Upgrade"},
		{Name: "Sec-WebSocket-Key2", Value: "12998 5 Y3 1  .P00"},
		{Name: "Sec-WebSocket-Protocol", Value: "sample"},
		{Name: "Upgrade", Value: "WebSocket"},
		{Name: "Sec-WebSocket-Key1", Value: "4 @1  46546xW%0l 1 5"},
		{Name: "Origin", Value: "http://example.com"},
	}}, &asked)
	if err != nil {
		fmt.Println(err)
		return
	}
	head, body := hs.Head(nil, &wire.Accept{
		Protocol: asked.Protocols[0],
		Location: "ws://example.com/demo",
	})
	// head is sent, then body bytes are read.
	key3 := []byte("^n:ds[4U")[:body]
	fmt.Print(strings.ReplaceAll(string(hs.Tail(head, key3)), "\r\n", "\n"))

	codec := hixie76.Draft.NewCodec(wire.CodecConfig{Role: wire.Server})
	frame, err := codec.AppendFrame(nil, wire.OpText, true, []byte("Hello"))
	fmt.Printf("\n%q %v\n", frame, err)
	// Output:
	// HTTP/1.1 101 WebSocket Protocol Handshake
	// Upgrade: WebSocket
	// Connection: Upgrade
	// Sec-WebSocket-Origin: http://example.com
	// Sec-WebSocket-Location: ws://example.com/demo
	// Sec-WebSocket-Protocol: sample
	//
	// 8jKS'y:G*Co,Wxa-
	// "\x00Hello\xff" <nil>
}
