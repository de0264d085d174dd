//go:build !unix

package main

import (
	"io"
	"os"
)

// surviveLog does nothing: no signal tells here that nobody reads the log any more.
func surviveLog(io.Writer) {}

// flushBeforeDeath does nothing: these systems have no such signals.
func flushBeforeDeath(io.Writer, func(), ...os.Signal) (forget func()) { return func() {} }
