package probe_test

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire/internal/memnet"
	"github.com/draftwire/draftwire/internal/wstest"
	"github.com/draftwire/draftwire/probe"
	"github.com/draftwire/draftwire/wire"
)

// scripted is a server that does the same with every connection. The test ends it.
func scripted(t *testing.T, talk func(net.Conn)) *memnet.Listener {
	l := memnet.Listen(64 << 10)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer nc.Close()
				talk(nc)
			}()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return l
}

// accepts answers a request of RFC 6455, and goes on with then.
func accepts(fields string, then func(net.Conn)) func(net.Conn) {
	return func(nc net.Conn) {
		r := bufio.NewReader(nc)
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		sum := sha1.Sum([]byte(req.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		io.WriteString(nc, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
			"Sec-WebSocket-Accept: "+base64.StdEncoding.EncodeToString(sum[:])+"\r\n"+fields+"\r\n")
		then(nc)
	}
}

func drain(nc net.Conn) { io.Copy(io.Discard, nc) }

func says(s string) func(net.Conn) {
	return func(nc net.Conn) {
		nc.Read(make([]byte, 4096))
		io.WriteString(nc, s)
	}
}

// Whatever a server answers, the probe ends in time and says what it was.
func TestFaultyServers(t *testing.T) {
	const ok = "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	for _, tt := range []struct {
		name    string
		talk    func(net.Conn)
		outcome probe.Outcome
		problem string
	}{
		{"silence", drain, probe.NoAnswer, "nothing came in time, but 0 bytes"},
		{"an end", func(net.Conn) {}, probe.NoAnswer, "the connection ended (FIN) after 0 bytes"},
		{"half a head", func(nc net.Conn) { says(ok)(nc); drain(nc) }, probe.NoAnswer, "nothing came in time, but 57 bytes"},
		{"another protocol", says("220 mail.example ESMTP\r\n"), probe.NoAnswer, "which is not HTTP"},
		{"a bad status line", says("HTTP/1.1 abc\r\n\r\n"), probe.Broken, "bad_head: status line"},
		{"a head without an end", func(nc net.Conn) {
			says("HTTP/1.1 200 OK\r\n")(nc)
			for {
				if _, err := io.WriteString(nc, strings.Repeat("x", 1000)); err != nil {
					return
				}
			}
		}, probe.NoAnswer, "longer than 65536 bytes"},
		{"answers without an end", func(nc net.Conn) {
			says("")(nc)
			for {
				if _, err := io.WriteString(nc, "HTTP/1.1 100 Continue\r\n\r\n"); err != nil {
					return
				}
			}
		}, probe.NoAnswer, "more than five answers"},
		{"no proof", says(ok + "\r\n"), probe.Broken, "bad_accept: Sec-WebSocket-Accept stands 0 times"},
		{"another proof", says(ok + "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"), probe.Broken, "bad_accept"},
		{"a subprotocol that nobody asked for", accepts("Sec-WebSocket-Protocol: x\r\n", drain), probe.Broken, "not_offered"},
		{"an extension that nobody asked for", accepts("Sec-WebSocket-Extensions: x\r\n", drain), probe.Broken, "not_offered"},
		{"a refusal", says("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"), probe.Refused, ""},
		{"an interim answer", func(nc net.Conn) {
			io.WriteString(nc, "HTTP/1.1 100 Continue\r\n\r\n")
			accepts("", drain)(nc)
		}, probe.Opens, ""},
		{"a folded field", accepts("X-Y: 1\r\n 2\r\n", drain), probe.Excused, ""},
		{"noise", accepts("", func(nc net.Conn) {
			for {
				if _, err := io.WriteString(nc, "\x83\x85noise"); err != nil {
					return
				}
			}
		}), probe.Opens, ""},
		{"messages without an end", accepts("", func(nc net.Conn) {
			for {
				if _, err := io.WriteString(nc, "\x81\x01x"); err != nil {
					return
				}
			}
		}), probe.Opens, ""},
		{"a message without an end", accepts("", func(nc net.Conn) {
			io.WriteString(nc, "\x01\x01x")
			for {
				if _, err := io.WriteString(nc, "\x00\x01x"); err != nil {
					return
				}
			}
		}), probe.Opens, ""},
		{"pings without an end", accepts("", func(nc net.Conn) {
			go drain(nc)
			for {
				if _, err := io.WriteString(nc, "\x89\x01x"); err != nil {
					return
				}
			}
		}), probe.Opens, ""},
		{"a length of 2^62", accepts("", func(nc net.Conn) { io.WriteString(nc, "\x82\x7f\x40\x00\x00\x00\x00\x00\x00\x00"); drain(nc) }), probe.Opens, ""},
		{"a close at once", accepts("", func(nc net.Conn) { io.WriteString(nc, "\x88\x02\x03\xe8"); drain(nc) }), probe.Opens, ""},
		{"closes without an end", accepts("", func(nc net.Conn) {
			for {
				if _, err := io.WriteString(nc, "\x88\x00"); err != nil {
					return
				}
			}
		}), probe.Opens, ""},
		{"a close that must not be sent", accepts("", func(nc net.Conn) { io.WriteString(nc, "\x88\x02\x03\xed"); drain(nc) }), probe.Opens, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := scripted(t, tt.talk)
				began := time.Now()
				r := run(t, to(l, probe.Options{Versions: wire.VersionsOf(wire.RFC6455), Faults: true, Vectors: tt.outcome != probe.Opens, Largest: 16 << 10, MaxConns: 16}))
				v := &r.Versions[0]
				if v.Outcome != tt.outcome || !strings.Contains(v.Answer.Problem, tt.problem) {
					t.Errorf("%s, %q; want %s, %q", v.Outcome, v.Answer.Problem, tt.outcome, tt.problem)
				}
				if took := time.Since(began); took > 15*time.Minute {
					t.Errorf("it took %s", took)
				}
				roundTrip(t, r)
			})
		})
	}
}

// What a server sends is not kept: a megabyte of noise on each connection leaves no trace in the
// report.
func TestMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		noise := strings.Repeat("X-Noise: "+strings.Repeat("n", 400)+"\r\n", 100)
		l := scripted(t, says("HTTP/1.1 403 "+strings.Repeat("f", 10000)+"\r\n"+noise+"\r\n"+strings.Repeat("x", 1<<20)))
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		r := run(t, to(l, probe.Options{Quick: true}))
		runtime.GC()
		runtime.ReadMemStats(&after)
		if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 4<<20 {
			t.Errorf("the report of %d connections holds %d bytes", r.Connections, grown)
		}
		if n := len(r.Versions[0].Answer.Line); n > 300 {
			t.Errorf("a status line of %d bytes", n)
		}
		runtime.KeepAlive(r)
	})
}

// The spelling of an answer, and a head that waits, are noted.
func TestNotes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := scripted(t, func(nc net.Conn) {
			b := make([]byte, 4096)
			n, err := nc.Read(b)
			if err != nil {
				return
			}
			key := ""
			for line := range strings.SplitSeq(string(b[:n]), "\r\n") {
				if v, ok := strings.CutPrefix(line, "Sec-WebSocket-Key: "); ok {
					key = v
				}
			}
			sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
			io.WriteString(nc, "HTTP/1.1 101 x\r\nupgrade: websocket\r\nConnection: Upgrade\r\nSec-Websocket-Accept: "+base64.StdEncoding.EncodeToString(sum[:])+"\r\nServer: x/1\r\n\r\n")
			drain(nc)
		})
		r := run(t, to(l, probe.Options{Versions: wire.VersionsOf(wire.RFC6455), Quick: true}))
		notes := strings.Join(r.Versions[0].Notes, "; ")
		if !strings.Contains(notes, "Sec-WebSocket-Accept is spelled Sec-Websocket-Accept") || !strings.Contains(notes, "Upgrade is spelled upgrade") || r.Software != "x/1" {
			t.Errorf("%q, %q", notes, r.Software)
		}
	})
}

// A probe that is interrupted while it waits ends at once.
func TestInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := scripted(t, drain)
		ctx, cancel := context.WithCancel(context.Background())
		go func() {
			time.Sleep(time.Second)
			cancel()
		}()
		began := time.Now()
		r, err := probe.Run(ctx, address, to(l, probe.Options{Timeout: time.Hour, Patience: time.Hour}))
		if err != nil || r.Stopped != "it was interrupted" || time.Since(began) > 2*time.Second {
			t.Errorf("%+v, %v after %s", r, err, time.Since(began))
		}
	})
}

// A server that goes down and comes again is asked on, and one that stays away ends the probe.
func TestGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := scripted(t, accepts("", drain))
		n := 0
		o := to(l, probe.Options{Versions: wire.VersionsOf(wire.RFC6455), Quick: true})
		there := o.NetDial
		o.NetDial = func(ctx context.Context, network, address string) (net.Conn, error) {
			if n++; n == 5 || n == 6 || n == 9 {
				return nil, net.ErrClosed
			}
			return there(ctx, network, address)
		}
		if r := run(t, o); r.Gone != 2 || r.Stopped != "" || !r.Versions[0].Opens() {
			t.Errorf("gone %d times, stopped: %q", r.Gone, r.Stopped)
		}
		o.NetDial = func(ctx context.Context, network, address string) (net.Conn, error) {
			if n++; n > 30 {
				return nil, net.ErrClosed
			}
			return there(ctx, network, address)
		}
		began := time.Now()
		if r := run(t, o); !strings.Contains(r.Stopped, "use of closed") || time.Since(began) > time.Minute {
			t.Errorf("stopped: %q after %s", r.Stopped, time.Since(began))
		}
	})
}

// A server whose proof needs the eight bytes in one piece with the head is told so.
func TestOnePiece(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := ours()
		back := wstest.Serve(t, s)
		l := scripted(t, func(near net.Conn) {
			b := make([]byte, 4096)
			n, err := near.Read(b)
			if err != nil || strings.HasSuffix(string(b[:n]), "\r\n\r\n") && strings.Contains(string(b[:n]), "Key1") {
				return // the eight bytes are missing
			}
			far, err := back.Dial()
			if err != nil {
				return
			}
			defer far.Close()
			far.Write(b[:n])
			go func() {
				io.Copy(near, far)
				near.Close()
			}()
			io.Copy(far, near)
		})
		r := run(t, to(l, probe.Options{Versions: wire.VersionsOf(wire.Hixie76), Quick: true, Faults: true}))
		v := &r.Versions[0]
		if v.Outcome != probe.Opens || !v.OnePiece || !v.Echoes || v.Failed > 0 || v.HeadFirst != nil || !strings.Contains(strings.Join(v.Notes, ";"), "in one piece") {
			t.Errorf("%+v", v)
		}
	})
}
