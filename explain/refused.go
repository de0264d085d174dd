package explain

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/draftwire/draftwire/inspect"
	"github.com/draftwire/draftwire/inspect/capture"
	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/wire"
)

// refused looks at an answer that is no 101.
func (t *talk) refused(answer *inspect.Event) *finding {
	status := statusOf(answer)
	if reason := wire.Reason(fieldOf(answer, "Draftwire-Reason")); reason != "" {
		if f := t.ofReason(reason); f != nil {
			return f
		}
	}
	if f := t.ofBody(answer, status); f != nil {
		return f
	}
	fault := t.requestFault()
	if fault != nil && (fault.cause == "upgrade-stripped" || fault.cause == "connection-stripped") && status != 401 && status/100 != 3 {
		fault.sure = max(fault.sure, Probable) // what else is there to answer to it
		return fault
	}
	kept := t.isHixie76() && t.challenge == nil && !t.last[capture.FromClient].IsZero()
	if kept && status == 500 {
		return (&finding{cause: "challenge-kept", sure: Possible}).line(answer, "")
	}
	if f := t.ofStatus(answer, status); f != nil {
		return f
	}
	// 400, 405, 408, 426 and their kind are about the request.
	if fault != nil {
		fault.sure = max(fault.sure, Probable)
	}
	switch {
	case fault != nil && fault.cause != "keys-stripped":
		return fault
	case kept, t.isHixie76() && t.challenge == nil && status == 408:
		return (&finding{cause: "challenge-kept", sure: Probable}).line(answer, "")
	}
	if f := t.ofVersion(answer); f != nil {
		return f
	}
	switch {
	case t.isHixie76() && t.challenge == nil:
		return (&finding{cause: "challenge-kept", sure: Possible}).line(answer, "")
	case fault != nil:
		return fault
	case status == 405:
		return (&finding{cause: "no-route", sure: Possible, detail: "405"}).line(answer, "")
	case status == 408:
		return (&finding{cause: "too-slow", sure: Possible}).line(answer, "")
	case status == 400 && respelled(t.request) != "":
		f := (&finding{cause: "respelled-fields", sure: Possible, detail: "those of the request are not, and the server may read letters"}).line(t.request, respelled(t.request))
		f.whose = Device
		return f
	case status == 400 && t.request != nil && t.largeHead():
		return (&finding{cause: "head-too-large", sure: Possible, detail: t.sizeOfHead()}).line(answer, "")
	case status == 400:
		return (&finding{cause: "bad-request", sure: Possible}).line(answer, "")
	case status >= 500:
		return (&finding{cause: "server-error", sure: Possible, detail: fmt.Sprint(status)}).line(answer, "")
	}
	return (&finding{cause: "denied", sure: Possible, detail: fmt.Sprint(status)}).line(answer, "")
}

// ofReason is the cause that draftwire itself names.
func (t *talk) ofReason(reason wire.Reason) *finding {
	cause, ok := ofReason[reason]
	if !ok {
		return nil
	}
	answer := t.answer()
	if t.request != nil && isAttempt(t.request) {
		f := t.requestFault()
		if f != nil && f.cause != "keys-stripped" && (f.cause == cause || reason.Info().Status == 400 || ofReason[wire.Reason(faultOf(t.request))] == cause) {
			f.sure = Certain
			return f
		}
	}
	f := &finding{cause: cause, sure: Certain, rule: reason.Info().Rule}
	switch cause {
	case "upgrade-stripped", "http-1.0", "key-missing", "version-missing", "injected-key", "duplicate-header":
		if t.request != nil && isAttempt(t.request) && firstNote(t.request) == nil {
			f.sure, f.whose = Probable, Proxy
			f.detail = "the server says so, and here nothing is wrong with the request: something has changed it on its way"
		}
	}
	if reason == wire.ReasonOrigin {
		f.detail = t.origins()
	}
	return f.line(answer, "Draftwire-Reason")
}

// faultOf is the reason that the inspector has found in a request.
func faultOf(ev *inspect.Event) string {
	if ev.Fault != "" {
		return ev.Fault
	}
	if n := firstNote(ev); n != nil {
		return n.Fault
	}
	return ""
}

// body is what stands behind the head of the answer.
func (t *talk) body(answer *inspect.Event) string {
	p := t.raw[capture.FromServer]
	if answer.Offset >= int64(len(p)) {
		return ""
	}
	p = p[answer.Offset:]
	if n := httphead.End(p, 0); n >= 0 {
		return string(p[n:])
	}
	return ""
}

// ofBody is the cause that the page of a known program names.
func (t *talk) ofBody(answer *inspect.Event, status int) *finding {
	body := lower(t.body(answer))
	has := func(s string) bool { return strings.Contains(body, s) }
	say := func(cause string, sure Sure, text string) *finding {
		f := (&finding{cause: cause, sure: sure}).line(answer, "")
		f.detail = "the page says " + fmt.Sprintf("%q", text)
		return f
	}
	key := fieldOf(t.request, "Sec-WebSocket-Key")
	switch {
	case has("plain http request was sent to https port"), has("client sent an http request to an https server"), has("speaking plain http to an ssl-enabled server port"):
		return say("plain-to-tls", Certain, "plain HTTP request was sent to HTTPS port")
	case status == 400 && has("<h1>400 bad request</h1>") && has("your browser sent an invalid request.") && t.request != nil && len(key) != 24:
		f := say("haproxy-hixie", Probable, "Your browser sent an invalid request.")
		return f
	case has("request header or cookie too large"):
		return say("head-too-large", Certain, "Request Header Or Cookie Too Large")
	case has("no server is available to handle this request"):
		return say("backend-down", Certain, "No server is available to handle this request")
	case has("origin") && (status == 403 || status == 400) && (has("not allowed") || has("origin check") || has("invalid origin") || has("forbidden") || has("cross")):
		f := say("origin-refused", Certain, strings.TrimSpace(firstOf([]byte(t.body(answer)))))
		f.detail += "; " + t.origins()
		return f
	case has("connection") && has("upgrade") && hasWord(fieldsOf(t.request, "Connection"), "upgrade") && strings.Contains(strings.Join(fieldsOf(t.request, "Connection"), ","), ","):
		return say("request-list", Probable, strings.TrimSpace(firstOf([]byte(t.body(answer)))))
	case has("subprotocol") && status >= 400, has("no protocol") && has("ocpp"):
		return say("subprotocol-refused", Probable, strings.TrimSpace(firstOf([]byte(t.body(answer)))))
	}
	return nil
}

// origins says what a server compares.
func (t *talk) origins() string {
	origin := fieldOf(t.request, "Origin")
	if origin == "" {
		origin = fieldOf(t.request, "Sec-WebSocket-Origin")
	}
	return fmt.Sprintf("the page's origin is %q, and Host is %q", origin, fieldOf(t.request, "Host"))
}

// ofStatus is the cause that a status names by itself.
func (t *talk) ofStatus(answer *inspect.Event, status int) *finding {
	say := func(cause string, sure Sure, detail string) *finding {
		return (&finding{cause: cause, sure: sure, detail: detail}).line(answer, "")
	}
	switch {
	case status == 401 || status == 407:
		return say("auth", Certain, fmt.Sprint(status))
	case status == 403:
		origin, host := fieldOf(t.request, "Origin"), fieldOf(t.request, "Host")
		if u, err := url.Parse(origin); err == nil && origin != "" && !strings.EqualFold(u.Host, host) {
			return say("origin-refused", Probable, t.origins())
		}
		return say("denied", Possible, "403")
	case status == 404 || status == 410:
		return say("no-route", Probable, firstLine(t.request))
	case status/100 == 3:
		return say("redirected", Certain, "Location: "+shown(fieldOf(answer, "Location")))
	case status/100 == 2:
		if f := t.requestFault(); f != nil {
			f.sure = max(f.sure, Probable)
			return f
		}
		return say("not-upgraded", Probable, fmt.Sprint(status))
	case status == 413 || status == 414 || status == 431:
		return say("head-too-large", Probable, fmt.Sprint(status))
	case status == 429:
		return say("limited", Probable, "429")
	case status == 502:
		return say("backend-down", Probable, "502")
	case status == 503:
		return say("backend-down", Possible, "503")
	case status == 504:
		return say("backend-slow", Probable, "504")
	case status == 500:
		return say("server-error", Probable, "500")
	}
	return nil
}

// ofVersion finds a version that the server does not speak.
func (t *talk) ofVersion(answer *inspect.Event) *finding {
	v := t.requestVersion()
	if v == wire.Hixie75 || v == wire.Hixie76 || v == wire.Hybi02 {
		f := (&finding{cause: "hixie-refused", sure: Probable}).line(answer, "")
		if hasField(answer, "Sec-WebSocket-Version") {
			f.sure = Certain
			f.line(answer, "Sec-WebSocket-Version")
		}
		return f
	}
	list, number := fieldsOf(answer, "Sec-WebSocket-Version"), fieldOf(t.request, "Sec-WebSocket-Version")
	switch {
	case len(list) > 0 && number != "" && !hasWord(list, number):
		return (&finding{cause: "version-refused", sure: Certain, detail: "it asks for " + shown(number) + ", and the server speaks " + shown(strings.Join(list, ", "))}).line(answer, "Sec-WebSocket-Version")
	case v != wire.Unknown && v != wire.RFC6455:
		f := (&finding{cause: "version-refused", sure: Probable, detail: "it asks for " + shown(number)}).line(answer, "")
		if statusOf(answer) != 426 {
			f.sure = Possible
		}
		return f
	}
	return nil
}
