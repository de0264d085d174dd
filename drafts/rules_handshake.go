package drafts

// The tables of rules say in a step what a document says, with where it stands. Of hixie-68,
// hixie-75, hixie-76 and RFC 6455 the texts were read; what is said of the others is from the
// programs that implemented them, and from their authors' notes.

func step(since string, mark Mark, says string, from ...string) Step {
	return Step{Since: since, Fact: Fact{says, from, mark}}
}

// restated is a step that is no change, as far as is known: it is there because its document was
// read, or to say that nothing was found.
func restated(since string, mark Mark, says string, from ...string) Step {
	s := step(since, mark, says, from...)
	s.Restates = true
	return s
}

// news is a step of which only a part is new.
func news(since string, mark Mark, part, says string, from ...string) Step {
	return Step{Since: since, New: part, Fact: Fact{says, from, mark}}
}

var handshakeRules = []Rule{
	{
		Name: "request", Part: "handshake", Title: "what kind of HTTP request it is",
		Words: "request line GET method HTTP/1.1 host body content-length head",
		Codes: []string{"method", "http_version", "host", "bad_head", "unexpected_body"},
		Steps: []Step{
			restated("hixie-68", Text, "a GET with HTTP/1.1 and a Host, its first lines in one order: Upgrade, Connection, Host, Origin, then the subprotocol and cookies", "hixie-75 4.1"),
			step("hixie-76", Text, "a GET with HTTP/1.1 and a Host, its fields in an order that is random on purpose; eight bytes follow the blank line, and no field announces them", "hixie-76 4.1"),
			step("hybi-04", Program, "a GET with HTTP/1.1 and a Host, in any order; nothing follows the blank line", "PWN", "PW"),
			news("hybi-08", Program, "the target may be an absolute URI too", "a GET with HTTP/1.1 and a Host, in any order, whose target is a path or an absolute URI; nothing follows the blank line", "PWN"),
			restated("RFC 6455", Text, "a GET with HTTP/1.1 or higher, and a Host; the target is a path or an absolute URI", "RFC 6455 4.1", "RFC 6455 4.2.1"),
			step("RFC 8441", Text, "over HTTP/2 it is a CONNECT with :protocol websocket, and :scheme, :path and :authority", "RFC 8441 4", "RFC 8441 5"),
			step("RFC 9220", Text, "over HTTP/3 it is a CONNECT, as over HTTP/2", "RFC 9220 3"),
		},
	},
	{
		Name: "status-line", Part: "handshake", Title: "the first line of the answer",
		Words: "101 switching protocols web socket protocol handshake phrase status response",
		Codes: []string{"bad_response", "refused"},
		Steps: []Step{
			restated("hixie-68", Text, "exactly \"HTTP/1.1 101 Web Socket Protocol Handshake\", compared byte by byte, and so are the two lines behind it", "hixie-75 4.1 step 12", "hixie-75 4.1 step 13", "WEBKIT"),
			step("hixie-76", Text, "101 with any phrase; the text writes \"WebSocket Protocol Handshake\"", "hixie-76 4.1", "hixie-76 5.2"),
			step("hybi-04", Program, "101 with any phrase; the text writes \"Switching Protocols\"", "PERL", "PW"),
			restated("RFC 6455", Text, "101; the phrase means nothing", "RFC 6455 4.1", "RFC 6455 4.2.2"),
			step("RFC 8441", Text, "over HTTP/2 any 2xx, as 200, in place of 101", "RFC 8441 5"),
		},
	},
	{
		Name: "upgrade", Part: "handshake", Title: "the field Upgrade",
		Words: "WebSocket websocket token case upgrade field",
		Codes: []string{"not_websocket", "stray_header"},
		Steps: []Step{
			restated("hixie-68", Text, "\"WebSocket\", in request and answer, in this case; the answer's line is compared byte by byte", "hixie-75 4.1 step 13"),
			step("hixie-76", Text, "\"WebSocket\" in request and answer; a client compares the value with its case", "hixie-76 4.1"),
			step("hybi-04", Program, "\"websocket\", in any case", "PWN", "PERL"),
			restated("RFC 6455", Text, "contains \"websocket\" in a request, in any case; in an answer it equals it", "RFC 6455 4.1", "RFC 6455 4.2.1"),
			step("RFC 8441", Text, "none: :protocol stands in its place", "RFC 8441 5"),
		},
	},
	{
		Name: "connection", Part: "handshake", Title: "the field Connection",
		Words: "connection upgrade token list keep-alive",
		Steps: []Step{
			restated("hixie-68", Text, "\"Upgrade\" in request and answer; the answer's line is compared byte by byte", "hixie-75 4.1 step 13"),
			step("hixie-76", Text, "\"Upgrade\" alone, in any case", "hixie-76 4.1"),
			step("hybi-06", Program, "a list that includes \"Upgrade\"", "PWN"),
			restated("RFC 6455", Text, "a list that includes \"upgrade\", in any case", "RFC 6455 4.1", "RFC 6455 4.2.1"),
			step("RFC 8441", Text, "none", "RFC 8441 5"),
		},
	},
	{
		Name: "origin", Part: "handshake", Title: "how a request names the page's origin",
		Words: "origin field Sec-WebSocket-Origin page browser",
		Codes: []string{"no_origin", "origin_conflict"},
		Steps: []Step{
			restated("hixie-68", Text, "Origin, always there", "hixie-75 4.1"),
			step("hybi-04", Program, "Sec-WebSocket-Origin, always there", "PWN", "PERL"),
			step("hybi-06", Program, "Sec-WebSocket-Origin; only browsers have to send it", "PERL"),
			step("hybi-11", Program, "Origin again, though the number of the version stays 8", "PWN", "PERL"),
			restated("RFC 6455", Text, "Origin; browsers must send it", "RFC 6455 4.1", "RFC 6455 10.2"),
		},
	},
	{
		Name: "origin-answer", Part: "handshake", Title: "whether the answer repeats the origin",
		Words: "WebSocket-Origin Sec-WebSocket-Origin response echo",
		Steps: []Step{
			step("hixie-00", Program, "WebSocket-Origin has to equal the request's origin", "PERL", "hixie-75 4.1 step 23"),
			step("hixie-76", Text, "Sec-WebSocket-Origin has to equal the request's origin, in lower case", "hixie-76 4.1", "hixie-76 5.2"),
			step("hybi-04", Program, "it does not: the server decides alone", "PERL"),
		},
	},
	{
		Name: "location", Part: "handshake", Title: "whether the answer repeats the URL",
		Words: "WebSocket-Location Sec-WebSocket-Location URL ws wss host port",
		Steps: []Step{
			step("hixie-00", Program, "WebSocket-Location has to equal the URL that the client used; its scheme was http or https until 2009-02-25", "PERL", "WHATWG abf7c32a"),
			restated("hixie-68", Text, "WebSocket-Location has to equal the URL that the client used: ws or wss, the host in lower case, no default port, the target as it came", "hixie-75 4.1 step 23", "hixie-75 5.1"),
			step("hixie-76", Text, "Sec-WebSocket-Location has to equal the URL that the client used", "hixie-76 4.1", "hixie-76 5.2"),
			step("hybi-04", Program, "it does not", "PWN"),
		},
	},
	{
		Name: "subprotocol", Part: "handshake", Title: "how a subprotocol is agreed on",
		Words: "subprotocol WebSocket-Protocol Sec-WebSocket-Protocol list comma",
		Codes: []string{"subprotocol", "not_offered"},
		Steps: []Step{
			step("hixie-00", Told, "not at all: there is no field for it", "PERL"),
			step("hixie-10", Told, "WebSocket-Protocol", "PERL", "WHATWG 7a943f8c"),
			restated("hixie-68", Text, "WebSocket-Protocol is one string, which the answer repeats; without it the client fails", "hixie-75 4.1", "hixie-75 4.1 step 23"),
			step("hixie-76", Text, "Sec-WebSocket-Protocol is one string, spaces allowed, which the answer repeats; without it the client fails", "hixie-76 4.1"),
			step("hybi-01", Unverified, "Sec-WebSocket-Protocol is a list separated by spaces; the answer names one of it, or none. It is noted that hybi-04 changed the separator from a space, but not in which draft the list began", "PWN"),
			step("hybi-04", Program, "Sec-WebSocket-Protocol is a list separated by commas; the answer names one of it, or none", "PWN", "PERL"),
			news("hybi-08", Program, "what the answer names is a token", "Sec-WebSocket-Protocol is a list separated by commas; the answer names one of it, a token, or none", "PWN"),
			news("hybi-13", Program, "a client fails the connection if the answer names what was not offered", "Sec-WebSocket-Protocol is a list separated by commas; the answer names one of it, a token, or none; a client fails the connection if it names another one", "PWN"),
			news("hybi-14", Program, "the field may stand in several lines of a request, and in one of an answer", "Sec-WebSocket-Protocol is a list, in one line or several; the answer names at most one of it, in one line; a client fails the connection if it names another one", "PWN"),
			restated("RFC 6455", Text, "a list of tokens; the answer names at most one of it, in one field", "RFC 6455 4.1", "RFC 6455 11.3.4"),
		},
	},
	{
		Name: "proof", Part: "handshake", Title: "how a server proves that it speaks WebSocket",
		Words: "challenge accept digest MD5 SHA-1 nonce GUID answer proof Sec-WebSocket-Accept",
		Codes: []string{"bad_accept"},
		Steps: []Step{
			restated("hixie-68", Text, "not at all: it only repeats the origin and the URL", "hixie-75 4.1"),
			step("hixie-76", Text, "16 bytes behind the head: the MD5 of the two numbers that the keys hide, four bytes each, and of the client's eight bytes", "hixie-76 5.2 step 8", "hixie-76 5.2 step 9"),
			step("hybi-04", Program, "Sec-WebSocket-Accept: base64 of the SHA-1 of the key's text and of 258EAFA5-E914-47DA-95CA-C5AB0DC85B11; Sec-WebSocket-Nonce, 16 bytes in base64, goes with it", "PW 653e4dc", "PERL"),
			step("hybi-05", Unverified, "Sec-WebSocket-Accept alone. One source has the nonce removed here, one shows it in the sample of hybi-05, and libwebsockets of February 2011 waited for it", "PWN", "PERL", "LWS 4eaa86b"),
			step("hybi-06", Program, "Sec-WebSocket-Accept alone", "PERL", "PW 3ebb789"),
			restated("RFC 6455", Text, "Sec-WebSocket-Accept: base64 of the SHA-1 of the key's text and of the GUID; the key is hashed as it came", "RFC 6455 1.3", "RFC 6455 4.1", "RFC 6455 4.2.2"),
			step("RFC 8441", Text, "not at all: the setting that the server has sent, and its 2xx, are enough", "RFC 8441 3", "RFC 8441 5"),
		},
	},
	{
		Name: "key", Part: "handshake", Title: "what a client's key is",
		Words: "key Sec-WebSocket-Key Sec-WebSocket-Key1 Sec-WebSocket-Key2 spaces digits base64 number",
		Codes: []string{"bad_challenge", "half_challenge", "bad_key", "key_missing", "duplicate_header"},
		Steps: []Step{
			restated("hixie-68", Text, "there is none", "hixie-75 4.1"),
			step("hixie-76", Text, "two: digits with 1 to 12 spaces among them, and other characters. The digits, read as one number, are a multiple of the number of spaces, and what is left of the division fits 32 bits", "hixie-76 4.1", "hixie-76 5.2 step 4", "hixie-76 5.2 step 7"),
			step("hybi-04", Program, "one: 16 random bytes in base64", "PERL", "PW 653e4dc"),
			news("hybi-14", Program, "the field must not stand twice", "one: 16 random bytes in base64, in a field that must not stand twice", "PWN"),
			restated("RFC 6455", Text, "one: 16 random bytes in base64, new for each connection, in a field that must not stand twice", "RFC 6455 4.1", "RFC 6455 11.3.1"),
			step("RFC 8441", Text, "there is none", "RFC 8441 5"),
		},
	},
	{
		Name: "eight-bytes", Part: "handshake", Title: "what follows the blank line of a request",
		Words: "key3 eight bytes body behind head proxy",
		Codes: []string{"no_key3"},
		Steps: []Step{
			restated("hixie-68", Text, "nothing, until the answer is there", "hixie-75 4.1"),
			step("hixie-76", Text, "eight random bytes, which no field announces. They are no body to HTTP, so a proxy may hold them back until it has seen the 101", "hixie-76 4.1", "HAPROXY"),
			step("hybi-04", Program, "nothing, until the answer is there", "PWN"),
		},
	},
	{
		Name: "version", Part: "handshake", Title: "how a request says which version it is",
		Words: "version Sec-WebSocket-Version Sec-WebSocket-Draft number detect",
		Codes: []string{"bad_version", "bad_draft", "draft_without_keys", "version_missing", "mixed_families"},
		Steps: []Step{
			step("hixie-00", Program, "not at all", "PERL"),
			step("hixie-76", Text, "not at all; but only it has Sec-WebSocket-Key1 and -Key2", "hixie-76 4.1"),
			step("hybi-02", Program, "Sec-WebSocket-Draft: 2, beside the two keys", "PWN"),
			step("hybi-04", Program, "Sec-WebSocket-Version: 4", "PWN"),
			step("hybi-05", Program, "Sec-WebSocket-Version: 5", "PWN"),
			step("hybi-06", Program, "Sec-WebSocket-Version: 6", "PERL", "LWS 08d3392"),
			step("hybi-07", Program, "Sec-WebSocket-Version: 7", "PERL", "GECKO"),
			step("hybi-08", Program, "Sec-WebSocket-Version: 8, up to hybi-12", "PWN"),
			step("hybi-13", Program, "Sec-WebSocket-Version: 13, up to the RFC", "PWN"),
			restated("RFC 6455", Text, "Sec-WebSocket-Version: 13, a number from 0 to 255 without leading zeros, once", "RFC 6455 4.1", "RFC 6455 4.3", "RFC 6455 11.3.5"),
		},
	},
	{
		Name: "version-list", Part: "handshake", Title: "what a server says to a version that it does not speak",
		Words: "426 upgrade required list versions refuse unsupported negotiation",
		Codes: []string{"version_unsupported", "version_disabled"},
		Steps: []Step{
			restated("hixie-68", Text, "nothing: there are no versions", "hixie-75 5.1"),
			restated("hybi-04", Unverified, "not found: nothing was noted before hybi-11"),
			step("hybi-11", Program, "a refusal with Sec-WebSocket-Version, which lists the numbers that it speaks", "PWN"),
			news("hybi-14", Program, "the field may stand in several lines of the answer, and in one of a request", "a refusal with Sec-WebSocket-Version, in one line or several, which lists the numbers that it speaks", "PWN"),
			news("hybi-15", Program, "it must list them", "a refusal that must have Sec-WebSocket-Version, in one line or several, with the numbers that it speaks", "PWN"),
			restated("RFC 6455", Text, "a status as 426, and Sec-WebSocket-Version with the numbers that it speaks", "RFC 6455 4.2.2", "RFC 6455 4.4"),
		},
	},
	{
		Name: "extensions", Part: "handshake", Title: "how extensions are agreed on",
		Words: "Sec-WebSocket-Extensions negotiation parameters token quoted-string",
		Steps: []Step{
			restated("hixie-68", Text, "there are none", "hixie-75 4.1"),
			step("hybi-01", Program, "frames have room for them; there is no way to agree on one", "PWN"),
			news("hybi-03", Program, "one is named, \"compression\"", "frames have room for them, and one is named, \"compression\"; there is no way to agree on it", "PWN"),
			step("hybi-04", Program, "Sec-WebSocket-Extensions in request and answer", "PWN"),
			news("hybi-05", Program, "the form of the field is specified in detail", "Sec-WebSocket-Extensions in request and answer, in a form that is specified in detail", "PWN"),
			news("hybi-08", Program, "a parameter is a token", "Sec-WebSocket-Extensions in request and answer; a parameter is a token", "PWN"),
			news("hybi-14", Program, "a parameter may be a quoted string; the field stands in one line of an answer", "Sec-WebSocket-Extensions in request and answer, in one line of that; a parameter is a token or a quoted string", "PWN"),
			restated("RFC 6455", Text, "a list in the request, in any number of fields; the answer lists those that are taken, in the order in which they apply", "RFC 6455 9.1", "RFC 6455 11.3.2"),
		},
	},
	{
		Name: "refusal", Part: "handshake", Title: "what a server may answer other than 101",
		Words: "401 redirect 3xx 407 authentication status refuse",
		Steps: []Step{
			restated("hixie-68", Text, "nothing that a client understands, but a 407 of a proxy", "hixie-75 4.1"),
			step("hixie-76", Text, "nothing: any other status fails the connection", "hixie-76 4.1"),
			restated("hybi-01", Unverified, "not found: nothing was noted before hybi-08"),
			step("hybi-08", Program, "statuses of HTTP; which ones is said here", "PWN"),
			news("hybi-13", Program, "401 with WWW-Authenticate, and 3xx, which a client need not follow", "statuses of HTTP, among them 401 with WWW-Authenticate, and 3xx, which a client need not follow", "PWN"),
			restated("RFC 6455", Text, "any status of HTTP; a client may authenticate after 401 and follow 3xx, and need not", "RFC 6455 4.1"),
			step("RFC 9220", Text, "501 for a :protocol that it does not know", "RFC 9220 3"),
		},
	},
	{
		Name: "cookies", Part: "handshake", Title: "cookies",
		Words: "cookie set-cookie",
		Steps: []Step{
			restated("hixie-68", Text, "a request may have them, behind its other fields; the answer may set some", "hixie-75 4.1"),
			step("hybi-02", Program, "those of the answer may wait until the handshake has succeeded (the flag \"defer cookies\")", "PWN"),
			restated("RFC 6455", Text, "as in any request and answer of HTTP", "RFC 6455 1.3", "RFC 6455 4.1"),
		},
	},
	{
		Name: "tls", Part: "handshake", Title: "TLS",
		Words: "wss TLS secure SSL port 443 815 81",
		Steps: []Step{
			step("hixie-00", Text, "wss is TLS below it; the default ports were 81 and 815 until 2009-09-02", "WHATWG b21d9405"),
			restated("hixie-68", Text, "wss is TLS below it; the default ports are 80 and 443", "hixie-75 4.1"),
			news("hybi-14", Program, "an implementation must support it", "wss is TLS below it, which an implementation must support; the default ports are 80 and 443", "PWN"),
			restated("RFC 6455", Text, "wss is TLS below it, which an implementation must support; a client names the server in its hello", "RFC 6455 10.6", "RFC 6455 4.1"),
		},
	},
}
