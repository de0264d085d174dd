package inspect_test

import (
	"bytes"
	"compress/flate"
	"encoding/hex"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire/inspect"
	"github.com/draftwire/draftwire/inspect/capture"
)

const (
	streamRequest = "GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Origin: http://example.com\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 7\r\nSec-WebSocket-Extensions: deflate-stream\r\n\r\n"
	streamAnswer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Extensions: deflate-stream\r\n\r\n"
)

// streamed explains a connection with deflate-stream, in pieces of that size.
func streamed(t *testing.T, size int, client, server []byte) (told []*inspect.Event) {
	t.Helper()
	s := inspect.New(inspect.Options{}, func(e *inspect.Event) { told = append(told, e) }).Open(capture.Conn{Number: 1})
	var at [2]int64
	give := func(from capture.Direction, p []byte) {
		for len(p) > 0 {
			n := min(size, len(p))
			s.Data(time.Time{}, from, at[from], bytes.Clone(p[:n]))
			at[from] += int64(n)
			p = p[n:]
		}
	}
	give(capture.FromClient, []byte(streamRequest))
	give(capture.FromServer, []byte(streamAnswer))
	give(capture.FromClient, client)
	give(capture.FromServer, server)
	s.End(time.Time{}, capture.FromClient, capture.Fin)
	s.End(time.Time{}, capture.FromServer, capture.Fin)
	return told
}

// packed is what pieces come to as one stream of DEFLATE, flushed behind each.
func packed(t testing.TB, pieces ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z, err := flate.NewWriter(&b, flate.DefaultCompression)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pieces {
		z.Write([]byte(p))
		z.Flush()
	}
	return b.Bytes()
}

// With deflate-stream, which Firefox 6 offers, all bytes of a direction behind the head are one
// compressed stream. The client's bytes are those of Firefox and of libwebsockets (two texts).
func TestDeflateStream(t *testing.T) {
	client, err := hex.DecodeString("6a6c35ffa5685b3fdf373002000000ffff6a6c65646266f14ccfcfc803000000ffff")
	if err != nil {
		t.Fatal(err)
	}
	server := packed(t, "\x81\x05Hello", "\x88\x02\x03\xe8")
	for _, size := range []int{1, 7, 1 << 16} {
		var texts []string
		closed := ""
		for _, e := range streamed(t, size, client, server) {
			switch {
			case e.Message != nil:
				texts = append(texts, e.From+" "+e.Message.Text)
			case e.Frame != nil && e.Frame.Op == "close":
				closed += e.From
			case e.Kind == inspect.KindUnknown || e.Kind == inspect.KindFault:
				t.Errorf("pieces of %d: %s", size, e.Text)
			}
		}
		if strings.Join(texts, ", ") != "client Hello, client Ignon, server Hello" && strings.Join(texts, ", ") != "client Hello, client Hello, server Hello" || closed != "server" {
			t.Errorf("pieces of %d: %q, a close of %q", size, texts, closed)
		}
	}
}

// A stream that is damaged is known up to there, and no longer than that is anything held.
func TestDeflateStreamDamaged(t *testing.T) {
	var texts, unknown int
	for _, e := range streamed(t, 1000, append(packed(t, "\x81\x85\x00\x00\x00\x00Hello"), "\xff\xff\xff\xff damaged"...), nil) {
		switch {
		case e.Message != nil:
			texts++
		case e.Kind == inspect.KindUnknown:
			unknown++
		}
	}
	if texts != 1 || unknown != 1 {
		t.Errorf("%d texts, %d times unknown", texts, unknown)
	}
}

// What little comes to much is expanded a little at a time.
func TestDeflateStreamBounded(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	bomb := packed(t, "\x82\xff\x00\x00\x00\x00\xff\xff\xff\xff\x00\x00\x00\x00"+strings.Repeat("a", 64<<20))
	n := len(streamed(t, 1<<16, bomb, nil))
	runtime.GC()
	runtime.ReadMemStats(&after)
	if held := int64(after.HeapAlloc) - int64(before.HeapAlloc); held > 8<<20 || n > 100 {
		t.Errorf("%d bytes are held, %d events", held, n)
	}
}
