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
			Versions: draftwire.Every,
			Limits:   draftwire.Limits{ReadLimit: maxMessage},

			DropHeads: o.lean,
		},
		WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
			if strings.HasPrefix(c.Handshake().Target, roomPath) {
				room.join(c)
				defer room.leave(c)
				return shareDraftwire(ctx, c, &room)
			}
			return echoDraftwire(ctx, c)
		},
	}
	if o.deflate {
		s.Options.Compression = draftwire.Compression{Mode: draftwire.CompressAll}
	}
	return s.Serve(l)
}

func echoDraftwire(ctx context.Context, c *draftwire.Conn) error {
	return c.ReadLoop(ctx, func(op draftwire.Op, p []byte) error { return c.Write(ctx, op, p) })
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
