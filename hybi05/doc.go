// Package hybi05 is two versions of February 2011: hybi-05 and hybi-06. The
// handshake is that of hybi-04 without the nonce (hybi-05 sends one still, as
// some clients of the time wait for it, but nothing depends on it).
//
//	GET /chat HTTP/1.1
//	Host: server.example.com
//	Upgrade: websocket
//	Connection: Upgrade
//	Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
//	Sec-WebSocket-Origin: http://example.com
//	Sec-WebSocket-Protocol: chat, superchat
//	Sec-WebSocket-Version: 6
//
//	HTTP/1.1 101 Switching Protocols
//	Upgrade: websocket
//	Connection: Upgrade
//	Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=
//	Sec-WebSocket-Protocol: chat
//
// A client's frame begins with its mask, four bytes in clear; head and payload
// behind it are masked. A server's frames are in clear. Opcodes are those of
// hybi-02. The body of a close is one letter in hybi-05, S from a server and C
// from a client; hybi-06 brought the code and the reason.
package hybi05
