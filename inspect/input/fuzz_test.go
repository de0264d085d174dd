package input_test

import (
	"testing"

	"github.com/draftwire/draftwire/inspect"
	"github.com/draftwire/draftwire/inspect/input"
	"github.com/draftwire/draftwire/internal/seed"
	"github.com/draftwire/draftwire/internal/vectest"
)

// fuzzFormat: any text of a format can be read and explained. What comes out of it is no more
// than a few times what went in, but for the stars of a dump and what a trace says is lost.
func fuzzFormat(f *testing.F, format string, more ...string) {
	n := 0
	for i, r := range vectest.Recordings(f) {
		if i%211 != 0 {
			continue
		}
		for _, d := range dialects {
			if d.format == format && n < 40 {
				n++
				for _, text := range d.write(r.Pieces) {
					seed.Add(f, text)
				}
			}
		}
	}
	for _, text := range more {
		seed.Add(f, text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1<<16 {
			return
		}
		r, err := input.Read([]byte(text), format)
		if err != nil {
			return
		}
		for _, c := range r.Conns {
			total, lost := 0, int64(0)
			for _, p := range c.Pieces {
				total += len(p.Bytes)
				if lost += p.Lost; p.Lost < 0 {
					t.Fatalf("%d bytes are lost", p.Lost)
				}
			}
			if total > 64<<10+8*len(text) && format != "xxd" && format != "hexdump" && format != "wireshark-hex" {
				t.Fatalf("%d bytes come out of %d", total, len(text))
			}
			if total > input.MaxSize+len(text) {
				t.Fatalf("%d bytes come out of %d", total, len(text))
			}
		}
		if err := r.Play(inspect.New(inspect.Options{}, func(*inspect.Event) {}), 1, input.Unknown); err != nil {
			t.Skip(err)
		}
	})
}

func FuzzHAR(f *testing.F) {
	fuzzFormat(f, "har", `{"log":{"entries":[{"_resourceType":"websocket","request":{"method":"GET","url":"wss://a/","headers":[{"name":"Sec-WebSocket-Key","value":"x"}]},"response":{"status":101},"_webSocketMessages":[{"type":"send","time":1.5,"opcode":1,"data":"a"},{"type":"receive","opcode":8,"data":"A+g="}]}]}}`)
}

func FuzzMitmproxy(f *testing.F) {
	fuzzFormat(f, "mitmproxy", netstring(map[string]any{"request": map[string]any{"method": "GET", "path": "/", "headers": headerList("Host: a")},
		"response": map[string]any{"status_code": 101}, "websocket": map[string]any{"messages": []any{[]any{1, true, "hi", 1.5, false, false}}}}))
}

func FuzzStrace(f *testing.F)        { fuzzFormat(f, "strace") }
func FuzzPacketDump(f *testing.F)    { fuzzFormat(f, "tcpdump-x") }
func FuzzLws(f *testing.F)           { fuzzFormat(f, "lws") }
func FuzzFollowHex(f *testing.F)     { fuzzFormat(f, "wireshark-hex") }
func FuzzXxd(f *testing.F)           { fuzzFormat(f, "xxd") }
func FuzzHexdump(f *testing.F)       { fuzzFormat(f, "hexdump") }
func FuzzWiresharkYAML(f *testing.F) { fuzzFormat(f, "wireshark-yaml") }
func FuzzCArray(f *testing.F)        { fuzzFormat(f, "c-array") }
func FuzzQuoted(f *testing.F)        { fuzzFormat(f, "quoted") }
func FuzzEscapes(f *testing.F)       { fuzzFormat(f, "escapes") }
func FuzzPlainHex(f *testing.F)      { fuzzFormat(f, "hex") }
func FuzzBase64(f *testing.F)        { fuzzFormat(f, "base64") }
func FuzzRaw(f *testing.F)           { fuzzFormat(f, "raw") }

func FuzzTcpdumpText(f *testing.F) {
	fuzzFormat(f, "tcpdump-a", "10:00:00.000002 IP 192.0.2.7.51812 > 192.0.2.1.80: Flags [P.], seq 1:2, ack 1, win 512, length 40: HTTP\nE..GET / HTTP/1.1\nHost: a\n\n")
}

func FuzzPastedHead(f *testing.F) {
	fuzzFormat(f, "head", "GET / HTTP/1.1\nHost: a\nUpgrade: websocket\n\nHTTP/1.1 101 x\nUpgrade: websocket\n\n", "> GET / HTTP/1.1\n> Sec-WebSocket-Key1: 1 1\n>\n12345678\n")
}

// FuzzFind: a text is of one format, whichever it is, and can be read or is refused.
func FuzzFind(f *testing.F) {
	for i, r := range vectest.Recordings(f) {
		if i%301 == 0 {
			for _, d := range dialects {
				seed.Add(f, d.write(r.Pieces)[0])
			}
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := input.Read([]byte(text), "")
		if err == nil && r.Format == "" {
			t.Fatal("it has no format")
		}
	})
}
