package gen

import (
	"fmt"
	"strings"

	"github.com/draftwire/draftwire/hostile"
)

func (l *list) serverH2() {
	l.h2Silence()
	l.h2Floods()
	l.h2Fields()
	l.h2Streams()
	l.h2Connect()
	l.h2Malformed()
}

// h2 adds a case of HTTP/2 within TLS.
func (l *list) h2(name string, c hostile.Case) {
	c.Needs, c.TLS, c.ALPN = []string{"tls", "h2"}, true, []string{"h2"}
	l.add("h2/"+name, c)
}

// h2Begin is what a client sends at first.
func h2Begin(settings ...uint32) hostile.Step { return send(h2Preface, h2Settings(settings...)) }

// h2Answer is the head of an answer's HEADERS frame, without its length, on a stream.
func h2Answer(stream byte) []byte { return []byte{h2Headers, h2EndHeaders, 0, 0, 0, stream} }

func (l *list) h2Silence() {
	b := hostile.Budget{Memory: 300*160*kib + 16*mib, CPU: 4 * sec, Time: 15 * sec, Probe: 3 * sec}
	for _, c := range []struct {
		name, comment string
		step          hostile.Step
	}{
		{"nothing", "agree on HTTP/2 and send nothing", wait(ms)},
		{"half-preface", "send half of the preface", send(h2Preface[:12])},
		{"preface", "send the preface and nothing else", send(h2Preface)},
		{"settings", "send the preface and settings", h2Begin()},
		{"half-frame", "send half of a frame", send(h2Preface, h2Settings(), h2Get(1, "/")[:12])},
		{"half-fields", "send HEADERS that do not end", send(h2Preface, h2Settings(), h2Frame(h2Headers, 0, 1, h2Fields(":method", "GET")))},
		{"post-no-body", "begin a POST", send(h2Preface, h2Settings(), h2Post(1))},
	} {
		l.h2("silent-"+c.name, hostile.Case{Clients: 300, Comment: "300 clients " + c.comment, Steps: steps(c.step, hold(1200*ms)), Verdict: whatever(), Budget: b})
	}
	l.h2("ended-settings", hostile.Case{Slow: true, Comment: "the preface and settings, and then silence: nobody waits for ever", Steps: steps(h2Begin(), hold(340*sec)),
		Verdict: ended(), Budget: hostile.Budget{Time: 350 * sec, CPU: 10 * sec}})
	l.h2("preface-panic", hostile.Case{Version: rfc.name, Rounds: 50, Clients: 4, Comment: "24 bytes that are no preface, and would be read in a log",
		Steps: steps(send("panic: the sky is fallin"), hold(1*sec)), Verdict: refused(), Budget: hostile.Budget{CPU: 3 * sec, Time: 15 * sec}})
	l.h2("preface-other", hostile.Case{Comment: "a preface with another name", Steps: steps(send("PRI * HTTP/3.0\r\n\r\nSM\r\n\r\n", h2Settings()), hold(5*sec)), Verdict: refused()})
}

// h2Floods: frames that cost a server more than they cost who sends them.
func (l *list) h2Floods() {
	get := h2Get(1, "/")
	for _, c := range []struct {
		name, comment string
		holes         []string
		first, again  []byte
	}{
		{"settings", "SETTINGS, each of which is to be acknowledged", []string{"CVE-2019-9515"}, nil, h2Settings()},
		{"settings-many", "SETTINGS of 100 values", []string{"CVE-2019-9515"}, nil, h2Frame(h2SettingsType, 0, 0, []byte(strings.Repeat("\x00\x09\x00\x00\x00\x01", 100)))},
		{"settings-acks", "acknowledgements of SETTINGS that were not sent", nil, nil, h2Frame(h2SettingsType, h2Ack, 0, nil)},
		{"pings", "PING, each of which is to be answered", []string{"CVE-2019-9512"}, nil, h2Frame(h2Ping, 0, 0, make([]byte, 8))},
		{"ping-acks", "answers to no PING", nil, nil, h2Frame(h2Ping, h2Ack, 0, make([]byte, 8))},
		{"priorities", "PRIORITY of one stream", []string{"CVE-2019-9513"}, nil, h2Frame(h2Priority, 0, 3, []byte{0, 0, 0, 5, 1})},
		{"windows", "WINDOW_UPDATE of one byte", []string{"CVE-2019-9511"}, nil, h2Frame(h2Window, 0, 0, []byte{0, 0, 0, 1})},
		{"unknown", "frames of a type that nobody knows", nil, nil, h2Frame(0xEE, 0xFF, 0, make([]byte, 100))},
		{"continuations", "CONTINUATION without end", []string{"CVE-2024-24549", "CVE-2023-45288", "CVE-2026-33871"}, h2Frame(h2Headers, 0, 1, h2Fields(":method", "GET")), h2Frame(h2Continuation, 0, 1, h2Fields("a", "b"))},
		{"continuations-empty", "CONTINUATION without a byte", []string{"CVE-2026-33871", "CVE-2019-9518"}, h2Frame(h2Headers, 0, 1, h2Fields(":method", "GET")), h2Frame(h2Continuation, 0, 1, nil)},
		{"data-empty", "DATA without a byte", []string{"CVE-2019-9518"}, h2Post(1), h2Frame(h2Data, 0, 1, nil)},
		{"data-padding", "DATA of padding alone", []string{"CVE-2019-9518"}, h2Post(1), h2Frame(h2Data, h2Padded, 1, append([]byte{255}, make([]byte, 255)...))},
		{"data-closed", "DATA for a stream that has ended", nil, get, h2Frame(h2Data, 0, 1, []byte("x"))},
		{"resets-closed", "RST_STREAM of a stream that has ended", nil, get, h2Frame(h2Reset, 0, 1, []byte{0, 0, 0, 8})},
		{"goaways", "GOAWAY without end", nil, nil, h2Frame(h2GoAway, 0, 0, make([]byte, 8))},
	} {
		for _, unread := range []bool{false, true} {
			name, how := c.name, ""
			if unread {
				name, how = name+"-unread", ", and nothing is read"
			}
			s := steps(send(h2Preface, h2Settings(), c.first), within(moment, times(10000000, c.again)))
			l.h2("flood-"+name, hostile.Case{Holes: c.holes, Unread: unread, Comment: c.comment + how, Steps: s, Verdict: whatever(), Budget: pouring})
		}
	}
}

// h2Fields: field blocks that are small and become large.
func (l *list) h2Fields() {
	// A literal that enters the table as number 62, 3800 bytes long.
	literal := cat(h2Page(0x82, "/"), h2Int(h2String([]byte{0x40}, "x-a"), 0, 7, 3800), over(3800, []byte("x")))
	const literalLength = 14 + 5 + 3 + 3800
	bomb := func(stream uint32, flags byte, n int) []hostile.Part {
		return cat(h2Head(literalLength+n, h2Headers, flags, stream), literal, over(int64(n), []byte{0xBE}))
	}
	l.h2("fields-bomb", hostile.Case{Holes: []string{"CVE-2016-6581"}, Comment: "a field of 3800 bytes in the table, and 12000 times its number: 45 MiB of fields in 16 KiB",
		Steps: steps(send(h2Preface, h2Settings(), bomb(1, h2EndHeaders|h2EndStream, 12000)), hold(ms*500)), Verdict: whatever()})
	l.h2("fields-bomb-continued", hostile.Case{Holes: []string{"CVE-2016-6581", "CVE-2023-45288"}, Comment: "the same number in CONTINUATION without end",
		Steps:   steps(send(h2Preface, h2Settings(), bomb(1, 0, 100)), within(moment, times(1000, h2Long(h2Continuation, 0, 1, nil, 2000, []byte{0xBE}))), hold(ms*300)),
		Verdict: whatever(), Budget: pouring})
	var streams []hostile.Part
	for i := range uint32(20) {
		streams = cat(streams, bomb(2*i+1, h2EndHeaders|h2EndStream, 200))
	}
	l.h2("fields-bomb-20-streams", hostile.Case{Holes: []string{"CVE-2016-6581"}, Comment: "a MiB of fields on each of 20 streams, whose answers are not taken", Steps: steps(send(h2Preface, h2Settings(4, 0), streams), hold(ms*700)),
		Verdict: whatever(), Budget: hostile.Budget{Memory: 128 * mib, CPU: 3 * sec}})
	for _, c := range []struct {
		name, comment string
		before        []byte
		n             int
		again         string
	}{
		{"table-sizes", "changes of the table's size without end", nil, 8000, "\x20"},
		{"table-size-huge", "a table of 2^32 bytes", h2Int(nil, 0x20, 5, 1<<32), 1, "\x82"},
		{"index-0", "the number 0", nil, 1, "\x80"},
		{"index-huge", "a number beyond the table", nil, 1, string(h2Int(nil, 0x80, 7, 1<<40))},
		{"integer-endless", "a number that does not end", []byte{0xFF}, 8000, "\x80"},
		{"integer-64", "a number of more than 64 bits", nil, 1, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F"},
		{"string-huge", "a name that says 2^31 bytes", nil, 1, string(h2Int([]byte{0x10}, 0, 7, 1<<31))},
		{"huffman-bad", "a name in Huffman's code with its end inside", nil, 1, "\x10\x84\xFF\xFF\xFF\xFF\x01a"},
		{"huffman-padding", "Huffman's code with eight bits behind the end", nil, 1, "\x10\x82\x1F\xFF\x01a"},
		{"empty-names", "2000 fields without a name", nil, 2000, "\x10\x00\x00"},
		{"many", "4000 fields", nil, 4000, "\x10\x01a\x00"},
	} {
		block := append(h2Page(0x82, "/"), c.before...)
		var holes []string
		if c.name == "empty-names" {
			holes = []string{"CVE-2019-9516"}
		}
		l.h2("fields-"+c.name, hostile.Case{Holes: holes, Comment: c.comment, Steps: steps(send(h2Preface, h2Settings(), h2Long(h2Headers, h2EndHeaders|h2EndStream, 1, block, c.n, []byte(c.again))), hold(ms*300)),
			Verdict: whatever()})
	}
}

// h2Streams: streams that begin and do not go on.
func (l *list) h2Streams() {
	var rapid, mad, many, zero []byte
	for i := range uint32(300) {
		s := 2*i + 1
		rapid = append(append(rapid, h2Get(s, "/")...), h2Frame(h2Reset, 0, s, []byte{0, 0, 0, 8})...)
		mad = append(append(mad, h2Post(s)...), h2Frame(h2Window, 0, s, []byte{0, 0, 0, 0})...)
		many = append(many, h2Post(s)...)
		if i < 100 {
			zero = append(zero, h2Get(s, "/")...)
		}
	}
	l.h2("rapid-reset", hostile.Case{Clients: 10, Rounds: 5, Holes: []string{"CVE-2023-44487"}, Comment: "300 streams that begin and are reset at once, on 50 connections",
		Steps: steps(send(h2Preface, h2Settings(), rapid), hold(ms*200)), Verdict: whatever(), Budget: hostile.Budget{CPU: 5 * sec, Time: 15 * sec, Probe: 2 * sec, Memory: 64 * mib}})
	l.h2("made-reset", hostile.Case{Clients: 10, Holes: []string{"CVE-2025-8671"}, Comment: "300 streams that the server is made to reset, by a window of nothing more", Steps: steps(send(h2Preface, h2Settings(), mad), hold(ms*200)),
		Verdict: whatever(), Budget: hostile.Budget{CPU: 4 * sec, Time: 10 * sec, Memory: 64 * mib}})
	l.h2("streams-300", hostile.Case{Clients: 20, Comment: "300 streams that begin a POST and stay", Steps: steps(send(h2Preface, h2Settings(), many), hold(ms*800)), Verdict: whatever(),
		Budget: hostile.Budget{CPU: 4 * sec, Memory: 128 * mib, Time: 10 * sec}})
	l.h2("window-zero", hostile.Case{Clients: 50, Holes: []string{"CVE-2019-9517", "CVE-2019-9511"}, Comment: "100 pages on each of 50 connections, with a window of 0: none can be sent",
		Steps: steps(send(h2Preface, h2Settings(4, 0), zero), hold(ms*1000)), Verdict: whatever(), Budget: hostile.Budget{CPU: 4 * sec, Memory: 160 * mib, Time: 12 * sec, Probe: 2 * sec}})
	l.h2("window-zero-unread", hostile.Case{Clients: 50, Unread: true, Holes: []string{"CVE-2019-9517"}, Comment: "100 pages on each of 50 connections, with the largest window, and nothing is read",
		Steps: steps(send(h2Preface, h2Settings(4, 0x7FFFFFFF), h2Frame(h2Window, 0, 0, []byte{0x7F, 0, 0, 0}), zero), hold(ms*1000)), Verdict: whatever(), Budget: hostile.Budget{CPU: 4 * sec, Memory: 160 * mib, Time: 12 * sec, Probe: 2 * sec}})
}

// h2Connect: WebSocket over HTTP/2 (RFC 8441). A server that does not have it refuses the
// stream, and goes on with the others.
func (l *list) h2Connect() {
	block := func(more ...string) []byte {
		return h2Fields(append([]string{":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":authority", "localhost", ":path", "/", "sec-websocket-version", "13"}, more...)...)
	}
	for _, c := range []struct {
		name, comment string
		block         []byte
	}{
		{"websocket", "an extended CONNECT for WebSocket", block()},
		{"websocket-bad-version", "an extended CONNECT for a version of WebSocket that nobody speaks", h2Fields(":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":authority", "localhost", ":path", "/", "sec-websocket-version", "999")},
		{"unknown", "an extended CONNECT for what nobody knows", h2Fields(":method", "CONNECT", ":protocol", "evil", ":scheme", "https", ":authority", "localhost", ":path", "/")},
		{"plain", "a CONNECT for a tunnel", h2Fields(":method", "CONNECT", ":authority", "localhost:22")},
	} {
		l.h2("connect-"+c.name, hostile.Case{Comment: c.comment + ", and then a page on the same connection, which must still come",
			Steps:   steps(h2Begin(), send(h2Frame(h2Headers, h2EndHeaders, 1, c.block)), wait(200*ms), send(h2Get(3, "/")), expectHex(h2Answer(3))),
			Verdict: served()})
	}
	l.h2("connect-20", hostile.Case{Comment: "20 extended CONNECTs with frames of WebSocket behind them", Verdict: whatever(),
		Steps: steps(h2Begin(), send(h2Connects(block())), hold(ms*300)), Budget: hostile.Budget{CPU: 2 * sec}})
}

func h2Connects(block []byte) []hostile.Part {
	var out []hostile.Part
	for i := range uint32(20) {
		out = cat(out, h2Frame(h2Headers, h2EndHeaders, 2*i+1, block), h2Frame(h2Data, 0, 2*i+1, raw(rfc.text("evil"))))
	}
	return out
}

// h2Malformed: requests and frames that are malformed (RFC 9113 4, 6, 8): a stream's or
// the connection's error, and never a page or a 101.
func (l *list) h2Malformed() {
	base := []string{":method", "GET", ":scheme", "https", ":authority", "localhost", ":path", "/"}
	for i, more := range [][]string{
		{"connection", "upgrade", "upgrade", "websocket", "sec-websocket-key", sampleKey, "sec-websocket-version", "13"}, {"transfer-encoding", "chunked"}, {"Upper", "case"},
		{"x-a", "b\r\nevil: 1"}, {"x-a\r\nevil", "1"}, {"x-a", "b\x00"}, {"", "empty"}, {":path", "/twice"}, {":evil", "1"}, {"te", "evil"}, {"host", "evil.example"}, {"content-length", "5"},
	} {
		l.h2(fmt.Sprintf("malformed-fields-%d", i), hostile.Case{Comment: fmt.Sprintf("a field that HTTP/2 does not allow: %q", more[0]),
			Steps: steps(send(h2Preface, h2Settings(), h2Frame(h2Headers, h2EndHeaders|h2EndStream, 1, h2Fields(append(base[:8:8], more...)...))), hold(ms*200)), Verdict: never(whatever(), "pgrade: websocket")})
	}
	for i, path := range []string{"", "*", "x", "http://evil.example/", "/ HTTP/1.1\r\nevil: 1", "/\x00", "/%"} {
		l.h2(fmt.Sprintf("malformed-path-%d", i), hostile.Case{Comment: fmt.Sprintf("a path that is none: %q", path), Steps: steps(send(h2Preface, h2Settings(), h2Get(1, path)), hold(ms*200)), Verdict: whatever()})
	}
	for _, c := range []struct {
		name, comment string
		frame         []byte
	}{
		{"oversized", "a frame of 16 MiB", append(h2Head(1<<24-1, h2Data, 0, 1), make([]byte, 64)...)},
		{"data-0", "DATA on stream 0", h2Frame(h2Data, 0, 0, []byte("x"))},
		{"data-idle", "DATA on a stream that has not begun", h2Frame(h2Data, 0, 7, []byte("x"))},
		{"headers-0", "HEADERS on stream 0", h2Frame(h2Headers, h2EndHeaders, 0, h2Fields(base...))},
		{"headers-even", "HEADERS on a server's stream", h2Frame(h2Headers, h2EndHeaders, 2, h2Fields(base...))},
		{"continuation-alone", "CONTINUATION of nothing", h2Frame(h2Continuation, h2EndHeaders, 1, h2Fields(base...))},
		{"headers-interrupted", "another frame within HEADERS that have not ended", append(h2Frame(h2Headers, 0, 1, h2Fields(base...)), h2Frame(h2Ping, 0, 0, make([]byte, 8))...)},
		{"ping-7", "PING of 7 bytes", h2Frame(h2Ping, 0, 0, make([]byte, 7))},
		{"ping-stream", "PING on a stream", h2Frame(h2Ping, 0, 1, make([]byte, 8))},
		{"settings-5", "SETTINGS of 5 bytes", h2Frame(h2SettingsType, 0, 0, make([]byte, 5))},
		{"settings-stream", "SETTINGS on a stream", h2Frame(h2SettingsType, 0, 1, nil)},
		{"settings-ack-6", "an acknowledgement of SETTINGS with a value", h2Frame(h2SettingsType, h2Ack, 0, make([]byte, 6))},
		{"settings-window", "a window of 2^31 bytes", h2Settings(4, 1<<31)},
		{"settings-frame", "a largest frame of 2^24 bytes", h2Settings(5, 1<<24)},
		{"settings-push", "a switch that is neither on nor off", h2Settings(2, 2)},
		{"window-0", "a window of nothing more", h2Frame(h2Window, 0, 0, make([]byte, 4))},
		{"window-over", "a window above 2^31", append(h2Frame(h2Window, 0, 0, []byte{0x7F, 0xFF, 0xFF, 0xFF}), h2Frame(h2Window, 0, 0, []byte{0x7F, 0xFF, 0xFF, 0xFF})...)},
		{"window-3", "WINDOW_UPDATE of 3 bytes", h2Frame(h2Window, 0, 0, make([]byte, 3))},
		{"push", "PUSH_PROMISE of a client", h2Frame(h2Push, h2EndHeaders, 1, append([]byte{0, 0, 0, 2}, h2Fields(base...)...))},
		{"reset-idle", "RST_STREAM of a stream that has not begun", h2Frame(h2Reset, 0, 9, make([]byte, 4))},
		{"padding", "padding of more than the frame", h2Frame(h2Headers, h2EndHeaders|h2Padded, 1, []byte{255, 0x82})},
		{"priority-short", "a weight of two bytes", h2Frame(h2Headers, h2EndHeaders|h2HasWeight, 1, []byte{0, 0})},
	} {
		v, s := ended(), hold(5*sec)
		if c.name == "padding" || c.name == "priority-short" { // some end the stream alone
			v, s = whatever(), hold(200*ms)
		}
		l.h2("malformed-"+c.name, hostile.Case{Comment: c.comment, Steps: steps(send(h2Preface, h2Settings(), c.frame), s), Verdict: v})
	}
}
