//go:build !race

package budget_test

import (
	"bytes"
	"compress/flate"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
)

// A peer gets no memory for saying that much will come.
func TestAnnouncedMemory(t *testing.T) {
	for name, read := range map[string]func(ctx context.Context, c *draftwire.Conn) ([]byte, error){
		"Read": wstest.Readers["Read"], "ReadBorrowed": wstest.Readers["ReadBorrowed"], "Reader": wstest.Readers["Reader, odd"],
	} {
		for _, sent := range []int{0, 100, 3000} {
			synctest.Test(t, func(t *testing.T) {
				const n = 100
				var clients []wstest.Peer
				for range n {
					clients = append(clients, wstest.NewPeer(t, draftwire.RFC6455, 64<<10, draftwire.Limits{}, func(ctx context.Context, c *draftwire.Conn) error {
						_, err := read(ctx, c)
						return err
					}))
				}
				synctest.Wait()
				begin := append([]byte{0x82, 0xFF, 0, 0, 0, 0, 0, 0x10, 0, 0, 1, 2, 3, 4}, make([]byte, sent)...) // 1 MiB
				before := wstest.InUse(1).Heap
				for _, c := range clients {
					wstest.Send(t, c, begin)
				}
				synctest.Wait()
				if each := (wstest.InUse(1).Heap - before) / n; each > 64<<10 {
					t.Errorf("%s: a message of which %d bytes came costs %d", name, sent, each)
				}
				runtime.KeepAlive(clients)
			})
		}
	}
}

// What peers cost that send and read nothing, messages or pings, is bounded in clear and
// over TLS: what the network takes of them, and no more.
func TestUnreadPeersMemory(t *testing.T) {
	const peers, most = 20, 320 << 10
	cert, _ := wstest.SelfSigned(t)
	for name, piece := range map[string][]byte{
		"pings": wstest.Frame(0x89, strings.Repeat("p", 100), true), "messages": wstest.Frame(0x82, strings.Repeat("m", 1000), true),
	} {
		for _, secure := range []bool{false, true} {
			l := wstest.ListenTCP(t)
			s := &draftwire.Server{WebSocket: wstest.Echo, Options: wstest.Options(), TLS: &tls.Config{Certificates: []tls.Certificate{cert}}}
			wstest.ServeOn(t, s, l)
			var conns []net.Conn
			for range peers {
				nc, err := net.Dial("tcp", l.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				if secure {
					nc = tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
				}
				wstest.Send(t, nc, []byte(wstest.Head(draftwire.RFC6455)))
				wstest.ReadHead(t, nc)
				conns = append(conns, nc)
			}
			before := wstest.InUse(3).Sum()
			stuck := make(chan struct{}, peers)
			for _, nc := range conns {
				go func() {
					p := bytes.Repeat(piece, 200)
					for sent, err := 0, error(nil); err == nil && sent < 64<<20; sent += len(p) {
						nc.SetWriteDeadline(time.Now().Add(3 * time.Second)) // the server may be slow
						_, err = nc.Write(p)
					}
					stuck <- struct{}{}
				}()
			}
			for range peers {
				<-stuck
			}
			each := (wstest.InUse(3).Sum() - before) / peers
			t.Logf("%s, TLS %v: %d bytes each, of both ends", name, secure, each)
			if each > most {
				t.Errorf("%s, TLS %v: %d bytes each", name, secure, each)
			}
			for _, nc := range conns {
				if over, is := nc.(*tls.Conn); is {
					nc = over.NetConn() // which does not wait to say farewell
				}
				nc.Close()
			}
			s.Close()
		}
	}
}

// A connection with compression and no takeover holds nothing of it between
// messages.
func TestIdleCompression(t *testing.T) {
	held := func(c draftwire.Compression) int64 {
		var each int64
		synctest.Test(t, func(t *testing.T) {
			opt := wstest.Options()
			opt.Compression = c
			const n = 50
			text := strings.Repeat("hello ", 1000)
			l := wstest.Serve(t, &draftwire.Server{WebSocket: wstest.Echo, Options: opt})
			conns := make([]*draftwire.Conn, n)
			for i := range conns {
				conns[i] = wstest.Dial(t, l, draftwire.RFC6455, draftwire.DialOptions{Compression: c})
			}
			synctest.Wait()
			before := wstest.InUse(1).Sum()
			for _, c := range conns {
				go wstest.Write(t, c, text)
				wstest.Read(t, c, text)
			}
			synctest.Wait()
			each = max(0, wstest.InUse(3).Sum()-before) / n
		})
		return each
	}
	plain, frugal, takeover := held(draftwire.Compression{}), held(wstest.Deflate), held(wstest.DeflateTakeover)
	t.Logf("after a message both ends hold %d bytes without compression, %d with, %d with takeover", plain, frugal, takeover)
	if frugal > plain+32<<10 {
		t.Errorf("an idle connection with compression holds %d bytes, without %d", frugal, plain)
	}
	if takeover < 32<<10 || takeover > 256<<10 {
		t.Errorf("takeover holds %d bytes", takeover)
	}
}

// 1 GiB in 1 MiB is refused at the limit of messages, with bounded memory.
func TestBomb(t *testing.T) {
	var z bytes.Buffer
	w, _ := flate.NewWriter(&z, flate.BestCompression)
	w.Write(make([]byte, 1<<20))
	w.Flush() // ends at a byte, and needs nothing from before: it can be repeated
	all := bytes.Repeat(z.Bytes(), 1024)
	bomb := wstest.Frame(0xC2, string(all[:len(all)-4]), true)
	for _, offer := range []string{"permessage-deflate", "x-webkit-deflate-frame"} {
		synctest.Test(t, func(t *testing.T) {
			opt := wstest.Options()
			opt.Compression = wstest.Deflate
			ended := make(chan error, 1)
			l := wstest.Serve(t, &draftwire.Server{Options: opt, WebSocket: func(_ context.Context, c *draftwire.Conn) error {
				_, _, err := c.Read(bg)
				ended <- err
				return nil
			}})
			nc, _ := l.Dial()
			defer nc.Close()
			wstest.Send(t, nc, []byte(wstest.Head(draftwire.RFC6455, "Sec-WebSocket-Extensions: "+offer)))
			wstest.ReadHead(t, nc)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			go nc.Write(bomb)
			if err := <-ended; !errors.Is(err, draftwire.ErrTooBig) {
				t.Errorf("%s: the bomb is %v", offer, err)
			}
			runtime.ReadMemStats(&after)
			if used := after.TotalAlloc - before.TotalAlloc; used > 16<<20 {
				t.Errorf("%s: a bomb of %d bytes used %d", offer, len(bomb), used)
			}
			wstest.Want(t, nc, []byte{0x88})
		})
	}
}
