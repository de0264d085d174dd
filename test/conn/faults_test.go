//go:build faults

package conn_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/faultnet"
	"github.com/draftwire/draftwire/internal/wstest"
	"github.com/draftwire/draftwire/wire"
)

// manner is a way of reading and writing messages. read reads until an error, which
// it returns.
type manner struct {
	name     string
	read     func(ctx context.Context, c *draftwire.Conn, got func(draftwire.Op, []byte) error) error
	write    func(c *draftwire.Conn, ctx context.Context, op draftwire.Op, p []byte) error // as a method is called
	compress bool
}

var manners = []manner{
	{name: "Read", read: readWhole((*draftwire.Conn).Read), write: (*draftwire.Conn).Write},
	{name: "ReadBorrowed", read: readWhole((*draftwire.Conn).ReadBorrowed), write: (*draftwire.Conn).Write},
	{name: "ReadLoop", read: readLoop, write: (*draftwire.Conn).Write},
	{name: "ReadLoop, Post", read: readLoop, write: post},
	{name: "ReadPart", read: readParts, write: writeParts},
	{name: "Reader, Writer, compressed", read: readStreams, write: streamMessage, compress: true},
	{name: "Read, WritePrepared", read: readWhole((*draftwire.Conn).Read), write: writePrepared},
}

type gotFunc = func(draftwire.Op, []byte) error

func readWhole(next func(*draftwire.Conn, context.Context) (draftwire.Op, []byte, error)) func(context.Context, *draftwire.Conn, gotFunc) error {
	return func(ctx context.Context, c *draftwire.Conn, got gotFunc) error {
		for {
			op, p, err := next(c, ctx)
			if err == nil {
				err = got(op, p)
			}
			if err != nil {
				return err
			}
		}
	}
}

func readLoop(ctx context.Context, c *draftwire.Conn, got gotFunc) error {
	return c.ReadLoop(ctx, got)
}

func readParts(ctx context.Context, c *draftwire.Conn, got gotFunc) error {
	var whole []byte
	for {
		p, err := c.ReadPart(ctx)
		if err != nil {
			return err
		}
		if p.First {
			whole = whole[:0]
		}
		whole = append(whole, p.Data...)
		if p.Last {
			if err := got(p.Op, whole); err != nil {
				return err
			}
		}
	}
}

func readStreams(ctx context.Context, c *draftwire.Conn, got gotFunc) error {
	for {
		op, r, err := c.Reader(ctx)
		if err != nil {
			return err
		}
		p, err := io.ReadAll(r)
		if err == nil {
			err = got(op, p)
		}
		if err != nil {
			return err
		}
	}
}

func post(c *draftwire.Conn, _ context.Context, op draftwire.Op, p []byte) error {
	return c.Post(draftwire.NewPreparedMessage(op, bytes.Clone(p)))
}

func writePrepared(c *draftwire.Conn, ctx context.Context, op draftwire.Op, p []byte) error {
	return c.WritePrepared(ctx, draftwire.NewPreparedMessage(op, bytes.Clone(p)))
}

func writeParts(c *draftwire.Conn, ctx context.Context, op draftwire.Op, p []byte) error {
	half := len(p) / 2
	if err := c.WritePart(ctx, draftwire.Part{Op: op, Data: p[:half], First: true}); err != nil {
		return err
	}
	return c.WritePart(ctx, draftwire.Part{Op: op, Data: p[half:], Last: true})
}

func streamMessage(c *draftwire.Conn, ctx context.Context, op draftwire.Op, p []byte) error {
	w, err := c.Writer(ctx, op)
	if err != nil {
		return err
	}
	for half := range slices.Chunk(p, max(1, len(p)/2)) {
		if _, err := w.Write(half); err != nil {
			return err
		}
	}
	return w.Close()
}

// side is what one side of a play has seen.
type side struct {
	tally
	got         []string
	read, close error // how reading ended, what Close returned
	conn        *draftwire.Conn
	changed     chan struct{}
}

// take notes a message that came, ended that no other will.
func (s *side) take(p string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, p)
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *side) ended(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.read = err
	close(s.changed)
	s.changed = make(chan struct{})
}

// await waits until n messages have come, or none can come any more.
func (s *side) await(n int) error {
	for {
		s.mu.Lock()
		have, err, changed := len(s.got), s.read, s.changed
		s.mu.Unlock()
		if err != nil || have >= n {
			return err
		}
		<-changed
	}
}

// staging is what a play is played with.
type staging struct {
	v        draftwire.Version
	m        manner
	cert     *tls.Certificate // over TLS
	room     int              // of the sockets
	schedule faultnet.Schedule
	at       int // the call at which do is done
	do       func(p *play)
}

// play is one run: a client and a server that echoes.
type play struct {
	staging
	net            *faultnet.Net
	srv            *draftwire.Server
	client, server side
	script         []string // the messages
	dialled        error
	ctx            context.Context // of the client's reader, until call cancels it
	cancel         context.CancelFunc
	took           time.Duration
	ok             bool // it came to its end
}

// curtain is when a play is over at the latest; no limit of it lasts as long.
const curtain = time.Hour

var playLimits = draftwire.Limits{IdleTimeout: 90 * time.Second, WriteTimeout: 20 * time.Second}

// script is what the client sends: one at a time, many at once, some so large that they
// do not go through the queue.
func script() (s []string) {
	for i := range 24 {
		s = append(s, "message "+strconv.Itoa(i))
	}
	return append(s, "in pieces", strings.Repeat("large ", 2000), strings.Repeat("larger ", 3000), "last")
}

// alone is how many messages of the script are sent one at a time.
const alone = 3

func perform(t *testing.T, st staging) *play {
	t.Helper()
	p := &play{staging: st, script: script()}
	synctest.Test(t, func(t *testing.T) { p.run(t) })
	return p
}

func (p *play) run(t *testing.T) {
	p.client.changed, p.server.changed = make(chan struct{}), make(chan struct{})
	p.ctx, p.cancel = context.WithCancel(context.Background())
	defer p.cancel()
	p.net = faultnet.New(p.acts)
	compression := draftwire.Compression{}
	if p.m.compress {
		compression = draftwire.Compression{Mode: draftwire.CompressAll, Takeover: true}
	}
	p.srv = &draftwire.Server{WebSocket: p.serve, Options: wstest.Options()}
	p.srv.Options.Limits, p.srv.Options.Observer, p.srv.Options.Compression = playLimits, p.server.observer(), compression
	url := "ws://example.com/x"
	if p.cert != nil {
		url = "wss://example.com/x"
		p.srv.TLS = &tls.Config{Certificates: []tls.Certificate{*p.cert}}
	}
	l := p.net.Listen(p.room)
	served := make(chan struct{})
	go func() {
		p.srv.Serve(l)
		close(served)
	}()
	began, over := time.Now(), make(chan struct{})
	go func() {
		defer close(over)
		p.visit(url, draftwire.DialOptions{
			TLS:     &tls.Config{InsecureSkipVerify: true}, // the bubble's clock is not the certificate's
			Version: p.v, Compression: compression, Limits: playLimits, Observer: p.client.observer(),
			NetDial: func(context.Context, string, string) (net.Conn, error) { return l.Dial() },
		})
	}()
	select {
	case <-over:
		p.ok = true
	case <-time.After(curtain):
		buf := make([]byte, 1<<20)
		t.Errorf("the client does not come to its end:\n%s", buf[:runtime.Stack(buf, true)])
	}
	p.took = time.Since(began)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if err := p.srv.Shutdown(ctx); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	<-served
	synctest.Wait()
	if n := p.net.Open(); n != 0 {
		t.Errorf("%d sockets are open", n)
	}
	if n := p.srv.Counts(); n != (draftwire.ServerCounts{}) {
		t.Errorf("counts: %+v", n)
	}
}

// acts is the schedule, with do in it.
func (p *play) acts(c faultnet.Call) (a faultnet.Action) {
	if p.schedule != nil {
		a = p.schedule(c)
	}
	if p.do != nil && c.N == p.at {
		a.Do = func() { p.do(p) }
	}
	return a
}

// serve is the server's handler.
func (p *play) serve(ctx context.Context, c *draftwire.Conn) error {
	p.server.mu.Lock()
	p.server.conn = c
	p.server.mu.Unlock()
	err := p.m.read(ctx, c, func(op draftwire.Op, b []byte) error {
		p.server.take(string(b))
		return p.m.write(c, ctx, op, b)
	})
	p.server.ended(err)
	return err
}

// visit is the client.
func (p *play) visit(url string, o draftwire.DialOptions) {
	c, _, err := draftwire.Dial(context.Background(), url, &o)
	if p.dialled = err; err != nil {
		return
	}
	p.client.mu.Lock()
	p.client.conn = c
	p.client.mu.Unlock()
	read := make(chan struct{})
	go func() {
		defer close(read)
		got := func(_ draftwire.Op, b []byte) error {
			p.client.take(string(b))
			return nil
		}
		err := p.m.read(p.ctx, c, got)
		if err == context.Canceled {
			err = p.m.read(context.Background(), c, got)
		}
		p.client.ended(err)
	}()
	p.send(c)
	err = c.Close(draftwire.CodeNormal, "bye")
	p.client.mu.Lock()
	p.client.close = err
	p.client.mu.Unlock()
	<-read
}

// send sends the script, until that fails, and waits for all to come back.
func (p *play) send(c *draftwire.Conn) {
	ctx := context.Background()
	for i, s := range p.script {
		write := (*draftwire.Conn).Write
		if s == "in pieces" {
			write = streamMessage
		}
		if write(c, ctx, draftwire.OpText, []byte(s)) != nil || i < alone && p.client.await(i+1) != nil {
			return
		}
	}
	if c.Version().Supports(wire.CapPing) && c.Ping(ctx) != nil {
		return
	}
	p.client.await(len(p.script))
}

// outcome is all that the two sides have seen.
func (p *play) outcome() string {
	var b strings.Builder
	fmt.Fprintf(&b, "dial: %v\n", p.dialled)
	for _, s := range []*side{&p.client, &p.server} {
		fmt.Fprintf(&b, "%d messages, %d opened, %d refused, %d closed, read: %v, close: %v\n", len(s.got), s.opened, s.refused, s.closed, s.read, s.close)
		if s.conn != nil {
			fmt.Fprintf(&b, "%+v\n", s.conn.Stats())
		}
	}
	return b.String()
}

// check looks for what must never be, whatever happened to the sockets.
func (p *play) check(t *testing.T) {
	t.Helper()
	for name, s := range map[string]*side{"client": &p.client, "server": &p.server} {
		if len(s.got) > len(p.script) || !slices.Equal(s.got, p.script[:len(s.got)]) {
			t.Errorf("%s: messages %.60q", name, s.got)
		}
		told := 1
		if _, ok := errors.AsType[*draftwire.HandshakeError](p.dialled); !ok && p.dialled != nil && s == &p.client {
			told = 0 // it came to no handshake
		}
		if s.opened != s.closed || s.opened+s.refused != told {
			t.Errorf("%s: %d opened, %d refused, %d closed", name, s.opened, s.refused, s.closed)
		}
		if s.conn == nil {
			continue
		}
		if s.conn.Context().Err() == nil {
			t.Errorf("%s: the context goes on", name)
		}
		if s.read == nil {
			t.Errorf("%s: reading has not ended", name)
		}
		if _, _, err := s.conn.Read(bg); err == nil {
			t.Errorf("%s: it can be read", name)
		}
		if err := s.conn.Write(bg, draftwire.OpText, nil); err == nil {
			t.Errorf("%s: it can be written", name)
		}
	}
	if len(p.client.got) > len(p.server.got) {
		t.Errorf("%d messages came back of %d", len(p.client.got), len(p.server.got))
	}
	// An end in order is told only where all has come.
	if ce, ok := errors.AsType[*draftwire.CloseError](p.server.read); ok && p.v.Supports(wire.CapCloseCode) && ce.Reason == "bye" {
		if sent := len(p.client.got); len(p.server.got) < sent {
			t.Errorf("the server saw the close and %d messages of %d", len(p.server.got), sent)
		}
	}
}

// oneProcessor makes the order of calls all but the same in each run.
func oneProcessor(t *testing.T) {
	n := runtime.GOMAXPROCS(1)
	t.Cleanup(func() { runtime.GOMAXPROCS(n) })
}

// thin is which of the plays are left out: one of some is played, and others by other
// versions, so that together they are all. FAULTS=all plays each.
func thin(v draftwire.Version, n, some int) bool {
	return os.Getenv("FAULTS") != "all" && (n+int(v))%some != 0
}

// eachPlay gives f each version with each manner, and how many calls its play has.
func eachPlay(t *testing.T, room int, f func(t *testing.T, st staging, plain *play)) {
	oneProcessor(t)
	cert, _ := wstest.SelfSigned(t)
	for _, st := range stagings(room, &cert) {
		name := st.v.String() + "/" + st.m.name
		if st.cert != nil {
			name += ", TLS"
		}
		t.Run(name, func(t *testing.T) {
			plain := perform(t, st)
			plain.check(t)
			if len(plain.client.got) != len(plain.script) {
				t.Fatalf("without faults:\n%s", plain.outcome())
			}
			f(t, st, plain)
		})
	}
}

// stagings are each version with each manner, and some over TLS.
func stagings(room int, cert *tls.Certificate) (all []staging) {
	for _, v := range draftwire.ServedVersions().List() {
		for _, m := range manners {
			all = append(all, staging{v: v, m: m, room: room})
		}
	}
	for _, m := range []manner{manners[0], manners[3]} {
		all = append(all, staging{v: draftwire.RFC6455, m: m, room: room, cert: cert}, staging{v: draftwire.Hixie76, m: m, room: room, cert: cert})
	}
	return all
}

// A fault that an operating system has every right to makes no difference, at whatever
// call it happens.
func TestSoftFaults(t *testing.T) {
	runs := 0
	eachPlay(t, 8<<10, func(t *testing.T, st staging, plain *play) {
		want := plain.outcome()
		for n := 1; n <= plain.net.Calls(); n++ {
			if thin(st.v, n, 6) {
				continue
			}
			for _, f := range faultnet.Soft {
				st.schedule = faultnet.At(n, faultnet.Action{Fault: f})
				p := perform(t, st)
				p.check(t)
				runs++
				if got := p.outcome(); got != want {
					t.Errorf("%v at call %d:\n%swant\n%s", f, n, got, want)
				}
				if t.Failed() {
					t.Fatalf("%v at call %d of %d", f, n, plain.net.Calls())
				}
			}
		}
	})
	t.Logf("%d plays", runs)
}

// A connection that breaks, at whatever call, ends on both sides, once and for all, and
// what came until then is what was sent.
func TestHardFaults(t *testing.T) {
	runs, longest := 0, time.Duration(0)
	eachPlay(t, 8<<10, func(t *testing.T, st staging, plain *play) {
		for n := 1; n <= plain.net.Calls(); n++ {
			if thin(st.v, n, 6) {
				continue
			}
			for _, f := range faultnet.Hard {
				st.schedule = faultnet.At(n, faultnet.Action{Fault: f})
				p := perform(t, st)
				p.check(t)
				runs++
				longest = max(longest, p.took)
				if t.Failed() {
					t.Fatalf("%v at call %d of %d:\n%s", f, n, plain.net.Calls(), p.outcome())
				}
			}
		}
	})
	t.Logf("%d plays, the longest took %v", runs, longest)
}

// What the program itself does, at whatever call, ends a connection as it should or, where
// it is no end, changes nothing.
func TestProgramInterferes(t *testing.T) {
	for name, do := range map[string]func(p *play){
		"client's CloseNow": func(p *play) { p.each(&p.client, func(c *draftwire.Conn) { c.CloseNow() }) },
		"client's Close":    func(p *play) { p.each(&p.client, func(c *draftwire.Conn) { c.Close(4001, "early") }) },
		"server's CloseNow": func(p *play) { p.each(&p.server, func(c *draftwire.Conn) { c.CloseNow() }) },
		"server's Close":    func(p *play) { p.each(&p.server, func(c *draftwire.Conn) { c.Close(4001, "early") }) },
		"both close":        func(p *play) { closeBoth(p) },
		"Server.Close":      func(p *play) { p.srv.Close() },
		"Server.Shutdown":   func(p *play) { p.srv.Shutdown(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			eachPlay(t, 8<<10, func(t *testing.T, st staging, plain *play) {
				for n := 1; n <= plain.net.Calls(); n++ {
					if thin(st.v, n, 9) {
						continue
					}
					st.at, st.do = n, do
					p := perform(t, st)
					p.check(t)
					if t.Failed() {
						t.Fatalf("at call %d of %d:\n%s", n, plain.net.Calls(), p.outcome())
					}
				}
			})
		})
	}
}

// each calls f with the side's connection, if there is one.
func (p *play) each(s *side, f func(*draftwire.Conn)) {
	s.mu.Lock()
	c := s.conn
	s.mu.Unlock()
	if c != nil {
		f(c)
	}
}

func closeBoth(p *play) {
	done := make(chan struct{})
	go func() {
		p.each(&p.server, func(c *draftwire.Conn) { c.Close(4001, "early") })
		close(done)
	}()
	p.each(&p.client, func(c *draftwire.Conn) { c.Close(4002, "early") })
	<-done
}

// A read that is cancelled, at whatever call, loses nothing.
func TestReadIsCancelledAtEveryCall(t *testing.T) {
	eachPlay(t, 8<<10, func(t *testing.T, st staging, plain *play) {
		if st.m.name == "ReadPart" || st.m.compress {
			return // what was given of a message is not given again
		}
		for n := 1; n <= plain.net.Calls(); n++ {
			if thin(st.v, n, 9) {
				continue
			}
			st.at, st.do = n, func(p *play) { p.cancel() }
			p := perform(t, st)
			p.check(t)
			if got, want := p.outcome(), plain.outcome(); got != want && p.dialled == nil {
				t.Errorf("%swant\n%s", got, want)
			}
			if t.Failed() {
				t.Fatalf("at call %d of %d", n, plain.net.Calls())
			}
		}
	})
}

// Sockets that never move more than a byte, are interrupted at every other call, or find
// nothing at first, make no difference either.
func TestFaultsAtAllCalls(t *testing.T) {
	schedules := map[string]faultnet.Schedule{
		"one byte at a time": func(faultnet.Call) faultnet.Action { return faultnet.Action{Fault: faultnet.Short} },
		"interrupted":        everyOther(faultnet.Interrupt),
		"in vain":            everyOther(faultnet.Again),
		"slow":               func(faultnet.Call) faultnet.Action { return faultnet.Action{Fault: faultnet.Delay} },
	}
	for name, s := range schedules {
		t.Run(name, func(t *testing.T) {
			eachPlay(t, 8<<10, func(t *testing.T, st staging, plain *play) {
				st.schedule = s
				p := perform(t, st)
				p.check(t)
				if got, want := p.outcome(), plain.outcome(); got != want {
					t.Errorf("%swant\n%s", got, want)
				}
			})
		})
	}
}

func everyOther(f faultnet.Fault) faultnet.Schedule {
	return func(c faultnet.Call) faultnet.Action {
		if c.N%2 == 0 {
			return faultnet.Action{}
		}
		return faultnet.Action{Fault: f}
	}
}
