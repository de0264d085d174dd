package httphead

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/draftwire/draftwire/internal/seed"
	"github.com/draftwire/draftwire/wire"
)

// malformedHeads are what a head may not be.
var malformedHeads = []string{
	"", "\r\n\r\n", "GET / HTTP/1.1\n\n", "GET  / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nA : b\r\n\r\n", "GET / HTTP/1.1\r\n A: b\r\n\r\n",
	"GET  HTTP/1.1\r\n\r\n", "GET /a b#c\td HTTP/1.1 \nA: b\r\r\n\r\r\n", "GET\t\tx\tHTTP/1.1\n\r\n", "GET / HTTP/1.1\r\nSec-WebSocket-Key1:  1 \r\n\r\n",
	"GET / HTTP/1.1\r\nA: \x00\r\n\r\n", "GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", "G@T / HTTP/1.1\r\n\r\n", "GET /\x7f HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nA: b\r\n",
	"GET / HTTP/1.1\r\n" + strings.Repeat("A:b\r\n", MaxFields+1) + "\r\n", "GET / HTTP/1.1\r\n" + strings.Repeat("A:b\r\n", MaxFields) + "\r\n",
	"HTTP/1.1 1x1 A\r\n\r\n", "HTTP/1.1 1011 A\r\n\r\n", "HTTP/1.1 101\r\n\r\n", "HTTP/1.1 101 \r\n\r\nmore", "HTTP/1.1 101 A\r\nb\r\n\r\n",
}

// refusal checks the error of a head.
func refusal(t *testing.T, p []byte, err error) {
	he, ok := errors.AsType[*wire.HandshakeError](err)
	if !ok || he.Status != he.Reason.Info().Status || he.Reason != wire.ReasonHeadMalformed && he.Reason != wire.ReasonHeadTooLarge || len(he.Detail) > 1000 {
		t.Fatalf("%q: %#v", p, err)
	}
}

// lines checks header lines: what a reader may take them for stands nowhere between them.
func lines(t *testing.T, p []byte, f wire.Fields) {
	if len(f) > MaxFields {
		t.Fatalf("%q: %d fields", p, len(f))
	}
	for _, x := range f {
		if !IsToken(x.Name) || !IsFieldValue(x.Value) || x.Value != strings.Trim(x.Value, " \t") && !strings.HasPrefix(strings.ToLower(x.Name), "sec-websocket-key") {
			t.Fatalf("%q: field %q", p, x)
		}
	}
}

// blankLine is the end of a head, in whatever way its lines end.
var blankLine = regexp.MustCompile(`\n\r{0,2}\n`)

// loosely checks a request that is read with all tolerances: what was needed is what the
// strict reading says would admit it, and what was read is whole without them.
func loosely(t *testing.T, head string) {
	loose := wire.Request{Tolerate: wire.AllTolerances}
	if ParseRequest(head, &loose) != nil {
		return
	}
	var need wire.Tolerances
	err := ParseRequest(head, &wire.Request{Tolerate: wire.AllTolerances &^ loose.Tolerated})
	if he, ok := errors.AsType[*wire.HandshakeError](err); ok {
		need = he.Tolerance
	}
	if need != loose.Tolerated {
		t.Fatalf("%q: needed %s, would admit it %s", head, loose.Tolerated, need)
	}
	lines(t, []byte(head), loose.Fields)
	var again wire.Request
	text := loose.Method + " " + loose.Target + " " + loose.Proto + "\r\n" + string(loose.Fields.Append(nil)) + "\r\n"
	if err := ParseRequest(text, &again); err != nil || !slices.Equal(again.Fields, loose.Fields) || again.Target != loose.Target {
		t.Fatalf("%q, again %q: %v", head, text, err)
	}
}

// FuzzHead fuzzes the reader of request and response heads: what is read, written again,
// reads the same; no line end is hidden in it; and the end of a head is where the first
// blank line is, from wherever it was looked for.
func FuzzHead(f *testing.F) {
	for _, s := range malformedHeads {
		seed.Add(f, []byte(s), uint16(len(s)/2))
		seed.Add(f, []byte(s+"more"), uint16(1))
	}
	for _, p := range seed.Requests(f) {
		seed.Add(f, p, uint16(20))
	}
	for _, r := range seed.Responses(f) {
		seed.Add(f, r.Head, uint16(0))
	}
	f.Fuzz(func(t *testing.T, p []byte, from uint16) {
		end := End(p, 0)
		if want := blankLine.FindIndex(p); end < 0 && want != nil || end >= 0 && (want == nil || want[1] != end) {
			t.Fatalf("%q ends at %d, not behind %v", p, end, want)
		}
		for _, k := range []int{int(from), end - 1, end - 2, end - 3, end - 4} {
			if k = min(max(k, 0), len(p)); End(p[:k], 0) < 0 && (End(p, k) != end || End(string(p), k) != end) {
				t.Fatalf("%q, looked at from %d: %d, not %d", p, k, End(p, k), end)
			}
		}
		head := string(p)
		if end >= 0 && from&1 == 0 {
			head = string(p[:end])
		}
		var req wire.Request
		if err := ParseRequest(head, &req); err != nil {
			refusal(t, p, err)
		} else {
			lines(t, p, req.Fields)
			again := wire.Request{Fields: make(wire.Fields, 3)}
			text := req.Method + " " + req.Target + " " + req.Proto + "\r\n" + string(req.Fields.Append(nil)) + "\r\n"
			if err := ParseRequest(text, &again); err != nil || !slices.Equal(again.Fields, req.Fields) || again.Target != req.Target || again.Method != req.Method || again.Proto != req.Proto {
				t.Fatalf("%q, again %q: %v", p, text, err)
			}
			if !IsToken(req.Method) || !IsTarget(req.Target) {
				t.Fatalf("%q: %q, %q", p, req.Method, req.Target)
			}
		}
		loosely(t, head)
		var resp wire.Response
		if err := ParseResponse(head, &resp); err != nil {
			refusal(t, p, err)
		} else {
			lines(t, p, resp.Fields)
			var again wire.Response
			text := resp.Line + "\r\n" + string(resp.Fields.Append(nil)) + "\r\n"
			if err := ParseResponse(text, &again); err != nil || again.Status != resp.Status || again.Line != resp.Line || !slices.Equal(again.Fields, resp.Fields) || again.Raw != text {
				t.Fatalf("%q, again %q: %v", p, text, err)
			}
			if resp.Status < 0 || resp.Status > 999 || resp.Raw != head || IsToken(req.Method) {
				t.Fatalf("%q: status %d", p, resp.Status)
			}
		}
	})
}
