//go:build (amd64 || arm64) && !msan && !asan

package sock

import (
	"net"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// used returns the processor time of the process.
func used(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// Loops that nobody needs any more wait for their last socket as they wait for others.
func TestEndedLoopsWait(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	loops := NewLoops()
	s, err := loops.Dial(l.Addr().(*net.TCPAddr).AddrPort(), func(*Socket) {})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	loops.Close()
	const long = 300 * time.Millisecond
	before := used(t)
	s.SetReadDeadline(time.Now().Add(long))
	s.Read(make([]byte, 1))
	if spent := used(t) - before; spent > long/10 {
		t.Errorf("%v of processor time in %v", spent, long)
	}
}

// Another process that has the same socket may make it blocking. An Accept that waits in the
// kernel then holds up nothing but itself.
func TestAcceptBlocking(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := Accepts(l)
	defer a.Close()
	raw, err := l.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) { syscall.SetNonblock(int(fd), false) })
	accepted := make(chan error)
	go func() {
		nc, err := a.Accept()
		if err == nil {
			nc.Close()
		}
		accepted <- err
	}()
	for range 20 {
		runtime.GC() // stops the world: it would wait for the call that waits
	}
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if err := <-accepted; err != nil {
		t.Error(err)
	}
}
