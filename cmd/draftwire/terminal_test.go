package main

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/draftwire/draftwire"
)

// typist is a client's terminal within a test.
type typist struct {
	keys   *io.PipeWriter
	screen *stream
	done   chan error
	c      *client
}

func sitDown(t *testing.T, url string, v draftwire.Version) *typist {
	t.Helper()
	in, keys := io.Pipe()
	y := &typist{keys: keys, screen: newStream(), done: make(chan error, 1)}
	conn := dial(t, url, v)
	y.c = &client{
		o:    clientOptions{op: draftwire.OpText, timeout: patience, closeCode: draftwire.CodeNormal},
		std:  stdio{in, y.screen, y.screen},
		out:  &printer{w: y.screen, terminal: true},
		conn: conn, in: make(chan draftwire.Message),
	}
	ctx, cancel := context.WithCancel(t.Context())
	reading := make(chan struct{})
	go func() { defer close(reading); y.c.read(ctx) }()
	go func() {
		y.done <- y.c.chat(ctx, &tty{Reader: in, Writer: y.screen, size: func() (int, int) { return 80, 24 }})
	}()
	t.Cleanup(func() {
		keys.Close()
		cancel()
		<-reading
	})
	return y
}

func (y *typist) press(t *testing.T, keys, want string) {
	t.Helper()
	if _, err := io.WriteString(y.keys, keys); err != nil {
		t.Fatal(err)
	}
	if want != "" {
		y.screen.await(t, want)
	}
}

func TestTerminal(t *testing.T) {
	url, _ := serveOn(t)
	y := sitDown(t, url, draftwire.RFC6455)
	y.screen.await(t, "/help lists")
	y.press(t, "hello\r", `(\x1b\[K|\n)hello\r\n`)
	y.press(t, "//x\r", `(\x1b\[K|\n)/x\r\n`)
	y.press(t, "abd\x1b[Dc\r", `(\x1b\[K|\n)abcd\r\n`) // left, insert
	y.press(t, "\x1b[A!\r", `(\x1b\[K|\n)abcd!\r\n`)   // up: the line before
	y.press(t, "/ping\r", "pong after")
	y.press(t, "/help\r", "Ctrl-D closes, Ctrl-C")
	y.press(t, "/nope\r", "there is no command /nope")
	y.press(t, "/close 1006\r", "code 1006 cannot be sent")
	y.press(t, "/close 4001 good bye\r", "")
	if err := <-y.done; err != nil || y.c.o.closeCode != 4001 || y.c.o.closeReason != "good bye" {
		t.Errorf("%v, %d %q", err, y.c.o.closeCode, y.c.o.closeReason)
	}
}

func TestTerminalEnds(t *testing.T) {
	url, server := serveOn(t)
	y := sitDown(t, url, draftwire.Hixie76)
	y.press(t, "/ping\r", "hixie-76 has no ping")
	y.press(t, "\x04", "")
	if err := <-y.done; err != nil {
		t.Errorf("Ctrl-D: %v", err)
	}
	y = sitDown(t, url, draftwire.Hixie75)
	y.press(t, "\x03", "")
	if err := <-y.done; err != errInterrupted {
		t.Errorf("Ctrl-C: %v", err)
	}
	y = sitDown(t, url, draftwire.RFC6455)
	y.press(t, "a\r", `(\x1b\[K|\n)a\r\n`)
	server.stop(t)
	if err := <-y.done; err != errEnded {
		t.Errorf("the server leaves: %v", err)
	}
}

// What a peer sends must not steer the terminal.
func TestTerminalShowsControls(t *testing.T) {
	for _, c := range []struct {
		m    draftwire.Message
		want string
	}{
		{draftwire.Message{Op: draftwire.OpText, Data: []byte("a\x1b[2Jb\r\u009b\tc\nd")}, "a\\x1b[2Jb\\r\\u009b\tc\nd\n"},
		{draftwire.Message{Op: draftwire.OpBinary, Data: []byte("\x00\xff")}, "00ff\n"},
	} {
		var b strings.Builder
		(&printer{w: &b, terminal: true}).message(c.m)
		if b.String() != c.want {
			t.Errorf("%q, want %q", b.String(), c.want)
		}
	}
}
