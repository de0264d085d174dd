package main

import (
	"context"
	"net"
	"strings"

	"github.com/draftwire/draftwire"
)

func serveDraftwire(l net.Listener, o options) error {
	var room room[*draftwire.Conn]
	s := &draftwire.Server{
		Options: draftwire.AcceptOptions{
			Versions: draftwire.AllVersions,
			Limits:   draftwire.Limits{ReadLimit: maxMessage},

			DropHeads: o.lean,
		},
		WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
			if strings.HasPrefix(c.Handshake().Target(), roomPath) {
				room.join(c)
				defer room.leave(c)
				return shareDraftwire(ctx, c, &room)
			}
			return echoDraftwire(ctx, c)
		},
	}
	if o.events {
		s.WebSocket, s.Events = nil, eventsDraftwire(&room)
	}
	if o.deflate {
		s.Options.Compression = draftwire.Compression{Mode: draftwire.CompressAll}
	}
	return s.Serve(l)
}

// serveHandler is on net/http, with a call for each message, as programs of other libraries are.
func serveHandler(l net.Listener, _ options) error {
	echo := func(ctx context.Context, c *draftwire.Conn) error {
		for {
			op, p, err := c.Read(ctx)
			if err != nil {
				return err
			}
			if err := c.Write(ctx, op, p); err != nil {
				return err
			}
		}
	}
	return serveHTTP(l, draftwire.Handler(echo, &draftwire.AcceptOptions{
		Versions: draftwire.AllVersions, Limits: draftwire.Limits{ReadLimit: maxMessage},
	}).ServeHTTP)
}

func echoDraftwire(ctx context.Context, c *draftwire.Conn) error {
	return c.ReadLoop(ctx, func(op draftwire.Op, p []byte) error { return c.Write(ctx, op, p) })
}

// eventsDraftwire is the same without a goroutine for each connection.
func eventsDraftwire(room *room[*draftwire.Conn]) *draftwire.Events {
	inRoom := func(c *draftwire.Conn) bool { return strings.HasPrefix(c.Handshake().Target(), roomPath) }
	return &draftwire.Events{
		Open: func(c *draftwire.Conn) error {
			if inRoom(c) {
				room.join(c)
			}
			return nil
		},
		Message: func(c *draftwire.Conn, op draftwire.Op, p []byte) error {
			if !inRoom(c) {
				return c.Write(c.Context(), op, p)
			}
			m := draftwire.NewPreparedMessage(op, p)
			room.all(func(conns []*draftwire.Conn) { draftwire.Broadcast(m, conns, nil) })
			return nil
		},
		Closed: func(c *draftwire.Conn, _ error) {
			if inRoom(c) {
				room.leave(c)
			}
		},
	}
}

// shareDraftwire lends the message to all: everybody has it before the next read.
func shareDraftwire(ctx context.Context, c *draftwire.Conn, room *room[*draftwire.Conn]) error {
	for {
		op, p, err := c.ReadBorrowed(ctx)
		if err != nil {
			return err
		}
		m := draftwire.NewPreparedMessage(op, p)
		room.all(func(conns []*draftwire.Conn) { draftwire.Broadcast(m, conns, nil) })
	}
}
