package wstest

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"
)

// Words is a text of n bytes, at most 3 MiB, that does not repeat soon.
func Words(n int) string { return manyWords()[:n] }

var manyWords = sync.OnceValue(func() string {
	b := make([]byte, 0, 4<<20)
	for i := 0; len(b) < 3<<20; i++ {
		b = append(strconv.AppendInt(b, int64(i*i), 36), ' ')
	}
	return string(b)
})

// Texts is messages one behind the other, each made by text, which is a Client's Text or
// Echo.
func Texts(text func(string) []byte, messages ...string) []byte {
	var out []byte
	for _, m := range messages {
		out = append(out, text(m)...)
	}
	return out
}

// Numbers is n messages that are all different.
func Numbers(n int) []string {
	s := make([]string, n)
	for i := range s {
		s[i] = fmt.Sprint("message ", i)
	}
	return s
}

// Send writes p to nc.
func Send(t testing.TB, nc net.Conn, p []byte) {
	t.Helper()
	if _, err := nc.Write(p); err != nil {
		t.Fatalf("send: %v", err)
	}
}

// Want reads as many bytes from nc as p has, which have to be p.
func Want(t testing.TB, nc net.Conn, p []byte) {
	t.Helper()
	got := make([]byte, len(p))
	if n, err := io.ReadFull(nc, got); err != nil || !bytes.Equal(got, p) {
		t.Fatalf("got %.80q (%d bytes), %v\nwant %.80q (%d bytes)", got[:n], n, err, p, len(p))
	}
}

// ReadHead reads a head up to the blank line and not a byte further.
func ReadHead(t testing.TB, nc net.Conn) string {
	t.Helper()
	var head []byte
	for b := make([]byte, 1); !bytes.HasSuffix(head, []byte("\r\n\r\n")); {
		if _, err := io.ReadFull(nc, b); err != nil {
			t.Fatalf("after %q: %v", head, err)
		}
		head = append(head, b[0])
	}
	return string(head)
}

// Soon receives from ch. The test fails where nothing comes within Patience.
func Soon[T any](t testing.TB, what string, ch <-chan T) (x T) {
	t.Helper()
	select {
	case x = <-ch:
	case <-time.After(Patience):
		t.Fatalf("%s does not come", what)
	}
	return x
}

// CloseWrite ends the stream in our direction.
func CloseWrite(t testing.TB, nc net.Conn) {
	t.Helper()
	if err := nc.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Error(err)
	}
}
