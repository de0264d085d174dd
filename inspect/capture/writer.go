package capture

import (
	"encoding/binary"
	"io"
	"net/netip"
	"time"
)

// Writer writes connections as pcap, with the TCP that they may have had: it is a Sink. What
// Read gives to a Writer is the same connections again, those of TLS opened. It buffers nothing,
// so w should.
//
// A call writes the packets of its bytes, at its time. Offsets say which bytes they are; calls
// out of order, and twice for the same bytes, write such packets. The file's unit of time is the
// nanosecond.
type Writer struct {
	w   io.Writer
	err error
	buf []byte
	id  uint16
	isn func(c Conn, from Direction) uint32
}

// NewWriter returns a Writer and writes the head of the file. An error comes with Err.
func NewWriter(w io.Writer) *Writer {
	out := &Writer{w: w, isn: firstNumber}
	var head [24]byte
	binary.LittleEndian.PutUint32(head[:], 0xa1b23c4d)
	binary.LittleEndian.PutUint16(head[4:], 2)
	binary.LittleEndian.PutUint16(head[6:], 4)
	binary.LittleEndian.PutUint32(head[16:], maxPacket)
	binary.LittleEndian.PutUint32(head[20:], linkEthernet)
	_, out.err = w.Write(head[:])
	return out
}

// Err returns the first error of writing. Nothing is written after it.
func (w *Writer) Err() error { return w.err }

// firstNumber is the first sequence number of a direction: the same each time, and another one
// for each connection.
func firstNumber(c Conn, from Direction) uint32 {
	return (uint32(c.Number)*2 + uint32(from) + 1) * 2654435761
}

// Open begins a connection. Without addresses it gets those of the loopback, the port 80 for the
// server and one from 49152 on for the client.
func (w *Writer) Open(c Conn) Stream {
	if !c.Client.Addr().IsValid() {
		c.Client = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 49152+uint16(uint(c.Number)%16384))
	}
	if !c.Server.Addr().IsValid() {
		c.Server = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 80)
	}
	s := &writerStream{w: w, opened: c.Midway}
	s.four = c.Client.Addr().Unmap().Is4() && c.Server.Addr().Unmap().Is4()
	for from, a := range []netip.AddrPort{c.Client, c.Server} {
		s.ends[from] = writerEnd{addr: a.Addr().As16(), port: a.Port(), isn: w.isn(c, Direction(from))}
	}
	return s
}

// writerEnd is one side of a connection that is written.
type writerEnd struct {
	addr [16]byte
	port uint16
	isn  uint32
	sent int64 // what the other side has, and acknowledges
	fin  bool
}

// next is the sequence number behind all that was sent.
func (e *writerEnd) next() uint32 {
	n := e.isn + 1 + uint32(e.sent)
	if e.fin {
		n++
	}
	return n
}

type writerStream struct {
	w      *Writer
	four   bool
	opened bool // the handshake is written, or there is none
	reset  bool
	ends   [2]writerEnd
}

const (
	tcpPSH = 8
	// segmentSize is how many bytes a packet has at most, as over Ethernet.
	segmentSize = 1440
)

func (s *writerStream) open(at time.Time) {
	if s.opened {
		return
	}
	s.opened = true
	s.packet(at, FromClient, s.ends[FromClient].isn, tcpSYN, nil)
	s.packet(at, FromServer, s.ends[FromServer].isn, tcpSYN|tcpACK, nil)
	s.acknowledge(at, FromClient)
}

func (s *writerStream) acknowledge(at time.Time, from Direction) {
	s.packet(at, from, s.ends[from].next(), tcpACK, nil)
}

func (s *writerStream) Data(at time.Time, from Direction, offset int64, p []byte) {
	s.open(at)
	e := &s.ends[from]
	for len(p) > 0 {
		n := min(len(p), segmentSize)
		flags := byte(tcpACK)
		if n == len(p) {
			flags |= tcpPSH
		}
		s.packet(at, from, e.isn+1+uint32(offset), flags, p[:n])
		if offset <= e.sent {
			e.sent = max(e.sent, offset+int64(n))
		}
		p, offset = p[n:], offset+int64(n)
	}
	s.acknowledge(at, from.Other())
}

func (s *writerStream) Gap(at time.Time, from Direction, offset, n int64) {
	s.open(at)
	if e := &s.ends[from]; offset <= e.sent {
		e.sent = max(e.sent, offset+n)
	}
	s.acknowledge(at, from.Other())
}

func (s *writerStream) End(at time.Time, from Direction, how End) {
	s.open(at)
	e := &s.ends[from]
	switch {
	case how == Fin && !e.fin && !s.reset:
		s.packet(at, from, e.next(), tcpFIN|tcpACK, nil)
		e.fin = true
		s.acknowledge(at, from.Other())
	case how == Reset && !s.reset:
		s.packet(at, from, e.next(), tcpRST|tcpACK, nil)
		s.reset = true
	}
}

// packet writes a packet with all of its heads.
func (s *writerStream) packet(at time.Time, from Direction, seq uint32, flags byte, p []byte) {
	w := s.w
	if w.err != nil {
		return
	}
	e, o := &s.ends[from], &s.ends[from.Other()]
	b := append(w.buf[:0], make([]byte, 16)...)
	b = append(b, 2, 0, 0, 0, 0, 2-byte(from), 2, 0, 0, 0, 0, 1+byte(from))
	ip := len(b) + 2
	size := 20 + len(p)
	if flags&tcpSYN != 0 {
		size += 4
	}
	src, dst := e.addr[:], o.addr[:]
	if s.four {
		src, dst = src[12:], dst[12:]
		w.id++
		b = append(b, etherIPv4>>8, etherIPv4&255, 0x45, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(20+size))
		b = binary.BigEndian.AppendUint16(b, w.id)
		b = append(b, 0x40, 0, 64, 6, 0, 0)
		b = append(append(b, src...), dst...)
		binary.BigEndian.PutUint16(b[ip+10:], ^fold(0, b[ip:]))
	} else {
		b = append(b, etherIPv6>>8, etherIPv6&255, 0x60, 0, 0, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(size))
		b = append(b, 6, 64)
		b = append(append(b, src...), dst...)
	}
	tcp := len(b)
	b = binary.BigEndian.AppendUint16(b, e.port)
	b = binary.BigEndian.AppendUint16(b, o.port)
	b = binary.BigEndian.AppendUint32(b, seq)
	ack := uint32(0)
	if flags&tcpACK != 0 {
		ack = o.next()
	}
	b = binary.BigEndian.AppendUint32(b, ack)
	b = append(b, byte(size-len(p))<<2, flags, 0xff, 0xff, 0, 0, 0, 0)
	if flags&tcpSYN != 0 {
		b = append(b, 2, 4, segmentSize>>8, segmentSize&255)
	}
	b = append(b, p...)
	sum := fold(uint32(fold(6+uint32(size), src)), dst)
	binary.BigEndian.PutUint16(b[tcp+16:], ^fold(uint32(sum), b[tcp:]))

	binary.LittleEndian.PutUint32(b, uint32(at.Unix()))
	binary.LittleEndian.PutUint32(b[4:], uint32(at.Nanosecond()))
	binary.LittleEndian.PutUint32(b[8:], uint32(len(b)-16))
	binary.LittleEndian.PutUint32(b[12:], uint32(len(b)-16))
	w.buf = b
	_, w.err = w.w.Write(b)
}

// fold adds bytes to the sum of which TCP and IP send the complement. The result of one call can
// begin another one, where the bytes before are even in number.
func fold(n uint32, b []byte) uint16 {
	for ; len(b) > 1; b = b[2:] {
		n += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		n += uint32(b[0]) << 8
	}
	for n > 0xffff {
		n = n>>16 + n&0xffff
	}
	return uint16(n)
}
