package wstest

import (
	"context"
	"io"
	"testing"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/wire"
)

// Write writes a text message.
func Write(t testing.TB, c *draftwire.Conn, s string) {
	t.Helper()
	if err := c.Write(context.Background(), draftwire.OpText, []byte(s)); err != nil {
		t.Errorf("write: %v", err)
	}
}

// Read reads a text message, which has to be want.
func Read(t testing.TB, c *draftwire.Conn, want string) {
	t.Helper()
	if op, p, err := c.Read(context.Background()); err != nil || op != draftwire.OpText || string(p) != want {
		t.Fatalf("read %v %.40q, %v, want %.40q", op, p, err, want)
	}
}

// WriteFragments writes a text message in n frames.
func WriteFragments(t testing.TB, c *draftwire.Conn, s string, n int) {
	t.Helper()
	w, err := c.Writer(context.Background(), draftwire.OpText)
	if err != nil {
		t.Error(err)
		return
	}
	for i := range n {
		if _, err := io.WriteString(w, s[i*len(s)/n:(i+1)*len(s)/n]); err != nil {
			t.Error(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}

// Heard is what a close with that code and reason arrives as in version v.
func Heard(v draftwire.Version, code draftwire.CloseCode, reason string) draftwire.CloseError {
	if !v.Supports(wire.CapCloseCode) {
		return draftwire.CloseError{Code: draftwire.CodeNoStatus}
	}
	return draftwire.CloseError{Code: code, Reason: reason}
}

// Abrupt is the code of a version for a peer that ends the stream without a close.
func Abrupt(v draftwire.Version) draftwire.CloseCode {
	if Heard(v, 4001, "").Code == 4001 {
		return draftwire.CodeAbnormal
	}
	return draftwire.CodeNoStatus
}

// Echo is a handler that answers each message with itself.
func Echo(ctx context.Context, c *draftwire.Conn) error {
	for m, err := range c.Messages(ctx) {
		if err != nil {
			return err
		}
		if err := c.Write(ctx, m.Op, m.Data); err != nil {
			return err
		}
	}
	return nil
}

// EchoEvents is Echo for a server whose connections have no goroutines.
func EchoEvents() *draftwire.Events {
	return &draftwire.Events{Message: func(c *draftwire.Conn, op draftwire.Op, p []byte) error {
		return c.Write(c.Context(), op, p)
	}}
}

// Prepared is a text message for Post.
func Prepared(text string) *draftwire.PreparedMessage {
	return draftwire.NewPreparedMessage(draftwire.OpText, []byte(text))
}

// Readers are the ways to read a message.
var Readers = map[string]func(ctx context.Context, c *draftwire.Conn) ([]byte, error){
	"Read": func(ctx context.Context, c *draftwire.Conn) ([]byte, error) {
		_, p, err := c.Read(ctx)
		return p, err
	},
	"ReadBorrowed": func(ctx context.Context, c *draftwire.Conn) ([]byte, error) {
		_, p, err := c.ReadBorrowed(ctx)
		return p, err
	},
	"Reader, small": readerOf(100),
	"Reader, odd":   readerOf(2049),
	"Reader, large": readerOf(100_000),
	"Reader, ReadAll": func(ctx context.Context, c *draftwire.Conn) ([]byte, error) {
		_, r, err := c.Reader(ctx)
		if err != nil {
			return nil, err
		}
		return io.ReadAll(r)
	},
}

func readerOf(size int) func(ctx context.Context, c *draftwire.Conn) ([]byte, error) {
	return func(ctx context.Context, c *draftwire.Conn) ([]byte, error) {
		_, r, err := c.Reader(ctx)
		if err != nil {
			return nil, err
		}
		var all []byte
		for b := make([]byte, size); ; {
			n, err := r.Read(b)
			all = append(all, b[:n]...)
			if err == io.EOF {
				return all, nil
			} else if err != nil {
				return all, err
			}
		}
	}
}

// BusyMessages are more messages than it takes to make a connection busy, for ReadLoop.
const BusyMessages = 40
