package conn_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
	"github.com/draftwire/draftwire/wire"
)

// Posts go out in order, among the messages of others, whatever their size, over a
// socket that takes little and over what is no socket.
func TestPost(t *testing.T) {
	var in []string
	for i := range 60 {
		in = append(in, wstest.Words([]int{i, 300, 9_000, 70_000}[i%4]))
	}
	posts := func(t *testing.T, c *draftwire.Conn, echo func(string) []byte, nc net.Conn) {
		took := make(chan bool)
		go func() {
			defer close(took)
			wstest.Want(t, nc, wstest.Texts(echo, in...))
		}()
		for i, m := range in {
			if i%5 == 4 {
				if err := c.Write(bg, draftwire.OpText, []byte(m)); err != nil {
					t.Error(err)
				}
				continue
			}
			err := c.Post(wstest.Prepared(m))
			for errors.Is(err, draftwire.ErrBusy) {
				runtime.Gosched()
				err = c.Post(wstest.Prepared(m))
			}
			if err != nil {
				t.Error(err)
			}
		}
		<-took
		if s := c.Stats(); s.MessagesOut != uint64(len(in)) || s.BytesOut != uint64(len(strings.Join(in, ""))) {
			t.Errorf("%+v", s)
		}
	}
	t.Run("socket", func(t *testing.T) {
		open := wstest.TCPPeers(t, wstest.TightTCP, draftwire.Limits{})
		for _, v := range draftwire.ServedVersions().List() {
			nc, client, c := open(v)
			posts(t, c, client.Echo, nc)
		}
	})
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		p := wstest.NewPeer(t, v, 10_000, draftwire.Limits{}, nil)
		posts(t, p.Server, p.Echo, p)
	})
}

// A peer that does not read: Post does not wait, keeps a bounded amount, and says so;
// what it took arrives once the peer reads, and the connection goes on.
func TestPostBusy(t *testing.T) {
	open := wstest.TCPPeers(t, wstest.TightTCP, draftwire.Limits{})
	for _, v := range draftwire.ServedVersions().List() {
		for _, size := range []int{10, 3000, 200_000} {
			nc, client, c := open(v)
			m := wstest.Prepared(wstest.Words(size))
			n, refused := 0, 0
			for refused < 10 {
				switch err := c.Post(m); {
				case err == nil:
					n++
				case errors.Is(err, draftwire.ErrBusy):
					refused++
				default:
					t.Fatalf("%s: %v", v, err)
				}
			}
			if s := c.Stats(); s.MessagesOut != uint64(n) {
				t.Errorf("%s: %d posted, %+v", v, n, s)
			}
			wstest.Want(t, nc, bytes.Repeat(client.Echo(wstest.Words(size)), n))
			if err := c.Write(bg, draftwire.OpText, []byte("on")); err != nil {
				t.Errorf("%s: %v", v, err)
			}
			wstest.Want(t, nc, client.Echo("on"))
			nc.Close()
		}
	}
}

// Behind a cork on what is no socket, posts are as bounded as everywhere.
func TestPostCorked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := wstest.NewPeer(t, draftwire.RFC6455, 10, draftwire.Limits{PostLimit: 100_000}, nil)
		p.Server.Cork()
		n := 0
		var err error
		for m := wstest.Prepared(wstest.Words(9000)); err == nil; n++ {
			err = p.Server.Post(m)
		}
		if !errors.Is(err, draftwire.ErrBusy) || n > (100_000+2*32<<10)/9000+2 { // above 32 KiB a part is under way
			t.Errorf("%d posts, %v", n, err)
		}
		flushed := make(chan error)
		go func() { flushed <- p.Server.Flush(bg) }()
		wstest.Want(t, p, bytes.Repeat(p.Echo(wstest.Words(9000)), n-1))
		if err := <-flushed; err != nil {
			t.Error(err)
		}
	})
}

// The write timeout ends a connection whose peer takes nothing.
func TestPostStuck(t *testing.T) {
	open := wstest.TCPPeers(t, wstest.TightTCP, draftwire.Limits{WriteTimeout: 50 * time.Millisecond})
	for _, v := range draftwire.ServedVersions().List() {
		_, _, c := open(v)
		var err error
		for m := wstest.Prepared(wstest.Words(60_000)); err == nil || errors.Is(err, draftwire.ErrBusy); { // it may find room again
			err = c.Post(m)
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: %v", v, err)
		}
		<-c.Context().Done()
	}
}

// Between the pieces of another message there is no place; corked posts wait for Flush;
// what cannot be said is refused, and nothing is said behind a close.
func TestPostRules(t *testing.T) {
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		p := wstest.NewPeer(t, v, 64<<10, draftwire.Limits{}, nil)
		c := p.Server
		w, err := c.Writer(bg, draftwire.OpText)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Post(wstest.Prepared("in between")); !errors.Is(err, draftwire.ErrBusy) {
			t.Error(err)
		}
		w.Close()
		c.Flush(bg)
		p.Writes()
		io.CopyN(io.Discard, p, int64(len(p.Echo("")))) // the empty message, in as many frames

		c.Cork()
		for _, m := range []string{"a", "b"} {
			if err := c.Post(wstest.Prepared(m)); err != nil {
				t.Error(err)
			}
		}
		if err := c.Flush(bg); err != nil {
			t.Error(err)
		}
		if w := p.Writes(); len(w) != 1 {
			t.Errorf("%d writes", len(w))
		}
		if err := c.Post(wstest.Prepared("\xFF")); !errors.Is(err, draftwire.ErrInvalidText) {
			t.Error(err)
		}
		if err := c.Post(draftwire.NewPreparedMessage(draftwire.OpBinary, nil)); errors.Is(err, draftwire.ErrUnsupported) == v.Supports(wire.CapBinary) {
			t.Error(err)
		}
		c.CloseNow()
		if err := c.Post(wstest.Prepared("late")); !errors.Is(err, draftwire.ErrClosed) {
			t.Error(err)
		}
	})
}

// A client masks, and compression with takeover packs, each anew.
func TestPostEncodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := wstest.DeflateTakeover
		client, server := wstest.Pair(t, draftwire.RFC6455, draftwire.AcceptOptions{Compression: z}, draftwire.DialOptions{Compression: z})
		text := wstest.Words(3000)
		for from, to := range map[*draftwire.Conn]*draftwire.Conn{client: server, server: client} {
			for range 3 {
				if err := from.Post(wstest.Prepared(text)); err != nil {
					t.Fatal(err)
				}
				if _, p, err := to.Read(bg); string(p) != text || err != nil {
					t.Fatalf("%.20q, %v", p, err)
				}
			}
		}
	})
}

// A broadcast reaches all, whatever they speak, but those that have ended and those
// that do not read, which it names.
func TestBroadcast(t *testing.T) {
	open := wstest.TCPPeers(t, wstest.TightTCP, draftwire.Limits{})
	type listener struct {
		nc    net.Conn
		echo  func(string) []byte
		ended bool
	}
	versions := draftwire.ServedVersions().List()
	var all []listener
	var conns []*draftwire.Conn
	for i := range 150 {
		nc, client, c := open(versions[i%len(versions)])
		ended := i%10 == 3
		if ended {
			c.CloseNow()
		}
		all, conns = append(all, listener{nc, client.Echo, ended}), append(conns, c)
	}
	_, _, stuck := open(draftwire.RFC6455)
	conns = append(conns, stuck)

	// broadcast sends to the last n, and returns the error of stuck.
	broadcast := func(text string, n int) error {
		var mu sync.Mutex
		errs := make(map[*draftwire.Conn]error)
		draftwire.Broadcast(wstest.Prepared(text), conns[len(conns)-n:], func(c *draftwire.Conn, err error) {
			mu.Lock()
			defer mu.Unlock()
			errs[c] = err
		})
		for i, l := range all {
			switch c := conns[i]; {
			case i < len(conns)-n:
			case l.ended:
				if !errors.Is(errs[c], draftwire.ErrClosed) {
					t.Errorf("one that has ended: %v", errs[c])
				}
			default:
				if errs[c] != nil {
					t.Error(errs[c])
				}
				wstest.Want(t, l.nc, l.echo(text))
			}
		}
		return errs[stuck]
	}
	for _, n := range []int{0, 1, 64, 65, len(conns)} {
		if err := broadcast(fmt.Sprint("for ", n), n); err != nil {
			t.Error(err)
		}
	}
	var err error
	for i := 0; err == nil; i++ {
		err = broadcast(wstest.Words(60_000+i), 2)
	}
	if !errors.Is(err, draftwire.ErrBusy) {
		t.Errorf("the one that does not read: %v", err)
	}
	draftwire.Broadcast(wstest.Prepared("nobody asks"), conns, nil)
}

// A burst comes whole and in order, among what others write, in far fewer writes than messages;
// what a peer that takes nothing does not get is counted from the end.
func TestPostAll(t *testing.T) {
	var in []string
	var burst []*draftwire.PreparedMessage
	for i := range 40 {
		in = append(in, wstest.Words([]int{i, 300, 9_000, 40_000}[i%4]))
		burst = append(burst, wstest.Prepared(in[i]))
	}
	wstest.EachVersion(t, func(t *testing.T, v draftwire.Version) {
		p := wstest.NewPeer(t, v, 4_000_000, draftwire.Limits{PostLimit: 4 << 20}, nil)
		if n, err := p.Server.PostAll(burst...); n != len(burst) || err != nil {
			t.Fatalf("%d posted, %v", n, err)
		}
		if err := p.Server.Write(bg, draftwire.OpText, []byte("behind")); err != nil {
			t.Fatal(err)
		}
		small := burst[:0:0]
		for range 10 {
			small = append(small, wstest.Prepared("small"))
		}
		wstest.Want(t, p, wstest.Texts(p.Echo, append(in, "behind")...))
		p.Writes()
		if n, err := p.Server.PostAll(small...); n != 10 || err != nil {
			t.Fatalf("%d posted, %v", n, err)
		}
		wstest.Want(t, p, wstest.Texts(p.Echo, strings.Fields(strings.Repeat("small ", 10))...))
		if n := len(p.Writes()); n > 2 {
			t.Errorf("%d writes for ten small messages", n)
		}
		if n, err := p.Server.PostAll(); n != 0 || err != nil {
			t.Errorf("none: %d, %v", n, err)
		}
	})
	open := wstest.TCPPeers(t, wstest.TightTCP, draftwire.Limits{})
	for _, v := range draftwire.ServedVersions().List() {
		nc, client, c := open(v)
		posted, err := c.PostAll(burst...)
		for err == nil {
			var n int
			n, err = c.PostAll(burst[posted%len(burst):]...)
			posted += n
		}
		if !errors.Is(err, draftwire.ErrBusy) {
			t.Fatalf("%s: %v", v, err)
		}
		var want []string
		for i := range posted {
			want = append(want, in[i%len(in)])
		}
		wstest.Want(t, nc, wstest.Texts(client.Echo, want...))
	}
}
