package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/draftwire/draftwire"
)

// suite is a server that drives clients as a conformance suite does.
func suite(t *testing.T, drive func(context.Context, *draftwire.Conn) error) string {
	t.Helper()
	return suiteWith(t, draftwire.AcceptOptions{
		Compression: draftwire.Compression{Mode: draftwire.CompressAll, Takeover: true},
		Limits:      draftwire.Limits{ReadLimit: -1},
	}, drive)
}

func suiteWith(t *testing.T, o draftwire.AcceptOptions, drive func(context.Context, *draftwire.Conn) error) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o.Versions = draftwire.AllVersions
	srv := &draftwire.Server{WebSocket: drive, Options: o}
	done := make(chan struct{})
	go func() { defer close(done); srv.Serve(l) }()
	t.Cleanup(func() {
		srv.Close()
		<-done
	})
	return "ws://" + l.Addr().String() + "/"
}

// bounce sends a message and reads it back.
func bounce(ctx context.Context, c *draftwire.Conn, op draftwire.Op, p []byte) error {
	sent := make(chan error, 1)
	go func() { sent <- c.Write(ctx, op, p) }()
	got, q, err := c.Read(ctx)
	switch {
	case err != nil:
		return err
	case got != op || !bytes.Equal(p, q):
		return fmt.Errorf("%d bytes of %s came back as %d of %s", len(p), op, len(q), got)
	}
	return <-sent
}

func TestClientEcho(t *testing.T) {
	failed := make(chan error, 1)
	url := suite(t, func(ctx context.Context, c *draftwire.Conn) error {
		for i := range 50 {
			err := bounce(ctx, c, draftwire.OpText, []byte(strings.Repeat("é", i*i)))
			if err == nil && c.Version().Supports(draftwire.CapBinary) {
				err = bounce(ctx, c, draftwire.OpBinary, bytes.Repeat([]byte{0xff, byte(i)}, i))
			}
			if err != nil {
				failed <- err
				return err
			}
		}
		failed <- nil
		c.Close(4001, "enough")
		return nil
	})
	for _, v := range draftwire.ServedVersions().List() {
		code, out, said := call(t, "", "client", "--echo", url, "--version", v.String(), "--compression", "all")
		if err := <-failed; err != nil {
			t.Errorf("%s: %v", v, err)
		}
		if code != 0 || out != "" {
			t.Errorf("%s: exit %d, stdout %q, stderr %q", v, code, out, said)
		}
		if v.Supports(draftwire.CapCloseCode) && !strings.HasSuffix(said, "\nclosed: 4001 enough\n") {
			t.Errorf("%s: stderr %q", v, said)
		}
	}
}

func TestClientEchoLarge(t *testing.T) {
	text := bytes.Repeat([]byte("0123456789abcd\u00e9"), 1<<20) // 16 MiB
	binary := make([]byte, 16<<20)
	rand.Read(binary[:4<<20])
	failed := make(chan error, 1)
	url := suite(t, func(ctx context.Context, c *draftwire.Conn) (err error) {
		switch c.Handshake().Target() {
		case "/text":
			err = bounce(ctx, c, draftwire.OpText, text)
		case "/binary":
			err = bounce(ctx, c, draftwire.OpBinary, binary)
		case "/2MiB":
			err = bounce(ctx, c, draftwire.OpText, text[:2<<20])
		}
		failed <- err
		return err
	})
	for _, args := range []string{"text --json", "binary --compression all", "2MiB --version hixie-76", "2MiB --compression all --version 8"} {
		code, out, said := call(t, "", append([]string{"client", "--echo", "--max-message", "16MiB"}, strings.Fields(url+args)...)...)
		if err := <-failed; err != nil || code != 0 {
			t.Errorf("%s: exit %d, %v, %s", args, code, err, said)
		}
		events := 0
		if strings.Contains(args, "--json") {
			events = 2 // connected, closed
		}
		if strings.Count(out, "\n") != events {
			t.Errorf("%s: stdout %.500q", args, out)
		}
	}
	code, _, said := call(t, "", "client", "--echo", url+"2MiB")
	if err := <-failed; code != exitFailure || draftwire.CloseStatus(err) != draftwire.CodeTooBig || !strings.Contains(said, "--max-message") {
		t.Errorf("above the limit: exit %d, %v, %s", code, err, said)
	}
}

func TestClientEchoEnds(t *testing.T) {
	for _, c := range []struct {
		code   int
		frames string
	}{
		{exitAbnormal, ""}, {exitProtocol, "\xf0\x00"}, {exitDone, "\x81\x01a\x88\x02\x03\xe8"}, {exitDone, "\x88\x00"},
	} {
		if code, out, err := call(t, "", "client", "--echo", rude(t, c.frames)); code != c.code || out != "" {
			t.Errorf("%q: exit %d, stdout %q, stderr %q", c.frames, code, out, err)
		}
	}
	url, server := serveOn(t)
	p := start(t, "client", "--echo", url+"/")
	p.err.await(t, "connected")
	p.signals <- os.Interrupt
	if code := p.wait(t); code != exitInterrupted {
		t.Errorf("interrupted: exit %d", code)
	}
	server.err.await(t, `"close_code":1001`)
}
