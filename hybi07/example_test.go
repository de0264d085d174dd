package hybi07_test

import (
	"fmt"
	"strings"

	"github.com/draftwire/draftwire/hybi07"
	"github.com/draftwire/draftwire/wire"
)

// The handshake of hybi-07 1.2, a message, and a close with this family's own
// code for "too big", 1004.
func Example() {
	hs := hybi07.Draft.NewServer(nil)
	var asked wire.ClientRequest
	err := hs.ReadRequest(&wire.Request{Method: "GET", Target: "/chat", Proto: "HTTP/1.1", Fields: wire.Fields{
		{Name: "Host", Value: "server.example.com"},
		{Name: "Upgrade", Value: "websocket"},
		{Name: "Connection", Value: "Upgrade"},
		{Name: "Sec-WebSocket-Key", Value: "dGhlIHNhbXBsZSBub25jZQ=="},
		{Name: "Sec-WebSocket-Origin", Value: "http://example.com"},
		{Name: "Sec-WebSocket-Protocol", Value: "chat, superchat"},
		{Name: "Sec-WebSocket-Version", Value: "7"},
	}}, &asked)
	if err != nil {
		fmt.Println(err)
		return
	}
	head, _ := hs.Head(nil, &wire.Accept{Protocol: asked.Protocols[0]})
	fmt.Print(strings.ReplaceAll(string(head), "\r\n", "\n"))

	codec := hybi07.Draft.NewCodec(wire.CodecConfig{Role: wire.Server})
	frames, err := codec.AppendFrame(nil, wire.OpText, true, []byte("Hello"))
	if err == nil {
		frames, err = codec.AppendClose(frames, wire.CodeTooBig, "")
	}
	fmt.Printf("% x %v\n", frames, err)
	// Output:
	// HTTP/1.1 101 Switching Protocols
	// Upgrade: websocket
	// Connection: Upgrade
	// Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=
	// Sec-WebSocket-Protocol: chat
	//
	// 81 05 48 65 6c 6c 6f 88 02 03 ec <nil>
}
