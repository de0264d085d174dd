package server_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
)

// A goroutine of a handler may still read the request's body when the handler has
// returned, as http.Transport does behind a proxy whose backend answers early.
func TestBodyOutlivesHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		read := make(chan error, 1)
		s := &draftwire.Server{ReadTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			reading := make(chan struct{})
			go func() {
				close(reading)
				_, err := io.Copy(io.Discard, r.Body)
				read <- err
			}()
			<-reading
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		})}
		dial := wstest.ServeTLS(t, s)
		tr := &http.Transport{ForceAttemptHTTP2: true, DialTLSContext: func(context.Context, string, string) (net.Conn, error) { return dial("h2"), nil }}
		defer tr.CloseIdleConnections()
		body, never := io.Pipe()
		defer never.Close()
		req, _ := http.NewRequest("POST", "https://example.com/", body)
		resp, err := (&http.Client{Transport: tr}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if <-read == nil {
			t.Error("the body has an end")
		}
	})
}

// Over TLS each part of a body has its time too, and behind its end there is none.
func TestHTTPHeadwayOverTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &draftwire.Server{ReadTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n, err := io.Copy(io.Discard, r.Body)
			select {
			case <-r.Context().Done():
				t.Error("the request was cancelled")
			case <-time.After(time.Hour):
			}
			fmt.Fprint(w, n, " ", err)
		})}
		nc := wstest.ServeTLS(t, s)("http/1.1")
		defer nc.Close()
		io.WriteString(nc, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n")
		for range 5 {
			<-time.After(9 * time.Second)
			io.WriteString(nc, "x")
		}
		resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
		if err != nil {
			t.Fatal(err)
		}
		if p, err := io.ReadAll(resp.Body); string(p) != "5 <nil>" || err != nil {
			t.Errorf("got %q, %v", p, err)
		}
	})
}

// A connection that the program's Handler takes over, by Accept too, gives its place among
// those of HTTP back when it ends.
func TestAcceptInHandlerIsCounted(t *testing.T) {
	for _, secure := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := &draftwire.Server{Handler: draftwire.Handler(wstest.Echo, nil)}
			var nc net.Conn
			if secure {
				nc = wstest.ServeTLS(t, s)("http/1.1")
			} else {
				l := wstest.Serve(t, s)
				nc, _ = l.Dial()
			}
			io.WriteString(nc, wstest.Head(draftwire.RFC6455))
			bufio.NewReader(nc).ReadString('\n')
			nc.Close()
			<-time.After(10 * time.Second)
			synctest.Wait()
			if n := s.Counts(); n != (draftwire.ServerCounts{}) {
				t.Errorf("TLS %v: at the end: %+v", secure, n)
			}
		})
	}
}
