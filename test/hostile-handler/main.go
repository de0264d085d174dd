// Hostile-handler is a server that leaves WebSocket to draftwire.Handler, behind net/http,
// in clear and over TLS on one port, for test/hostile: it echoes, and has a page.
//
//	hostile-handler HOST:PORT CERT KEY
package main

import (
	"context"
	"crypto/tls"
	"log"
	"net/http"
	"os"

	"github.com/draftwire/draftwire"
)

func main() {
	if len(os.Args) != 4 {
		log.Fatal("usage: hostile-handler HOST:PORT CERT KEY")
	}
	cert, err := tls.LoadX509KeyPair(os.Args[2], os.Args[3])
	if err != nil {
		log.Fatal(err)
	}
	l, err := draftwire.Listen("tcp", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	// Without its field WebSocket the Server hands every request to net/http.
	s := &draftwire.Server{Handler: page(echo()), TLS: &tls.Config{Certificates: []tls.Certificate{cert}}}
	log.Fatal(s.Serve(l))
}

func echo() http.Handler {
	return draftwire.Handler(func(ctx context.Context, c *draftwire.Conn) error {
		for m, err := range c.Messages(ctx) {
			if err != nil {
				return err
			}
			if err := c.Write(ctx, m.Op, m.Data); err != nil {
				return err
			}
		}
		return nil
	}, &draftwire.AcceptOptions{Versions: draftwire.AllVersions})
}

// page answers what asks for a page, and passes on what asks for an upgrade or a tunnel.
func page(other http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodConnect || r.Header.Get("Upgrade") != "":
			other.ServeHTTP(w, r)
		case r.Method == http.MethodGet || r.Method == http.MethodHead:
			w.Write([]byte("a page\n"))
		default:
			http.Error(w, "pages are for GET", http.StatusMethodNotAllowed)
		}
	})
}
