//go:build bench

// Package main is what the benchmark adds to the programs of the library's checkout that it
// measures, in a build with an overlay: nothing of the programs themselves is changed.
package main

import (
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

// init makes SIGUSR2 free the memory that nothing holds, as the servers of bench do, and ends
// the program with its standard input.
func init() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGUSR2)
	go func() {
		for range c {
			debug.FreeOSMemory()
			debug.FreeOSMemory()
		}
	}()
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
}
