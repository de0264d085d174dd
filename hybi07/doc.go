// Package hybi07 is two versions: hybi-07 of April 2011, which Firefox 6
// spoke, and hybi-08 (drafts 08 to 12, June to August 2011), which Chrome 14
// and 15 and Firefox 7 to 10 spoke. On the wire they are RFC 6455 with other
// numbers:
//
//	GET /chat HTTP/1.1
//	Host: server.example.com
//	Upgrade: websocket
//	Connection: Upgrade
//	Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
//	Sec-WebSocket-Origin: http://example.com
//	Sec-WebSocket-Protocol: chat, superchat
//	Sec-WebSocket-Version: 7
//
//	HTTP/1.1 101 Switching Protocols
//	Upgrade: websocket
//	Connection: Upgrade
//	Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=
//	Sec-WebSocket-Protocol: chat
//
// What differs from RFC 6455: the origin's field name (drafts 11 and 12 renamed
// it under the same version number, so version 8 uses either); the key is any
// non-empty text; lengths may be written longer than needed; code 1004 means
// "too big" and later codes are missing; hybi-07 clients replace text that is
// not UTF-8 and take masked frames. Firefox 6 offers deflate-stream, which is
// declined by leaving Sec-WebSocket-Extensions out of the answer.
package hybi07
