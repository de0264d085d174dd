//go:build faults && unix

package sock

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

// recv reads what a socket has. n means nothing beside an error.
func recv(fd uintptr, p []byte) (n int, errno syscall.Errno) {
	if n, ok, err := faultnet.Recv(fd, p); ok {
		errno, _ = err.(syscall.Errno)
		return n, errno
	}
	most, err := suffer(fd, faultnet.OpRecv, len(p))
	if err != nil {
		return 0, err.(syscall.Errno)
	}
	return read(fd, p[:most])
}

func recvNow(fd uintptr, p []byte) (n int, errno syscall.Errno) { return recv(fd, p) }

// send writes what a socket takes.
func send(fd uintptr, p []byte) (int, error) {
	if n, ok, err := faultnet.Send(fd, [][]byte{p}); ok {
		return n, err
	}
	most, err := suffer(fd, faultnet.OpSend, len(p))
	if err != nil {
		return 0, err
	}
	return syscall.Write(int(fd), p[:most])
}

type sysVector [3][]byte

// sysWrite hands what remains to faultnet, in one call, or the next buffer to the system.
func (w *Writer) sysWrite(fd uintptr) (int, error) {
	n := copy(w.sys[:], w.Bufs[w.from:])
	defer clear(w.sys[:])
	if n, ok, err := faultnet.Send(fd, w.sys[:n]); ok {
		return n, err
	}
	return send(fd, w.Bufs[w.from])
}
