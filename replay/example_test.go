package replay_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/recording"
	"github.com/draftwire/draftwire/replay"
	"github.com/draftwire/draftwire/wire"
)

// exampleServer is a server that greets, in any version.
func exampleServer(greeting string) (url string, stop func()) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	s := &draftwire.Server{
		Options: draftwire.AcceptOptions{Versions: draftwire.AllVersions, Origins: []string{"*"}},
		WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
			for m, err := range c.Messages(ctx) {
				if err != nil {
					return err
				}
				if err := c.Write(ctx, draftwire.OpText, append([]byte(greeting), m.Data...)); err != nil {
					return err
				}
			}
			return nil
		},
	}
	go s.Serve(l)
	return "ws://" + l.Addr().String(), func() { s.Close() }
}

// A session of hixie-76 is played in RFC 6455 against two servers.
func ExampleClient() {
	s := &replay.Session{Number: 1, Version: wire.Hixie76, Target: "/", End: "clean", Closer: recording.Client, Steps: []replay.Step{
		{From: recording.Client, Op: wire.OpText, Payload: []byte("Ann")},
		{At: time.Second, From: recording.Server, Op: wire.OpText, Payload: []byte("Hello Ann")},
	}}
	for _, greeting := range []string{"Hello ", "Good day "} {
		url, stop := exampleServer(greeting)
		var r *replay.Result = replay.Client(context.Background(), s, url, draftwire.DialOptions{Version: draftwire.RFC6455}, replay.Options{})
		fmt.Println(r.Recorded, "as", r.Played, "same:", r.Same())
		for _, d := range r.Differences {
			var kind replay.Kind = d.Kind
			fmt.Printf("%s, message %d: %q, not %q\n", kind, d.Step, d.Got, d.Want)
		}
		stop()
	}
	// Output:
	// hixie-76 as rfc6455 same: true
	// hixie-76 as rfc6455 same: false
	// differs, message 2: "Good day Ann", not "Hello Ann"
}

// A difference has what was, and what is.
func ExampleDifference() {
	d := replay.Difference{Kind: replay.Missing, Step: 3, Want: "goal", Got: "nothing came in time"}
	fmt.Printf("%s: %q\n", d.Kind, d.Want)
	// Output: missing: "goal"
}
