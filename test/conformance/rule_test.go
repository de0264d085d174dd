package conformance_test

import (
	"bufio"
	"bytes"
	"compress/flate"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/memnet"
	"github.com/draftwire/draftwire/internal/wstest"
)

// The rules of RFC 6455 and RFC 7692 as cases, in the tables of the files beside
// this one. The other side is written by hand, from the documents. Each case is
// played against a server and a client that echo, in several deliveries, with
// and without compression; the server a second time over TCP, on a loop.

// A unit is one frame.
type unit struct {
	b0     byte
	body   string
	form   byte   // 126 or 127: the length in that form, where a shorter would do
	unsent int    // octets of its end that are never sent
	wrong  bool   // masked as the other role's
	raw    string // instead of all: these octets
}

func (u unit) octets(masked bool) []byte {
	if u.raw != "" {
		return []byte(u.raw)
	}
	f := wstest.Frame(u.b0, u.body, masked != u.wrong)
	if u.form != 0 {
		n, head := uint64(len(u.body)), []byte{f[0], f[1]&0x80 | u.form}
		skip := map[byte]int{126: 4, 127: 10}[f[1]&0x7F]
		if u.form == 126 {
			head = binary.BigEndian.AppendUint16(head, uint16(n))
		} else {
			head = binary.BigEndian.AppendUint64(head, n)
		}
		f = append(head, f[max(skip, 2):]...)
	}
	return f[:len(f)-u.unsent]
}

// What a case may expect instead of a close code.
const (
	stays  = 0    // the connection stays open: a close of ours is answered
	bare   = 1005 // a close without a body
	silent = 1006 // no close, just the end of the stream
)

// A rule is one case.
type rule struct {
	name  string // where it stands, and what it is
	send  []unit
	back  []unit // messages whole, and pongs, in this order
	code  int    // of the close that comes then; after it the stream ends
	role  string // of who is tested; "" is both
	on    int    // the setups; 0 is all
	limit int64  // of a message; 0 is 32 MiB
	fin   bool   // our stream ends behind what is sent
}

// The setups, for rule.on.
const (
	onPlain = 1 << iota
	onKept  // both sides keep their windows
	onFresh // each message is compressed for itself
)

type setup struct {
	on   int
	name string
	ext  string // offered, and answered
	c    draftwire.Compression
}

var (
	plain = setup{on: onPlain, name: "plain"}
	kept  = setup{on: onKept, name: "kept", ext: "permessage-deflate", c: wstest.DeflateTakeover}
	fresh = setup{on: onFresh, name: "fresh", ext: "permessage-deflate; server_no_context_takeover; client_no_context_takeover", c: wstest.Deflate}
)

// conform plays the rules.
func conform(t *testing.T, rules []rule, setups ...setup) {
	for _, role := range []string{"server", "client", onLoop} {
		for _, s := range setups {
			t.Run(role+"/"+s.name, func(t *testing.T) {
				for _, r := range rules {
					if r.role != "" && r.role != role && !(r.role == "server" && role == onLoop) || r.on != 0 && r.on&s.on == 0 {
						continue
					}
					t.Run(r.name, func(t *testing.T) {
						t.Parallel()
						chops := r.chops()
						if role == onLoop { // where packets join some of what was chopped
							for _, chop := range slices.Compact([]int{chops[0], chops[len(chops)-1]}) {
								if err := r.play(t, role, s, chop); err != nil {
									t.Errorf("sent %s: %v", chopName(chop), err)
								}
							}
							return
						}
						for _, chop := range chops {
							synctest.Test(t, func(t *testing.T) {
								if err := r.play(t, role, s, chop); err != nil {
									t.Errorf("sent %s: %v", chopName(chop), err)
								}
							})
						}
					})
				}
			})
		}
	}
}

// onLoop is the role of a server that a loop drives, on a socket and so in real time.
const onLoop = "server on a loop"

// The deliveries, beside those of so many octets.
const (
	atOnce  = 0
	byFrame = -1
)

func chopName(n int) string {
	switch n {
	case atOnce:
		return "at once"
	case byFrame:
		return "by frame"
	}
	return fmt.Sprintf("by %d octets", n)
}

// chops are the deliveries of a case: octet by octet where it is small.
func (r *rule) chops() []int {
	n := 0
	for _, u := range r.send {
		n += len(u.body) + 14
	}
	switch {
	case n <= 1000:
		return []int{atOnce, byFrame, 1}
	case n <= 24<<10:
		return []int{atOnce, byFrame, 997}
	case n <= 160<<10:
		return []int{byFrame, 9973}
	}
	return []int{byFrame}
}

// play connects, sends, and compares what comes back. In fake time all of it takes no time.
func (r *rule) play(t *testing.T, role string, s setup, chop int) error {
	limit := r.limit
	if limit == 0 {
		limit = 32 << 20
	}
	nc := underTest(t, role, s, limit)
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(time.Minute))
	began := time.Now()
	masked := role != "client"
	units, code := r.send, r.code
	if code == stays {
		units, code = append(slices.Clone(units), unit{b0: 0x88, body: "\x03\xe8"}), 1000
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		deliver(nc, units, masked, chop, role)
		if r.fin {
			nc.CloseWrite()
		}
	}()
	p := &peer{r: bufio.NewReader(nc), isClient: masked, deflate: s.on != onPlain, keeps: s.on == onKept}
	err := r.compare(p, code)
	if err == nil {
		<-sent
		if role == "client" {
			nc.CloseWrite() // it is the server that ends the stream first (RFC 6455 7.1.1)
		}
		if rest, e := io.ReadAll(p.r); e != nil || len(rest) > 0 {
			err = fmt.Errorf("behind the close came %x, %v, not the end of the stream", rest, e)
		} else if d := time.Since(began); d != 0 && role != onLoop {
			err = fmt.Errorf("it took %v", d)
		}
	}
	nc.Close()
	<-sent
	return err
}

// compare reads what the rule expects, up to the close.
func (r *rule) compare(p *peer, code int) error {
	for i, want := range r.back {
		got, err := p.next()
		if err != nil || got.b0&^0x40 != want.b0 || got.body != want.body {
			return fmt.Errorf("answer %d is %02x %.60q (%d octets), %v; want %02x %.60q (%d)",
				i+1, got.b0, got.body, len(got.body), err, want.b0, want.body, len(want.body))
		}
	}
	if code == silent {
		return nil
	}
	got, err := p.next()
	if err != nil || got.b0 != 0x88 {
		return fmt.Errorf("got %02x %.60q (%d octets), %v; want a close with %d", got.b0, got.body, len(got.body), err, code)
	}
	have := bare
	if len(got.body) >= 2 {
		have = int(binary.BigEndian.Uint16([]byte(got.body)))
	}
	if have != code || len(got.body) == 1 || len(got.body) > 2 && strings.ToValidUTF8(got.body[2:], "") != got.body[2:] {
		return fmt.Errorf("got the close %q; want code %d", got.body, code)
	}
	return nil
}

// deliver sends the units. Between the pieces the other side does what it can.
func deliver(w io.Writer, units []unit, masked bool, chop int, role string) {
	var all [][]byte
	for _, u := range units {
		all = append(all, u.octets(masked))
	}
	switch {
	case chop == atOnce:
		all = [][]byte{slices.Concat(all...)}
	case chop > 0:
		all = slices.Collect(slices.Chunk(slices.Concat(all...), chop))
	}
	for i, p := range all {
		if i > 0 && role != onLoop {
			synctest.Wait()
		}
		if _, err := w.Write(p); err != nil {
			return // the other side has had enough
		}
	}
}

// halfCloser is a connection of which one half can be closed.
type halfCloser interface {
	net.Conn
	CloseWrite() error
}

// underTest opens a connection to an echo in the role, and returns our end.
func underTest(t *testing.T, role string, s setup, limit int64) halfCloser {
	t.Helper()
	if role == "client" {
		nc, _ := answered(t, draftwire.DialOptions{Compression: s.c, Limits: draftwire.Limits{ReadLimit: limit}}, s.ext)
		return nc
	}
	o := draftwire.AcceptOptions{Compression: s.c, Limits: draftwire.Limits{ReadLimit: limit}}
	srv := &draftwire.Server{WebSocket: wstest.Echo, Options: o}
	dial := inMemory(t, srv)
	if role == onLoop {
		srv.WebSocket, srv.Events = nil, wstest.EchoEvents()
		dial = func() (halfCloser, error) { return wstest.ServeOver(t, srv, wstest.TCP)().(*net.TCPConn), nil }
	}
	nc, ext := offered(t, dial, s.ext)
	if ext != s.ext {
		t.Fatalf("offered %q, agreed on %q", s.ext, ext)
	}
	return nc
}

// inMemory dials a server in memory.
func inMemory(t *testing.T, s *draftwire.Server) func() (halfCloser, error) {
	return func() (halfCloser, error) { return wstest.Serve(t, s).Dial() }
}

// offered opens a connection to a server with an offer of extensions, and
// returns the answer too.
func offered(t *testing.T, dial func() (halfCloser, error), offer string) (nc halfCloser, ext string) {
	t.Helper()
	nc, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	head := wstest.Head(draftwire.RFC6455)
	if offer != "" {
		head = wstest.Head(draftwire.RFC6455, "Sec-WebSocket-Extensions: "+offer)
	}
	wstest.Send(t, nc, []byte(head))
	head = wstest.ReadHead(t, nc)
	if !strings.HasPrefix(head, "HTTP/1.1 101 ") {
		t.Fatalf("answer %q", head)
	}
	return nc, headField(head, "Sec-WebSocket-Extensions")
}

// answered lets Dial come, answers it with the extensions, and returns our end.
// dialled gives Dial's error; the client echoes until its end.
func answered(t *testing.T, o draftwire.DialOptions, ext string) (nc *memnet.Conn, dialled <-chan error) {
	t.Helper()
	nc, its := memnet.Pipe(64 << 10)
	o.NetDial = func(context.Context, string, string) (net.Conn, error) { return its, nil }
	failed, done := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(done)
		c, _, err := draftwire.Dial(bg, "ws://example.com/x", &o)
		failed <- err
		if err == nil {
			wstest.Echo(bg, c)
			c.CloseNow()
		}
	}()
	t.Cleanup(func() { nc.Close(); <-done })
	head := wstest.ReadHead(t, nc)
	answer := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
		wstest.AcceptOf(headField(head, "Sec-WebSocket-Key")) + "\r\n"
	if ext != "" {
		answer += "Sec-WebSocket-Extensions: " + ext + "\r\n"
	}
	wstest.Send(t, nc, []byte(answer+"\r\n"))
	return nc, failed
}

func headField(head, name string) string {
	_, v, _ := strings.Cut(head, "\r\n"+name+": ")
	v, _, _ = strings.Cut(v, "\r\n")
	return v
}

// peer reads what comes, and minds its form.
type peer struct {
	r        *bufio.Reader
	isClient bool // so what comes is not masked
	deflate  bool
	keeps    bool // the other side keeps its window
	window   []byte

	// of the message in hand
	b0     byte
	packed int // octets on the wire
	body   []byte
}

// frame reads one frame.
func (p *peer) frame() (b0 byte, body []byte, err error) {
	var h [8]byte
	if _, err := io.ReadFull(p.r, h[:2]); err != nil {
		return 0, nil, err
	}
	b0 = h[0]
	masked, size, ext, least := h[1]&0x80 != 0, uint64(h[1]&0x7F), h[:0], uint64(0)
	switch size {
	case 126:
		ext, least = h[6:], 126
	case 127:
		ext, least = h[:], 1<<16
	}
	if len(ext) > 0 {
		h = [8]byte{}
		if _, err := io.ReadFull(p.r, ext); err != nil {
			return 0, nil, err
		}
		size = binary.BigEndian.Uint64(h[:])
	}
	mask := make([]byte, 4)
	if masked {
		if _, err := io.ReadFull(p.r, mask); err != nil {
			return 0, nil, err
		}
	}
	if masked == p.isClient || size < least || size > 32<<20 {
		return 0, nil, fmt.Errorf("frame %02x of %d octets, masked %v", b0, size, masked)
	}
	body = make([]byte, size)
	if n, err := io.ReadFull(p.r, body); err != nil {
		return b0, body[:n], err
	}
	if masked {
		body = wstest.Mask(body, mask)
	}
	return b0, body, nil
}

// next reads up to the end of a message, or a control frame. The first reserved
// bit stays in it.
func (p *peer) next() (unit, error) {
	for {
		b0, body, err := p.frame()
		if err != nil {
			return unit{}, err
		}
		op := b0 & 0x0F
		data := op == 1 || op == 2
		switch {
		case b0&0x30 != 0, b0&0x40 != 0 && !(p.deflate && data), op > 2 && op < 8, op > 10,
			op >= 8 && (b0&0x80 == 0 || len(body) > 125), op == 0 && p.b0 == 0, data && p.b0 != 0:
			return unit{}, fmt.Errorf("frame %02x %.60q must not come", b0, body)
		case op >= 8:
			return unit{b0: b0, body: string(body)}, nil
		case data:
			p.b0, p.body = b0|0x80, nil
		}
		p.body = append(p.body, body...)
		if b0&0x80 == 0 {
			continue
		}
		u := unit{b0: p.b0}
		p.b0, p.packed = 0, len(p.body)
		if u.b0&0x40 != 0 {
			if err := p.expand(); err != nil {
				return u, err
			}
		}
		u.body = string(p.body)
		return u, nil
	}
}

// expand: RFC 7692 7.2.2.
func (p *peer) expand() error {
	r := flate.NewReaderDict(io.MultiReader(bytes.NewReader(p.body), strings.NewReader("\x00\x00\xff\xff\x01\x00\x00\xff\xff")), p.window)
	text, err := io.ReadAll(r)
	if err != nil {
		return errors.Join(fmt.Errorf("%x does not expand", p.body[:min(len(p.body), 60)]), err)
	}
	p.body = text
	if p.keeps {
		p.window = append(p.window, text...)
		p.window = p.window[max(0, len(p.window)-1<<15):]
	}
	return nil
}
