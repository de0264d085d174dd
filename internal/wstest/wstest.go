// Package wstest is what the tests of a connection and of a server share: servers that
// end with their test, clients of this module and clients that are bytes written by hand,
// and what is sent, awaited and measured with them.
//
// Connections are opened in few ways, which differ in kind:
//
//	Serve, Dial, Pair   a server in memory; a client of this module; both ends of a connection
//	ServeTLS            a server over TLS in memory
//	NewPeer             in memory, a client whose bytes the test writes
//	ServeOver           a server over a Network: memory, TCP, TLS; its sockets are for the test
//	TCPPeers            over TCP, clients whose bytes the test writes
//
// What is in memory works in a bubble of testing/synctest.
package wstest

import (
	"testing"
	"testing/synctest"

	"github.com/draftwire/draftwire"
)

// EachVersion runs a test for each version that is served, in a bubble of fake time.
func EachVersion(t *testing.T, f func(t *testing.T, v draftwire.Version)) {
	for _, v := range draftwire.ServedVersions().List() {
		t.Run(v.String(), func(t *testing.T) { synctest.Test(t, func(t *testing.T) { f(t, v) }) })
	}
}

// Options are those of a server that takes all comers.
func Options() draftwire.AcceptOptions {
	return draftwire.AcceptOptions{Versions: draftwire.AllVersions, Origins: []string{"*"}, Protocols: []string{"sample", "chat"}}
}

// The kinds of compression that tests ask for.
var (
	Deflate         = draftwire.Compression{Mode: draftwire.CompressAll}
	DeflateTakeover = draftwire.Compression{Mode: draftwire.CompressAll, Takeover: true}
	DeflateLarge    = draftwire.Compression{Mode: draftwire.CompressLarge}
)

// Compressions are the kinds that a version has, none among them.
func Compressions(v draftwire.Version) []draftwire.Compression {
	if v.Supports(draftwire.CapDeflate) {
		return []draftwire.Compression{{}, Deflate}
	}
	return []draftwire.Compression{{}}
}
