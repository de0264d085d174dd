//go:build unix

package main

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
)

// readBorrowed reads once and gives what came to feed. It borrows a buffer when there
// is something to read.
func readBorrowed(c net.Conn, feed func([]byte)) (int, error) {
	s, ok := c.(syscall.Conn)
	if !ok {
		return readPlain(c, feed)
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return 0, err
	}
	n, readErr := 0, error(nil)
	err = raw.Read(func(fd uintptr) bool {
		buf := pieces.Get().(*[32 << 10]byte)
		defer pieces.Put(buf)
		for n, readErr = syscall.Read(int(fd), buf[:]); readErr == syscall.EINTR; {
			n, readErr = syscall.Read(int(fd), buf[:])
		}
		if readErr == syscall.EAGAIN {
			return false
		}
		if n > 0 {
			feed(buf[:n])
		}
		return true
	})
	switch {
	case err != nil:
		return 0, err
	case readErr != nil:
		return 0, readErr
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// smallReceiveBuffer makes the kernel take little from a target that is not read.
func smallReceiveBuffer(_ context.Context, _, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096)
	})
}

// isWant: the player lacks ports or descriptors.
func isWant(err error) bool {
	return errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// mostDescriptors is how many files the player may have open.
func mostDescriptors() int {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return 1024
	}
	l.Cur = l.Max
	syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l)
	syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l)
	return int(min(uint64(l.Cur), 1<<20))
}
