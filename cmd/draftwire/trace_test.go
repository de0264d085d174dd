package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
)

// A trace shows the heads and the messages of the clients that were asked for, and no others.
func TestTrace(t *testing.T) {
	back, _ := serveOn(t)
	gw, admin, _ := gatewayOn(t, append(free, "--to", back, "--versions", "hixie-76")...)
	p := start(t, "trace", "--admin", admin, "--path", "/feed", "--for", "5s", "--json", "--payload", "2")
	address := strings.TrimPrefix(gw, "ws://")
	deadline := time.Now().Add(patience)
	for !strings.Contains(p.out.String(), "TV/9") && time.Now().Before(deadline) { // until the trace has begun
		say(t, address, strings.Replace(fmt.Sprintf(hixieHead, "TV/9"), "Sec-WebSocket-Key1", "Sec-WebSocket-Version: 13\nX", 1))
		time.Sleep(50 * time.Millisecond)
	}
	say(t, address, strings.Replace(fmt.Sprintf(hixieHead, "other"), "/feed", "/other", 1))
	c := dial(t, gw+"/feed", draftwire.Hixie76)
	write(t, c, draftwire.OpText, "abc")
	wantMessage(t, c, "abc")
	c.CloseNow()
	p.out.await(t, `"event":"frame".*"direction":"out".*"length":3`)
	p.wait(t)
	text := p.out.String()
	for _, want := range []string{`"event":"refused"`, `"event":"handshake"`, `"answer":"HTTP/1.1 101`, `"event":"message",`, `"direction":"in","op":"text","length":3}`,
		`"direction":"in","op":"text","length":3,"frame":{"type":"0x00","fin":true,"rsv":0,"masked":false,"head":"00","payload":"ab"}}`, `"event":"end"`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
	if strings.Contains(text, "/other") {
		t.Errorf("a path that nobody asked for: %s", text)
	}
}

// A trace is bounded, in number, time and events, and nobody waits for its reader.
func TestTraceIsBounded(t *testing.T) {
	ask := func(tr *tracer, query string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		tr.ServeHTTP(w, httptest.NewRequest("POST", "/trace?"+query, nil))
		return w
	}
	for _, query := range []string{"for=11m", "for=-1s", "for=x", "payload=1025", "payload=-1", "payload=x", "client=x", "client=192.0.2.0/33"} {
		if w := ask(new(tracer), query); w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d", query, w.Code)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		tr := new(tracer)
		done := make(chan *httptest.ResponseRecorder)
		for range maxTraces {
			go func() { done <- ask(tr, "client=192.0.2.0/24&for=10s") }()
		}
		synctest.Wait()
		if w := ask(tr, ""); w.Code != http.StatusTooManyRequests {
			t.Errorf("one too many: %d", w.Code)
		}
		if runs := tr.of("[::ffff:192.0.2.1]:80", "/"); len(runs) != maxTraces {
			t.Errorf("%d traces want the client", len(runs))
		}
		if runs := tr.of("198.51.100.1:80", "/"); len(runs) != 0 {
			t.Errorf("%d traces want another client", len(runs))
		}
		for _, r := range tr.of("192.0.2.1:80", "/") {
			for range 2 * traceQueue {
				r.tell(traceEvent{Event: "frame", Frame: &traceFrame{}})
			}
		}
		for range maxTraces {
			w := <-done
			lines := strings.Split(strings.TrimSpace(w.Body.String()), "\n")
			var last traceEvent
			json.Unmarshal([]byte(lines[len(lines)-1]), &last)
			if len(lines) > 2*traceQueue+1 || last.Event != "end" || last.Omitted == 0 {
				t.Errorf("%d lines, the last %+v", len(lines), last)
			}
		}
		if !tr.idle() {
			t.Error("a trace stays")
		}
	})
}

// What clients sent is printed so that a terminal does not obey it.
func TestTraceText(t *testing.T) {
	e := traceEvent{Event: "refused", Client: "192.0.2.1", Head: "GET /\x1b[2J HTTP/1.1\r\nHost: x\r\n\r\n", Reason: "r", Detail: "d\n"}
	text := e.text()
	if strings.ContainsRune(text, 0x1b) || strings.Count(text, "\n") != 3 || !strings.Contains(text, "\n  > Host: x\n") {
		t.Errorf("%q", text)
	}
}

// A line of a trace is read back as it was told, and says for people what a frame is.
func TestTraceFrameText(t *testing.T) {
	length, opcode := int64(3), 1
	for want, e := range map[string]traceEvent{
		" frame 192.0.2.1 rfc6455 in text, opcode 1, fin, rsv 100, masked, 3 bytes, head c183, hex 4142\n": {Draft: "rfc6455",
			Frame: &traceFrame{Opcode: &opcode, Fin: true, RSV: 4, Masked: true, Bytes: "c183", PayloadHex: "4142"}},
		" frame 192.0.2.1 hixie-76 in text, type 0x00, 3 bytes, head 00, \"A\\x1b\": why\n": {Draft: "hixie-76", Reason: "why",
			Frame: &traceFrame{Type: "0x00", Fin: true, Bytes: "00", Payload: "A\x1b"}},
	} {
		e.Event, e.Client, e.Direction, e.Op, e.Length = "frame", "192.0.2.1", "in", "text", &length
		line, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var back traceEvent
		if err := json.Unmarshal(line, &back); err != nil || !strings.HasSuffix(back.text(), want) {
			t.Errorf("%v, %q, not %q", err, back.text(), want)
		}
	}
}
