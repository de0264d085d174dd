//go:build linux && (amd64 || arm64) && !msan && !asan

package sock

import (
	"cmp"
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"time"
	"unsafe"
)

// This file makes sockets of loops that no loop has accepted: for a goroutine that then does a
// handshake on them, and leaves them to their loop.

// some returns a loop for another socket.
func (ls *Loops) some() *loop { return ls.all[int(ls.next.Add(1))%len(ls.all)] }

// Accepts returns l as a listener whose connections are sockets of the process's Loops, while there
// is one. Where l is no socket it returns l. It is to be closed in place of l.
func Accepts(l net.Listener) net.Listener {
	if !IsSocket(l) {
		return l
	}
	raw, err := l.(syscall.Conn).SyscallConn()
	if err != nil {
		return l
	}
	inherit(raw, l.Addr())
	own := duplicate(raw) // package net lets nobody wait for its listeners
	if own < 0 {
		return l
	}
	f := os.NewFile(uintptr(own), "listener")
	if raw, err = f.SyscallConn(); err == nil {
		err = f.SetReadDeadline(time.Time{}) // fails where it cannot be waited for
	}
	if err != nil {
		f.Close()
		return l
	}
	return &socketListener{l, f, raw}
}

// duplicate returns another descriptor of a socket, negative where there is none. (That of package
// net makes the socket blocking.)
func duplicate(raw syscall.RawConn) int {
	own := -1
	raw.Control(func(fd uintptr) {
		if r, _, errno := syscall.RawSyscall(syscall.SYS_FCNTL, fd, syscall.F_DUPFD_CLOEXEC, 0); errno == 0 {
			own = int(r)
		}
	})
	return own
}

// Adopt returns a connection of package net as a socket of the process's Loops, which it keeps
// alive; nc then is closed. Where that cannot be it returns nc.
func Adopt(nc net.Conn) net.Conn {
	switch nc.(type) {
	case *net.TCPConn, *net.UnixConn:
	default:
		return nc
	}
	raw, err := nc.(syscall.Conn).SyscallConn()
	if err != nil {
		return nc
	}
	loops := NewLoops()
	if loops == nil {
		return nc
	}
	own := duplicate(raw)
	if own < 0 {
		loops.Close()
		return nc
	}
	at := peer{kind: syscall.AF_UNIX}
	if t, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		at = peerAt(t.AddrPort())
	}
	s, err := newSocket(loops.some(), own, at, nil)
	if err != nil {
		loops.Close()
		return nc
	}
	s.guest = true
	nc.Close()
	return s
}

// peerAt is the peer at an address.
func peerAt(to netip.AddrPort) peer {
	if ip := to.Addr().Unmap(); ip.Is4() {
		p := peer{port: to.Port(), kind: syscall.AF_INET}
		*(*[4]byte)(p.ip[:]) = ip.As4()
		return p
	}
	return peer{ip: to.Addr().As16(), zone: zoneIndex(to.Addr().Zone()), port: to.Port(), kind: syscall.AF_INET6}
}

// zoneIndex returns the index of a zone, which is the name of an interface or that index; 0
// where it is neither.
func zoneIndex(zone string) uint32 {
	if zone == "" {
		return 0
	}
	if i, err := net.InterfaceByName(zone); err == nil {
		return uint32(i.Index)
	}
	n, _ := strconv.ParseUint(zone, 10, 32) // an error is index 0
	return uint32(n)
}

// inherit sets what the connections of a listener inherit.
func inherit(raw syscall.RawConn, addr net.Addr) error {
	if addr.Network() != "tcp" {
		return nil
	}
	return raw.Control(func(fd uintptr) {
		syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
		Keepalive(fd)
	})
}

// socketListener is what Accepts returns.
type socketListener struct {
	net.Listener
	own *os.File
	raw syscall.RawConn
}

// Close implements net.Listener.
func (l *socketListener) Close() error {
	l.own.Close()
	return l.Listener.Close()
}

// Accept implements net.Listener.
func (l *socketListener) Accept() (net.Conn, error) {
	var nc net.Conn
	var fault error
	err := l.raw.Read(func(listener uintptr) bool {
		for {
			fd, from, errno := accept(listener)
			switch errno {
			case 0:
				nc, fault = shared.socket(fd, from)
				return true
			case syscall.ECONNABORTED, syscall.EINTR:
			case syscall.EAGAIN:
				return false
			default:
				fault = os.NewSyscallError("accept4", errno)
				return true
			}
		}
	})
	if err == nil {
		err = fault
	} else {
		err = net.ErrClosed // nothing else ends the wait
	}
	if err != nil {
		return nil, &net.OpError{Op: "accept", Net: l.Addr().Network(), Addr: l.Addr(), Err: err}
	}
	return nc, nil
}

// socket makes the descriptor of a connection a socket, of package net where there is no Loops.
func (x *sharedLoops) socket(fd int, from peer) (net.Conn, error) {
	x.mu.Lock()
	defer x.mu.Unlock() // the loops do not end meanwhile
	if x.loops != nil {
		return newSocket(x.loops.some(), fd, from, nil)
	}
	f := os.NewFile(uintptr(fd), "")
	defer f.Close()
	return net.FileConn(f)
}

// Dial connects to an address. begun is told of the socket before Dial waits: its deadline ends
// the wait.
func (ls *Loops) Dial(to netip.AddrPort, begun func(*Socket)) (*Socket, error) {
	s, err := ls.dial(to, begun)
	return s, dialFault(to, err)
}

func (ls *Loops) dial(to netip.AddrPort, begun func(*Socket)) (*Socket, error) {
	s, connects, err := ls.some().connect(to, func(s *Socket) { s.needWaits() })
	if err != nil {
		return nil, err
	}
	begun(s)
	if connects {
		if err := s.connected(); err != nil {
			s.Close()
			return nil, err
		}
	}
	if s.isItself() {
		s.Close()
		return nil, errItself
	}
	return s, nil
}

// DialBeside begins to connect to an address, for the goroutine of the loop of s, which then is that
// of the new socket too. Its Turner is on, which gets a turn when Connecting has become false.
func (s *Socket) DialBeside(to netip.AddrPort, on Turner) (*Socket, error) {
	l := s.loop.Load()
	x, _, err := l.connect(to, func(x *Socket) {
		x.connecting = true
		l.begun = append(l.begun, x)
		x.DriveHere(on)
	})
	return x, dialFault(to, err)
}

// dialFault is the error of a connection to an address that fault has kept from opening.
func dialFault(to netip.AddrPort, fault error) error {
	if fault == nil {
		return nil
	}
	return &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(to), Err: fault}
}

// Connecting reports whether a socket of DialBeside still connects. It is for the goroutine of its loop.
func (s *Socket) Connecting() bool { return s.connecting }

// DialFault returns why a socket of DialBeside has not connected, when Connecting is false; nil where
// it has.
func (s *Socket) DialFault() error { return dialFault(s.peer.addrPort(), s.connectFault()) }

// IsItself returns the error of a socket of DialBeside that is connected to itself, which is no
// connection. It is nil for others. Dial asks this by itself; here it is asked of one whose peer has
// not answered as it should.
func (s *Socket) IsItself() error {
	if !s.isItself() {
		return nil
	}
	return dialFault(s.peer.addrPort(), errItself)
}

// errItself is the error of a connection to itself, which is none.
var errItself = os.NewSyscallError("connect", syscall.ECONNREFUSED)

// connect makes a socket of l that connects to an address, or has connected where connects is
// false. It is registered when it connects: before, the kernel would tell of its end. prepare is
// called before that.
func (l *loop) connect(to netip.AddrPort, prepare func(*Socket)) (s *Socket, connects bool, err error) {
	at := peerAt(to)
	fd, err := syscall.Socket(int(at.kind), syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, false, os.NewSyscallError("socket", err)
	}
	setNoDelay(fd)
	fault := at.connect(fd)
	if fault != 0 && fault != syscall.EINPROGRESS && fault != syscall.EINTR {
		closeNow(fd)
		return nil, false, os.NewSyscallError("connect", fault)
	}
	s, err = newSocket(l, fd, at, prepare)
	return s, fault != 0, err
}

// These calls do not wait, and the runtime is not told of them: one that lasts as long as a packet
// through the loopback device would make it look after this goroutine's processor all the time.

func setNoDelay(fd int) {
	one := int32(1)
	syscall.RawSyscall6(syscall.SYS_SETSOCKOPT, uintptr(fd), syscall.IPPROTO_TCP, syscall.TCP_NODELAY, uintptr(unsafe.Pointer(&one)), unsafe.Sizeof(one), 0)
}

// connect begins to connect a socket, which does not block, to p.
func (p *peer) connect(fd int) syscall.Errno {
	var to syscall.RawSockaddrAny
	size := unsafe.Sizeof(syscall.RawSockaddrInet6{})
	to.Addr.Family = p.kind
	if p.kind == syscall.AF_INET {
		a := (*syscall.RawSockaddrInet4)(unsafe.Pointer(&to))
		size = unsafe.Sizeof(*a)
		copy(a.Addr[:], p.ip[:])
		setPort(&a.Port, p.port)
	} else {
		a := (*syscall.RawSockaddrInet6)(unsafe.Pointer(&to))
		a.Addr, a.Scope_id = p.ip, p.zone
		setPort(&a.Port, p.port)
	}
	_, _, errno := syscall.RawSyscall(syscall.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&to)), size)
	return errno
}

// setPort is the inverse of portOf.
func setPort(p *uint16, port uint16) {
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(p))[:], port)
}

// closeNow closes a socket, which does not linger.
func closeNow(fd int) { syscall.RawSyscall(syscall.SYS_CLOSE, uintptr(fd), 0, 0) }

// connected waits until a socket that connects has connected, or has failed to: the first news of
// it says so.
func (s *Socket) connected() error {
	if onLoop() {
		return ErrOnLoop
	}
	if err := s.needWaits().await(writes); err != nil {
		return err
	}
	return s.connectFault()
}

// connectFault returns why a socket of which there was news has not connected, nil where it has.
func (s *Socket) connectFault() (fault error) {
	if !s.is(peerEnded) { // a failure is news of the end
		return nil
	}
	_, err := s.try(func(fd uintptr) bool {
		code, err := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_ERROR)
		if err == nil && code != 0 {
			err = syscall.Errno(code)
		}
		fault = os.NewSyscallError("connect", err)
		return true
	})
	return cmp.Or(err, fault)
}

// isItself reports whether the socket is connected to itself, which TCP allows where nobody
// listens at a port of this machine and the system has just chosen that port. Any port may be one
// that the system chooses (ip_local_port_range).
func (s *Socket) isItself() bool {
	at := s.name()
	var local peer
	local.set(&at)
	return local == s.peer
}

// KeepAlive sets package net's keepalive.
func (s *Socket) KeepAlive() {
	s.try(func(fd uintptr) bool {
		Keepalive(fd)
		return true
	})
}
