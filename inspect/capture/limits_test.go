package capture

import (
	"bytes"
	"net/netip"
	"runtime"
	"testing"
	"time"
)

// heap measures the largest heap while a file is read, from time to time, without what is garbage.
type heap struct {
	nobody
	calls, every int
	peak         uint64
}

func (h *heap) Open(Conn) Stream {
	if h.calls++; h.calls%h.every == 0 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		h.peak = max(h.peak, m.HeapAlloc)
	}
	return h
}

// many writes that many connections that stay open, each saying the same.
func many(n int, say func(s Stream, clock *tick)) []byte {
	var file bytes.Buffer
	w := NewWriter(&file)
	var clock tick
	for i := range n {
		client := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 40000)
		say(w.Open(Conn{Client: client, Server: v4server, Number: i}), &clock)
	}
	return file.Bytes()
}

// What hostile captures make the reader hold stays within its bounds.
func TestBounds(t *testing.T) {
	long := bytes.Repeat([]byte("x"), 8000)
	record := append([]byte{recordHandshake, 3, 3, 0x40, 0, helloClient, 0, 0x3f, 0xfc}, long...)
	for name, x := range map[string]struct {
		n   int
		say func(s Stream, clock *tick)
	}{
		"bytes that wait for others": {1500, func(s Stream, c *tick) {
			s.Data(c.next(), FromClient, 0, []byte("G"))
			s.Data(c.next(), FromClient, 2, long)
		}},
		"records that do not end": {1500, func(s Stream, c *tick) { s.Data(c.next(), FromClient, 0, record) }},
		"connections":             {18000, func(s Stream, c *tick) { s.Data(c.next(), FromClient, 0, []byte("G")) }},
		"hellos":                  {18000, func(s Stream, c *tick) { s.Data(c.next(), FromClient, 0, clientHelloRecord) }},
	} {
		file := many(x.n, x.say)
		runtime.GC()
		var before runtime.MemStats
		runtime.ReadMemStats(&before)
		h := heap{every: x.n / 5}
		began := time.Now()
		rep, err := Read(bytes.NewReader(file), &h, Options{})
		t.Logf("%s: %d MiB of file, %d connections, %d ended early, heap %.1f MiB, %v", name, len(file)>>20, rep.Conns, rep.Evicted, float64(h.peak-min(h.peak, before.HeapAlloc))/(1<<20), time.Since(began))
		if err != nil || rep.Conns != x.n || rep.Evicted != max(0, x.n-defaultMaxConns) {
			t.Errorf("%s: %v, %+v", name, err, rep)
		}
		if h.peak > before.HeapAlloc+32<<20 {
			t.Errorf("%s: %d MiB", name, (h.peak-before.HeapAlloc)>>20)
		}
	}
}

// A byte in every second place, from behind: what is held is kept in order at a cost that does
// not grow with the file.
func BenchmarkHeld(b *testing.B) {
	for name, step := range map[string]int64{"from behind": -2, "from before": 2} {
		b.Run(name, func(b *testing.B) {
			file := script(simpleV4, func(s Stream, c *tick) {
				for i := range int64(50000) {
					s.Data(c.next(), FromClient, 200000+i*step, []byte("x"))
				}
			})
			b.SetBytes(int64(len(file)))
			for b.Loop() {
				if _, err := Read(bytes.NewReader(file), new(nobody), Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
