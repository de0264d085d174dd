// Package inside lets other packages of this module have what the root package keeps to
// itself. The root package sets its variables; types of floors above are passed as any.
package inside

import (
	"net"
	"net/http"
	"net/url"

	"github.com/draftwire/draftwire/internal/session"
	"github.com/draftwire/draftwire/wire"
)

// Engine returns the *wsconn.Conn of a *draftwire.Conn.
var Engine func(conn any) any

// OnRun makes f the function that a *draftwire.Events calls in place of Part for messages that have come
// whole, on connections of which Forward of the engine was called: see wsconn.Hooks.
var OnRun func(events any, f func(conn any, p []byte, run *session.Run) bool)

// Compile is draftwire.NewUpgrader, with options of type *draftwire.AcceptOptions. Where they
// cannot be used, it is Accept that says so.
var Compile func(options any) (upgrader any)

// Accept is the Accept of a *draftwire.Upgrader with an Authorize for this call alone, of the type of
// that field.
var Accept func(upgrader any, w http.ResponseWriter, r *http.Request, authorize any) (conn any, err error)

// Authorize makes a *draftwire.Server call f, in place of Authorize of its options, where a loop has
// read a request, and so must not wait. f is of the type
//
//	func(h *draftwire.Handshake, a *draftwire.Answer, client *sock.Socket, then func(ask func() error))
//
// and calls then once: at once, or later, from the goroutine of the client's loop or from one that may
// wait. then calls ask, whose error is that of Authorize, and goes on with the handshake.
var Authorize func(server, f any)

// Asked is the opening handshake of a client whose request was sent. It is for one goroutine at a time.
type Asked interface {
	// Turn reads in a *sock.Turn, before which nothing was read. It reports whether that is
	// all that Answered needs, which does not wait then.
	Turn(turn any) (whole bool, err error)
	// Buffered is how many bytes were read.
	Buffered() int
	// EndTurn gives the turn back its buffer.
	EndTurn(turn any)
	// Answered reads the rest of the answer, unless fault says that it does not come, and returns the
	// *draftwire.Conn and the fields of the answer.
	Answered(fault error) (conn any, answer wire.Fields, err error)
}

// Ask begins draftwire.Open, with options of type *draftwire.DialOptions, up to the wait for the answer.
// Behind an error nothing of it remains.
var Ask func(nc net.Conn, u *url.URL, options any) (Asked, error)

// Open is draftwire.Open, with options of type *draftwire.DialOptions, which also gives the
// head of the last answer, "" where there is none, and of a refusal the bytes that came
// behind it.
var Open func(nc net.Conn, u *url.URL, options any) (conn any, head string, rest []byte, err error)
