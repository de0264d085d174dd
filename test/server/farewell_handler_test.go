package server_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
)

// waysIn are the ways in which a program may open a connection below Server.Handler: for
// each a handler that lets the connection wstest.Echo.
func waysIn(t *testing.T, o draftwire.AcceptOptions) map[string]http.HandlerFunc {
	t.Helper()
	u, err := draftwire.NewUpgrader(&o)
	if err != nil {
		t.Fatal(err)
	}
	leave := func(c *draftwire.Conn, err error) { // to a goroutine that outlives the handler
		if err == nil {
			go wstest.Echo(bg, c)
		}
	}
	return map[string]http.HandlerFunc{
		"Handler":         draftwire.Handler(wstest.Echo, &o).ServeHTTP,
		"Accept":          func(w http.ResponseWriter, r *http.Request) { leave(draftwire.Accept(w, r, &o)) },
		"Upgrader.Accept": func(w http.ResponseWriter, r *http.Request) { leave(u.Accept(w, r)) },
		"behind a middleware": func(w http.ResponseWriter, r *http.Request) {
			draftwire.Handler(wstest.Echo, &o).ServeHTTP(wrapper{w}, r.Clone(r.Context()))
		},
	}
}

// wrapper is a ResponseWriter as middleware makes them, whose Hijack wraps the connection
// too.
type wrapper struct{ http.ResponseWriter }

func (w wrapper) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	nc, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	return wrapped{nc}, rw, err
}

type wrapped struct{ net.Conn }

// CloseWrite implements what a stream can do beside net.Conn.
func (w wrapped) CloseWrite() error { return w.Conn.(interface{ CloseWrite() error }).CloseWrite() }

// Whatever opened it, and over TLS too, a connection is the Server's: it is counted, hears
// the farewell in its version's words, and the shutdown waits until it has ended.
func TestFarewellBelowHandler(t *testing.T) {
	cert, _ := wstest.SelfSigned(t)
	for name, handler := range waysIn(t, wstest.Options()) {
		for _, secure := range []bool{false, true} {
			if secure {
				name += " over TLS"
			}
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					mux := http.NewServeMux()
					mux.Handle("/x", handler)
					s := &draftwire.Server{Handler: mux, TLS: &tls.Config{Certificates: []tls.Certificate{cert}}}
					l := wstest.Serve(t, s)
					type ending struct {
						v   draftwire.Version
						err error
					}
					ended := make(chan ending)
					url := "ws://example.com/x"
					if secure {
						url = "wss://example.com/x"
					}
					all := draftwire.ServedVersions().List()
					for _, v := range all {
						c, _, err := draftwire.Dial(bg, url, &draftwire.DialOptions{
							Version: v, TLS: &tls.Config{InsecureSkipVerify: true}, // the bubble's clock is not the certificate's
							NetDial: func(context.Context, string, string) (net.Conn, error) { return l.Dial() },
						})
						if err != nil {
							t.Fatalf("%s: %v", v, err)
						}
						wstest.Write(t, c, "hello")
						wstest.Read(t, c, "hello")
						go func() {
							_, _, err := c.Read(bg)
							ended <- ending{v, err}
						}()
					}
					synctest.Wait()
					if got := s.Counts(); got != (draftwire.ServerCounts{Open: len(all)}) {
						t.Errorf("counts %+v", got)
					}
					done := make(chan error, 1)
					go func() { done <- s.Shutdown(bg) }()
					for range all {
						e := <-ended
						if want := wstest.Heard(e.v, draftwire.CodeGoingAway, "").Code; draftwire.CloseStatus(e.err) != want {
							t.Errorf("%s was told %v", e.v, e.err)
						}
					}
					if err := <-done; err != nil {
						t.Error(err)
					}
					if got := s.Counts(); got != (draftwire.ServerCounts{}) {
						t.Errorf("counts %+v behind the shutdown", got)
					}
				})
			})
		}
	}
}

// The shutdown waits for a handler that goes on after its connection has ended; its
// context bounds the wait.
func TestShutdownWaitsForHandler(t *testing.T) {
	for _, patience := range []time.Duration{time.Hour, time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			const late = 10 * time.Minute
			var returned atomic.Bool
			s := &draftwire.Server{Handler: draftwire.Handler(func(ctx context.Context, c *draftwire.Conn) error {
				_, _, err := c.Read(ctx)
				<-time.After(late) // puts in order what it leaves
				returned.Store(true)
				return err
			}, nil)}
			l := wstest.Serve(t, s)
			c := wstest.Dial(t, l, draftwire.RFC6455, draftwire.DialOptions{})
			go c.Read(bg)
			synctest.Wait()
			ctx, cancel := context.WithTimeout(bg, patience)
			defer cancel()
			began := time.Now()
			err := s.Shutdown(ctx)
			if took := time.Since(began); returned.Load() != (patience > late) || errors.Is(err, context.DeadlineExceeded) != (patience < late) || took > max(patience, late) {
				t.Errorf("with %v: %v after %v, returned %v", patience, err, took, returned.Load())
			}
			<-time.After(late)
		})
	}
}

// A request whose checks end behind the beginning of the shutdown is refused: nobody would
// say farewell to its connection.
func TestUpgradeDuringShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, goOn := make(chan bool), make(chan bool)
		refused := make(chan string, 1)
		o := wstest.Options()
		o.Observer = &draftwire.Observer{Refused: func(remote string, _ []byte, err *draftwire.HandshakeError) {
			refused <- remote + " " + string(err.Reason)
		}}
		o.Authorize = func(*draftwire.Handshake, *draftwire.Answer) error {
			asked <- true
			<-goOn
			return nil
		}
		s := &draftwire.Server{Handler: draftwire.Handler(wstest.Echo, &o)}
		l := wstest.Serve(t, s)
		nc, _ := l.Dial()
		defer nc.Close()
		wstest.Send(t, nc, []byte(wstest.Head(draftwire.RFC6455)))
		<-asked
		done := make(chan error, 1)
		go func() { done <- s.Shutdown(bg) }()
		synctest.Wait()
		goOn <- true
		if got := wstest.ReadHead(t, nc); !strings.HasPrefix(got, "HTTP/1.1 503 ") || !strings.Contains(got, "Draftwire-Reason: shutdown\r\n") {
			t.Errorf("answer %q", got)
		}
		nc.Close()
		if err, told := <-done, <-refused; err != nil || told != "192.0.2.1:1 shutdown" {
			t.Errorf("%v; told %s", err, told)
		}
	})
}
