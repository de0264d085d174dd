// Package origin judges where a request comes from: whether the page that sent it may
// connect, and, by the words of trusted proxies, which client it is and which URL that
// client used.
package origin

import (
	"errors"
	"slices"
	"strings"

	"github.com/draftwire/draftwire/internal/ascii"
	"github.com/draftwire/draftwire/internal/httphead"
)

// Allowed reports whether a page of origin may connect to host: whether one of patterns
// matches, or, where there are no patterns, whether origin is a page of host itself.
// host is what the Host field says, with its port if it has one. Case does not matter, and
// a scheme's default port is the same as none (RFC 6454 4).
//
// A page of host itself has one of the schemes http and https, whichever the server
// speaks: old devices load their pages over http though they connect over wss.
func Allowed(patterns []string, origin, host string) bool {
	origin = ascii.ToLower(origin)
	scheme, authority, ok := strings.Cut(origin, "://")
	page := ok && slices.Contains(pageSchemes, scheme)
	short := StripPort(scheme, authority)
	if len(patterns) == 0 {
		return page && short == StripPort(scheme, strings.ToLower(host))
	}
	return matchesOne(patterns, origin) || page && short != authority && matchesOne(patterns, scheme+"://"+short)
}

// matchesOne reports whether one of the patterns matches an origin in lower case.
func matchesOne(patterns []string, origin string) bool {
	_, authority, ok := strings.Cut(origin, "://")
	for _, p := range patterns {
		p = ascii.ToLower(p)
		switch {
		case p == "*" || p == origin:
			return true
		case strings.Contains(p, "://"):
			if admits(p, origin) {
				return true
			}
		case ok && admits(p, hostOf(authority)), ok && admits(p, authority):
			return true
		}
	}
	return false
}

// pageSchemes are the schemes of pages, as clients of all years write them.
var pageSchemes = []string{"http", "https", "ws", "wss"}

// admits reports whether a pattern matches an origin or a part of one. A pattern of
// addresses ("192.168.1.*") admits addresses alone: a name that begins so
// (192.168.1.evil.example) can be anybody's.
func admits(pattern, s string) bool {
	return match(pattern, s) && (!isNumeric(pattern) || isNumeric(s))
}

// isNumeric reports whether the host of an origin, or of a pattern, is an IPv4 address: no
// name ends in a number.
func isNumeric(s string) bool {
	if _, authority, ok := strings.Cut(s, "://"); ok {
		s = authority
	}
	host := hostOf(s)
	return strings.ContainsAny(host, "0123456789") && strings.Trim(host, "0123456789.*") == ""
}

// CheckPattern returns an error where no origin that a browser sends can match p. An
// origin is a scheme, "://", a host and, where it is not the scheme's own, a port (RFC
// 6454 6.2); or it is "null", or "file://".
func CheckPattern(p string) error {
	scheme, authority, whole := strings.Cut(ascii.ToLower(p), "://")
	if !whole {
		scheme, authority = "", scheme
	}
	http, https := !whole || scheme == "http" || scheme == "ws", !whole || scheme == "https" || scheme == "wss"
	switch {
	case whole && authority == "" && scheme != "": // file://
		return nil
	case whole && strings.ContainsAny(authority, "/?#"):
		return errors.New("an origin ends behind host and port: it has no path, and no slash at its end")
	case !httphead.IsAuthority(strings.ReplaceAll(authority, "*", "1")), whole && scheme == "", strings.HasSuffix(authority, ":"):
		return errors.New("it matches no origin")
	case http && strings.HasSuffix(authority, ":80"), https && strings.HasSuffix(authority, ":443"):
		return errors.New("an origin does not name its scheme's own port: leave it out")
	}
	return nil
}

// match reports whether s matches pattern, in which "*" stands for any run of characters
// without "/", and each other character for itself.
func match(pattern, s string) bool {
	star, from := -1, 0 // the last star, and where in s the text behind it was tried
	p, i := 0, 0
	for i < len(s) || p < len(pattern) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, i
			p++
		case p < len(pattern) && i < len(s) && pattern[p] == s[i]:
			p++
			i++
		case star >= 0 && from < len(s) && s[from] != '/':
			from++ // one more for the star
			p, i = star+1, from
		default:
			return false
		}
	}
	return true
}

// StripPort takes the scheme's default port off.
func StripPort(scheme, authority string) string {
	if scheme == "https" || scheme == "wss" {
		return strings.TrimSuffix(authority, ":443")
	}
	return strings.TrimSuffix(authority, ":80")
}

// hostOf returns the host of an authority, without the port.
func hostOf(authority string) string {
	if i := strings.LastIndexByte(authority, ':'); i >= 0 && !strings.HasSuffix(authority, "]") {
		return authority[:i]
	}
	return authority
}
