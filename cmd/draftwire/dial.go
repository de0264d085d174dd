package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/wire"
)

// dialFailed says why there is no connection, for each version that was tried.
func dialFailed(err error) error {
	errs := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		errs = joined.Unwrap()
	}
	var code int // that of the last try
	var parts []string
	for _, err := range errs {
		var he *draftwire.HandshakeError
		if !errors.As(err, &he) || he.Reason == wire.ReasonIO {
			code = exitConnect
			parts = append(parts, connectText(err))
			continue
		}
		code = exitRefused
		parts = append(parts, refusalText(he))
	}
	return exitf(code, "%s", strings.Join(parts, "; "))
}

// connectText says why there is no connection to send a request on.
func connectText(err error) string {
	text := errorText(err)
	if hint := trustHint(err, "--cacert FILE", "a URL with a name of the certificate is needed", "--insecure"); hint != "" {
		text += "; " + hint
	}
	return text
}

// trustHint returns what makes the certificate that err complains of trusted, "" if err is
// about something else: a file of roots, what helps where it is for another name, and what
// trusts any.
func trustHint(err error, roots, name, any string) string {
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	_, noRoots := errors.AsType[x509.SystemRootsError](err)
	_, otherName := errors.AsType[x509.HostnameError](err)
	switch {
	case unknown, noRoots:
		return roots + " trusts its root (without it the system's roots count), " + any + " trusts any certificate"
	case otherName:
		return name + ", or " + any + ", which trusts any certificate"
	}
	return ""
}

// refusalText says what a server refused, why, and what it would accept.
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
		text += "; the server accepts " + versionList(list)
	}
	if where := he.Fields.Get("Location"); where != "" {
		text += "; it redirects to " + visible(short(where))
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
		if v := wire.VersionByHeader(s); v != wire.Unknown {
			s += " (" + v.String() + ")"
		}
		out = append(out, visible(short(s)))
	}
	return strings.Join(out, ", ")
}
