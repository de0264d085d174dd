package server_test

import (
	"errors"
	"net"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
	"github.com/draftwire/draftwire/wire"
)

// Open speaks on a connection of the caller's: in each version, with fields in their order, and
// a Host in the place of the URL's.
func TestOpen(t *testing.T) {
	for _, v := range draftwire.ServedVersions().List() {
		synctest.Test(t, func(t *testing.T) {
			l := wstest.Serve(t, &draftwire.Server{WebSocket: wstest.Echo, Options: draftwire.AcceptOptions{
				Versions: draftwire.AllVersions,
				Authorize: func(h *draftwire.Handshake, a *draftwire.Answer) error {
					a.Fields = append(a.Fields, draftwire.Field{Name: "Set-Cookie", Value: h.Host()})
					return nil
				},
			}})
			nc, err := l.Dial()
			if err != nil {
				t.Fatal(err)
			}
			opened := ""
			c, answer, err := draftwire.Open(nc, &url.URL{Scheme: "ws", Host: "example.com", Path: "/a"}, &draftwire.DialOptions{
				Version: v, Origin: "http://other.example", DropHeads: true,
				Fields:   draftwire.Fields{{Name: "X-B", Value: "1"}, {Name: "Host", Value: "other.example"}, {Name: "X-A", Value: "2"}},
				Observer: &draftwire.Observer{Opened: func(c *draftwire.Conn) { opened = c.Handshake().Request() }},
			})
			if err != nil {
				t.Fatal(v, err)
			}
			if answer.Get("Set-Cookie") != "other.example" || c.Version() != v {
				t.Errorf("%s: %v, %v", v, c.Version(), answer)
			}
			if !strings.Contains(opened, "X-B: 1\r\nX-A: 2\r\n") || c.Handshake().Request() != "" {
				t.Errorf("%s: asked %q, and holds %q", v, opened, c.Handshake().Request())
			}
			go wstest.Write(t, c, "hello")
			wstest.Read(t, c, "hello")
			c.CloseNow()
		})
	}
}

// What a refusal says, and the deadline of the connection, are in Open's error. The connection
// stays the caller's.
func TestOpenFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := wstest.Serve(t, &draftwire.Server{WebSocket: wstest.Echo, Options: draftwire.AcceptOptions{Versions: draftwire.ModernVersions}})
		nc, err := l.Dial()
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		u := &url.URL{Scheme: "ws", Host: "example.com"}
		c, answer, err := draftwire.Open(nc, u, &draftwire.DialOptions{Version: draftwire.Hixie76})
		he, ok := errors.AsType[*draftwire.HandshakeError](err)
		if c != nil || !ok || he.Status != 426 || answer.Get("Draftwire-Reason") != "version_disabled" {
			t.Errorf("%v, %v, %v", c, answer, err)
		}
		if _, _, err := draftwire.Open(nc, u, &draftwire.DialOptions{Fields: draftwire.Fields{{Name: "a b"}}}); err == nil || errors.As(err, &he) {
			t.Errorf("a field that cannot be sent: %v", err)
		}
		near, far := net.Pipe()
		defer far.Close()
		defer near.Close()
		near.SetDeadline(time.Now().Add(time.Second))
		began := time.Now()
		_, _, err = draftwire.Open(near, u, nil)
		if he, ok := errors.AsType[*draftwire.HandshakeError](err); !ok || he.Reason != wire.ReasonTimeout || time.Since(began) != time.Second {
			t.Errorf("no answer: %v after %v", err, time.Since(began))
		}
	})
}
