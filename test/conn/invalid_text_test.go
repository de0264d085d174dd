package conn_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"testing"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/memnet"
	"github.com/draftwire/draftwire/internal/wstest"
	"github.com/draftwire/draftwire/wire"
)

const (
	marked   = "~~~~~~~~" // what a spoiler changes
	spoiled  = "a\xc3(\xe2\x82b\x80c"
	repaired = "a\ufffd(\ufffdb\ufffdc"
)

// spoiler is a connection on which marked text comes spoiled.
type spoiler struct{ *memnet.Conn }

func (s spoiler) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	copy(p[:n], bytes.ReplaceAll(p[:n], []byte(marked), []byte(spoiled)))
	return n, err
}

// textPolicies are what each side may be told to do, and whether it then repairs.
var textPolicies = []struct {
	policy         wire.TextPolicy
	server, client func(v draftwire.Version) bool
}{
	{wire.TextByVersion, never, func(v draftwire.Version) bool { return v <= draftwire.Hybi07 }},
	{wire.FailText, never, never},
	{wire.ReplaceText, always, always},
}

func never(draftwire.Version) bool  { return false }
func always(draftwire.Version) bool { return true }

// checkText reads spoiled text, then good text, in each way that there is.
func checkText(t *testing.T, c *draftwire.Conn, repairs bool, send func()) {
	t.Helper()
	for i, read := range []func() (draftwire.Op, []byte, error){
		func() (draftwire.Op, []byte, error) { return c.Read(bg) },
		func() (draftwire.Op, []byte, error) { return c.ReadBorrowed(bg) },
	} {
		send()
		_, p, err := read()
		if !repairs {
			if pe, ok := errors.AsType[*draftwire.ProtocolError](err); !ok || pe.Fault != wire.FaultText || c.Stats().Repaired != 0 {
				t.Errorf("%s: %q, %v; %+v", c.Version(), p, err, c.Stats())
			}
			return
		}
		if err != nil || string(p) != repaired {
			t.Fatalf("%s: %q, %v", c.Version(), p, err)
		}
		if _, p, err = read(); err != nil || string(p) != "good" {
			t.Fatalf("%s: %q, %v behind it", c.Version(), p, err)
		}
		if got := c.Stats(); got.Repaired != uint64(i+1) || got.MessagesIn != uint64(2*i+2) {
			t.Errorf("%s: %+v", c.Version(), got)
		}
	}
}

// Text from a client that is not UTF-8, on a server of each version.
func TestInvalidTextServer(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		for _, tt := range textPolicies {
			o := wstest.Options()
			o.InvalidText = tt.policy
			l, opened := handServer(t, o)
			client := wstest.NewClient(v)
			nc, _ := l.Dial()
			client.Shake(t, nc)
			checkText(t, <-opened, tt.server(v), func() { wstest.Send(t, nc, wstest.Texts(client.Text, spoiled, "good")) })
			nc.Close()
		}
	})
}

// Text from a server that is not UTF-8, on a client of each version.
func TestInvalidTextClient(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		for _, tt := range textPolicies {
			l, opened := handServer(t, wstest.Options())
			c, _, err := draftwire.Dial(bg, "ws://example.com/x", &draftwire.DialOptions{
				Version: v, InvalidText: tt.policy,
				NetDial: func(context.Context, string, string) (net.Conn, error) {
					nc, err := l.Dial()
					return spoiler{nc}, err
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			server := <-opened
			checkText(t, c, tt.client(v), func() {
				wstest.Write(t, server, marked)
				wstest.Write(t, server, "good")
			})
			c.CloseNow()
		}
	})
}

// handServer leaves its connections to the test.
func handServer(t *testing.T, o draftwire.AcceptOptions) (*memnet.Listener, chan *draftwire.Conn) {
	opened := make(chan *draftwire.Conn, 1)
	return wstest.Serve(t, &draftwire.Server{Options: o, WebSocket: wstest.HandOver(opened)}), opened
}
