package budget_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
)

// loop is a client without a network: an upgrade, then the same frames over
// and over.
type loop struct {
	net.Conn
	rest    []byte // of the round
	frames  []byte
	rounds  int // still to come
	written int
}

var errLooped = errors.New("no more")

func (l *loop) Read(p []byte) (int, error) {
	if len(l.rest) == 0 {
		if l.rounds == 0 {
			return 0, errLooped
		}
		l.rest = l.frames
		l.rounds--
	}
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}

func (l *loop) Write(p []byte) (int, error) {
	l.written += len(p)
	return len(p), nil
}

func (l *loop) Close() error                     { return nil }
func (l *loop) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (l *loop) SetDeadline(time.Time) error      { return nil }
func (l *loop) SetReadDeadline(time.Time) error  { return nil }
func (l *loop) SetWriteDeadline(time.Time) error { return nil }

// one is a listener with one connection.
type one struct{ conns chan net.Conn }

func (o *one) Accept() (net.Conn, error) {
	c, ok := <-o.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (o *one) Close() error   { return nil }
func (o *one) Addr() net.Addr { return &net.TCPAddr{} }

// BenchmarkEcho is what the library itself costs, without the system: a message
// of 125 bytes is read and answered. See bench/ for the whole.
func BenchmarkEcho(b *testing.B) {
	text := string(bytes.Repeat([]byte("x"), 125))
	for _, flight := range []int{1, 32} {
		for _, v := range []draftwire.Version{draftwire.Hixie75, draftwire.Hixie76, draftwire.Hybi07, draftwire.RFC6455} {
			b.Run(fmt.Sprintf("%s/%d", v, flight), func(b *testing.B) {
				client := wstest.NewClient(v)
				l := &loop{rest: []byte(client.Head + client.Key3), rounds: b.N/flight + 1}
				l.frames = bytes.Repeat(client.Text(text), flight)
				done := make(chan error, 1)
				s := &draftwire.Server{Options: wstest.Options(), WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
					for {
						op, p, err := c.ReadBorrowed(ctx)
						if err == nil {
							err = c.Write(ctx, op, p)
						}
						if err != nil {
							done <- err
							return err
						}
					}
				}}
				lis := &one{conns: make(chan net.Conn, 1)}
				lis.conns <- l
				go s.Serve(lis)
				b.ReportAllocs()
				if err := <-done; !errors.Is(err, errLooped) {
					b.Fatal(err)
				}
				if l.written < b.N*len(text) {
					b.Errorf("%d bytes were written", l.written)
				}
				close(lis.conns)
				s.Close()
			})
		}
	}
}

// BenchmarkHandshake is what an opening handshake costs without the system.
func BenchmarkHandshake(b *testing.B) {
	for _, v := range []draftwire.Version{draftwire.Hixie75, draftwire.Hixie76, draftwire.Hybi07, draftwire.RFC6455} {
		b.Run(v.String(), func(b *testing.B) {
			client := wstest.NewClient(v)
			head := []byte(client.Head + client.Key3)
			closed := make(chan struct{}, 1)
			o := wstest.Options()
			o.Observer = &draftwire.Observer{Closed: func(*draftwire.Conn, error) { closed <- struct{}{} }}
			s := &draftwire.Server{Options: o, WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
				_, _, err := c.ReadBorrowed(ctx)
				return err
			}}
			lis := &one{conns: make(chan net.Conn, 1)}
			go s.Serve(lis)
			b.ReportAllocs()
			for b.Loop() {
				lis.conns <- &loop{rest: head}
				<-closed
			}
			close(lis.conns)
			s.Close()
		})
	}
}
