//go:build !unix

package main

import "os"

// notifyUpgrade does nothing: no signal orders an upgrade here.
func notifyUpgrade(chan<- os.Signal) {}
