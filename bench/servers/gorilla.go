package main

import (
	"net"
	"net/http"

	"github.com/gorilla/websocket"
)

func serveGorilla(l net.Listener, o options) error {
	upgrader := websocket.Upgrader{EnableCompression: o.deflate}
	var room room[*websocket.Conn]
	return serveHTTP(l, func(w http.ResponseWriter, r *http.Request) {
		c, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer c.Close()
		c.SetReadLimit(maxMessage)
		if o.deflate {
			_ = c.SetCompressionLevel(1)
		}
		if r.URL.Path == roomPath {
			room.join(c)
			defer room.leave(c)
			shareGorilla(c, &room)
			return
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
	})
}

func shareGorilla(c *websocket.Conn, room *room[*websocket.Conn]) {
	for {
		kind, p, err := c.ReadMessage()
		if err != nil {
			return
		}
		m, err := websocket.NewPreparedMessage(kind, p)
		if err != nil {
			return
		}
		room.each(func(c *websocket.Conn) error { return c.WritePreparedMessage(m) })
	}
}
