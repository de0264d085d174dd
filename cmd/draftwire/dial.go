package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/wire"
)

// dialFailed tells why there is no connection: one part for each version that
// was tried.
func dialFailed(err error) error {
	errs := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		errs = joined.Unwrap()
	}
	code := exitConnect
	var parts []string
	for _, err := range errs {
		var he *draftwire.HandshakeError
		if !errors.As(err, &he) || he.Reason == wire.ReasonIO {
			code = exitConnect
			parts = append(parts, errorText(err))
			continue
		}
		code = exitRefused
		parts = append(parts, refusalText(he))
	}
	return exitf(code, "%s", strings.Join(parts, "; "))
}

// refusalText says what a server refused, why, and what it would take.
func refusalText(he *draftwire.HandshakeError) string {
	text := errorText(he)
	if he.Reason == wire.ReasonRefused {
		text = fmt.Sprintf("handshake refused: %s: %d %s", he.Version, he.Status, http.StatusText(he.Status))
	}
	hint := he.Hint()
	if name := he.Fields.Get("Draftwire-Reason"); name != "" {
		text += " (" + visible(short(name)) + ")"
		if info := wire.Reason(name).Info(); info.Cure != "" {
			hint = info.Cure
		}
	}
	if list := he.Fields.List("Sec-WebSocket-Version"); len(list) > 0 {
		text += "; the server takes " + versionList(list)
	}
	if where := he.Fields.Get("Location"); where != "" {
		text += "; it points to " + visible(short(where))
	}
	if hint != "" {
		text += "; hint: " + hint
	}
	return text
}

// versionList writes header values beside the names they stand for.
func versionList(values []string) string {
	var out []string
	for _, s := range values {
		if v := wire.ByHeader(s); v != wire.Unknown {
			s += " (" + v.String() + ")"
		}
		out = append(out, visible(short(s)))
	}
	return strings.Join(out, ", ")
}
