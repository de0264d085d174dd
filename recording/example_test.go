package recording_test

import (
	"bytes"
	"fmt"
	"log"
	"time"

	"github.com/draftwire/draftwire/recording"
	"github.com/draftwire/draftwire/wire"
)

// A message is written as its frames, and read as itself.
func Example() {
	var file bytes.Buffer
	w, err := recording.NewWriter(&file, recording.Header{Program: "example"})
	if err != nil {
		log.Fatal(err)
	}
	w.Max = 1 << 30
	for _, e := range []recording.Event{
		{Kind: recording.KindConn, Conn: 1, Version: wire.Hixie76, ClientAt: "192.0.2.1:5000"},
		{Kind: recording.KindFrame, Conn: 1, At: time.Second, From: recording.Client, Op: wire.OpText, Size: 5, Payload: []byte("Hello")},
		{Kind: recording.KindMessage, Conn: 1, At: time.Second, From: recording.Client, Op: wire.OpText, Size: 5, Payload: []byte("Hello")},
	} {
		if err := w.Write(&e); err != nil {
			log.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		log.Fatal(err)
	}

	r, err := recording.NewReader(&file)
	if err != nil {
		log.Fatal(err)
	}
	var e recording.Event
	for r.Next(&e) == nil {
		fmt.Printf("%v %v %v %q\n", e.Conn, e.At, e.Kind, e.Payload)
	}
	// Output:
	// 1 0s connection ""
	// 1 1s frame "Hello"
	// 1 1s message "Hello"
}

// What is secret does not reach the file, and has a name by which a replay puts another value
// there.
func ExampleRedaction() {
	r := recording.Redaction{Fields: recording.DefaultFields, Names: []string{"token"}}
	fmt.Printf("%q\n", r.Head([]byte("GET / HTTP/1.1\r\nCookie: sid=1\r\n\r\n")))
	text, _ := r.Text([]byte(`{"type":"login","token":"s3cret"}`))
	fmt.Println(string(text), recording.Mark("token"))
	// Output:
	// "GET / HTTP/1.1\r\nCookie: [redacted:cookie]\r\n\r\n"
	// {"type":"login","token":"[redacted:token]"} [redacted:token]
}
