package explain

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/draftwire/draftwire/browsers"
	"github.com/draftwire/draftwire/inspect"
	"github.com/draftwire/draftwire/inspect/capture"
	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/wire"
)

// handshake looks at the opening handshake.
func (t *talk) handshake() *finding {
	switch {
	case t.request == nil:
		return t.withoutRequest()
	case !isAttempt(t.request):
		return t.ordinary()
	case t.e.o.As != nil && t.total[capture.FromServer] > 0:
		return t.judgeAs()
	case len(t.answers) == 0:
		return t.unanswered()
	}
	answer := t.answer()
	if status := statusOf(answer); status == 101 {
		return t.judgeAnswer(answer)
	} else if status/100 == 1 {
		if strings.Contains(t.body(answer), "HTTP/1.1 101") {
			f := (&finding{cause: "continue-first", sure: Probable}).line(answer, "")
			if v := t.byBrowser(false); v != nil && v.Mark <= browsers.Read {
				f.sure, f.detail, f.rule = Certain, v.String(), v.Says
			}
			return f
		}
		return t.unanswered()
	}
	return t.refused(answer)
}

// withoutRequest looks at what there is where no request is.
func (t *talk) withoutRequest() *finding {
	client := t.raw[capture.FromClient]
	if len(t.answers) > 0 && t.total[capture.FromClient] == 0 {
		answer := t.answer()
		if statusOf(answer) == 101 {
			return t.judgeAnswer(answer)
		}
		return t.refused(answer)
	}
	if len(client) > 0 && !t.conn.Midway && httphead.End(client, 0) < 0 && looksLikeHead(client) {
		cause, sure := "head-cut", Possible
		if bytes.IndexByte(client, '\n') < 0 && bytes.IndexByte(client, '\r') >= 0 {
			cause, sure = "line-ends", Probable
		}
		return &finding{cause: cause, sure: sure, from: "client", text: firstOf(client)}
	}
	return nil
}

// looksLikeHead reports whether bytes begin as a request does.
func looksLikeHead(p []byte) bool {
	line := firstOf(p)
	return hasPrefix(line, "GET ") || strings.Contains(line, " HTTP/1.")
}

// ordinary looks at a request that does not ask for WebSocket, though its client may have.
func (t *talk) ordinary() *finding {
	// Both fields, and all others of WebSocket, may be gone: then nothing tells.
	if hasWord(fieldsOf(t.request, "Connection"), "upgrade") && !hasField(t.request, "Upgrade") {
		return (&finding{cause: "upgrade-stripped", sure: Probable, detail: "Connection names it, and Upgrade is gone"}).line(t.request, "Connection")
	}
	return &finding{result: Unclear, sure: Possible, detail: "an ordinary request, which does not ask for WebSocket; if its client did, something in between has removed all that says so"}
}

// unanswered looks at a request that has no answer.
func (t *talk) unanswered() *finding {
	if f := t.requestFault(); f != nil {
		if t.total[capture.FromServer] > 0 || !t.cut() {
			f.sure = max(f.sure, Probable)
		}
		return f
	}
	if f := t.unread(); f != nil {
		return f
	}
	alone := t.cut() && t.total[capture.FromServer] == 0
	if t.isHixie76() && t.challenge == nil {
		f := (&finding{cause: "challenge-kept", sure: Probable, rule: "eight bytes follow the head", section: "hixie-76 5.2"}).line(t.request, "Sec-WebSocket-Key1")
		if alone && len(t.ends) == 2 && t.last[capture.FromClient].IsZero() {
			f.sure = Possible // it may be that they were not pasted
		}
		return f
	}
	if t.largeHead() && !t.cut() {
		return (&finding{cause: "head-too-large", sure: Possible, detail: t.sizeOfHead()}).line(t.request, "")
	}
	switch v := t.requestVersion(); {
	case t.reset():
		return (&finding{cause: "reset-unanswered", sure: Possible}).line(t.request, "")
	case !t.cut() && t.isHixie():
		return (&finding{cause: "hixie-refused", sure: Possible, detail: "it ends the connection without an answer"}).line(t.request, "")
	case !t.cut() && v != wire.RFC6455 && v != wire.Unknown:
		return (&finding{cause: "version-refused", sure: Possible, detail: "it ends the connection without an answer"}).line(t.request, "Sec-WebSocket-Version")
	case !t.cut():
		return (&finding{cause: "closed-unanswered", sure: Possible}).line(t.request, "")
	case alone && t.last[capture.FromClient].IsZero():
		return &finding{result: Unclear, sure: Possible, detail: "the request is right, and its answer is not in the input"}
	}
	return (&finding{cause: "no-answer", sure: Possible}).line(t.request, "")
}

// manyBytes are more than the head of a request has, but for cookies: what is read by simple
// servers ends there.
const manyBytes = 2 << 10

func (t *talk) headSize() int {
	return httphead.End(t.exchange().Request, 0)
}

func (t *talk) largeHead() bool { n := t.headSize(); return n < 0 || n > manyBytes }

func (t *talk) sizeOfHead() string {
	return fmt.Sprintf("it has %d bytes", max(t.headSize(), manyBytes))
}

// unread finds why what the server has sent was not read as the head of an answer.
func (t *talk) unread() *finding {
	p := t.raw[capture.FromServer]
	switch {
	case len(p) == 0:
		return nil
	case !hasPrefix(string(p), "HTTP/"[:min(5, len(p))]):
		return &finding{cause: "status-line", sure: Possible, from: "server", text: firstOf(p)}
	case lfOnly(p):
		return &finding{cause: "line-ends", sure: Probable, from: "server", text: firstOf(p)}
	case !t.cut():
		return &finding{cause: "answer-cut", sure: Probable, from: "server", text: firstOf(p)}
	}
	return nil
}

// requestFault finds the first rule that the request breaks; nil where it breaks none.
func (t *talk) requestFault() *finding {
	n := firstNote(t.request)
	if n == nil {
		return t.suspicious()
	}
	f := &finding{cause: causeOfNote(n), sure: Certain}
	f.note(t.request, n)
	t.refine(f)
	return f
}

// refine finds the kind of a fault of a request more exactly.
func (t *talk) refine(f *finding) {
	req := t.request
	upgrade := hasWord(fieldsOf(req, "Upgrade"), "websocket")
	names := hasWord(fieldsOf(req, "Connection"), "upgrade")
	switch f.cause {
	case "upgrade-stripped", "no-connection", "http-1.0":
		switch {
		case !upgrade && !names:
			f.cause = "upgrade-stripped"
		case f.cause == "http-1.0":
		case upgrade && hasField(req, "Connection") && !names:
			f.cause = "connection-stripped"
			f.line(req, "Connection")
		case upgrade && !hasField(req, "Connection"):
			f.cause = "no-connection"
		}
		if f.cause == "upgrade-stripped" && strings.HasSuffix(firstLine(req), "HTTP/1.0") {
			f.detail = "and in HTTP/1.0"
		}
		sure := Possible
		if behindProxy(req) {
			sure = Probable
		}
		f.culprit = &sure
	case "uneven-key", "bad-challenge":
		if key1, key2 := rawField(req, "Sec-WebSocket-Key1"), rawField(req, "Sec-WebSocket-Key2"); f.cause == "uneven-key" && !strings.Contains(key1+key2, "  ") && strings.Contains(key1+key2, " ") {
			f.cause, f.sure = "blanks-collapsed", Possible
		}
	case "any-key":
		if fieldOf(req, "Sec-WebSocket-Key") == "" {
			f.cause = "bad-key"
		}
	case "bad-key":
		if key := fieldOf(req, "Sec-WebSocket-Key"); key != "" && len(key) <= 80 {
			f.cause = "any-key"
		}
	case "injected-key":
		if !hasField(req, "Sec-WebSocket-Key1") && !hasField(req, "Sec-WebSocket-Key2") && !hasField(req, "Sec-WebSocket-Version") {
			f.cause = "version-missing"
		}
	case "mixed-families":
		if hasField(req, "Sec-WebSocket-Key1") && hasField(req, "Sec-WebSocket-Key") && !hasField(req, "Sec-WebSocket-Version") {
			f.cause = "injected-key"
		}
	case "no-origin":
		if modern(fieldOf(req, "User-Agent")) || fieldOf(req, "Upgrade") == "websocket" {
			f.cause, f.sure = "keys-stripped", Possible
		}
	case "version-unknown":
		if n, _ := strings.CutPrefix(fieldOf(req, "Sec-WebSocket-Version"), "0"); n == "9" || n == "10" || n == "11" || n == "12" || n == "14" || n == "15" || n == "16" || n == "17" {
			f.cause = "draft-number"
		}
	}
}

// rawField is the value of a field with its blanks.
func rawField(ev *inspect.Event, name string) string {
	for i := range ev.Lines {
		if lower(ev.Lines[i].Name) == lower(name) {
			_, v, _ := strings.Cut(ev.Lines[i].Text, ":")
			return strings.TrimPrefix(v, " ")
		}
	}
	return ""
}

// modern reports whether a User-Agent is that of a browser that has never spoken hixie-75.
func modern(agent string) bool {
	for _, name := range []string{"Firefox/", "Chrome/1", "Chrome/2", "Chrome/3", "Edg/", "Trident/"} {
		if strings.Contains(agent, name) {
			return true
		}
	}
	return false
}

// suspicious finds requests that break no rule, and are not what their client sends.
func (t *talk) suspicious() *finding {
	req := t.request
	if t.requestVersion() == wire.Hixie75 && (modern(fieldOf(req, "User-Agent")) || fieldOf(req, "Upgrade") == "websocket") {
		return (&finding{cause: "keys-stripped", sure: Possible}).line(req, "Upgrade")
	}
	return nil
}
