// Package inside lets other packages of this module have what the root package keeps to
// itself. The root package sets its variables; types of floors above are passed as any.
package inside

import (
	"net"
	"net/http"
	"net/url"

	"github.com/draftwire/draftwire/internal/session"
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

// Open is draftwire.Open, with options of type *draftwire.DialOptions, which also gives the
// head of the last answer, "" where there is none, and of a refusal the bytes that came
// behind it.
var Open func(nc net.Conn, u *url.URL, options any) (conn any, head string, rest []byte, err error)
