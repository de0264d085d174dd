package input

import (
	"encoding/binary"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Link types of pcap.
const (
	linkLoop     = 0
	linkEthernet = 1
	linkRaw      = 101
	linkCooked   = 113
	noLink       = -1
)

// linkOf finds the link layer of a packet that has TCP over IP in it; noLink for none.
func linkOf(p []byte) int {
	switch {
	case isIP(p):
		return linkRaw
	case len(p) > 14 && isIP(p[14:]) && (p[12] == 0x08 && p[13] == 0 || p[12] == 0x86 && p[13] == 0xDD):
		return linkEthernet
	case len(p) > 18 && p[12] == 0x81 && p[13] == 0 && isIP(p[18:]):
		return linkEthernet
	case len(p) > 16 && isIP(p[16:]) && (p[14] == 0x08 && p[15] == 0 || p[14] == 0x86 && p[15] == 0xDD):
		return linkCooked
	case len(p) > 4 && isIP(p[4:]) && (p[0] == 0 && p[1] == 0 && p[2] == 0 || p[1] == 0 && p[2] == 0 && p[3] == 0):
		return linkLoop
	}
	return noLink
}

// isIP reports whether bytes are a packet of IP with TCP in it.
func isIP(p []byte) bool {
	switch {
	case len(p) < 40:
		return false
	case p[0]>>4 == 4:
		return p[0]&15 >= 5 && p[9] == 6 && int(binary.BigEndian.Uint16(p[2:])) >= 40
	case p[0]>>4 == 6:
		return p[6] == 6
	}
	return false
}

// tcpdumpHead is the line before a packet's dump.
var tcpdumpHead = regexp.MustCompile(`^(?:(\d{4}-\d\d-\d\d) )?(\d\d):(\d\d):(\d\d)\.(\d{6,9}) (?:\S+ +(?:In|Out|P|B|M) +)?(?:.*?)?\bIP6? (?:\(.*)?`)

// looksPackets finds dumps whose first packets have TCP over IP in them.
func looksPackets(text string) bool {
	found, seen := false, 0
	eachPacket(text[:min(len(text), 64<<10)], func(_ time.Duration, _ bool, p []byte) bool {
		seen++
		found = linkOf(p) != noLink
		return !found && seen < 20
	})
	return found
}

// eachPacket gives each dump that begins at the offset 0, with the time in the line before it.
func eachPacket(text string, yield func(at time.Duration, timed bool, p []byte) bool) {
	var p []byte
	var at, next time.Duration
	timed, nextTimed := false, false
	for line := range lines(text) {
		_, rest := marked(line)
		offset, b, ok := dumpLine(rest)
		switch {
		case ok && len(b) > 0 && offset == 0:
			if len(p) > 0 && !yield(at, timed, p) {
				return
			}
			p = append([]byte(nil), b...)
			at, timed, nextTimed = next, nextTimed, false
		case ok && len(b) > 0 && offset == int64(len(p)):
			p = append(p, b...)
		default:
			if t, ok := timeOf(line); ok {
				next, nextTimed = t, true
			}
		}
	}
	if len(p) > 0 {
		yield(at, timed, p)
	}
}

// timeOf returns the time of the day in a line of tcpdump.
func timeOf(line string) (time.Duration, bool) {
	m := tcpdumpHead.FindStringSubmatch(line)
	if m == nil {
		return 0, false
	}
	d, err := time.ParseDuration(m[2] + "h" + m[3] + "m" + m[4] + "." + m[5] + "s")
	return d, err == nil
}

// readPackets reads dumps of packets, from their link layer or from IP on, and makes a pcap file
// of them: package capture puts their TCP together.
func readPackets(text string) (*Recording, error) {
	r := &Recording{Timed: true}
	link := noLink
	eachPacket(text, func(at time.Duration, timed bool, p []byte) bool {
		l := linkOf(p)
		if l == noLink {
			return true
		}
		if link == noLink {
			link = l
			r.Packets = pcapHead(link)
		}
		if l == link {
			r.Timed = r.Timed && timed
			r.Packets = appendPacket(r.Packets, at, p)
		}
		return true
	})
	return r, nil
}

// pcapHead is the head of a pcap file.
func pcapHead(link int) []byte {
	var h [24]byte
	binary.LittleEndian.PutUint32(h[:], 0xa1b2c3d4)
	binary.LittleEndian.PutUint16(h[4:], 2)
	binary.LittleEndian.PutUint16(h[6:], 4)
	binary.LittleEndian.PutUint32(h[16:], 1<<18)
	binary.LittleEndian.PutUint32(h[20:], uint32(link))
	return h[:]
}

// appendPacket appends a record of a pcap file.
func appendPacket(dst []byte, at time.Duration, p []byte) []byte {
	var h [16]byte
	binary.LittleEndian.PutUint32(h[:], uint32(at/time.Second))
	binary.LittleEndian.PutUint32(h[4:], uint32(at%time.Second/time.Microsecond))
	binary.LittleEndian.PutUint32(h[8:], uint32(len(p)))
	binary.LittleEndian.PutUint32(h[12:], uint32(len(p)))
	return append(append(dst, h[:]...), p...)
}

// tcpdumpA is the line before a packet in the output of tcpdump -A.
var tcpdumpA = regexp.MustCompile(`\bIP6? (\S+)\.(\d+|[a-z][a-z0-9-]*) > (\S+)\.(\d+|[a-z][a-z0-9-]*): Flags \[([A-Z.]+)\].*?length (\d+)`)

func looksTcpdumpA(text string) bool {
	for line := range lines(text[:min(len(text), 64<<10)]) {
		if tcpdumpA.MatchString(line) {
			return true
		}
	}
	return false
}

// readTcpdumpA reads the output of tcpdump -A. It has written a point for each byte that is no
// text, so only heads are there; of the rest is known how long it is.
func readTcpdumpA(text string) (*Recording, error) {
	conns := map[string]*Conn{}
	var order []*Conn
	var c *Conn
	var from Side
	var length int64
	var body strings.Builder
	flush := func() {
		if c != nil && length > 0 {
			c.Pieces = append(c.Pieces, asciiPacket(from, length, body.String())...)
		}
		body.Reset()
	}
	for line := range lines(text) {
		m := tcpdumpA.FindStringSubmatch(line)
		if m == nil {
			body.WriteString(line + "\n")
			continue
		}
		flush()
		length, _ = strconv.ParseInt(m[6], 10, 32)
		a, b := m[1]+" "+m[2], m[3]+" "+m[4]
		switch {
		case conns[a+" "+b] != nil:
			c, from = conns[a+" "+b], Client
		case conns[b+" "+a] != nil:
			c, from = conns[b+" "+a], Server
		default:
			c, from = &Conn{Client: addrOf(m[1], m[2]), Server: addrOf(m[3], m[4]),
				Notes: []string{"tcpdump -A has lost each byte that is no text: -X or -w keep them"}}, Client
			conns[a+" "+b] = c
			order = append(order, c)
		}
	}
	flush()
	r := new(Recording)
	for _, c := range order {
		if len(c.Pieces) > 0 {
			r.Conns = append(r.Conns, *c)
		}
	}
	return r, nil
}

func addrOf(host, port string) netip.AddrPort {
	a, err := netip.ParseAddr(host)
	n, err2 := strconv.ParseUint(port, 10, 16)
	if err != nil || err2 != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a, uint16(n))
}

// asciiPacket returns what is left of the payload of a packet: a head, or that it was lost.
func asciiPacket(from Side, length int64, text string) []Piece {
	at := strings.Index(text, "GET ")
	if i := strings.Index(text, "HTTP/1."); i >= 0 && (at < 0 || i < at) {
		at = i
	}
	if at < 0 {
		return []Piece{{From: from, Lost: length}}
	}
	head := strings.ReplaceAll(strings.ReplaceAll(text[at:], "\r\n", "\n"), "\n", "\r\n")
	i := strings.Index(head, "\r\n\r\n")
	if i < 0 || int64(i+4) > length {
		return []Piece{{From: from, Lost: length}}
	}
	out := []Piece{{From: from, Bytes: []byte(head[:i+4])}}
	if rest := length - int64(i+4); rest > 0 {
		out = append(out, Piece{From: from, Lost: rest})
	}
	return out
}
