// Package middleware checks that the library works behind routers and
// middleware that others wrote. It is a module of its own, so that the library
// depends on none of them.
package middleware

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	chimw "github.com/go-chi/chi/v5/middleware"
	"github.com/labstack/echo/v4"
	echomw "github.com/labstack/echo/v4/middleware"
)

func options() *draftwire.AcceptOptions {
	return &draftwire.AcceptOptions{Versions: draftwire.AllVersions, Protocols: []string{"sample"}}
}

func echoAll(ctx context.Context, c *draftwire.Conn) error {
	for m, err := range c.Messages(ctx) {
		if err != nil {
			return err
		}
		if err := c.Write(ctx, m.Op, m.Data); err != nil {
			return err
		}
	}
	return nil
}

// unwrapper wraps as well-behaved middleware does.
type unwrapper struct{ w http.ResponseWriter }

func (u unwrapper) Header() http.Header         { return u.w.Header() }
func (u unwrapper) Write(p []byte) (int, error) { return u.w.Write(p) }
func (u unwrapper) WriteHeader(n int)           { u.w.WriteHeader(n) }
func (u unwrapper) Unwrap() http.ResponseWriter { return u.w }

// hider has no Unwrap.
type hider struct{ http.ResponseWriter }

func stacks() map[string]http.Handler {
	ws := draftwire.Handler(echoAll, options())
	mux := http.NewServeMux()
	mux.Handle("/ws", ws)

	c := chi.NewRouter()
	c.Use(chimw.RequestID, chimw.RealIP, chimw.Recoverer, chimw.Compress(5), chimw.Timeout(time.Minute))
	c.Handle("/ws", ws)

	gin.SetMode(gin.ReleaseMode)
	g := gin.New()
	g.Use(gin.Recovery())
	g.GET("/ws", gin.WrapH(ws))

	e := echo.New()
	e.Use(echomw.Gzip(), echomw.Recover())
	e.GET("/ws", echo.WrapHandler(ws))

	return map[string]http.Handler{
		"ServeMux": mux, "chi": c, "gin": g, "echo": e,
		"MaxBytesHandler": http.MaxBytesHandler(ws, 1000),
		"Unwrap twice": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ws.ServeHTTP(unwrapper{unwrapper{w}}, r)
		}),
	}
}

func TestStacks(t *testing.T) {
	for name, h := range stacks() {
		s := httptest.NewServer(h)
		for _, v := range draftwire.ServedVersions().List() {
			t.Run(name+"/"+v.String(), func(t *testing.T) {
				ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
				defer cancel()
				c, _, err := draftwire.Dial(ctx, s.URL+"/ws", &draftwire.DialOptions{Version: v, Protocols: []string{"sample"}})
				if err != nil {
					t.Fatal(err)
				}
				for _, m := range []string{"", "hello", strings.Repeat("x", 70000)} {
					if err := c.Write(ctx, draftwire.OpText, []byte(m)); err != nil {
						t.Fatal(err)
					}
					if _, p, err := c.Read(ctx); err != nil || string(p) != m {
						t.Fatalf("%d bytes, %v", len(p), err)
					}
				}
				if err := c.Close(draftwire.CodeNormal, ""); err != nil {
					t.Error(err)
				}
			})
		}
		s.Close()
	}
}

// The head of hixie-76's answer leaves before the eight bytes come, and bytes
// that come early are not lost, declared or not.
func TestKey3(t *testing.T) {
	for name, h := range stacks() {
		s := httptest.NewServer(h)
		host := strings.TrimPrefix(s.URL, "http://")
		for _, declared := range []string{"", "Content-Length: 8\r\n"} {
			for _, late := range []bool{false, true} {
				nc, err := net.Dial("tcp", host)
				if err != nil {
					t.Fatal(err)
				}
				nc.SetDeadline(time.Now().Add(10 * time.Second))
				head := "GET /ws HTTP/1.1\r\nHost: " + host + "\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nOrigin: http://" + host +
					"\r\nSec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\nSec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\n" + declared + "\r\n"
				rest := "^n:ds[4U\x00early\xff"
				if !late {
					head += rest
				}
				io.WriteString(nc, head)
				r := bufio.NewReader(nc)
				for line := ""; line != "\r\n"; {
					if line, err = r.ReadString('\n'); err != nil {
						t.Fatalf("%s, declared %q, late %v: %v", name, declared, late, err)
					}
				}
				if late {
					io.WriteString(nc, rest)
				}
				want := "8jKS'y:G*Co,Wxa-\x00early\xff"
				got := make([]byte, len(want))
				if _, err := io.ReadFull(r, got); err != nil || string(got) != want {
					t.Errorf("%s, declared %q, late %v: %q, %v", name, declared, late, got, err)
				}
				nc.Close()
			}
		}
		s.Close()
	}
}

// A wrapper that hides the connection is named.
func TestHiddenHijacker(t *testing.T) {
	failed := make(chan error, 1)
	accept := func(w http.ResponseWriter, r *http.Request) {
		_, err := draftwire.Accept(w, r, options())
		failed <- err
	}
	for want, h := range map[string]http.Handler{
		"middleware.hider":   http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { accept(hider{w}, r) }),
		"http.timeoutWriter": http.TimeoutHandler(http.HandlerFunc(accept), time.Minute, ""),
	} {
		s := httptest.NewServer(h)
		_, resp, err := draftwire.Dial(context.Background(), s.URL, nil)
		if err == nil || resp == nil || resp.StatusCode != 500 || resp.Header.Get("Draftwire-Reason") != "hijack" {
			t.Errorf("%s: the client got %v, %v", want, resp, err)
		}
		var he *draftwire.HandshakeError
		if err := <-failed; !errors.As(err, &he) || !strings.Contains(err.Error(), want) {
			t.Errorf("the error %v does not name %s", err, want)
		}
		s.Close()
	}
}
