package explain_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/draftwire/draftwire/browsers"
	"github.com/draftwire/draftwire/explain"
	"github.com/draftwire/draftwire/inspect/capture"
)

// lines are a head.
func lines(l ...string) []byte { return []byte(strings.Join(l, "\r\n") + "\r\n\r\n") }

func ExampleExplainer() {
	e := explain.New(explain.Options{}, func(x *explain.Explanation) {
		fmt.Println(x.Result, x.Cause, x.Sure, x.Culprit)
		fmt.Println(x.Says)
	})
	s := e.Open(capture.Conn{Number: 1})
	s.Data(time.Time{}, capture.FromClient, 0, lines("GET /ocpp/CP3 HTTP/1.1", "Host: example.com", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: qjaovfzeqzo=", "Sec-WebSocket-Version: 13"))
	s.Data(time.Time{}, capture.FromServer, 0, lines("HTTP/1.1 400 Bad Request"))
	s.End(time.Time{}, capture.FromServer, capture.Fin)
	s.End(time.Time{}, capture.FromClient, capture.Fin)
	// Output:
	// fails any-key probable device
	// Sec-WebSocket-Key is not 16 bytes in base64
}

func ExampleOptions() {
	safari, _ := browsers.Find("safari5.1")
	for _, secure := range []bool{false, true} {
		e := explain.New(explain.Options{As: &safari, Secure: secure}, func(x *explain.Explanation) { fmt.Println(secure, x.Result) })
		s := e.Open(capture.Conn{Number: 1})
		s.Data(time.Time{}, capture.FromClient, 0, append(lines("GET / HTTP/1.1", "Upgrade: WebSocket", "Connection: Upgrade", "Host: example.com", "Origin: https://example.com",
			"Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5", "Sec-WebSocket-Key2: 12998 5 Y3 1  .P00"), "^n:ds[4U"...))
		s.Data(time.Time{}, capture.FromServer, 0, append(lines("HTTP/1.1 101 WebSocket Protocol Handshake", "Upgrade: WebSocket", "Connection: Upgrade",
			"Sec-WebSocket-Origin: https://example.com", "Sec-WebSocket-Location: ws://example.com/"), "8jKS'y:G*Co,Wxa-"...))
		s.End(time.Time{}, capture.FromClient, capture.Cut)
		s.End(time.Time{}, capture.FromServer, capture.Cut)
	}
	// Output:
	// false works
	// true fails
}

func ExampleLine() {
	x, ok := explain.Line(`{"level":"warning","msg":"refused","reason":"version_unsupported","detail":"Sec-WebSocket-Version is 10","hint":"use a version from the list; tolerate draft-number admits it","draft":"unknown"}`)
	fmt.Println(ok, x.Cause, x.Sure)
	fmt.Println(x.Cures[0].Set)
	// Output:
	// true draft-number certain
	// listen: tolerate: [draft-number]
}

func ExampleMessage() {
	x, ok := explain.Message("Error during WebSocket handshake: location mismatch: wss://example.com/chat != ws://example.com/chat")
	fmt.Println(ok, x.Cause)
	fmt.Println(x.Cures[0].Set)
	// Output:
	// true location-scheme
	// listen: public_url: wss://example.com
}

func ExampleExplanation() {
	x, _ := explain.Message("Error during WebSocket handshake: 'Upgrade' header is missing")
	p, _ := json.Marshal(x)
	var read explain.Explanation
	fmt.Println(json.Unmarshal(p, &read), read.Result, read.Cause, read.Sure, read.Section)
	// Output:
	// <nil> fails upgrade-missing certain RFC 6455 4.1
}

func ExampleResult() {
	fmt.Println(explain.Works, explain.Fails, explain.Unclear)
	// Output:
	// works fails unclear
}

func ExampleSure() {
	var s explain.Sure
	err := s.UnmarshalText([]byte("possible"))
	fmt.Println(s == explain.Possible, err, explain.Certain < explain.Probable)
	// Output:
	// true <nil> true
}

func ExampleCulprit() {
	for _, c := range explain.Causes() {
		if c.Name == "challenge-kept" {
			fmt.Println(c.Culprit == explain.Proxy, c.Sure)
		}
	}
	// Output:
	// true probable
}

func ExampleCause() {
	for _, c := range explain.Causes() {
		if c.Name == "unmasked" {
			fmt.Println(c.Says, "-", c.Section)
		}
	}
	// Output:
	// the client sends a frame without a mask - RFC 6455 5.1
}

func ExampleCure() {
	for _, c := range explain.Causes() {
		if c.Name == "http-1.0" {
			for _, cure := range c.Cures {
				fmt.Println(cure.Where, cure.Set)
			}
		}
	}
	// Output:
	// nginx proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";
	// gateway.yaml listen: tolerate: [http-1.0]
}

func ExampleEvidence() {
	x, _ := explain.Line(`time="03:04:05" level=warning msg=refused reason=no_key3 detail="0 of the eight bytes behind the head came" draft=hixie-76`)
	for _, e := range x.Evidence {
		fmt.Println(e.Text)
	}
	// Output:
	// reason: no_key3
	// detail: 0 of the eight bytes behind the head came
}
