package origin

import (
	"errors"
	"net/url"
	"strings"

	"github.com/draftwire/draftwire/internal/httphead"
)

// PublicURL is the beginning of a URL as clients see it: host, with the port if there is
// one, and scheme. Without a host it is none.
type PublicURL struct {
	Host   string
	Secure bool // wss, not ws
}

// ParsePublicURL reads "wss://example.com" or "ws://example.com:8080". The empty string
// is the zero value.
func ParsePublicURL(s string) (p PublicURL, err error) {
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
	return PublicURL{u.Host, u.Scheme == "wss"}, nil
}

func (u *PublicURL) setScheme(s string) {
	switch strings.ToLower(s) {
	case "https", "wss":
		u.Secure = true
	case "http", "ws":
		u.Secure = false
	}
}

func (u *PublicURL) setHost(s string) {
	if httphead.IsAuthority(s) {
		u.Host = s
	}
}
