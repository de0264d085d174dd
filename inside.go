package draftwire

import (
	"bytes"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/draftwire/draftwire/internal/inside"
	"github.com/draftwire/draftwire/internal/session"
	"github.com/draftwire/draftwire/wire"
)

// What other packages of this module may have of this one.
func init() {
	inside.Engine = func(conn any) any { return &conn.(*Conn).c }
	inside.OnRun = func(events any, f func(conn any, p []byte, run *session.Run) bool) {
		events.(*Events).run = func(c *Conn, p []byte, run *session.Run) bool { return f(c, p, run) }
	}
	inside.Compile = func(options any) any { return &Upgrader{compile(options.(*AcceptOptions))} }
	inside.Accept = func(u any, w http.ResponseWriter, r *http.Request, authorize any) (any, error) {
		return u.(*Upgrader).acceptWith(w, r, authorize.(func(*Handshake, *Answer) error))
	}
	inside.Open = func(nc net.Conn, u *url.URL, options any) (any, string, []byte, error) {
		c, resp, rest, err := open(nc, u, options.(*DialOptions))
		if err != nil {
			return nil, resp.Raw, rest, err
		}
		return c, resp.Raw, nil, nil
	}
}

// open is Open with the whole of the answer; of a refusal rest is what came behind its head.
func open(nc net.Conn, u *url.URL, o *DialOptions) (c *Conn, resp wire.Response, rest []byte, err error) {
	d, err := o.ready()
	if err != nil {
		return nil, resp, nil, err
	}
	draft, _ := draftOf(d.Version) // Check has found it
	offer, err := d.offer(u, d.Version)
	if err != nil {
		return nil, resp, nil, err
	}
	resp.Tolerate = d.Tolerate
	c, src, err := d.handshake(nc, draft, offer, time.Now(), &resp)
	if err != nil {
		if src != nil {
			rest = bytes.Clone(src.Bytes())
		}
		return nil, resp, rest, d.failed(nc, d.Version, err)
	}
	return c, resp, nil, nil
}
