package sock_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/draftwire/draftwire/internal/sock"
)

// tcp returns both ends of a TCP connection.
func tcp(t *testing.T) (a, b net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if a, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if b, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

// Bytes that came early are read first, what is discarded is gone, and Fill goes behind what
// is there until its limit.
func TestReader(t *testing.T) {
	a, b := tcp(t)
	r := sock.NewReader(b, []byte("early"))
	if got := r.Bytes(); string(got) != "early" {
		t.Fatalf("it has %q", got)
	}
	io.WriteString(a, " bird")
	r.Discard(1)
	if err := r.Fill(100); err != nil || string(r.Bytes()) != "arly bird" || string(r.Peek(4)) != "arly" {
		t.Fatalf("%q, %v", r.Bytes(), err)
	}
	if err := r.Fill(r.Buffered()); err != sock.ErrLimit {
		t.Errorf("at the limit: %v", err)
	}
	lent := r.Bytes()
	r.Abandon()
	r.Discard(r.Buffered())
	io.WriteString(a, "worm")
	if n, err := r.Refill(); n != 4 || err != nil || string(r.Bytes()) != "worm" || string(lent) != "arly bird" {
		t.Errorf("%d, %v: %q; lent %q", n, err, r.Bytes(), lent)
	}
	r.Discard(4)
	a.Close()
	if n, err := r.Refill(); n != 0 || err != io.EOF {
		t.Errorf("at the end: %d, %v", n, err)
	}
}

// writes is a stream that keeps what each Write had.
type writes [][]byte

func (w *writes) Write(p []byte) (int, error) {
	*w = append(*w, bytes.Clone(p))
	return len(p), nil
}

// What is no socket gets all buffers as one Write, or where they are long as several, and
// each begins with a call of before.
func TestWriteTo(t *testing.T) {
	long := bytes.Repeat([]byte("0123456789abcdef"), 10<<10) // 160 KiB
	for _, bufs := range [][3][]byte{{[]byte("head"), []byte("payload"), []byte("tail")}, {nil, []byte("alone")}, {[]byte("head"), long}} {
		var w sock.Writer
		w.Init()
		w.Bufs = bufs
		var got writes
		times := 0
		if err := w.WriteTo(&got, func() { times++ }); err != nil {
			t.Fatal(err)
		}
		want := slices.Concat(bufs[:]...)
		if all := slices.Concat(got...); !bytes.Equal(all, want) || times != len(got) {
			t.Errorf("%d bytes of %d, before %d of %d", len(all), len(want), times, len(got))
		}
		if n := (len(want) + 64<<10 - 1) / (64 << 10); len(got) != n {
			t.Errorf("%d bytes: %d writes, not %d", len(want), len(got), n)
		}
	}
}

// waits notes what a Writer says before it waits, and lets the peer read then.
type waits struct {
	progress []bool
	read     func()
}

func (w *waits) BeforeWait(progress bool) {
	w.progress = append(w.progress, progress)
	w.read()
}

// A write to a socket tells each wait for room whether bytes have gone since the last one; a
// hasty one leaves the rest.
func TestWriteToSocket(t *testing.T) {
	a, b := tcp(t)
	raw := sock.NewReader(a, nil).Raw()
	if raw == nil {
		t.Skip("sockets are not written by descriptor here")
	}
	a.(*net.TCPConn).SetWriteBuffer(64 << 10) // so that a write has to wait often, however quick the peer is
	b.(*net.TCPConn).SetReadBuffer(64 << 10)
	big := make([]byte, 16<<20) // more than a socket takes at once
	var w sock.Writer
	w.Init()
	w.Bufs, w.Hasty = [3][]byte{[]byte("head"), big, []byte("tail")}, true
	if err := w.Result(raw.Write(w.Try())); err != nil || !w.Remaining() {
		t.Fatalf("hasty: %v, remaining %v", err, w.Remaining())
	}
	read := make(chan []byte, 1)
	peer := &waits{}
	peer.read = func() {
		if len(peer.progress) == 1 {
			go func() {
				all, _ := io.ReadAll(b)
				read <- all
			}()
		}
	}
	w.Hasty, w.Wait = false, peer
	if err := w.Result(raw.Write(w.Try())); err != nil || w.Remaining() {
		t.Fatalf("%v, remaining %v", err, w.Remaining())
	}
	a.Close()
	if all := <-read; len(all) != len(big)+8 || string(all[:4]) != "head" || string(all[len(all)-4:]) != "tail" {
		t.Errorf("%d bytes came", len(all))
	}
	// The system may say that there is room where there is none: a wait may be in vain.
	if len(peer.progress) < 2 || !slices.Contains(peer.progress[1:], true) {
		t.Errorf("before the waits: %v", peer.progress)
	}
	w.Reset()
	b.Close()
	a.SetDeadline(time.Now())
	w.Bufs[0] = []byte("x")
	if err := w.Result(raw.Write(w.Try())); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// A mark tells that the stack has moved.
func TestStackMark(t *testing.T) {
	moved := make(chan bool)
	go func() { // on a new stack, which is small
		var here byte
		mark := sock.MarkStack(&here)
		if mark.Moved(&here) {
			t.Error("it has moved by itself")
		}
		deep(1000)
		moved <- mark.Moved(&here)
	}()
	if !<-moved {
		t.Error("it has not moved")
	}
}

//go:noinline
func deep(n int) (sum byte) {
	var frame [128]byte
	frame[n%len(frame)] = byte(n)
	if n > 0 {
		sum = deep(n - 1)
	}
	return sum + frame[n%len(frame)]
}
