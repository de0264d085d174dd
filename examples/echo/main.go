// Echo is the library example of README.md.
package main

import (
	"context"
	"log"

	"github.com/draftwire/draftwire"
)

func main() {
	l, err := draftwire.Listen("tcp", "127.0.0.1:8080")
	if err != nil {
		log.Fatal(err)
	}
	s := &draftwire.Server{
		Options: draftwire.AcceptOptions{Versions: draftwire.AllVersions},
		WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
			for m, err := range c.Messages(ctx) {
				if err != nil {
					return err
				}
				if err := c.Write(ctx, m.Op, m.Data); err != nil {
					return err
				}
			}
			return nil
		},
	}
	log.Fatal(s.Serve(l))
}
