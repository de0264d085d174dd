package main

import (
	"context"
	"net/url"
	"strconv"
	"strings"

	"github.com/draftwire/draftwire"
)

// Paths with a meaning of their own, in every mode.
const (
	closePath     = "/close"
	broadcastPath = "/broadcast"
	deflatePath   = "/deflate" // echo, with compression
	pagePath      = "/_page"   // what the page of GET / connects to
)

// service is what a connection gets.
type service struct {
	journal   *journal
	rooms     rooms
	broadcast bool // on every path
}

// splitTarget parts the path from the query.
func splitTarget(h *draftwire.Handshake) (path, query string) {
	path, query, _ = strings.Cut(h.Target, "?")
	return path, query
}

// serve owns a connection until it returns.
func (s *service) serve(ctx context.Context, c *draftwire.Conn) error {
	path, query := splitTarget(c.Handshake())
	switch path {
	case closePath:
		return closeAsAsked(c, query)
	case deflatePath:
		return echo(ctx, c)
	case pagePath:
		// The page cannot know which version its browser speaks: tell it.
		if err := c.Write(ctx, draftwire.OpText, []byte("version "+c.Version().String())); err != nil {
			return err
		}
	}
	if s.broadcast || path == broadcastPath {
		return s.rooms.serve(ctx, c, path, s.journal.visit(c))
	}
	return echo(ctx, c)
}

// echo sends every message back until the connection ends: nil is an end in
// order.
func echo(ctx context.Context, c *draftwire.Conn) error {
	for m, err := range c.Messages(ctx) {
		if err != nil {
			return err
		}
		if err := c.Write(ctx, m.Op, m.Data); err != nil {
			return err
		}
	}
	return nil
}

// closeAsAsked closes with the code and reason of the query: without a code
// with 1000, with 1005 for a close frame without code, with 1006 by cutting the
// connection. A code that must not be sent is told so with 1008.
func closeAsAsked(c *draftwire.Conn, query string) error {
	q, _ := url.ParseQuery(query) // what can be read of it
	code, reason := draftwire.CodeNormal, q.Get("reason")
	if s := q.Get("code"); s != "" {
		n, err := strconv.ParseUint(s, 10, 16)
		code = draftwire.CloseCode(n)
		switch {
		case err == nil && code == draftwire.CodeAbnormal:
			return c.CloseNow()
		case err != nil || !code.OnWire() && code != draftwire.CodeNoStatus:
			code, reason = draftwire.CodePolicy, "this code cannot be sent"
		}
	}
	c.Close(code, strings.ToValidUTF8(reason, "?")) // its failure is the connection's end, which is logged
	return nil
}
