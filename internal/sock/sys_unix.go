//go:build unix && (!linux || 386 || s390x || msan || asan) && !faults

package sock

import "syscall"

// recv reads what a socket has. n means nothing beside an error.
func recv(fd uintptr, p []byte) (n int, errno syscall.Errno) { return read(fd, p) }

func recvNow(fd uintptr, p []byte) (n int, errno syscall.Errno) { return recv(fd, p) }

// send writes what a socket takes.
func send(fd uintptr, p []byte) (int, error) { return syscall.Write(int(fd), p) }

type sysVector struct{}

// sysWrite hands the next buffer to the system.
func (w *Writer) sysWrite(fd uintptr) (n int, err error) { return send(fd, w.Bufs[w.from]) }
