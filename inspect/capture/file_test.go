package capture

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

// frame is a packet of a Writer: its time and its bytes from Ethernet on.
type frame struct {
	at time.Time
	b  []byte
}

func framesOf(file []byte) (frames []frame) {
	_, packets := split(file)
	for _, p := range packets {
		at := time.Unix(int64(binary.LittleEndian.Uint32(p)), int64(binary.LittleEndian.Uint32(p[4:]))).UTC()
		frames = append(frames, frame{at, p[16:]})
	}
	return frames
}

// pcapOf writes a file of pcap in an order and a unit.
func pcapOf(order binary.AppendByteOrder, nano bool, link uint32, frames []frame) []byte {
	magic, unit := uint32(0xa1b2c3d4), 1000
	if nano {
		magic, unit = 0xa1b23c4d, 1
	}
	b := order.AppendUint32(nil, magic)
	b = order.AppendUint16(b, 2)
	b = order.AppendUint16(b, 4)
	b = append(b, make([]byte, 8)...)
	b = order.AppendUint32(b, 65535)
	b = order.AppendUint32(b, link)
	for _, f := range frames {
		b = order.AppendUint32(b, uint32(f.at.Unix()))
		b = order.AppendUint32(b, uint32(f.at.Nanosecond()/unit))
		b = order.AppendUint32(b, uint32(len(f.b)))
		b = order.AppendUint32(b, uint32(len(f.b)))
		b = append(b, f.b...)
	}
	return b
}

// block is a block of pcapng.
func block(order binary.AppendByteOrder, kind uint32, body []byte) []byte {
	body = append(bytes.Clone(body), make([]byte, -len(body)&3)...)
	b := order.AppendUint32(nil, kind)
	b = order.AppendUint32(b, uint32(len(body)+12))
	b = append(b, body...)
	return order.AppendUint32(b, uint32(len(body)+12))
}

func sectionBlock(order binary.AppendByteOrder) []byte {
	b := order.AppendUint32(nil, 0x1a2b3c4d)
	b = order.AppendUint16(b, 1)
	b = order.AppendUint16(b, 0)
	b = order.AppendUint64(b, 1<<64-1)
	return block(order, blockSection, option(order, b, 4, []byte("a test's")))
}

func option(order binary.AppendByteOrder, b []byte, code uint16, value []byte) []byte {
	b = order.AppendUint16(b, code)
	b = order.AppendUint16(b, uint16(len(value)))
	b = append(b, value...)
	return append(b, make([]byte, -len(value)&3)...)
}

func interfaceBlock(order binary.AppendByteOrder, link uint16, snap uint32, resolution byte, offset int64) []byte {
	b := order.AppendUint16(nil, link)
	b = order.AppendUint16(b, 0)
	b = order.AppendUint32(b, snap)
	b = option(order, b, 2, []byte("eth0"))
	b = option(order, b, 9, []byte{resolution})
	b = option(order, b, 14, order.AppendUint64(nil, uint64(offset)))
	return block(order, blockInterface, option(order, b, 0, nil))
}

func packetBlock(order binary.AppendByteOrder, face uint32, stamp uint64, p []byte) []byte {
	b := order.AppendUint32(nil, face)
	b = order.AppendUint32(b, uint32(stamp>>32))
	b = order.AppendUint32(b, uint32(stamp))
	b = order.AppendUint32(b, uint32(len(p)))
	b = order.AppendUint32(b, uint32(len(p)))
	b = append(b, p...)
	b = append(b, make([]byte, -len(p)&3)...)
	return block(order, blockPacket, option(order, b, 1, []byte("a comment")))
}

// simple is a connection with a known text in both directions.
func simple(c Conn) []byte {
	return script(c, func(s Stream, clock *tick) {
		s.Data(clock.next(), FromClient, 0, []byte("GET / HTTP/1.1\r\n"))
		s.Data(clock.next(), FromServer, 0, []byte("HTTP/1.1 101 ok\r\n"))
		s.Data(clock.next(), FromClient, 16, bytes.Repeat([]byte("long"), 1000))
		s.End(clock.next(), FromClient, Fin)
		s.End(clock.next(), FromServer, Fin)
	})
}

var (
	simpleV4 = Conn{Client: v4client, Server: v4server, Number: 1}
	simpleV6 = Conn{Client: v6client, Server: v6server, Number: 1}
)

func wantSimple(t testing.TB, file []byte) (Report, *taken) {
	t.Helper()
	conns, rep := read(t, file, Options{})
	if len(conns) != 1 {
		t.Fatalf("%d connections, %+v", len(conns), rep)
	}
	k := conns[0]
	client, server := string(k.bytes(FromClient)), string(k.bytes(FromServer))
	if client != "GET / HTTP/1.1\r\n"+strings.Repeat("long", 1000) || server != "HTTP/1.1 101 ok\r\n" {
		t.Fatalf("got %.80q, %.80q", client, server)
	}
	if k.how != [2]End{} || k.Midway {
		t.Fatalf("ends %v, %+v", k.how, k.Conn)
	}
	return rep, k
}

func TestPcap(t *testing.T) {
	for _, c := range []Conn{simpleV4, simpleV6} {
		frames := framesOf(simple(c))
		for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
			for _, nano := range []bool{false, true} {
				rep, k := wantSimple(t, pcapOf(order, nano, linkEthernet, frames))
				if rep.Format != "pcap" || rep.Packets != int64(len(frames)) || rep.TCP != rep.Packets || rep.Conns != 1 {
					t.Errorf("%+v", rep)
				}
				want := frames[len(frames)-2].at
				if !nano {
					want = want.Truncate(time.Microsecond)
				}
				if k.Conn.Client != c.Client || k.Conn.Server != c.Server || k.clock[FromServer] != want {
					t.Errorf("%+v, %v", k.Conn, k.clock)
				}
			}
		}
	}
}

func TestGzip(t *testing.T) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write(simple(simpleV4))
	z.Close()
	if !Sniff(b.Bytes()) {
		t.Error("not recognised")
	}
	wantSimple(t, b.Bytes())
}

// Both orders of bytes, two sections, two interfaces with different link layers and clocks, all
// kinds of packets, and blocks that say nothing here.
func TestPcapng(t *testing.T) {
	frames := framesOf(simple(simpleV6))
	stamp := map[byte]func(time.Time) uint64{
		6:         func(t time.Time) uint64 { return uint64(t.UnixMicro()) },
		9:         func(t time.Time) uint64 { return uint64(t.UnixNano()) },
		0:         func(t time.Time) uint64 { return uint64(t.Unix()) },
		10:        func(t time.Time) uint64 { return uint64(t.UnixNano()) * 10 },
		0x80 | 20: func(t time.Time) uint64 { return uint64(t.Unix())<<20 | uint64(t.Nanosecond())<<20/1e9 },
	}
	var file []byte
	for i, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		file = append(file, sectionBlock(order)...)
		file = append(file, block(order, 4, []byte("names"))...)
		file = append(file, interfaceBlock(order, linkEthernet, 0, 6, 0)...)
		file = append(file, interfaceBlock(order, linkRaw, 0, 0x80|20, 1000)...)
		for j, f := range frames {
			if j < len(frames)/2 != (i == 0) {
				continue
			}
			switch j % 3 {
			case 0:
				file = append(file, packetBlock(order, 0, stamp[6](f.at), f.b)...)
			case 1:
				file = append(file, packetBlock(order, 1, stamp[0x80|20](f.at.Add(-1000*time.Second)), f.b[14:])...)
			default: // the block that came before
				b := order.AppendUint16(nil, 1)
				b = order.AppendUint16(b, 0xffff)
				at := stamp[0x80|20](f.at.Add(-1000 * time.Second))
				b = order.AppendUint32(order.AppendUint32(b, uint32(at>>32)), uint32(at))
				b = order.AppendUint32(order.AppendUint32(b, uint32(len(f.b)-14)), uint32(len(f.b)-14))
				file = append(file, block(order, blockOldPacket, append(b, f.b[14:]...))...)
			}
		}
	}
	rep, k := wantSimple(t, file)
	if rep.Format != "pcapng" || rep.Packets != int64(len(frames)) {
		t.Errorf("%+v", rep)
	}
	if off := k.clock[FromServer].Sub(frames[len(frames)-1].at); off < -time.Microsecond*2 || off > 0 {
		t.Errorf("the last time is off by %v", off)
	}

	for resolution, of := range stamp {
		f := netInterface{power: resolution & 0x7f, binary: resolution&0x80 != 0, offset: 5}
		unit := time.Microsecond
		if resolution == 0 {
			unit = time.Second
		}
		if off := f.time(of(epoch)).Sub(epoch.Add(5 * time.Second)); off > 0 || off <= -unit {
			t.Errorf("resolution %#x: off by %v", resolution, off)
		}
	}
	for _, f := range []netInterface{{power: 20}, {binary: true, power: 64}, {power: 0, offset: -1}, {power: 0}} {
		if at := f.time(1<<63 | 1); !at.IsZero() {
			t.Errorf("%+v: %v", f, at)
		}
	}
}

// A simple packet has no time, and what the interface cuts off.
func TestPcapngSimple(t *testing.T) {
	order := binary.LittleEndian
	file := append(sectionBlock(order), interfaceBlock(order, linkEthernet, 2000, 6, 0)...)
	for _, f := range framesOf(simple(simpleV4)) {
		file = append(file, block(order, blockSimple, append(order.AppendUint32(nil, uint32(len(f.b))), f.b...))...)
	}
	if _, k := wantSimple(t, file); !k.clock[0].IsZero() {
		t.Errorf("time %v", k.clock[0])
	}
}

// Each link layer, with tags.
func TestLinkLayers(t *testing.T) {
	cooked := func(b []byte) []byte { // 16 bytes, the last two the type
		return append(make([]byte, 14), b[12:]...)
	}
	for name, x := range map[string]struct {
		link uint32
		wrap func(b []byte) []byte
	}{
		"Ethernet":        {linkEthernet, func(b []byte) []byte { return b }},
		"with a checksum": {linkEthernet | 5<<28, func(b []byte) []byte { return append(slices.Clip(b), 1, 2, 3, 4) }},
		"VLAN":            {linkEthernet, func(b []byte) []byte { return slices.Insert(slices.Clone(b), 12, 0x81, 0, 0, 7) }},
		"QinQ":            {linkEthernet, func(b []byte) []byte { return slices.Insert(slices.Clone(b), 12, 0x88, 0xa8, 0, 7, 0x81, 0, 0, 8) }},
		"old QinQ":        {linkEthernet, func(b []byte) []byte { return slices.Insert(slices.Clone(b), 12, 0x91, 0, 0, 7, 0x81, 0, 0, 8) }},
		"PPPoE": {linkEthernet, func(b []byte) []byte {
			protocol := byte(0x21)
			if b[12] == 0x86 {
				protocol = 0x57
			}
			return slices.Concat(b[:12], []byte{0x88, 0x64, 0x11, 0, 0, 1, 0, 0, 0, protocol}, b[14:])
		}},
		"cooked":           {linkCooked, cooked},
		"cooked with VLAN": {linkCooked, func(b []byte) []byte { return slices.Insert(cooked(b), 14, 0x81, 0, 0, 7) }},
		"cooked 2":         {linkCooked2, func(b []byte) []byte { return slices.Concat(b[12:14], make([]byte, 18), b[14:]) }},
		"null":             {linkNull, func(b []byte) []byte { return append([]byte{2, 0, 0, 0}, b[14:]...) }},
		"null, turned":     {linkNull, func(b []byte) []byte { return append([]byte{0, 0, 0, 30}, b[14:]...) }},
		"loop":             {linkLoop, func(b []byte) []byte { return append([]byte{0, 0, 0, 24}, b[14:]...) }},
		"raw":              {linkRaw, func(b []byte) []byte { return b[14:] }},
		"raw of BSD":       {linkRawBSD, func(b []byte) []byte { return b[14:] }},
		"IPv4":             {linkIPv4, func(b []byte) []byte { return b[14:] }},
		"IPv6":             {linkIPv6, func(b []byte) []byte { return b[14:] }},
	} {
		t.Run(name, func(t *testing.T) {
			for _, c := range []Conn{simpleV4, simpleV6} {
				frames := framesOf(simple(c))
				for i := range frames {
					frames[i].b = x.wrap(frames[i].b)
				}
				wantSimple(t, pcapOf(binary.LittleEndian, true, x.link, frames))
			}
		})
	}
}

func TestOtherPackets(t *testing.T) {
	frames := framesOf(simple(simpleV4))
	arp := frame{epoch, append(make([]byte, 12), 8, 6, 0, 1)}
	udp := frame{epoch, bytes.Clone(frames[0].b)}
	udp.b[14+9] = 17
	damaged := frame{epoch, frames[0].b[:14+19]}
	again := frame{epoch, bytes.Clone(frames[0].b)}
	again.b[14+7] = 1 // a later fragment
	rep, _ := wantSimple(t, pcapOf(binary.LittleEndian, true, linkEthernet, append([]frame{arp, udp, damaged, again, {epoch, nil}}, frames...)))
	if want := (Report{Format: "pcap", Packets: int64(len(frames) + 5), TCP: int64(len(frames)), Conns: 1, Fragments: 1, Damaged: 1}); rep != want {
		t.Errorf("got %+v", rep)
	}
	if _, rep := read(t, pcapOf(binary.LittleEndian, true, 147, frames), Options{}); rep.OtherLink != int64(len(frames)) || rep.Link != 147 {
		t.Errorf("unknown link layer: %+v", rep)
	}
}

// Extension headers of IPv6, and the first fragment of a packet.
func TestIPv6Headers(t *testing.T) {
	frames := framesOf(simple(simpleV6))
	heads := []byte{
		60, 0, 1, 4, 0, 0, 0, 0, // hop by hop
		43, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // destination
		44, 0, 0, 0, 0, 0, 0, 0, // routing
		51, 0, 0, 1, 0, 0, 0, 9, // the first fragment
		6, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // authentication
	}
	for i := range frames {
		b := slices.Insert(slices.Clone(frames[i].b), 54, heads...)
		binary.BigEndian.PutUint16(b[18:], binary.BigEndian.Uint16(b[18:])+uint16(len(heads)))
		b[20] = 0
		frames[i].b = b
	}
	wantSimple(t, pcapOf(binary.LittleEndian, true, linkEthernet, frames))
	frames[0].b[54+8+16+8+3] = 8 // a later one
	if _, rep := read(t, pcapOf(binary.LittleEndian, true, linkEthernet, frames[:1]), Options{}); rep.Fragments != 1 {
		t.Errorf("%+v", rep)
	}
}

// The capture has only the first bytes of each packet.
func TestSnaplen(t *testing.T) {
	frames := framesOf(simple(simpleV4))
	for i := range frames {
		frames[i].b = frames[i].b[:min(len(frames[i].b), 14+40+100)]
	}
	conns, rep := read(t, pcapOf(binary.LittleEndian, true, linkEthernet, frames), Options{})
	k := conns[0]
	long := strings.Repeat("long", 1000)
	want := "GET / HTTP/1.1\r\n"
	for at := 0; at < len(long); at += segmentSize {
		n := min(segmentSize, len(long)-at)
		want += long[at:at+100] + strings.Repeat(".", n-100)
	}
	if got := string(k.bytes(FromClient)); got != want || rep.Cut != 3 || k.how != [2]End{Fin, Fin} {
		t.Errorf("they differ at %d; %+v, %v", differ([]byte(got), []byte(want)), rep, k.how)
	}
}

// A file that is cut short is no error, wherever it ends; one that is damaged is.
func TestCutAndDamaged(t *testing.T) {
	order := binary.LittleEndian
	ng := append(sectionBlock(order), interfaceBlock(order, linkEthernet, 0, 6, 0)...)
	heads := len(ng)
	for _, f := range framesOf(simple(simpleV4)) {
		ng = append(ng, packetBlock(order, 0, 1, f.b)...)
	}
	for name, file := range map[string][]byte{"pcap": simple(simpleV4), "pcapng": ng} {
		_, rep := read(t, file, Options{})
		for n := 24; n < len(file); n += 7 {
			var k taker
			got, err := Read(bytes.NewReader(file[:n]), &k, Options{})
			if err != nil {
				t.Fatalf("%s, %d bytes: %v", name, n, err)
			}
			k.hold(t)
			if got.Packets > rep.Packets || got.Packets == rep.Packets && !got.CutShort || n < heads && !got.CutShort && got.Packets > 0 {
				t.Fatalf("%s, %d bytes: %+v", name, n, got)
			}
		}
	}
	huge := bytes.Clone(simple(simpleV4))
	order.PutUint32(huge[24+8:], 1<<30)
	for name, file := range map[string][]byte{
		"a packet of 1 GiB":         huge,
		"a block of 8 bytes":        append(bytes.Clone(ng), 1, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0),
		"an odd block":              append(bytes.Clone(ng), 1, 0, 0, 0, 13, 0, 0, 0, 0, 0, 0, 0),
		"no such interface":         append(bytes.Clone(ng), packetBlock(order, 1, 1, nil)...),
		"a section without order":   append(bytes.Clone(ng), block(order, blockSection, make([]byte, 16))...),
		"interfaces":                append(bytes.Clone(ng), bytes.Repeat(interfaceBlock(order, 1, 0, 6, 0), maxInterfaces)...),
		"a packet beyond its block": append(bytes.Clone(ng), block(order, blockPacket, append(make([]byte, 12), 1, 0, 0, 0, 0, 0, 0, 0))...),
	} {
		var k taker
		if _, err := Read(bytes.NewReader(file), &k, Options{}); err == nil || !strings.HasPrefix(err.Error(), "capture: ") || errors.Is(err, ErrFormat) {
			t.Errorf("%s: error %v", name, err)
		}
		k.hold(t)
	}
	for _, text := range []string{"", "GET", "GET / HTTP/1.1\r\n\r\n", strings.Repeat("\x00", 100)} {
		if _, err := Read(strings.NewReader(text), new(taker), Options{}); !errors.Is(err, ErrFormat) || Sniff([]byte(text)) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
	if _, err := Read(iotestErr{}, new(taker), Options{}); err == nil || errors.Is(err, ErrFormat) {
		t.Errorf("a reader that fails: %v", err)
	}
}

type iotestErr struct{}

func (iotestErr) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }

// Keys in the file open its TLS.
func TestSecretsInFile(t *testing.T) {
	var log bytes.Buffer
	client, server := confs(0x0303, 0, &log)
	file, state := record(t, client, server)
	order := binary.BigEndian
	ng := append(sectionBlock(order), interfaceBlock(order, linkEthernet, 0, 6, 0)...)
	other := append(order.AppendUint32(order.AppendUint32(nil, 0x12345678), 4), "none"...)
	ng = append(ng, block(order, blockSecrets, other)...)
	body := append(order.AppendUint32(order.AppendUint32(nil, secretsTLS), uint32(log.Len())), log.Bytes()...)
	ng = append(ng, block(order, blockSecrets, body)...)
	for _, f := range framesOf(file) {
		ng = append(ng, packetBlock(order, 0, uint64(f.at.UnixMicro()), f.b)...)
	}
	conns, _ := read(t, ng, Options{})
	wantOpened(t, conns[0], state)
}

func TestKeyLog(t *testing.T) {
	random, secret := strings.Repeat("ab", 32), strings.Repeat("cd", 48)
	k := new(KeyLog)
	n, err := k.Add(strings.NewReader("# a comment\r\n\n" +
		"CLIENT_RANDOM " + random + " " + secret + "\r\n" +
		"CLIENT_RANDOM " + random + " " + secret[2:] + "\n" +
		"EXPORTER_SECRET " + random + " " + secret + "\n" +
		"CLIENT_TRAFFIC_SECRET_0 " + random + " " + secret[:64] + "\n" +
		strings.Repeat("x", 5000) + "\n" +
		"SERVER_TRAFFIC_SECRET_0 " + random + " " + secret)) // the last line has no end
	if n != 3 || err != nil {
		t.Fatal(n, err)
	}
	id := [32]byte(bytes.Repeat([]byte{0xab}, 32))
	for label, size := range map[string]int{labelMaster: 48, labelClientTraffic: 32, labelServerTraffic: 48, labelEarly: 0} {
		if got := k.secret(label, id); len(got) != size {
			t.Errorf("%s: %d bytes", label, len(got))
		}
	}
	if _, err := ReadKeyLog(strings.NewReader("no keys\n")); err == nil {
		t.Error("no error without keys")
	}
	if _, err := ReadKeyLog(iotestErr{}); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
	small := &KeyLog{max: 2}
	for i := range 5 {
		small.Add(strings.NewReader(fmt.Sprintf("CLIENT_RANDOM %064x %s\n", i, secret)))
	}
	if len(small.secrets) != 2 {
		t.Errorf("%d lines are kept", len(small.secrets))
	}
}

// Of a packet in fragments the first part is read, and the rest is a gap.
func TestFragments(t *testing.T) {
	var frames []frame
	for _, f := range framesOf(simple(simpleV4)) {
		if len(f.b) < 1400 || len(frames) > 8 {
			frames = append(frames, f)
			continue
		}
		first, second := bytes.Clone(f.b[:14+20+800]), append(bytes.Clone(f.b[:14+20]), f.b[14+20+800:]...)
		binary.BigEndian.PutUint16(first[14+2:], 20+800)
		binary.BigEndian.PutUint16(first[14+6:], 0x2000)
		binary.BigEndian.PutUint16(second[14+2:], uint16(len(second)-14))
		binary.BigEndian.PutUint16(second[14+6:], 100)
		frames = append(frames, frame{f.at, first}, frame{f.at, second})
	}
	conns, rep := read(t, pcapOf(binary.LittleEndian, true, linkEthernet, frames), Options{})
	long := strings.Repeat("long", 1000)
	want := "GET / HTTP/1.1\r\n" + long[:780] + strings.Repeat(".", segmentSize-780) + long[segmentSize:]
	if got := string(conns[0].bytes(FromClient)); got != want || rep.Fragments != 1 {
		t.Errorf("they differ at %d; %+v", differ([]byte(got), []byte(want)), rep)
	}
}
