package explain

import (
	"strings"

	"github.com/draftwire/draftwire/wire"
)

// Cause is something for which connections fail.
type Cause struct {
	Name    string  `json:"name"`
	Says    string  `json:"says"`              // in a sentence, without its end
	Section string  `json:"section,omitempty"` // of the rule that it breaks, where the input does not tell a better one
	Culprit Culprit `json:"culprit,omitempty"`
	// Sure is how sure the culprit is, once the cause is.
	Sure  Sure   `json:"sure"`
	Who   string `json:"who,omitempty"`
	Cures []Cure `json:"cures,omitempty"`
}

// Cures that several causes share.
var (
	nginxUpgrade = Cure{"nginx", `proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";`, "nginx removes both fields unless it is told to pass them"}
	haproxyTCP   = Cure{"HAProxy", "mode tcp", "in mode http it reads what it passes; with send-proxy-v2 the client's address stays known"}
	publicURL    = Cure{"gateway.yaml", "listen: public_url: wss://HOST", "what hixie answers repeat, where a proxy in front hides the client's URL"}
	trustFwd     = Cure{"gateway.yaml", "trust_forwarded: [NETWORK]", "the proxy's X-Forwarded-Proto and Forwarded are believed then"}
	passHost     = Cure{"nginx", "proxy_set_header Host $http_host;", "with its port, which $host leaves out"}
	gatewayFront = Cure{"gateway.yaml", "routes: backends: [{url: SERVER}]", "the gateway in front of the server writes answers as each version has them"}
	wssInstead   = Cure{"", "wss", "over TLS nobody in between reads or changes what passes"}
)

func tolerate(name string) Cure {
	return Cure{"gateway.yaml", "listen: tolerate: [" + name + "]", "admits it; --tolerate " + name + " on the command line"}
}

func tolerateBackend(name string) Cure {
	return Cure{"gateway.yaml", "routes: tolerate: [" + name + "]", "admits it of backends; --tolerate " + name + " of draftwire client"}
}

var causes = []Cause{
	// Before HTTP.
	{Name: "tls-to-plain", Says: "the client speaks TLS, and the port answers in clear text", Culprit: Configuration, Sure: Probable,
		Cures: []Cure{{"gateway.yaml", "listen: tls: certificates: [{cert: FILE, key: FILE}]", "the port then takes TLS and clear text"}, {"", "ws://", "the client's URL, if the port is meant to be plain"}}},
	{Name: "plain-to-tls", Says: "the client speaks clear text, and the port wants TLS", Culprit: Configuration, Sure: Probable,
		Cures: []Cure{{"", "wss://", "the client's URL"}, {"gateway.yaml", "listen: tls: certificates: [{cert: FILE, key: FILE}]", "the gateway takes both on one port"}}},
	{Name: "tls-nothing-shared", Says: "client and server share no version or cipher of TLS", Culprit: TLS, Sure: Certain, Who: "devices until about 2014 against servers of today",
		Cures: []Cure{{"gateway.yaml", "listen: tls: profile: legacy", "TLS 1.0 and RSA for whoever has nothing better"}}},
	{Name: "tls-certificate", Says: "the client does not trust the server's certificate", Culprit: TLS, Sure: Certain, Who: "devices whose list of roots has expired, or whose clock is wrong",
		Cures: []Cure{{"draftwire", "draftwire cert legacy NAME", "a root for the device and a certificate that it can read"}, {"gateway.yaml", "listen: tls: certificates: [{cert: FILE, key: FILE}]", "several certificates; each client gets one that it supports"}}},
	{Name: "tls-name", Says: "the server has no certificate for the name that the client asks for", Culprit: TLS, Sure: Certain,
		Cures: []Cure{{"gateway.yaml", "listen: tls: certificates: [{cert: FILE, key: FILE}]", "one with that name"}}},
	{Name: "tls-client-certificate", Says: "the server wants a certificate of the client", Culprit: Configuration, Sure: Probable},
	{Name: "tls-refused", Says: "the handshake of TLS fails", Culprit: TLS, Sure: Probable,
		Cures: []Cure{{"gateway.yaml", "listen: tls: profile: legacy", "if the client is old"}}},
	{Name: "sslv2-hello", Says: "the hello of TLS is in the format of SSL 2, which current servers do not read", Section: "RFC 6176", Culprit: Device, Sure: Certain, Who: "Java 6 and OpenSSL 0.9.8 by default",
		Cures: []Cure{{"Java", `setEnabledProtocols(new String[] {"TLSv1"})`, "leaves SSLv2Hello out"}, {"OpenSSL", "SSL_OP_NO_SSLv2", "sends the hello of TLS 1.0"}}},
	{Name: "http2", Says: "the client speaks HTTP/2, in which an upgrade of HTTP/1.1 is not possible", Section: "RFC 9113 8.6", Culprit: Configuration, Sure: Probable,
		Cures: []Cure{{"", "http/1.1", "offer it alone in ALPN on this port, or pass extended CONNECT (RFC 8441)"}}},
	{Name: "flash-policy", Says: "Flash asks for its policy before it opens a socket, and gets none", Culprit: Configuration, Sure: Certain,
		Cures: []Cure{{"gateway.yaml", "listen: flash_policy: true", "answers it on this port; Flash asks on port 843 first"}}},
	{Name: "proxy-header", Says: "a balancer sends a PROXY header, and the server does not expect one", Culprit: Configuration, Sure: Certain,
		Cures: []Cure{{"gateway.yaml", "listen: proxy_protocol: {mode: require, from: [NETWORK]}", "takes it from that network"}, {"HAProxy", "send-proxy", "without it no header is sent"}}},
	{Name: "proxy-header-missing", Says: "the port wants a PROXY header, and none comes", Culprit: Configuration, Sure: Certain,
		Cures: []Cure{{"HAProxy", "send-proxy-v2", "sends it"}, {"gateway.yaml", "listen: proxy_protocol: {mode: accept, from: [NETWORK]}", "takes connections without it, too"}}},
	{Name: "proxy-header-untrusted", Says: "a PROXY header comes from a network that is not trusted", Culprit: Configuration, Sure: Certain,
		Cures: []Cure{{"gateway.yaml", "listen: proxy_protocol: {from: [NETWORK]}", "trusts it"}}},
	{Name: "proxy-header-malformed", Says: "the PROXY header cannot be read", Culprit: Proxy, Sure: Probable},
	{Name: "other-service", Says: "another service than HTTP answers on this port", Culprit: Configuration, Sure: Probable, Cures: []Cure{{"", "host and port", "compare them with those of the server"}}},
	{Name: "not-http", Says: "what the client sends is not HTTP", Culprit: Device, Sure: Possible},

	// The request.
	{Name: "upgrade-stripped", Says: "the request has fields of WebSocket, but neither Upgrade nor Connection: Upgrade", Section: "RFC 6455 4.2.1", Culprit: Proxy, Sure: Probable, Who: "nginx without its three lines, ELB in HTTP mode, firewalls, caches: both fields are for one hop",
		Cures: []Cure{nginxUpgrade, haproxyTCP, wssInstead}},
	{Name: "connection-stripped", Says: "the request has Upgrade, but Connection does not name it", Section: "RFC 6455 4.2.1", Culprit: Proxy, Sure: Probable, Who: "nginx with Upgrade set and Connection not",
		Cures: []Cure{nginxUpgrade}},
	{Name: "request-list", Says: "Connection in the request is a list, and the server wants Upgrade alone", Section: "RFC 6455 4.2.1", Culprit: Backend, Sure: Probable, Who: "servers of 2011, which met Firefox's keep-alive, Upgrade",
		Cures: []Cure{gatewayFront}},
	{Name: "no-connection", Says: "the request has no Connection field", Section: "RFC 6455 4.2.1", Culprit: Proxy, Sure: Possible, Who: "proxies that remove the field; some chargers",
		Cures: []Cure{tolerate("no-connection"), nginxUpgrade}},
	{Name: "http-1.0", Says: "the upgrade comes in HTTP/1.0", Section: "RFC 6455 4.1", Culprit: Proxy, Sure: Probable, Who: "nginx without proxy_http_version 1.1",
		Cures: []Cure{nginxUpgrade, tolerate("http-1.0")}},
	{Name: "method", Says: "the request is not a GET", Section: "RFC 6455 4.1", Culprit: Device, Sure: Probable},
	{Name: "request-line", Says: "the request line has other blanks than two, or a target that is none", Section: "RFC 9112 3", Culprit: Device, Sure: Certain, Who: "UnittWebSocketClient (iOS), faye for Ruby, jWebSocket, OCPP chargers; WebKit of 2011 sends paths decoded",
		Cures: []Cure{tolerate("request-line")}},
	{Name: "line-ends", Says: "lines of the head end in LF alone, or in more than CR LF", Section: "RFC 9112 2.2", Culprit: Device, Sure: Certain, Who: "AutobahnAndroid of 2011, AndroidAsync to 2014, sketches for microcontrollers, .NET on Mono; servers in PHP",
		Cures: []Cure{tolerate("line-ends"), tolerateBackend("line-ends")}},
	{Name: "bad-head", Says: "the head of the request cannot be read as HTTP/1.1", Section: "RFC 9112 2.1", Culprit: Device, Sure: Probable},
	{Name: "head-cut", Says: "the head of the request never ends", Section: "RFC 9112 2.1", Culprit: Device, Sure: Possible, Who: "heads larger than a packet of 512 bytes on small devices; a proxy that waits"},
	{Name: "head-too-large", Says: "the head of the request is above the server's limit", Culprit: Configuration, Sure: Probable, Who: "cookies, for the most part",
		Cures: []Cure{{"gateway.yaml", "limits: head: SIZE", "raises it"}}},
	{Name: "no-host", Says: "the request does not have exactly one Host that is a host", Section: "RFC 9112 3.2", Culprit: Device, Sure: Probable, Cures: []Cure{tolerate("loose-host")}},
	{Name: "loose-host", Says: "Host is an IPv6 address without brackets, or with a zone", Section: "RFC 9112 3.2", Culprit: Device, Sure: Certain, Cures: []Cure{tolerate("loose-host")}},
	{Name: "body", Says: "the request for an upgrade declares a body", Section: "RFC 9110 7.8", Culprit: Device, Sure: Possible, Who: "libraries that add Content-Length or Transfer-Encoding to each request"},
	{Name: "version-unknown", Says: "the request is of a version that nobody speaks", Section: "RFC 6455 4.4", Culprit: Device, Sure: Probable},
	{Name: "draft-number", Says: "the version is the number of a draft", Section: "RFC 6455 4.4", Culprit: Device, Sure: Certain, Who: "UnittWebSocketClient (iOS)", Cures: []Cure{tolerate("draft-number")}},
	{Name: "bad-version", Says: "Sec-WebSocket-Version is not one plain number", Section: "RFC 6455 4.3", Culprit: Device, Sure: Probable},
	{Name: "version-refused", Says: "the server does not speak the version of the client", Section: "RFC 6455 4.4", Culprit: Configuration, Sure: Probable, Who: "servers of today, which speak 13 alone",
		Cures: []Cure{{"gateway.yaml", "listen: versions: all", "enables it, as do routes: match: versions"}, gatewayFront}},
	{Name: "version-retired", Says: "the version is switched off by the gateway's plan", Culprit: Configuration, Sure: Certain, Cures: []Cure{{"gateway.yaml", "versions: {VERSION: [{mode: on}]}", "switches it on again"}}},
	{Name: "hixie-refused", Says: "the request is of a hixie version, which the server has dropped", Culprit: Backend, Sure: Probable, Who: "ws since 2016, autobahn since 2014, cowboy and websockify since 2013: nearly every server of today",
		Cures: []Cure{{"gateway.yaml", "routes: backends: [{url: SERVER}]", "the gateway in front of it translates to RFC 6455"}}},
	{Name: "haproxy-hixie", Says: "HAProxy refuses an upgrade whose Sec-WebSocket-Key is not that of RFC 6455, as it does since 2.4", Culprit: Proxy, Sure: Certain,
		Cures: []Cure{haproxyTCP, {"HAProxy", "option accept-unsafe-violations-in-http-request", "since 3.2; the gateway then needs tolerate: [injected-key]"}}},
	{Name: "key-missing", Says: "the request has Sec-WebSocket-Version without Sec-WebSocket-Key", Section: "RFC 6455 4.2.1", Culprit: Device, Sure: Possible, Who: "clients written by hand; proxies that drop fields that they do not know"},
	{Name: "version-missing", Says: "the request has Sec-WebSocket-Key without Sec-WebSocket-Version", Section: "RFC 6455 4.2.1", Culprit: Device, Sure: Possible, Who: "clients written by hand; HAProxy 3 in its relaxed mode, which adds a key to requests of hixie-75"},
	{Name: "any-key", Says: "Sec-WebSocket-Key is not 16 bytes in base64", Section: "RFC 6455 4.2.1", Culprit: Device, Sure: Certain, Who: "OCPP chargers; libraries for Android, Dart and ESP8266", Cures: []Cure{tolerate("any-key")}},
	{Name: "bad-key", Says: "Sec-WebSocket-Key is empty, or far too long", Section: "RFC 6455 4.2.1", Culprit: Device, Sure: Probable},
	{Name: "injected-key", Says: "a Sec-WebSocket-Key stands in a request of another version", Section: "RFC 6455 4.2.1", Culprit: Proxy, Sure: Probable, Who: "HAProxy 3 in its relaxed mode adds it to requests of the hixie versions", Cures: []Cure{tolerate("injected-key"), haproxyTCP}},
	{Name: "mixed-families", Says: "the request has fields of two families of versions", Culprit: Device, Sure: Possible, Who: "clients that want to please every server"},
	{Name: "half-challenge", Says: "one of Sec-WebSocket-Key1 and -Key2 is missing", Section: "hixie-76 5.2", Culprit: Proxy, Sure: Possible},
	{Name: "uneven-key", Says: "the digits of a key are no multiple of its spaces", Section: "hixie-76 5.2", Culprit: Device, Sure: Possible, Who: "php-websocket, Chrome 6 before its release", Cures: []Cure{tolerate("uneven-key")}},
	{Name: "blanks-collapsed", Says: "the digits of a key are no multiple of its spaces, and no key has two spaces together: they were probably made one", Section: "hixie-76 5.2", Culprit: Proxy, Sure: Probable, Who: "proxies and parsers that tidy blanks within fields", Cures: []Cure{haproxyTCP, wssInstead}},
	{Name: "bad-challenge", Says: "a key of hixie-76 hides no number", Section: "hixie-76 5.2", Culprit: Device, Sure: Probable},
	{Name: "bad-draft", Says: "Sec-WebSocket-Draft is no number of a draft", Culprit: Device, Sure: Probable},
	{Name: "challenge-kept", Says: "the eight bytes behind the head of hixie-76 never come", Section: "hixie-76 5.2", Culprit: Proxy, Sure: Probable, Who: "HTTP proxies that read a GET without a body, and hold back what follows it until they have seen the 101",
		Cures: []Cure{haproxyTCP, {"", "101 first", "a server sends the head of its answer before it waits for the eight bytes, as the gateway does"}, wssInstead}},
	{Name: "keys-stripped", Says: "the request has no key of any version, though its client sends one", Section: "RFC 6455 4.1", Culprit: Proxy, Sure: Possible, Who: "proxies that pass known fields alone"},
	{Name: "no-origin", Says: "the request looks like hixie-75, and has no Origin", Section: "hixie-75 4.1", Culprit: Device, Sure: Probable, Who: "programs that are no browsers", Cures: []Cure{tolerate("no-origin")}},
	{Name: "duplicate-header", Says: "a key, version or draft field stands more than once", Section: "RFC 6455 11.3", Culprit: Proxy, Sure: Possible},
	{Name: "origin-conflict", Says: "the origin stands more than once, with other values", Culprit: Device, Sure: Possible},

	// What the server has against it.
	{Name: "origin-refused", Says: "the server does not want pages of this origin", Culprit: Configuration, Sure: Certain,
		Cures: []Cure{{"gateway.yaml", "routes: origins: [ORIGIN]", "admits it"}, {"gateway.yaml", "routes: preserve_host: true", "if it is the backend that refuses, which compares Origin with Host; routes: origin: ORIGIN is the other way"}}},
	{Name: "auth", Says: "the server asks for credentials", Culprit: Configuration, Sure: Certain, Cures: []Cure{{"gateway.yaml", "routes: auth: {users: FILE}", "if it is the gateway that asks"}, {"", "wss://USER:PASSWORD@HOST", "or a token, as the server wants it; a browser's WebSocket can set no field"}}},
	{Name: "no-route", Says: "nothing answers at this path", Culprit: Configuration, Sure: Probable, Cures: []Cure{{"gateway.yaml", "routes: match: {paths: [PATH]}", "a route for it"}, {"", "path", "compare the URL with that of the server; proxies add and remove prefixes"}}},
	{Name: "redirected", Says: "the server sends the client elsewhere, where no browser follows", Section: "RFC 6455 4.1", Culprit: Configuration, Sure: Probable, Who: "pages that demand https, or a slash at the end", Cures: []Cure{{"", "URL", "use the one that Location names, with ws or wss"}}},
	{Name: "not-upgraded", Says: "the server answers with a page, as if no upgrade had been asked for", Section: "RFC 6455 4.2.2", Culprit: Proxy, Sure: Possible, Who: "proxies and portals that answer themselves; servers without WebSocket at this path",
		Cures: []Cure{nginxUpgrade, {"", "path", "compare it with that of the server"}}},
	{Name: "subprotocol-refused", Says: "the server does not speak a subprotocol that the client asks for, or wants one", Culprit: Configuration, Sure: Probable, Cures: []Cure{{"gateway.yaml", "routes: subprotocol: NAME", "is offered to the backend for clients that offer none"}}},
	{Name: "network-refused", Says: "clients of this network may not come", Culprit: Configuration, Sure: Certain, Cures: []Cure{{"gateway.yaml", "listen: allow: [NETWORK]", "which networks may; deny which may not"}}},
	{Name: "limited", Says: "a limit of the server is reached", Culprit: Configuration, Sure: Probable, Cures: []Cure{{"gateway.yaml", "limits: connections: N", "or another of the limits, which the log names"}}},
	{Name: "shutting-down", Says: "the server is shutting down", Culprit: Backend, Sure: Certain},
	{Name: "backend-down", Says: "the proxy cannot reach the server behind it", Culprit: Backend, Sure: Probable, Cures: []Cure{{"gateway.yaml", "routes: backends: [{url: SERVER}]", "its URL; the gateway's log has the error"}}},
	{Name: "backend-slow", Says: "the server behind the proxy does not answer in time", Culprit: Backend, Sure: Probable},
	{Name: "backend-refused", Says: "the backend does not accept what the gateway sends", Culprit: Backend, Sure: Probable},
	{Name: "too-slow", Says: "the head did not come in time", Culprit: Network, Sure: Possible, Cures: []Cure{{"gateway.yaml", "limits: handshake_timeout: TIME", "raises it"}}},
	{Name: "denied", Says: "the server refuses the request", Culprit: Configuration, Sure: Possible},
	{Name: "bad-request", Says: "the server calls the request bad, and no rule is broken in it", Culprit: Backend, Sure: Possible, Who: "servers that want a subprotocol, an origin, or another version; a proxy that has changed the request on its way there"},
	{Name: "server-error", Says: "the server fails at this request", Culprit: Backend, Sure: Probable},
	{Name: "hijack", Says: "a wrapper in front of the handler hides the connection", Culprit: Backend, Sure: Certain, Cures: []Cure{{"", "Unwrap() http.ResponseWriter", "the wrapper needs this method"}}},
	{Name: "panic", Says: "the server's program has a fault", Culprit: Backend, Sure: Certain},
	{Name: "no-answer", Says: "the server does not answer", Culprit: Backend, Sure: Possible, Who: "a firewall that swallows upgrades; a server that waits for more", Cures: []Cure{wssInstead}},
	{Name: "closed-unanswered", Says: "the server ends the connection without an answer", Culprit: Backend, Sure: Possible, Who: "a port that is no web server; a firewall", Cures: []Cure{wssInstead}},
	{Name: "reset-unanswered", Says: "the connection is reset without an answer", Culprit: Network, Sure: Possible, Who: "firewalls, virus scanners", Cures: []Cure{wssInstead}},

	// The answer.
	{Name: "status-line", Says: "the answer does not begin with a line of HTTP/1.1 that clients read", Section: "RFC 9112 4", Culprit: Backend, Sure: Probable, Cures: []Cure{gatewayFront}},
	{Name: "answer-cut", Says: "the head of the answer never ends", Section: "RFC 9112 2.1", Culprit: Backend, Sure: Probable, Who: "servers written by hand, which forget the empty line", Cures: []Cure{gatewayFront}},
	{Name: "continue-first", Says: "another answer comes before the 101, which few clients skip", Section: "RFC 9110 15.2", Culprit: Backend, Sure: Probable, Cures: []Cure{gatewayFront}},
	{Name: "http-version", Says: "the 101 comes in HTTP/1.0", Section: "RFC 6455 4.1", Culprit: Backend, Sure: Probable, Cures: []Cure{gatewayFront}},
	{Name: "answer-long", Says: "the head of the answer is longer than the client reads", Culprit: Backend, Sure: Probable},
	{Name: "field-syntax", Says: "a line of the answer is no field to the client", Section: "RFC 9112 5", Culprit: Backend, Sure: Probable, Cures: []Cure{tolerateBackend("folded-fields, space-before-colon"), gatewayFront}},
	{Name: "empty-field", Says: "a field of the answer has no value, which WebKit until 2016 does not read", Section: "RFC 9110 5.5", Culprit: Backend, Sure: Probable, Who: "Ratchet 0.2 with Sec-WebSocket-Protocol; any field will do", Cures: []Cure{gatewayFront}},
	{Name: "field-conflict", Says: "a field of the answer stands twice, with other values", Culprit: Backend, Sure: Probable},
	{Name: "field-twice", Says: "a field of the answer stands more than once", Section: "RFC 6455 11.3", Culprit: Proxy, Sure: Possible, Who: "a proxy and the server behind it that both write it"},
	{Name: "first-lines", Says: "the answer does not begin with the three lines of hixie-75", Section: "hixie-75 4.1", Culprit: Backend, Sure: Probable, Who: "Perl's Protocol::WebSocket, Netty 4; proxies that write fields in another order", Cures: []Cure{gatewayFront, tolerateBackend("first-lines")}},
	{Name: "upgrade-missing", Says: "the answer has no Upgrade field", Section: "RFC 6455 4.1", Culprit: Proxy, Sure: Possible, Who: "proxies that remove it; servers written by hand", Cures: []Cure{nginxUpgrade, gatewayFront}},
	{Name: "upgrade-value", Says: "Upgrade in the answer is not what the client compares it with", Section: "RFC 6455 4.1", Culprit: Backend, Sure: Possible, Who: "Netty 4 writes websocket in answers of hixie-76", Cures: []Cure{gatewayFront, tolerateBackend("upgrade-case")}},
	{Name: "connection-missing", Says: "the answer has no Connection field", Section: "RFC 6455 4.1", Culprit: Proxy, Sure: Possible, Cures: []Cure{nginxUpgrade, gatewayFront}},
	{Name: "connection-value", Says: "Connection in the answer does not say Upgrade", Section: "RFC 6455 4.1", Culprit: Proxy, Sure: Possible, Who: "proxies that write Connection: close or keep-alive into the answer", Cures: []Cure{nginxUpgrade, wssInstead}},
	{Name: "connection-list", Says: "Connection in the answer is a list, and the client wants Upgrade alone", Section: "RFC 6455 4.2.2", Culprit: Proxy, Sure: Possible, Who: "Squid, IIS, and servers that add keep-alive; clients of WebKit until 2016, and Faye", Cures: []Cure{gatewayFront}},
	{Name: "respelled-fields", Says: "fields are not spelled as the document has them, and the other side reads letters", Section: "RFC 9110 5.1", Culprit: Proxy, Sure: Possible, Who: "Go's net/http and proxies in Go (Sec-Websocket-Accept), proxies of HTTP/2 (small letters); faye 0.1, game servers, microcontrollers", Cures: []Cure{gatewayFront}},
	{Name: "origin-missing", Says: "the answer does not repeat the origin", Section: "hixie-76 4.1", Culprit: Backend, Sure: Probable, Cures: []Cure{gatewayFront}},
	{Name: "origin-mismatch", Says: "the answer repeats another origin than that of the page", Section: "hixie-76 4.1", Culprit: Backend, Sure: Probable, Cures: []Cure{gatewayFront}},
	{Name: "location-missing", Says: "the answer does not repeat the URL", Section: "hixie-76 4.1", Culprit: Backend, Sure: Probable, Cures: []Cure{gatewayFront}},
	{Name: "location-scheme", Says: "the answer repeats ws where the client has asked for wss, or the other way round", Section: "hixie-76 4.1", Culprit: Configuration, Sure: Probable, Who: "servers behind stunnel, nginx or a balancer that ends TLS", Cures: []Cure{trustFwd, publicURL, {"nginx", "proxy_set_header X-Forwarded-Proto $scheme;", "tells the server"}}},
	{Name: "location-host", Says: "the answer repeats another host or port than the client has asked for", Section: "hixie-76 4.1", Culprit: Configuration, Sure: Probable, Who: "servers behind a proxy that writes its own Host; servers with their URL in a file", Cures: []Cure{publicURL, passHost}},
	{Name: "location-path", Says: "the answer repeats another path or query than the client has asked for", Section: "hixie-76 4.1", Culprit: Backend, Sure: Possible, Who: "proxies that remove a prefix; Netty and mochiweb leave out the query; WebKit of 2011 decodes its path", Cures: []Cure{gatewayFront, tolerateBackend("other-location")}},
	{Name: "protocol-missing", Says: "the client asks for a subprotocol, and the answer names none", Section: "RFC 6455 4.1", Culprit: Backend, Sure: Probable, Who: "faye in hixie versions; Chrome and every hixie client then fail", Cures: []Cure{gatewayFront}},
	{Name: "protocol-part", Says: "the answer names one of the subprotocols, and a hixie client wants all that it has sent", Section: "hixie-76 4.1", Culprit: Backend, Sure: Probable, Who: "websocket-ruby, websocketpp before 0.6", Cures: []Cure{gatewayFront}},
	{Name: "protocol-mismatch", Says: "the answer names a subprotocol that is not what was asked for", Section: "RFC 6455 4.1", Culprit: Backend, Sure: Probable, Cures: []Cure{{"gateway.yaml", "routes: match: {protocols: [NAME]}", "keeps other clients off this backend"}}},
	{Name: "protocol-unasked", Says: "the answer names a subprotocol, and none was asked for", Section: "RFC 6455 4.1", Culprit: Backend, Sure: Probable},
	{Name: "extension-unasked", Says: "the answer names an extension that was not offered", Section: "RFC 6455 4.1", Culprit: Backend, Sure: Probable, Who: "servers that answer permessage-deflate to everybody", Cures: []Cure{gatewayFront}},
	{Name: "extension-invalid", Says: "the answer's extension has parameters that cannot be, or cannot be read", Section: "RFC 7692 7.1", Culprit: Backend, Sure: Probable, Cures: []Cure{gatewayFront}},
	{Name: "accept-missing", Says: "the answer has no Sec-WebSocket-Accept", Section: "RFC 6455 4.1", Culprit: Backend, Sure: Possible, Who: "servers written by hand; proxies that remove fields that they do not know", Cures: []Cure{gatewayFront}},
	{Name: "accept-mismatch", Says: "Sec-WebSocket-Accept is not the proof for the key", Section: "RFC 6455 4.2.2", Culprit: Backend, Sure: Possible, Who: "servers that hash something else; proxies that send another key on; answers from a cache", Cures: []Cure{gatewayFront}},
	{Name: "accept-miscounted", Says: "Sec-WebSocket-Accept is the key hashed in a wrong way", Section: "RFC 6455 4.2.2", Culprit: Backend, Sure: Certain, Who: "servers written by hand", Cures: []Cure{gatewayFront}},
	{Name: "digest-missing", Says: "the sixteen bytes that prove the handshake never come", Section: "hixie-76 5.2", Culprit: Proxy, Sure: Possible, Who: "proxies that end an answer at its head; servers that wait for the eight bytes", Cures: []Cure{haproxyTCP, wssInstead}},
	{Name: "digest-mismatch", Says: "the sixteen bytes are not what the challenge comes to", Section: "hixie-76 5.2", Culprit: Backend, Sure: Possible, Who: "servers that read the eight bytes as text (npm ws 1 on a current Node), or trim the keys", Cures: []Cure{gatewayFront}},
	{Name: "digest-without-challenge", Says: "the sixteen bytes are computed without the eight bytes, which the server has not got", Section: "hixie-76 5.2", Culprit: Proxy, Sure: Probable, Who: "proxies that keep them back", Cures: []Cure{haproxyTCP, wssInstead}},
	{Name: "stray-crlf", Says: "CR LF stands behind the handshake, before the first frame", Section: "hixie-76 4.2", Culprit: Backend, Sure: Certain, Who: "Grizzly", Cures: []Cure{tolerateBackend("stray-crlf"), gatewayFront}},
	{Name: "other-version-answer", Says: "the answer is of another version than the request", Culprit: Backend, Sure: Possible},
	{Name: "left-at-once", Says: "the client leaves right after the answer, as one does that does not accept it", Culprit: Configuration, Sure: Possible, Cures: []Cure{publicURL, passHost}},

	// Frames.
	{Name: "unmasked", Says: "the client sends a frame without a mask", Section: "RFC 6455 5.1", Culprit: Device, Sure: Probable, Who: "simple clients of devices", Cures: []Cure{tolerate("unmasked")}},
	{Name: "empty-unmasked", Says: "the client sends an empty frame without a mask", Section: "RFC 6455 5.1", Culprit: Device, Sure: Certain, Who: "npm ws 0.3", Cures: []Cure{tolerate("empty-unmasked")}},
	{Name: "masked", Says: "the server masks its frames", Section: "RFC 6455 5.1", Culprit: Backend, Sure: Certain, Who: "webbit; sketches that use one code for both sides", Cures: []Cure{tolerateBackend("masked")}},
	{Name: "long-length", Says: "a length is written in more bytes than it needs", Section: "RFC 6455 5.2", Culprit: Device, Sure: Possible, Who: "simple stacks", Cures: []Cure{tolerate("long-length"), tolerateBackend("long-length")}},
	{Name: "compressed-unasked", Says: "a frame is marked as compressed, and no compression was agreed on", Section: "RFC 6455 5.2", Culprit: Backend, Sure: Possible, Who: "a proxy that removes Sec-WebSocket-Extensions from one side; a library that compresses always", Cures: []Cure{{"gateway.yaml", "routes: policy: {compression: off}", "declines it"}}},
	{Name: "reserved-bits", Says: "a frame has reserved bits set: the stream is not where the reader thinks it is, or is no WebSocket", Section: "RFC 6455 5.2", Culprit: Backend, Sure: Possible},
	{Name: "http-in-frames", Says: "HTTP stands where a frame has to be", Section: "RFC 6455 5.2", Culprit: Backend, Sure: Probable, Who: "web servers that write an error page behind the 101, when the handler has failed"},
	{Name: "text-in-frames", Says: "bare text stands where a frame has to be", Section: "RFC 6455 5.2", Culprit: Backend, Sure: Probable, Who: "programs that write to the socket past the library"},
	{Name: "second-request", Says: "the client sends HTTP where a frame has to be", Section: "RFC 6455 5.2", Culprit: Proxy, Sure: Possible, Who: "proxies that use the connection again"},
	{Name: "hixie-frames", Says: "frames of hixie stand behind a handshake of a later version", Section: "hybi-02 4.2", Culprit: Device, Sure: Probable, Cures: []Cure{tolerate("hixie-frames")}},
	{Name: "hybi-frames", Says: "frames of a later version stand behind a handshake of hixie", Section: "hixie-76 4.2", Culprit: Device, Sure: Possible, Cures: []Cure{tolerate("hybi-01")}},
	{Name: "bad-opcode", Says: "a frame has an operation that is not defined", Section: "RFC 6455 5.2", Culprit: Nobody, Sure: Possible},
	{Name: "bad-length", Says: "a frame has a length that cannot be", Section: "RFC 6455 5.2", Culprit: Nobody, Sure: Possible},
	{Name: "bad-control", Says: "a control frame is longer than 125 bytes, or divided", Section: "RFC 6455 5.5", Culprit: Nobody, Sure: Possible},
	{Name: "bad-fragments", Says: "parts of messages are mixed up", Section: "RFC 6455 5.4", Culprit: Nobody, Sure: Possible},
	{Name: "bad-text", Says: "text is not UTF-8", Section: "RFC 6455 8.1", Culprit: Nobody, Sure: Possible, Who: "programs that send bytes as text, or Latin-1", Cures: []Cure{{"gateway.yaml", "routes: policy: {invalid_text: replace}", "passes it on repaired"}}},
	{Name: "bad-close", Says: "a close has a code or a reason that must not be sent", Section: "RFC 6455 7.4", Culprit: Nobody, Sure: Possible},
	{Name: "bad-deflate", Says: "what is compressed cannot be expanded", Section: "RFC 7692 7.2", Culprit: Nobody, Sure: Possible, Who: "a proxy that changes one frame of several; windows that the two sides keep differently"},
	{Name: "too-big", Says: "a message is above the limit", Culprit: Configuration, Sure: Probable, Cures: []Cure{{"gateway.yaml", "limits: message: SIZE", "raises it"}}},
	{Name: "hixie-length", Says: "a frame of hixie has a length that cannot be", Section: "hixie-76 5.3", Culprit: Nobody, Sure: Possible},

	// The end.
	{Name: "idle-timeout", Says: "the connection is ended while nothing passes", Culprit: Proxy, Sure: Probable, Who: "nginx after 60 s, AWS after 60 s or 350 s, Heroku after 55 s, Azure after 4 min, HAProxy's timeouts, mobile networks",
		Cures: []Cure{{"gateway.yaml", "routes: policy: {ping: 25s}", "something passes then; the hixie versions have no ping, so the program has to send"}, {"nginx", "proxy_read_timeout 1h;", "waits longer"}, {"HAProxy", "timeout tunnel 1h", "waits longer"}}},
	{Name: "pong-missing", Says: "a ping is not answered, and the connection is ended", Section: "RFC 6455 5.5.2", Culprit: Device, Sure: Possible, Who: "clients that do not read while they wait; a network that is gone"},
	{Name: "cut-off", Says: "the connection ends without a close", Section: "RFC 6455 7.1.5", Culprit: Network, Sure: Possible, Who: "lost networks, killed programs, devices that are switched off"},
	{Name: "reset", Says: "the connection is reset", Culprit: Network, Sure: Possible, Who: "killed programs, firewalls"},
	{Name: "close-refused", Says: "one side closes because the other broke the protocol, as it says", Culprit: Nobody, Sure: Possible},
	{Name: "close-too-big", Says: "one side closes because a message is too big for it", Culprit: Configuration, Sure: Probable, Cures: []Cure{{"gateway.yaml", "limits: message: SIZE", "if it is the gateway that closes"}}},
	{Name: "close-policy", Says: "one side closes because of its policy", Culprit: Configuration, Sure: Probable},
	{Name: "close-text", Says: "one side closes because text is not UTF-8, as it says", Culprit: Nobody, Sure: Possible},
	{Name: "close-unsupported", Says: "one side closes because it does not take such data", Culprit: Configuration, Sure: Possible, Cures: []Cure{{"gateway.yaml", "routes: policy: {binary: base64}", "binary messages for versions that have none"}}},
	{Name: "close-extension", Says: "the client closes because an extension is missing", Culprit: Backend, Sure: Probable},
	{Name: "close-error", Says: "one side closes because of a fault of its own", Culprit: Backend, Sure: Probable},
	{Name: "close-again", Says: "the server closes and asks to come back later", Culprit: Backend, Sure: Probable},
	{Name: "close-gateway", Says: "a gateway closes because of the server behind it", Culprit: Backend, Sure: Probable},
	{Name: "close-program", Says: "one side closes with a code of the program's own", Culprit: Nobody, Sure: Possible},

	{Name: "rule-broken", Says: "a rule is broken", Culprit: Nobody, Sure: Possible},
}

// Causes returns all causes, in the order of a connection.
func Causes() []Cause { return append([]Cause(nil), causes...) }

// causeOf returns the cause of a name.
func causeOf(name string) Cause {
	for _, c := range causes {
		if c.Name == name {
			return c
		}
	}
	return Cause{Name: name, Says: strings.ReplaceAll(name, "-", " "), Sure: Possible}
}

// ofReason are the causes of the reasons for which draftwire refuses.
var ofReason = map[wire.Reason]string{
	wire.ReasonMethod: "method", wire.ReasonHTTPVersion: "http-1.0", wire.ReasonHost: "no-host", wire.ReasonNotWebSocket: "upgrade-stripped",
	wire.ReasonStrayHeader: "upgrade-stripped", wire.ReasonDuplicate: "duplicate-header", wire.ReasonBadVersion: "bad-version", wire.ReasonMixed: "mixed-families",
	wire.ReasonVersion: "version-unknown", wire.ReasonDisabled: "version-refused", wire.ReasonKeyMissing: "key-missing", wire.ReasonVersionMissing: "version-missing",
	wire.ReasonBadKey: "bad-key", wire.ReasonHalfChallenge: "half-challenge", wire.ReasonBadDraft: "bad-draft", wire.ReasonDraftAlone: "half-challenge",
	wire.ReasonNoOrigin: "no-origin", wire.ReasonBody: "body", wire.ReasonChallenge: "bad-challenge", wire.ReasonKey3: "challenge-kept",
	wire.ReasonOriginConflict: "origin-conflict", wire.ReasonOrigin: "origin-refused", wire.ReasonProtocol: "subprotocol-refused", wire.ReasonDenied: "denied",
	wire.ReasonHeadMalformed: "bad-head", wire.ReasonHeadTooLarge: "head-too-large", wire.ReasonTimeout: "too-slow", wire.ReasonOverload: "limited",
	wire.ReasonShutdown: "shutting-down", wire.ReasonHijack: "hijack", wire.ReasonPreface: "not-http", wire.ReasonSSLv2: "sslv2-hello", wire.ReasonNoRoute: "no-route",
	wire.ReasonRetired: "version-retired", wire.ReasonLimit: "limited", wire.ReasonBackend: "backend-down", wire.ReasonNetwork: "network-refused", wire.ReasonAuth: "auth",
	wire.ReasonBadResponse: "backend-refused", wire.ReasonRefused: "backend-refused", wire.ReasonBadAccept: "accept-mismatch", wire.ReasonNotOffered: "extension-unasked",
	wire.ReasonIO: "backend-down", wire.ReasonOptions: "server-error", wire.ReasonProxyHeader: "proxy-header-malformed", wire.ReasonProxyMissing: "proxy-header-missing",
	wire.ReasonProxyUntrusted: "proxy-header-untrusted",
}

// ofFault are the causes of faults of frames.
var ofFault = map[wire.Fault]string{
	wire.FaultRSV: "reserved-bits", wire.FaultOpcode: "bad-opcode", wire.FaultLengthMSB: "bad-length", wire.FaultLengthLong: "long-length",
	wire.FaultUnmasked: "unmasked", wire.FaultMasked: "masked", wire.FaultControlLong: "bad-control", wire.FaultControlFrag: "bad-control",
	wire.FaultOrphan: "bad-fragments", wire.FaultInterleaved: "bad-fragments", wire.FaultText: "bad-text", wire.FaultCloseLength: "bad-close",
	wire.FaultCloseCode: "bad-close", wire.FaultCloseText: "bad-close", wire.FaultDeflate: "bad-deflate", wire.FaultTooBig: "too-big",
	wire.FaultHixieType: "hybi-frames", wire.FaultHixieLength: "hixie-length",
}

// ofTolerance are the causes that a tolerance admits, where its name is not that of the cause.
var ofTolerance = map[string]string{"hybi-01": "hybi-frames", "upgrade-case": "upgrade-value", "other-location": "location-path", "space-before-colon": "field-syntax", "folded-fields": "field-syntax"}

// ofRule are the causes of the comparisons of browsers, where the name is another one.
var ofRule = map[string]string{
	"no-answer": "no-answer", "incomplete": "head-cut", "status-code": "not-upgraded", "head-too-long": "answer-long", "ends-at-once": "cut-off",
}
