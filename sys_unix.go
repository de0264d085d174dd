//go:build unix && (!linux || 386 || s390x) && !faults

package draftwire

import "syscall"

// recv reads what a socket has.
func recv(fd uintptr, p []byte) (int, error) { return syscall.Read(int(fd), p) }

// send writes what a socket takes.
func send(fd uintptr, p []byte) (int, error) { return syscall.Write(int(fd), p) }

type sysPieces struct{}

// sysWrite hands the next piece to the system.
func (v *vector) sysWrite(fd uintptr) (n int, err error) { return send(fd, v.parts[v.from]) }
