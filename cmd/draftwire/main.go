// Command draftwire serves and speaks every wire-incompatible version of the
// WebSocket protocol. Data goes to stdout, everything else to stderr.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	os.Exit(run(context.Background(), os.Args, stdio{os.Stdin, os.Stdout, os.Stderr}, signals))
}

// stdio are the three streams, so that tests can put in their own.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// run is the whole program without the process around it; it returns the exit
// code.
func run(ctx context.Context, args []string, std stdio, signals <-chan os.Signal) int {
	p := &program{stdio: std, args: args, signals: signals}
	app := p.app()
	err := app.RunContext(ctx, reorder(app, args))
	if err == nil {
		err = p.notFound
	}
	return p.report(err)
}
