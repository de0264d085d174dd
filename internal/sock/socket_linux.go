//go:build linux && (amd64 || arm64) && !msan && !asan

package sock

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// Socket is a connection that a loop waits for. It is a net.Conn, and as a syscall.RawConn
// it lends its descriptor, so that everything that takes the connections of package net takes
// it: a goroutine that has to wait is woken by the loop in place of Go's own poller.
type Socket struct {
	fd    int32
	state atomic.Uint32
	loop  atomic.Pointer[loop]
	on    Turner // of its turns; for the loop's goroutine alone
	waits atomic.Pointer[waits]
	tls   atomic.Pointer[TLS] // what it speaks as a net.Conn; nil: the bytes are as they are
	peer  peer
	flags atomic.Uint32

	guest      bool // it keeps the Loops alive; set before anybody has the socket
	connecting bool // DialBeside has begun, and there was no news; for the loop's goroutine alone
	// drained says that a turn has read all that there was, and that there was no news since. It is for the
	// loop's goroutine alone.
	drained bool
	repeats bool // it is among its loop's ready; for the loop's goroutine alone
}

// The bits of Socket.flags.
const (
	again uint32 = 1 << iota // a turn was posted
	// driven says that there is a Turner. Where it is set it was set by the goroutine of the
	// loop that the socket has now, so that another one, which has still heard of it, knows.
	driven
	// peerEnded says that the peer has ended its half of the stream, or that the stream has
	// failed, and that this was not read yet: the kernel tells of it once.
	peerEnded
)

func (s *Socket) is(flag uint32) bool { return s.flags.Load()&flag != 0 }

// set sets a flag, or takes it back, and reports whether it was set.
func (s *Socket) set(flag uint32, yes bool) (before bool) {
	was := s.flags.Load()
	switch {
	case was&flag != 0 == yes:
	case yes:
		was = s.flags.Or(flag)
	default:
		was = s.flags.And(^flag)
	}
	return was&flag != 0
}

// peer is the address of the peer.
type peer struct {
	ip   [16]byte
	zone uint32
	port uint16
	kind uint16 // AF_INET, AF_INET6 or another
}

// The state of a Socket: a bit, and above it how many hold the descriptor, one of which is
// the socket itself until it is closed.
const (
	socketClosed = 1
	oneHold      = 2
)

// newSocket makes the descriptor of a connection a socket of l. It closes the descriptor where it
// cannot. prepare, unless it is nil, is called before the first news.
func newSocket(l *loop, fd int, at peer, prepare func(*Socket)) (*Socket, error) {
	s := &Socket{fd: int32(fd), peer: at}
	s.loop.Store(l)
	s.state.Store(oneHold)
	if prepare != nil {
		prepare(s)
	}
	made(s)
	err := sockets.put(s)
	if err == nil {
		err = s.register()
	}
	if err != nil {
		sockets.forget(s)
		closeNow(fd)
		return nil, err
	}
	l.open.Add(1)
	return s, nil
}

// register lets the loop wait for the socket.
func (s *Socket) register() error {
	return s.loop.Load().watch(int(s.fd), syscall.EPOLLIN|syscall.EPOLLOUT|syscall.EPOLLRDHUP|edge, 0)
}

// Join makes the loop of another socket this one's, which nothing is driven by yet: so one
// goroutine has the turns of both.
func (s *Socket) Join(other *Socket) error {
	before, now := s.loop.Load(), other.loop.Load()
	if before == now {
		return nil
	}
	if !s.hold() {
		return net.ErrClosed
	}
	defer s.release()
	s.loop.Store(now)
	now.open.Add(1)
	before.leave()
	syscall.EpollCtl(before.epoll, syscall.EPOLL_CTL_DEL, int(s.fd), nil)
	return s.register()
}

// leave notes that the loop has one socket less.
func (l *loop) leave() {
	if l.open.Add(-1) == 0 {
		l.wake() // it may have been the last one
	}
}

// hold keeps the descriptor from being closed, until release. It is false for a socket that
// is closed.
func (s *Socket) hold() bool {
	for {
		was := s.state.Load()
		if was&socketClosed != 0 {
			return false
		}
		if s.state.CompareAndSwap(was, was+oneHold) {
			return true
		}
	}
}

func (s *Socket) release() {
	if s.state.Add(^uint32(oneHold-1)) == socketClosed {
		closeNow(int(s.fd))
	}
}

// Close closes the socket. Calls that wait end, and its Turner gets a turn.
func (s *Socket) Close() error {
	if t := s.tls.Load(); t != nil {
		return t.conn.Close()
	}
	return s.close()
}

// close is Close below TLS.
func (s *Socket) close() error {
	if s.state.Or(socketClosed)&socketClosed != 0 {
		return net.ErrClosed
	}
	if w := s.waits.Load(); w != nil {
		w.close()
	}
	s.release()
	s.Again()
	s.loop.Load().leave()
	if s.guest {
		shared.leave()
	}
	return nil
}

// Drive makes on what is told of the socket, in place of whatever was before, and gives it a
// turn; with nil nothing is.
func (s *Socket) Drive(on Turner) {
	s.loop.Load().post(post{s: s, on: on, drive: true})
}

// DriveHere is Drive for the goroutine of the loop, without a turn.
func (s *Socket) DriveHere(on Turner) {
	s.on, s.repeats = on, false
	s.set(driven, on != nil)
}

// DriveFirst is DriveHere for a socket that was just accepted, and for the goroutine of any loop:
// that of the socket hears of it, and gives it a turn.
func (s *Socket) DriveFirst(on Turner) {
	if thisLoop() == s.loop.Load() {
		s.DriveHere(on)
	} else {
		s.Drive(on)
	}
}

// Again gives the socket a turn, without news of the kernel.
func (s *Socket) Again() {
	if !s.set(again, true) {
		s.loop.Load().post(post{s: s})
	}
}

// Holding notes that h, which has its turn, holds something back: unless its turn ends before,
// h.FlushHeld is called after that time at most.
func (s *Socket) Holding(h Holder, most time.Duration) { s.loop.Load().holds.add(h, most) }

// OnLoop reports whether the caller is the goroutine of a loop, and so must not wait.
func (s *Socket) OnLoop() bool { return onLoop() }

// Expired reports whether the read deadline has passed.
func (s *Socket) Expired() bool {
	w := s.waits.Load()
	return w != nil && w.expired(reads)
}

// Waiting.

// direction is that of a wait.
type direction uint8

const (
	reads direction = iota
	writes
)

// waits are the deadlines of a socket, and the goroutines that wait for it. Few sockets have
// either, so they are made when they are needed.
type waits struct {
	s    *Socket
	mu   sync.Mutex
	ways [2]way
}

// way is one direction.
type way struct {
	changed *sync.Cond // of waits; nil where nobody has waited yet
	ready   bool       // there was news since the goroutine that waits has tried
	passed  bool       // the deadline has passed
	by      time.Time
	timer   *time.Timer
}

func (s *Socket) needWaits() *waits {
	if w := s.waits.Load(); w != nil {
		return w
	}
	s.waits.CompareAndSwap(nil, &waits{s: s})
	return s.waits.Load()
}

// wake wakes who waits. It is called with the lock.
func (y *way) wake() {
	if y.changed != nil {
		y.changed.Broadcast()
	}
}

// news notes that the kernel has told of a direction.
func (w *waits) news(d direction) {
	w.mu.Lock()
	w.ways[d].ready = true
	w.ways[d].wake()
	w.mu.Unlock()
}

// close wakes all, as the socket is closed.
func (w *waits) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.ways {
		if t := w.ways[i].timer; t != nil {
			t.Stop()
		}
		w.ways[i].wake()
	}
}

func (w *waits) expired(d direction) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ways[d].passed
}

// setDeadline sets the deadline of a direction; the zero time is none. The socket's Turner
// gets a turn when that of reading has passed.
func (w *waits) setDeadline(d direction, t time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	y := &w.ways[d]
	y.by = t
	if y.timer != nil {
		y.timer.Stop()
	}
	in := time.Until(t)
	y.passed = !t.IsZero() && in <= 0
	switch {
	case t.IsZero():
	case y.passed:
		y.wake()
		w.tell(d)
	case y.timer == nil:
		y.timer = time.AfterFunc(in, func() { w.pass(d) })
	default:
		y.timer.Reset(in)
	}
}

// pass notes that a deadline may have passed.
func (w *waits) pass(d direction) {
	w.mu.Lock()
	defer w.mu.Unlock()
	y := &w.ways[d]
	if y.by.IsZero() || time.Until(y.by) > 0 || y.passed {
		return // it was moved meanwhile
	}
	y.passed = true
	y.wake()
	w.tell(d)
}

func (w *waits) tell(d direction) {
	if d == reads {
		w.s.Again()
	}
}

// begin forgets the news so far: the caller is about to try.
func (w *waits) begin(d direction) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ways[d].ready = false
	if w.ways[d].passed {
		return os.ErrDeadlineExceeded
	}
	return nil
}

// await waits for news since begin.
func (w *waits) await(d direction) error {
	y := &w.ways[d]
	w.mu.Lock()
	defer w.mu.Unlock()
	if y.changed == nil {
		y.changed = sync.NewCond(&w.mu)
	}
	for {
		switch {
		case w.s.state.Load()&socketClosed != 0:
			return net.ErrClosed
		case y.passed:
			return os.ErrDeadlineExceeded
		case y.ready:
			return nil
		}
		y.changed.Wait()
	}
}

// do calls f with the descriptor until it is done, and waits for news in between.
func (s *Socket) do(d direction, f func(fd uintptr) (done bool)) error {
	w := s.waits.Load()
	if w != nil && w.expired(d) {
		return os.ErrDeadlineExceeded
	}
	if done, err := s.try(f); done || err != nil {
		return err
	}
	if onLoop() {
		return ErrOnLoop
	}
	w = s.needWaits()
	for {
		if err := w.begin(d); err != nil {
			return err
		}
		if done, err := s.try(f); done || err != nil {
			return err
		}
		if err := w.await(d); err != nil {
			return err
		}
	}
}

func (s *Socket) try(f func(fd uintptr) bool) (done bool, err error) {
	if !s.hold() {
		return false, net.ErrClosed
	}
	defer s.release()
	return f(uintptr(s.fd)), nil
}

// FD returns the descriptor, for a turn.
func (s *Socket) FD() uintptr { return uintptr(s.fd) }

// WriteSome writes what the socket takes at once, and returns how much. Over TLS that is nothing, as there are records to
// be made. An error comes again with the next call that writes.
func (s *Socket) WriteSome(p []byte) int {
	if s.TLS() != nil || !s.hold() {
		return 0
	}
	defer s.release()
	return WriteSome(uintptr(s.fd), p)
}

// Raw returns s as a syscall.RawConn.
func (s *Socket) Raw() syscall.RawConn { return (*rawSocket)(s) }

// rawSocket is a Socket as a syscall.RawConn.
type rawSocket Socket

// SyscallConn implements syscall.Conn.
func (s *Socket) SyscallConn() (syscall.RawConn, error) { return (*rawSocket)(s), nil }

// Control implements syscall.RawConn.
func (r *rawSocket) Control(f func(fd uintptr)) error {
	_, err := (*Socket)(r).try(func(fd uintptr) bool { f(fd); return true })
	return err
}

// Read implements syscall.RawConn.
func (r *rawSocket) Read(f func(fd uintptr) (done bool)) error { return (*Socket)(r).do(reads, f) }

// Write implements syscall.RawConn.
func (r *rawSocket) Write(f func(fd uintptr) (done bool)) error { return (*Socket)(r).do(writes, f) }

// Read implements net.Conn.
func (s *Socket) Read(p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	if t := s.tls.Load(); t != nil {
		return s.readTLS(t, p)
	}
	var errno syscall.Errno
	err = s.do(reads, func(fd uintptr) bool {
		for {
			n, errno = recv(fd, p)
			if errno != syscall.EINTR {
				return errno != syscall.EAGAIN
			}
		}
	})
	switch {
	case err != nil:
		return 0, s.opError("read", err)
	case errno != 0:
		return 0, s.opError("read", os.NewSyscallError("read", errno))
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// Write implements net.Conn.
func (s *Socket) Write(p []byte) (written int, err error) {
	if t := s.tls.Load(); t != nil {
		return s.writeTLS(t, p)
	}
	var fault error
	err = s.do(writes, func(fd uintptr) bool {
		for written < len(p) {
			n, err := send(fd, p[written:])
			switch err {
			case nil:
				written += n
			case syscall.EINTR:
			case syscall.EAGAIN:
				return false
			default:
				fault = os.NewSyscallError("write", err)
				return true
			}
		}
		return true
	})
	if err == nil {
		err = fault
	}
	return written, s.opError("write", err)
}

func (s *Socket) opError(op string, err error) error {
	if err == nil {
		return nil
	}
	return &net.OpError{Op: op, Net: s.network(), Addr: s.RemoteAddr(), Err: err}
}

// CloseWrite ends our half of the stream.
func (s *Socket) CloseWrite() error {
	if t := s.tls.Load(); t != nil {
		return s.closeWriteTLS(t)
	}
	var errno syscall.Errno
	_, err := s.try(func(fd uintptr) bool {
		_, _, errno = syscall.RawSyscall(syscall.SYS_SHUTDOWN, fd, syscall.SHUT_WR, 0)
		return true
	})
	if err == nil && errno != 0 {
		err = os.NewSyscallError("shutdown", errno)
	}
	return s.opError("close", err)
}

// SetDeadline implements net.Conn.
func (s *Socket) SetDeadline(t time.Time) error {
	s.SetReadDeadline(t)
	return s.SetWriteDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (s *Socket) SetReadDeadline(t time.Time) error { return s.setDeadline(reads, t) }

// SetWriteDeadline implements net.Conn.
func (s *Socket) SetWriteDeadline(t time.Time) error { return s.setDeadline(writes, t) }

func (s *Socket) setDeadline(d direction, t time.Time) error {
	switch {
	case s.state.Load()&socketClosed != 0:
		return s.opError("set", net.ErrClosed)
	case t.IsZero() && s.waits.Load() == nil:
	default:
		s.needWaits().setDeadline(d, t)
	}
	return nil
}

// Addresses.

func (p *peer) set(from *syscall.RawSockaddrAny) {
	p.kind = from.Addr.Family
	switch p.kind {
	case syscall.AF_INET:
		a := (*syscall.RawSockaddrInet4)(unsafe.Pointer(from))
		copy(p.ip[:], a.Addr[:])
		p.port = portOf(&a.Port)
	case syscall.AF_INET6:
		a := (*syscall.RawSockaddrInet6)(unsafe.Pointer(from))
		p.ip, p.zone = a.Addr, a.Scope_id
		p.port = portOf(&a.Port)
	}
}

// portOf is a port in the order of the network.
func portOf(p *uint16) uint16 { return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(p))[:]) }

func (p *peer) addr() net.Addr {
	if at := p.addrPort(); at.IsValid() {
		return net.TCPAddrFromAddrPort(at)
	}
	return &net.UnixAddr{Net: "unix"}
}

// addrPort is the address of TCP; of another network it is not valid.
func (p *peer) addrPort() netip.AddrPort {
	switch p.kind {
	case syscall.AF_INET:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(p.ip[:4])), p.port)
	case syscall.AF_INET6:
		ip := netip.AddrFrom16(p.ip)
		if p.zone != 0 {
			ip = ip.WithZone(zoneName(p.zone))
		}
		return netip.AddrPortFrom(ip, p.port)
	}
	return netip.AddrPort{}
}

func zoneName(index uint32) string {
	if i, err := net.InterfaceByIndex(int(index)); err == nil {
		return i.Name
	}
	return ""
}

func (s *Socket) network() string {
	if s.peer.kind == syscall.AF_INET || s.peer.kind == syscall.AF_INET6 {
		return "tcp"
	}
	return "unix"
}

// RemoteAddr implements net.Conn.
func (s *Socket) RemoteAddr() net.Addr { return s.peer.addr() }

// RemoteAddrPort is RemoteAddr without an allocation. It is not valid where the network is not TCP.
func (s *Socket) RemoteAddrPort() netip.AddrPort { return s.peer.addrPort() }

// LocalAddr implements net.Conn. It asks the system, and is an empty address for a socket
// that is closed.
func (s *Socket) LocalAddr() net.Addr {
	at := s.name()
	var local peer
	local.set(&at)
	if u, ok := local.addr().(*net.UnixAddr); ok {
		path := (*syscall.RawSockaddrUnix)(unsafe.Pointer(&at)).Path
		for _, c := range path {
			if c == 0 {
				break
			}
			u.Name += string(rune(byte(c)))
		}
		return u
	}
	return local.addr()
}

// name asks the system for the address of this side.
func (s *Socket) name() (at syscall.RawSockaddrAny) {
	size := uint32(unsafe.Sizeof(at))
	if s.hold() {
		syscall.RawSyscall(syscall.SYS_GETSOCKNAME, uintptr(s.fd), uintptr(unsafe.Pointer(&at)), uintptr(unsafe.Pointer(&size)))
		s.release()
	}
	if at.Addr.Family == 0 {
		at.Addr.Family = s.peer.kind
	}
	return at
}
