//go:build !linux || !(amd64 || arm64) || msan || asan

package sock

import (
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"
)

// Socket is a socket of a loop. There is none on this system.
type Socket struct {
	net.Conn
	drained bool
}

const peerEnded = 0

func (*Socket) is(int) bool        { return false }
func (*Socket) set(int, bool) bool { return false }

// newsIsSure is not asked.
const newsIsSure = true

// Loops are there on Linux alone.
type Loops struct{}

// NewLoops returns nil: connections have goroutines here.
func NewLoops() *Loops { return nil }

// Listen is not called.
func (*Loops) Listen(net.Listener, func(net.Conn)) error { return nil }

// Unlisten is not called.
func (*Loops) Unlisten(net.Listener) (given func()) { return func() {} }

// Close is not called.
func (*Loops) Close() {}

// Drive is not called.
func (*Socket) Drive(Turner) {}

// DriveHere is not called.
func (*Socket) DriveHere(Turner) {}

// DriveFirst is not called.
func (*Socket) DriveFirst(Turner) {}

// Again is not called.
func (*Socket) Again() {}

// Holding is not called.
func (*Socket) Holding(Holder, time.Duration) {}

// OnLoop is not called.
func (*Socket) OnLoop() bool { return false }

// Expired is not called.
func (*Socket) Expired() bool { return false }

// RemoteAddrPort is the address of the peer.
func (*Socket) RemoteAddrPort() netip.AddrPort { return netip.AddrPort{} }

// FD is not called.
func (*Socket) FD() uintptr { return NoSocket }

// WriteSome is not called.
func (*Socket) WriteSome([]byte) int { return 0 }

// Raw is not called.
func (s *Socket) Raw() syscall.RawConn { return (*rawSocket)(s) }

// rawSocket is a Socket as a syscall.RawConn.
type rawSocket Socket

func (*rawSocket) Control(func(uintptr)) error    { return nil }
func (*rawSocket) Read(func(uintptr) bool) error  { return nil }
func (*rawSocket) Write(func(uintptr) bool) error { return nil }

// Accepts returns l: connections have goroutines here.
func Accepts(l net.Listener) net.Listener { return l }

// Dial is not called.
func (*Loops) Dial(netip.AddrPort, func(*Socket)) (*Socket, error) { return nil, nil }

// DialBeside is not called.
func (*Socket) DialBeside(netip.AddrPort, Turner) (*Socket, error) { return nil, nil }

// Connecting is not called.
func (*Socket) Connecting() bool { return false }

// DialFault is not called.
func (*Socket) DialFault() error { return nil }

// IsItself is not called.
func (*Socket) IsItself() error { return nil }

// Join is not called.
func (*Socket) Join(*Socket) error { return nil }

// TLS is nil: over TLS a connection has a goroutine here.
func (*Socket) TLS() *TLS { return nil }

// TLS is the transport of crypto/tls over a socket of a loop. There is none on this system.
type TLS struct {
	net.Conn
	more atomic.Bool
}

// Below is not called.
func (t *TLS) Below() net.Conn { return t.Conn }

// NewTLS is not called.
func NewTLS(nc net.Conn, _ *Socket) *TLS { return &TLS{Conn: nc} }

func (*TLS) read(uintptr, []byte) (int, error) { return 0, nil }
func (*TLS) seal([]byte) error                 { return nil }
func (*TLS) flush(uintptr) (bool, error)       { return false, nil }
func (*TLS) owes() bool                        { return false }

// Settle does nothing.
func (*Reader) Settle() {}

// KeepAlive is not called.
func (*Socket) KeepAlive() {}

// Adopt returns nc: connections have goroutines here.
func Adopt(nc net.Conn) net.Conn { return nc }
