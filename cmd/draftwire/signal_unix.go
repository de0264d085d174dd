//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// notifyUpgrade sends the signal that orders an upgrade to ch.
func notifyUpgrade(ch chan<- os.Signal) { signal.Notify(ch, syscall.SIGUSR2) }
