package explain

import (
	"regexp"
	"strings"
	"sync"
)

// messages are what browsers write to their consoles. Parts of the text follow in parentheses.
var messages = []struct {
	text  string // a regular expression
	cause string
	sure  Sure
}{
	{`location mismatch: (\S+) != (\S*)`, "location-path", Certain},
	{`origin mismatch: (\S+) != (\S*)`, "origin-mismatch", Certain},
	{`protocol mismatch: (.*) != ?$`, "protocol-missing", Certain},
	{`protocol mismatch: (.*) != (\S.*)$`, "protocol-mismatch", Certain},
	{`'(?:Sec-)?WebSocket-Origin' header is missing`, "origin-missing", Certain},
	{`'(?:Sec-)?WebSocket-Location' header is missing`, "location-missing", Certain},
	{`'Upgrade' header is missing`, "upgrade-missing", Certain},
	{`'Upgrade' header value is not 'WebSocket'|invalid Upgrade header`, "upgrade-value", Certain},
	{`'Connection' header is missing`, "connection-missing", Certain},
	{`'Connection' header value (?:must contain|is not) 'Upgrade'`, "connection-value", Certain},
	{`'Sec-WebSocket-Accept' header is missing`, "accept-missing", Certain},
	{`Incorrect 'Sec-WebSocket-Accept' header value|Sec-WebSocket-Accept mismatch`, "accept-mismatch", Certain},
	{`Sent non-empty 'Sec-WebSocket-Protocol' header but no response was received`, "protocol-missing", Certain},
	{`Response must not include 'Sec-WebSocket-Protocol' header`, "protocol-unasked", Certain},
	{`'Sec-WebSocket-Protocol' header value .* does not match any of sent values|Sec-WebSocket-Protocol mismatch`, "protocol-mismatch", Certain},
	{`Found an unsupported extension|Received unexpected extension|unexpected Sec-WebSocket-Extensions`, "extension-unasked", Certain},
	{`Error in permessage-deflate|rejected by the parser|Sec-WebSocket-Extensions header is invalid|Received duplicate \S+ response|Received invalid \S+ parameter|Received unexpected deflate-frame parameter`, "extension-invalid", Certain},
	{`header must not appear more than once|MUST NOT appear more than once`, "field-twice", Certain},
	{`[Ii]nvalid UTF-8 sequence in header value`, "empty-field", Probable},
	{`Status line does not end with CRLF|Unexpected LF in (?:name|value)`, "line-ends", Certain},
	{`Unexpected CR in name|CR doesn't follow LF|[Ii]nvalid UTF-8 sequence in header name`, "field-syntax", Certain},
	{`No response code found|Invalid status (?:line|code)|Status line (?:contains|is too long)|ERR_INVALID_HTTP_RESPONSE`, "status-line", Probable},
	{`ERR_RESPONSE_HEADERS_TOO_BIG`, "answer-long", Certain},
	{`ERR_RESPONSE_HEADERS_MULTIPLE_`, "field-conflict", Certain},
	{`Invalid HTTP version string`, "http-version", Certain},
	{`Unexpected response code: ?(\d+)`, "denied", Possible},
	{`HTTP Authentication failed`, "auth", Certain},
	{`server must not mask|Masked frame from server|masked frame.*server`, "masked", Certain},
	{`reserved bits are on: reserved1 = 1, reserved2 = 0, reserved3 = 0|RSV1 must be clear`, "compressed-unasked", Probable},
	{`reserved bits are on|Invalid frame header|RSV2 and RSV3 must be clear`, "reserved-bits", Possible},
	{`Could not decode a text frame as UTF-8`, "bad-text", Certain},
	{`Unrecognized frame opcode`, "bad-opcode", Certain},
	{`ERR_CERT_|SEC_ERROR_|SSL_ERROR_BAD_CERT|unknown ca`, "tls-certificate", Certain},
	{`ERR_SSL_VERSION_OR_CIPHER_MISMATCH|SSL_ERROR_NO_CYPHER_OVERLAP|SSL_ERROR_UNSUPPORTED_VERSION`, "tls-nothing-shared", Certain},
	{`ERR_SSL_PROTOCOL_ERROR|SSL_ERROR_RX_RECORD_TOO_LONG`, "tls-to-plain", Probable},
	{`Connection closed before receiving a handshake response|ERR_EMPTY_RESPONSE|ERR_CONNECTION_CLOSED`, "closed-unanswered", Possible},
	{`ERR_CONNECTION_RESET`, "reset-unanswered", Possible},
	{`ERR_CONNECTION_REFUSED`, "backend-down", Possible},
}

// patterns are those of the messages. No other command than explain needs them.
var patterns = sync.OnceValue(func() (all []*regexp.Regexp) {
	for _, m := range messages {
		all = append(all, regexp.MustCompile(m.text))
	}
	return all
})

// Message explains what a browser has written to its console about a WebSocket. ok is false
// where no such message is in the text.
func Message(text string) (x *Explanation, ok bool) {
	if len(text) > maxLine {
		return nil, false
	}
	text = strings.TrimSpace(text)
	for i, m := range messages {
		found := patterns()[i].FindStringSubmatch(text)
		if found == nil {
			continue
		}
		f := &finding{cause: m.cause, sure: m.sure, text: text}
		switch {
		case m.cause == "location-path":
			f.cause = locationKind(found[1], found[2])
			if f.cause != "location-path" {
				f.cures = []Cure{{"gateway.yaml", "listen: public_url: " + publicOf(found[1]), "the URL that the client compares"}}
			}
		case m.cause == "protocol-mismatch" && len(found) > 2 && hasWord([]string{strings.ReplaceAll(found[1], " ", ",")}, found[2]):
			f.cause = "protocol-part"
		case m.cause == "denied":
			f.cause, f.sure = ofMessageCode(found[1])
		}
		x = new(Explanation)
		f.fill(x)
		return x, true
	}
	return nil, false
}

// ofMessageCode is the cause that a status names, which is all that a message tells.
func ofMessageCode(code string) (string, Sure) {
	switch {
	case code == "401" || code == "407":
		return "auth", Certain
	case code == "403":
		return "origin-refused", Possible
	case code == "404":
		return "no-route", Probable
	case code == "426":
		return "version-refused", Possible
	case code == "502":
		return "backend-down", Probable
	case code == "503":
		return "backend-down", Possible
	case code == "504":
		return "backend-slow", Probable
	case code == "500":
		return "server-error", Probable
	case code == "413" || code == "414" || code == "431":
		return "head-too-large", Probable
	case code[0] == '3':
		return "redirected", Certain
	case code[0] == '2':
		return "not-upgraded", Probable
	case code == "100" || code == "103":
		return "continue-first", Certain
	case code == "400":
		return "upgrade-stripped", Possible
	}
	return "denied", Possible
}
