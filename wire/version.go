package wire

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
)

// Version names one wire-incompatible version of the WebSocket protocol. The
// values are ordered oldest to newest. The zero value is Unknown.
type Version uint8

// The versions, oldest first.
const (
	Unknown Version = iota
	Hixie75         // draft-hixie-thewebsocketprotocol-75
	Hixie76         // draft-hixie-thewebsocketprotocol-76, the same text as hybi-00
	Hybi02          // draft-ietf-hybi-thewebsocketprotocol-01 to -03
	Hybi04          // -04
	Hybi05          // -05
	Hybi06          // -06
	Hybi07          // -07
	Hybi08          // -08 to -12
	RFC6455         // -13 to -17 and RFC 6455
	numVersions
)

// Caps is a set of capabilities of a version.
type Caps uint16

// The capabilities. A portable program asks Version.Supports before it uses one.
const (
	CapBinary      Caps = 1 << iota // binary messages
	CapFragments                    // messages in several frames
	CapPing                         // ping and pong
	CapUnaskedPong                  // a pong that answers no ping
	CapCloseFrame                   // a closing handshake of any kind
	CapCloseCode                    // a status code in the closing handshake
	CapMasking                      // frames from the client are masked
	CapExtensions                   // Sec-WebSocket-Extensions
	CapLocation                     // the response repeats the URL and the origin
	CapProtocolSet                  // the client offers a list of subprotocols, not one string
	CapOrigin                       // a client must name its origin
	CapDeflate                      // messages may be compressed (the first reserved bit)
)

var capNames = [...]string{"binary", "fragments", "ping", "unasked-pong", "close-frame",
	"close-code", "masking", "extensions", "location", "protocol-list", "origin-required", "deflate"}

// Has reports whether every capability in x is in c.
func (c Caps) Has(x Caps) bool { return c&x == x }

// Names returns the names of the capabilities in c, in a fixed order.
func (c Caps) Names() []string {
	var out []string
	for i, n := range capNames {
		if c&(1<<i) != 0 {
			out = append(out, n)
		}
	}
	return out
}

// Info is one row of the version table.
type Info struct {
	Version     Version
	Name        string   // the name printed everywhere: logs, labels, flags, vectors
	Aliases     []string // other spellings that ParseVersion takes
	HeaderValue string   // value of Sec-WebSocket-Version; empty where the version has none
	Spec        string   // the documents
	Date        string   // of the documents, first to last
	Shipped     string   // who shipped it
	Caps        Caps
	// StrictKey: Sec-WebSocket-Key is 16 bytes in base64; where it is false the key may
	// be any text that is not empty.
	StrictKey bool
}

const (
	hybiCaps = CapBinary | CapFragments | CapPing | CapCloseFrame
	maskCaps = hybiCaps | CapMasking | CapExtensions | CapProtocolSet
)

// table is the list of versions. Every other list of the project (flags, labels, help, 426
// answers) is made from it.
var table = [numVersions]Info{
	Unknown: {Name: "unknown"},
	Hixie75: {
		Name: "hixie-75", Aliases: []string{"75", "hixie75", "draft75"},
		Spec: "draft-hixie-thewebsocketprotocol-75", Date: "2010-02",
		Shipped: "Chrome 4-5, Safari 5.0.0, web-socket-js until June 2010",
		Caps:    CapLocation | CapOrigin,
	},
	Hixie76: {
		Name: "hixie-76", Aliases: []string{"76", "hixie76", "draft76", "hybi-00", "hybi00", "0"},
		Spec: "draft-hixie-thewebsocketprotocol-76 = draft-ietf-hybi-thewebsocketprotocol-00", Date: "2010-05",
		Shipped: "Chrome 6-13, Safari 5.0.1-5.1, iOS 4.2-5, PhantomJS 1, QtWebKit 4, TVs of 2011-2013, web-socket-js",
		Caps:    CapLocation | CapOrigin | CapCloseFrame,
	},
	Hybi02: {
		Name: "hybi-02", Aliases: []string{"hybi-01", "hybi-03", "hybi01", "hybi02", "hybi03"},
		Spec: "draft-ietf-hybi-thewebsocketprotocol-01 to -03", Date: "2010-08 to 2010-10",
		Shipped: "servers and test clients only",
		Caps:    hybiCaps | CapLocation | CapOrigin | CapProtocolSet,
	},
	Hybi04: {
		Name: "hybi-04", Aliases: []string{"4", "hybi04"}, HeaderValue: "4",
		Spec: "draft-ietf-hybi-thewebsocketprotocol-04", Date: "2011-01",
		Shipped: "libraries",
		Caps:    maskCaps | CapOrigin,
	},
	Hybi05: {
		Name: "hybi-05", Aliases: []string{"5", "hybi05"}, HeaderValue: "5",
		Spec: "draft-ietf-hybi-thewebsocketprotocol-05", Date: "2011-02",
		Shipped: "libraries",
		Caps:    maskCaps | CapOrigin,
	},
	Hybi06: {
		Name: "hybi-06", Aliases: []string{"6", "hybi06"}, HeaderValue: "6",
		Spec: "draft-ietf-hybi-thewebsocketprotocol-06", Date: "2011-02",
		Shipped: "Internet Explorer add-on of HTML5 Labs, libraries",
		Caps:    maskCaps | CapCloseCode,
	},
	Hybi07: {
		Name: "hybi-07", Aliases: []string{"7", "hybi07"}, HeaderValue: "7",
		Spec: "draft-ietf-hybi-thewebsocketprotocol-07", Date: "2011-04",
		Shipped: "Firefox 6",
		Caps:    maskCaps | CapCloseCode | CapUnaskedPong | CapDeflate,
	},
	Hybi08: {
		Name: "hybi-08", Aliases: []string{"8", "hybi08", "hybi-09", "hybi-10", "hybi-11", "hybi-12", "hybi10"}, HeaderValue: "8",
		Spec: "draft-ietf-hybi-thewebsocketprotocol-08 to -12", Date: "2011-06 to 2011-08",
		Shipped: "Chrome 14-15, Firefox 7-10, IE10 preview",
		Caps:    maskCaps | CapCloseCode | CapUnaskedPong | CapDeflate,
	},
	RFC6455: {
		Name: "rfc6455", Aliases: []string{"13", "rfc-6455", "hybi-13", "hybi-14", "hybi-15", "hybi-16", "hybi-17", "hybi13", "hybi17"}, HeaderValue: "13",
		Spec: "RFC 6455 = draft-ietf-hybi-thewebsocketprotocol-13 to -17", Date: "2011-08 to 2011-12",
		Shipped: "Chrome 16+, Firefox 11+, Safari 6+, IE10+, everything since",
		Caps:    maskCaps | CapCloseCode | CapUnaskedPong | CapDeflate, StrictKey: true,
	},
}

func init() {
	for v := range table {
		table[v].Version = Version(v)
	}
}

// Info returns the version's row of the table; the row of Unknown for a value
// that is none.
func (v Version) Info() Info {
	if v >= numVersions {
		return table[Unknown]
	}
	return table[v]
}

// String returns the version's name, for example "hixie-76" or "rfc6455".
func (v Version) String() string { return v.Info().Name }

// Supports reports whether the version can say all of x.
func (v Version) Supports(x Caps) bool { return v < numVersions && table[v].Caps.Has(x) }

// MarshalText writes the version's name.
func (v Version) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads what ParseVersion reads.
func (v *Version) UnmarshalText(p []byte) (err error) {
	*v, err = ParseVersion(string(p))
	return err
}

// ParseVersion reads a name or an alias: "hixie-76", "hybi-00", "8", "13",
// "rfc6455". Case does not matter.
func ParseVersion(s string) (Version, error) {
	l := strings.ToLower(strings.TrimSpace(s))
	for v := Hixie75; v < numVersions; v++ {
		if table[v].Name == l || slices.Contains(table[v].Aliases, l) {
			return v, nil
		}
	}
	return Unknown, fmt.Errorf("draftwire: unknown version %q; known are %s", s, AllVersions)
}

// VersionByHeader returns the version whose Sec-WebSocket-Version value is s, or
// Unknown.
func VersionByHeader(s string) Version {
	for v := RFC6455; v > Unknown; v-- {
		if h := table[v].HeaderValue; h != "" && h == s {
			return v
		}
	}
	return Unknown
}

// Versions is a set of versions. The zero value is the empty set.
type Versions uint16

// Two sets.
const (
	// AllVersions holds every version of the table.
	AllVersions = Versions(1<<numVersions-1) &^ 1
	// ModernVersions holds the versions whose frames are RFC 6455 frames: hybi-07,
	// hybi-08 and rfc6455. Their clients mask what they send, so that a page
	// cannot choose the bytes that a proxy sees (RFC 6455 10.3).
	ModernVersions = Versions(1<<Hybi07 | 1<<Hybi08 | 1<<RFC6455)
)

// VersionsOf returns the set of vs.
func VersionsOf(vs ...Version) Versions {
	var s Versions
	for _, v := range vs {
		s = s.With(v)
	}
	return s
}

// Has reports whether v is in s.
func (s Versions) Has(v Version) bool { return v != Unknown && s&(1<<v) != 0 }

// With returns s and v.
func (s Versions) With(v Version) Versions { return (s | 1<<v) & AllVersions }

// Without returns s without v.
func (s Versions) Without(v Version) Versions { return s &^ (1 << v) }

// Len returns the number of versions in s.
func (s Versions) Len() int { return bits.OnesCount16(uint16(s)) }

// List returns the versions in s, oldest first.
func (s Versions) List() []Version {
	var out []Version
	for v := Hixie75; v < numVersions; v++ {
		if s.Has(v) {
			out = append(out, v)
		}
	}
	return out
}

// String returns the names, oldest first, joined by commas.
func (s Versions) String() string {
	var names []string
	for _, v := range s.List() {
		names = append(names, v.String())
	}
	return strings.Join(names, ",")
}

// HeaderValue returns the value of Sec-WebSocket-Version for a refusal: the numbers of the
// versions in s, newest first, as "13, 8, 7" (RFC 6455 4.4). Versions without a number are
// left out.
func (s Versions) HeaderValue() string {
	var nums []string
	for _, v := range slices.Backward(s.List()) {
		if h := table[v].HeaderValue; h != "" {
			nums = append(nums, h)
		}
	}
	return strings.Join(nums, ", ")
}

// ParseVersions reads a set: names joined by commas, of which "all" and "modern" are sets
// within served, and a name behind "-" is removed. A list that begins with "-" begins with
// all. So "all", "modern", "rfc6455,hixie-76", "-hixie-75" and "modern,-hybi-07" are sets.
// A version outside served is an error, and so is an empty set.
func ParseVersions(s string, served Versions) (Versions, error) {
	var set Versions
	for i, f := range strings.Split(s, ",") {
		f = strings.TrimSpace(f)
		name, minus := strings.CutPrefix(f, "-")
		var x Versions
		switch strings.ToLower(name) {
		case "":
			if f == "" && s != "" {
				continue
			}
			return 0, fmt.Errorf("draftwire: no version in %q", s)
		case "all":
			x = served
		case "modern":
			x = ModernVersions & served
		default:
			v, err := ParseVersion(name)
			if err != nil {
				return 0, err
			}
			if !served.Has(v) {
				return 0, fmt.Errorf("draftwire: version %s is not served; served are %s", v, served)
			}
			x = VersionsOf(v)
		}
		switch {
		case minus && i == 0:
			set = served &^ x
		case minus:
			set &^= x
		default:
			set |= x
		}
	}
	if set == 0 {
		return 0, fmt.Errorf("draftwire: %q leaves no version to serve", s)
	}
	return set, nil
}
