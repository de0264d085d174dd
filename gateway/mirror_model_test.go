package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	be "encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
)

// badMirrors are servers that do with a client what a mirror may do.
var badMirrors = map[string]func(nc net.Conn){
	"none": nil,
	"refuses": func(nc net.Conn) {
		skipHead(nc)
		io.WriteString(nc, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
	},
	"no answer": func(nc net.Conn) { io.Copy(io.Discard, nc) },
	"not read":  func(nc net.Conn) { shakeHands(nc); waitGone(nc) },
	"silent":    func(nc net.Conn) { shakeHands(nc); io.Copy(io.Discard, nc) },
	"resets":    func(nc net.Conn) { shakeHands(nc); nc.(*net.TCPConn).SetLinger(0) },
	"late reset": func(nc net.Conn) {
		_, r := shakeHands(nc)
		io.CopyN(io.Discard, r, 3000)
		nc.(*net.TCPConn).SetLinger(0)
	},
	"garbles": func(nc net.Conn) {
		shakeHands(nc)
		nc.Write(bytes.Repeat([]byte("\xf7"), 1000))
		io.Copy(io.Discard, nc)
	},
	"closes": func(nc net.Conn) { shakeHands(nc); nc.Write([]byte("\x88\x02\x03\xf3")); io.Copy(io.Discard, nc) },
	"floods": func(nc net.Conn) {
		shakeHands(nc)
		for p := bytes.Repeat([]byte("\x81\x05flood"), 1000); ; {
			if _, err := nc.Write(p); err != nil {
				return
			}
		}
	},
}

// waitGone waits, without reading, until the peer is gone: a byte that is written to it then fails.
func waitGone(nc net.Conn) {
	for {
		time.Sleep(100 * time.Millisecond)
		if _, err := nc.Write([]byte("\x89\x00")); err != nil { // a ping, which a mirror may send
			return
		}
	}
}

func skipHead(nc net.Conn) {
	r := bufio.NewReader(nc)
	for line, err := r.ReadString('\n'); err == nil && line != "\r\n"; line, err = r.ReadString('\n') {
	}
}

// serveBad starts a server that does that with each connection, and returns its address.
func serveBad(t *testing.T, f func(nc net.Conn)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	all.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, nc)
			mu.Unlock()
			all.Go(func() { defer nc.Close(); f(nc) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, nc := range open {
			nc.Close()
		}
		mu.Unlock()
		all.Wait()
	})
	return l.Addr().String()
}

// played is what a client has got of the gateway: all bytes, and the longest time that it has waited for an answer.
type played struct {
	bytes   []byte
	longest time.Duration
}

// playClient plays the client of a seed, byte by byte, and answers wait for each other.
func playClient(t *testing.T, address string, seed uint64) (p played) {
	t.Helper()
	nc, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(30 * time.Second))
	fmt.Fprintf(nc, "GET /x HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
	in := io.TeeReader(nc, writerFunc(func(b []byte) { p.bytes = append(p.bytes, b...) }))
	for !bytes.HasSuffix(p.bytes, []byte("\r\n\r\n")) {
		if _, err := in.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	r := rand.New(rand.NewPCG(seed, 7))
	for range 30 {
		payload := bytes.Repeat([]byte{byte('a' + r.IntN(26))}, r.IntN(600))
		op := byte(1 + r.IntN(2))
		began := time.Now()
		frames := 1
		switch r.IntN(5) {
		case 0: // in two frames
			half := len(payload) / 2
			nc.Write(maskedFrame(op, payload[:half], false))
			nc.Write(maskedFrame(0, payload[half:], true))
		case 1: // a ping before it
			nc.Write(append(maskedFrame(9, []byte("ping"), true), maskedFrame(op, payload, true)...))
			frames = 2
		default:
			nc.Write(maskedFrame(op, payload, true))
		}
		for got := 0; got < frames; {
			fin, err := readFrame(in)
			if err != nil {
				t.Fatal(err)
			}
			if fin {
				got++
			}
		}
		p.longest = max(p.longest, time.Since(began))
	}
	nc.Write(maskedFrame(8, []byte("\x03\xe9bye"), true))
	io.Copy(io.Discard, in)
	return p
}

type writerFunc func([]byte)

func (f writerFunc) Write(p []byte) (int, error) { f(p); return len(p), nil }

func maskedFrame(op byte, payload []byte, fin bool) []byte {
	b := []byte{op, 0x80}
	if fin {
		b[0] |= 0x80
	}
	if len(payload) < 126 {
		b[1] |= byte(len(payload))
	} else {
		b[1] |= 126
		b = be.BigEndian.AppendUint16(b, uint16(len(payload)))
	}
	mask := []byte{1, 2, 3, 4}
	b = append(b, mask...)
	for i, c := range payload {
		b = append(b, c^mask[i%4])
	}
	return b
}

// readFrame reads a frame of a server, whose payload has less than 64 KiB.
func readFrame(r io.Reader) (fin bool, err error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:2]); err != nil {
		return false, err
	}
	n := int64(head[1])
	if n == 126 {
		if _, err := io.ReadFull(r, head[2:4]); err != nil {
			return false, err
		}
		n = int64(be.BigEndian.Uint16(head[2:4]))
	}
	_, err = io.CopyN(io.Discard, r, n)
	return head[0]&0x80 != 0, err
}

// Whatever a mirror does, the client gets the bytes that it gets without one, and does not wait for
// them: it stalls, refuses, resets, garbles, floods or closes, with both drivers.
func TestMirrorChangesNothing(t *testing.T) {
	for name, f := range badMirrors {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			drivers(t, func(t *testing.T, o gateway.Options) {
				back := "ws://" + tcpBackend(t, echo)
				cfg := tcp(back, "main")
				cfg.Limits.WriteTimeout, cfg.Limits.CloseTimeout = gateway.Duration(10*time.Second), gateway.Duration(time.Second)
				plain := realGateway(t, cfg, o).address("main")
				cfg.Routes = append([]gateway.Route(nil), cfg.Routes...)
				m := &gateway.Mirror{To: gateway.Backend{URL: "ws://127.0.0.1:1"}, Queue: 16 << 10, Wait: gateway.Duration(500 * time.Millisecond)}
				if f != nil {
					m.To.URL = "ws://" + serveBad(t, f)
				}
				cfg.Routes[0].Mirror = m
				r := realGateway(t, cfg, o)
				mirrored := r.address("main")
				for seed := range uint64(4) {
					want, got := playClient(t, plain, seed), playClient(t, mirrored, seed)
					if !bytes.Equal(want.bytes, got.bytes) {
						t.Errorf("seed %d: %d bytes without a mirror, %d with one:\n%.300q\n%.300q", seed, len(want.bytes), len(got.bytes), want.bytes, got.bytes)
					}
					if got.longest > 5*time.Second { // half of what a write to the mirror may take
						t.Errorf("seed %d: the client has waited for %v, and without a mirror for %v", seed, got.longest, want.longest)
					}
				}
				counts := r.gw.Status().Routes[0].Mirror.Counts
				if counts.Opened+counts.Failed+counts.Refused+counts.Skipped == 0 && name != "no answer" && name != "not read" {
					t.Errorf("nothing was mirrored: %+v", counts)
				}
			})
		})
	}
}

// Many clients at once, on a loop and with goroutines: each answer is counted once, and nothing differs that is
// the same.
func TestMirrorManyClients(t *testing.T) {
	drivers(t, func(t *testing.T, o gateway.Options) {
		var wrong atomic.Int64
		cfg := tcp("ws://"+tcpBackend(t, echo), "main")
		cfg.Routes[0].Mirror = &gateway.Mirror{To: gateway.Backend{URL: "ws://" + tcpBackend(t, func(ctx context.Context, c *draftwire.Conn) error {
			for m, err := range c.Messages(ctx) {
				if err != nil {
					return nil
				}
				if strings.HasPrefix(string(m.Data), "wrong") {
					m.Data = append(m.Data, '!')
				}
				c.Write(ctx, m.Op, m.Data)
			}
			return nil
		})}, Wait: gateway.Duration(20 * time.Second)} // as a machine under load is slow
		r := realGateway(t, cfg, o)
		const clients, messages = 30, 100
		var all sync.WaitGroup
		for i := range clients {
			all.Go(func() {
				c, err := r.client(r.address("main"))
				if err != nil {
					t.Error(err)
					return
				}
				for k := range messages {
					text := fmt.Sprint("message ", k, " of ", i)
					if k%50 == 20 {
						text = "wrong " + text
						wrong.Add(1)
					}
					if err := exchange(c, text); err != nil {
						t.Error(err)
						return
					}
				}
				c.Close(draftwire.CodeNormal, "")
			})
		}
		all.Wait()
		var got gateway.MirrorStatus
		for by := time.Now().Add(30 * time.Second); time.Now().Before(by); time.Sleep(20 * time.Millisecond) {
			if got = *r.gw.Status().Routes[0].Mirror; got.Connections == 0 && got.Counts.Opened == clients {
				break
			}
		}
		if c := got.Counts; c.Equal != clients*messages-uint64(wrong.Load()) || c.Differed != uint64(wrong.Load()) || c.Answers() != clients*messages || c.Unknown != 0 {
			t.Errorf("%d are wrong: %+v", wrong.Load(), c)
		}
	})
}
