//go:build unix

package main

import (
	"io"
	"os"
	"os/signal"
	"syscall"
)

// surviveLog keeps the process alive when nobody reads its log any more: Go ends a process
// whose write to stderr gets SIGPIPE, unless it asks for the signal.
func surviveLog(w io.Writer) {
	if w == os.Stderr {
		signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	}
}

// flushBeforeDeath calls flush before a signal ends the process that nobody handles, until
// forget is called. A signal that is ignored stays so.
func flushBeforeDeath(w io.Writer, flush func(), deadly ...os.Signal) (forget func()) {
	deaths, done := make(chan os.Signal, 1), make(chan struct{})
	for _, s := range deadly {
		if w == os.Stderr && !signal.Ignored(s) {
			signal.Notify(deaths, s)
		}
	}
	go func() {
		select {
		case s := <-deaths:
			flush()
			signal.Reset(s)
			syscall.Kill(syscall.Getpid(), s.(syscall.Signal))
		case <-done:
		}
	}()
	return func() {
		signal.Stop(deaths)
		close(done)
	}
}
