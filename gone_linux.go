package draftwire

import (
	"encoding/binary"
	"net"
	"syscall"
)

// tcpClose is the state of a connection of which nothing is left, in the first byte of
// the kernel's struct tcp_info.
const tcpClose = 7

// peerGone reports whether a TCP connection has been reset, or given up by the kernel.
func peerGone(nc net.Conn) bool {
	t, ok := nc.(*net.TCPConn)
	if !ok {
		return false
	}
	raw, err := t.SyscallConn()
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
