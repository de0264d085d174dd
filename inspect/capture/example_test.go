package capture_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/draftwire/draftwire/inspect/capture"
)

// printer prints what connections say. It is a capture.Sink, and its streams are capture.Noted.
type printer struct{}

// Open begins a connection.
func (printer) Open(c capture.Conn) capture.Stream {
	fmt.Printf("connection %d: %v to %v\n", c.Number, c.Client, c.Server)
	if c.TLS != nil {
		fmt.Printf("  TLS for %q: %v\n", c.TLS.ServerName, c.TLS.Err)
	}
	return lines{}
}

type lines struct{}

// Data prints bytes.
func (lines) Data(at time.Time, from capture.Direction, offset int64, p []byte) {
	fmt.Printf("  %v at %d: %q\n", from, offset, p)
}

// Gap prints that bytes are missing.
func (lines) Gap(at time.Time, from capture.Direction, offset, n int64) {
	fmt.Printf("  %v at %d: %d bytes are not in the capture\n", from, offset, n)
}

// End prints how a direction ends.
func (lines) End(at time.Time, from capture.Direction, how capture.End) {
	fmt.Printf("  %v: %v\n", from, how)
}

// Note prints a remark.
func (lines) Note(at time.Time, from capture.Direction, offset int64, what string) {
	fmt.Printf("  %v at %d: %s\n", from, offset, what)
}

// example is a file of pcap with one connection.
func example() []byte {
	var file bytes.Buffer
	at := time.Date(2011, 6, 1, 12, 0, 0, 0, time.UTC)
	s := capture.NewWriter(&file).Open(capture.Conn{
		Client: netip.MustParseAddrPort("192.0.2.7:50123"), Server: netip.MustParseAddrPort("192.0.2.1:80"), Number: 1,
	})
	s.Data(at, capture.FromClient, 0, []byte("GET / HTTP/1.1\r\n\r\n"))
	s.Data(at, capture.FromServer, 0, []byte("HTTP/1.1 101 ok\r\n\r\n"))
	s.Gap(at, capture.FromServer, 19, 4)
	s.Data(at, capture.FromServer, 23, []byte("\x00hello\xff"))
	s.End(at, capture.FromServer, capture.Fin)
	s.End(at, capture.FromClient, capture.Reset)
	return file.Bytes()
}

func ExampleRead() {
	report, err := capture.Read(bytes.NewReader(example()), printer{}, capture.Options{})
	fmt.Println(report.Format, report.Conns, err)
	// Output:
	// connection 1: 192.0.2.7:50123 to 192.0.2.1:80
	//   client at 0: "GET / HTTP/1.1\r\n\r\n"
	//   server at 0: "HTTP/1.1 101 ok\r\n\r\n"
	//   server at 19: 4 bytes are not in the capture
	//   server at 23: "\x00hello\xff"
	//   server: fin
	//   client: reset
	// pcap 1 <nil>
}

// counter counts the bytes of each direction: a Sink and a Stream in one.
type counter map[capture.Direction]int

func (c counter) Open(capture.Conn) capture.Stream { return c }

func (c counter) Data(_ time.Time, from capture.Direction, _ int64, p []byte) { c[from] += len(p) }

func (c counter) Gap(time.Time, capture.Direction, int64, int64) {}

func (c counter) End(time.Time, capture.Direction, capture.End) {}

func ExampleSink() {
	c := counter{}
	capture.Read(bytes.NewReader(example()), c, capture.Options{})
	fmt.Println(c[capture.FromClient], c[capture.FromServer])
	// Output: 18 26
}

func ExampleStream() {
	var s capture.Stream = lines{}
	s.Data(time.Time{}, capture.FromClient, 0, []byte("hello"))
	s.End(time.Time{}, capture.FromClient, capture.Cut)
	// Output:
	//   client at 0: "hello"
	//   client: cut
}

func ExampleNoted() {
	var s capture.Stream = lines{}
	if n, ok := s.(capture.Noted); ok {
		n.Note(time.Time{}, capture.FromServer, 7, "a record cannot be opened")
	}
	// Output:
	//   server at 7: a record cannot be opened
}

func ExampleDirection() {
	fmt.Println(capture.FromClient, capture.FromClient.Other())
	// Output: client server
}

func ExampleEnd() {
	fmt.Println(capture.Fin, capture.Reset, capture.Cut)
	// Output: fin reset cut
}

func ExampleConn() {
	printer{}.Open(capture.Conn{Client: netip.MustParseAddrPort("[2001:db8::7]:50123"), Server: netip.MustParseAddrPort("[2001:db8::1]:80"), Number: 3})
	// Output:
	// connection 3: [2001:db8::7]:50123 to [2001:db8::1]:80
}

func ExampleTLS() {
	t := capture.TLS{ServerName: "old.example", Err: fmt.Errorf("%w: the key log has nothing for it", capture.ErrNoKey)}
	if errors.Is(t.Err, capture.ErrNoKey) {
		fmt.Println(t.ServerName, "needs a key log")
	}
	// Output: old.example needs a key log
}

func ExampleOptions() {
	o := capture.Options{
		MaxConns: 100,
		Filter:   func(c capture.Conn) bool { return c.Server.Port() == 443 },
	}
	report, _ := capture.Read(bytes.NewReader(example()), printer{}, o) // it has port 80 alone
	fmt.Println(report.Conns)
	// Output: 1
}

func ExampleReport() {
	report, err := capture.Read(bytes.NewReader(example()[:300]), counter{}, capture.Options{})
	fmt.Println(report.Packets, report.CutShort, err)
	// Output: 3 true <nil>
}

func ExampleKeyLog() {
	keys, err := capture.ReadKeyLog(strings.NewReader("CLIENT_RANDOM " + strings.Repeat("ab", 32) + " " + strings.Repeat("cd", 48)))
	fmt.Println(keys != nil, err)
	_, err = capture.ReadKeyLog(strings.NewReader("no keys"))
	fmt.Println(err)
	// Output:
	// true <nil>
	// capture: no line of a key log: it has lines like CLIENT_RANDOM <64 hex digits> <96 hex digits>
}

// What Read gives to a Writer is a capture again: for example only the connections of a port, or
// TLS that is opened.
func ExampleWriter() {
	var file bytes.Buffer
	w := capture.NewWriter(&file)
	if _, err := capture.Read(bytes.NewReader(example()), w, capture.Options{}); err != nil || w.Err() != nil {
		fmt.Println(err, w.Err())
	}
	report, _ := capture.Read(&file, printer{}, capture.Options{})
	fmt.Println(report.Conns)
	// Output:
	// connection 1: 192.0.2.7:50123 to 192.0.2.1:80
	//   client at 0: "GET / HTTP/1.1\r\n\r\n"
	//   server at 0: "HTTP/1.1 101 ok\r\n\r\n"
	//   server at 19: 4 bytes are not in the capture
	//   server at 23: "\x00hello\xff"
	//   server: fin
	//   client: reset
	// 1
}

func ExampleSniff() {
	fmt.Println(capture.Sniff(example()), capture.Sniff([]byte("GET / HTTP/1.1")))
	// Output: true false
}
