// Package hixie75 is draft-hixie-thewebsocketprotocol-75 of February 2010, as
// Chrome 4 and 5 and Safari 5.0.0 spoke it.
//
// The request has no key at all:
//
//	GET /demo HTTP/1.1
//	Upgrade: WebSocket
//	Connection: Upgrade
//	Host: example.com
//	Origin: http://example.com
//	WebSocket-Protocol: sample
//
// The client compares the first three lines of the response byte by byte, then
// looks for its own origin and URL:
//
//	HTTP/1.1 101 Web Socket Protocol Handshake
//	Upgrade: WebSocket
//	Connection: Upgrade
//	WebSocket-Origin: http://example.com
//	WebSocket-Location: ws://example.com/demo
//	WebSocket-Protocol: sample
//
// A text message is 00, its UTF-8, FF. There is no binary, no fragment, no
// ping and no closing handshake: TCP closes. Other frame types are reserved; a
// client skips them, a server refuses them, except for the FF 00 that some
// clients send at their end.
//
// Nothing proves that the server speaks WebSocket, so draftwire does not serve
// this version unless asked to.
package hixie75
