package hixie75_test

import (
	"fmt"
	"strings"

	"github.com/draftwire/draftwire/hixie75"
	"github.com/draftwire/draftwire/wire"
)

// The handshake of hixie-75 1.2, and a message.
func Example() {
	hs := hixie75.Draft.NewServer(nil)
	var asked wire.ClientRequest
	err := hs.ReadRequest(&wire.Request{Method: "GET", Target: "/demo", Proto: "HTTP/1.1", Fields: wire.Fields{
		{Name: "Upgrade", Value: "WebSocket"},
		{Name: "Connection", Value: "Upgrade"},
		{Name: "Host", Value: "example.com"},
		{Name: "Origin", Value: "http://example.com"},
		{Name: "WebSocket-Protocol", Value: "sample"},
	}}, &asked)
	if err != nil {
		fmt.Println(err)
		return
	}
	head, _ := hs.Head(nil, &wire.Accept{
		Protocol: asked.Protocols[0],
		Location: "ws://example.com/demo",
	})
	fmt.Print(strings.ReplaceAll(string(head), "\r\n", "\n"))

	codec := hixie75.Draft.NewCodec(wire.CodecConfig{Role: wire.Server})
	frame, err := codec.AppendFrame(nil, wire.OpText, true, []byte("Hello"))
	fmt.Printf("%q %v\n", frame, err)
	// Output:
	// HTTP/1.1 101 Web Socket Protocol Handshake
	// Upgrade: WebSocket
	// Connection: Upgrade
	// WebSocket-Origin: http://example.com
	// WebSocket-Location: ws://example.com/demo
	// WebSocket-Protocol: sample
	//
	// "\x00Hello\xff" <nil>
}
