package drafts

import (
	"encoding/hex"
	"strings"

	"github.com/draftwire/draftwire/wire"
)

// Client is the request of a program that shipped a version: which fields it sends, how it
// spells them and in which order, and what its keys look like.
type Client struct {
	Name    string       `json:"name"` // "safari5.1"
	Who     string       `json:"who"`
	Version wire.Version `json:"version"`
	Lines   []string     `json:"lines"`          // of the head, without the ends of the lines
	Tail    string       `json:"tail,omitempty"` // the bytes behind the head, hexadecimal
	Sending Sending      `json:"sending"`        // what changes, and how it closes
	// Fact says what of it was found where. Its mark is Program where the program was run, or
	// where its source fixes every byte that it does not choose at random; Told where somebody
	// else printed a request of it; Unverified where something of it is a guess.
	Fact
}

// Request returns the bytes of the request.
func (c Client) Request() []byte {
	tail, err := hex.DecodeString(c.Tail)
	if err != nil {
		panic("drafts: client " + c.Name + ": " + err.Error())
	}
	return append([]byte(strings.Join(c.Lines, "\r\n")+"\r\n\r\n"), tail...)
}

// Clients returns those of a version, or of every version for none.
func Clients(v wire.Version) (all []Client) {
	for _, c := range clients {
		if v == wire.Unknown || c.Version == v {
			c.Sending = sendings[c.Name]
			all = append(all, c)
		}
	}
	return all
}

// What stands for a key where no request of the program was found: those of hixie-76 1.3 and
// of RFC 6455 1.3.
const (
	draftKey1 = "Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5"
	draftKey2 = "Sec-WebSocket-Key2: 12998 5 Y3 1  .P00"
	draftTail = "5e6e3a64735b3455"
	draftKey  = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
)

const (
	acceptHTML = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	english    = "Accept-Language: en-us,en;q=0.5"
	gzipped    = "Accept-Encoding: gzip, deflate"
)

var clients = []Client{
	{"chrome4", "Chrome 4 and 5", wire.Hixie75, []string{
		"GET /chat HTTP/1.1", "Upgrade: WebSocket", "Connection: Upgrade", "Host: example.com", "Origin: http://example.com",
	}, "", Sending{}, fact(Program, "composed after the source; a protocol (WebSocket-Protocol) and then cookies would follow", "WEBKIT")},
	{"safari5.0", "Safari 5.0.0", wire.Hixie75, []string{
		"GET /chat HTTP/1.1", "Upgrade: WebSocket", "Connection: Upgrade", "Host: example.com", "Origin: http://example.com",
		"WebSocket-Protocol: sample",
	}, "", Sending{}, fact(Program, "composed after the source, which is that of Chrome 4; here with a protocol", "WEBKIT")},
	{"arduino", "ArduinoWebsocketClient", wire.Hixie75, []string{
		"GET /chat HTTP/1.1", "Upgrade: WebSocket", "Connection: Upgrade", "Host: example.com", "Origin: ArduinoWebSocketClient",
	}, "", Sending{}, fact(Program, "composed after the source; its origin is no origin. Of two states of it that were read, one has a port in Host always and the other never", "ARDUINO")},
	{"safari5.1", "Safari 5.1.2", wire.Hixie76, []string{
		"GET / HTTP/1.1", "Upgrade: WebSocket", "Connection: Upgrade", "Host: localhost:843", "Origin: http://example.com", "Cookie: a=b",
		"Sec-WebSocket-Key1: 23 1 +V2 61z9 5 P[t B|34vE", "Sec-WebSocket-Key2: 2  33 0w{z 55679 0",
	}, "8d07195bf934c649", Sending{}, fact(Told, "printed in a report; the path, the origin and the cookie are replaced. On Windows the eight bytes came in a packet of their own", "SAFARI512", "MODWS")},
	{"ios5", "iOS 5.1.1", wire.Hixie76, []string{
		"GET /chat HTTP/1.1", "Upgrade: WebSocket", "Connection: Upgrade", "Host: example.com", "Origin: http://example.com",
		"Sec-WebSocket-Key1: 1 M8r 8 5   94&24 64 ub", "Sec-WebSocket-Key2: 2   4 3649 K 32  2+1 L",
	}, draftTail, Sending{}, fact(Told, "the keys are printed in a report, the order is that of the source, and the last eight bytes are those of hixie-76", "MOPIDY", "WEBKIT")},
	{"phantomjs1.9", "PhantomJS 1.9.8", wire.Hixie76, []string{
		"GET /chat HTTP/1.1", "Upgrade: WebSocket", "Connection: Upgrade", "Host: 127.0.0.1:9932", "Origin: http://origin.example",
		"Sec-WebSocket-Protocol: chat",
		"Sec-WebSocket-Key1: 1  510  2 x43 52,N   U @F 6", "Sec-WebSocket-Key2: 334   `52tF  |f  8  4 87 7",
	}, "00077df409409a82", Sending{}, fact(Program, "run; all of it in one piece", "RUN")},
	{"flash", "web-socket-js, until September 2011", wire.Hixie76, []string{
		"GET /chat HTTP/1.1", "Upgrade: WebSocket", "Connection: Upgrade", "Host: example.com", "Origin: http://example.com", "Cookie: ",
		draftKey1, draftKey2, "WebSocket-Protocol: sample",
	}, draftTail, Sending{}, fact(Program, "composed after the source, with the keys of hixie-76: a cookie always, if empty, and the protocol last, under the name of hixie-75", "WSJS b674728")},
	{"lgtv2012", "a television of LG of 2012", wire.Hixie76, []string{
		"GET /chat HTTP/1.1", "Upgrade: WebSocket", "Connection: Upgrade", "Host: example.com", "Origin: http://example.com",
		"Sec-WebSocket-Protocol: sample", draftKey1, draftKey2,
	}, draftTail, Sending{}, fact(Unverified, "that it speaks hixie-76 and asks for a protocol is reported; the order is that of WebKit, which it is taken to be", "LG", "WEBKIT")},
	{"firefox6", "Firefox 6", wire.Hybi07, []string{
		"GET /chat HTTP/1.1", "Host: example.com", "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:6.0) Gecko/20100101 Firefox/6.0",
		acceptHTML, english, gzipped, "Connection: keep-alive, Upgrade", "Sec-WebSocket-Version: 7", "Sec-WebSocket-Origin: http://example.com",
		"Sec-WebSocket-Extensions: deflate-stream", draftKey, "Pragma: no-cache", "Cache-Control: no-cache", "Upgrade: websocket",
	}, "", Sending{}, fact(Unverified, "composed after the source, which fixes the order of all but the fields of every request, Accept and the like: those are of Firefox 12", "GECKO", "FF12")},
	{"firefox8", "Firefox 8", wire.Hybi08, []string{
		"GET /chat HTTP/1.1", "Host: example.com", "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:8.0) Gecko/20100101 Firefox/8.0",
		acceptHTML, english, gzipped, "Connection: keep-alive, Upgrade", "Sec-WebSocket-Version: 8", "Sec-WebSocket-Origin: http://example.com",
		draftKey, "Pragma: no-cache", "Cache-Control: no-cache", "Upgrade: websocket",
	}, "", Sending{}, fact(Unverified, "composed: Firefox 6 with version 8 and without deflate-stream, which 8 no longer offers; in Firefox 12 the fields have this order, with Origin", "GECKO", "MDN8", "FF12")},
	{"chrome14", "Chrome 14 and 15", wire.Hybi08, []string{
		"GET /chat HTTP/1.1", "Upgrade: websocket", "Connection: Upgrade", "Host: example.com", "Sec-WebSocket-Origin: http://example.com",
		draftKey, "Sec-WebSocket-Version: 8",
	}, "", Sending{}, fact(Program, "composed after the source; a protocol and cookies would stand before the key", "WEBKIT")},
	{"ws0.4-hybi08", "npm ws 0.4.32 as a client of version 8", wire.Hybi08, []string{
		"GET /chat?a=1 HTTP/1.1", "Connection: Upgrade", "Upgrade: websocket", "Host: 127.0.0.1:9955", "Origin: 127.0.0.1:9955",
		"Sec-WebSocket-Version: 8", "Sec-WebSocket-Key: OC0xNzk2MDA5ODYzMDQy", "Sec-WebSocket-Origin: http://origin.example",
	}, "", Sending{}, fact(Program, "run under Node 20: Origin is the host, and the key is the text 8-1796009863042, of 15 bytes", "RUN")},
	{"ws0.4", "npm ws 0.4.32", wire.RFC6455, []string{
		"GET /chat?a=1 HTTP/1.1", "Connection: Upgrade", "Upgrade: websocket", "Host: 127.0.0.1:9954", "Origin: http://origin.example",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: MTMtMTc5NjAwOTg2MzE0Ng==",
	}, "", Sending{}, fact(Program, "run under Node 20: the key is the text 13- and the time", "RUN")},
	{"phantomjs2.1", "PhantomJS 2.1.1", wire.RFC6455, []string{
		"GET /chat?a=1 HTTP/1.1", "Upgrade: websocket", "Connection: Upgrade", "Host: 127.0.0.1:9953", "Origin: http://origin.example",
		"Pragma: no-cache", "Cache-Control: no-cache", "Sec-WebSocket-Key: g+Pf1z+vM9zcPGt2li2+zQ==", "Sec-WebSocket-Version: 13",
		"Sec-WebSocket-Extensions: x-webkit-deflate-frame",
		"User-Agent: Mozilla/5.0 (Unknown; Linux x86_64) AppleWebKit/538.1 (KHTML, like Gecko) PhantomJS/2.1.1 Safari/538.1",
	}, "", Sending{}, fact(Program, "run", "RUN")},
	{"flash13", "web-socket-js of 2012", wire.RFC6455, []string{
		"GET /chat HTTP/1.1", "Host: 127.0.0.1:4502", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: aVo5CFcxWWoyZnwHNUUkMg==",
		"Origin: http://localhost:52281", "Sec-WebSocket-Version: 13", "Cookie: ",
	}, "", Sending{}, fact(Told, "printed in a report, but for the path", "WSJS126")},
	{"ie10", "Internet Explorer 10", wire.RFC6455, []string{
		"GET /chat HTTP/1.1", "Origin: http://example.com", draftKey, "Connection: Upgrade", "Upgrade: Websocket", "Sec-WebSocket-Version: 13",
		"User-Agent: Mozilla/5.0 (compatible; MSIE 10.0; Windows NT 6.2; WOW64; Trident/6.0)", "Host: example.com", "Cache-Control: no-cache",
	}, "", Sending{}, fact(Unverified, "the spelling Websocket is reported by many; no request was found whole, and the order is general knowledge", "IE10")},
}
