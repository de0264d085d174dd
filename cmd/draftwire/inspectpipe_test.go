//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// To open a pipe that has a name waits for somebody who writes to it; an interruption ends that.
func TestInspectInterruptedByAPipe(t *testing.T) {
	name := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Skipf("no pipes: %v", err)
	}
	p := start(t, "inspect", name)
	p.signals <- os.Interrupt
	if code := p.wait(t); code != exitInterrupted {
		t.Errorf("exit %d, %s", code, p.err)
	}
	w, err := os.OpenFile(name, os.O_RDWR, 0) // lets the goroutine that opens go on
	if err == nil {
		w.Close()
	}
}

// A pipe that nobody reads would stop a recording, so it is refused.
func TestRecordToAPipe(t *testing.T) {
	name := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Skipf("no pipes: %v", err)
	}
	if code, _, errs := call(t, "", "record", "--listen", "127.0.0.1:0", "--to", "ws://127.0.0.1:1", name); code != exitFailure || !strings.Contains(errs, "no ordinary file") {
		t.Errorf("exit %d, %s", code, errs)
	}
}
