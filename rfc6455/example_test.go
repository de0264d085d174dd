package rfc6455_test

import (
	"fmt"
	"strings"

	"github.com/draftwire/draftwire/rfc6455"
	"github.com/draftwire/draftwire/wire"
)

// The handshake of RFC 6455 1.2, and the first frame of RFC 6455 5.7.
func Example() {
	hs := rfc6455.Draft.NewServer(nil)
	var asked wire.ClientRequest
	err := hs.ReadRequest(&wire.Request{Method: "GET", Target: "/chat", Proto: "HTTP/1.1", Fields: wire.Fields{
		{Name: "Host", Value: "server.example.com"},
		{Name: "Upgrade", Value: "websocket"},
		{Name: "Connection", Value: "Upgrade"},
		{Name: "Sec-WebSocket-Key", Value: "dGhlIHNhbXBsZSBub25jZQ=="},
		{Name: "Origin", Value: "http://example.com"},
		{Name: "Sec-WebSocket-Protocol", Value: "chat, superchat"},
		{Name: "Sec-WebSocket-Version", Value: "13"},
	}}, &asked)
	if err != nil {
		fmt.Println(err)
		return
	}
	head, _ := hs.Head(nil, &wire.Accept{Protocol: asked.Protocols[0]})
	fmt.Print(strings.ReplaceAll(string(head), "\r\n", "\n"))

	codec := rfc6455.Draft.NewCodec(wire.CodecConfig{Role: wire.Server})
	frame, err := codec.AppendFrame(nil, wire.OpText, true, []byte("Hello"))
	fmt.Printf("% x %v\n", frame, err)
	// Output:
	// HTTP/1.1 101 Switching Protocols
	// Upgrade: websocket
	// Connection: Upgrade
	// Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=
	// Sec-WebSocket-Protocol: chat
	//
	// 81 05 48 65 6c 6c 6f <nil>
}
