//go:build (amd64 || arm64) && !msan && !asan

package sock

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"
)

// patience ends a hang: nothing here takes so long.
const patience = 20 * time.Second

// accepted opens a connection to a listener of loops. first is called by the loop.
func accepted(t *testing.T, network, address string, first func(*Socket)) (client net.Conn, s *Socket) {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	loops := NewLoops()
	if loops == nil {
		t.Fatal("no loops")
	}
	t.Cleanup(loops.Close)
	t.Cleanup(func() { l.Close() })
	got := make(chan *Socket, 1)
	err = loops.Listen(l, func(nc net.Conn) {
		if first != nil {
			first(nc.(*Socket))
		}
		got <- nc.(*Socket)
	})
	if err != nil {
		t.Fatal(err)
	}
	if client, err = net.Dial(network, l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	client.SetDeadline(time.Now().Add(patience))
	s = <-got
	t.Cleanup(func() { client.Close(); s.Close() })
	return client, s
}

// turner is a Turner made of a function.
type turner func(t *Turn)

func (f turner) Turn(t *Turn) { f(t) }

// A socket without a Turner is a net.Conn whose calls wait.
func TestSocketWaits(t *testing.T) {
	client, s := accepted(t, "tcp", "127.0.0.1:0", nil)
	if s.OnLoop() {
		t.Error("the test is no loop")
	}
	read := make(chan string)
	go func() {
		b := make([]byte, 10)
		n, err := s.Read(b)
		if err != nil {
			t.Error(err)
		}
		read <- string(b[:n])
	}()
	io.WriteString(client, "hello")
	if got := <-read; got != "hello" {
		t.Errorf("read %q", got)
	}
	s.SetReadDeadline(time.Now().Add(time.Millisecond))
	if _, err := s.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || !s.Expired() {
		t.Errorf("behind the deadline: %v", err)
	}
	s.SetReadDeadline(time.Time{})
	if s.Expired() {
		t.Error("a deadline that was taken back has passed")
	}
	client.(*net.TCPConn).CloseWrite()
	if _, err := s.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}

// A write that the peer does not take waits for room, until its deadline or the close.
func TestSocketWriteWaits(t *testing.T) {
	client, s := accepted(t, "tcp", "127.0.0.1:0", nil)
	long := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	s.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
	n, err := s.Write(long)
	if !errors.Is(err, os.ErrDeadlineExceeded) || n == len(long) {
		t.Fatalf("wrote %d, %v", n, err)
	}
	s.SetWriteDeadline(time.Time{})
	done := make(chan error, 1)
	go func() {
		_, err := s.Write(long[n:])
		s.CloseWrite()
		done <- err
	}()
	got, err := io.ReadAll(client)
	if err != nil || !bytes.Equal(got, long) {
		t.Errorf("%d of %d bytes came, %v", len(got), len(long), err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	go func() { done <- waitForRead(s) }()
	s.Close()
	if err := <-done; !errors.Is(err, net.ErrClosed) {
		t.Errorf("a read that was closed: %v", err)
	}
	if err := s.Close(); err == nil {
		t.Error("closed twice without an error")
	}
}

func waitForRead(s *Socket) error {
	_, err := s.Read(make([]byte, 1))
	return err
}

// A Turner gets a turn for news of bytes, for Again, for a deadline and for the close. It is on
// the loop, where no call waits.
func TestTurns(t *testing.T) {
	var mu sync.Mutex
	var got []string
	told := make(chan string, 100)
	say := func(what string) {
		mu.Lock()
		got = append(got, what)
		mu.Unlock()
		told <- what
	}
	echo := turner(func(t *Turn) {
		s := t.Socket
		switch {
		case !s.OnLoop():
			say("elsewhere")
		case t.FD == NoSocket:
			say("closed")
		case s.Expired():
			s.SetReadDeadline(time.Time{})
			say("expired")
		default:
			b := make([]byte, 10)
			if n, err := s.Read(b); err == nil {
				say(string(b[:n]))
				s.Write(b[:n])
			} else if errors.Is(err, ErrOnLoop) {
				say("nothing")
			} else {
				say(err.Error())
			}
		}
	})
	want := func(what string) {
		t.Helper()
		select {
		case s := <-told:
			if s != what {
				t.Fatalf("told %q, want %q; all: %q", s, what, got)
			}
		case <-time.After(patience):
			t.Fatalf("not told %q; all: %q", what, got)
		}
	}
	client, s := accepted(t, "tcp", "127.0.0.1:0", func(s *Socket) { s.DriveHere(echo) })
	io.WriteString(client, "hello")
	want("hello")
	b := make([]byte, 5)
	if _, err := io.ReadFull(client, b); err != nil || string(b) != "hello" {
		t.Errorf("echo %q, %v", b, err)
	}
	s.Again()
	want("nothing")
	s.SetReadDeadline(time.Now().Add(time.Millisecond))
	want("expired")
	s.Drive(nil)
	s.Drive(echo)
	want("nothing")
	s.Close()
	want("closed")
}

// However often a busy socket gets a turn, for news, for Again and as it has more to read, it waits once for another one.
func TestBusyWaitsOnce(t *testing.T) {
	most, turns := 0, 0
	done := make(chan int, 1)
	busy := turner(func(t *Turn) {
		most = max(most, len(t.Socket.loop.Load().ready))
		if turns++; turns == 1000 {
			done <- most
		}
		if turns < 1000 {
			t.Again = true
			t.Socket.Again()
		}
	})
	client, _ := accepted(t, "tcp", "127.0.0.1:0", func(s *Socket) { s.DriveHere(busy) })
	io.WriteString(client, "news")
	select {
	case n := <-done:
		if n > 1 {
			t.Errorf("it waited %d times at once", n)
		}
	case <-time.After(patience):
		t.Fatal("it does not get its turns")
	}
}

func TestSocketAddresses(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		client, s := accepted(t, "tcp", address, nil)
		if got, want := s.RemoteAddr().String(), client.LocalAddr().String(); got != want || s.RemoteAddr().Network() != "tcp" {
			t.Errorf("remote %s, not %s", got, want)
		}
		if got, want := s.LocalAddr().String(), client.RemoteAddr().String(); got != want {
			t.Errorf("local %s, not %s", got, want)
		}
	}
	path := filepath.Join(t.TempDir(), "s")
	client, s := accepted(t, "unix", path, nil)
	if got := s.LocalAddr().String(); got != path || s.RemoteAddr().Network() != "unix" {
		t.Errorf("local %s, remote %v", got, s.RemoteAddr())
	}
	io.WriteString(client, "x")
	if err := waitForRead(s); err != nil {
		t.Error(err)
	}
}

// Loops take sockets alone, and see a listener that was closed.
func TestLoopsListen(t *testing.T) {
	loops := NewLoops()
	defer loops.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if IsSocket(struct{ net.Listener }{l}) {
		t.Error("a listener of the program was taken")
	}
	if Closed(l) {
		t.Error("closed already")
	}
	l.Close()
	if !Closed(l) {
		t.Error("not closed")
	}
	if err := loops.Listen(l, nil); err == nil {
		t.Error("a closed listener was taken")
	}
}

// Old news of a listener that is closed takes no connection from the one that has its descriptor
// now.
func TestOldNewsOfListener(t *testing.T) {
	listen := func() (net.Listener, int) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		raw, err := l.(*net.TCPListener).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		number := 0
		raw.Control(func(fd uintptr) { number = int(fd) })
		return l, number
	}
	old, number := listen()
	raw, err := old.(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	l := &loop{listeners: map[int]*acceptor{number: {raw: raw, accept: func(net.Conn) { t.Error("accepted") }}}}
	old.Close()
	now, again := listen()
	defer now.Close()
	if again != number {
		t.Skipf("descriptor %d has become %d", number, again)
	}
	client, err := net.Dial("tcp", now.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	l.accept(number)
	now.(*net.TCPListener).SetDeadline(time.Now().Add(patience))
	nc, err := now.Accept()
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
}

// What every connection of a loop holds fits a class of the allocator.
func TestSocketSize(t *testing.T) {
	if n := unsafe.Sizeof(Socket{}); n > 80 {
		t.Errorf("a Socket has %d bytes, above 80", n)
	}
}

// Who closes a listener may have a lock that is needed for the connection which a loop has just accepted; who has none
// can wait until it was given away.
func TestCloseWhileAccepted(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	loops := NewLoops()
	t.Cleanup(loops.Close)
	var lock sync.Mutex
	var done atomic.Bool
	accepts := make(chan struct{})
	err = loops.Listen(l, func(nc net.Conn) {
		close(accepts)
		lock.Lock()
		defer lock.Unlock()
		nc.Close()
		done.Store(true)
	})
	if err != nil {
		t.Fatal(err)
	}
	lock.Lock()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	<-accepts
	closed, gave := make(chan struct{}), make(chan bool)
	go func() {
		given := loops.Unlisten(l)
		l.Close()
		close(closed)
		given()
		gave <- done.Load()
	}()
	select {
	case <-closed:
	case <-time.After(patience):
		t.Error("the listener waits for who needs the lock")
	}
	lock.Unlock()
	if !<-gave {
		t.Error("the connection was not given to accept")
	}
}
