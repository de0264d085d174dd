package main

import (
	"bytes"
	"context"
	"errors"
	"math"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/cmd/draftwire/internal/console"
	"github.com/draftwire/draftwire/hub"
)

// Paths with a meaning of their own, in every mode.
const (
	closePath     = "/close"
	broadcastPath = "/broadcast"
	deflatePath   = "/deflate" // echo, with compression
	pagePath      = "/_page"   // what the page of GET / connects to
)

// service handles the connections of serve.
type service struct {
	journal   *journal
	hub       *hub.Hub         // a room for each path
	far       bool             // what carries its messages is not the memory of this process
	broadcast bool             // on every path
	console   *console.Console // nil: none
	addresses []string         // of the listeners
	start     time.Time
	clock     atomic.Uint32    // seconds since the start, counted from 1
	lastID    atomic.Uint64    // of a connection
	ended     [2]atomic.Uint64 // messages from and to clients of connections that have ended
}

func newService(j *journal, broadcast bool, b *broker) *service {
	s := &service{journal: j, broadcast: broadcast, far: b.nats != nil, start: time.Now()}
	s.hub = hub.New(&hub.Options{
		// What is sent is limited as it is read, and a room's name with the request.
		Broker: b, Message: math.MaxInt, Name: math.MaxInt, Lag: hub.Disconnect,
		Unsupported: func(c *draftwire.Conn, _ string, n uint64) error { j.visit(c).dropped.Add(n); return nil },
		TooSlow:     func(c *draftwire.Conn, _ string) { j.visit(c).because("too slow") },
	})
	s.clock.Store(1)
	s.lastID.Store(uint64(s.start.UnixMilli()) << 20) // so that no number is that of a connection of an earlier run
	return s
}

// splitTarget separates the path and the query.
func splitTarget(h *draftwire.Handshake) (path, query string) {
	path, query, _ = strings.Cut(h.Target(), "?")
	return path, query
}

// events are the functions of serve.
func (s *service) events() *draftwire.Events {
	return &draftwire.Events{Open: s.open, Message: s.message, Closed: s.closed}
}

// open does what the path of a new connection asks for.
func (s *service) open(c *draftwire.Conn) error {
	path, query := splitTarget(c.Handshake())
	switch {
	case path == closePath:
		return closeAsAsked(c, query)
	case s.inRoom(c) && s.far:
		c.Go(func(_ context.Context, c *draftwire.Conn) error { s.join(c, path); return nil })
	case s.inRoom(c):
		s.join(c, path)
	}
	if path == pagePath {
		return s.greet(c, query)
	}
	return nil
}

// join makes a connection a member of a room.
func (s *service) join(c *draftwire.Conn, path string) {
	_, err := s.hub.Join(c.Context(), c, path, hub.JoinOptions{})
	if err != nil && c.Context().Err() == nil {
		s.unable(c, err)
	}
}

// unable closes a connection for which the hub cannot do what it asks for now.
func (s *service) unable(c *draftwire.Conn, err error) {
	code, why := draftwire.CodeTryLater, whyNot(err)
	if errors.Is(err, hub.ErrTooLarge) {
		code = draftwire.CodeTooBig
	}
	s.journal.visit(c).because(why)
	c.Close(code, why)
}

// publish sends a message to all of a room.
func (s *service) publish(c *draftwire.Conn, path string, op draftwire.Op, p []byte) {
	_, err := s.hub.Publish(c.Context(), path, op, p)
	if err != nil && c.Context().Err() == nil {
		s.unable(c, err)
	}
}

// message sends a message back, or to all of its room.
func (s *service) message(c *draftwire.Conn, op draftwire.Op, p []byte) error {
	if v, ok := c.Handshake().Value().(*served); ok {
		v.said(s.clock.Load())
	}
	if !s.inRoom(c) {
		return c.Write(c.Context(), op, p)
	}
	path, _ := splitTarget(c.Handshake())
	p = bytes.Clone(p)
	if s.far { // which takes its time
		c.Go(func(_ context.Context, c *draftwire.Conn) error { s.publish(c, path, op, p); return nil })
	} else {
		s.publish(c, path, op, p)
	}
	return nil
}

func (s *service) closed(c *draftwire.Conn, _ error) {
	n := c.Stats()
	s.ended[0].Add(n.MessagesIn)
	s.ended[1].Add(n.MessagesOut)
	if s.inRoom(c) {
		s.hub.LeaveAll(c)
	}
}

// inRoom reports whether a connection is a member of a room. It is asked for each message.
func (s *service) inRoom(c *draftwire.Conn) bool {
	target := c.Handshake().Target()
	if !s.broadcast && !strings.HasPrefix(target, broadcastPath) {
		return false
	}
	path, _ := splitTarget(c.Handshake())
	switch path {
	case closePath, deflatePath:
		return false
	case broadcastPath:
		return true
	}
	return s.broadcast
}

// echo sends every message back until the connection ends, and returns how that was.
func echo(ctx context.Context, c *draftwire.Conn) error {
	return c.ReadLoop(ctx, func(op draftwire.Op, p []byte) error { return c.Write(ctx, op, p) })
}

// closeAsAsked closes with the code and reason of the query: without a code
// with 1000, with 1005 for a close frame without code, with 1006 by cutting the
// connection. For a code that must not be sent it closes with 1008.
func closeAsAsked(c *draftwire.Conn, query string) error {
	q, _ := url.ParseQuery(query) // an error leaves what could be read
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
