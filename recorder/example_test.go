package recorder_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"path/filepath"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/recorder"
	"github.com/draftwire/draftwire/recording"
)

// A server records what it says to its clients, and they to it, without their tokens.
func ExampleRecorder() {
	folder, err := os.MkdirTemp("", "recorder")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	name := filepath.Join(folder, "day.dwr")
	r, err := recorder.Create(name, recorder.Options{Redaction: recording.Redaction{Fields: recording.DefaultFields, Names: recording.DefaultNames}})
	if err != nil {
		log.Fatal(err)
	}
	talk(r.Observer())
	if err := r.Close(); err != nil {
		log.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	in, err := recording.NewReader(f)
	if err != nil {
		log.Fatal(err)
	}
	var e recording.Event
	for err = in.Next(&e); err == nil; err = in.Next(&e) {
		if e.Kind == recording.KindMessage {
			fmt.Println(e.From, string(e.Payload))
		}
	}
	if !errors.Is(err, io.EOF) {
		log.Fatal(err)
	}
	// Output:
	// client {"token":"[redacted:token]"}
	// server welcome
}

// talk serves one client, which has a token.
func talk(observer *draftwire.Observer) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	ended := make(chan error, 1)
	srv := &draftwire.Server{
		Options: draftwire.AcceptOptions{Observer: observer, Versions: draftwire.ServedVersions()},
		WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
			if _, _, err := c.Read(ctx); err != nil {
				return err
			}
			return c.Write(ctx, draftwire.OpText, []byte("welcome"))
		},
	}
	go func() { ended <- srv.Serve(l) }()
	c, _, err := draftwire.Dial(ctx, "ws://"+l.Addr().String(), &draftwire.DialOptions{Version: draftwire.Hixie76})
	if err != nil {
		log.Fatal(err)
	}
	c.Write(ctx, draftwire.OpText, []byte(`{"token":"s3cret"}`))
	c.Read(ctx)
	c.Close(draftwire.CodeNormal, "")
	srv.Shutdown(ctx)
	<-ended
}

// Some connections are recorded, each with the name of what it came through.
func ExampleOptions() {
	_, err := recorder.Create("/no/such/folder/x.dwr", recorder.Options{Begin: func(c *draftwire.Conn, e *recording.Event) bool {
		e.Listener = "public"
		return c.Version() < draftwire.RFC6455 // old ones alone
	}})
	fmt.Println(errors.Is(err, os.ErrNotExist))
	// Output: true
}
