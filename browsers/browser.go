package browsers

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/draftwire/draftwire/internal/ascii"
	"github.com/draftwire/draftwire/internal/suggest"
	"github.com/draftwire/draftwire/wire"
)

// Browser is a browser, or some versions of one, that make the same of every answer.
type Browser struct {
	Name    string       `json:"name"`    // "safari5.1"
	Who     string       `json:"who"`     // "Safari 5.1, on Windows too"
	Version wire.Version `json:"version"` // that it speaks
	// Source is what was read or run, and Mark how well its comparisons are known.
	Source string `json:"source"`
	Mark   Mark   `json:"mark"`
	// Doubts are the rules that are known less well, or are not there in every build.
	Doubts map[string]Mark `json:"doubts,omitempty"`

	check  func(*reading) bool
	places map[string]string // the function of a rule; "" is that of the others
}

// Where WebKit's comparisons stand.
var (
	webkitPlaces = map[string]string{
		"": "checkResponseHeaders", ruleStatusLine: "readStatusLine", ruleStatusCode: "readServerHandshake", ruleHeadLong: "readStatusLine", ruleHTTPVersion: "readStatusLine",
		ruleFieldSyntax: "readHTTPHeaders", ruleFieldTwice: "readHTTPHeaders", ruleDigest: "readServerHandshake", ruleIncomplete: "readServerHandshake",
		ruleFirstLines: "readServerHandshake", ruleNothing: "readServerHandshake",
	}
	gecko76Places = map[string]string{
		"": "ProcessHeaders", ruleStatusLine: "GetHttpResponseCode", ruleStatusCode: "HandleNewInputString", ruleFieldSyntax: "HandleNewInputString",
		ruleFieldTwice: "HandleNewInputString", ruleDigest: "HandleNewInputString", ruleIncomplete: "HandleNewInputString", ruleNothing: "HandleNewInputString",
	}
	geckoPlaces = map[string]string{"": "OnStartRequest", ruleExtension: "HandleExtensions", ruleExtensionUnasked: "HandleExtensions"}
	blinkPlaces = map[string]string{
		"": "ValidateUpgradeResponse", ruleStatusCode: "ValidateResponse", ruleStatusLine: "ParseResponseHeaders", ruleFieldSyntax: "ParseResponseHeaders",
		ruleFieldConflict: "ParseResponseHeaders", ruleHeadLong: "HandleReadHeaderResult", ruleIncomplete: "HandleReadHeaderResult", ruleNothing: "HandleReadHeaderResult",
		ruleProtocol: "ValidateSubProtocol", ruleProtocolMissing: "ValidateSubProtocol", ruleProtocolUnasked: "ValidateSubProtocol",
		ruleExtension: "ValidateExtensions", ruleExtensionUnasked: "ValidateExtensions",
	}
	rfcPlaces = map[string]string{"": "4.1"}
)

// What was read.
const (
	webkitFeb2010 = "WebKit 9050cba3 WebCore/websockets/WebSocketHandshake.cpp"
	webkitFeb2011 = "WebKit 2f223952 Source/WebCore/websockets/WebSocketHandshake.cpp"
	webkitSep2011 = "BlzFans/wke 484c2cbd Source/WebCore/websockets/WebSocketHandshake.cpp"
	webkit2013    = "WebKit 019e12e8 Source/WebCore/Modules/websockets/WebSocketHandshake.cpp"
	gecko2        = "iceweasel-dev ddb11f67 content/base/src/nsWebSocket.cpp"
	gecko6        = "gecko-dev 2a3b5736 netwerk/protocol/websocket/nsWebSocketHandler.cpp"
	gecko12       = "mozilla-vc8-dev 0d7cdf12 netwerk/protocol/websocket/WebSocketChannel.cpp"
	geckoESR      = "firefox-esr 6b8683d8 netwerk/protocol/websocket/WebSocketChannel.cpp"
	chromiumNet   = "chromium 01779449 net/websockets/websocket_basic_handshake_stream.cc"
)

// upgradesUnsure: the comparison of Upgrade and Connection came into WebKit in the spring of 2011.
// Users report it of Chrome 11, WebKit 534.24, and not of Chrome 10 (aleph 13); Safari 5.1 and iOS 5
// are later builds, of which none was read.
func upgradesUnsure(m Mark) map[string]Mark {
	return map[string]Mark{ruleUpgradeMissing: m, ruleUpgradeValue: m, ruleConnMissing: m, ruleConnValue: m}
}

// httpUnsure: of these versions the code of the WebSocket was read, and not that of HTTP below it.
var httpUnsure = map[string]Mark{
	ruleStatusLine: Guess, ruleFieldSyntax: Guess, ruleFieldConflict: Guess, ruleIncomplete: Guess, ruleNothing: Guess, ruleHTTPVersion: Guess,
}

var (
	early76 = webkit{}
	late76  = webkit{bounded: true, upgrades: true}
	wk2014  = webkit{bounded: true}
	wk2016  = webkit{bounded: true, versions: true}
)

var list = []Browser{
	{"chrome4", "Chrome 4 and 5", wire.Hixie75, webkitFeb2010, Read, nil, webkit{}.check75, webkitPlaces},
	{"safari5.0", "Safari 5.0.0", wire.Hixie75, webkitFeb2010, Read, nil, webkit{}.check75, webkitPlaces},
	{"chrome6", "Chrome 6 to 10", wire.Hixie76, webkitFeb2011, Read, nil, early76.check76, webkitPlaces},
	{"chrome11", "Chrome 11 to 13, which compare Upgrade and Connection too", wire.Hixie76, webkitSep2011, Read, upgradesUnsure(Told), late76.check76, webkitPlaces},
	{"safari5.0.1", "Safari 5.0.1 to 5.0.6", wire.Hixie76, webkitFeb2011, Read, nil, early76.check76, webkitPlaces},
	{"ios4", "iOS 4.2 and 4.3", wire.Hixie76, webkitFeb2011, Read, nil, early76.check76, webkitPlaces},
	{"safari5.1", "Safari 5.1, on Windows too", wire.Hixie76, webkitSep2011, Read, upgradesUnsure(Told), late76.check76, webkitPlaces},
	{"ios5", "iOS 5", wire.Hixie76, webkitSep2011, Read, upgradesUnsure(Told), late76.check76, webkitPlaces},
	{"qtwebkit4.8", "QtWebKit of Qt 4.8, and televisions that are built on it", wire.Hixie76, webkitSep2011, Read, nil, late76.check76, webkitPlaces},
	{"phantomjs1.9", "PhantomJS 1.9, with QtWebKit 534.34", wire.Hixie76, webkitSep2011, Run, nil, late76.check76, webkitPlaces},
	{"firefox4", "Firefox 4 and 5, where it is switched on", wire.Hixie76, gecko2, Read, nil, gecko{}.check76, gecko76Places},
	{"firefox6", "Firefox 6", wire.Hybi07, gecko6, Read, httpUnsure, gecko{extension: "deflate-stream"}.check, geckoPlaces},
	{"firefox7", "Firefox 7 to 10", wire.Hybi08, gecko12, Read, httpUnsure, gecko{extension: "deflate-stream"}.check, geckoPlaces},
	{"chrome14", "Chrome 14 and 15", wire.Hybi08, webkitSep2011, Read, nil, late76.check8, webkitPlaces},
	{"chrome16", "Chrome 16 to about 36, which has WebKit's handshake", wire.RFC6455, webkit2013, Read, nil, wk2014.check13, webkitPlaces},
	{"ie10", "Internet Explorer 10 and 11", wire.RFC6455, "RFC 6455", Guess, nil, rfc{}.check, rfcPlaces},
	{"phantomjs2.1", "PhantomJS 2.1, with QtWebKit 538.1; Safari 6 and iOS 6 are near it", wire.RFC6455, webkit2013, Run, nil, wk2014.check13, webkitPlaces},
	{"qtwebkit5.212", "QtWebKit 5.212, of 2016", wire.RFC6455, webkit2013, Run, nil, wk2016.check13, webkitPlaces},
	{"firefox", "Firefox today; 153 ESR was run", wire.RFC6455, geckoESR, Run, nil, gecko{versions: true, protocols: true, extension: "permessage-deflate"}.check, geckoPlaces},
	{"chrome", "Chrome and Chromium today; 156 was run", wire.RFC6455, chromiumNet, Run, nil, blink{}.check, blinkPlaces},
}

// All returns the browsers, oldest version first.
func All() []Browser { return append([]Browser(nil), list...) }

// ranges are the versions of a browser that has several rows, by the first of each.
var ranges = map[string][]struct {
	from int
	name string
}{
	"chrome":   {{4, "chrome4"}, {6, "chrome6"}, {11, "chrome11"}, {14, "chrome14"}, {16, "chrome16"}, {37, "chrome"}},
	"chromium": {{4, "chrome4"}, {6, "chrome6"}, {11, "chrome11"}, {14, "chrome14"}, {16, "chrome16"}, {37, "chrome"}},
	"firefox":  {{4, "firefox4"}, {6, "firefox6"}, {7, "firefox7"}, {11, "firefox"}},
	"ie":       {{10, "ie10"}},
	"ios":      {{4, "ios4"}, {5, "ios5"}, {6, "phantomjs2.1"}},
	"edge":     {{79, "chrome"}},
}

// aliases are other names.
var aliases = map[string]string{
	"chromium": "chrome", "edge": "chrome", "phantomjs": "phantomjs1.9", "phantomjs1": "phantomjs1.9", "phantomjs2": "phantomjs2.1",
	"qtwebkit": "qtwebkit4.8", "qtwebkit4": "qtwebkit4.8", "qtwebkit5": "qtwebkit5.212", "safari5": "safari5.1", "safari6": "phantomjs2.1",
	"lgtv2012": "qtwebkit4.8", "ie11": "ie10", "mozilla": "firefox",
}

// Find returns the browser of a name, as All has it, or of a name and a number: "chrome12",
// "Firefox 8". The error says which names there are.
func Find(name string) (Browser, error) {
	key := ascii.ToLower(strings.Join(strings.Fields(name), ""))
	if other, ok := aliases[key]; ok {
		key = other
	}
	at := strings.IndexAny(key, "0123456789")
	if at > 0 && indexOfBrowser(key) < 0 {
		number, _, _ := strings.Cut(key[at:], ".")
		n, _ := strconv.Atoi(number)
		for _, r := range ranges[key[:at]] {
			if n >= r.from {
				key = r.name
			}
		}
	}
	if i := indexOfBrowser(key); i >= 0 {
		return list[i], nil
	}
	names := make([]string, len(list))
	for i := range list {
		names[i] = list[i].Name
	}
	err := fmt.Errorf("browsers: %.80q is not known; known are %s", name, strings.Join(names, ", "))
	if s := suggest.Nearest(key, names); s != "" {
		err = fmt.Errorf("%w; did you mean %s?", err, s)
	}
	return Browser{}, err
}

func indexOfBrowser(name string) int {
	for i := range list {
		if list[i].Name == name {
			return i
		}
	}
	return -1
}

// ErrOtherVersion is for an exchange of another version than the browser's.
var ErrOtherVersion = errors.New("browsers: the request is of another version than the browser speaks")

// Check says what the browser makes of an exchange. The error is ErrOtherVersion where the
// request is of a version that the browser does not speak, or says that there is no request.
func (b Browser) Check(x *Exchange) (Verdict, error) {
	a, err := readRequest(x.Request)
	if err != nil {
		return Verdict{}, err
	}
	if a.version != b.Version {
		return Verdict{}, fmt.Errorf("%w: it is of %s, and %s speaks %s", ErrOtherVersion, a.version, b.Name, b.Version)
	}
	r := &reading{asked: a, b: x.Response, secure: x.Secure, ended: x.Ended}
	r.v.Browser = b.Name
	b.check(r)
	v := r.v
	if v.Rule == "" {
		v.Mark = b.Mark
		return v, nil
	}
	v.Says = sayingOf(v.Rule)
	v.Mark = max(b.Mark, b.Doubts[v.Rule])
	place := cmp.Or(b.places[v.Rule], b.places[""])
	v.From = []string{b.Source + " " + place}
	return v, nil
}

// Of returns the browsers that speak a version.
func Of(v wire.Version) (out []Browser) {
	for _, b := range list {
		if b.Version == v {
			out = append(out, b)
		}
	}
	return out
}
