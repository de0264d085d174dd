package capture

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// Link types of files, as tcpdump.org numbers them.
const (
	linkNull     = 0 // BSD loopback: an address family in the order of its machine
	linkEthernet = 1
	linkRawBSD   = 12
	linkRawOpen  = 14
	linkRaw      = 101
	linkLoop     = 108 // OpenBSD loopback
	linkCooked   = 113
	linkIPv4     = 228
	linkIPv6     = 229
	linkCooked2  = 276
)

// Types of Ethernet.
const (
	etherIPv4 = 0x0800
	etherIPv6 = 0x86dd
	etherVLAN = 0x8100
	etherQinQ = 0x88a8
	etherOld  = 0x9100 // QinQ, before it was a standard
	etherPPP  = 0x8864 // PPPoE, as on the outside of a DSL router
)

// flags of TCP.
const (
	tcpFIN = 1 << iota
	tcpSYN
	tcpRST
	_
	tcpACK
)

// endpoint is an address and a port as they are compared.
type endpoint [18]byte

func (e *endpoint) addrPort() netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte(e[:16])).Unmap(), binary.BigEndian.Uint16(e[16:]))
}

// tcpSegment is what a packet has of TCP.
type tcpSegment struct {
	at       time.Time
	src, dst endpoint
	seq, ack uint32
	flags    byte
	data     []byte // lent
	lost     int    // bytes behind data that the capture does not have
}

// verdict says what a packet was.
type verdict uint8

const (
	isTCP verdict = iota
	notTCP
	unknownLink
	isFragment // other than the first of its packet
	isDamaged
)

// tcp finds the TCP segment in a packet.
func (s *tcpSegment) tcp(p packet) verdict {
	b, ok, known := ipOf(p.link, p.data)
	if !known {
		return unknownLink
	}
	if !ok || len(b) == 0 {
		return notTCP
	}
	s.at = p.at
	switch b[0] >> 4 {
	case 4:
		return s.ipv4(b)
	case 6:
		return s.ipv6(b)
	}
	return notTCP
}

// ipOf returns what is inside the link layer. known is false for a link layer that is not.
func ipOf(link int, b []byte) (ip []byte, ok, known bool) {
	switch link {
	case linkEthernet:
		if len(b) < 14 {
			return nil, false, true
		}
		ip, ok = ofType(binary.BigEndian.Uint16(b[12:]), b[14:])
	case linkCooked:
		if len(b) < 16 {
			return nil, false, true
		}
		ip, ok = ofType(binary.BigEndian.Uint16(b[14:]), b[16:])
	case linkCooked2:
		if len(b) < 20 {
			return nil, false, true
		}
		ip, ok = ofType(binary.BigEndian.Uint16(b), b[20:])
	case linkNull, linkLoop:
		// Systems disagree on the number of IPv6, and on its byte order; the packet knows.
		if len(b) < 4 {
			return nil, false, true
		}
		ip, ok = b[4:], true
	case linkRaw, linkRawBSD, linkRawOpen, linkIPv4, linkIPv6:
		ip, ok = b, true
	default:
		return nil, false, false
	}
	return ip, ok, true
}

// ofType goes through tags of VLANs to IP.
func ofType(kind uint16, b []byte) ([]byte, bool) {
	for {
		switch kind {
		case etherIPv4, etherIPv6:
			return b, true
		case etherVLAN, etherQinQ, etherOld:
			if len(b) < 4 {
				return nil, false
			}
			kind, b = binary.BigEndian.Uint16(b[2:]), b[4:]
		case etherPPP:
			if len(b) < 8 || b[6] != 0 || b[7] != 0x21 && b[7] != 0x57 {
				return nil, false
			}
			return b[8:], true
		default:
			return nil, false
		}
	}
}

func (s *tcpSegment) ipv4(b []byte) verdict {
	if len(b) < 20 {
		return isDamaged
	}
	head, total := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	if b[9] != 6 {
		return notTCP
	}
	if total == 0 { // the card cuts it into packets later; and so the length was not set yet
		total = len(b)
	}
	if head < 20 || head > len(b) || total < head {
		return isDamaged
	}
	if binary.BigEndian.Uint16(b[6:])&0x1fff != 0 {
		return isFragment
	}
	copy(s.src[:], "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff")
	s.dst = s.src
	copy(s.src[12:], b[12:16])
	copy(s.dst[12:], b[16:20])
	return s.transport(b[head:min(total, len(b))], total-head)
}

func (s *tcpSegment) ipv6(b []byte) verdict {
	if len(b) < 40 {
		return isDamaged
	}
	next, size := b[6], int(binary.BigEndian.Uint16(b[4:]))
	copy(s.src[:], b[8:24])
	copy(s.dst[:], b[24:40])
	b = b[40:]
	if size == 0 { // a jumbogram, or one that the card cuts into packets later
		size = len(b)
	}
	b = b[:min(size, len(b))]
	for next != 6 {
		if len(b) < 8 {
			return notTCP
		}
		n := int(b[1])*8 + 8
		switch next {
		case 0, 43, 60, 135, 139, 140: // hop by hop, routing, destination, mobility, HIP, shim6
		case 44: // fragment
			if binary.BigEndian.Uint16(b[2:])&^7 != 0 {
				if b[0] == 17 || b[0] == 58 { // UDP and ICMP have most of them
					return notTCP
				}
				return isFragment
			}
			n = 8
		case 51: // authentication
			n = int(b[1])*4 + 8
		default:
			return notTCP
		}
		if n > len(b) {
			return isDamaged
		}
		next, b, size = b[0], b[n:], size-n
	}
	return s.transport(b, size)
}

// transport reads TCP. size is how long it was on the wire.
func (s *tcpSegment) transport(b []byte, size int) verdict {
	if len(b) < 20 {
		return isDamaged
	}
	head := int(b[12]>>4) * 4
	if head < 20 || head > size {
		return isDamaged
	}
	copy(s.src[16:], b[0:2])
	copy(s.dst[16:], b[2:4])
	s.seq, s.ack = binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
	s.flags = b[13]
	s.data = b[min(head, len(b)):]
	s.lost = size - head - len(s.data)
	return isTCP
}
