package main

import (
	"context"
	"net"
	"net/http"

	"github.com/coder/websocket"
)

// serveCoder has no prepared message to broadcast with: it writes to each.
func serveCoder(l net.Listener, o options) error {
	opt := &websocket.AcceptOptions{CompressionMode: websocket.CompressionDisabled}
	if o.deflate {
		opt.CompressionMode = websocket.CompressionNoContextTakeover
	}
	var room room[*websocket.Conn]
	return serveHTTP(l, func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, opt)
		if err != nil {
			return
		}
		defer c.CloseNow()
		c.SetReadLimit(maxMessage)
		// The request's context is of no use once the connection is taken over.
		ctx := context.Background()
		share := r.URL.Path == roomPath
		if share {
			room.join(c)
			defer room.leave(c)
		}
		for {
			kind, p, err := c.Read(ctx)
			if err != nil {
				return
			}
			if share {
				room.each(func(c *websocket.Conn) error { return c.Write(ctx, kind, p) })
				continue
			}
			if err := c.Write(ctx, kind, p); err != nil {
				return
			}
		}
	})
}
