package sock

import (
	"encoding/binary"
	"net"
	"syscall"
)

// tcpClose is the state of a connection of which nothing is left, in the first byte of
// the kernel's struct tcp_info.
const tcpClose = 7

// reset reports whether a TCP connection has been reset, or given up by the kernel.
func reset(nc net.Conn) bool {
	var raw syscall.RawConn
	var err error
	switch c := nc.(type) {
	case *net.TCPConn:
		raw, err = c.SyscallConn()
	case *Socket:
		raw = (*rawSocket)(c)
	default:
		return false
	}
	if err != nil {
		return false
	}
	gone := false
	raw.Control(func(fd uintptr) {
		info, err := syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_INFO) // as much as an int holds
		var b [4]byte
		binary.NativeEndian.PutUint32(b[:], uint32(info))
		gone = err == nil && b[0] == tcpClose
	})
	return gone
}
