package inspect_test

import (
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire/inspect"
	"github.com/draftwire/draftwire/inspect/capture"
	"github.com/draftwire/draftwire/internal/hybi"
	"github.com/draftwire/draftwire/wire"
)

// Whatever comes, on however many bytes, little of it is kept: noise, a head without end, an
// answer that never comes, a frame that never ends.
func TestBounded(t *testing.T) {
	request := string(handshake(t, "rfc6455")[0].Bytes)
	answer := string(handshake(t, "rfc6455")[1].Bytes)
	r := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 1<<16)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	long := make([]byte, 1<<16)
	for i := range long {
		long[i] = 'a'
	}
	for name, x := range map[string]struct {
		client, server string
		more           []byte
		midway         bool
	}{
		"noise":      {"", "", noise, true},
		"head":       {"GET / HTTP/1.1\r\nX: ", "", long, false},
		"no answer":  {request, "", long, false},
		"long frame": {request + "\x82\xff\x00\x00\x00\x00\xff\xff\xff\xff\x00\x00\x00\x00", answer, long, false},
		"long text":  {request + "\x01\xff\x00\x00\x00\x00\xff\xff\xff\xff\x00\x00\x00\x00", answer, long, false},
		"body":       {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "", long, false},
	} {
		n := 0
		s := inspect.New(inspect.Options{}, func(*inspect.Event) { n++ }).Open(capture.Conn{Number: 1, Midway: x.midway})
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		at := int64(len(x.client))
		s.Data(time.Time{}, capture.FromClient, 0, []byte(x.client))
		s.Data(time.Time{}, capture.FromServer, 0, []byte(x.server))
		for range 128 {
			s.Data(time.Time{}, capture.FromClient, at, x.more)
			at += int64(len(x.more))
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		if held := int64(after.HeapAlloc) - int64(before.HeapAlloc); held > 2<<20 || n > 5000 {
			t.Errorf("%s: %d bytes are held and %d events told after %d bytes", name, held, n, at)
		}
		s.End(time.Time{}, capture.FromClient, capture.Fin)
		s.End(time.Time{}, capture.FromServer, capture.Fin)
	}
}

// A head of very many lines is told with some of them.
func TestLinesAreBounded(t *testing.T) {
	text := "GET / HTTP/1.1\r\n" + strings.Repeat("a:\n", 20_000) + "\r\n"
	lines := 0
	s := inspect.New(inspect.Options{}, func(e *inspect.Event) { lines = max(lines, len(e.Lines)) }).Open(capture.Conn{Number: 1})
	s.Data(time.Time{}, capture.FromClient, 0, []byte(text))
	if lines == 0 || lines > 300 {
		t.Errorf("%d lines", lines)
	}
}

// A frame whose head is masked may have the bit set that later versions call MASK, with any length:
// that is told, and the head is as long as the version has it.
func TestReservedBitInMaskedHead(t *testing.T) {
	for _, v := range []wire.Version{wire.Hybi04, wire.Hybi05, wire.Hybi06} {
		for _, length := range []byte{0x80, 0xfd, 0xfe, 0xff} {
			var frame *inspect.Event
			s := inspect.New(inspect.Options{Version: v, MaskKey: make([]byte, 20)}, func(e *inspect.Event) {
				if e.Kind == inspect.KindFrame && e.From == "client" {
					frame = e
				}
			}).Open(capture.Conn{Number: 1})
			for i, piece := range handshake(t, v.String()) {
				d := capture.FromClient
				if !piece.Client {
					d = capture.FromServer
				}
				s.Data(time.Time{}, d, 0, piece.Bytes)
				if i == 1 {
					break
				}
			}
			at := int64(len(handshake(t, v.String())[0].Bytes))
			clear := []byte{0, 0, 0, 0}
			mask := make([]byte, 20)
			if v == wire.Hybi04 {
				key := hybi.FrameKey(clear, make([]byte, 20))
				mask = key[:]
			}
			s.Data(time.Time{}, capture.FromClient, at, append(clear, 0x84^mask[0], length^mask[1]))
			if frame == nil || frame.Fault == "" || frame.Frame.Head > 6 {
				t.Errorf("%s, %#x: %+v", v, length, frame)
			}
		}
	}
}
