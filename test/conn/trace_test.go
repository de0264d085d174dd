package conn_test

import (
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
)

// A trace is told of each frame that is sent, whichever method sends it, and of each that is
// received.
func TestTraceFrames(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		var mu sync.Mutex
		var in, out []string
		tell := func(f *draftwire.Frame) {
			mu.Lock()
			defer mu.Unlock()
			if f.Sent {
				out = append(out, f.Op.String()+" "+string(f.Payload))
			} else {
				in = append(in, f.Op.String()+" "+string(f.Payload))
			}
		}
		client, server := wstest.Pair(t, v, draftwire.AcceptOptions{Observer: &draftwire.Observer{
			Opened: func(c *draftwire.Conn) { c.TraceFrames(4, tell) },
		}}, draftwire.DialOptions{})
		defer client.CloseNow()
		m := wstest.Prepared("prepared")
		if err := server.WritePrepared(bg, m); err != nil {
			t.Fatal(err)
		}
		if err := server.Post(m); err != nil {
			t.Fatal(err)
		}
		draftwire.Broadcast(m, []*draftwire.Conn{server}, nil)
		if err := server.Write(bg, draftwire.OpText, make([]byte, 20_000)); err != nil {
			t.Fatal(err)
		}
		w, err := server.Writer(bg, draftwire.OpText)
		if err != nil {
			t.Fatal(err)
		}
		w.Write([]byte("stream"))
		w.Close()
		for range 5 {
			if _, _, err := client.Read(bg); err != nil {
				t.Fatal(err)
			}
		}
		if err := client.Write(bg, draftwire.OpText, []byte("question")); err != nil {
			t.Fatal(err)
		}
		if _, _, err := server.Read(bg); err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		defer mu.Unlock()
		want := []string{"text prep", "text prep", "text prep", "text \x00\x00\x00\x00", "text stre"}
		if len(out) == len(want)+1 && out[5] == "continuation " {
			out = out[:5]
		}
		if !slices.Equal(out, want) || !slices.Equal(in, []string{"text ques"}) {
			t.Errorf("sent %q, received %q", out, in)
		}
	})
}

// A trace may begin and end while others read and write.
func TestTraceFramesAnytime(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		client, server := wstest.Pair(t, v, draftwire.AcceptOptions{}, draftwire.DialOptions{})
		defer client.CloseNow()
		const messages = 300
		var all sync.WaitGroup
		send := func(c *draftwire.Conn) {
			for range messages {
				if err := c.Write(bg, draftwire.OpText, []byte("some text")); err != nil {
					t.Error(err)
					return
				}
			}
		}
		receive := func(c *draftwire.Conn) {
			for range messages {
				if _, p, err := c.Read(bg); err != nil || string(p) != "some text" {
					t.Errorf("%q, %v", p, err)
					return
				}
			}
		}
		all.Go(func() { send(client) })
		all.Go(func() { send(server) })
		all.Go(func() { receive(client) })
		all.Go(func() { receive(server) })
		for range 50 {
			var mu sync.Mutex
			stop := server.TraceFrames(4, func(f *draftwire.Frame) {
				mu.Lock()
				defer mu.Unlock()
				if f.Op != draftwire.OpText || string(f.Payload) != "some" || f.Length != 9 {
					t.Errorf("%v %q %d", f.Op, f.Payload, f.Length)
				}
			})
			other := server.TraceFrames(0, func(*draftwire.Frame) {})
			runtime.Gosched()
			stop()
			other()
		}
		all.Wait()
	})
}
