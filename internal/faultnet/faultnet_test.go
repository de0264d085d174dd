package faultnet

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func pipe(s Schedule, size int) (a, b *Conn) { return New(s).Pipe(size, "a", "b") }

func TestSocketStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pipe(nil, 10)
		text := strings.Repeat("hello ", 100)
		go func() {
			io.WriteString(a, text)
			a.CloseWrite()
		}()
		if p, err := io.ReadAll(b); string(p) != text || err != nil {
			t.Errorf("%q, %v", p, err)
		}
		if _, err := a.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("behind CloseWrite: %v", err)
		}
		a.Close()
		b.Close()
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("behind Close: %v", err)
		}
		if n := a.net.Open(); n != 0 {
			t.Errorf("%d are open", n)
		}
	})
}

// News is told once, and what came before a call began is not news to it.
func TestSocketNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pipe(nil, 100)
		raw, _ := b.SyscallConn()
		io.WriteString(a, "1")
		tries := 0
		b.SetReadDeadline(time.Now().Add(time.Second))
		err := raw.Read(func(fd uintptr) bool {
			if tries++; tries == 1 {
				io.WriteString(a, "2") // news
			}
			return false
		})
		if tries != 2 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%d tries, %v", tries, err)
		}
		b.SetReadDeadline(time.Time{})
		p := make([]byte, 10)
		if n, err := b.Read(p); string(p[:n]) != "12" || err != nil {
			t.Errorf("%q, %v", p[:n], err)
		}
		b.Close()
		if n, err := a.Read(p); n != 0 || err != io.EOF {
			t.Errorf("%d, %v", n, err)
		}
		if _, err := a.Write(p); err != nil { // the reset comes behind it
			t.Error(err)
		}
		if _, err := a.Write(p); !errors.Is(err, syscall.ECONNRESET) {
			t.Error(err)
		}
		if _, err := a.Write(p); !errors.Is(err, syscall.EPIPE) {
			t.Error(err)
		}
		a.Close()
	})
}

// An error is told to one call; unread bytes make a close a reset.
func TestSocketErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			fault Fault
			want  error
			then  error // of the peer
		}{
			{Reset, syscall.ECONNRESET, syscall.ECONNRESET}, {ResetLate, syscall.ECONNRESET, syscall.ECONNRESET},
			{Pipe, syscall.EPIPE, syscall.ECONNRESET}, {TimedOut, syscall.ETIMEDOUT, syscall.ECONNRESET},
		} {
			a, b := pipe(At(1, Action{Fault: c.fault}), 100)
			if _, err := a.Write([]byte("x")); !errors.Is(err, c.want) {
				t.Errorf("%v: %v", c.fault, err)
			}
			if _, err := a.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
				t.Errorf("%v, again: %v", c.fault, err)
			}
			if _, err := b.Read(make([]byte, 1)); !errors.Is(err, c.then) {
				t.Errorf("%v: the peer's %v", c.fault, err)
			}
			a.Close()
			b.Close()
		}
		a, b := pipe(nil, 100)
		io.WriteString(a, "x")
		b.Close()
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("unread: %v", err)
		}
		a.Close()
	})
}
