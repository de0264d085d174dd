package draftwire

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/draftwire/draftwire/internal/httphead"
)

// Check returns what is wrong with the options, nil where they can be served: a
// set of versions of which none is served here, or a pattern of an origin that
// cannot be read. Serve and SetOptions return the same error. Handler and Accept
// have nobody to return it to but the client, who gets a 500 with
// wire.ReasonOptions: a program that reads its options from a file calls Check
// first.
func (o *AcceptOptions) Check() error {
	if o.Versions != 0 && o.Versions&Served() == 0 {
		return fmt.Errorf("draftwire: options: none of the versions %q is served here; served are %s", o.Versions, Served())
	}
	for _, p := range o.Origins {
		if !isOriginPattern(p) {
			return fmt.Errorf("draftwire: options: origin pattern %q: it matches no origin", p)
		}
	}
	if _, err := parsePublic(o.PublicURL); err != nil {
		return fmt.Errorf("draftwire: options: public URL %q: %w", o.PublicURL, err)
	}
	return nil
}

// isOriginPattern reports whether an origin can match p: a host, or a scheme and what
// stands behind it.
func isOriginPattern(p string) bool {
	scheme, authority, whole := strings.Cut(p, "://")
	if !whole {
		authority = p
	}
	if whole && (scheme == "" || authority == "") {
		return scheme != "" // file://
	}
	return httphead.IsAuthority(strings.ReplaceAll(authority, "*", "1"))
}

func parsePublic(s string) (p place, err error) {
	if s == "" {
		return p, nil
	}
	u, err := url.Parse(s)
	if err != nil {
		return p, errors.Unwrap(err)
	}
	switch {
	case u.Scheme != "ws" && u.Scheme != "wss":
		return p, errors.New("the scheme is not ws or wss")
	case u.Hostname() == "" || !httphead.IsAuthority(u.Host):
		return p, errors.New("no host")
	case u.User != nil || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return p, errors.New("more than scheme, host and port")
	}
	return place{u.Host, u.Scheme == "wss"}, nil
}
