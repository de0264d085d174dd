package draftwire

import (
	"syscall"
	"unsafe"
)

type sysPieces [3]syscall.Iovec

// sysWrite hands what is left to the system, in one call.
func (v *vector) sysWrite(fd uintptr) (n int, err error) {
	for i, p := range v.parts[v.from:] {
		v.pieces[i].Base = unsafe.SliceData(p)
		v.pieces[i].SetLen(len(p))
	}
	r, _, errno := syscall.Syscall(syscall.SYS_WRITEV, fd, uintptr(unsafe.Pointer(&v.pieces)), uintptr(len(v.parts)-v.from))
	clear(v.pieces[:])
	if errno != 0 {
		return 0, errno
	}
	return int(r), nil
}
