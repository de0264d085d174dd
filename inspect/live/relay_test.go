package live_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/draftwire/draftwire/inspect/capture"
	"github.com/draftwire/draftwire/inspect/live"
	"github.com/draftwire/draftwire/internal/wstest"
)

const patience = 20 * time.Second

// record is what a sink was told of a connection.
type record struct {
	about capture.Conn
	sides [2]bytes.Buffer
	lost  [2]int64
	ends  [2]string
	order []capture.Direction // of the data
}

// sink is a capture.Sink that keeps all.
type sink struct {
	mu    sync.Mutex
	conns []*record
	hold  chan struct{} // nil: Data does not wait for it
}

func (s *sink) Open(c capture.Conn) capture.Stream {
	r := &record{about: c}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns = append(s.conns, r)
	return &stream{s, r}
}

type stream struct {
	s *sink
	r *record
}

func (s *stream) Data(_ time.Time, from capture.Direction, offset int64, p []byte) {
	if s.s.hold != nil {
		<-s.s.hold
	}
	if want := int64(s.r.sides[from].Len()) + s.r.lost[from]; offset != want {
		panic("the offset is wrong")
	}
	s.r.sides[from].Write(p)
	s.r.order = append(s.r.order, from)
}

func (s *stream) Gap(_ time.Time, from capture.Direction, _, n int64) { s.r.lost[from] += n }

func (s *stream) End(_ time.Time, from capture.Direction, how capture.End) {
	s.r.ends[from] += how.String()
}

// running is a relay that runs.
type running struct {
	*live.Relay
	t     *testing.T
	sink  *sink
	addr  string
	stop  context.CancelFunc
	ended chan live.Stats
}

// begin runs a relay before a server.
func begin(t *testing.T, r *live.Relay, serve func(net.Conn), over ...func(net.Listener) net.Listener) *running {
	t.Helper()
	back := listen(t)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			nc, err := back.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer nc.Close()
				nc.SetDeadline(time.Now().Add(patience))
				serve(nc)
			})
		}
	})
	t.Cleanup(func() {
		back.Close()
		serving.Wait()
	})
	x := &running{Relay: r, t: t, sink: &sink{}, ended: make(chan live.Stats, 1)}
	if r.Sink == nil {
		r.Sink = x.sink
	} else {
		x.sink = r.Sink.(*sink)
	}
	if r.Dial == nil {
		r.Dial = func(ctx context.Context, _ net.Addr) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", back.Addr().String())
		}
	}
	l := listen(t)
	x.addr = l.Addr().String()
	for _, f := range over {
		l = f(l)
	}
	ctx, cancel := context.WithCancel(context.Background())
	x.stop = cancel
	t.Cleanup(cancel)
	go func() {
		s, err := x.Serve(ctx, l)
		if err != nil {
			t.Error(err)
		}
		x.ended <- s
	}()
	return x
}

// end stops the relay.
func (x *running) end() live.Stats {
	x.t.Helper()
	x.stop()
	select {
	case s := <-x.ended:
		return s
	case <-time.After(patience):
		x.t.Fatal("the relay does not end")
		return live.Stats{}
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (x *running) dial() *net.TCPConn {
	x.t.Helper()
	nc, err := net.Dial("tcp", x.addr)
	if err != nil {
		x.t.Fatal(err)
	}
	nc.SetDeadline(time.Now().Add(patience))
	return nc.(*net.TCPConn)
}

func echo(nc net.Conn) { io.Copy(nc, nc) }

// Each byte passes both ways in any pieces, an end ends its direction alone, and the sink hears
// the question before the answer.
func TestEachByte(t *testing.T) {
	x := begin(t, &live.Relay{}, func(nc net.Conn) {
		echo(nc) // to the client's end
		io.WriteString(nc, "behind the end")
	})
	want := make([]byte, 300_000)
	rnd := rand.NewChaCha8([32]byte{1})
	rnd.Read(want)
	nc := x.dial()
	defer nc.Close()
	var sending sync.WaitGroup
	sending.Go(func() {
		for rest := want; len(rest) > 0; {
			n := min(len(rest), 1+int(rnd.Uint64()%5000))
			nc.Write(rest[:n])
			rest = rest[n:]
		}
		nc.CloseWrite()
	})
	got, err := io.ReadAll(nc)
	sending.Wait()
	if err != nil || string(got) != string(want)+"behind the end" {
		t.Fatalf("%d bytes came back, %v", len(got), err)
	}
	stats := x.end()
	r := x.sink.conns[0]
	if r.sides[0].String() != string(want) || r.sides[1].String() != string(got) || r.ends != [2]string{"fin", "fin"} || r.order[0] != capture.FromClient {
		t.Errorf("the sink heard %d and %d bytes, ends %q", r.sides[0].Len(), r.sides[1].Len(), r.ends)
	}
	if r.about.Client.String() != nc.LocalAddr().String() || r.about.Number != 1 || r.about.TLS != nil {
		t.Errorf("the connection is %+v", r.about)
	}
	if stats != (live.Stats{Conns: 1, Bytes: int64(len(want) + len(got))}) {
		t.Errorf("%+v", stats)
	}
}

// A reset of one side resets the other.
func TestReset(t *testing.T) {
	seen := make(chan error, 1)
	x := begin(t, &live.Relay{}, func(nc net.Conn) {
		nc.Write([]byte("x"))
		_, err := io.ReadAll(nc)
		seen <- err
	})
	nc := x.dial()
	io.ReadFull(nc, make([]byte, 1))
	nc.SetLinger(0)
	nc.Close()
	if err := <-seen; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the server sees %v", err)
	}
	x.end()
	if r := x.sink.conns[0]; r.ends[0] != "reset" || r.ends[1] == "" {
		t.Errorf("ends %q", r.ends)
	}
}

// Where the server cannot be reached the client is reset, and the caller told.
func TestNoServer(t *testing.T) {
	no := errors.New("no way")
	failed, connected := make(chan error, 1), make(chan struct{})
	x := begin(t, &live.Relay{
		Dial: func(context.Context, net.Addr) (net.Conn, error) {
			<-connected
			return nil, no
		},
		Failed: func(_ net.Addr, err error) { failed <- err },
	}, echo)
	nc := x.dial()
	defer nc.Close()
	close(connected)
	if _, err := nc.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client sees %v", err)
	}
	if err := <-failed; err != no {
		t.Error(err)
	}
	if s := x.end(); s.Conns != 0 {
		t.Errorf("%+v", s)
	}
}

// A sink that does not go on holds nobody up: what passes is not kept beyond the bound, and is a
// gap for it afterwards; a connection that begins then is not told at all.
func TestSlowSink(t *testing.T) {
	s := &sink{hold: make(chan struct{})}
	x := begin(t, &live.Relay{Sink: s, MaxBehind: 64 << 10}, echo)
	nc := x.dial()
	defer nc.Close()
	const size = 4 << 20
	var sending sync.WaitGroup
	sending.Go(func() {
		nc.Write(bytes.Repeat([]byte("x"), size))
		nc.Write([]byte("the end"))
		nc.CloseWrite()
	})
	got, err := io.ReadAll(nc)
	sending.Wait()
	if err != nil || len(got) != size+7 {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	close(s.hold)
	stats := x.end()
	r := s.conns[0]
	for side := range r.sides {
		if n := int64(r.sides[side].Len()); n > 1<<20 || n+r.lost[side] != size+7 || r.ends[side] != "fin" {
			t.Errorf("side %d: %d bytes, %d lost, end %s", side, n, r.lost[side], r.ends[side])
		}
	}
	if stats.Gaps != r.lost[0]+r.lost[1] || stats.Hidden != 0 {
		t.Errorf("%+v", stats)
	}
}

// No more connections are carried than are allowed: the next one waits.
func TestMaxConns(t *testing.T) {
	x := begin(t, &live.Relay{MaxConns: 1}, echo)
	first, second := x.dial(), x.dial()
	defer second.Close()
	first.Write([]byte("1"))
	second.Write([]byte("2"))
	b := make([]byte, 1)
	if _, err := io.ReadFull(first, b); err != nil {
		t.Fatal(err)
	}
	second.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if _, err := second.Read(b); err == nil {
		t.Error("the second one is carried")
	}
	first.Close()
	second.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.ReadFull(second, b); err != nil || b[0] != '2' {
		t.Errorf("%q, %v", b, err)
	}
	x.end()
}

// The end of the context ends what is open.
func TestStop(t *testing.T) {
	x := begin(t, &live.Relay{}, echo)
	nc := x.dial()
	defer nc.Close()
	nc.Write([]byte("1"))
	io.ReadFull(nc, make([]byte, 1))
	x.end()
	if _, err := nc.Read(make([]byte, 1)); err == nil {
		t.Error("the connection is open")
	}
	if r := x.sink.conns[0]; r.ends != [2]string{"cut", "cut"} {
		t.Errorf("ends %q", r.ends)
	}
}

// A listener of TLS has the sink hear what is within.
func TestTLS(t *testing.T) {
	cert, _ := wstest.SelfSigned(t)
	x := begin(t, &live.Relay{}, echo, func(l net.Listener) net.Listener {
		return tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}})
	})
	nc, err := tls.Dial("tcp", x.addr, &tls.Config{InsecureSkipVerify: true, ServerName: "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(patience))
	io.WriteString(nc, "within")
	nc.CloseWrite()
	if got, err := io.ReadAll(nc); string(got) != "within" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	x.end()
	r := x.sink.conns[0]
	if r.sides[0].String() != "within" || r.about.TLS == nil || r.about.TLS.ServerName != "localhost" || r.ends != [2]string{"fin", "fin"} {
		t.Errorf("%+v", r)
	}
}
