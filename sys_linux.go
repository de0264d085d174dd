//go:build !386 && !s390x && !faults

package draftwire

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
const shortCall = 32 << 10

const sendHow = syscall.MSG_DONTWAIT | syscall.MSG_NOSIGNAL

// recv reads what a socket has.
func recv(fd uintptr, p []byte) (int, error) {
	if len(p) > shortCall {
		return syscall.Read(int(fd), p)
	}
	n, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)),
		syscall.MSG_DONTWAIT, 0, 0)
	return result(n, errno)
}

// send writes what a socket takes.
func send(fd uintptr, p []byte) (int, error) {
	if len(p) > shortCall {
		return syscall.Write(int(fd), p)
	}
	n, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), sendHow, 0, 0)
	return result(n, errno)
}

type sysPieces [3]syscall.Iovec

// sysWrite hands what is left to the system, in one call. It makes that itself: one
// frame more, and the stack of an idle connection would have grown.
func (v *vector) sysWrite(fd uintptr) (n int, err error) {
	left := v.parts[v.from:]
	p := left[0]
	var r uintptr
	var errno syscall.Errno
	switch one := len(left) == 1 || len(left[1]) == 0 && len(left[len(left)-1]) == 0; {
	case one && len(p) <= shortCall:
		r, _, errno = syscall.RawSyscall6(syscall.SYS_SENDTO, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), sendHow, 0, 0)
	case one:
		r, _, errno = syscall.Syscall(syscall.SYS_WRITE, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	default:
		for i, p := range left {
			v.pieces[i].Base = unsafe.SliceData(p)
			v.pieces[i].SetLen(len(p))
		}
		r, _, errno = syscall.Syscall(syscall.SYS_WRITEV, fd, uintptr(unsafe.Pointer(&v.pieces)), uintptr(len(left)))
		clear(v.pieces[:])
	}
	return result(r, errno)
}

func result(r uintptr, errno syscall.Errno) (n int, err error) {
	if errno != 0 {
		return 0, errno
	}
	return int(r), nil
}
