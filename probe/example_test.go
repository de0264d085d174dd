package probe_test

import (
	"context"
	"fmt"
	"net"
	"net/http/httptest"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/probe"
)

// echo sends messages back.
func echo(ctx context.Context, c *draftwire.Conn) error {
	for {
		op, p, err := c.Read(ctx)
		if err == nil {
			err = c.Write(ctx, op, p)
		}
		if err != nil {
			return err
		}
	}
}

// Which versions does that server speak, how does it close, and what does it do with a frame that no
// client may send?
func ExampleRun() {
	srv := httptest.NewServer(draftwire.Handler(echo, nil))
	defer srv.Close()

	report, err := probe.Run(context.Background(), srv.URL, &probe.Options{Quick: true, Faults: true, Rate: 1000})
	if err != nil {
		panic(err)
	}
	fmt.Println("opens:", report.Opens())
	for _, v := range report.Versions {
		if v.Version != draftwire.RFC6455 {
			continue
		}
		fmt.Println("echoes:", v.Echoes, "pongs:", *v.Pongs)
		fmt.Println("a close of 1000:", &v.Closing.Answer)
		for _, f := range v.Faults {
			if f.Name == "a frame without a mask" {
				fmt.Printf("%s: %s, %s\n", f.Name, &f.Got, f.Verdict)
			}
		}
	}
	fmt.Println("of version 99:", report.Unknown.Status, report.Unknown.Named)
	// Output:
	// opens: hybi-07,hybi-08,rfc6455
	// echoes: true pongs: true
	// a close of 1000: close 1000, FIN
	// a frame without a mask: close 1002, FIN, as written
	// of version 99: 426 [13 8 7]
}

// What a proxy does to a request: this one is no proxy, it passes bytes on as they come.
func ExampleThrough() {
	front, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer front.Close()
	back, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	address := back.Addr().String()
	go func() {
		for {
			near, err := front.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", address)
			if err != nil {
				near.Close()
				return
			}
			way := new(box)
			go way.relay(near, far, nil)
			go way.relay(far, near, nil)
		}
	}()

	report, err := probe.Through(context.Background(), "ws://"+front.Addr().String()+"/", back, &probe.Options{Quick: true, Rate: 1000})
	if err != nil {
		panic(err)
	}
	for _, p := range report.Versions {
		if p.Version == draftwire.Hixie76 {
			fmt.Println(p.Version, p.Passage, "eight bytes:", p.Challenge)
			fmt.Println("the request is changed:", !p.Request.None(), "the answer:", !p.Response.None())
		}
	}
	// Output:
	// hixie-76 passes eight bytes: kept
	// the request is changed: false the answer: false
}
