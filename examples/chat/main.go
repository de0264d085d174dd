// Chat is a chat server, written twice: for gorilla/websocket, and by this library's own API.
//
//	go run ./examples/chat [-gorilla]
//
// Every message goes to everybody, on ws://127.0.0.1:8080/.
package main

import (
	"flag"
	"log"
	"net/http"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/examples/chat/after"
	"github.com/draftwire/draftwire/examples/chat/before"
)

func main() {
	gorilla := flag.Bool("gorilla", false, "the one that is written for gorilla/websocket")
	flag.Parse()
	l, err := draftwire.Listen("tcp", "127.0.0.1:8080")
	if err != nil {
		log.Fatal(err)
	}
	if *gorilla {
		log.Fatal(http.Serve(l, before.New()))
	}
	log.Fatal(after.New().Serve(l))
}
