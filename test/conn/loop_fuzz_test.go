//go:build unix

package conn_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/memnet"
	"github.com/draftwire/draftwire/internal/wstest"
)

// Whatever comes, in whatever pieces: ReadLoop gives what Read gives and ends as it
// does, on a socket, where it is busy, and in memory; and so do Messages on a busy socket, and Events.
func FuzzReadLoop(f *testing.F) {
	// What a hybi-04 client's frames mean depends on the server's nonce, another in
	// each connection.
	all := slices.DeleteFunc(draftwire.ServedVersions().List(), func(v draftwire.Version) bool { return v == draftwire.Hybi04 })
	for i, v := range all {
		l := wstest.Clients[v]()
		s := wstest.Texts(l.Text, "", "a", wstest.Words(130), wstest.Words(3000))
		if l.Fragments != nil {
			s = append(s, l.Fragments()...)
		}
		f.Add(s, byte(i), uint16(5), uint16(700))
		f.Add(append(append(s, l.Text("\xc3(")...), l.Text("a")...), byte(i), uint16(200), uint16(40))
		if l.CloseFrame != nil {
			f.Add(append(s, l.CloseFrame()...), byte(i), uint16(2000), uint16(1))
		}
	}
	dir, err := os.MkdirTemp("", "loop")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { os.RemoveAll(dir) })
	f.Fuzz(func(t *testing.T, script []byte, version byte, a, b uint16) {
		v := all[int(version)%len(all)]
		warm := bytes.Repeat(wstest.Clients[v]().Text("warm"), wstest.BusyMessages)
		script = append(warm[:len(warm):len(warm)], script...)
		cuts := []int{len(warm), len(warm) + int(a), len(warm) + int(a) + int(b)}
		var gave []string
		for _, way := range []string{"Read", "memory", "socket", "Messages", "Events"} {
			gave = append(gave, whatCame(t, way, filepath.Join(dir, "s"), v, script, cuts))
		}
		if len(slices.Compact(slices.Clone(gave))) > 1 {
			t.Errorf("Read gives %q\nReadLoop in memory %q\nReadLoop on a socket %q\nMessages there %q\nEvents there %q", gave[0], gave[1], gave[2], gave[3], gave[4])
		}
	})
}

// whatCame opens a connection, sends script in pieces, ends the stream, and tells what
// the handler got and how it ended.
func whatCame(t *testing.T, way, socket string, v draftwire.Version, script []byte, cuts []int) string {
	opt := wstest.Options()
	opt.Limits.ReadLimit = 1 << 12
	came := make(chan string, 1)
	s := &draftwire.Server{Options: opt, WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
		var got []byte
		take := func(op draftwire.Op, p []byte) error {
			got = fmt.Appendf(got, "%v %q, ", op, p)
			return nil
		}
		var err error
		if way != "Read" {
			err = loopBy(way, ctx, c, take)
		}
		for err == nil {
			var op draftwire.Op
			var p []byte
			if op, p, err = c.Read(ctx); err == nil {
				take(op, p)
			}
		}
		came <- fmt.Sprintf("%s%d %v", got, draftwire.CloseStatus(err), c.Stats().MessagesIn)
		return err
	}}
	if way == "Events" {
		var got []byte
		s.WebSocket, s.Events = nil, &draftwire.Events{
			Message: func(_ *draftwire.Conn, op draftwire.Op, p []byte) error {
				got = fmt.Appendf(got, "%v %q, ", op, p)
				return nil
			},
			Closed: func(c *draftwire.Conn, err error) {
				came <- fmt.Sprintf("%s%d %v", got, draftwire.CloseStatus(err), c.Stats().MessagesIn)
			},
		}
	}
	m := memnet.Listen(64 << 10)
	var l net.Listener = m
	dial := func() (net.Conn, error) { return m.Dial() }
	if way == "socket" || way == "Messages" || way == "Events" {
		os.Remove(socket)
		ul, err := net.Listen("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		l, dial = ul, func() (net.Conn, error) { return net.Dial("unix", socket) }
	}
	wstest.ServeOn(t, s, l)
	nc, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(wstest.Patience))
	client := wstest.NewClient(v)
	client.Shake(t, nc)
	from := 0
	for _, to := range append(cuts, len(script)) {
		to = min(to, len(script))
		nc.Write(script[from:to]) // fails where the server has seen enough
		from = to
	}
	nc.(interface{ CloseWrite() error }).CloseWrite()
	return wstest.Soon(t, "the end", came)
}
