// Package drafts is what is known of the drafts of the WebSocket protocol: every document
// from draft-hixie-thewebsocketprotocol-00 of January 2009 to RFC 6455 and to what came
// after it, which of them are the same on the wire, what each changed, who shipped it, what
// was wrong with it and where its text is.
//
// All of it is one table of facts. Each fact names its sources and has a mark that says how
// well it is known. What a document changed follows from the rules, which say in which
// document each of their forms began; the examples are vectors, and the arithmetic behind
// them is computed by the code that serves connections.
//
// The command "draftwire drafts" and the pages in docs/drafts are made from this package.
package drafts

import (
	"fmt"
	"strings"
)

//go:generate go run ../cmd/draftwire drafts pages ../docs/drafts

// Mark says how well a fact is known.
type Mark uint8

// The marks, best known first.
const (
	// Text: it stands in the document, which was read.
	Text Mark = iota
	// Program: programs of the time do so, or their authors, who had the document before
	// them, noted it.
	Program
	// Told: somebody reports it.
	Told
	// Unverified: one claim, or general knowledge, for which nothing else was found.
	Unverified
)

var markNames = [...]string{"text", "program", "told", "unverified"}

// String returns the mark in lower case.
func (m Mark) String() string {
	if int(m) < len(markNames) {
		return markNames[m]
	}
	return "invalid"
}

// MarshalText writes the mark's name.
func (m Mark) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads a mark's name.
func (m *Mark) UnmarshalText(p []byte) error {
	for i, name := range markNames {
		if name == string(p) {
			*m = Mark(i)
			return nil
		}
	}
	return fmt.Errorf("drafts: unknown mark %q", p)
}

// Meaning returns what the mark says, in a sentence.
func (m Mark) Meaning() string {
	switch m {
	case Text:
		return "it stands in the document, which was read"
	case Program:
		return "programs of the time do so, or their authors noted it with the document before them"
	case Told:
		return "somebody reports it"
	case Unverified:
		return "one claim, or general knowledge; nothing else was found"
	}
	return ""
}

// Fact is a sentence, or a part of one, that is true as far as its mark says.
type Fact struct {
	Says string `json:"says"`
	// From are the sources: a document and a section of it ("hixie-76 5.2"), or the key of a
	// Source, with a place behind a blank ("EM close05.rb").
	From []string `json:"from"`
	Mark Mark     `json:"mark"`
}

// Cited returns the sources and the mark, as they stand behind a fact.
func (f Fact) Cited() string {
	return strings.TrimPrefix(strings.Join(f.From, ", ")+"; "+f.Mark.String(), "; ")
}

// Source is what a fact was found in.
type Source struct {
	Key  string `json:"key"`
	What string `json:"what"` // what it is, and what was read of it
	URL  string `json:"url,omitempty"`
}

// Sources returns the sources other than the documents themselves.
func Sources() []Source { return append([]Source(nil), sources...) }

// sourceOf returns the source that a citation names; ok is false where it names a document.
func sourceOf(citation string) (s Source, ok bool) {
	key, _, _ := strings.Cut(citation, " ")
	for _, s := range sources {
		if s.Key == key {
			return s, true
		}
	}
	return Source{}, false
}

// sources are cited by their keys. An address that is gone is given as it was: archives find
// it by that.
var sources = []Source{
	{"PWN", "notes of the authors of pywebsocket on what each draft changed", "https://github.com/googlearchive/pywebsocket/blob/wiki/WebSocketProtocolSpec.md"},
	{"PW", "pywebsocket: history of its source, 2010 to 2013", "https://github.com/googlearchive/pywebsocket"},
	{"PERL", "J. Deguest's WebSocket::Version: dates, fields and sample handshakes of each draft, from the IETF's pages", "https://metacpan.org/pod/WebSocket::Version"},
	{"TRACKER", "the IETF's history of draft-hixie-thewebsocketprotocol, of which the revisions from 62 on were read", "https://datatracker.ietf.org/doc/draft-hixie-thewebsocketprotocol/history/"},
	{"TOOLS", "the list of revisions at the head of the IETF's page of hixie-47", "https://tools.ietf.org/html/draft-hixie-thewebsocketprotocol-47"},
	{"WDIFF", "the IETF's comparison of hybi-00 with hybi-01, and of hybi-07 with hybi-08, of which the beginnings were read", "https://tools.ietf.org/wg/hybi/draft-ietf-hybi-thewebsocketprotocol/"},
	{"WHATWG", "history of the HTML specification, which held the protocol until September 2010", "https://github.com/whatwg/html"},
	{"R5409", "revision 5409 of the HTML specification, 2010-09-02: the protocol is handed to I. Fette", "http://lists.whatwg.org/pipermail/commit-watchers-whatwg.org/2010/012277.html"},
	{"CR2009", "Chromium blog, 2009-12-09", "https://blog.chromium.org/2009/12/web-sockets-now-available-in-google.html"},
	{"CR2010", "Chromium blog, 2010-06-02", "https://blog.chromium.org/2010/06/websocket-protocol-updated.html"},
	{"CR2011", "Chromium blog, 2011-08-01", "https://blog.chromium.org/2011/08/new-websocket-protocol-secure-and.html"},
	{"H5R", "HTML5 Rocks: WebSockets updated to latest version in Chrome Canary", "http://updates.html5rocks.com/tag/websockets"},
	{"MDN", "Mozilla's page on WebSockets of 2012, with a table of browsers", "https://web.archive.org/web/20120526230019/https://developer.mozilla.org/en/WebSockets"},
	{"MDN8", "Mozilla's notes on Firefox 8 for developers", "https://developer.mozilla.org/en-US/docs/Mozilla/Firefox/Releases/8"},
	{"BCD", "Mozilla's browser-compat-data", "https://github.com/mdn/browser-compat-data/blob/main/api/WebSocket.json"},
	{"BUG659324", "Mozilla's bug 659324: prefix the JS API for WebSockets", "https://bugzilla.mozilla.org/show_bug.cgi?id=659324"},
	{"FF4OFF", "report of December 2010 on Firefox 4 and Opera 11", "https://www.generation-nt.com/websocket-html5-securite-firefox-opera-actualite-1127761.html"},
	{"PUSHER", "Pusher's blog on the same, December 2010", "http://blog.pusher.com/its-not-websockets-its-your-broken-proxy/"},
	{"OPERA", "S. Pieters on WebSockets in Opera, 2010-10-11", "https://dev.opera.com/blog/websockets/"},
	{"TAB", "HTML5 in Action, table D.1: versions and browsers", "http://what-when-how.com/Tutorial/topic-233s9r/HTML5-in-Action-534.html"},
	{"LABS", "Microsoft's HTML5 Labs, page of its WebSockets prototype", "http://html5labs.interoperabilitybridges.com/prototypes/websockets/websockets/info"},
	{"LABS06", "report on the prototype's update to draft 06", "http://www.misfitgeek.com/websockets-release-interoperates-with-firefox-eclipses-jetty/"},
	{"WSJS", "web-socket-js: its NEWS and its history", "https://github.com/gimite/web-socket-js"},
	{"CD2009", "G. Wilkins in Comet Daily, 2009-12-21: Jetty's server", "http://cometdaily.com/2009/12/21/jetty-websocket-server/index.html"},
	{"CD2010", "Comet Daily, 2010-11-04: implementations of the time", "http://cometdaily.com/"},
	{"WEBKIT", "WebKit, WebCore/websockets, in the states of hixie-75, hixie-76 and version 8", "https://github.com/WebKit/WebKit"},
	{"GECKO", "Firefox 4 (nsWebSocket.cpp) and 6 (nsWebSocketHandler.cpp)", "https://github.com/mozilla/gecko-dev"},
	{"ANDROID", "WebKit of Android: hixie-76 without its closing handshake", "https://android.googlesource.com/platform/external/webkit"},
	{"PLAYBOOK", "WebKit of the PlayBook", "https://github.com/blackberry/WebKit-PlayBook"},
	{"LWS", "libwebsockets: its history from 2010 to 2013", "https://github.com/warmcat/libwebsockets"},
	{"EM", "em-websocket 0.5.1, and its tests, which quote drafts 03 and 07", "https://github.com/igrigorik/em-websocket"},
	{"WR", "websocket-ruby 1.2.9", "https://github.com/imanel/websocket-ruby"},
	{"FAYE", "websocket-driver for Node 0.6 to 0.8", "https://github.com/faye/websocket-driver-node"},
	{"VTI", "Protocol::WebSocket for Perl", "https://github.com/vti/protocol-websocket"},
	{"NETTY", "Netty 4: WebSocketServerHandshaker00, 07, 08 and 13", "https://github.com/netty/netty"},
	{"JETTY", "Jetty 7.2.2 (D01) and 8.1.8 (D00, D06, D08, RFC6455)", "https://github.com/jetty/jetty.project"},
	{"WS", "npm ws 0.2 to 8", "https://github.com/websockets/ws"},
	{"WSNODE", "README of npm websocket 0.0.2", "https://github.com/theturtle32/WebSocket-Node"},
	{"KAAZING", "Kaazing gateway, with requests of Safari that were captured", "https://github.com/kaazing/gateway"},
	{"GOOGLEGO", "golang.org/x/net/websocket up to September 2013", "https://github.com/golang/net"},
	{"HAPROXY", "HAProxy and hixie-76: cowboy 73, faye-websocket-node 4, misultin 98, ws 687", "https://github.com/ninenines/cowboy/issues/73"},
	{"HAPROXY24", "HAProxy 2.4 and later answer 400 to the hixie versions: issues 1642 and 2876, commit 18ee5c3eb", "https://github.com/haproxy/haproxy/issues/1642"},
	{"LG", "websocketpp 517: a television of LG of 2012", "https://github.com/zaphoyd/websocketpp/issues/517"},
	{"TV", "ws 2150: connected televisions that speak hixie-76, 2023", "https://github.com/websockets/ws/issues/2150"},
	{"UNITT", "Java-WebSocket 12: UnittWebSocketClient for iOS", "https://github.com/TooTallNate/Java-WebSocket/issues/12"},
	{"SAFARI", "uWebSockets 1157 and gorilla/websocket 696: what Safari offers", "https://github.com/gorilla/websocket/issues/696"},
	{"BLINK", "Chromium's intent to ship WebSocket over HTTP/2, 2018-07-30, in m-lab/ndt-server 270", "https://github.com/m-lab/ndt-server/issues/270"},
	{"SAFARIH3", "caddy 7305: Safari sends WebSocket over HTTP/3, 2025-10", "https://github.com/caddyserver/caddy/pull/7305"},
	{"QTWS", "QtWebsocket, QWsSocket.cpp", "https://github.com/antlafarge/QtWebsocket"},
	{"GRIZZLY", "Grizzly, com.sun.grizzly.websockets.DataFrame", "https://github.com/eclipse-ee4j/glassfish-grizzly"},
	{"NOMASK", "draft-damjanovic-websockets-nomasking-02, 2024-02", "https://www.ietf.org/id/draft-damjanovic-websockets-nomasking-02.html"},
	{"HOLGATE", "L. Holgate on RFC 6455 and hybi-17, 2011-12", "https://lenholgate.com/blog/2011/12/rfc-6455-the-websocket-protocol.html"},
	{"ERRATA", "errata of RFC 6455", "https://www.rfc-editor.org/errata/rfc6455"},
	{"ARDUINO", "krohling's ArduinoWebsocketClient, WebSocketClient.cpp in two states", "https://github.com/krohling/ArduinoWebsocketClient"},
	{"SAFARI512", "Java-WebSocket 63: a request of Safari 5.1.2", "https://github.com/TooTallNate/Java-WebSocket/issues/63"},
	{"MODWS", "mod_websocket 4: browsers on Windows that send a request in two packets, 2010-10", "https://github.com/nori0428/mod_websocket/issues/4"},
	{"MOPIDY", "mopidy 345: the fields of a request of iOS 5.1.1", "https://github.com/mopidy/mopidy/issues/345"},
	{"FF12", "a request of Firefox 12, 2012-05", "https://pastebin.com/3ZvqAQ7F"},
	{"WSJS126", "web-socket-js 126: a request of it of 2012", "https://github.com/gimite/web-socket-js/issues/126"},
	{"IE10", "Internet Explorer and Upgrade: Websocket: socket.io 588, mongrel2 230, poco 624", "https://github.com/socketio/socket.io/pull/588"},
	{"RUN", "programs of the time, run against this one: test/interop, and what was found in test/peers/KNOWN.md; their requests, read from a socket", ""},
	{"COMPUTED", "computed by this program", ""},
}
