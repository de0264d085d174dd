package main

import (
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// TestMain looks for goroutines that the tests left behind.
func TestMain(m *testing.M) {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	code := m.Run()
	http.DefaultClient.CloseIdleConnections()
	late, tick := time.After(15*time.Second), time.Tick(10*time.Millisecond)
	for code == 0 && runtime.NumGoroutine() > 2 { // this one, and os/signal's, which stays
		select {
		case <-tick:
		case <-late:
			stacks := make([]byte, 1<<20)
			fmt.Fprintf(os.Stderr, "goroutines are left:\n%s\n", stacks[:runtime.Stack(stacks, true)])
			code = 1
		}
	}
	os.Exit(code)
}
