//go:build unix && !linux

package generation

import (
	"os"
	"syscall"
)

func attributes() *syscall.SysProcAttr { return nil }

// reap waits for the process, so that it does not stay as a zombie.
func reap(p *os.Process) { go p.Wait() }
