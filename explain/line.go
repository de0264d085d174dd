package explain

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/draftwire/draftwire/wire"
)

// maxLine is the longest line of a log that is read.
const maxLine = 64 << 10

// Line explains a line of the log of the gateway, or of draftwire serve, in JSON or text, with or
// without what a journal or a container writes before it. ok is false where it is no such line.
func Line(line string) (x *Explanation, ok bool) {
	if len(line) > maxLine {
		return nil, false
	}
	f, ok := readLine(line)
	if !ok {
		return nil, false
	}
	x = &Explanation{Draft: f["draft"], Client: f["client_ip"]}
	if x.Draft == "unknown" {
		x.Draft = ""
	}
	found := ofLine(f)
	found.fill(x)
	for _, name := range []string{"reason", "detail", "error", "hint"} {
		if f[name] != "" && x.Result != Works {
			x.Evidence = append(x.Evidence, Evidence{Text: name + ": " + shown(f[name])})
		}
	}
	return x, true
}

// colours are what a terminal gets.
var colours = regexp.MustCompile("\x1b\\[[0-9;]*m")

// readLine reads the fields of a line of the log.
func readLine(line string) (map[string]string, bool) {
	line = strings.TrimSpace(colours.ReplaceAllString(line, ""))
	if at := strings.IndexByte(line, '{'); at >= 0 {
		if f, ok := readJSON(line[at:]); ok {
			return f, true
		}
	}
	return readText(line)
}

func readJSON(s string) (map[string]string, bool) {
	var values map[string]any
	d := json.NewDecoder(bytes.NewReader([]byte(s)))
	d.UseNumber()
	if d.Decode(&values) != nil {
		return nil, false
	}
	f := map[string]string{}
	for name, v := range values {
		switch v := v.(type) {
		case string:
			f[name] = v
		case json.Number, bool:
			f[name] = fmt.Sprint(v)
		}
	}
	return f, f["msg"] != "" && f["level"] != ""
}

var (
	levelOfTerminal = regexp.MustCompile(`^(INFO|WARN|ERRO|DEBU)\[[0-9:]{8}\] (.*)$`)
	pair            = regexp.MustCompile(`(^| )([a-z0-9_]+)=("(?:[^"\\]|\\.)*"|[^ ]*)`)
)

func readText(s string) (map[string]string, bool) {
	f := map[string]string{}
	if m := levelOfTerminal.FindStringSubmatch(s); m != nil {
		f["level"], s = m[1], m[2]
		f["msg"] = strings.TrimSpace(s)
		if at := pair.FindStringIndex(s); at != nil {
			f["msg"] = strings.TrimSpace(s[:at[0]])
		}
	} else if !strings.Contains(s, "level=") || !strings.Contains(s, "msg=") {
		return nil, false
	}
	for _, m := range pair.FindAllStringSubmatch(s, -1) {
		value := m[3]
		if u, err := strconv.Unquote(value); err == nil && hasPrefix(value, `"`) {
			value = u
		}
		if _, ok := f[m[2]]; !ok {
			f[m[2]] = value
		}
	}
	return f, f["msg"] != "" && f["level"] != ""
}

var tolerateIn = regexp.MustCompile(`tolerate ([a-z0-9.-]+)`)

// ofHint is the cause that a hint's tolerance admits, "" where the hint names none that is known.
func ofHint(hint string) string {
	m := tolerateIn.FindStringSubmatch(hint)
	if m == nil {
		return ""
	}
	name := cmp.Or(ofTolerance[m[1]], m[1])
	if !slices.ContainsFunc(causes, func(c Cause) bool { return c.Name == name }) {
		return ""
	}
	return name
}

// ofLine is the cause that a line names.
func ofLine(f map[string]string) *finding {
	msg := f["msg"]
	switch {
	case msg == "refused", hasPrefix(msg, "same reason"):
		return ofRefusal(f)
	case hasPrefix(msg, "closed right after its handshake") || hasPrefix(f["error"], "closed right after its handshake"):
		return &finding{cause: "left-at-once", sure: Probable, detail: hosts(f)}
	case msg == "connection":
		return ofConnection(f)
	case f["event"] == "backend.dial", f["event"] == "backend.check" && f["error"] != "":
		return ofBackend(f)
	case hasPrefix(msg, "a version that is being retired"):
		if f["refused"] == "true" {
			return &finding{cause: "version-retired", sure: Certain, detail: f["draft"]}
		}
		return &finding{result: Works, detail: "the version is announced to be switched off, and the client was let in"}
	case strings.Contains(msg, "tolerated"):
		return &finding{result: Works, detail: "a known fault was tolerated: " + f["tolerance"]}
	case msg == "panic":
		return &finding{cause: "panic", sure: Certain, detail: f["detail"]}
	case f["level"] == "info" || f["level"] == "INFO" || f["level"] == "debug" || f["level"] == "DEBU":
		return &finding{result: Works, detail: "the line says nothing of a failure: " + shown(msg)}
	}
	return &finding{result: Unclear, sure: Possible, detail: "a line that is not about a connection: " + shown(msg)}
}

// hosts are what a hixie client compares.
func hosts(f map[string]string) string {
	return fmt.Sprintf("Host is %q, Origin %q, secure %s", f["host"], f["origin"], f["secure"])
}

// ofRefusal is the cause of a refusal.
func ofRefusal(f map[string]string) *finding {
	reason, _, _ := strings.Cut(f["reason"], " ")
	found := &finding{cause: ofReason[wire.Reason(reason)], sure: Certain, detail: f["detail"], rule: wire.Reason(reason).Info().Rule}
	found.cause = cmp.Or(ofHint(f["hint"]+" "+f["reason"]), found.cause)
	switch {
	case hasPrefix(reason, "tls"):
		found.cause, found.rule = "tls-nothing-shared", ""
		if strings.Contains(f["detail"], "certificate") {
			found.cause = "tls-certificate"
		}
	case reason == "preface" && strings.Contains(f["detail"], "flash"):
		found.cause = "flash-policy"
	case reason == "preface" && strings.Contains(f["detail"], "sslv2"):
		found.cause, found.rule = "sslv2-hello", ""
	case reason == "preface" && strings.Contains(f["detail"], "http/2"):
		found.cause = "http2"
	case reason == "preface" && strings.Contains(f["detail"], "tls"):
		found.cause = "tls-to-plain"
	case reason == "preface" && strings.Contains(f["detail"], "proxy"):
		found.cause = "proxy-header"
	case reason == "not_websocket" || reason == "stray_header":
		if strings.Contains(f["detail"], "Connection") && !strings.Contains(f["detail"], "Upgrade is") && found.cause != "no-connection" {
			found.sure = Probable
		}
	case reason == "timeout" && f["draft"] == "hixie-76":
		found.cause, found.sure = "challenge-kept", Probable
	case reason == "backend" && f["detail"] != "":
		return ofBackend(map[string]string{"error": f["detail"], "hint": f["hint"]})
	case reason == "origin":
		found.detail = hosts(f)
		found.cures = []Cure{{"gateway.yaml", "routes: origins: [" + f["origin"] + "]", "this origin"}}
	}
	if found.cause == "" {
		return &finding{result: Unclear, sure: Possible, detail: "the reason " + strconv.Quote(f["reason"]) + " is not known here"}
	}
	return found
}

// ofConnection is the cause of the end of a connection.
func ofConnection(f map[string]string) *finding {
	code, _ := strconv.Atoi(f["close_code"])
	by := f["close_by"]
	if by == "" {
		by = "one side"
	}
	if text := f["error"]; text != "" && !hasPrefix(text, "closed: ") {
		return ofError(text, f)
	}
	cause := ofCode[code]
	if code >= 3000 && code <= 4999 {
		cause = "close-program"
	}
	switch {
	case cause != "":
		return &finding{cause: cause, sure: Probable, detail: fmt.Sprintf("%s closes with %d", by, code)}
	case code == 1006:
		return ofSilence(f["duration_s"])
	}
	return &finding{result: Works, detail: fmt.Sprintf("the connection was closed, by %s, with %d", by, code)}
}

// ofSilence is the cause of an end without a close, after so many seconds.
func ofSilence(seconds string) *finding {
	if n, err := strconv.ParseFloat(seconds, 64); err == nil && n > 0 && n < 1e6 {
		if known := timeoutOf(time.Duration(n * float64(time.Second))); known != "" {
			return &finding{cause: "idle-timeout", sure: Possible, detail: "it ended after " + seconds + " s without a close; known are " + known}
		}
	}
	return &finding{cause: "cut-off", sure: Possible, detail: "one side ended without a close"}
}

// faultTexts are parts of the errors of frames, and their causes.
var faultTexts = []struct{ text, cause string }{
	{"mask", "unmasked"}, {"reserved bit", "reserved-bits"}, {"RSV", "reserved-bits"}, {"opcode", "bad-opcode"}, {"longer than needed", "long-length"}, {"UTF-8", "bad-text"},
	{"above the limit", "too-big"}, {"too big", "too-big"}, {"compress", "bad-deflate"}, {"deflate", "bad-deflate"}, {"control", "bad-control"}, {"continuation", "bad-fragments"}, {"frame type", "hybi-frames"},
	{"no pong", "pong-missing"}, {"ping", "pong-missing"}, {"idle", "idle-timeout"}, {"reset by peer", "reset"}, {"broken pipe", "reset"}, {"EOF", "cut-off"}, {"ended without", "cut-off"}, {"without a close", "cut-off"},
	{"write timeout", "cut-off"}, {"i/o timeout", "cut-off"}, {"connection refused", "backend-down"},
}

// ofError is the cause that an error of a connection names.
func ofError(text string, f map[string]string) *finding {
	if cause := ofHint(f["hint"]); cause != "" {
		return &finding{cause: cause, sure: Certain, detail: text}
	}
	for _, x := range faultTexts {
		if strings.Contains(text, x.text) {
			return &finding{cause: x.cause, sure: Probable, detail: text}
		}
	}
	return &finding{result: Unclear, sure: Possible, detail: "the connection ended with an error: " + shown(text)}
}

// ofBackend is the cause for which a backend did not take a client.
func ofBackend(f map[string]string) *finding {
	text := f["error"]
	found := &finding{cause: "backend-down", sure: Probable, detail: text, whose: Backend}
	has := func(s string) bool { return strings.Contains(text, s) }
	if cause := ofHint(f["hint"]); cause != "" {
		found.cause, found.sure = cause, Certain
		return found
	}
	switch {
	case has("x509") || has("certificate"):
		found.cause, found.sure, found.whose = "tls-certificate", Certain, TLS
		found.cures = []Cure{{"gateway.yaml", "routes: backends: tls: {ca: FILE}", "the root of the backend's certificate"}, {"gateway.yaml", "routes: backends: tls: {server_name: NAME}", "the name that stands in it"}}
	case has("first record does not look like a TLS"):
		found.cause, found.whose = "tls-to-plain", Configuration
		found.cures = []Cure{{"gateway.yaml", "routes: backends: [{url: ws://SERVER}]", "the backend speaks clear text"}}
	case has("tls:") || has("handshake failure"):
		found.cause, found.whose = "tls-refused", TLS
	case has("403") || has("origin"):
		found.cause, found.whose = "origin-refused", Configuration
	case has("401"):
		found.cause, found.whose = "auth", Configuration
	case has("404"):
		found.cause, found.whose = "no-route", Configuration
	case has("426"):
		found.cause = "version-refused"
	case has("400"), has("bad_response"), has("not_offered"), has("bad_accept"):
		found.cause = "backend-refused"
	case has("timeout") || has("deadline"):
		found.cause = "backend-slow"
	case has("500"):
		found.cause = "server-error"
	}
	return found
}
