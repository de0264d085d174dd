package wire_test

import (
	"errors"
	"fmt"
	"strings"

	"github.com/draftwire/draftwire/hixie75"
	"github.com/draftwire/draftwire/hixie76"
	"github.com/draftwire/draftwire/hybi07"
	"github.com/draftwire/draftwire/rfc6455"
	"github.com/draftwire/draftwire/wire"
)

// A version is read from any of its spellings and printed by one name.
func ExampleVersion() {
	for _, s := range []string{"hybi-00", "8", "RFC6455"} {
		v, err := wire.ParseVersion(s)
		fmt.Println(v, err, v.Supports(wire.CapBinary))
	}
	// Output:
	// hixie-76 <nil> false
	// hybi-08 <nil> true
	// rfc6455 <nil> true
}

// Versions go into flags and configuration by their names.
func ExampleVersion_UnmarshalText() {
	var v wire.Version
	err := v.UnmarshalText([]byte("hybi-10"))
	fmt.Println(v, err)
	// Output: hybi-08 <nil>
}

// A set of versions, as an operator writes it.
func ExampleVersions() {
	set, err := wire.ParseVersions("modern,hixie-76,-hybi-07", wire.AllVersions)
	fmt.Println(set, err)
	fmt.Println(set.Has(wire.Hixie75), set.Len())
	fmt.Println("Sec-WebSocket-Version:", set.HeaderValue())
	// Output:
	// hixie-76,hybi-08,rfc6455 <nil>
	// false 3
	// Sec-WebSocket-Version: 13, 8
}

// The table of versions.
func ExampleInfo() {
	for _, v := range wire.ModernVersions.List() {
		i := v.Info()
		fmt.Printf("%-8s number %-2s %s\n", i.Name, i.HeaderValue, i.Shipped)
	}
	// Output:
	// hybi-07  number 7  Firefox 6
	// hybi-08  number 8  Chrome 14-15, Firefox 7-10, IE10 preview
	// rfc6455  number 13 Chrome 16+, Firefox 11+, Safari 6+, IE10+, everything since
}

// What a program asks before it uses more than text.
func ExampleCaps() {
	need := wire.CapBinary | wire.CapPing
	for _, v := range []wire.Version{wire.Hixie76, wire.Hybi08} {
		fmt.Println(v, v.Supports(need))
	}
	fmt.Println(strings.Join(need.Names(), ","))
	// Output:
	// hixie-76 false
	// hybi-08 true
	// binary,ping
}

func ExampleOp() {
	for _, op := range []wire.Op{wire.OpText, wire.OpBinary, wire.OpPing} {
		fmt.Println(op, op.IsData())
	}
	// Output:
	// text true
	// binary true
	// ping false
}

// A codec is fed bytes as they come and gives events.
func ExampleCodec() {
	codec := hixie76.Draft.NewCodec(wire.CodecConfig{Role: wire.Server})
	in := []byte("\x00Hello\xff\xff\x00")
	for len(in) > 0 {
		var ev wire.Event
		n, err := codec.Decode(in, &ev)
		if err != nil {
			fmt.Println(err)
			return
		}
		in = in[n:]
		fmt.Printf("%s %q\n", ev.Op, ev.Data)
	}
	out, err := codec.AppendFrame(nil, wire.OpText, true, []byte("Hi"))
	fmt.Printf("% x %v, may end here: %v\n", out, err, codec.EOF() == nil)
	// Output:
	// text "Hello"
	// close ""
	// 00 48 69 ff <nil>, may end here: true
}

// The random source of a client's masks can be given: this one makes the frame
// of RFC 6455 5.7.
func ExampleCodecConfig() {
	codec := rfc6455.Draft.NewCodec(wire.CodecConfig{
		Role: wire.Client,
		Rand: strings.NewReader("\x37\xfa\x21\x3d"),
	})
	frame, err := codec.AppendFrame(nil, wire.OpText, true, []byte("Hello"))
	fmt.Printf("% x %v\n", frame, err)
	// Output: 81 85 37 fa 21 3d 7f 9f 4d 51 58 <nil>
}

// A message that comes in two pieces is two events.
func ExampleEvent() {
	codec := rfc6455.Draft.NewCodec(wire.CodecConfig{Role: wire.Client})
	for _, piece := range []string{"\x81\x05Hel", "lo"} {
		var ev wire.Event
		if _, err := codec.Decode([]byte(piece), &ev); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s %q first=%v last=%v\n", ev.Op, ev.Data, ev.First, ev.Last)
	}
	// Output:
	// text "Hel" first=true last=false
	// text "lo" first=false last=true
}

// The roles differ in who masks.
func ExampleRole() {
	for _, role := range []wire.Role{wire.Server, wire.Client} {
		codec := rfc6455.Draft.NewCodec(wire.CodecConfig{Role: role})
		frame, err := codec.AppendFrame(nil, wire.OpPing, true, nil)
		fmt.Println(role, len(frame), err)
	}
	// Output:
	// server 2 <nil>
	// client 6 <nil>
}

// One message, framed by each version.
func ExampleDraft() {
	drafts := []*wire.Draft{&hixie75.Draft, &hixie76.Draft, &hybi07.Draft, &hybi07.Draft08, &rfc6455.Draft}
	for _, d := range drafts {
		frame, err := d.NewCodec(wire.CodecConfig{Role: wire.Server}).AppendFrame(nil, wire.OpText, true, []byte("Hi"))
		fmt.Printf("%-8s % x %v\n", d.Version, frame, err)
	}
	// Output:
	// hixie-75 00 48 69 ff <nil>
	// hixie-76 00 48 69 ff <nil>
	// hybi-07  81 02 48 69 <nil>
	// hybi-08  81 02 48 69 <nil>
	// rfc6455  81 02 48 69 <nil>
}

// Which receivers repair text that is not UTF-8, and which fail.
func ExampleTextPolicy() {
	for _, d := range []*wire.Draft{&hixie76.Draft, &rfc6455.Draft} {
		for _, role := range []wire.Role{wire.Server, wire.Client} {
			fmt.Println(d.Version, role, "replaces:", d.InvalidText[role] == wire.ReplaceText)
		}
	}
	// Output:
	// hixie-76 server replaces: false
	// hixie-76 client replaces: true
	// rfc6455 server replaces: false
	// rfc6455 client replaces: false
}

// A server answers the request of RFC 6455 1.3.
func ExampleServerHandshake() {
	hs := rfc6455.Draft.NewServer(nil)
	req := &wire.Request{Method: "GET", Target: "/chat", Proto: "HTTP/1.1", Fields: wire.Fields{
		{Name: "Host", Value: "server.example.com"},
		{Name: "Upgrade", Value: "websocket"},
		{Name: "Connection", Value: "Upgrade"},
		{Name: "Sec-WebSocket-Key", Value: "dGhlIHNhbXBsZSBub25jZQ=="},
		{Name: "Sec-WebSocket-Version", Value: "13"},
	}}
	var asked wire.ClientRequest
	if err := hs.ReadRequest(req, &asked); err != nil {
		fmt.Println(err)
		return
	}
	head, _ := hs.Head(nil, &wire.Accept{})
	fmt.Print(strings.ReplaceAll(string(head), "\r\n", "\n"))
	// Output:
	// HTTP/1.1 101 Switching Protocols
	// Upgrade: websocket
	// Connection: Upgrade
	// Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=
}

// A client asks, and looks at the answer.
func ExampleClientHandshake() {
	hs := rfc6455.Draft.NewClient(nil)
	request, err := hs.Head(nil, &wire.Offer{Target: "/chat", Host: "server.example.com"})
	fmt.Println(strings.HasPrefix(string(request), "GET /chat HTTP/1.1\r\n"), err)

	var acc wire.Accept
	_, err = hs.Check(&wire.Response{Line: "HTTP/1.1 404 Not Found", Status: 404}, &acc)
	fmt.Println(err)
	// Output:
	// true <nil>
	// draftwire: handshake: rfc6455: refused: HTTP/1.1 404 Not Found
}

// What a client asks for, whatever its version calls the fields.
func ExampleClientRequest() {
	var asked wire.ClientRequest
	err := hybi07.Draft.NewServer(nil).ReadRequest(&wire.Request{Fields: wire.Fields{
		{Name: "Sec-WebSocket-Key", Value: "dGhlIHNhbXBsZSBub25jZQ=="},
		{Name: "Sec-WebSocket-Origin", Value: "http://example.com"},
		{Name: "Sec-WebSocket-Protocol", Value: "chat, superchat"},
		{Name: "Sec-WebSocket-Extensions", Value: "deflate-stream"},
	}}, &asked)
	fmt.Println(asked.Origin, asked.Protocols, asked.Extensions, err)
	// Output: http://example.com [chat superchat] [deflate-stream] <nil>
}

// The request of a hixie-75 client.
func ExampleOffer() {
	head, err := hixie75.Draft.NewClient(nil).Head(nil, &wire.Offer{
		Target: "/demo", Host: "example.com", Origin: "http://example.com",
		Protocols: []string{"sample"},
		Fields:    wire.Fields{{Name: "Cookie", Value: "a=b"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(strings.ReplaceAll(string(head), "\r\n", "\n"))
	// Output:
	// GET /demo HTTP/1.1
	// Upgrade: WebSocket
	// Connection: Upgrade
	// Host: example.com
	// Origin: http://example.com
	// WebSocket-Protocol: sample
	// Cookie: a=b
}

// What a server chose becomes the lines of its answer.
func ExampleAccept() {
	hs := hixie75.Draft.NewServer(nil)
	var asked wire.ClientRequest
	if err := hs.ReadRequest(&wire.Request{Fields: wire.Fields{{Name: "Origin", Value: "http://example.com"}}}, &asked); err != nil {
		fmt.Println(err)
		return
	}
	head, _ := hs.Head(nil, &wire.Accept{
		Protocol: "sample",
		Location: "ws://example.com/demo",
		Fields:   wire.Fields{{Name: "Set-Cookie", Value: "a=b"}},
	})
	fmt.Print(strings.ReplaceAll(string(head), "\r\n", "\n"))
	// Output:
	// HTTP/1.1 101 Web Socket Protocol Handshake
	// Upgrade: WebSocket
	// Connection: Upgrade
	// WebSocket-Origin: http://example.com
	// WebSocket-Location: ws://example.com/demo
	// WebSocket-Protocol: sample
	// Set-Cookie: a=b
}

func ExampleRequest() {
	r := wire.Request{Method: "GET", Target: "http://example.com/demo?a=b", Proto: "HTTP/1.1",
		Fields: wire.Fields{{Name: "Host", Value: "example.com"}}}
	fmt.Println(r.Host(), r.Path())
	// Output: example.com /demo?a=b
}

// A client's error says what the server answered.
func ExampleResponse() {
	resp := &wire.Response{Line: "HTTP/1.1 426 Upgrade Required", Status: 426,
		Fields: wire.Fields{{Name: "Sec-WebSocket-Version", Value: "13, 8"}}}
	var he *wire.HandshakeError
	if errors.As(wire.NewRefusedError(wire.Hybi07, resp), &he) {
		fmt.Println(he.Status, he.Fields.List("Sec-WebSocket-Version"))
	}
	// Output: 426 [13 8]
}

func ExampleField() {
	f := wire.Field{Name: "Sec-WebSocket-Version", Value: "13"}
	fmt.Printf("%q\n", wire.Fields{f}.Append(nil))
	// Output: "Sec-WebSocket-Version: 13\r\n"
}

// Fields keep order and spelling; they are found in any case.
func ExampleFields() {
	f := wire.Fields{
		{Name: "connection", Value: "keep-alive"},
		{Name: "Connection", Value: "Upgrade"},
	}
	fmt.Println(f.Get("Connection"), f.Count("Connection"))
	fmt.Println(f.HasToken("Connection", "upgrade"), f.List("Connection"))
	fmt.Printf("%q\n", f.Append(nil))
	// Output:
	// keep-alive 2
	// true [keep-alive Upgrade]
	// "connection: keep-alive\r\nConnection: Upgrade\r\n"
}

// Some codes only tell what happened; they are never sent.
func ExampleCloseCode() {
	for _, c := range []wire.CloseCode{wire.CodeNormal, wire.CodeAbnormal, 4001} {
		fmt.Println(c, c.OnWire())
	}
	// Output:
	// 1000 (normal) true
	// 1006 (abnormal) false
	// 4001 true
}

// Why the peer left.
func ExampleCloseError() {
	var err error = &wire.CloseError{Code: wire.CodeGoingAway, Reason: "the page was left"}
	var ce *wire.CloseError
	if errors.As(err, &ce) && ce.Code == wire.CodeGoingAway {
		fmt.Println(err)
	}
	// Output: draftwire: closed: 1001 (going away) "the page was left"
}

// A server must not take frames that are not masked.
func ExampleProtocolError() {
	codec := rfc6455.Draft.NewCodec(wire.CodecConfig{Role: wire.Server})
	_, err := codec.Decode([]byte("\x81\x05Hello"), new(wire.Event))
	var pe *wire.ProtocolError
	if errors.As(err, &pe) {
		fmt.Println(pe.Version, pe.Fault, pe.Section, "close with", pe.Code)
	}
	// Output: rfc6455 mask_missing 5.1 close with 1002 (protocol error)
}

// Faults are made to be counted.
func ExampleFault() {
	count := map[wire.Fault]int{}
	for _, in := range []string{"\xc1\x80", "\x83\x80", "\x93\x80"} {
		codec := rfc6455.Draft.NewCodec(wire.CodecConfig{Role: wire.Server})
		_, err := codec.Decode([]byte(in), new(wire.Event))
		var pe *wire.ProtocolError
		if errors.As(err, &pe) {
			count[pe.Fault]++
		}
	}
	fmt.Println(count)
	// Output: map[opcode:1 rsv:2]
}

// A refusal names its reason and what would admit the request.
func ExampleHandshakeError() {
	err := wire.NewHandshakeError(wire.Hixie76, wire.ReasonHalfChallenge, "")
	fmt.Println(err)
	fmt.Println(err.Status, err.Hint())
	// Output:
	// draftwire: handshake: hixie-76: half_challenge: Sec-WebSocket-Key1 and -Key2 stand together (hixie-76 5.2)
	// 400 send both keys
}

func ExampleReason() {
	r := wire.ReasonTimeout
	fmt.Println(r, r.Info().Status)
	// Output: timeout 408
}

// A table of the refusals, for help and documentation.
func ExampleReasonInfo() {
	for _, i := range wire.Reasons() {
		if i.Status == 426 {
			fmt.Printf("%s: %s\n", i.Reason, i.Cure)
		}
	}
	// Output:
	// not_websocket: send Upgrade: websocket and Connection: Upgrade; a proxy in between may remove the two fields
	// version_unsupported: use a version from the Sec-WebSocket-Version list
	// version_disabled: enable it in the server's set of versions
	// no_origin: send Origin
	// retired: set its mode to on or warn
}

// Tolerances are named in configuration; their use is reported.
func ExampleTolerances() {
	tolerate, err := wire.ParseTolerances("unmasked,no-origin", wire.ClientFaults())
	fmt.Println(tolerate, err)

	codec := rfc6455.Draft.NewCodec(wire.CodecConfig{
		Role:     wire.Server,
		Tolerate: tolerate,
		Seen:     func(t wire.Tolerances) { fmt.Println("needed:", t) },
	})
	var ev wire.Event
	_, err = codec.Decode([]byte("\x81\x05Hello"), &ev)
	fmt.Printf("%q %v\n", ev.Data, err)
	// Output:
	// no-origin,unmasked <nil>
	// needed: unmasked
	// "Hello" <nil>
}

// A table of the tolerances, for help and documentation.
func ExampleToleranceInfo() {
	for _, i := range wire.ToleranceTable() {
		if i.Section == "RFC 6455 5.1" && i.Clients {
			fmt.Println(i.Name + ": " + i.Accepts)
		}
	}
	// Output:
	// unmasked: frames of a client that are not masked
	// empty-unmasked: empty frames of a client that are not masked
}

// With an extension the first reserved bit has a meaning, and is no fault.
func ExampleRSV1Use() {
	frame := []byte{0xC1, 0x05, 'H', 'e', 'l', 'l', 'o'}
	for _, use := range []wire.RSV1Use{wire.NoRSV1, wire.RSV1Message} {
		codec := rfc6455.Draft.NewCodec(wire.CodecConfig{Role: wire.Client, RSV1: use})
		var ev wire.Event
		_, err := codec.Decode(frame, &ev)
		fmt.Println(ev.Op, ev.RSV1, err)
	}
	// Output:
	// none false draftwire: rfc6455: reserved bit set (5.2)
	// text true <nil>
}

// The first bytes of a frame of RFC 6455, as a trace has them.
func ExampleFrame() {
	f := wire.Frame{Op: wire.OpText, Type: 0xC1, Fin: true, Length: 5}
	fmt.Println(f.Op, f.Opcode(), f.RSV())
	// Output: text 1 4
}
