package main

import (
	"net"
	"net/http"

	dropin "github.com/draftwire/draftwire/compat/gorilla"
	"github.com/gorilla/websocket"
)

// gorillaConn is a connection of gorilla, or of the package that has its API. PM is its type of
// prepared messages.
type gorillaConn[PM any] interface {
	comparable
	ReadMessage() (messageType int, p []byte, err error)
	WriteMessage(messageType int, data []byte) error
	WritePreparedMessage(m PM) error
	SetReadLimit(limit int64)
	SetCompressionLevel(level int) error
	Close() error
}

func serveGorilla(l net.Listener, o options) error {
	upgrader := websocket.Upgrader{EnableCompression: o.deflate}
	return serveAsGorilla(l, o, upgrader.Upgrade, websocket.NewPreparedMessage)
}

// serveDropin is the same program with the import replaced.
func serveDropin(l net.Listener, o options) error {
	upgrader := dropin.Upgrader{EnableCompression: o.deflate}
	return serveAsGorilla(l, o, upgrader.Upgrade, dropin.NewPreparedMessage)
}

func serveAsGorilla[C gorillaConn[PM], PM any](l net.Listener, o options, upgrade func(http.ResponseWriter, *http.Request, http.Header) (C, error), prepare func(int, []byte) (PM, error)) error {
	var room room[C]
	return serveHTTP(l, func(w http.ResponseWriter, r *http.Request) {
		c, err := upgrade(w, r, nil)
		if err != nil {
			return
		}
		c.SetReadLimit(maxMessage)
		if o.deflate {
			_ = c.SetCompressionLevel(1)
		}
		switch {
		case r.URL.Path == roomPath:
			defer c.Close()
			room.join(c)
			defer room.leave(c)
			shareGorilla(c, &room, prepare)
		case o.apart:
			go echoGorilla(c)
		default:
			echoGorilla(c)
		}
	})
}

func echoGorilla[C gorillaConn[PM], PM any](c C) {
	defer c.Close()
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

func shareGorilla[C gorillaConn[PM], PM any](c C, room *room[C], prepare func(int, []byte) (PM, error)) {
	for {
		kind, p, err := c.ReadMessage()
		if err != nil {
			return
		}
		m, err := prepare(kind, p)
		if err != nil {
			return
		}
		room.each(func(c C) error { return c.WritePreparedMessage(m) })
	}
}
