//go:build faults && unix

package draftwire

import (
	"net"
	"syscall"

	"github.com/draftwire/draftwire/internal/faultnet"
)

// This file stands in the place of the system in a program that is built with the tag
// faults, for tests: a socket of faultnet gets faultnet's calls.

// madeUp returns the raw connection of a socket of faultnet.
func madeUp(nc net.Conn) syscall.RawConn {
	c, ok := nc.(*faultnet.Conn)
	if !ok {
		return nil
	}
	raw, _ := c.SyscallConn()
	return raw
}

// recv reads what a socket has.
func recv(fd uintptr, p []byte) (int, error) {
	if n, ok, err := faultnet.Recv(fd, p); ok {
		return n, err
	}
	return syscall.Read(int(fd), p)
}

// send writes what a socket takes.
func send(fd uintptr, p []byte) (int, error) {
	if n, ok, err := faultnet.Send(fd, [][]byte{p}); ok {
		return n, err
	}
	return syscall.Write(int(fd), p)
}

type sysPieces [3][]byte

// sysWrite hands what is left to faultnet, in one call, or the next piece to the system.
func (v *vector) sysWrite(fd uintptr) (int, error) {
	left := copy(v.pieces[:], v.parts[v.from:])
	defer clear(v.pieces[:])
	if n, ok, err := faultnet.Send(fd, v.pieces[:left]); ok {
		return n, err
	}
	return syscall.Write(int(fd), v.parts[v.from])
}
