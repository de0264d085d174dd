package input_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/draftwire/draftwire/inspect"
	"github.com/draftwire/draftwire/inspect/input"
	"github.com/draftwire/draftwire/vectors"
)

// events plays a text and returns its events, a line each.
func events(t testing.TB, text, format string) []string {
	t.Helper()
	r, err := input.Read([]byte(text), "")
	if err != nil {
		t.Fatal(err)
	}
	if r.Format != format {
		t.Errorf("taken for %s, not %s", r.Format, format)
	}
	var out []string
	if err := r.Play(inspect.New(inspect.Options{}, func(e *inspect.Event) {
		s := strings.TrimSpace(fmt.Sprintf("%d %s %s %s", e.Conn, e.Kind, e.From, e.Text))
		switch {
		case e.Message != nil:
			s = fmt.Sprintf("%d message %s %s %q", e.Conn, e.From, e.Message.Op, e.Message.Payload)
		case e.Kind == inspect.KindFrame && e.Frame.Op == "close":
			s = fmt.Sprintf("%d close %s %d %q", e.Conn, e.From, e.Frame.Code, e.Frame.Reason)
		case e.Kind == inspect.KindFrame || e.Kind == inspect.KindKeys || e.Kind == inspect.KindEnd || e.Kind == inspect.KindConnection:
			return
		}
		for _, n := range e.Broken() {
			s += " !" + n.Fault
		}
		out = append(out, s)
	}), 1, input.Unknown); err != nil {
		t.Fatal(err)
	}
	return out
}

func check(t *testing.T, got []string, want ...string) {
	t.Helper()
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("got\n%s\nwant\n%s", g, w)
	}
}

const (
	key    = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
	accept = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

func TestHAR(t *testing.T) {
	headers := func(lines ...string) (out []map[string]string) {
		for _, l := range lines {
			name, value, _ := strings.Cut(l, ": ")
			out = append(out, map[string]string{"name": name, "value": value})
		}
		return out
	}
	type object = map[string]any
	text, err := json.Marshal(object{"log": object{"entries": []object{
		{"_resourceType": "document", "request": object{"method": "GET", "url": "https://example.com/"}, "response": object{"status": 200}},
		{"_resourceType": "websocket", "startedDateTime": "2026-11-29T10:00:00.000Z",
			"request":  object{"method": "GET", "url": "wss://example.com/chat?x=1", "httpVersion": "HTTP/1.1", "headers": headers("Host: example.com", "Upgrade: websocket", "Connection: Upgrade", key, "Sec-WebSocket-Version: 13", "Origin: https://example.com")},
			"response": object{"status": 101, "statusText": "Switching Protocols", "headers": headers("Upgrade: websocket", "Connection: Upgrade", accept)},
			"_webSocketMessages": []object{
				{"type": "send", "time": 1795946400.5, "opcode": 1, "data": "hi"},
				{"type": "receive", "time": 1795946401.5, "opcode": 2, "data": base64.StdEncoding.EncodeToString([]byte{0, 1, 2})}}},
		{"_resourceType": "websocket", "request": object{"method": "GET", "url": "wss://example.com/", "headers": headers(":method: CONNECT")},
			"response": object{"status": 200}, "_webSocketMessages": []object{{"type": "receive", "opcode": 1, "data": "over h2"}}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	check(t, events(t, string(text), "har"),
		"1 remark client a HAR file has messages, not frames: the frames are made of them, with masks of zeros and without compression",
		"1 request client a request for WebSocket, rfc6455: Sec-WebSocket-Version: 13",
		"1 response server the handshake is accepted",
		`1 message client text "hi"`, `1 message server binary "\x00\x01\x02"`,
		"1 closing  the capture ends before the connection does",
		"2 remark client a HAR file has messages, not frames: the frames are made of them, with masks of zeros and without compression",
		"2 remark client the HAR file has no whole handshake: it was one over HTTP/2, or the browser has left it out",
		"2 remark server a frame begins here",
		`2 message server text "over h2"`,
		"2 closing  the capture ends before the connection does")
}

// netstring writes a value as a tnetstring.
func netstring(v any) string {
	body, kind := "", ""
	switch v := v.(type) {
	case string:
		body, kind = v, ","
	case int:
		body, kind = fmt.Sprint(v), "#"
	case float64:
		body, kind = fmt.Sprint(v), "^"
	case bool:
		body, kind = fmt.Sprint(v), "!"
	case nil:
		kind = "~"
	case []any:
		for _, x := range v {
			body += netstring(x)
		}
		kind = "]"
	case map[string]any:
		for k, x := range v {
			body += netstring(k) + netstring(x)
		}
		kind = "}"
	}
	return fmt.Sprintf("%d:%s%s", len(body), body, kind)
}

func headerList(lines ...string) (out []any) {
	for _, l := range lines {
		name, value, _ := strings.Cut(l, ": ")
		out = append(out, []any{name, value})
	}
	return out
}

func TestFlows(t *testing.T) {
	flow := netstring(map[string]any{
		"type": "http", "version": 21,
		"client_conn": map[string]any{"peername": []any{"192.0.2.7", 51812}},
		"request": map[string]any{"method": "GET", "path": "/chat", "scheme": "http", "timestamp_start": 1795946400.25,
			"headers": headerList("Host: example.com", "Upgrade: websocket", "Connection: Upgrade", key, "Sec-WebSocket-Version: 13")},
		"response": map[string]any{"status_code": 101, "reason": "Switching Protocols", "timestamp_start": 1795946400.5,
			"headers": headerList("Upgrade: websocket", "Connection: Upgrade", accept)},
		"websocket": map[string]any{"close_code": 1000, "messages": []any{
			[]any{1, true, "hi", 1795946401.5, false, false},
			[]any{2, false, "\x00\xff", 1795946402.5, false, false}}},
	})
	other := netstring(map[string]any{"type": "http", "request": map[string]any{"method": "GET", "path": "/"}, "response": map[string]any{"status_code": 200}, "websocket": nil})
	check(t, events(t, other+flow, "mitmproxy"),
		"1 remark client mitmproxy saves messages, not frames: the frames are made of them, with masks of zeros and without compression",
		"1 request client a request for WebSocket, rfc6455: Sec-WebSocket-Version: 13",
		"1 response server the handshake is accepted",
		`1 message client text "hi"`, `1 message server binary "\x00\xff"`,
		"1 closing  the capture ends before the connection does")
}

// The messages of all vectors of RFC 6455 come through HAR and through flows of mitmproxy.
func TestMessages(t *testing.T) {
	f, err := vectors.Load("rfc6455")
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, v := range f.Vectors {
		if v.Kind != vectors.KindFrames || v.Error != "" || v.Truncated {
			continue
		}
		var har, flow []any
		var want []string
		for _, e := range v.Events {
			data := v.Content(&e)
			code := map[string]int{"text": 1, "binary": 2}[e.Op]
			if code == 0 || len(data) > 4096 {
				continue
			}
			text := string(data)
			if code == 2 {
				text = base64.StdEncoding.EncodeToString(data)
			}
			har = append(har, map[string]any{"type": "receive", "time": 1.5, "opcode": code, "data": text})
			flow = append(flow, []any{code, false, string(data), 1.5, false, false})
			want = append(want, fmt.Sprintf("1 message server %s %q", e.Op, data[:min(len(data), 256)]))
		}
		if len(want) == 0 {
			continue
		}
		ran++
		j, err := json.Marshal(map[string]any{"log": map[string]any{"entries": []any{map[string]any{"_resourceType": "websocket", "_webSocketMessages": har}}}})
		if err != nil {
			t.Fatal(err)
		}
		flows := netstring(map[string]any{
			"request":  map[string]any{"method": "GET", "path": "/", "headers": headerList("Host: a", "Upgrade: websocket", "Connection: Upgrade", key, "Sec-WebSocket-Version: 13")},
			"response": map[string]any{"status_code": 101, "reason": "OK", "headers": headerList("Upgrade: websocket", "Connection: Upgrade", accept)}, "websocket": map[string]any{"messages": flow}})
		for format, text := range map[string]string{"har": string(j), "mitmproxy": flows} {
			var got []string
			for _, e := range events(t, text, format) {
				if strings.HasPrefix(e, "1 message") {
					got = append(got, e)
				}
			}
			if strings.Join(got, "\n") != strings.Join(want, "\n") {
				t.Errorf("%s as %s: %q, not %q", v.ID, format, got, want)
			}
		}
	}
	if ran < 20 {
		t.Errorf("only %d vectors", ran)
	}
}

func TestHead(t *testing.T) {
	pasted := "GET ws://example.com/chat HTTP/1.1\nHost: example.com\nUpgrade: websocket\nConnection: Upgrade\n" + key + "\nSec-WebSocket-Version: 13\n\n" +
		"HTTP/1.1 101 Switching Protocols\nUpgrade: websocket\nConnection: Upgrade\n" + accept + "\n"
	want := []string{"1 remark client pasted text: the ends of lines are made, and white space may be lost",
		"1 request client a request for WebSocket, rfc6455: Sec-WebSocket-Version: 13",
		"1 response server the handshake is accepted",
		"1 closing  the capture ends before the connection does"}
	check(t, events(t, pasted, "head"), want...)
	var curl strings.Builder
	curl.WriteString("* Connected to example.com\n")
	mark := "> "
	for line := range strings.Lines(pasted) {
		if strings.HasPrefix(line, "HTTP/") {
			mark = "< "
		}
		curl.WriteString(mark + line)
	}
	check(t, events(t, curl.String(), "head"), want...)
	_, fields, _ := strings.Cut(pasted, "\n")
	got := events(t, fields, "head")
	if len(got) != len(want)+1 || got[1] != "1 remark client there is no first line: GET / HTTP/1.1 stands for it" {
		t.Errorf("without the first line: %q", got)
	}
	hixie := "GET /demo HTTP/1.1\nHost: example.com\nConnection: Upgrade\nSec-WebSocket-Key2: 12998 5 Y3 1  .P00\nUpgrade: WebSocket\n" +
		"Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\nOrigin: http://example.com\n\n^n:ds[4U\n\n" +
		"HTTP/1.1 101 WebSocket Protocol Handshake\nUpgrade: WebSocket\nConnection: Upgrade\nSec-WebSocket-Origin: http://example.com\n" +
		"Sec-WebSocket-Location: ws://example.com/demo\n\n8jKS'y:G*Co,Wxa-\n"
	got = events(t, hixie, "head")
	if !strings.Contains(strings.Join(got, "\n"), "1 proof server") || strings.Contains(strings.Join(got, "\n"), "!") {
		t.Errorf("hixie-76: %q", got)
	}
}

func TestTcpdumpA(t *testing.T) {
	request := "GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" + key + "\r\nSec-WebSocket-Version: 13\r\n\r\n"
	answer := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" + accept + "\r\n\r\n"
	text := "10:00:00.000001 IP 192.0.2.7.51812 > 192.0.2.1.80: Flags [S], seq 1, win 1, length 0\nE..<..@.@.\n" +
		fmt.Sprintf("10:00:00.000002 IP 192.0.2.7.51812 > 192.0.2.1.80: Flags [P.], seq 1:2, ack 1, win 512, length %d: HTTP: GET /chat HTTP/1.1\nE..<..@.@....P..", len(request)) + request + "\n" +
		fmt.Sprintf("10:00:00.000003 IP 192.0.2.1.80 > 192.0.2.7.51812: Flags [P.], seq 1:2, ack 1, win 512, length %d: HTTP\nE..<..@.@....P..", len(answer)) + answer + "\n" +
		"10:00:00.000004 IP 192.0.2.7.51812 > 192.0.2.1.80: Flags [P.], seq 1:2, ack 1, win 512, length 8\nE..<..@.@....P......hi\n"
	check(t, events(t, text, "tcpdump-a"),
		"1 remark client tcpdump -A has lost each byte that is no text: -X or -w keep them",
		"1 request client a request for WebSocket, rfc6455: Sec-WebSocket-Version: 13",
		"1 response server the handshake is accepted",
		"1 gap client these bytes are missing from the capture",
		"1 closing  the capture ends before the connection does")
}

// Who has sent what is found by looking, where nothing says it.
func TestSides(t *testing.T) {
	request := `"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` + key + `\r\nSec-WebSocket-Version: 13\r\n\r\n";` + "\n"
	answer := `"HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` + accept + `\r\n\r\n";` + "\n"
	frames := `"\x81\x82\x00\x00\x00\x00hi";` + "\n" + `"\x81\x02ho";` + "\n"
	want := []string{"1 request client a request for WebSocket, rfc6455: Sec-WebSocket-Version: 13", "1 response server the handshake is accepted",
		`1 message client text "hi"`, `1 message server text "ho"`, "1 closing  the capture ends before the connection does"}
	check(t, events(t, request+answer+frames, "quoted"), want...)
	text := "" // as a server has logged it
	for i, line := range strings.SplitAfter(strings.TrimSpace(request+answer+frames), "\n") {
		text += [2]string{"recv ", "send "}[i%2] + line
	}
	check(t, events(t, text, "quoted"), want...)
}

func TestErrors(t *testing.T) {
	for text, format := range map[string]string{"": "", "{}": "har", "5:12345,": "mitmproxy", "x": "nosuch", "word": "hex"} {
		if r, err := input.Read([]byte(text), format); err == nil {
			t.Errorf("%q as %q is read: %+v", text, format, r)
		}
	}
	if len(input.Formats()) < 15 {
		t.Error("formats are missing")
	}
}
