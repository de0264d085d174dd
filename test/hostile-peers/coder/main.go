// Command coder is an echo server on coder/websocket: RFC 6455.
// usage: coder HOST:PORT
package main

import (
	"log"
	"net/http"
	"os"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"
)

const mostBytes = 1 << 20

func main() {
	server := http.Server{Addr: os.Args[1], Handler: http.HandlerFunc(echo), ReadHeaderTimeout: 5 * time.Second}
	log.Fatal(server.ListenAndServe())
}

func echo(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		InsecureSkipVerify: true, // every origin may come
		CompressionMode:    websocket.CompressionContextTakeover,
	})
	if err != nil {
		return // Accept has answered.
	}
	defer c.CloseNow()
	c.SetReadLimit(mostBytes)
	for {
		kind, message, err := c.Read(r.Context())
		if err != nil {
			return
		}
		// The library leaves it to the application to look at text.
		if kind == websocket.MessageText && !utf8.Valid(message) {
			c.Close(websocket.StatusInvalidFramePayloadData, "")
			return
		}
		if err := c.Write(r.Context(), kind, message); err != nil {
			return
		}
	}
}
