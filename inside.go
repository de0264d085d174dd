package draftwire

import (
	"bytes"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/internal/inside"
	"github.com/draftwire/draftwire/internal/session"
	"github.com/draftwire/draftwire/internal/sock"
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
	inside.Authorize = func(server, f any) {
		server.(*Server).authorize = f.(func(*Handshake, *Answer, *sock.Socket, func(func() error)))
	}
	inside.Ask = ask
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

// ask begins open, up to the wait for the answer: see inside.Ask.
func ask(nc net.Conn, u *url.URL, options any) (inside.Asked, error) {
	d, err := options.(*DialOptions).ready()
	if err != nil {
		return nil, err
	}
	draft, _ := draftOf(d.Version) // Check has found it
	offer, err := d.offer(u, d.Version)
	if err != nil {
		return nil, err
	}
	q := &question{d: d, nc: nc, draft: draft, offer: offer, began: time.Now()}
	if err := q.ask(); err != nil {
		q.forget()
		return nil, d.failed(nc, d.Version, err)
	}
	return q, nil
}

// Turn implements inside.Asked.
func (q *question) Turn(turn any) (whole bool, err error) {
	if _, err := q.src.BeginTurn(turn.(*sock.Turn)); err != nil {
		return false, err
	}
	return isLastAnswer(q.src.Bytes()), nil
}

// isLastAnswer reports whether p begins with the whole head of an answer that no other one follows.
func isLastAnswer(p []byte) bool {
	const status = len("HTTP/1.1 ")
	return len(p) > status+3 && (p[status] != '1' || string(p[status:status+3]) == "101") && httphead.End(p, 0) >= 0
}

// Buffered implements inside.Asked.
func (q *question) Buffered() int { return q.src.Buffered() }

// EndTurn implements inside.Asked.
func (q *question) EndTurn(turn any) {
	if q.conn != nil {
		q.conn.c.EndTurn(turn.(*sock.Turn))
	} else if q.src != nil {
		q.src.EndTurn(turn.(*sock.Turn))
	}
}

// Answered implements inside.Asked.
func (q *question) Answered(fault error) (conn any, answer wire.Fields, err error) {
	defer q.forget()
	resp := wire.Response{Tolerate: q.d.Tolerate}
	var c *Conn
	if err = fault; err == nil {
		c, _, err = q.answered(&resp)
		q.conn = c
	}
	if err != nil {
		return nil, resp.Fields, q.d.failed(q.nc, q.d.Version, err)
	}
	return c, resp.Fields, nil
}
