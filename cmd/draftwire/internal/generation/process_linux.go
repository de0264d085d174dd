package generation

import (
	"os"
	"syscall"
)

// attributes make the successor a child of the process that has started its parent: systemd
// then learns of its end as of that of any service, however long the parent lives.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Cloneflags: syscall.CLONE_PARENT} }

// reap does nothing: the process is not a child of this one. Its end is noticed by that of
// the pair.
func reap(*os.Process) {}
