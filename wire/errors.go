package wire

import (
	"errors"
	"fmt"
	"strings"
)

// Sentinel errors. errors.Is finds them through any wrapping.
var (
	// ErrUnsupported is for what the version cannot say, for example a ping on hixie-76.
	// It wraps errors.ErrUnsupported.
	ErrUnsupported = fmt.Errorf("draftwire: the version cannot say this: %w", errors.ErrUnsupported)
	// ErrClosed is for a write to a connection that this side has closed.
	ErrClosed = errors.New("draftwire: connection closed")
	// ErrTooBig is for a message that is longer than the limit.
	ErrTooBig = errors.New("draftwire: message too big")
	// ErrInvalidText is for a text message that is to be sent and is not UTF-8. That is a
	// fault of the caller; in the hixie versions it would corrupt the frame.
	ErrInvalidText = errors.New("draftwire: text is not UTF-8")
)

// NewUnsupportedError returns an ErrUnsupported that says which version lacks what, for
// example "binary messages".
func NewUnsupportedError(v Version, what string) error { return &unsupportedError{v, what} }

type unsupportedError struct {
	version Version
	what    string
}

func (e *unsupportedError) Error() string {
	return "draftwire: " + e.version.String() + " has no " + e.what
}
func (e *unsupportedError) Unwrap() error { return ErrUnsupported }

// Fault is a stable code for what is wrong with a peer's frame. The codes are those of the
// vectors.
type Fault string

// The faults.
const (
	FaultRSV         Fault = "rsv"                 // reserved bit without an extension
	FaultOpcode      Fault = "opcode"              // reserved opcode
	FaultLengthMSB   Fault = "length_msb"          // top bit of a 64-bit length
	FaultLengthLong  Fault = "length_nonminimal"   // length written longer than needed
	FaultUnmasked    Fault = "mask_missing"        // client frame without mask
	FaultMasked      Fault = "mask_unexpected"     // server frame with mask
	FaultControlLong Fault = "control_long"        // control frame above 125 bytes
	FaultControlFrag Fault = "control_fragmented"  // control frame without FIN
	FaultOrphan      Fault = "continuation_orphan" // continuation of nothing
	FaultInterleaved Fault = "message_interleaved" // new message inside a message
	FaultText        Fault = "utf8"                // text is not UTF-8
	FaultCloseLength Fault = "close_length"        // close body of one byte
	FaultCloseCode   Fault = "close_code"          // code that must not be sent
	FaultCloseText   Fault = "close_utf8"          // close reason is not UTF-8
	FaultDeflate     Fault = "deflate"             // compressed data that does not expand
	FaultTooBig      Fault = "too_big"             // message above the limit
	FaultHixieType   Fault = "hixie_type"          // frame type other than 00 or FF 00 at a server
	FaultHixieLength Fault = "hixie_length"        // length above the limit or without end
)

// ProtocolError is the error of a frame that is against the version's document.
type ProtocolError struct {
	Version   Version
	Fault     Fault
	Section   string     // of the version's document
	Code      CloseCode  // to close the connection with
	Msg       string     // one line for people
	Tolerance Tolerances // the tolerance that accepts the frame; 0 for none
}

// Error names the version, the fault and the section it breaks.
func (e *ProtocolError) Error() string {
	s := "draftwire: " + e.Version.String() + ": " + e.Msg
	if e.Section != "" {
		s += " (" + e.Section + ")"
	}
	return s
}

// Hint returns what would admit the frame, or "".
func (e *ProtocolError) Hint() string { return e.Tolerance.hint("") }

// Is reports whether target is ErrTooBig and e is about a message that is too long.
func (e *ProtocolError) Is(target error) bool {
	return target == ErrTooBig && (e.Fault == FaultTooBig || e.Fault == FaultHixieLength)
}

// Reason is a stable code for a handshake that failed. It stands in logs, in counters, and
// in the Draftwire-Reason field of a refusal.
type Reason string

// The reasons. Each has a row in the table below, with the status, the rule
// and what would admit the request.
const (
	ReasonMethod         Reason = "method"
	ReasonHTTPVersion    Reason = "http_version"
	ReasonHost           Reason = "host"
	ReasonNotWebSocket   Reason = "not_websocket"
	ReasonStrayHeader    Reason = "stray_header"
	ReasonDuplicate      Reason = "duplicate_header"
	ReasonBadVersion     Reason = "bad_version"
	ReasonMixed          Reason = "mixed_families"
	ReasonVersion        Reason = "version_unsupported"
	ReasonDisabled       Reason = "version_disabled"
	ReasonKeyMissing     Reason = "key_missing"
	ReasonVersionMissing Reason = "version_missing"
	ReasonBadKey         Reason = "bad_key"
	ReasonHalfChallenge  Reason = "half_challenge"
	ReasonBadDraft       Reason = "bad_draft"
	ReasonDraftAlone     Reason = "draft_without_keys"
	ReasonNoOrigin       Reason = "no_origin"
	ReasonBody           Reason = "unexpected_body"
	ReasonChallenge      Reason = "bad_challenge"
	ReasonKey3           Reason = "no_key3"
	ReasonOriginConflict Reason = "origin_conflict"
	ReasonOrigin         Reason = "origin"
	ReasonProtocol       Reason = "subprotocol"
	ReasonDenied         Reason = "denied"
	ReasonHeadMalformed  Reason = "bad_head"
	ReasonHeadTooLarge   Reason = "head_too_large"
	ReasonTimeout        Reason = "timeout"
	ReasonOverload       Reason = "overload"
	ReasonShutdown       Reason = "shutdown"
	ReasonHijack         Reason = "hijack"
	ReasonPreface        Reason = "preface"
	ReasonSSLv2          Reason = "sslv2"
	ReasonNoRoute        Reason = "no_route" // from here on: a gateway's reasons
	ReasonRetired        Reason = "retired"
	ReasonLimit          Reason = "limit"
	ReasonBackend        Reason = "backend"
	ReasonNetwork        Reason = "network"
	ReasonAuth           Reason = "auth"
	ReasonBadResponse    Reason = "bad_response" // from here on: a client's reasons
	ReasonRefused        Reason = "refused"
	ReasonBadAccept      Reason = "bad_accept"
	ReasonNotOffered     Reason = "not_offered"
	ReasonIO             Reason = "io"
	ReasonOptions        Reason = "options" // from here on: a server's again
	ReasonProxyHeader    Reason = "proxy_header"
	ReasonProxyMissing   Reason = "proxy_missing"
	ReasonProxyUntrusted Reason = "proxy_untrusted"
)

// ReasonInfo explains a reason.
type ReasonInfo struct {
	Reason Reason
	Status int    // HTTP status of the refusal; 0 where none is sent
	Rule   string // the rule that was broken
	Cure   string // what would admit the request
}

var reasons = []ReasonInfo{
	{ReasonMethod, 405, "an upgrade is a GET (RFC 6455 4.1)", "send GET"},
	{ReasonHTTPVersion, 400, "an upgrade needs HTTP/1.1 (RFC 6455 4.1)", "send HTTP/1.1; nginx needs proxy_http_version 1.1 for it"},
	{ReasonHost, 400, "exactly one Host field, which is a host (RFC 6455 4.1, RFC 9112 3.2)", "send one Host field: a name or an address, and a port or none"},
	{ReasonNotWebSocket, 426, "Upgrade must name websocket and Connection must name upgrade (RFC 6455 4.2.1)", "send Upgrade: websocket and Connection: Upgrade; a proxy in between may remove the two fields"},
	{ReasonStrayHeader, 400, "WebSocket fields without a complete Upgrade and Connection", "let the proxy pass Upgrade and Connection, or remove the fields"},
	{ReasonDuplicate, 400, "a WebSocket key, version or draft field stands once (RFC 6455 11.3)", "send the field once"},
	{ReasonBadVersion, 400, "Sec-WebSocket-Version is a number from 0 to 255 without leading zeros (RFC 6455 4.3)", "send one plain number"},
	{ReasonMixed, 400, "fields of two protocol families in one request", "send Sec-WebSocket-Key and -Version, or -Key1 and -Key2, not both"},
	{ReasonVersion, 426, "the version is not one that this software knows", "use a version from the Sec-WebSocket-Version list"},
	{ReasonDisabled, 426, "the version is known but not enabled here", "enable it in the server's set of versions"},
	{ReasonKeyMissing, 400, "Sec-WebSocket-Version without Sec-WebSocket-Key (RFC 6455 4.2.1)", "send a key"},
	{ReasonVersionMissing, 400, "Sec-WebSocket-Key without Sec-WebSocket-Version (RFC 6455 4.2.1)", "send a version"},
	{ReasonBadKey, 400, "the key is 16 bytes in base64 (RFC 6455 4.2.1)", "send 24 characters of base64"},
	{ReasonHalfChallenge, 400, "Sec-WebSocket-Key1 and -Key2 stand together (hixie-76 5.2)", "send both keys"},
	{ReasonBadDraft, 400, "Sec-WebSocket-Draft names no known draft", "send 2, or leave the field out"},
	{ReasonDraftAlone, 400, "Sec-WebSocket-Draft without the two keys", "send Sec-WebSocket-Key1 and -Key2"},
	{ReasonNoOrigin, 426, "a hixie-75 request has exactly one Origin (hixie-75 4.1)", "send Origin"},
	{ReasonBody, 400, "an upgrade has no body", "leave Content-Length and Transfer-Encoding out"},
	{ReasonChallenge, 400, "the digits of a key are a multiple of its spaces (hixie-76 5.2)", "send keys as hixie-76 4.1 makes them"},
	{ReasonKey3, 0, "eight bytes follow the head (hixie-76 5.2)", "send the eight bytes; a proxy in between may hold them back"},
	{ReasonOriginConflict, 403, "the field of the version that names the origin has one value", "send it once, or with equal values"},
	{ReasonOrigin, 403, "the origin is not allowed", "add the origin to the origin patterns"},
	{ReasonProtocol, 403, "a hixie client fails unless its subprotocol is answered, and the server does not speak it", "add the subprotocol to the server"},
	{ReasonDenied, 403, "the server's own check denied the request", "see the server's log"},
	{ReasonHeadMalformed, 400, "the head is not HTTP/1.1 (RFC 9112)", "send a request line and fields as RFC 9112 has them, in lines that end in CR LF"},
	{ReasonHeadTooLarge, 431, "the head is above the limit", "send fewer or shorter fields, or raise the limit"},
	{ReasonTimeout, 408, "the head did not come in time", "send the head sooner, or raise the handshake timeout"},
	{ReasonOverload, 503, "too many handshakes at once", "try later, or raise the limit"},
	{ReasonShutdown, 503, "the server is shutting down", "try later"},
	{ReasonHijack, 500, "the response cannot be taken over", "let the wrapper in front have an Unwrap method"},
	{ReasonPreface, 0, "the first bytes of the connection are nothing that is served here", "send HTTP/1.1, or TLS where a certificate is set"},
	{ReasonSSLv2, 0, "a TLS hello in the format of SSL 2, which current servers do not read (RFC 6176)", "let the client send the hello of TLS 1.0: in Java 6 leave SSLv2Hello out of the enabled protocols, in OpenSSL 0.9.8 set SSL_OP_NO_SSLv2"},
	{ReasonNoRoute, 404, "no route of the gateway takes this request", "add a route for its host, path and version"},
	{ReasonRetired, 426, "the version is switched off here, by its plan", "set its mode to on or warn"},
	{ReasonLimit, 503, "a limit of the gateway is reached", "try later, or raise the limit"},
	{ReasonBackend, 502, "no backend took the connection", "see the gateway's log for the backend's error"},
	{ReasonNetwork, 403, "clients of this network may not come", "add its network to allow, or remove it from deny"},
	{ReasonAuth, 401, "this route asks for credentials", "send a user's name and password, or a token"},
	{ReasonBadResponse, 0, "the server's response is not what the version demands", ""},
	{ReasonRefused, 0, "the server refused", ""},
	{ReasonBadAccept, 0, "the server's proof is wrong", ""},
	{ReasonNotOffered, 0, "the server chose what was not offered", ""},
	{ReasonIO, 0, "the connection failed", ""},
	{ReasonOptions, 500, "the server's options cannot be served", "see the server's log"},
	{ReasonProxyHeader, 0, "one PROXY header stands first on a connection, whole and outside of TLS", "see what the proxy in front sends"},
	{ReasonProxyMissing, 0, "every connection begins with a PROXY header here", "let the proxy in front send it"},
	{ReasonProxyUntrusted, 0, "a PROXY header, or any connection where it is required, comes from a trusted network", "add the proxy's address to the trusted networks"},
}

// Info returns the reason's row: status, rule and cure.
func (r Reason) Info() ReasonInfo {
	for _, i := range reasons {
		if i.Reason == r {
			return i
		}
	}
	return ReasonInfo{Reason: r, Status: 400}
}

// Reasons returns the table of reasons.
func Reasons() []ReasonInfo { return append([]ReasonInfo(nil), reasons...) }

// HandshakeError is the error of an opening handshake that failed. On a server it holds what
// the client is told, on a client what was wrong with the answer.
type HandshakeError struct {
	Version   Version // Unknown where it was not yet detected
	Status    int     // HTTP status sent (server) or received (client); 0 for none
	Reason    Reason
	Detail    string     // what exactly was wrong; empty where the rule says it
	Fields    Fields     // more fields of the refusal
	Tolerance Tolerances // the tolerance that accepts this fault; 0 for none
	Err       error      // cause, may be nil
}

// NewHandshakeError returns a HandshakeError with the reason's status.
//
// noinline: keeps a cold frame off the 2 KiB stack (ARCHITECTURE.md, "Stacks")
//
//go:noinline
func NewHandshakeError(v Version, r Reason, detail string) *HandshakeError {
	return &HandshakeError{Version: v, Status: r.Info().Status, Reason: r, Detail: detail}
}

// Error names the version, the reason and what exactly was wrong.
func (e *HandshakeError) Error() string {
	var b strings.Builder
	b.WriteString("draftwire: handshake: ")
	if e.Version != Unknown {
		b.WriteString(e.Version.String() + ": ")
	}
	b.WriteString(string(e.Reason) + ": ")
	info := e.Reason.Info()
	if e.Detail != "" {
		b.WriteString(e.Detail)
	} else {
		b.WriteString(info.Rule)
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *HandshakeError) Unwrap() error { return e.Err }

// Hint returns what would admit the request, or "". Where a tolerance would, it says so by
// its name.
func (e *HandshakeError) Hint() string { return e.Tolerance.hint(e.Reason.Info().Cure) }
