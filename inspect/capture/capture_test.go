package capture

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// piece is what a direction got: bytes, or so many that are missing.
type piece struct {
	off, gap int64
	data     []byte
}

// taken is a connection as a sink got it.
type taken struct {
	Conn
	pieces [2][]piece
	at     [2]int64
	clock  [2]time.Time
	ended  [2]bool
	how    [2]End
	notes  []string
	broken []string // rules of Stream
}

// taker is a sink that keeps everything.
type taker struct{ conns []*taken }

func (t *taker) Open(c Conn) Stream {
	k := &taken{Conn: c}
	t.conns = append(t.conns, k)
	return k
}

func (k *taken) check(at time.Time, from Direction, off, n int64) {
	if k.ended[from] {
		k.broken = append(k.broken, "something behind the end")
	}
	if off != k.at[from] || n <= 0 {
		k.broken = append(k.broken, fmt.Sprintf("%v: %d bytes at %d, expected at %d", from, n, off, k.at[from]))
	}
	if at.Before(k.clock[from]) {
		k.broken = append(k.broken, "time goes back")
	}
	k.clock[from] = at
	k.at[from] = off + n
}

func (k *taken) Data(at time.Time, from Direction, off int64, p []byte) {
	k.check(at, from, off, int64(len(p)))
	k.pieces[from] = append(k.pieces[from], piece{off: off, data: bytes.Clone(p)})
}

func (k *taken) Gap(at time.Time, from Direction, off, n int64) {
	k.check(at, from, off, n)
	k.pieces[from] = append(k.pieces[from], piece{off: off, gap: n})
}

func (k *taken) End(at time.Time, from Direction, how End) {
	if k.ended[from] {
		k.broken = append(k.broken, "two ends")
	}
	if at.Before(k.clock[from]) {
		k.broken = append(k.broken, "time goes back")
	}
	k.ended[from], k.how[from] = true, how
	k.clock[from] = at
}

func (k *taken) Note(at time.Time, from Direction, off int64, what string) {
	k.notes = append(k.notes, fmt.Sprintf("%v %d: %s", from, off, what))
}

// bytes returns the bytes of a direction, with a dot for each that is missing.
func (k *taken) bytes(from Direction) []byte {
	var b []byte
	for _, p := range k.pieces[from] {
		b = append(b, p.data...)
		b = append(b, bytes.Repeat([]byte{'.'}, int(p.gap))...)
	}
	return b
}

// read reads a file and checks the rules of Stream.
func read(t testing.TB, file []byte, o Options) ([]*taken, Report) {
	t.Helper()
	var k taker
	rep, err := Read(bytes.NewReader(file), &k, o)
	if err != nil {
		t.Fatal(err)
	}
	k.hold(t)
	return k.conns, rep
}

func (k *taker) hold(t testing.TB) {
	t.Helper()
	for _, c := range k.conns {
		if len(c.broken) > 0 || !c.ended[0] || !c.ended[1] {
			t.Fatalf("connection %d: broken %q, ended %v", c.Number, c.broken, c.ended)
		}
	}
}

var (
	v4client = netip.MustParseAddrPort("192.0.2.7:50123")
	v4server = netip.MustParseAddrPort("198.51.100.1:80")
	v6client = netip.MustParseAddrPort("[2001:db8::7]:50123")
	v6server = netip.MustParseAddrPort("[2001:db8::1]:8080")
	epoch    = time.Date(2011, 12, 1, 12, 0, 0, 123456789, time.UTC)
)

// tick is a clock of a test: a millisecond later each time.
type tick struct{ n int }

func (t *tick) next() time.Time {
	t.n++
	return epoch.Add(time.Duration(t.n) * time.Millisecond)
}
