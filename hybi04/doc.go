// Package hybi04 is draft hybi-04 of January 2011, the first with
// Sec-WebSocket-Key and the first to mask what a client sends.
//
//	GET /chat HTTP/1.1
//	Host: server.example.com
//	Upgrade: websocket
//	Connection: Upgrade
//	Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
//	Sec-WebSocket-Origin: http://example.com
//	Sec-WebSocket-Protocol: chat, superchat
//	Sec-WebSocket-Version: 4
//
//	HTTP/1.1 101 Switching Protocols
//	Upgrade: websocket
//	Connection: Upgrade
//	Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=
//	Sec-WebSocket-Nonce: AQIDBAUGBwgJCgsMDQ4PEC==
//	Sec-WebSocket-Protocol: chat
//
// Key and nonce, as they stand there, and a third text make the connection's
// key by SHA-1. A client's frame begins with four random bytes in clear; SHA-1
// of these and the connection's key is the frame's mask of twenty bytes, over
// head and payload. A server's frames are in clear. MORE has become FIN; the
// opcodes are those of hybi-02. A close frame is empty.
package hybi04
