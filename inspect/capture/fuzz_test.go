package capture

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire/internal/seed"
)

// whole reads a file as Read does, and checks that nothing is held at its end.
func whole(t *testing.T, file []byte, o Options) (k taker, given int64) {
	t.Helper()
	inFile := &KeyLog{max: maxKeysInFile}
	p, err := openFile(bytes.NewReader(file), inFile)
	if err != nil {
		return k, 0
	}
	o = o.withDefaults()
	open := newOpener(o, inFile)
	tr := newTracker(&k, o, open, new(Report))
	last, _ := tr.read(p)
	tr.finishAll(last)
	k.hold(t)
	if tr.held != 0 || open.held != 0 || tr.waiting.first != nil || tr.open.n != 0 || tr.closed.n > maxClosed {
		t.Fatalf("%d and %d bytes are held at the end, %d connections are open", tr.held, open.held, tr.open.n)
	}
	for _, c := range k.conns {
		for from := range c.pieces {
			for _, x := range c.pieces[from] {
				given += int64(len(x.data))
			}
		}
	}
	return k, given
}

// Any file: the rules of Stream hold, no more comes out than went in, and nothing is held at the
// end, with room for much or for little.
func FuzzPcapFile(f *testing.F) {
	order := binary.BigEndian
	ng := append(sectionBlock(order), interfaceBlock(order, linkEthernet, 0, 6, 0)...)
	for _, x := range framesOf(simple(simpleV6)) {
		ng = append(ng, packetBlock(order, 0, uint64(x.at.UnixMicro()), x.b)...)
	}
	small := append(sectionBlock(binary.LittleEndian), interfaceBlock(binary.LittleEndian, linkRaw, 200, 0x80|20, 1000)...)
	for _, x := range framesOf(simple(simpleV4)) {
		small = append(small, block(binary.LittleEndian, blockSimple, append(binary.LittleEndian.AppendUint32(nil, uint32(len(x.b)-14)), x.b[14:]...))...)
	}
	seed.Add(f, simple(simpleV4))
	seed.Add(f, ng)
	seed.Add(f, small)
	for _, g := range goldens(f) {
		seed.Add(f, g.file)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		if len(file) > 1<<20 || len(file) > 3 && isGzip(file) {
			return // what it expands to is not bounded by its length
		}
		for _, o := range []Options{{}, {MaxHeld: 100, MaxHeldTotal: 300, MaxConns: 2}} {
			if _, given := whole(t, file, o); given > int64(len(file)) {
				t.Fatalf("%d bytes from a file of %d", given, len(file))
			}
		}
	})
}

// stated is the byte at an offset of a direction, in the captures of FuzzReassembly.
func stated(from int, off int64) byte { return byte(off*7+off>>8*13) + byte(from)*101 }

// Segments of two sides in any order, with any overlaps and losses: every byte that is given is
// the one at its offset, what is held stays within its bounds, and all is given in the end.
func FuzzReassembly(f *testing.F) {
	seed.Add(f, uint32(0), []byte{0, 0, 0, 0, 8, 0, 0, 0, 1, 0, 10, 0, 16, 20, 10, 0, 8, 10, 30, 0, 17, 0, 0, 0})
	seed.Add(f, uint32(0xfffffff0), []byte{0, 0, 0, 0, 24, 5, 20, 0, 16, 0, 5, 0, 1, 50, 50, 0, 4, 3, 3, 0, 17, 50, 9, 1, 0, 0, 20, 3, 32, 0, 0, 0})
	seed.Add(f, uint32(7), bytes.Repeat([]byte{0, 9, 3, 1, 1, 200, 3, 0}, 40))
	f.Fuzz(func(t *testing.T, isn uint32, ops []byte) {
		if len(ops) > 8<<10 {
			return
		}
		var k taker
		o := Options{MaxHeld: 2000, MaxHeldTotal: 3000, MaxConns: 2}
		var rep Report
		tr := newTracker(&k, o, newOpener(o.withDefaults(), nil), &rep)
		var ends [2]endpoint
		ends[0][0], ends[1][0] = 1, 2
		isns := [2]uint32{isn, isn + 1000}
		var at [2]int64
		var fins [2]bool
		buf := make([]byte, 1024)
		tr.segment(&tcpSegment{src: ends[0], dst: ends[1], seq: isns[0], flags: tcpSYN})
		tr.segment(&tcpSegment{src: ends[1], dst: ends[0], seq: isns[1], ack: isns[0] + 1, flags: tcpSYN | tcpACK})
		for i := 0; len(ops) >= 4; ops = ops[4:] {
			i++
			op, shift, n, ack := ops[0], int64(int8(ops[1])), int(ops[2]), int64(int8(ops[3]))
			from := int(op & 1)
			s := tcpSegment{at: epoch.Add(time.Duration(i) * time.Second), src: ends[from], dst: ends[1-from]}
			off := max(0, at[from]+shift)
			switch {
			case op&8 != 0: // a SYN, which has the same number each time
				s.flags, s.seq = tcpSYN, isns[from]
			case op&32 != 0:
				s.flags, s.seq = tcpRST, isns[from]+1+uint32(off)
			case fins[from]: // nothing comes behind a FIN
				n, off = 0, at[from]
				fallthrough
			default:
				if op&2 != 0 {
					s.lost = n / 2
				}
				s.data = buf[:n-s.lost]
				for j := range s.data {
					s.data[j] = stated(from, off+int64(j))
				}
				s.seq = isns[from] + 1 + uint32(off)
				at[from] = max(at[from], off+int64(n))
				if op&16 != 0 && off+int64(n) == at[from] {
					s.flags |= tcpFIN
					fins[from] = true
				}
			}
			if op&4 != 0 {
				s.flags |= tcpACK
				s.ack = isns[1-from] + 1 + uint32(max(0, at[1-from]+ack))
			}
			tr.segment(&s)
			if tr.held > o.MaxHeldTotal || tr.open.n > o.MaxConns {
				t.Fatalf("%d bytes are held, %d connections are open", tr.held, tr.open.n)
			}
		}
		tr.finishAll(epoch)
		k.hold(t)
		if tr.held != 0 || tr.tls.held != 0 {
			t.Fatalf("%d and %d bytes are held at the end", tr.held, tr.tls.held)
		}
		for _, c := range k.conns {
			side := int(c.Client.Addr().As16()[0]) - 1
			for from := range Direction(2) {
				sender := side
				if from == FromServer {
					sender = 1 - side
				}
				for _, p := range c.pieces[from] {
					// Where it began in the middle, the offsets are its own.
					if c.Midway || len(k.conns) > 1 {
						continue
					}
					for j, b := range p.data {
						if b != stated(sender, p.off+int64(j)) {
							t.Fatalf("%v: another byte at %d", from, p.off+int64(j))
						}
					}
				}
			}
		}
	})
}

// Golden captures of TLS with changes anywhere: the rules of Stream hold, nothing is given that was
// not said, and nothing is held at the end. Each change is four bytes: where (two), what, how much.
func FuzzTLSRecords(f *testing.F) {
	for i := range goldens(f) {
		seed.Add(f, byte(i), []byte{})
		seed.Add(f, byte(i), []byte{1, 0, 1, 50, 2, 200, 2, 0})
		seed.Add(f, byte(i), []byte{6, 0, 1, 250, 9, 0, 0, 1, 7, 7, 3, 0x17})
	}
	var all []raw
	f.Fuzz(func(t *testing.T, which byte, edits []byte) {
		if all == nil {
			all = raws(t)
		}
		if len(edits) > 400 {
			return
		}
		x := all[int(which)%len(all)]
		pieces := append([]rawPiece{}, x.pieces...)
		for e := edits; len(e) >= 4; e = e[4:] {
			pieces = edit(pieces, int(e[0])<<8+int(e[1]), e[2], int(e[3]))
		}
		var k taker
		open := newOpener(Options{}.withDefaults(), x.keys)
		s := newSession(simpleV4, &k, open)
		var clock tick
		var offs [2]int64
		for _, p := range pieces {
			if len(p.p) == 0 { // lost
				s.Gap(clock.next(), p.from, offs[p.from], 100)
				continue
			}
			s.Data(clock.next(), p.from, offs[p.from], p.p)
			offs[p.from] += int64(len(p.p))
		}
		s.End(clock.next(), FromClient, Cut)
		s.End(clock.next(), FromServer, Cut)
		k.hold(t)
		if open.held != 0 {
			t.Fatalf("%d bytes are held at the end", open.held)
		}
		c := k.conns[0]
		for from := range Direction(2) {
			for _, p := range c.pieces[from] {
				if !strings.Contains(x.said[from], string(p.data)) {
					t.Fatalf("%v: %q was not said", from, p.data)
				}
			}
			if len(edits) < 4 && string(c.bytes(from)) != x.said[from] {
				t.Fatalf("%v: got %q", from, c.bytes(from))
			}
		}
	})
}

// edit changes the pieces at a place that counts over all of them.
func edit(pieces []rawPiece, at int, what byte, n int) []rawPiece {
	for i := range pieces {
		p := pieces[i].p
		if at >= len(p) {
			at -= len(p)
			continue
		}
		from := pieces[i].from
		var with []rawPiece
		switch what % 4 {
		case 0: // another byte
			q := bytes.Clone(p)
			q[at] ^= byte(n)
			with = []rawPiece{{from, q}}
		case 1: // bytes are lost, which is a piece without bytes
			end := min(len(p), at+1+n)
			with = []rawPiece{{from, p[:at]}, {from, nil}, {from, p[end:]}}
		case 2: // a border
			with = []rawPiece{{from, p[:at]}, {from, p[at:]}}
		default: // one more
			with = []rawPiece{{from, append(bytes.Clone(p[:at]), byte(n))}, {from, p[at:]}}
		}
		var out []rawPiece
		out = append(out, pieces[:i]...)
		for _, w := range with {
			if len(w.p) > 0 || w.p == nil {
				out = append(out, w)
			}
		}
		return append(out, pieces[i+1:]...)
	}
	return pieces
}

// A key log of any text: what is read, written again and read again is the same, and one line at a
// time as well.
func FuzzKeyLogLines(f *testing.F) {
	random := strings.Repeat("ab", 32)
	seed.Add(f, []byte("CLIENT_RANDOM "+random+" "+strings.Repeat("cd", 48)+"\nCLIENT_TRAFFIC_SECRET_0 "+random+" "+strings.Repeat("ef", 32)+"\r\n# no\n"))
	seed.Add(f, []byte("RSA abc def\nSERVER_HANDSHAKE_TRAFFIC_SECRET  "+strings.ToUpper(random)+"\t"+random))
	f.Fuzz(func(t *testing.T, text []byte) {
		k := new(KeyLog)
		n, err := k.Add(bytes.NewReader(text))
		if err != nil || n < len(k.secrets) || (n == 0) != (len(k.secrets) == 0) {
			t.Fatal(n, err, len(k.secrets))
		}
		var again bytes.Buffer
		for id, secret := range k.secrets {
			fmt.Fprintf(&again, "%s %x %s\n", id.label, id.random, hex.EncodeToString(secret))
		}
		single := new(KeyLog)
		for line := range bytes.Lines(text) {
			single.Add(bytes.NewReader(line))
		}
		twice := new(KeyLog)
		twice.Add(&again)
		for id, secret := range k.secrets {
			if !bytes.Equal(twice.secret(id.label, id.random), secret) || !bytes.Equal(single.secret(id.label, id.random), secret) {
				t.Fatalf("another secret for %s %x", id.label, id.random)
			}
		}
		if len(twice.secrets) != len(k.secrets) || len(single.secrets) != len(k.secrets) {
			t.Fatalf("%d, %d and %d lines", len(k.secrets), len(twice.secrets), len(single.secrets))
		}
	})
}
