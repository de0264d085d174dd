// Package hixie76 is draft-hixie-thewebsocketprotocol-76 of May 2010, the same
// text as draft-ietf-hybi-thewebsocketprotocol-00: Chrome 6 to 13, Safari 5.0.1
// to 5.1, iOS 4.2 to 5, PhantomJS 1, QtWebKit 4 and the televisions built on
// them.
//
// Request, with eight bytes behind the blank line that no field announces:
//
//	GET /demo HTTP/1.1
//	Host: example.com
//	Connection: Upgrade
//	Sec-WebSocket-Key2: 12998 5 Y3 1  .P00
//	Sec-WebSocket-Protocol: sample
//	Upgrade: WebSocket
//	Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5
//	Origin: http://example.com
//
//	^n:ds[4U
//
// Response, with sixteen bytes behind the blank line:
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
// The head must leave before the eight bytes come: HTTP proxies hold them back
// until they have seen the 101. Frames are those of hixie-75, and FF 00 closes.
package hixie76
