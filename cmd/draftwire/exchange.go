package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"github.com/draftwire/draftwire"
)

// pipeWait is how long piped input waits for answers after the last message.
const pipeWait = 2 * time.Second

// executeAll sends the messages of the command line, each after the answer to
// the one before, then waits for further messages.
func (c *client) executeAll(ctx context.Context) error {
	all := len(c.o.messages)
	answers := make(chan struct{}, all)
	got := 0
	c.owed = !c.o.noWait
	print := func(m draftwire.Message) {
		c.out.message(m)
		if got++; got <= all {
			answers <- struct{}{}
		}
		c.owed = c.owed && got < all
	}
	if _, err := c.exchange(ctx, c.sendPaced(answers), print); err != nil {
		return err
	}
	over := time.After(c.o.wait)
	for {
		ok, err := c.receive(ctx, over, print)
		if !ok {
			return err
		}
	}
}

// sendPaced sends the messages of the command line and waits for an answer to
// each.
func (c *client) sendPaced(answers <-chan struct{}) sender {
	return func(ctx context.Context) (int, error) {
		for i, m := range c.o.messages {
			if err := c.send(ctx, []byte(m)); err != nil {
				return i, err
			}
			if c.o.noWait {
				continue
			}
			select {
			case <-answers:
			case <-time.After(c.o.timeout):
				return i, exitf(exitFailure, "no answer within %s", c.o.timeout)
			case <-ctx.Done():
				return i, context.Cause(ctx)
			}
		}
		return len(c.o.messages), nil
	}
}

// pipe sends stdin line by line and prints what comes. At the end of stdin it
// waits for as many messages as were sent, or until none has come for a while.
func (c *client) pipe(ctx context.Context) error {
	got, wait := 0, pipeWait
	if c.o.waitSet {
		wait = c.o.wait
	}
	print := func(m draftwire.Message) {
		c.out.message(m)
		got++
	}
	sent, err := c.exchange(ctx, c.sendLines, print)
	if err != nil || c.o.noWait {
		return err
	}
	for sent == 0 || got < sent {
		ok, err := c.receive(ctx, time.After(wait), print)
		if !ok {
			return err
		}
	}
	return nil
}

// sendLines sends each line of stdin. A text line ends with LF or CR LF, a
// binary one with LF.
func (c *client) sendLines(ctx context.Context) (sent int, err error) {
	in := bufio.NewReader(c.std.in)
	for {
		line, err := in.ReadBytes('\n')
		if len(line) > 0 {
			line = bytes.TrimSuffix(line, []byte("\n"))
			if c.o.op == draftwire.OpText {
				line = bytes.TrimSuffix(line, []byte("\r"))
			}
			if err := c.send(ctx, line); err != nil {
				return sent, err
			}
			sent++
		}
		if err == io.EOF {
			return sent, nil
		}
		if err != nil {
			return sent, err
		}
	}
}

// sender sends messages until it has no more. It runs in a goroutine of its own: a peer
// that answers while it is written to must not block both sides.
type sender func(ctx context.Context) (sent int, err error)

// exchange runs send and meanwhile prints what comes.
func (c *client) exchange(ctx context.Context, send sender, print func(draftwire.Message)) (sent int, err error) {
	type result struct {
		sent int
		err  error
	}
	done := make(chan result, 1)
	go func() {
		n, err := send(ctx)
		done <- result{n, err}
	}()
	for {
		select {
		case m, ok := <-c.in:
			if !ok {
				return 0, errEnded
			}
			print(m)
		case r := <-done:
			return r.sent, r.err
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
		if c.out.err != nil {
			return 0, c.out.err
		}
	}
}

// receive waits for one message until over fires. It reports whether to go on.
func (c *client) receive(ctx context.Context, over <-chan time.Time, print func(draftwire.Message)) (bool, error) {
	select {
	case m, ok := <-c.in:
		if !ok {
			return false, errEnded
		}
		print(m)
		return c.out.err == nil, c.out.err
	case <-over:
		return false, nil
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
}

// send sends one message of the kind that was chosen.
func (c *client) send(ctx context.Context, p []byte) error {
	err := c.conn.Write(ctx, c.o.op, p)
	switch {
	case errors.Is(err, draftwire.ErrUnsupported):
		return exitf(exitFailure, "%s has no binary messages", c.conn.Version())
	case errors.Is(err, draftwire.ErrInvalidText):
		return exitf(exitFailure, "the message is not UTF-8; --binary sends any bytes")
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return err
}
