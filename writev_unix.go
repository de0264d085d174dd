//go:build unix && !linux

package draftwire

import "syscall"

type sysPieces struct{}

// sysWrite hands the next piece to the system.
func (v *vector) sysWrite(fd uintptr) (n int, err error) {
	return syscall.Write(int(fd), v.parts[v.from])
}
