package memnet

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

func TestPipe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe(4)
		go func() {
			a.Write([]byte("hello world")) // waits for the reader twice
			a.CloseWrite()
		}()
		p, err := io.ReadAll(b)
		if string(p) != "hello world" || err != nil {
			t.Errorf("read %q, %v", p, err)
		}
		b.Close()
		if _, err := a.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("write after CloseWrite: %v", err)
		}
		a.Close()
	})
}

func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe(4)
		began := time.Now()
		a.SetReadDeadline(began.Add(3 * time.Second))
		if _, err := a.Read(make([]byte, 1)); err != os.ErrDeadlineExceeded || time.Since(began) != 3*time.Second {
			t.Errorf("read: %v after %v", err, time.Since(began))
		}
		a.SetDeadline(time.Now().Add(time.Second))
		if n, err := a.Write(make([]byte, 9)); n != 4 || err != os.ErrDeadlineExceeded {
			t.Errorf("write: %d, %v", n, err)
		}
		a.SetDeadline(time.Time{})
		b.Write([]byte("x"))
		if _, err := a.Read(make([]byte, 1)); err != nil {
			t.Error(err)
		}
	})
}
