package detect_test

import (
	"errors"
	"fmt"

	"github.com/draftwire/draftwire/detect"
	"github.com/draftwire/draftwire/wire"
)

// The first bytes of a connection tell what to do with it.
func ExampleKind() {
	for _, first := range []string{"GE", "GET / HTTP/1.1\r\n", "\x16\x03\x01", detect.PolicyRequest, "PROXY TCP4 "} {
		fmt.Printf("%-12s %q\n", detect.Preface([]byte(first)), first)
	}
	// Output:
	// need-more    "GE"
	// http/1       "GET / HTTP/1.1\r\n"
	// tls          "\x16\x03\x01"
	// flash-policy "<policy-file-request/>\x00"
	// proxy        "PROXY TCP4 "
}

// Which version a client speaks, and why.
func ExampleResult() {
	r := &wire.Request{Method: "GET", Target: "/demo", Proto: "HTTP/1.1", Fields: wire.Fields{
		{Name: "Host", Value: "example.com"},
		{Name: "Connection", Value: "Upgrade"},
		{Name: "Sec-WebSocket-Key2", Value: "12998 5 Y3 1  .P00"},
		{Name: "Upgrade", Value: "WebSocket"},
		{Name: "Sec-WebSocket-Key1", Value: "4 @1  46546xW%0l 1 5"},
		{Name: "Origin", Value: "http://example.com"},
	}}
	res, err := detect.Request(r, wire.AllVersions, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s (%s), %d bytes follow\n", res.Version, res.Rule, res.Body)
	// Output: hixie-76 (Sec-WebSocket-Key1 and -Key2), 8 bytes follow
}

// A version that is not enabled is refused with a list of those that are.
func ExampleRequest() {
	r := &wire.Request{Method: "GET", Target: "/chat", Proto: "HTTP/1.1", Fields: wire.Fields{
		{Name: "Host", Value: "server.example.com"},
		{Name: "Upgrade", Value: "websocket"},
		{Name: "Connection", Value: "Upgrade"},
		{Name: "Sec-WebSocket-Key", Value: "dGhlIHNhbXBsZSBub25jZQ=="},
		{Name: "Sec-WebSocket-Version", Value: "7"},
	}}
	_, err := detect.Request(r, wire.VersionsOf(wire.Hybi08, wire.RFC6455), 0)
	var he *wire.HandshakeError
	if errors.As(err, &he) {
		fmt.Println(he.Status, he.Reason, "use", he.Fields.Get("Sec-WebSocket-Version"))
	}
	// Output: 426 version_disabled use 13, 8
}

// An attempt at WebSocket gets a reasoned refusal, all else is ordinary HTTP.
func ExampleIsAttempt() {
	page := &wire.Request{Fields: wire.Fields{{Name: "Accept", Value: "text/html"}}}
	stripped := &wire.Request{Fields: wire.Fields{{Name: "Sec-WebSocket-Version", Value: "13"}}}
	fmt.Println(detect.IsAttempt(page), detect.IsAttempt(stripped))
	// Output: false true
}
