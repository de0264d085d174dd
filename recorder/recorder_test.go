package recorder

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/leak"
	"github.com/draftwire/draftwire/recording"
	"github.com/draftwire/draftwire/wire"
)

func TestMain(m *testing.M) { leak.Main(m, nil, nil) }

// create begins a recording, and returns how its file is read.
func create(t *testing.T, o Options) (x *Recorder, read func() []recording.Event) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "x.dwr")
	x, err := Create(name, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close() })
	return x, func() (all []recording.Event) {
		t.Helper()
		x.Close()
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		r, err := recording.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		for {
			var e recording.Event
			if err := r.Next(&e); err == io.EOF {
				return all
			} else if err != nil {
				t.Fatal(err)
			}
			e.Payload = bytes.Clone(e.Payload)
			all = append(all, e)
		}
	}
}

// What clients begin and do not finish is bounded, over all of them, and so is how many are
// recorded at a time.
func TestHolds(t *testing.T) {
	x, read := create(t, Options{File: 1 << 20, Message: 1 << 20})
	x.spool.n.Add(maxQueue + 1) // as if the disk hung: nothing is written
	conns := make([]conn, 200)
	for i := range conns {
		conns[i].stop = func() {}
	}
	p := make([]byte, 1<<20)
	frame := func(c *conn, op wire.Op, fin bool) {
		x.frame(c, &draftwire.Frame{Op: op, Fin: fin, Length: int64(len(p)), Payload: p})
	}
	for i := range conns {
		frame(&conns[i], wire.OpBinary, false)
	}
	if x.held.Load() != maxHeld || !conns[0].parts[0].whole || conns[199].parts[0].whole {
		t.Errorf("%d bytes are held", x.held.Load())
	}
	frame(&conns[0], wire.OpContinuation, true) // longer than a message may be
	if x.held.Load() != maxHeld-1<<20 || conns[0].parts[0].whole {
		t.Errorf("%d bytes are held without the message that is too long", x.held.Load())
	}
	for i := range conns {
		c := new(draftwire.Conn)
		x.conns[c] = &conns[i]
		x.closed(c, nil)
	}
	if x.held.Load() != 0 || len(x.conns) != 0 || x.places() != 512 {
		t.Errorf("%d bytes are held, %d places", x.held.Load(), x.places())
	}
	read()
}

// Nobody waits for a disk: what has no room in the queue is lost to the recording, and says so.
func TestFull(t *testing.T) {
	x, read := create(t, Options{File: 1 << 20, Message: 1 << 20})
	c := &conn{number: 1, stop: func() {}}
	x.spool.n.Add(maxQueue + 1) // as if the disk hung
	x.frame(c, &draftwire.Frame{Op: wire.OpBinary, Fin: true, Length: 1, Payload: []byte("1")})
	lost := c.lost
	x.spool.n.Add(-maxQueue - 1)
	x.frame(c, &draftwire.Frame{Op: wire.OpBinary, Fin: true, Length: 1, Payload: []byte("2")})
	if !lost || c.lost {
		t.Errorf("lost %v, and then %v", lost, c.lost)
	}
	all := read()
	if len(all) != 3 || all[0].Kind != recording.KindLost || all[1].Kind != recording.KindFrame || string(all[2].Payload) != "2" {
		t.Errorf("%+v", all)
	}
}

// A message is as long as it was in several frames, on both sides at a time, and a file that is
// full ends the recording with what it has.
func TestFrames(t *testing.T) {
	x, read := create(t, Options{File: 1 << 20, Message: 100, Redaction: recording.Redaction{Names: recording.DefaultNames}})
	c := &conn{number: 1, version: draftwire.RFC6455, stop: func() {}}
	frame := func(sent bool, op wire.Op, fin bool, text string) {
		x.frame(c, &draftwire.Frame{Op: op, Fin: fin, Sent: sent, Length: int64(len(text)), Payload: []byte(text)})
	}
	frame(false, wire.OpText, false, `{"tok`)
	frame(true, wire.OpBinary, false, "a")
	frame(false, wire.OpPing, true, `{"token":1}`)
	frame(false, wire.OpContinuation, true, `en":"s3cret"}`)
	frame(true, wire.OpContinuation, true, "b")
	frame(true, wire.OpBinary, true, strings.Repeat("x", 101))
	var messages []string
	for _, e := range read() {
		if e.Kind == recording.KindMessage {
			messages = append(messages, fmt.Sprintf("%s %s %d %t %s", e.From, e.Op, e.Size, e.Withheld, e.Payload))
		} else if strings.Contains(string(e.Payload), "tok\"") || strings.Contains(string(e.Payload), "s3cret") || e.Op == wire.OpPing && !strings.Contains(string(e.Payload), "[redacted:token]") {
			t.Errorf("a frame has %q", e.Payload)
		}
	}
	want := []string{`client text 18 false {"token":"[redacted:token]"}`, "server binary 2 false ab", "server binary 101 true "}
	if fmt.Sprint(messages) != fmt.Sprint(want) {
		t.Errorf("%q", messages)
	}
	x, read = create(t, Options{File: 1000, Message: 100})
	for range 100 {
		x.frame(c, &draftwire.Frame{Op: wire.OpBinary, Fin: true, Length: 50, Payload: make([]byte, 50)})
	}
	if n := len(read()); n < 5 || n > 30 || !x.failed.Load() {
		t.Errorf("%d events in a file of 1000 bytes", n)
	}
}

// A message one of whose frames had no room in memory is whole all the same: it is not made of the others.
func TestLostWithin(t *testing.T) {
	x, read := create(t, Options{File: 1 << 20, Message: 100})
	c := &conn{number: 1, version: draftwire.RFC6455, stop: func() {}}
	frame := func(op wire.Op, fin bool, text string) {
		x.frame(c, &draftwire.Frame{Op: op, Fin: fin, Length: int64(len(text)), Payload: []byte(text)})
	}
	frame(wire.OpBinary, false, "one ")
	x.spool.n.Add(maxQueue + 1) // as if the disk hung
	frame(wire.OpContinuation, false, "two ")
	x.spool.n.Add(-maxQueue - 1)
	frame(wire.OpContinuation, true, "three")
	all := read()
	if last := all[len(all)-1]; last.Kind != recording.KindMessage || string(last.Payload) != "one two three" {
		t.Errorf("%+v", all)
	}
}

// Behind Close connections go on, and nothing is held for a file that nobody writes.
func TestBehindClose(t *testing.T) {
	x, read := create(t, Options{Message: 1 << 20})
	c := &conn{number: 1, version: draftwire.RFC6455, stop: func() {}}
	p := make([]byte, 100<<10)
	send := func() {
		x.frame(c, &draftwire.Frame{Op: wire.OpBinary, Fin: true, Length: int64(len(p)), Payload: p})
	}
	send()
	ended := make(chan struct{})
	go func() { // at the same time
		defer close(ended)
		for range 10 {
			send()
		}
	}()
	if n := len(read()); n < 2 {
		t.Errorf("%d events", n)
	}
	<-ended
	before := x.spool.len()
	for range 10 {
		send()
	}
	if n := x.spool.len(); n != before || x.w.Size() > 22*int64(len(p)) {
		t.Errorf("%d bytes are held, and %d were before", n, before)
	}
}

// A file that is full may say so to a connection while the recording is closed.
func TestFullAtClose(t *testing.T) {
	for range 20 {
		x, read := create(t, Options{File: 1 << 10, Message: 1 << 10})
		c := &conn{number: 1, version: draftwire.RFC6455, stop: func() {}}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for range 3 {
				x.frame(c, &draftwire.Frame{Op: wire.OpBinary, Fin: true, Length: 400, Payload: make([]byte, 400)})
			}
		}()
		read()
		<-ended
		if err := x.Close(); err != nil && !errors.Is(err, recording.ErrFull) {
			t.Error(err)
		}
	}
}

// When the recording is over, a connection that goes on is not traced any more, and nothing is held of
// it; nor is a frame that was written.
func TestOver(t *testing.T) {
	x, read := create(t, Options{Message: 100})
	stopped := 0
	c := &conn{number: 1, stop: func() { stopped++ }}
	x.frame(c, &draftwire.Frame{Op: wire.OpBinary, Length: 1, Payload: []byte("1")})
	if c.event.Payload != nil || c.event.Kind != 0 || x.held.Load() != 1 {
		t.Errorf("%+v, %d bytes held", c.event, x.held.Load())
	}
	read()
	for range 3 {
		x.frame(c, &draftwire.Frame{Op: wire.OpContinuation, Fin: true, Length: 1, Payload: []byte("2")})
	}
	if stopped != 1 || x.held.Load() != 0 {
		t.Errorf("stopped %d times, %d bytes held", stopped, x.held.Load())
	}
}
