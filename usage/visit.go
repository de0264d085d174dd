package usage

import (
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/draftwire/draftwire/wire"
)

// maxText is how many bytes of a peer's text are kept.
const maxText = 200

// Visit is a handshake as the ledger counts it. Its strings may be as the peer sent them: the
// ledger removes characters that do not print, cuts the strings to 200 bytes, and removes the
// query from the path.
type Visit struct {
	Version wire.Version // a handshake of an unknown version is not counted

	// Client is the key by which a client is recognised: an address prefix, or the number
	// of a device. Empty means "unknown". In a key of more than 200 bytes a hash replaces
	// the end.
	Client string

	UserAgent string
	Path      string
	Host      string
	Origin    string
	TLS       TLS             // zero: without TLS
	Tolerated wire.Tolerances // faults that were accepted so far
}

// Traffic is what has gone over a client's connections since the last call.
type Traffic struct {
	In, Out                 uint64 // bytes from and to the client
	MessagesIn, MessagesOut uint64
	Tolerated               wire.Tolerances // faults that were accepted
}

// clean returns the visit as it is kept.
func (v Visit) clean() Visit {
	v.Client = cleanKey(v.Client)
	v.UserAgent = cleanText(v.UserAgent)
	if i := strings.IndexAny(v.Path, "?#"); i >= 0 {
		v.Path = v.Path[:i] // a query may hold secrets
	}
	v.Path = cleanText(v.Path)
	v.Host = cleanText(v.Host)
	v.Origin = cleanText(v.Origin)
	return v
}

// cleanText removes characters that do not print and cuts the string, but not within a
// character. It returns a clean string as it is.
func cleanText(s string) string {
	if !printable(s) {
		s = strings.Map(func(r rune) rune {
			if r == utf8.RuneError || unicode.IsGraphic(r) {
				return r
			}
			return -1
		}, s[:cutAt(s, 8*maxText)])
		s = strings.ToValidUTF8(s, "\ufffd")
	}
	return s[:cutAt(s, maxText)]
}

func printable(s string) bool {
	ascii := true
	for i := 0; ascii && i < min(len(s), maxText); i++ {
		ascii = ' ' <= s[i] && s[i] <= '~'
	}
	if ascii {
		return true
	}
	for i, r := range s {
		if i >= maxText {
			return true // the rest is cut off anyway
		}
		if !unicode.IsGraphic(r) || r == utf8.RuneError {
			return false
		}
	}
	return true
}

// cutAt returns where to cut s so that at most n bytes remain, and only whole characters.
func cutAt(s string, n int) int {
	if len(s) <= n {
		return len(s)
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return n
}

// cleanKey is cleanText for the key of a client, which must stay different from other keys with
// the same beginning.
func cleanKey(s string) string {
	if len(s) > maxText {
		h := sha256.Sum256([]byte(s))
		s = cleanText(s)
		return fmt.Sprintf("%s~%x", s[:cutAt(s, maxText-17)], h[:8])
	}
	if s = cleanText(s); s == "" {
		return "unknown"
	}
	return s
}

// TLS is the number of a version of TLS as it is sent; zero is none.
type TLS uint16

var tlsNames = map[TLS]string{
	0: "none", 0x0300: "ssl3", tls.VersionTLS10: "1.0", tls.VersionTLS11: "1.1", tls.VersionTLS12: "1.2", tls.VersionTLS13: "1.3",
}

// String returns "none", "ssl3", "1.0" to "1.3", or the number in hexadecimal.
func (t TLS) String() string {
	if name, ok := tlsNames[t]; ok {
		return name
	}
	return fmt.Sprintf("0x%04x", uint16(t))
}

// MarshalText writes what String does.
func (t TLS) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (t *TLS) UnmarshalText(p []byte) error {
	for v, name := range tlsNames {
		if name == string(p) {
			*t = v
			return nil
		}
	}
	var n uint16
	if _, err := fmt.Sscanf(string(p), "0x%04x", &n); err != nil || TLS(n).String() != string(p) {
		return fmt.Errorf("usage: unknown TLS version %.20q", p)
	}
	*t = TLS(n)
	return nil
}
