//go:build unix

package events_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
	"github.com/draftwire/draftwire/wire"
)

// The model: a message says what becomes of it in its first letter. What is answered comes
// back as it is.
//
//	e  the function of Events writes it       o  another goroutine of the server writes it
//	g  a function of Conn.Go does             p  that posts it
//	d  nobody does                            x  the function returns an error
//	c  another goroutine calls Close          n  another goroutine calls CloseNow
//	h  the function calls Close               r  the function calls CloseNow
//
// Answers of one column are in order. A client that does nothing rude, and is not closed
// before, gets all of them; others get a beginning.
const (
	answered = "eeeegop"
	kinds    = answered + "d"
	endings_ = "xcnhr"
)

// clients are how many a round of the model has.
const clients = 32

// modelTime is how long a test plays rounds of the model: five seconds, or as long as EVENTS_MODEL says.
func modelTime(t *testing.T) time.Duration {
	s := os.Getenv("EVENTS_MODEL")
	if s == "" {
		return 5 * time.Second
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestModel plays rounds of the model.
func TestModel(t *testing.T) {
	length := modelTime(t)
	seed := uint64(time.Now().UnixNano())
	certified = sync.OnceValues(func() (tls.Certificate, *x509.CertPool) { return wstest.SelfSigned(t) })
	round(t, seed, false) // pools and caches fill
	fds, heap := descriptors(t), wstest.InUse(3).Heap
	rounds := 0
	for began := time.Now(); time.Since(began) < length && !t.Failed(); rounds++ {
		seed++
		round(t, seed, false)
	}
	n := descriptors(t)
	for began := time.Now(); n > fds && time.Since(began) < 2*time.Second; n = descriptors(t) { // clients linger
		time.Sleep(10 * time.Millisecond)
	}
	if n > fds { // fewer: some lingered behind the first round
		t.Errorf("%d descriptors, before %d", n, fds)
	}
	if h := wstest.InUse(3).Heap; h > heap+4<<20 {
		t.Errorf("%d bytes of heap, before %d", h, heap)
	}
	t.Logf("%d rounds", rounds)
}

// certified is the certificate of all rounds.
var certified func() (tls.Certificate, *x509.CertPool)

// descriptors is how many the process has.
func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// model is a round.
type model struct {
	t    *testing.T
	s    *draftwire.Server
	addr string
	tls  *tls.Config // of clients; nil: they come in clear
	mu   sync.Mutex
	recs map[*draftwire.Conn]*record
	ends map[string]error // of connections, by the address of the peer
	told struct{ opened, closed, ended atomic.Int64 }
}

// record is what is known of a connection of the server.
type record struct {
	m      *model
	busy   atomic.Bool // a function of Events, or of Conn.Go, runs
	opened bool
	closed bool
	work   chan func() // for the other goroutine
}

// round plays a round. cut says that any connection may end at any time.
func round(t *testing.T, seed uint64, cut bool) {
	rnd := rand.New(rand.NewPCG(seed, 0))
	m := &model{t: t, recs: make(map[*draftwire.Conn]*record), ends: make(map[string]error)}
	defer func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	}()
	m.s = &draftwire.Server{Options: wstest.Options(), Events: &draftwire.Events{Open: m.open, Message: m.message, Closed: m.closed}}
	o := &m.s.Options
	o.Limits = draftwire.Limits{WriteTimeout: 5 * time.Second, CloseTimeout: 2 * time.Second, PostLimit: 128 << 10, IdleTimeout: time.Duration(rnd.IntN(2)) * 10 * time.Second}
	o.Compression = []draftwire.Compression{{}, wstest.Deflate, wstest.DeflateTakeover}[rnd.IntN(3)]
	o.Observer = &draftwire.Observer{
		Opened: func(*draftwire.Conn) { m.told.opened.Add(1) },
		Closed: func(*draftwire.Conn, error) { m.told.closed.Add(1) },
	}
	l := listen(t)
	if rnd.IntN(2) == 0 {
		l.Close()
		l = wstest.ListenTCP(t).(*net.TCPListener)
	}
	m.addr = l.Addr().String()
	if rnd.IntN(2) == 0 {
		m.overTLS()
	}
	served := make(chan struct{})
	go func() { m.s.Serve(l); close(served) }()
	early := rnd.IntN(3) == 0 // the server shuts down while they are at it
	var all sync.WaitGroup
	for range clients {
		c := &client{m: m, rnd: rand.New(rand.NewPCG(rnd.Uint64(), 1)), cut: cut || early}
		all.Go(c.play)
	}
	ctx, cancel := context.WithTimeout(bg, wstest.Patience)
	defer cancel()
	if early {
		time.Sleep(time.Duration(rnd.IntN(200)) * time.Millisecond)
	} else {
		all.Wait()
	}
	if err := m.s.Shutdown(ctx); err != nil {
		buf := make([]byte, 1<<20)
		t.Errorf("shutdown: %v, counts %+v\n%s", err, m.s.Counts(), buf[:runtime.Stack(buf, true)])
	}
	m.check()
	<-served
	all.Wait()
}

// overTLS lets clients come over TLS, which the loops read too.
func (m *model) overTLS() {
	cert, roots := certified()
	m.s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	m.tls = &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}
}

// check is called when the server has ended.
func (m *model) check() {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := int64(len(m.recs))
	if o, c, e := m.told.opened.Load(), m.told.closed.Load(), m.told.ended.Load(); o != n || c != n || e != n {
		m.t.Errorf("%d connections, the observer has seen %d come and %d go, and Closed %d", n, o, c, e)
	}
	for _, r := range m.recs {
		if !r.opened || !r.closed || r.busy.Load() {
			m.t.Errorf("opened %v, closed %v, busy %v", r.opened, r.closed, r.busy.Load())
		}
	}
	if c := m.s.Counts(); c != (draftwire.ServerCounts{}) {
		m.t.Errorf("counts %+v", c)
	}
	clear(m.recs) // a timer of the server's may hold it for a while
}

// enter notes that a function of a connection has begun; the caller calls what it returns.
func (m *model) enter(c *draftwire.Conn, what string) (r *record, leave func()) {
	m.mu.Lock()
	r = m.recs[c]
	if r == nil {
		r = &record{m: m, work: make(chan func(), 1000)}
		m.recs[c] = r
	}
	m.mu.Unlock()
	if r.busy.Swap(true) {
		m.t.Errorf("%s beside another function", what)
	}
	if r.closed || r.opened == (what == "Open") {
		m.t.Errorf("%s: opened %v, closed %v", what, r.opened, r.closed)
	}
	return r, func() { r.busy.Store(false) }
}

func (m *model) open(c *draftwire.Conn) error {
	r, leave := m.enter(c, "Open")
	defer leave()
	r.opened = true
	go func() {
		for f := range r.work {
			f()
		}
	}()
	return nil
}

func (m *model) closed(c *draftwire.Conn, err error) {
	r, leave := m.enter(c, "Closed")
	defer leave()
	r.closed = true
	m.told.ended.Add(1)
	m.mu.Lock()
	m.ends[c.RemoteAddr().String()] = err
	m.mu.Unlock()
	close(r.work)
	if err == nil || context.Cause(c.Context()) == nil {
		m.t.Errorf("closed: %v, %v", err, context.Cause(c.Context()))
	}
}

var errModel = errors.New("the model wants it so")

func (m *model) message(c *draftwire.Conn, op draftwire.Op, p []byte) error {
	r, leave := m.enter(c, "Message")
	if len(p) == 0 {
		leave()
		return nil
	}
	if p[0] != 'g' {
		defer leave()
	}
	elsewhere := func(f func(p []byte)) {
		p := bytes.Clone(p)
		select {
		case r.work <- func() { f(p) }:
		default:
			m.t.Error("the other goroutine has too much to do")
		}
	}
	switch p[0] {
	case 'e':
		return c.Write(c.Context(), op, p)
	case 'g':
		p := bytes.Clone(p)
		c.Go(func(ctx context.Context, c *draftwire.Conn) error {
			defer leave()
			if len(p)%3 == 0 {
				time.Sleep(time.Duration(len(p)%5) * time.Millisecond)
			}
			return c.Write(ctx, op, p)
		})
	case 'o':
		elsewhere(func(p []byte) { c.Write(bg, op, p) })
	case 'p':
		elsewhere(func(p []byte) {
			prepared := draftwire.NewPreparedMessage(op, p)
			for c.Post(prepared) == draftwire.ErrBusy {
				time.Sleep(time.Millisecond)
			}
		})
	case 'x':
		return errModel
	case 'c':
		elsewhere(func([]byte) { c.Close(4000, "") })
	case 'n':
		elsewhere(func([]byte) { c.CloseNow() })
	case 'h':
		return c.Close(4000, "")
	case 'r':
		c.CloseNow()
	}
	return nil
}

// client is one.
type client struct {
	m    *model
	rnd  *rand.Rand
	cut  bool // its connection may end at any time
	nc   *net.TCPConn
	sent [2][]string // of each column
	got  [2]int
}

// column is that of an answer: those of the functions, and those of the other goroutine.
func column(text string) int {
	if text[0] == 'o' || text[0] == 'p' {
		return 1
	}
	return 0
}

// rough is a socket whose writes go in parts, and whose reads stall.
type rough struct {
	*net.TCPConn
	mu             sync.Mutex
	rnd            *rand.Rand
	splits, stalls int // one of so many
}

func (r *rough) chance(n int) (hit bool, x int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return n > 0 && r.rnd.IntN(n) == 0, r.rnd.IntN(1 << 20)
}

func (r *rough) Write(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		part := len(p) - n
		if hit, x := r.chance(r.splits); hit {
			part = 1 + x%part
		}
		var k int
		k, err = r.TCPConn.Write(p[n : n+part])
		n += k
		if hit, x := r.chance(20 * r.splits); hit {
			time.Sleep(time.Duration(x%10_000) * time.Microsecond)
		}
	}
	return n, err
}

func (r *rough) Read(p []byte) (int, error) {
	if hit, x := r.chance(r.stalls); hit {
		time.Sleep(time.Duration(x%30_000) * time.Microsecond)
	}
	return r.TCPConn.Read(p)
}

// The manners in which a client ends.
const (
	polite = iota // when it has got all
	halfClose
	reset
	leaves // without reading what has come
	garbage
	manners
)

func (c *client) play() {
	versions := draftwire.ServedVersions().List()
	v := versions[c.rnd.IntN(len(versions))]
	if c.rnd.IntN(20) == 0 {
		c.rubbish()
		return
	}
	o := &draftwire.DialOptions{Version: v, NetDial: func(context.Context, string, string) (net.Conn, error) {
		nc, err := net.Dial("tcp", c.m.addr)
		if err != nil {
			return nil, err
		}
		c.nc = nc.(*net.TCPConn)
		return &rough{TCPConn: c.nc, rnd: rand.New(rand.NewPCG(c.rnd.Uint64(), 2)), splits: c.rnd.IntN(4), stalls: c.rnd.IntN(40)}, nil
	}}
	if c.rnd.IntN(2) == 0 {
		o.Compression = wstest.Deflate
	}
	o.Limits.WriteTimeout = wstest.Patience
	scheme := "ws"
	if c.m.tls != nil {
		scheme, o.TLS = "wss", c.m.tls
	}
	conn, _, err := draftwire.Dial(bg, scheme+"://"+c.m.addr+"/x", o)
	if err != nil {
		if !c.cut {
			c.m.t.Errorf("%s: %v", v, err)
		}
		return
	}
	manner := []int{polite, polite, polite, halfClose, reset, leaves, garbage}[c.rnd.IntN(7)]
	c.cut = c.cut || manner != polite
	n := 1 + c.rnd.IntN(40)
	answers := 0
	var script []string
	for i := range n {
		kind := kinds[c.rnd.IntN(len(kinds))]
		if i > 0 && c.rnd.IntN(150) == 0 {
			kind = endings_[c.rnd.IntN(len(endings_))]
			c.cut = true
		}
		size := []int{0, 10, 100, 1000, 10_000, 300 << 10}[c.rnd.IntN(6)]
		text := fmt.Sprintf("%c %d %s", kind, i, wstest.Words(c.rnd.IntN(size+1)))
		if bytes.IndexByte([]byte(answered), kind) >= 0 {
			c.sent[column(text)] = append(c.sent[column(text)], text)
			answers++
		}
		script = append(script, text)
	}
	var cause error
	whole := make(chan struct{})
	read := make(chan struct{})
	go func() {
		defer close(read)
		if answers == 0 {
			close(whole)
		}
		for {
			_, p, err := conn.Read(bg)
			if err != nil {
				cause = err
				return
			}
			c.take(v, string(p))
			if answers--; answers == 0 {
				close(whole)
			}
		}
	}()
	for _, text := range script {
		if conn.Write(bg, draftwire.OpText, []byte(text)) != nil {
			break
		}
		if v.Supports(wire.CapPing) && c.rnd.IntN(10) == 0 {
			go func() {
				ctx, cancel := context.WithTimeout(bg, wstest.Patience)
				defer cancel()
				conn.Ping(ctx)
			}()
		}
	}
	switch manner {
	case polite:
		select {
		case <-whole:
		case <-read:
		case <-time.After(wstest.Patience):
			c.m.t.Errorf("%s: answers do not come: %d of %d, %d of %d", v, c.got[0], len(c.sent[0]), c.got[1], len(c.sent[1]))
		}
		conn.Close(draftwire.CodeNormal, "")
	case halfClose:
		c.nc.CloseWrite()
	case reset:
		c.nc.SetLinger(0)
		c.nc.Close()
	case leaves:
		c.nc.Close()
	case garbage:
		c.nc.Write([]byte(wstest.Words(1 + c.rnd.IntN(5000))))
		c.nc.CloseWrite()
	}
	select {
	case <-read:
	case <-time.After(wstest.Patience):
		c.m.t.Errorf("%s: manner %d: the stream does not end", v, manner)
	}
	conn.CloseNow()
	<-read
	if !c.cut && (c.got[0] != len(c.sent[0]) || c.got[1] != len(c.sent[1])) {
		c.m.mu.Lock()
		defer c.m.mu.Unlock()
		c.m.t.Errorf("%s: it got %d of %d, %d of %d; %v; server: %v", v, c.got[0], len(c.sent[0]), c.got[1], len(c.sent[1]), cause, c.m.ends[conn.LocalAddr().String()])
	}
}

// take checks that an answer is the next of its column.
func (c *client) take(v draftwire.Version, text string) {
	if text == "" {
		c.m.t.Errorf("%s: an empty message", v)
		return
	}
	i := column(text)
	// Behind the beginning of a close nothing is posted any more, but what is written may go
	// before it.
	for n := c.got[i]; c.cut && n < len(c.sent[i]) && c.sent[i][n] != text && c.sent[i][n][0] == 'p'; n++ {
		c.got[i]++
	}
	if n := c.got[i]; n >= len(c.sent[i]) || c.sent[i][n] != text {
		want := ""
		if n < len(c.sent[i]) {
			want = c.sent[i][n]
		}
		c.m.t.Errorf("%s: it got %.20q, %d bytes, as number %d of column %d, not %.20q, %d bytes", v, text, len(text), n, i, want, len(want))
	}
	c.got[i]++
}

// rubbish is a client that cannot even begin.
func (c *client) rubbish() {
	nc, err := net.Dial("tcp", c.m.addr)
	if err != nil {
		return
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(wstest.Patience))
	says := []string{"", "GET", "\x16\x03\x01", "GET / HTTP/1.1\r\n\r\n", wstest.Words(3000), wstest.Head(draftwire.RFC6455), wstest.Head(draftwire.Hixie76) + "1234"}[c.rnd.IntN(7)]
	io.WriteString(nc, says)
	nc.(*net.TCPConn).CloseWrite()
	io.Copy(io.Discard, nc)
}
