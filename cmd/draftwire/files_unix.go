//go:build unix

package main

import "syscall"

// openFiles returns how many files the process may open.
func openFiles() (n uint64, ok bool) {
	var l syscall.Rlimit
	err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l)
	return uint64(l.Cur), err == nil
}
