// Package hybi02 is drafts hybi-01 to hybi-03 of August to October 2010. No
// browser spoke them; servers and test clients did.
//
// The handshake is that of hixie-76 with one more field, and a list of
// subprotocols separated by spaces, of which the server chooses one:
//
//	GET /demo HTTP/1.1
//	Upgrade: WebSocket
//	Connection: Upgrade
//	Host: example.com
//	Origin: http://example.com
//	Sec-WebSocket-Protocol: sample other
//	Sec-WebSocket-Draft: 2
//	Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5
//	Sec-WebSocket-Key2: 12998 5 Y3 1  .P00
//
//	^n:ds[4U
//
//	HTTP/1.1 101 WebSocket Protocol Handshake
//	Upgrade: WebSocket
//	Connection: Upgrade
//	Sec-WebSocket-Origin: http://example.com
//	Sec-WebSocket-Location: ws://example.com/demo
//	Sec-WebSocket-Protocol: sample
//
//	8jKS'y:G*Co,Wxa-
//
// Frames are new: a length instead of a terminator, opcodes, and in the first
// bit MORE, the inverse of the later FIN. Nothing is masked. Text "Hello" is 04
// 05 48 65 6C 6C 6F. The body of a close is opaque and comes back.
//
// hybi-01 had no Sec-WebSocket-Draft field yet; its handshake cannot be told
// from hixie-76.
package hybi02
