package explain

import (
	"bytes"
	"strings"

	"github.com/draftwire/draftwire/detect"
	"github.com/draftwire/draftwire/inspect/capture"
)

// tls looks at TLS: what the capture says of it, and what can be seen of it in the clear.
func (t *talk) tls() *finding {
	client, server := t.raw[capture.FromClient], t.raw[capture.FromServer]
	if x := t.conn.TLS; x != nil && x.Err != nil {
		if f := ofAlert(x.Err.Error()); f != nil {
			return f
		}
		return &finding{result: Unclear, sure: Possible, detail: "TLS that could not be opened: " + x.Err.Error()}
	}
	switch kind := detect.Preface(client); {
	case kind == detect.SSLv2 && !t.conn.Midway && (len(client) < 5 || client[3] == 3 || client[3] == 0):
		return &finding{cause: "sslv2-hello", sure: Probable, from: "client", text: "a hello of SSL 2"}
	case kind != detect.TLS || t.conn.Midway:
		return plainAlert(client, server)
	case hasPrefix(string(server), "HTTP/"):
		line, _, _ := bytes.Cut(server, []byte("\r\n"))
		return &finding{cause: "tls-to-plain", sure: Certain, from: "server", text: string(line)}
	}
	if side, name := alertIn(client, server); name != "" {
		if f := ofAlert("the " + side + " says " + name); f != nil {
			return f
		}
	}
	switch {
	case len(server) == 0 && !t.cut():
		return &finding{cause: "tls-refused", sure: Possible, detail: "the server ends the connection behind the client's hello", from: "client", text: "a hello of TLS"}
	}
	return &finding{result: Unclear, sure: Possible, detail: "TLS, which was not opened: its keys would be needed"}
}

// plainAlert finds a server that answers clear text with an alert of TLS.
func plainAlert(client, server []byte) *finding {
	if len(server) > 5 && server[0] == 21 && server[1] == 3 && detect.Preface(client) == detect.HTTP1 {
		return &finding{cause: "plain-to-tls", sure: Certain, from: "server", text: "an alert of TLS"}
	}
	return nil
}

// alerts are those that say what is wrong.
var alertNames = map[byte]string{
	40: "handshake_failure", 42: "bad_certificate", 43: "unsupported_certificate", 44: "certificate_revoked", 45: "certificate_expired", 46: "certificate_unknown",
	47: "illegal_parameter", 48: "unknown_ca", 49: "access_denied", 50: "decode_error", 51: "decrypt_error", 70: "protocol_version", 71: "insufficient_security", 80: "internal_error", 86: "inappropriate_fallback",
	112: "unrecognized_name", 116: "certificate_required", 120: "no_application_protocol",
}

// alertIn finds a fatal alert in the clear among the records of two sides.
func alertIn(client, server []byte) (side, name string) {
	for _, x := range []struct {
		side string
		p    []byte
	}{{"server", server}, {"client", client}} {
		for p := x.p; len(p) >= 5 && p[1] == 3; {
			n := int(p[3])<<8 | int(p[4])
			if p[0] == 21 && n == 2 && len(p) >= 7 && p[5] == 2 {
				return x.side, alertNames[p[6]]
			}
			p = p[min(len(p), 5+n):]
		}
	}
	return "", ""
}

// ofAlert is the cause that an alert names; nil where none is in the text.
func ofAlert(says string) *finding {
	s := strings.NewReplacer("_", " ", "-", " ").Replace(says)
	client := strings.Contains(s, "client says")
	f := &finding{sure: Certain, from: "server", text: says}
	if client {
		f.from = "client"
	}
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(s, w) {
				return true
			}
		}
		return false
	}
	switch {
	case has("protocol version", "insufficient security", "inappropriate fallback"):
		f.cause = "tls-nothing-shared"
	case has("handshake failure"):
		f.cause, f.sure = "tls-nothing-shared", Probable
	case has("unknown ca", "bad certificate", "certificate unknown", "certificate expired", "certificate revoked", "unsupported certificate", "decrypt error", "access denied") && client:
		f.cause = "tls-certificate"
	case has("certificate required", "bad certificate", "certificate unknown", "unknown ca", "access denied"):
		f.cause, f.sure = "tls-client-certificate", Probable
	case has("unrecognized name"):
		f.cause = "tls-name"
	case has("no application protocol"):
		f.cause, f.sure = "http2", Probable
	case has("internal error", "decode error", "illegal parameter"):
		f.cause, f.sure = "tls-refused", Probable
	default:
		return nil
	}
	return f
}

// greetings are how other services begin.
var greetings = []string{"SSH-", "220 ", "220-", "+OK", "* OK", "-ERR", "RFB 00", "AMQP", "\x05", "NOTICE ", "-NOAUTH", "-DENIED"}

// preface looks at what stands before HTTP.
func (t *talk) preface() *finding {
	client, server := t.raw[capture.FromClient], t.raw[capture.FromServer]
	if kind := detect.Preface(client); !t.conn.Midway && (kind == detect.HTTP1 || kind == detect.TLS) {
		for _, g := range greetings {
			if hasPrefix(string(server), g) && len(g) > 1 {
				line, _, _ := bytes.Cut(server, []byte("\n"))
				return &finding{cause: "other-service", sure: Certain, from: "server", text: strings.TrimSpace(string(line))}
			}
		}
	}
	policy := strings.TrimSuffix(detect.PolicyRequest, "\x00")
	switch kind := detect.Preface(client); {
	case hasPrefix(string(client), policy):
		if bytes.Contains(server, []byte("cross-domain-policy")) {
			if t.request != nil {
				return nil
			}
			return &finding{result: Works, detail: "Flash has asked for its policy, and has got one"}
		}
		f := &finding{cause: "flash-policy", sure: Certain, from: "client", text: policy}
		if len(server) == 0 && t.cut() {
			f.sure = Probable
		}
		return f
	case kind == detect.Proxy:
		if len(t.answers) > 0 && t.accepted() {
			return nil
		}
		f := &finding{cause: "proxy-header", sure: Probable, from: "client", text: firstOf(client)}
		if len(t.answers) > 0 && statusOf(t.answers[0]) == 400 {
			f.sure = Certain
		}
		return f
	case kind == detect.HTTP2:
		return &finding{cause: "http2", sure: Probable, from: "client", text: "PRI * HTTP/2.0"}
	case kind == detect.Unknown && t.request == nil && !t.conn.Midway && t.frames[0] == 0 && len(client) > 0 && len(server) > 0 && hasPrefix(string(server), "HTTP/1."):
		return &finding{cause: "not-http", sure: Probable, from: "client", text: firstOf(client)}
	}
	return nil
}

// firstOf is the first line of bytes, or what they are.
func firstOf(p []byte) string {
	line, _, _ := bytes.Cut(p, []byte("\n"))
	line = bytes.TrimRight(line, "\r")
	if !isText(line) {
		return "bytes that are no text"
	}
	return string(line)
}
