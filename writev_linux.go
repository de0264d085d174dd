package draftwire

import (
	"syscall"
	"unsafe"
)

type sysPieces [3]syscall.Iovec

// sysWrite hands what is left to the system, in one call.
func (v *vector) sysWrite(fd uintptr) (n int, err error) {
	left := v.parts[v.from:]
	if len(left) == 1 || len(left[1]) == 0 && len(left[len(left)-1]) == 0 {
		r, _, errno := syscall.Syscall(syscall.SYS_WRITE, fd, uintptr(unsafe.Pointer(unsafe.SliceData(left[0]))), uintptr(len(left[0])))
		return result(r, errno)
	}
	for i, p := range left {
		v.pieces[i].Base = unsafe.SliceData(p)
		v.pieces[i].SetLen(len(p))
	}
	r, _, errno := syscall.Syscall(syscall.SYS_WRITEV, fd, uintptr(unsafe.Pointer(&v.pieces)), uintptr(len(left)))
	clear(v.pieces[:])
	return result(r, errno)
}

func result(r uintptr, errno syscall.Errno) (n int, err error) {
	if errno != 0 {
		return 0, errno
	}
	return int(r), nil
}
