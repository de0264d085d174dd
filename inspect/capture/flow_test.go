package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// split takes a file of pcap apart: its head, and its packets with theirs.
func split(file []byte) (head []byte, packets [][]byte) {
	head, file = file[:24], file[24:]
	for len(file) > 0 {
		n := 16 + binary.LittleEndian.Uint32(file[8:])
		packets = append(packets, file[:n])
		file = file[n:]
	}
	return head, packets
}

func join(head []byte, packets [][]byte) []byte {
	return append(bytes.Clone(head), bytes.Join(packets, nil)...)
}

// restamp gives packets the times of their order.
func restamp(packets [][]byte) {
	for i, p := range packets {
		p = bytes.Clone(p)
		at := epoch.Add(time.Duration(i) * time.Millisecond)
		binary.LittleEndian.PutUint32(p, uint32(at.Unix()))
		binary.LittleEndian.PutUint32(p[4:], uint32(at.Nanosecond()))
		packets[i] = p
	}
}

// payload returns what a packet of a Writer for IPv4 has of a direction, by the port of its sender.
func payload(p []byte) (seq uint32, data []byte) {
	tcp := p[16+14+20:]
	return binary.BigEndian.Uint32(tcp[4:]), tcp[tcp[12]>>4*4:]
}

// conversation writes a connection: random pieces of both texts, by turns.
func conversation(r *rand.Rand, w *Writer, c Conn, texts [2][]byte, ends bool) {
	var clock tick
	s := w.Open(c)
	var sent [2]int
	for sent[0] < len(texts[0]) || sent[1] < len(texts[1]) {
		from := Direction(r.IntN(2))
		left := texts[from][sent[from]:]
		if len(left) == 0 {
			continue
		}
		n := 1 + r.IntN(min(len(left), 1+r.IntN(1400)))
		s.Data(clock.next(), from, int64(sent[from]), left[:n])
		sent[from] += n
	}
	if ends {
		s.End(clock.next(), FromServer, Fin)
		s.End(clock.next(), FromClient, Fin)
	}
}

func text(r *rand.Rand, n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = 'a' + byte(r.IntN(26))
	}
	return p
}

// What the model does to a capture, and then expects: every byte that is in a packet, and a gap
// in place of each that is not.
func TestModel(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		texts := [2][]byte{text(r, 1+r.IntN(20000)), text(r, 1+r.IntN(20000))}
		var file bytes.Buffer
		w := NewWriter(&file)
		if r.IntN(2) == 0 { // so that the numbers wrap
			w.isn = func(Conn, Direction) uint32 { return -uint32(r.IntN(20000)) }
		}
		isns := map[uint16]uint32{}
		conversation(r, w, Conn{Client: v4client, Server: v4server, Number: 1}, texts, r.IntN(4) > 0)
		head, packets := split(file.Bytes())
		var had [2][]bool
		for i := range had {
			had[i] = make([]bool, len(texts[i]))
		}
		loss, double, swap := r.IntN(3) == 0, r.IntN(2) == 0, r.IntN(2) == 0
		var out [][]byte
		var late [2]map[int]bool // bytes that only a packet has that came again
		late[0], late[1] = map[int]bool{}, map[int]bool{}
		for i, p := range packets {
			port := binary.BigEndian.Uint16(p[16+14+20:])
			from := FromServer
			if port == v4client.Port() {
				from = FromClient
			}
			seq, data := payload(p)
			if i < 2 {
				isns[port] = seq
				out = append(out, p)
				continue
			}
			if loss && r.IntN(20) == 0 {
				continue
			}
			for j := range data {
				had[from][seq-isns[port]-1+uint32(j)] = true
			}
			out = append(out, p)
			if double && r.IntN(4) == 0 {
				out = append(out, packets[2+r.IntN(i-1)]) // an earlier one again
				from2 := FromServer
				q := out[len(out)-1]
				port2 := binary.BigEndian.Uint16(q[16+14+20:])
				if port2 == v4client.Port() {
					from2 = FromClient
				}
				seq, data := payload(q)
				for j := range data {
					at := int(seq - isns[port2] - 1 + uint32(j))
					late[from2][at] = late[from2][at] || !had[from2][at]
					had[from2][at] = true
				}
			}
		}
		if swap {
			for i := 3; i+6 < len(out); i += 6 {
				r.Shuffle(6, func(a, b int) { out[i+a], out[i+b] = out[i+b], out[i+a] })
			}
		}
		restamp(out)
		conns, rep := read(t, join(head, out), Options{})
		if len(conns) != 1 || rep.Packets != int64(len(out)) {
			t.Fatalf("seed %d: %d connections, %+v", seed, len(conns), rep)
		}
		for from := range Direction(2) {
			got := conns[0].bytes(from)
			want := bytes.Clone(texts[from])
			last := 0
			for i, ok := range had[from] {
				if !ok {
					want[i] = '.'
				} else {
					last = i + 1
				}
			}
			// Bytes that nothing tells of, at the very end, are not even a gap.
			if len(got) >= last && loss {
				want = want[:len(got)]
			}
			if loss && double {
				// A packet that comes again after its gap was given is too late.
				for i := range want {
					if got[i] == '.' && late[from][i] {
						want[i] = '.'
					}
				}
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("seed %d, %v (loss %v double %v swap %v): %d bytes, expected %d; they differ at %d (%.20q, %.20q)", seed, from, loss, double, swap, len(got), len(want), differ(got, want), got[differ(got, want):], want[differ(got, want):])
			}
		}
	}
}

// differ returns where two texts begin to differ.
func differ(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// script runs calls of a Writer's stream, and returns the file.
func script(c Conn, calls func(s Stream, clock *tick)) []byte {
	var file bytes.Buffer
	calls(NewWriter(&file).Open(c), new(tick))
	return file.Bytes()
}

func TestConnections(t *testing.T) {
	v4, v6 := Conn{Client: v4client, Server: v4server, Number: 1}, Conn{Client: v6client, Server: v6server, Number: 1}
	midway := v4
	midway.Midway = true
	say := func(s Stream, clock *tick, from Direction, off int64, text string) {
		s.Data(clock.next(), from, off, []byte(text))
	}
	for name, x := range map[string]struct {
		c     Conn
		calls func(s Stream, clock *tick)
		// What is expected: the bytes of both directions, and how they end.
		client, server string
		ends           [2]End
		turned         bool
	}{
		"both end": {v4, func(s Stream, c *tick) {
			say(s, c, FromClient, 0, "GET /")
			say(s, c, FromServer, 0, "HTTP/1.1 101")
			s.End(c.next(), FromServer, Fin)
			say(s, c, FromClient, 5, "more")
			s.End(c.next(), FromClient, Fin)
		}, "GET /more", "HTTP/1.1 101", [2]End{Fin, Fin}, false},
		"IPv6": {v6, func(s Stream, c *tick) {
			say(s, c, FromServer, 0, "hello")
			say(s, c, FromClient, 0, "you")
			s.End(c.next(), FromClient, Reset)
		}, "you", "hello", [2]End{Reset, Reset}, false},
		"nothing but a refusal": {v4, func(s Stream, c *tick) {
			s.End(c.next(), FromServer, Reset)
		}, "", "", [2]End{Reset, Reset}, false},
		"the capture ends": {v4, func(s Stream, c *tick) {
			say(s, c, FromClient, 0, "a")
		}, "a", "", [2]End{Cut, Cut}, false},
		"midway": {midway, func(s Stream, c *tick) {
			say(s, c, FromServer, 0, "abc")
			say(s, c, FromClient, 0, "def")
			say(s, c, FromServer, 3, "ghi")
		}, "def", "abcghi", [2]End{Cut, Cut}, false},
		"midway, and the port deceives": {Conn{Client: v4server, Server: v4client, Midway: true}, func(s Stream, c *tick) {
			say(s, c, FromServer, 0, "HTTP/1.1 101 x")
			say(s, c, FromClient, 0, "def")
		}, "def", "HTTP/1.1 101 x", [2]End{Cut, Cut}, true},
		"acknowledged and not there": {v4, func(s Stream, c *tick) {
			say(s, c, FromClient, 0, "abc")
			s.Gap(c.next(), FromClient, 3, 4)
			for i := range int64(20) {
				say(s, c, FromServer, i, "x")
			}
			say(s, c, FromClient, 7, "hij")
			s.End(c.next(), FromClient, Fin)
			s.End(c.next(), FromServer, Fin)
		}, "abc....hij", strings.Repeat("x", 20), [2]End{Fin, Fin}, false},
		"overlaps": {v4, func(s Stream, c *tick) {
			say(s, c, FromClient, 4, "efgh")
			say(s, c, FromClient, 2, "XXXXXXXXXX") // what is held stays
			say(s, c, FromClient, 8, "YYYY")
			say(s, c, FromClient, 0, "abcd")
			say(s, c, FromClient, 3, "ZZZZ")
			say(s, c, FromClient, 12, "m")
		}, "abcdefghXXXXm", "", [2]End{Cut, Cut}, false},
	} {
		t.Run(name, func(t *testing.T) {
			conns, _ := read(t, script(x.c, x.calls), Options{})
			if len(conns) != 1 {
				t.Fatalf("%d connections", len(conns))
			}
			k := conns[0]
			got := [2]string{string(k.bytes(0)), string(k.bytes(1))}
			if name == "overlaps" {
				got[0] = strings.Replace(got[0], "abXX", "abcd", 1) // either of both was first
			}
			if got != [2]string{x.client, x.server} || k.how != x.ends {
				t.Errorf("got %q, ends %v", got, k.how)
			}
			if k.Client != x.c.Client || k.Server != x.c.Server || k.Midway != x.c.Midway {
				t.Errorf("it is %+v", k.Conn)
			}
		})
	}
}

// Cases that a Writer does not write, segment by segment.
func TestSegments(t *testing.T) {
	var ends [2]endpoint
	copy(ends[0][:], "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x0a\x00\x00\x01\x90\x00")
	copy(ends[1][:], "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x0a\x00\x00\x02\x00\x50")
	seg := func(from int, flags byte, seq, ack uint32, text string) tcpSegment {
		return tcpSegment{src: ends[from], dst: ends[1-from], flags: flags, seq: seq, ack: ack, data: []byte(text)}
	}
	open := []tcpSegment{seg(0, tcpSYN, 99, 0, ""), seg(1, tcpSYN|tcpACK, 499, 100, ""), seg(0, tcpACK, 100, 500, "")}
	with := func(more ...tcpSegment) []tcpSegment { return append(open[:3:3], more...) }
	var acks []tcpSegment
	for range patience + 2 {
		acks = append(acks, seg(1, tcpACK, 500, 104, ""))
	}
	for name, x := range map[string]struct {
		segments []tcpSegment
		want     string // what each connection gives: client/server, and how both end
	}{
		"keepalive":              {with(seg(0, tcpACK, 100, 500, "ab"), seg(0, tcpACK, 101, 500, "\x00"), seg(0, tcpACK, 101, 500, ""), seg(0, tcpACK, 102, 500, "c")), "abc/ cut cut"},
		"keepalive alone":        {[]tcpSegment{seg(0, tcpACK, 101, 500, "\x00"), seg(1, tcpACK, 500, 102, "")}, ""},
		"acknowledgements alone": {[]tcpSegment{seg(0, tcpACK, 101, 500, ""), seg(1, tcpRST, 500, 102, "")}, ""},
		"data with the SYN":      {[]tcpSegment{seg(0, tcpSYN, 99, 0, "ab"), seg(1, tcpSYN|tcpACK, 499, 102, ""), seg(0, tcpACK, 102, 500, "c")}, "abc/ cut cut"},
		"no SYN of the client":   {[]tcpSegment{seg(1, tcpSYN|tcpACK, 499, 100, ""), seg(0, tcpACK, 100, 500, "ab")}, "ab/ cut cut"},
		"no SYN of the server":   {[]tcpSegment{open[0], seg(0, tcpACK, 100, 500, "ab"), seg(1, tcpACK, 502, 102, "cd")}, "ab/..cd cut cut"},
		"SYN again":              {with(open[0], seg(0, tcpACK, 100, 500, "ab"), open[0], open[1]), "ab/ cut cut"},
		"the ports again": {with(seg(0, tcpACK, 100, 500, "ab"), seg(0, tcpSYN, 7000, 0, ""), seg(1, tcpSYN|tcpACK, 9000, 7001, ""), seg(0, tcpACK, 7001, 9001, "new")),
			"ab/ cut cut, new/ cut cut"},
		"the ports again, closed": {with(seg(0, tcpACK|tcpFIN, 100, 500, "ab"), seg(1, tcpACK|tcpFIN, 500, 103, ""), seg(0, tcpACK, 103, 501, ""), seg(0, tcpACK, 100, 500, "ab"),
			seg(0, tcpSYN, 101, 0, ""), seg(0, tcpACK, 102, 9001, "new")), "ab/ fin fin, new/ cut cut"},
		"the ports again, without SYN": {with(seg(0, tcpACK|tcpFIN, 100, 500, "ab"), seg(1, tcpACK|tcpFIN, 500, 103, ""), seg(0, tcpACK, 1<<30, 9001, "new")), "ab/ fin fin, new/ cut cut"},
		"a FIN that is lost":           {with(append([]tcpSegment{seg(0, tcpACK, 100, 500, "abc")}, acks...)...), "abc/ cut cut"},
		"bytes that are lost":          {with(append([]tcpSegment{seg(0, tcpACK, 100, 500, "a")}, acks...)...), "a.../ cut cut"},
		"a reset of somebody else":     {with(seg(0, tcpACK, 100, 500, "a"), seg(1, tcpRST, 1<<31, 0, ""), seg(0, tcpACK, 101, 500, "b")), "ab/ cut cut"},
		"a refusal":                    {[]tcpSegment{open[0], seg(1, tcpRST|tcpACK, 0, 100, "")}, "/ reset reset"},
		"data behind the FIN":          {with(seg(0, tcpACK, 102, 500, "cdef"), seg(0, tcpACK|tcpFIN, 100, 500, "abc"), seg(0, tcpACK, 105, 500, "x")), "abc/ fin cut"},
		"a reset with a hole":          {with(seg(0, tcpACK, 102, 500, "c"), seg(1, tcpRST, 500, 0, "")), "..c/ reset reset"},
		"far from all others":          {with(append([]tcpSegment{seg(0, tcpACK, 100, 500, "a")}, slices.Repeat([]tcpSegment{seg(0, tcpACK, 1<<31, 500, "far")}, maxWild)...)...), "a/ cut cut, far/ cut cut"},
	} {
		t.Run(name, func(t *testing.T) {
			var k taker
			var rep Report
			o := Options{}.withDefaults()
			tr := newTracker(&k, o, newOpener(o, nil), &rep)
			for i := range x.segments {
				tr.segment(&x.segments[i])
			}
			tr.finishAll(epoch)
			k.hold(t)
			var got []string
			for _, c := range k.conns {
				got = append(got, fmt.Sprintf("%s/%s %v %v", c.bytes(FromClient), c.bytes(FromServer), c.how[0], c.how[1]))
			}
			if all := strings.Join(got, ", "); all != x.want {
				t.Errorf("got %q, expected %q", all, x.want)
			}
		})
	}
}

func TestManyConnections(t *testing.T) {
	file := many(50, func(s Stream, c *tick) { s.Data(c.next(), FromClient, 0, []byte("GET /")) })
	conns, rep := read(t, file, Options{MaxConns: 10, Filter: func(c Conn) bool { return c.Number%2 == 0 }})
	if len(conns) != 25 || rep.Conns != 50 || rep.Evicted != 40 || string(conns[0].bytes(FromClient)) != "GET /" || conns[0].Number != 2 {
		t.Errorf("%d connections, %+v", len(conns), rep)
	}
}
