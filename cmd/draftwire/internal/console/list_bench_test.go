//go:build unix

package console

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/internal/memnet"
)

// crowd is a gateway with so many sessions, in memory.
func crowd(b *testing.B, n int) *Console {
	const buffer = 2 << 10
	back, front := memnet.Listen(buffer), memnet.Listen(buffer)
	srv := &draftwire.Server{
		Options: draftwire.AcceptOptions{Versions: draftwire.AllVersions, Origins: []string{"*"}, DropHeads: true, Limits: draftwire.Limits{HandshakeTimeout: time.Hour}},
		WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
			return c.ReadLoop(ctx, func(op draftwire.Op, p []byte) error { return c.Write(ctx, op, p) })
		},
		MaxPending: n, MaxPendingPerAddress: n,
	}
	go srv.Serve(back)
	b.Cleanup(func() { srv.Close() })
	cfg := &gateway.Config{
		Listen: []gateway.Listener{{Name: "front", Address: "front:80"}}, Admin: gateway.Admin{Address: "off"},
		Limits: gateway.Limits{Connections: -1, HandshakeTimeout: gateway.Duration(time.Hour)},
		Routes: []gateway.Route{{Name: "chat", Backends: []gateway.Backend{{URL: "ws://back:80"}}, DialTimeout: gateway.Duration(time.Hour), Policy: gateway.Policy{Ping: -1}}},
	}
	g, err := gateway.New(cfg, gateway.Options{
		Listen: func(string) (net.Listener, error) { return front, nil },
		Dial:   func(context.Context, string, string) (net.Conn, error) { return back.Dial() },
	})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- g.Run(ctx) }()
	b.Cleanup(func() {
		cancel()
		<-done
	})
	versions := draftwire.AllVersions.List()
	var all sync.WaitGroup
	for part := range 4 {
		all.Go(func() {
			for i := part; i < n; i += 4 {
				o := &draftwire.DialOptions{
					Version: versions[i%len(versions)], Origin: "http://kiosk.example", DropHeads: true,
					Fields:  draftwire.Fields{{Name: "User-Agent", Value: fmt.Sprintf("Mozilla/5.0 (SMART-TV; Linux; panel %d) AppleWebKit/534.7 Safari/534.7", i%100)}, {Name: "Cookie", Value: fmt.Sprint("session=", i)}},
					NetDial: func(context.Context, string, string) (net.Conn, error) { return front.Dial() },
					Limits:  draftwire.Limits{HandshakeTimeout: time.Hour},
				}
				if _, _, err := draftwire.Dial(context.Background(), fmt.Sprintf("ws://front:80/room/%d?x=1", i), o); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	for len(g.Sessions()) < n {
		time.Sleep(time.Millisecond)
	}
	c := New(Options{
		Prefix: "/", Kind: "gateway", Payload: func() bool { return true },
		Live: func(list []Live) []Live {
			for _, s := range g.Sessions() {
				list = append(list, Live{ID: s.ID(), Conn: s.Client(), Session: s})
			}
			return list
		},
	})
	b.Cleanup(c.Close)
	return c
}

// processor reports how much time of a processor an iteration takes, whatever else runs.
func processor(b *testing.B) func() {
	spent := func() time.Duration {
		var u syscall.Rusage
		syscall.Getrusage(syscall.RUSAGE_SELF, &u)
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before := spent()
	return func() {
		b.ReportMetric(float64((spent()-before).Microseconds())/1000/float64(b.N), "cpu-ms/op")
	}
}

// BenchmarkList is the pull of a page that is open, which comes every two seconds: so 20 ms are 1 % of
// a core. CONSOLE_SESSIONS=50000 makes it that many sessions.
func BenchmarkList(b *testing.B) {
	n, _ := strconv.Atoi(cmp.Or(os.Getenv("CONSOLE_SESSIONS"), "2000"))
	c := crowd(b, n)
	for _, query := range []string{"", "sort=in&desc=1", "sort=last&desc=1", "sort=client", "sort=route", "version=hixie-76", "q=panel+42", "q=nobody+has+this", "q=10.0", fmt.Sprint("offset=", n-100), "limit=500"} {
		b.Run(cmp.Or(query, "default"), func(b *testing.B) {
			b.ReportAllocs()
			defer processor(b)()
			for b.Loop() {
				rec := httptest.NewRecorder()
				c.ServeHTTP(rec, httptest.NewRequest("GET", "http://127.0.0.1/api/connections?"+query, nil))
				if rec.Code != 200 {
					b.Fatal(rec.Code)
				}
			}
		})
	}
	b.Run("whatif", func(b *testing.B) {
		defer processor(b)()
		for b.Loop() {
			c.without(draftwire.AllVersions)
		}
	})
}
