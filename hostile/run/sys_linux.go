package main

import (
	"encoding/binary"
	"net"
	"syscall"
)

// The states of a TCP connection that the target has ended: it was reset, or its end of
// the stream has come.
const (
	tcpClose     = 7
	tcpCloseWait = 8
)

// peerEnded tells, without reading, whether the target has ended a TCP connection.
func peerEnded(c net.Conn) bool {
	s, ok := c.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return true
	}
	ended := false
	err = raw.Control(func(fd uintptr) {
		// The state is the first byte of what TCP_INFO gives.
		info, err := syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_INFO)
		state := binary.NativeEndian.AppendUint32(nil, uint32(info))[0]
		ended = err == nil && (state == tcpClose || state == tcpCloseWait)
	})
	return ended || err != nil
}
