package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/drafts"
)

// clientOptions are what the client command needs to know.
type clientOptions struct {
	url            string
	dial           draftwire.DialOptions
	messages       []string
	execute        bool // messages come from the command line
	noWait         bool
	echo           bool // send back what comes
	wait           time.Duration
	waitSet        bool
	op             draftwire.Op
	timeout        time.Duration
	closeCode      draftwire.CloseCode
	closeReason    string
	closeSet       bool           // code or reason are given
	device         *drafts.Client // whose request is sent, and whose way to close; nil: the program's own
	json           bool
	quiet, verbose bool
}

// client is a conversation with a server.
type client struct {
	o    clientOptions
	std  stdio
	out  *printer
	conn *draftwire.Conn
	in   chan draftwire.Message // closed when the connection has ended
	owed bool                   // answers that the client waits for have not come
	// peerClosed: the server has closed, and the device's answer is still to be given.
	peerClosed bool
	socket     net.Conn // of a device that answers in a way of its own
}

var errEnded = errors.New("the connection has ended")

// talk connects, converses and closes. The first signal closes with a closing handshake,
// the second cuts the connection.
func talk(ctx context.Context, o clientOptions, std stdio, signals <-chan os.Signal) error {
	ctx, stop := interruptible(ctx, signals)
	defer stop()
	c := &client{o: o, std: std, in: make(chan draftwire.Message)}
	c.out = newPrinter(std.out, o.json)
	c.o.dial.Observer = c.observer()
	if c.o.ownAnswers() {
		c.keepSocket()
	}
	conn, _, err := draftwire.Dial(ctx, o.url, &c.o.dial)
	if err != nil {
		if context.Cause(ctx) == errInterrupted {
			return &exitError{code: exitInterrupted}
		}
		return dialFailed(err)
	}
	c.conn = conn
	c.greet()
	if c.o.ownAnswers() {
		conn.AllowHalfOpen()
	}
	err = c.converse(ctx)
	stop() // the next signal cuts the closing handshake short
	return c.finish(err, signals)
}

// observer says once of each fault that it was tolerated, and that something was discarded.
func (c *client) observer() *draftwire.Observer {
	var mu sync.Mutex
	said := map[string]bool{}
	once := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		if !said[what] && !c.o.quiet {
			c.say("%s\n", what)
		}
		said[what] = true
	}
	return &draftwire.Observer{
		Tolerated: func(_ string, t draftwire.Tolerances) { once("tolerated: " + t.String()) },
		Discarded: func(*draftwire.Conn) { once("discarded: a frame that is neither text nor a close") },
	}
}

// greet says how the connection was opened.
func (c *client) greet() {
	h, protocol := c.conn.Handshake(), c.conn.Subprotocol()
	if c.o.verbose {
		c.say("%s%s", headText("> ", h.Request()), headText("< ", h.Response()))
	}
	line := "connected: " + c.conn.Version().String()
	if protocol != "" {
		line += " subprotocol=" + visible(protocol)
	}
	if h.Deflate() != "" {
		line += fmt.Sprintf(" deflate=%q", h.Deflate())
	}
	if !c.o.quiet {
		c.say("%s\n", line)
	}
	c.out.event(map[string]any{
		"event": "connected", "version": c.conn.Version(), "subprotocol": protocol, "deflate": h.Deflate(),
	})
}

func (c *client) say(format string, args ...any) { fmt.Fprintf(c.std.err, format, args...) }

// headText writes a head, a mark before each line.
func headText(mark, head string) string {
	var b strings.Builder
	for line := range strings.SplitSeq(strings.TrimRight(head, "\r\n"), "\r\n") {
		b.WriteString(mark + visible(line) + "\n")
	}
	return b.String()
}

// read passes messages to c.in until ctx or the connection ends.
func (c *client) read(ctx context.Context) {
	for {
		op, data, err := c.conn.Read(ctx)
		if err != nil {
			if ctx.Err() == nil {
				c.peerClosed = c.o.ownAnswers() && draftwire.CloseStatus(err) != 0
				close(c.in)
			}
			return
		}
		select {
		case c.in <- draftwire.Message{Op: op, Data: data}:
		case <-ctx.Done():
			return
		}
	}
}

// converse sends and prints until one side ends it.
func (c *client) converse(ctx context.Context) error {
	if c.o.echo {
		return c.echo(ctx)
	}
	rctx, stop := context.WithCancel(ctx)
	reading := make(chan struct{})
	go func() { defer close(reading); c.read(rctx) }()
	defer func() {
		stop()
		<-reading
	}()
	switch {
	case c.o.execute:
		return c.executeAll(ctx)
	case isTerminal(c.std.in):
		return c.interact(ctx)
	}
	return c.pipe(ctx)
}

// echo sends back what comes. It reads only between its answers: a close is answered once
// each message before it has been sent back.
func (c *client) echo(ctx context.Context) error {
	err := echo(ctx, c.conn)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case c.conn.Context().Err() != nil:
		return errEnded
	}
	return err
}

// finish closes the connection if it is still open, and says how it ended.
func (c *client) finish(why error, signals <-chan os.Signal) error {
	over := c.conn.Context().Err() != nil // before our close
	if !over {
		code, reason := c.o.closeCode, c.o.closeReason
		if errors.Is(why, errInterrupted) {
			code, reason = draftwire.CodeGoingAway, ""
		}
		switch d := c.o.device; {
		case c.peerClosed:
			c.endAs(d.Sending.Answers, code, reason, signals)
			over = true
		case d != nil && !c.o.closeSet && !errors.Is(why, errInterrupted):
			c.endAs(d.Sending.Ends, code, reason, signals)
		default:
			c.close(code, reason, signals)
		}
	}
	cause := context.Cause(c.conn.Context())
	code, reason := ending(c.conn.Version(), cause)
	c.out.event(map[string]any{"event": "closed", "code": code, "reason": reason})
	if !c.o.quiet {
		c.say("%s\n", strings.TrimSpace(fmt.Sprintf("closed: %d %s", code, visible(reason))))
	}
	switch {
	case errors.Is(why, errInterrupted):
		return &exitError{code: exitInterrupted}
	case c.out.err != nil:
		return c.out.err
	case over:
		return c.verdict(cause, code)
	case why != nil:
		return why
	}
	return nil
}

// close does the closing handshake; a signal cuts it short.
func (c *client) close(code draftwire.CloseCode, reason string, signals <-chan os.Signal) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.conn.Close(code, reason) // its outcome is the cause of the connection's context
	}()
	select {
	case <-done:
	case <-signals:
		c.conn.CloseNow()
		<-done
	}
	<-c.conn.Context().Done()
}

// verdict judges an end that this side did not begin.
func (c *client) verdict(cause error, code draftwire.CloseCode) error {
	if errors.Is(cause, draftwire.ErrTooBig) {
		return exitf(exitFailure, "%w; raise --max-message", cause)
	}
	err := broken(cause, code)
	if err == nil && c.owed {
		return exitf(exitFailure, "the server closed before all answers had come")
	}
	return err
}

// broken is the error of an end that is not a clean close.
func broken(cause error, code draftwire.CloseCode) error {
	var pe *draftwire.ProtocolError
	switch {
	case errors.As(cause, &pe):
		if hint := hintOf(cause); hint != "" {
			return exitf(exitProtocol, "the peer broke the protocol: %w; hint: %s", cause, hint)
		}
		return exitf(exitProtocol, "the peer broke the protocol: %w", cause)
	case code == draftwire.CodeAbnormal:
		return exitf(exitAbnormal, "the connection ended abnormally: %w", cause)
	}
	return nil
}
