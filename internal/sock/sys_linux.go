//go:build !386 && !s390x && !msan && !asan && !faults

package sock

import (
	"syscall"
	"unsafe"
)

// shortCall is how many bytes a system call may move that the runtime is not told of.
// To tell it costs a quarter of a microsecond. It is worth that where a call may take so
// long that another goroutine is to have the processor meanwhile.
//
// Such a call must not wait, whatever the mode of the socket, which the program may have
// changed (File of net.TCPConn, and Fd of that): so it is one with MSG_DONTWAIT.
//
// The calls are made past package syscall, which would tell the race detector and the
// sanitizers of the bytes that the kernel reads and writes. The race detector is told here
// (race_on.go); with the sanitizers sys_unix.go takes the place of this file.
const shortCall = 32 << 10

const sendHow = syscall.MSG_DONTWAIT | syscall.MSG_NOSIGNAL

// recv reads what a socket has. n means nothing beside an error.
func recv(fd uintptr, p []byte) (n int, errno syscall.Errno) {
	if len(p) > shortCall {
		return read(fd, p)
	}
	return recvNow(fd, p)
}

// recvNow is recv for a thread that does nothing else: the runtime is not told, however long
// the call may take.
func recvNow(fd uintptr, p []byte) (n int, errno syscall.Errno) {
	r, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)),
		syscall.MSG_DONTWAIT, 0, 0)
	if raceEnabled && errno == 0 {
		raceWrites(p[:r])
	}
	return int(r), errno
}

// send writes what a socket takes.
func send(fd uintptr, p []byte) (int, error) {
	if len(p) > shortCall {
		return syscall.Write(int(fd), p)
	}
	if raceEnabled {
		raceReads(p)
	}
	n, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), sendHow, 0, 0)
	return result(n, errno)
}

// sysVector are buffers as writev(2) wants them.
type sysVector [3]syscall.Iovec

// sysWrite hands what remains to the system, in one call. It makes that itself: one
// frame more, and the stack of an idle connection would have grown.
func (w *Writer) sysWrite(fd uintptr) (n int, err error) {
	bufs := w.Bufs[w.from:]
	if raceEnabled {
		for _, p := range bufs {
			raceReads(p)
		}
	}
	p := bufs[0]
	var r uintptr
	var errno syscall.Errno
	switch one := len(bufs) == 1 || len(bufs[1]) == 0 && len(bufs[len(bufs)-1]) == 0; {
	case one && len(p) <= shortCall:
		r, _, errno = syscall.RawSyscall6(syscall.SYS_SENDTO, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), sendHow, 0, 0)
	case one:
		r, _, errno = syscall.Syscall(syscall.SYS_WRITE, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	default:
		for i, p := range bufs {
			w.sys[i].Base = unsafe.SliceData(p)
			w.sys[i].SetLen(len(p))
		}
		r, _, errno = syscall.Syscall(syscall.SYS_WRITEV, fd, uintptr(unsafe.Pointer(&w.sys)), uintptr(len(bufs)))
		clear(w.sys[:])
	}
	return result(r, errno)
}

func result(r uintptr, errno syscall.Errno) (n int, err error) {
	if errno != 0 {
		return 0, errno
	}
	return int(r), nil
}
