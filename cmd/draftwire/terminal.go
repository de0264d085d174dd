package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/draftwire/draftwire"
	"golang.org/x/term"
)

const terminalHelp = `A line is a message. Arrow keys edit it and bring back earlier lines.
  /ping                  measure the round trip
  /close [CODE [REASON]] close
  /help                  this
  //text                 the message /text
Ctrl-D closes, Ctrl-C interrupts.
`

// tty is a terminal that is read from and written to.
type tty struct {
	io.Reader
	io.Writer
	size      func() (width, height int)
	interrupt atomic.Bool // Ctrl-C was typed: x/term reports it as it does Ctrl-D
}

func (t *tty) Read(p []byte) (int, error) {
	n, err := t.Reader.Read(p)
	if n > 0 && p[n-1] == 3 {
		t.interrupt.Store(true)
	}
	return n, err
}

// interact talks to the person at the terminal.
func (c *client) interact(ctx context.Context) error {
	in := c.std.in.(*os.File)
	var out io.Writer = c.std.err
	if c.out.terminal {
		out = c.std.out
	}
	state, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return err
	}
	defer term.Restore(int(in.Fd()), state)
	defer io.WriteString(out, "\r\n") // behind the prompt
	return c.chat(ctx, &tty{Reader: in, Writer: out, size: func() (int, int) { return sizeOf(in) }})
}

// sizeOf is the size of a terminal, or the usual one where it is not known.
func sizeOf(f *os.File) (width, height int) {
	w, h, err := term.GetSize(int(f.Fd()))
	if err != nil || w <= 0 || h <= 0 {
		return 80, 24
	}
	return w, h
}

// chat shows what comes, above the line that is being typed.
func (c *client) chat(ctx context.Context, con *tty) error {
	t := term.NewTerminal(con, "> ")
	t.SetSize(con.size())
	if c.out.terminal {
		c.out.w = t // prints above the prompt
		defer func() { c.out.w = c.std.out }()
	}
	if !c.o.quiet {
		fmt.Fprintln(t, "/help lists what can be typed, Ctrl-D closes")
	}
	typed := make(chan error, 1)
	go func() { typed <- c.readTyped(ctx, t, con) }()
	for {
		select {
		case m, ok := <-c.in:
			if !ok {
				return errEnded
			}
			c.out.message(m)
		case err := <-typed:
			return err
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// readTyped sends what is typed until the person ends it.
func (c *client) readTyped(ctx context.Context, t *term.Terminal, con *tty) error {
	for {
		line, err := t.ReadLine()
		t.SetSize(con.size()) // the window may have changed
		switch {
		case err != nil && con.interrupt.Load():
			return errInterrupted
		case err == io.EOF:
			return nil
		case err != nil && !errors.Is(err, term.ErrPasteIndicator):
			return err
		}
		closing, err := c.typed(ctx, t, line)
		if closing {
			return nil
		}
		if err != nil {
			if ctx.Err() != nil || c.conn.Context().Err() != nil {
				return err
			}
			fmt.Fprintln(t, errorText(err))
		}
	}
}

// typed does what a line says. It reports whether to close.
func (c *client) typed(ctx context.Context, t *term.Terminal, line string) (closing bool, err error) {
	if line == "" {
		return false, nil
	}
	if line[0] != '/' || strings.HasPrefix(line, "//") {
		return false, c.send(ctx, []byte(strings.TrimPrefix(line, "/")))
	}
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "/help":
		_, err = io.WriteString(t, terminalHelp)
	case "/ping":
		go c.ping(ctx, t)
	case "/close":
		if rest = strings.TrimSpace(rest); rest == "" {
			return true, nil
		}
		number, reason, _ := strings.Cut(rest, " ")
		n, err := strconv.ParseUint(number, 10, 16)
		if code := draftwire.CloseCode(n); err != nil || !code.OnWire() {
			return false, fmt.Errorf("code %s cannot be sent", number)
		}
		c.o.closeCode, c.o.closeReason = draftwire.CloseCode(n), strings.TrimSpace(reason)
		return true, nil
	default:
		return false, fmt.Errorf("there is no command %s; /help lists them, //text sends /text", word)
	}
	return false, err
}

func (c *client) ping(ctx context.Context, t *term.Terminal) {
	ctx, cancel := context.WithTimeout(ctx, c.o.timeout)
	defer cancel()
	began := time.Now()
	switch err := c.conn.Ping(ctx); {
	case errors.Is(err, draftwire.ErrUnsupported):
		fmt.Fprintf(t, "%s has no ping\n", c.conn.Version())
	case err != nil:
		fmt.Fprintf(t, "no pong: %s\n", errorText(err))
	default:
		fmt.Fprintf(t, "pong after %s\n", time.Since(began).Round(time.Microsecond))
	}
}
