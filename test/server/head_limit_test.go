package server_test

import (
	"context"
	"io"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/internal/memnet"
	"github.com/draftwire/draftwire/internal/wstest"
)

// The limit of a head holds for the head, whether it comes in one piece or in many, and
// whatever the buffers are that it comes in; so does that of its fields.
func TestHeadLimit(t *testing.T) {
	const limit = draftwire.DefaultHeadLimit
	plain := wstest.Head(draftwire.RFC6455)
	sized := func(n int) string {
		return wstest.Head(draftwire.RFC6455, "X: "+strings.Repeat("x", n-len(plain)-5))
	}
	many := func(n int) string {
		own := strings.Count(plain, "\r\n") - 2 // its request line and its end are no fields
		return wstest.Head(draftwire.RFC6455, slices.Repeat([]string{"X: y"}, n-own)...)
	}
	for name, tc := range map[string]struct{ head, status string }{
		"as long as may be":   {sized(limit), "101"},
		"a byte more":         {sized(limit + 1), "431"},
		"17 KiB":              {sized(17 << 10), "431"},
		"31 KiB":              {sized(31 << 10), "431"},
		"40 KiB":              {sized(40 << 10), "431"},
		"as many as may be":   {many(httphead.MaxFields), "101"},
		"one more":            {many(httphead.MaxFields + 1), "431"},
		"two thousand fields": {many(2000), "431"},
	} {
		for _, piece := range []int{1 << 20, 1000, 7} {
			synctest.Test(t, func(t *testing.T) {
				l := wstest.Serve(t, &draftwire.Server{WebSocket: wstest.Echo, Options: wstest.Options()})
				nc, _ := l.Dial()
				defer nc.Close()
				go func() {
					for rest := tc.head; rest != ""; rest = rest[min(piece, len(rest)):] {
						if _, err := io.WriteString(nc, rest[:min(piece, len(rest))]); err != nil {
							return
						}
						synctest.Wait()
					}
				}()
				answer := make([]byte, 12)
				io.ReadFull(nc, answer)
				if got := string(answer[9:]); got != tc.status {
					t.Errorf("%s, in pieces of %d: %s, not %s", name, piece, got, tc.status)
				}
			})
		}
	}
	for _, n := range []int{limit, limit + 1, 17 << 10, 31 << 10} { // a client, to its server's
		synctest.Test(t, func(t *testing.T) {
			client, server := memnet.Pipe(1 << 20)
			defer server.Close()
			go func() {
				key := regexp.MustCompile(`Key: (.*)\r`).FindStringSubmatch(wstest.ReadHead(t, server))[1]
				head := "HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + wstest.AcceptOf(key) + "\r\nX: "
				io.WriteString(server, head+strings.Repeat("x", n-len(head)-4)+"\r\n\r\n")
			}()
			c, _, err := draftwire.Dial(bg, "ws://x/", &draftwire.DialOptions{
				NetDial: func(context.Context, string, string) (net.Conn, error) { return client, nil }})
			if (err == nil) != (n <= limit) {
				t.Errorf("an answer of %d bytes: %v", n, err)
			}
			if err == nil {
				c.CloseNow()
			}
		})
	}
}
