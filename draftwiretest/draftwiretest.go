// Package draftwiretest helps programs that test what they give to package draftwire, for
// example their AcceptOptions.Authorize, without a connection.
package draftwiretest

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/wire"
)

// NewRequest returns the request of a client that dials rawURL with the options o, as
// net/http gives it to a server. nil options are an RFC 6455 client. The request has the
// address 192.0.2.1:1234 and, for a wss URL, a TLS state, as one of httptest.NewRequest has;
// a test may change both, and the header.
//
// NewRequest panics where Dial would fail before it sends anything. It does not use the
// NetDial, TLS, Fallback and Observer of o.
func NewRequest(rawURL string, o *draftwire.DialOptions) *http.Request {
	var d draftwire.DialOptions
	if o != nil {
		d = *o
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		panic(err)
	}
	secure := u.Scheme == "wss" || u.Scheme == "https"
	if secure {
		u.Scheme = "http" // what a client sends is the same within TLS, but for its own origin
		if d.Origin == "" && d.Version.Supports(wire.CapOrigin) {
			d.Origin = "https://" + u.Host
		}
	}
	r := sent(u.String(), &d)
	r.RemoteAddr = "192.0.2.1:1234"
	if secure {
		r.TLS = &tls.ConnectionState{Version: tls.VersionTLS12, HandshakeComplete: true, ServerName: u.Hostname()}
	}
	return r
}

// sent returns the request that Dial sends.
func sent(rawURL string, d *draftwire.DialOptions) *http.Request {
	client, server := net.Pipe()
	d.NetDial = func(context.Context, string, string) (net.Conn, error) { return client, nil }
	d.Fallback, d.Observer = nil, nil
	dialled := make(chan error, 1)
	go func() {
		_, _, err := draftwire.Dial(context.Background(), rawURL, d)
		client.Close()
		dialled <- err
	}()
	r, err := http.ReadRequest(bufio.NewReader(server))
	server.Close()
	if why := <-dialled; err != nil {
		panic(why)
	}
	return r
}

var errAsked = errors.New("draftwiretest: asked")

// NewHandshake returns the Handshake that Authorize gets for the request r, on a server of
// all versions that takes any origin and any subprotocol. It panics where such a server
// refuses r before it asks Authorize.
func NewHandshake(r *http.Request) *draftwire.Handshake {
	var h *draftwire.Handshake
	_, err := draftwire.Accept(httptest.NewRecorder(), r, &draftwire.AcceptOptions{
		Versions: draftwire.AllVersions, Origins: []string{"*"}, Protocols: []string{"*"},
		Authorize: func(got *draftwire.Handshake, _ *draftwire.Answer) error {
			h = got
			return errAsked
		},
	})
	if h == nil {
		panic(err)
	}
	return h
}
