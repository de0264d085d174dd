package oldtls

import (
	"fmt"
	"strings"
)

// Profile says how old a client may be. The zero value is Modern.
type Profile uint8

// The profiles. Each accepts what the one before it accepts.
const (
	// Modern has Go's defaults: TLS 1.2 with ECDHE, and TLS 1.3.
	Modern Profile = iota
	// Legacy adds TLS 1.0 and 1.1, and key exchange by RSA with AES or 3DES, for hellos
	// that Modern cannot answer.
	Legacy
	// Museum adds RC4, for hellos that Legacy cannot answer.
	Museum
	numProfiles = iota
)

var profileNames = [numProfiles]string{"modern", "legacy", "museum"}

// String returns the profile's name: modern, legacy or museum.
func (p Profile) String() string {
	if p < numProfiles {
		return profileNames[p]
	}
	return fmt.Sprintf("profile %d", uint8(p))
}

// ParseProfile reads a name. Case does not matter, and "" is Modern.
func ParseProfile(s string) (Profile, error) {
	name := strings.ToLower(strings.TrimSpace(s))
	for p, n := range profileNames {
		if n == name {
			return Profile(p), nil
		}
	}
	if name == "" {
		return Modern, nil
	}
	return Modern, fmt.Errorf("oldtls: unknown profile %.40q; the profiles are %s", s, strings.Join(profileNames[:], ", "))
}

// MarshalText writes the profile's name.
func (p Profile) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads what ParseProfile reads.
func (p *Profile) UnmarshalText(b []byte) error {
	v, err := ParseProfile(string(b))
	if err == nil {
		*p = v
	}
	return err
}

// Warning returns in one line what an operator must know before using the profile; "" for
// Modern.
func (p Profile) Warning() string {
	switch p {
	case Modern:
		return ""
	case Legacy:
		return "old clients get TLS 1.0 and 1.1, RSA key exchange and 3DES: anybody who gets the server's key can later read what they sent"
	}
	return "old clients get TLS 1.0, RSA key exchange, 3DES and RC4: RC4 is broken, so assume that others can read what they send"
}
