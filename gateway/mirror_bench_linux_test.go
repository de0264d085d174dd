package gateway_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
)

// BenchmarkMirror measures a message through the gateway and back, with both drivers: on a route without a
// mirror, on one whose mirror has not chosen the client, and on one with a mirror that echoes too, of which nothing,
// or a member of JSON, is ignored. With a mirror the process also plays the mirror.
func BenchmarkMirror(b *testing.B) {
	serve := func(b *testing.B) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		s := &draftwire.Server{Options: open(draftwire.AllVersions), Events: &draftwire.Events{
			Message: func(c *draftwire.Conn, op draftwire.Op, p []byte) error { return c.Write(bg, op, p) },
		}}
		done := make(chan error, 1)
		go func() { done <- s.Serve(l) }()
		b.Cleanup(func() { s.Close(); <-done; s.Shutdown(bg) })
		return "ws://" + l.Addr().String()
	}
	for driver, dial := range map[string]func(ctx context.Context, network, address string) (net.Conn, error){"loop": nil, "goroutines": new(net.Dialer).DialContext} {
		for _, mode := range []string{"without", "not chosen", "mirrored", "ignoring"} {
			b.Run(driver+"/"+mode, func(b *testing.B) {
				cfg := tcp(serve(b), "main")
				m := &gateway.Mirror{To: gateway.Backend{URL: serve(b)}, Connections: 2, Wait: gateway.Duration(20 * time.Second)}
				switch mode {
				case "without":
					m = nil
				case "not chosen":
					m.Connections = 1
				case "ignoring":
					m.Ignore = []string{"/at"}
				}
				cfg.Routes[0].Mirror = m
				gw, err := gateway.New(cfg, gateway.Options{Dial: dial})
				if err != nil {
					b.Fatal(err)
				}
				done := make(chan error, 1)
				go func() { done <- gw.Run(bg) }()
				defer func() { gw.Close(); <-done }()
				var first, c *draftwire.Conn
				for _, to := range []**draftwire.Conn{&first, &c} { // the first has the only place where the second is not chosen
					if *to, _, err = draftwire.Dial(bg, "ws://"+gw.Status().Listeners[0].Address+"/", nil); err != nil {
						b.Fatal(err)
					}
					defer (*to).CloseNow()
					time.Sleep(20 * time.Millisecond)
				}
				text := fmt.Appendf(nil, `{"at":12,"data":%q}`, bytes.Repeat([]byte("x"), 100))
				b.ReportAllocs()
				before := processorTime()
				for b.Loop() {
					if err := c.Write(bg, draftwire.OpText, text); err != nil {
						b.Fatal(err)
					}
					if _, _, err := c.ReadBorrowed(bg); err != nil {
						b.Fatal(err)
					}
				}
				b.StopTimer()
				b.ReportMetric(float64(processorTime()-before)/float64(b.N), "cpu-ns/op")
				if m != nil {
					counts := gw.Status().Routes[0].Mirror.Counts
					if counts.Differed+counts.Missing+counts.More > 0 {
						b.Errorf("%+v", counts)
					}
				}
			})
		}
	}
}

// processorTime is what the process has used: client, gateway and servers.
func processorTime() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkMirrorPart measures what a part of a message costs that is handed to a mirror's queue, without a network.
func BenchmarkMirrorPart(b *testing.B) {
	for _, mode := range []string{"without", "mirrored"} {
		b.Run(mode, func(b *testing.B) { gateway.BenchRelay(b, mode == "mirrored") })
	}
}
