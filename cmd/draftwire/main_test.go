package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/draftwire/draftwire/gateway"
)

// childRole is the variable that makes the binary of the tests another program.
const childRole = "DRAFTWIRE_TEST_ROLE"

// beChild does what the variable says: nothing, the program, or a gateway with the
// configuration in a file that tells nobody anything.
func beChild() {
	switch file := os.Getenv(childRole); {
	case file == "":
	case file == "program":
		main()
	default:
		if err := silentGateway(file); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
}

func silentGateway(file string) error {
	cfg, err := loadConfig(file)
	if err != nil {
		return err
	}
	g, err := gateway.New(cfg, gateway.Options{})
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "{\"addr\":%q}\n", g.Status().Listeners[0].Address)
	return g.Run(context.Background())
}

// TestMain looks for goroutines that the tests left behind.
func TestMain(m *testing.M) {
	beChild()
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
