// Command gorilla is an echo server on gorilla/websocket: RFC 6455.
// usage: gorilla HOST:PORT
package main

import (
	"log"
	"net/http"
	"os"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"
)

const mostBytes = 1 << 20

var upgrader = websocket.Upgrader{
	HandshakeTimeout:  5 * time.Second,
	EnableCompression: true,
	CheckOrigin:       func(*http.Request) bool { return true },
}

func main() {
	server := http.Server{Addr: os.Args[1], Handler: http.HandlerFunc(echo), ReadHeaderTimeout: 5 * time.Second}
	log.Fatal(server.ListenAndServe())
}

func echo(w http.ResponseWriter, r *http.Request) {
	c, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // Upgrade has answered.
	}
	defer c.Close()
	c.SetReadLimit(mostBytes)
	for {
		kind, message, err := c.ReadMessage()
		if err != nil {
			return
		}
		// The library leaves it to the application to look at text.
		if kind == websocket.TextMessage && !utf8.Valid(message) {
			c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseInvalidFramePayloadData, ""), time.Now().Add(time.Second))
			return
		}
		if err := c.WriteMessage(kind, message); err != nil {
			return
		}
	}
}
