package wsconn

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire/hixie76"
	"github.com/draftwire/draftwire/internal/memnet"
	"github.com/draftwire/draftwire/rfc6455"
	"github.com/draftwire/draftwire/wire"
)

// clientFrame is a frame of a client, whose mask leaves the payload readable.
func clientFrame(b0 byte, payload string) string {
	n := len(payload)
	head := []byte{b0, 0x80 | byte(n)}
	switch {
	case n >= 1<<16:
		head = []byte{b0, 0xFF, 0, 0, 0, 0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
	case n >= 126:
		head = []byte{b0, 0xFE, byte(n >> 8), byte(n)}
	}
	return string(head) + "\x00\x00\x00\x00" + payload
}

// sample is a payload of n bytes in which no place is like its neighbours.
func sample(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'a' + byte(i*7+i>>8)%26
	}
	return string(b)
}

// ways are all the ways to read a message whole.
var ways = map[string]func(c *Conn, most int) ([]string, error){
	"Read": func(c *Conn, most int) ([]string, error) { return each(c, most, c.Read) },
	"ReadBorrowed": func(c *Conn, most int) ([]string, error) {
		return each(c, most, c.ReadBorrowed)
	},
	"Reader": func(c *Conn, most int) ([]string, error) {
		return each(c, most, func(ctx context.Context) (wire.Op, []byte, error) {
			op, m, err := c.Reader(ctx)
			if err != nil {
				return 0, nil, err
			}
			p, err := io.ReadAll(m)
			return op, p, err
		})
	},
	"Reader with room": func(c *Conn, most int) ([]string, error) {
		return each(c, most, func(ctx context.Context) (wire.Op, []byte, error) {
			op, m, err := c.Reader(ctx)
			if err != nil {
				return 0, nil, err
			}
			p, buf := []byte(nil), make([]byte, 32<<10)
			for {
				n, err := m.Read(buf)
				if p = append(p, buf[:n]...); err == io.EOF {
					return op, p, nil
				} else if err != nil {
					return 0, nil, err
				}
			}
		})
	},
	"ReadPart": func(c *Conn, most int) ([]string, error) {
		return each(c, most, func(ctx context.Context) (op wire.Op, p []byte, err error) {
			for begun := false; ; begun = true {
				part, err := c.ReadPart(ctx)
				if err != nil {
					return 0, nil, err
				}
				if part.First == begun || begun && part.Op != op || part.Last && !part.FrameEnd {
					return 0, nil, fmt.Errorf("a part %+v behind %d bytes", part, len(p))
				}
				op, p = part.Op, append(p, part.Data...)
				if part.Last {
					return op, p, nil
				}
			}
		})
	},
	"ReadLoop": func(c *Conn, most int) (all []string, _ error) {
		enough := errors.New("enough")
		err := c.ReadLoop(bg, func(op wire.Op, p []byte) error {
			if all = append(all, op.String()+" "+string(p)); len(all) == most {
				return enough
			}
			return nil
		})
		if err == enough {
			err = nil
		}
		return all, err
	},
}

// each reads messages until there are most of them.
func each(_ *Conn, most int, read func(context.Context) (wire.Op, []byte, error)) (all []string, err error) {
	for len(all) < most {
		op, p, err := read(bg)
		if err != nil {
			return all, err
		}
		all = append(all, op.String()+" "+string(p))
	}
	return all, nil
}

// Every way to read gives the same messages, in whatever pieces they come and with pings
// between their frames, which all are answered, and counts the same.
func TestWaysToRead(t *testing.T) {
	stream, want, payload, pings := "", []string(nil), 0, 0
	for i, n := range []int{0, 1, 125, 126, 1000, 5000, 9000, 40000, 70000, 3} {
		p := sample(n)
		op, name := byte(1), "text "
		if i%2 == 1 {
			op, name = 2, "binary "
		}
		stream += clientFrame(0x80|op, p) + clientFrame(0x89, "ping")
		a, b := n/3, n/2
		stream += clientFrame(op, p[:a]) + clientFrame(0x89, "") + clientFrame(0x00, p[a:b]) + clientFrame(0x80, p[b:])
		want = append(want, name+p, name+p)
		payload += 2 * n
		pings += 2
	}
	for name, read := range ways {
		for _, piece := range []int{7, 997, 1 << 20} {
			inMemory(t, func(t *testing.T, c *Conn, _ *told, peer *memnet.Conn) {
				var answers bytes.Buffer
				done := make(chan struct{})
				go func() { defer close(done); io.Copy(&answers, peer) }()
				go func() {
					for p := range slices.Chunk([]byte(stream), piece) {
						peer.Write(p)
					}
				}()
				got, err := read(c, len(want))
				if err != nil || !slices.Equal(got, want) {
					for i := range got {
						if got[i] != want[i] {
							t.Errorf("%s in pieces of %d: message %d has %d bytes, not %d", name, piece, i, len(got[i]), len(want[i]))
						}
					}
					t.Errorf("%s in pieces of %d: %d messages, %v", name, piece, len(got), err)
				}
				synctest.Wait()
				if s := c.Stats(); s.MessagesIn != uint64(len(want)) || s.BytesIn != uint64(payload) {
					t.Errorf("%s in pieces of %d: %+v", name, piece, s)
				}
				if c.Buffered() {
					t.Errorf("%s in pieces of %d: something is left", name, piece)
				}
				c.CloseNow()
				<-done
				// A ping behind the last message is not looked at by all.
				most := strings.Repeat("\x8a\x04ping\x8a\x00", pings/2)
				if a := answers.String(); a != most {
					t.Errorf("%s in pieces of %d: %d bytes of pongs, not %d", name, piece, len(a), len(most))
				}
			})
		}
	}
}

// A read that its context cuts off leaves what has come of a message to the next one, of
// whatever kind.
func TestInterruptedRead(t *testing.T) {
	p := sample(3000)
	first, second := clientFrame(0x01, p[:1000]), clientFrame(0x80, p[1000:])
	for name, read := range ways {
		if name == "ReadLoop" {
			continue // it gives up what it has begun only with the connection
		}
		for _, cut := range []int{0, 3, 500, len(first), len(first) + 2, len(first) + 900} {
			inMemory(t, func(t *testing.T, c *Conn, _ *told, peer *memnet.Conn) {
				stream := first + second
				go peer.Write([]byte(stream[:cut]))
				ctx, cancel := context.WithTimeout(bg, time.Second)
				defer cancel()
				if _, _, err := c.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("cut at %d: %v", cut, err)
				}
				if _, _, err := c.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("cut at %d, again: %v", cut, err)
				}
				go peer.Write([]byte(stream[cut:]))
				got, err := read(c, 1)
				if err != nil || len(got) != 1 || got[0] != "text "+p {
					t.Errorf("%s behind a Read that was cut at %d: %d messages, %v", name, cut, len(got), err)
				}
			})
		}
	}
}

// What was not read of a message is dropped by the next call, and a reader of it ends.
func TestUnreadRest(t *testing.T) {
	long := clientFrame(0x02, sample(500)) + clientFrame(0x89, "") + clientFrame(0x80, sample(400))
	for name, read := range ways {
		for _, parts := range []bool{false, true} {
			if parts && name == "ReadPart" {
				continue // it goes on with the parts
			}
			inMemory(t, func(t *testing.T, c *Conn, _ *told, peer *memnet.Conn) {
				go peer.Write([]byte(long + clientFrame(0x81, "next")))
				var m *MessageReader
				if parts {
					if p, err := c.ReadPart(bg); err != nil || p.Last {
						t.Fatal(p, err)
					}
				} else {
					var err error
					if _, m, err = c.Reader(bg); err != nil {
						t.Fatal(err)
					}
					if n, err := m.Read(make([]byte, 10)); n != 10 || err != nil {
						t.Fatal(n, err)
					}
				}
				if got, err := read(c, 1); err != nil || len(got) != 1 || got[0] != "text next" {
					t.Errorf("%s: %q, %v", name, got, err)
				}
				if m != nil {
					if n, err := m.Read(make([]byte, 10)); n != 0 || err != io.EOF {
						t.Errorf("%s: the reader that was passed gives %d, %v", name, n, err)
					}
				}
			})
		}
	}
}

// TryReadPart never waits, and tells whether there was a part.
func TestTryReadPart(t *testing.T) {
	inMemory(t, func(t *testing.T, c *Conn, _ *told, peer *memnet.Conn) {
		try := func(want string, last bool) {
			t.Helper()
			p, ok, err := c.TryReadPart()
			if err != nil || ok != (want != "") || string(p.Data) != want || p.Last != last {
				t.Errorf("%q, last %v, ok %v, %v", p.Data, p.Last, ok, err)
			}
		}
		try("", false)
		peer.Write([]byte(clientFrame(0x01, "ab") + clientFrame(0x80, "c")[:3]))
		if p, err := c.ReadPart(bg); err != nil || string(p.Data) != "ab" || !c.Buffered() {
			t.Errorf("%+v, %v", p, err)
		}
		try("", false)
		if c.Buffered() {
			t.Error("what is no event yet counts as input")
		}
		peer.Write([]byte(clientFrame(0x80, "c")[3:]))
		if p, err := c.ReadPart(bg); err != nil || string(p.Data) != "c" || !p.Last {
			t.Errorf("%+v, %v", p, err)
		}
		peer.Write([]byte(clientFrame(0x81, "d") + clientFrame(0x81, "e")))
		if _, p, err := c.Read(bg); err != nil || string(p) != "d" {
			t.Errorf("%q, %v", p, err)
		}
		try("e", true)
		peer.Close()
		if _, _, err := c.Read(bg); closeStatus(err) != wire.CodeAbnormal {
			t.Error(err)
		}
		if _, ok, err := c.TryReadPart(); ok || closeStatus(err) != wire.CodeAbnormal {
			t.Errorf("behind the end: %v, %v", ok, err)
		}
	})
}

// Heard tells of bytes since it was called last.
func TestHeard(t *testing.T) {
	inMemory(t, func(t *testing.T, c *Conn, _ *told, peer *memnet.Conn) {
		if c.Heard() {
			t.Error("of a new connection")
		}
		for range 2 {
			peer.Write([]byte(clientFrame(0x81, "a")))
			if _, _, err := c.Read(bg); err != nil || !c.Heard() || c.Heard() {
				t.Errorf("of a message: %v", err)
			}
		}
	})
}

// A client of hixie-76 discards frames without a meaning, and each that holds something is
// told once.
func TestDiscarded(t *testing.T) {
	inMemoryAs(t, &hixie76.Draft, wire.Client, func(t *testing.T, c *Conn, h *told, peer *memnet.Conn) {
		for _, p := range []string{"\x80\x03ab", "c\x80\x00\x01x\xff", "\x00a\xff"} {
			go peer.Write([]byte(p))
			synctest.Wait()
		}
		if _, p, err := c.Read(bg); err != nil || string(p) != "a" || h.discarded != 2 {
			t.Errorf("%q, %v, %d were discarded", p, err, h.discarded)
		}
	})
}

// The idle timeout counts from the last bytes, and says that it was it.
func TestIdleTimeout(t *testing.T) {
	lim := limits
	lim.IdleTimeout = 10 * time.Second
	for _, heard := range []time.Duration{0, 6 * time.Second} {
		inMemory(t, func(t *testing.T, c *Conn, h *told, peer *memnet.Conn) {
			c.lim = &lim
			began := time.Now()
			go func() {
				time.Sleep(heard)
				if heard > 0 {
					peer.Write([]byte(clientFrame(0x89, "")))
				}
			}()
			_, _, err := c.Read(bg)
			if d := time.Since(began); closeStatus(err) != wire.CodeAbnormal || !errors.Is(err, errIdle) || d != heard+lim.IdleTimeout {
				t.Errorf("%v after %v", err, d)
			}
			saidOnly(t, &rfc6455.Draft, wire.Server, peer, "idle", wire.CloseError{Code: wire.CodeGoingAway, Reason: "idle"}, true)
		})
	}
}

// PostPing waits for nothing, and is left out where the peer takes nothing.
func TestPostPing(t *testing.T) {
	inMemory(t, func(t *testing.T, c *Conn, _ *told, peer *memnet.Conn) {
		go c.Read(bg)
		for i := range 2 {
			if err := c.PostPing(); err != nil {
				t.Fatal(err)
			}
			p := make([]byte, 10)
			if _, err := io.ReadFull(peer, p); err != nil || p[0] != 0x89 || p[1] != 8 {
				t.Fatalf("%x, %v", p, err)
			}
			peer.Write([]byte(clientFrame(0x8A, string(p[2:]))))
			synctest.Wait()
			if !c.Heard() {
				t.Errorf("pong %d was not heard", i)
			}
		}
		var last error
		for range 1 << 20 { // nobody reads
			if last = c.PostPing(); last != nil {
				break
			}
			synctest.Wait()
		}
		if !errors.Is(last, ErrBusy) {
			t.Errorf("a peer that takes nothing: %v", last)
		}
		c.CloseNow()
		if err := c.PostPing(); !errors.Is(err, wire.ErrClosed) {
			t.Errorf("closed: %v", err)
		}
	})
	inMemoryAs(t, &hixie76.Draft, wire.Server, func(t *testing.T, c *Conn, _ *told, _ *memnet.Conn) {
		if err := c.PostPing(); !errors.Is(err, wire.ErrUnsupported) {
			t.Error(err)
		}
	})
}

// Ping waits for its own pong, and for no longer than its context.
func TestPing(t *testing.T) {
	inMemory(t, func(t *testing.T, c *Conn, _ *told, peer *memnet.Conn) {
		go c.Read(bg)
		done := make(chan int, 2)
		var bodies []string
		for i := range 2 {
			go func() {
				if err := c.Ping(bg); err != nil {
					t.Error(err)
				}
				done <- i
			}()
			synctest.Wait()
			p := make([]byte, 10)
			if _, err := io.ReadFull(peer, p); err != nil || p[0] != 0x89 || p[1] != 8 {
				t.Fatalf("%x, %v", p, err)
			}
			bodies = append(bodies, string(p[2:]))
		}
		peer.Write([]byte(clientFrame(0x8A, "") + clientFrame(0x8A, "another.")))
		synctest.Wait()
		if len(done) != 0 || bodies[0] == bodies[1] {
			t.Errorf("the pings %x have %d pongs", bodies, len(done))
		}
		for i := range 2 {
			peer.Write([]byte(clientFrame(0x8A, bodies[1-i])))
			if got := <-done; got != 1-i {
				t.Errorf("the pong of ping %d was taken by %d", 1-i, got)
			}
		}
		ctx, cancel := context.WithTimeout(bg, time.Second)
		defer cancel()
		if err := c.Ping(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if n := len(c.rare.Load().pings.waiting); n != 0 {
			t.Errorf("%d pings are kept", n)
		}
	})
	inMemoryAs(t, &hixie76.Draft, wire.Server, func(t *testing.T, c *Conn, _ *told, _ *memnet.Conn) {
		if err := c.Ping(bg); !errors.Is(err, wire.ErrUnsupported) {
			t.Error(err)
		}
	})
}

// A program that only writes is told by its context when the peer ends, and a message from
// such a peer is against the rules.
func TestCloseRead(t *testing.T) {
	for _, message := range []bool{true, false} {
		inMemory(t, func(t *testing.T, c *Conn, _ *told, peer *memnet.Conn) {
			ctx := c.CloseRead(bg)
			want := wire.CloseError{Code: wire.CodePolicy, Reason: "unexpected message"}
			if message {
				peer.Write([]byte(clientFrame(0x81, "a")))
			} else {
				want = wire.CloseError{Code: wire.CodeNormal}
				peer.Write(closeOf(t, &rfc6455.Draft, wire.Server, wire.CodeNormal, ""))
			}
			saidOnly(t, &rfc6455.Draft, wire.Server, peer, "CloseRead", want, !message)
			if message {
				peer.Write(closeOf(t, &rfc6455.Draft, wire.Server, wire.CodeNormal, ""))
			}
			<-ctx.Done()
		})
	}
}

// What Read gives is the caller's for good, and what ReadBorrowed lends is not: it costs no
// memory of its own where the message came in one piece.
func TestWhoseBytes(t *testing.T) {
	sizes := []int{1, 100, 900, 3000, 9000, 40000, 200, 5}
	stream := ""
	for _, n := range sizes {
		p := sample(n)
		stream += clientFrame(0x82, p) + clientFrame(0x02, p[:n/2]) + clientFrame(0x80, p[n/2:])
	}
	inMemory(t, func(t *testing.T, c *Conn, _ *told, peer *memnet.Conn) {
		go peer.Write([]byte(stream))
		var all [][]byte
		for range 2 * len(sizes) {
			_, p, err := c.Read(bg)
			if err != nil {
				t.Fatal(err)
			}
			if cap(p) != len(p) {
				t.Errorf("an append to a message of %d bytes reaches %d bytes behind it", len(p), cap(p)-len(p))
			}
			all = append(all, p)
		}
		for i, p := range all {
			if string(p) != sample(sizes[i/2]) {
				t.Errorf("message %d of %d bytes has changed", i, len(p))
			}
		}
	})
	inMemory(t, func(t *testing.T, c *Conn, _ *told, peer *memnet.Conn) {
		for range 2 {
			peer.Write([]byte(clientFrame(0x82, "abc")))
			_, p, err := c.ReadBorrowed(bg)
			if err != nil || string(p) != "abc" || !c.r.inPlace || c.r.lent != nil {
				t.Errorf("%q, %v: in place %v", p, err, c.r.inPlace)
			}
		}
		peer.Write([]byte(clientFrame(0x02, "abc") + clientFrame(0x80, "def")))
		if _, p, err := c.ReadBorrowed(bg); err != nil || string(p) != "abcdef" || c.r.lent == nil {
			t.Errorf("%q, %v: lent %v", p, err, c.r.lent)
		}
		peer.Write([]byte(clientFrame(0x82, "g")))
		if _, p, err := c.ReadBorrowed(bg); err != nil || string(p) != "g" || c.r.lent != nil {
			t.Errorf("%q, %v: the memory of the message before is still lent", p, err)
		}
	})
}

// Stats knows what has come, also while the goroutine that reads waits for more.
func TestStatsOfAReaderThatWaits(t *testing.T) {
	inMemory(t, func(t *testing.T, c *Conn, _ *told, peer *memnet.Conn) {
		go func() {
			for {
				if _, _, err := c.Read(bg); err != nil {
					return
				}
			}
		}()
		var messages, payload uint64
		for _, p := range []string{"abc", "", "d"} {
			peer.Write([]byte(clientFrame(0x81, p)))
			synctest.Wait()
			messages, payload = messages+1, payload+uint64(len(p))
			if s := c.Stats(); s.MessagesIn != messages || s.BytesIn != payload {
				t.Errorf("behind %q: %+v", p, s)
			}
		}
	})
}
