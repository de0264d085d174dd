package gateway_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/hixie75"
	"github.com/draftwire/draftwire/hixie76"
	"github.com/draftwire/draftwire/hybi02"
	"github.com/draftwire/draftwire/hybi04"
	"github.com/draftwire/draftwire/hybi05"
	"github.com/draftwire/draftwire/hybi07"
	"github.com/draftwire/draftwire/rfc6455"
	"github.com/draftwire/draftwire/wire"
)

var draftOf = map[draftwire.Version]*wire.Draft{
	draftwire.Hixie75: &hixie75.Draft, draftwire.Hixie76: &hixie76.Draft, draftwire.Hybi02: &hybi02.Draft, draftwire.Hybi04: &hybi04.Draft,
	draftwire.Hybi05: &hybi05.Draft, draftwire.Hybi06: &hybi05.Draft06, draftwire.Hybi07: &hybi07.Draft, draftwire.Hybi08: &hybi07.Draft08,
	draftwire.RFC6455: &rfc6455.Draft,
}

// tap is a connection that keeps what is read from it.
type tap struct {
	net.Conn
	mu   sync.Mutex
	read []byte
}

func (c *tap) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read = append(c.read, p[:n]...)
	return n, err
}

// frames returns the frames that a client of v got, one in each line.
func (c *tap) frames(t *testing.T, v draftwire.Version) (out []string) {
	t.Helper()
	c.mu.Lock()
	_, p, _ := bytes.Cut(bytes.Clone(c.read), []byte("\r\n\r\n"))
	c.mu.Unlock()
	if v <= draftwire.Hybi02 {
		p = p[min(16, len(p)):] // the answer to the challenge
	}
	codec := draftOf[v].NewCodec(wire.CodecConfig{Role: wire.Client})
	var ev wire.Event
	var frame []byte
	for len(p) > 0 {
		n, err := codec.Decode(p, &ev)
		if err != nil {
			t.Fatal(err)
		}
		p = p[n:]
		if !ev.Op.IsData() {
			continue
		}
		frame = append(frame, ev.Data...)
		if ev.FrameEnd {
			out = append(out, line(ev.Op, string(frame), ev.Last))
			frame = nil
		}
	}
	return out
}

func line(op wire.Op, data string, last bool) string {
	return fmt.Sprintf("%v %d %.20q last %v", op, len(data), data, last)
}

// bare starts a backend whose handler does nothing, so that a test can write its own frames
// to the connections that it sends to conns.
func (w *world) bare(address string, v draftwire.Version, conns chan<- net.Conn) {
	over := make(chan struct{})
	l, _ := w.listen(address)
	s := &draftwire.Server{Options: open(draftwire.VersionsOf(v)), WebSocket: func(_ context.Context, c *draftwire.Conn) error {
		go func() {
			for {
				if _, _, err := c.Read(bg); err != nil {
					return
				}
			}
		}()
		<-over
		return nil
	}}
	done := make(chan error, 1)
	go func() { done <- s.Serve(&watched{l, conns}) }()
	w.t.Cleanup(func() {
		close(over)
		s.Close()
		<-done
		s.Shutdown(bg)
	})
}

// watched is a listener that shows what it accepts.
type watched struct {
	net.Listener
	conns chan<- net.Conn
}

func (l *watched) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.conns <- c
	}
	return c, err
}

// A frame is what a backend sends. Its bytes are cut at at, and sent one part after the
// other.
type frame struct {
	op   wire.Op
	data string
	fin  bool
	at   []int
}

var scripts = []struct {
	name   string
	frames []frame
	moved  int // with fragments: stream
	joined int // with fragments: gather
}{
	{"whole", []frame{{wire.OpText, "abc", true, nil}, {wire.OpBinary, "", true, nil}}, 0, 0},
	{"whole, its head cut", []frame{{wire.OpText, "abc", true, []int{1}}}, 0, 0},
	{"whole, behind its head cut", []frame{{wire.OpText, "abc", true, []int{2}}}, 0, 0},
	{"in two reads", []frame{{wire.OpText, "abcdef", true, []int{5}}}, 1, 0},
	{"in many reads", []frame{{wire.OpBinary, strings.Repeat("x", 1000), true, []int{100, 300, 700}}}, 1, 0},
	{"two frames", []frame{{wire.OpText, "ab", false, nil}, {wire.OpContinuation, "cd", true, nil}}, 0, 1},
	{"two frames, the last empty", []frame{{wire.OpText, "ab", false, nil}, {wire.OpContinuation, "", true, nil}}, 0, 1},
	{"empty frames", []frame{{wire.OpText, "", false, nil}, {wire.OpContinuation, "", false, nil}, {wire.OpContinuation, "", true, nil}}, 0, 1},
	{"an empty one first", []frame{{wire.OpBinary, "", false, nil}, {wire.OpContinuation, "ab", false, nil}, {wire.OpContinuation, "", true, nil}}, 0, 1},
	{"characters cut", []frame{{wire.OpText, "\xe2", false, nil}, {wire.OpContinuation, "\x82\xac", false, nil}, {wire.OpContinuation, "", true, nil}}, 0, 1},
	{"a later one in two reads", []frame{{wire.OpText, "ab", false, nil}, {wire.OpContinuation, "cdef", false, []int{4}}, {wire.OpContinuation, "", true, nil}}, 1, 1},
	{"twice", []frame{
		{wire.OpText, "ab", false, nil}, {wire.OpContinuation, "cd", true, []int{3}}, {wire.OpText, "abcdef", true, []int{5}}, {wire.OpText, "a", true, nil},
	}, 2, 1},
}

// Between versions with fragments the client gets exactly the backend's frames, or the loss
// is counted.
func TestFrames(t *testing.T) {
	forPairs(t, func(t *testing.T, front, back draftwire.Version) {
		if !back.Supports(draftwire.CapFragments) {
			return // it has one frame a message
		}
		for _, how := range []string{"stream", "gather"} {
			for _, sc := range scripts {
				testFrames(t, front, back, how, sc.name, sc.frames, sc.moved, sc.joined)
			}
		}
	})
}

func testFrames(t *testing.T, front, back draftwire.Version, how, name string, frames []frame, moved, joined int) {
	w := newWorld(t)
	conns := make(chan net.Conn, 1)
	w.bare("back:80", back, conns)
	w.start(to(gateway.Policy{Fragments: how, Binary: "hex"}, backURL(back)))
	var seen *tap
	c, _, err := draftwire.Dial(bg, "ws://front/", &draftwire.DialOptions{Version: front, NetDial: func(ctx context.Context, n, a string) (net.Conn, error) {
		nc, err := w.dial(ctx, n, a)
		seen = &tap{Conn: nc}
		return seen, err
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	go func() {
		for {
			if _, _, err := c.Read(bg); err != nil {
				return
			}
		}
	}()
	nc := <-conns
	codec := draftOf[back].NewCodec(wire.CodecConfig{Role: wire.Server})
	var sent []string
	kind := wire.OpText
	for _, f := range frames {
		p, err := codec.AppendFrame(nil, f.op, f.fin, []byte(f.data))
		if err != nil {
			t.Fatal(err)
		}
		if f.op != wire.OpContinuation {
			kind = f.op
		}
		sent = append(sent, line(kind, f.data, f.fin))
		from := 0
		for _, at := range append(slices.Clone(f.at), len(p)) {
			nc.Write(p[from:at])
			rest()
			from = at
		}
	}
	lost := w.losses()
	if how == "gather" || !front.Supports(draftwire.CapFragments) {
		moved = 0
	} else {
		joined = 0
	}
	if lost[gateway.LossFragmentsMoved] != moved || lost[gateway.LossFragmentsJoined] != joined {
		t.Errorf("%s, %s: %v; want moved %d, joined %d", name, how, lost, moved, joined)
	}
	if name == "characters cut" && draftOf[back].InvalidText[wire.Client] == wire.ReplaceText {
		return // the repair of text may hold a character back until it is whole
	}
	if got := seen.frames(t, front); front.Supports(draftwire.CapFragments) && slices.Equal(got, sent) != (moved+joined == 0) {
		t.Errorf("%s, %s: lost %v, but sent\n%s\nand got\n%s", name, how, lost, strings.Join(sent, "\n"), strings.Join(got, "\n"))
	}
}

// A message is passed on at once, even if bytes that are not a whole part have come after it.
func TestNothingIsHeldBack(t *testing.T) {
	forPairs(t, func(t *testing.T, front, back draftwire.Version) {
		codec := draftOf[back].NewCodec(wire.CodecConfig{Role: wire.Server})
		message, _ := codec.AppendFrame(nil, wire.OpText, true, []byte("hello"))
		behind := map[string][]byte{"the beginning of a head": message[:1]}
		if back.Supports(draftwire.CapPing) {
			behind["a ping"], _ = codec.AppendFrame(nil, wire.OpPing, true, []byte("p"))
		}
		for name, p := range behind {
			w := newWorld(t)
			conns := make(chan net.Conn, 1)
			w.bare("back:80", back, conns)
			w.start(to(gateway.Policy{}, backURL(back)))
			x := newPlayer(w.mustClient(front, draftwire.DialOptions{}), "")
			nc := <-conns
			nc.Write(slices.Concat(message, message, p))
			rest()
			if got := x.come(); len(got) != 2 {
				t.Errorf("before %s: %v came", name, got)
			}
			x.c.CloseNow()
			<-w.ends
		}
	})
}
