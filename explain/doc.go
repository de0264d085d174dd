// Package explain says why a handshake or a connection has failed: the first rule that was
// broken, with its section, what probably broke it (the device, a proxy, TLS, a setting, the
// server behind), what would mend or admit it, and how sure that is.
//
// An Explainer is a capture.Sink, so it takes all that package inspect takes: captures, dumps,
// pasted heads. Line explains a line of the gateway's log, and Message one that a browser has
// written to its console. What it knows of browsers is that of package browsers, what it knows of rules that of
// package inspect; Causes is what it adds: which fault comes from where, and what to do.
//
// Of a connection that works it says so. Where it cannot tell it says that, too: a cause that is
// certain follows from the bytes alone.
package explain

import (
	"fmt"

	"github.com/draftwire/draftwire/browsers"
)

// Result is how a connection went.
type Result string

// The results.
const (
	Works   Result = "works"   // nothing is wrong with it, as far as it goes
	Fails   Result = "fails"   // it fails, and the explanation has a cause
	Unclear Result = "unclear" // it cannot be told whether it fails, or why
)

// Sure is how sure an explanation is.
type Sure uint8

// How sure, most sure first.
const (
	Certain  Sure = iota // it follows from the bytes
	Probable             // it is what usually stands behind such bytes
	Possible             // it is one of several things that would explain them
)

var sureNames = [...]string{"certain", "probable", "possible"}

// String returns the name in lower case.
func (s Sure) String() string {
	if int(s) < len(sureNames) {
		return sureNames[s]
	}
	return "invalid"
}

// MarshalText writes the name.
func (s Sure) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a name.
func (s *Sure) UnmarshalText(p []byte) error {
	for i, name := range sureNames {
		if name == string(p) {
			*s = Sure(i)
			return nil
		}
	}
	return fmt.Errorf("explain: %q is none of certain, probable, possible", p)
}

// Culprit is what has to be looked at.
type Culprit string

// The culprits.
const (
	Device        Culprit = "device"        // the client: a device, a browser, a library
	Proxy         Culprit = "proxy"         // what stands between: a proxy, a balancer, a firewall
	TLS           Culprit = "tls"           // certificates, versions and ciphers
	Configuration Culprit = "configuration" // a setting of the server or of the gateway
	Backend       Culprit = "backend"       // the server's program
	Network       Culprit = "network"       // lost connections
	Nobody        Culprit = ""              // nothing tells
)

// Cure is something that mends the fault, or admits it.
type Cure struct {
	// Where is the program that has the setting: "gateway.yaml", "nginx", "HAProxy"; "" where
	// something is to be done elsewhere.
	Where string `json:"where,omitempty"`
	Set   string `json:"set,omitempty"` // the setting, as it is written there
	Says  string `json:"says"`
}

// Evidence is a part of the input.
type Evidence struct {
	From   string `json:"from,omitempty"`   // "client" or "server"; "" for none of them
	Offset int64  `json:"offset,omitempty"` // in its direction
	Text   string `json:"text"`
}

// Explanation says how a connection went, and why.
type Explanation struct {
	Conn   int    `json:"conn,omitempty"` // its number in the input
	Client string `json:"client,omitempty"`
	Server string `json:"server,omitempty"`
	Draft  string `json:"draft,omitempty"` // the version, by its name, as far as it is known
	Result Result `json:"result"`
	Cause  string `json:"cause,omitempty"` // the name of a Cause
	Says   string `json:"says"`
	// Rule is the first rule that was broken, in words, and Section where it stands; both are
	// empty where no rule was broken, but something went wrong all the same.
	Rule        string  `json:"rule,omitempty"`
	Section     string  `json:"section,omitempty"`
	Sure        Sure    `json:"sure"` // that this is the cause
	Culprit     Culprit `json:"culprit,omitempty"`
	CulpritSure Sure    `json:"culprit_sure"`
	Who         string  `json:"who,omitempty"` // which programs are known for it
	Cures       []Cure  `json:"cures,omitempty"`

	Evidence []Evidence `json:"evidence,omitempty"`
	// Browsers is what browsers of the version make of the answer, where that is a 101 and the request is there.
	Browsers []browsers.Verdict `json:"browsers,omitempty"`
	// Also are further rules that were broken, and did not cause the failure.
	Also []string `json:"also,omitempty"`
}

// Options say how connections are explained. The zero value is ready to use.
type Options struct {
	// Secure: the client's URL was wss, though the bytes are not TLS any more.
	Secure bool
	// As is the browser that the client was, or is to be; nil finds it by the request.
	As *browsers.Browser
}
