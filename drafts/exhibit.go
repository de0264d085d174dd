package drafts

import "github.com/draftwire/draftwire/wire"

// Exhibit is what is told of a version beside its rules.
type Exhibit struct {
	Version wire.Version `json:"version"`
	Summary string       `json:"summary"` // a sentence or two: what it was
	Shipped []Shipper    `json:"shipped"`
	Wrong   []Fact       `json:"wrong"` // what was wrong with it
}

// Shipper is a program that spoke a version.
type Shipper struct {
	Who  string `json:"who"`
	Kind string `json:"kind"` // "browser", "device", "library", "server"
	When string `json:"when,omitempty"`
	Fact        // Says is what else there is to say, and may be empty
}

// Exhibits returns one for each version, oldest first.
func Exhibits() []Exhibit { return append([]Exhibit(nil), exhibits...) }

// ExhibitOf returns that of a version. It panics for what is no version.
func ExhibitOf(v wire.Version) Exhibit {
	for _, e := range exhibits {
		if e.Version == v {
			return e
		}
	}
	panic("drafts: no exhibit of " + v.String())
}

// The kinds of shippers.
const (
	browser = "browser"
	device  = "device"
	library = "library" // with a client
	server  = "server"
)

func ships(kind, who, when string, mark Mark, says string, from ...string) Shipper {
	return Shipper{who, kind, when, Fact{says, from, mark}}
}

func fact(mark Mark, says string, from ...string) Fact { return Fact{says, from, mark} }

var exhibits = []Exhibit{
	{
		Version: wire.Hixie75,
		Summary: "The first version that browsers spoke. It was written as a chapter of the HTML specification. " +
			"A request has no key of any kind, text stands between 00 and FF, and TCP ends it.",
		Shipped: []Shipper{
			ships(browser, "Chrome 4 and 5", "2009-12 (developer channel, 4.0.249.0) to 2010", Told, "Chrome 5 is named as the last one", "CR2009", "CR2010", "TAB"),
			ships(browser, "Safari 5.0.0", "2010-06", Told, "the date is general knowledge", "TAB"),
			ships(library, "web-socket-js, the Flash client", "until 2010-06-14", Program, "", "WSJS 71517cf"),
			ships(library, "golang.org/x/net/websocket", "until 2013-09", Program, "client and server", "GOOGLEGO"),
			ships(server, "Jetty 7.0.1", "2009-12", Told, "when it came, hixie-66 to -68 were the newest drafts", "CD2009", "TRACKER"),
			ships(server, "pywebsocket, em-websocket, websocket-driver, Netty 4, Protocol::WebSocket, Kaazing", "", Program, "pywebsocket dropped it on 2012-10-05, websocket-driver with 0.8", "PW 7706875", "EM", "FAYE", "NETTY", "VTI", "KAAZING"),
		},
		Wrong: []Fact{
			fact(Text, "nothing proves that the server speaks WebSocket, or has read the request: its answer can be made without it, except for an origin and a URL", "hixie-75 4.1"),
			fact(Text, "nothing in a request marks it as that of a WebSocket client: whatever can set the fields can send it", "hixie-75 4.1"),
			fact(Text, "frames are not masked, so a page chooses bytes that a proxy sees", "hixie-75 4.2"),
			fact(Text, "the first three lines of the answer are compared byte by byte, which a server on top of an HTTP library can hardly write", "hixie-75 4.1 step 12", "CR2010"),
			fact(Text, "there is no close: a message that was lost at the end, and an end that was wanted, look alike", "hixie-75 6"),
			fact(Text, "an example in its chapter 5.2 has 0A 0D 0A 0D for the end of the head; it means 0D 0A 0D 0A", "hixie-68 5.2"),
		},
	},
	{
		Version: wire.Hixie76,
		Summary: "The version of the years 2010 and 2011, in iPhones, televisions and Flash for much longer. A challenge of two keys and eight bytes " +
			"proves that the server has read the request; FF 00 closes. The IETF's first draft is the same text.",
		Shipped: []Shipper{
			ships(browser, "Chrome 6 to 13", "2010-06 (6.0.414.0) to 2011-08", Told, "14 was the first that spoke another one", "CR2010", "CR2011", "TAB"),
			ships(browser, "Safari 5.0.1 to 5.1", "2010 to 2012", Told, "another source names 5.0.2", "TAB", "MDN", "OPERA"),
			ships(browser, "iOS 4.2 to 5", "2010 to 2012", Told, "", "TAB"),
			ships(browser, "Firefox 4 and 5", "2011", Told, "off unless a hidden preference turned it on", "TAB", "MDN", "FF4OFF"),
			ships(browser, "Opera 11", "2010 to 2012", Told, "off unless a preference turned it on", "OPERA", "TAB", "FF4OFF"),
			ships(device, "PhantomJS 1.9.8 (WebKit 534.34)", "to 2014 and later", Program, "run", "RUN"),
			ships(device, "QtWebKit 4.8", "", Program, "run", "RUN"),
			ships(device, "televisions of LG of 2012", "2012", Told, "a subprotocol in the request", "LG"),
			ships(device, "connected televisions on WebKit 534", "still 2023", Unverified, "15 to 20 % of the sets in Italy, 20 to 30 % in Germany, as one person says", "TV"),
			ships(browser, "BlackBerry PlayBook", "2011", Unverified, "its WebKit has both hixie-76 and 13, and appends the payload of a continuation twice; which one was shipped was not found", "PLAYBOOK"),
			ships(device, "BlackBerry OS 6 and 7", "2010", Unverified, "which version it is, was not found", "CD2010"),
			ships(library, "web-socket-js, the Flash client", "2010-06-14 to 2011-09-17", Program, "", "WSJS"),
			ships(library, "golang.org/x/net/websocket", "until 2013-09", Program, "client and server", "GOOGLEGO"),
			ships(server, "pywebsocket, em-websocket, websocket-driver, Netty 4, Protocol::WebSocket, Jetty 7 and 8, Kaazing, libwebsockets, npm ws", "", Program, "npm ws dropped it in 2016-10, websocket-driver with 0.8", "PW", "EM", "FAYE", "NETTY", "VTI", "JETTY", "KAAZING", "LWS", "WS"),
		},
		Wrong: []Fact{
			fact(Told, "frames are not masked, so a page chooses bytes that a proxy sees. Researchers showed in November 2010 that this poisons the caches of transparent proxies; Firefox 4 and Opera 11 switched WebSocket off", "PUSHER", "FF4OFF"),
			fact(Told, "the eight bytes behind the head are no body to HTTP. A proxy holds them back until it has seen the 101, and a server that waits for them before it answers waits for ever", "HAPROXY"),
			fact(Program, "HAProxy has answered 400 to it since 2.4, because it wants a Sec-WebSocket-Key", "HAPROXY24"),
			fact(Text, "a server learns neither why it was closed nor whether the peer is alive: there are no codes and no pings", "hixie-76 4.2"),
			fact(Program, "WebKit 534 answers no FF 00 that a server sends first, and early WebKit of Android none at all", "RUN", "ANDROID"),
			fact(Program, "clients compare the URL in the answer with their own, so a server behind a TLS proxy that writes ws in place of wss is refused without a word", "WEBKIT", "GECKO"),
		},
	},
	{
		Version: wire.Hybi02,
		Summary: "The working group's first own version: the handshake of hixie-76, and new frames with opcodes, fragments, ping, pong and close. No browser spoke it.",
		Shipped: []Shipper{
			ships(library, "pywebsocket", "2010-10 to 2011-03", Program, "client and server, drafts 01 to 03", "PW 7a5ec43"),
			ships(library, "libwebsockets", "2010 to 2011", Program, "took Sec-WebSocket-Draft: 2, and 76 for the frames of hixie-76", "LWS ce510c6"),
			ships(server, "em-websocket", "", Program, "takes 1, 2 and 3 as numbers of the draft", "EM handler.rb"),
			ships(server, "Jetty 7.2 (D01)", "2010-11", Program, "", "JETTY D01"),
			ships(library, "gevent-websocket, jWebSocket", "2010", Told, "jWebSocket shifted the opcode into the high nibble", "CD2010"),
		},
		Wrong: []Fact{
			fact(Program, "hybi-01 cannot be told from hixie-76 before the first frame: both have the same handshake", "PWN"),
			fact(Program, "hybi-03 still says 2, so programs send 1, 2 and 3 for the same frames", "PWN", "EM handler.rb"),
			fact(Program, "websocket-ruby sends and reads frames of hixie for 1 and 2", "WR"),
			fact(Program, "frames are not masked, as in hixie-76", "PW 7a5ec43"),
		},
	},
	{
		Version: wire.Hybi04,
		Summary: "The first version with a mask, and with one key in place of three. Each frame of a client, its head included, is XORed with a hash of a nonce and of the handshake. Libraries only.",
		Shipped: []Shipper{
			ships(library, "pywebsocket of March 2011", "2011-01 to 2011-03", Program, "client and server; they agree with this program", "PW 653e4dc", "RUN"),
			ships(library, "libwebsockets", "2011-01 to 2013-01", Program, "XORs with the connection's key in place of the frame's, so it talks to itself only", "LWS 3e5eb78", "LWS 5738c0e"),
			ships(library, "QtWebsocket", "", Program, "makes the same key and uses four bytes of it as the mask", "QTWS"),
			ships(server, "websocket-ruby", "", Program, "sends no nonce and takes no mask off", "WR"),
		},
		Wrong: []Fact{
			fact(Program, "a SHA-1 for each frame, and a head that nobody can read without the keys of the handshake", "PW 653e4dc"),
			fact(Program, "nearly every implementation that was found gets its mask wrong", "LWS", "WR", "QTWS"),
			fact(Program, "the answer in its sample handshake does not follow from its own algorithm", "PERL", "COMPUTED"),
		},
	},
	{
		Version: wire.Hybi05,
		Summary: "hybi-04 with a simple mask: four random bytes before each frame of a client, which still hide its head. A close says S or C.",
		Shipped: []Shipper{
			ships(library, "libwebsockets", "from 2011-02", Program, "", "LWS 92970ba"),
			ships(server, "em-websocket", "", Program, "", "EM framing05.rb"),
			ships(server, "Grizzly", "2011", Program, "its source cites draft 05", "GRIZZLY"),
			ships(server, "websocket-ruby", "", Program, "reads 5 and 6 with the frames of hybi-07, and fails", "WR"),
		},
		Wrong: []Fact{
			fact(Unverified, "sources differ on whether the server still sends a nonce", "PWN", "PERL", "LWS 4eaa86b"),
			fact(Program, "a frame's head is masked, so a parser that looks for a length has to take the mask off first", "EM framing05.rb"),
			fact(Program, "a close says who sent it, which both sides know, and not why", "EM close05.rb"),
		},
	},
	{
		Version: wire.Hybi06,
		Summary: "hybi-05 with codes and reasons in a close, and with Connection as a list.",
		Shipped: []Shipper{
			ships(browser, "Internet Explorer 8 and 9 with the prototype of HTML5 Labs", "2011-03", Told, "tested with libwebsockets, Jetty and a build of Firefox; pings every 50 seconds", "LABS06", "TAB"),
			ships(library, "libwebsockets", "from 2011-03", Program, "", "LWS 08d3392"),
			ships(library, "pywebsocket", "2011-03 to 2011-05", Program, "", "PW 3ebb789"),
			ships(server, "Jetty 8 (D06), em-websocket", "2011", Program, "", "JETTY D06", "EM"),
		},
		Wrong: []Fact{
			fact(Program, "a frame's head is masked, as in hybi-05", "EM framing05.rb"),
			fact(Program, "1004 is \"too big\", which later became 1009 while 1004 was reserved", "PW 41a4dd0", "PWN"),
		},
	},
	{
		Version: wire.Hybi07,
		Summary: "The frames of today: opcodes in two halves, a bit that says whether there is a mask, and a head in clear. Firefox 6 spoke it.",
		Shipped: []Shipper{
			ships(browser, "Firefox 6", "2011-08", Told, "as MozWebSocket, because the interface was not settled; offers deflate-stream. The date is general knowledge", "BUG659324", "MDN", "GECKO"),
			ships(library, "UnittWebSocketClient for iOS", "2011", Told, "", "UNITT"),
			ships(library, "npm websocket", "2011", Told, "had a branch for it", "WSNODE"),
			ships(server, "em-websocket, Netty 4, libwebsockets, Jetty 8, gevent-websocket, Tornado", "", Program, "most of those that take 8 take 7 too", "EM", "NETTY", "LWS", "JETTY"),
		},
		Wrong: []Fact{
			fact(Program, "deflate-stream, which Firefox 6 offers, undoes what the mask is for: it compresses the masked bytes, heads included, into one stream", "GECKO", "LWS 66a36ff"),
			fact(Told, "Mozilla switched deflate-stream off in Firefox 8, as it broke some sites", "MDN8"),
			fact(Program, "whether text has to be UTF-8, and what a reserved bit does, was still open", "PWN"),
		},
	},
	{
		Version: wire.Hybi08,
		Summary: "The frames of hybi-07 with another number, which five drafts shared. Chrome 14 and Firefox 7 brought it to everybody for half a year.",
		Shipped: []Shipper{
			ships(browser, "Chrome 14 and 15", "2011-08 (dev channel, 14.0.835.2) to 2011-12", Told, "hybi-10; the end is general knowledge", "CR2011", "TAB"),
			ships(browser, "Firefox 7 to 10", "2011-09 to 2012-03", Told, "as MozWebSocket, hybi-10; the dates are general knowledge", "MDN", "TAB"),
			ships(browser, "Internet Explorer 10, Developer Preview", "2011-09", Told, "", "TAB"),
			ships(browser, "Internet Explorer 8 and 9 with the prototype of HTML5 Labs", "2011", Told, "hybi-09", "TAB"),
			ships(library, "web-socket-js, the Flash client", "2011-09-17 to 2011-12-27", Program, "", "WSJS"),
			ships(library, "npm ws 0.2 to 0.8", "", Program, "its keys have 15 bytes", "RUN"),
			ships(server, "Netty 4, Jetty 8, websocket-driver up to 0.7.0, npm ws, Tornado, gevent-websocket, Kaazing, em-websocket", "", Program, "", "NETTY", "JETTY", "FAYE", "WS", "KAAZING", "EM"),
		},
		Wrong: []Fact{
			fact(Program, "hybi-11 renames Sec-WebSocket-Origin to Origin and keeps the number: a server has to read both", "PWN", "PERL"),
			fact(Program, "what a server does with reserved bits, unknown opcodes and bad text changed in hybi-09 and hybi-10 under the same number", "PWN"),
			fact(Program, "npm ws reads Sec-WebSocket-Origin alone, and its 0.4 sends both fields with different values", "WS", "RUN"),
		},
	},
	{
		Version: wire.RFC6455,
		Summary: "The standard. Its wire is that of hybi-13 to hybi-17, and but for a number and a field that of hybi-08.",
		Shipped: []Shipper{
			ships(browser, "Chrome 16 and later", "2011-12", Told, "the date is general knowledge", "H5R", "TAB", "MDN"),
			ships(browser, "Firefox 11 and later", "2012-03", Told, "the name has no prefix any more; the date is general knowledge", "MDN", "TAB", "BCD"),
			ships(browser, "Internet Explorer 10", "2012", Told, "", "LABS", "TAB", "BCD"),
			ships(browser, "Safari 6, iOS 6", "2012", Told, "x-webkit-deflate-frame up to 14", "TAB", "SAFARI"),
			ships(browser, "Opera 12.10", "2012", Told, "another source says 12.50", "BCD", "TAB"),
			ships(library, "web-socket-js, the Flash client", "from 2011-12-27", Program, "it no longer speaks any other", "WSJS"),
			ships(server, "every server that the tests of this program run today", "", Program, "", "RUN"),
			ships(browser, "Chrome over HTTP/2 (RFC 8441)", "2018", Told, "for wss, on a connection that is there already", "BLINK"),
			ships(browser, "Safari over HTTP/3 (RFC 9220)", "2025", Told, "reported once; other browsers were not found", "SAFARIH3"),
		},
		Wrong: []Fact{
			fact(Text, "every byte from a client is masked, over TLS too, where no proxy could read it; a draft of 2024 proposes to leave that out", "RFC 6455 5.1", "RFC 6455 10.3", "NOMASK"),
			fact(Text, "one connection for each socket: RFC 8441 and RFC 9220 put many on one", "RFC 8441 1"),
			fact(Text, "compression was left to extensions; RFC 7692 came four years later", "RFC 7692"),
		},
	},
}
