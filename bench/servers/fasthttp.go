package main

import (
	"net"

	"github.com/fasthttp/websocket"
	"github.com/valyala/fasthttp"
)

func serveFasthttp(l net.Listener, o options) error {
	upgrader := websocket.FastHTTPUpgrader{EnableCompression: o.deflate}
	echo := func(c *websocket.Conn) {
		c.SetReadLimit(maxMessage)
		if o.deflate {
			_ = c.SetCompressionLevel(1)
		}
		for {
			kind, p, err := c.ReadMessage()
			if err != nil {
				return
			}
			if err := c.WriteMessage(kind, p); err != nil {
				return
			}
		}
	}
	s := &fasthttp.Server{Handler: func(ctx *fasthttp.RequestCtx) {
		_ = upgrader.Upgrade(ctx, echo) // a refusal is its answer
	}}
	return s.Serve(l)
}
