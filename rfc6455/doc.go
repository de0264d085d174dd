// Package rfc6455 is RFC 6455 of December 2011, the version 13 of drafts 13 to
// 17: every browser and library since.
//
//	GET /chat HTTP/1.1
//	Host: server.example.com
//	Upgrade: websocket
//	Connection: Upgrade
//	Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
//	Origin: http://example.com
//	Sec-WebSocket-Protocol: chat, superchat
//	Sec-WebSocket-Version: 13
//
//	HTTP/1.1 101 Switching Protocols
//	Upgrade: websocket
//	Connection: Upgrade
//	Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=
//	Sec-WebSocket-Protocol: chat
//
// Frames have a clear head of 2 to 14 bytes: FIN, three reserved bits, opcode;
// MASK, length; the mask. Clients mask their payload, servers do not.
package rfc6455
