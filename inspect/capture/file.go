package capture

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"time"
)

// ErrFormat says that the input is neither pcap nor pcapng.
var ErrFormat = errors.New("capture: neither pcap nor pcapng")

// maxPacket is how long a packet in a file may be, as in Wireshark. What claims more is damage.
const maxPacket = 256 << 10

// packet is a packet of a file.
type packet struct {
	at   time.Time
	link int
	data []byte // lent until the next one; may be shorter than the packet was
}

// packets reads a file packet by packet. At its end next returns io.EOF, and
// io.ErrUnexpectedEOF if that is inside a packet.
type packets interface {
	next() (packet, error)
	format() string
}

// Sniff reports whether a file that begins with these bytes is one that Read reads: pcap or
// pcapng, also compressed by gzip. Eight bytes are enough.
func Sniff(head []byte) bool {
	if len(head) < 8 {
		return false
	}
	_, _, ok := pcapMagic(head)
	return ok || binary.LittleEndian.Uint32(head) == blockSection || isGzip(head)
}

func isGzip(head []byte) bool { return bytes.HasPrefix(head, []byte{0x1f, 0x8b, 8}) }

// openFile finds out which format a file has. Key logs in it go to keys.
func openFile(r io.Reader, keys *KeyLog) (packets, error) {
	// The buffer has a whole packet with the head of its block, and more for long reads.
	buf := bufio.NewReaderSize(r, 2*maxPacket)
	head, _ := buf.Peek(8)
	if len(head) == 8 && isGzip(head) {
		z, err := gzip.NewReader(buf)
		if err != nil {
			return nil, fmt.Errorf("capture: %w", err)
		}
		buf = bufio.NewReaderSize(z, 2*maxPacket)
		head, _ = buf.Peek(8)
	}
	if len(head) < 8 {
		if _, err := buf.Peek(8); err != nil && err != io.EOF {
			return nil, fmt.Errorf("capture: %w", err)
		}
		return nil, ErrFormat
	}
	if order, nano, ok := pcapMagic(head); ok {
		return newPcap(buf, order, nano)
	}
	if binary.LittleEndian.Uint32(head) == blockSection { // it reads the same in both orders
		return &pcapng{r: buf, keys: keys, order: binary.LittleEndian}, nil
	}
	return nil, ErrFormat
}

// pcapMagic reads the first four bytes of pcap.
func pcapMagic(head []byte) (order binary.ByteOrder, nano, ok bool) {
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		switch order.Uint32(head) {
		case 0xa1b2c3d4:
			return order, false, true
		case 0xa1b23c4d:
			return order, true, true
		}
	}
	return nil, false, false
}

// pcap is the classic format: a head of 24 bytes, and 16 before each packet.
type pcap struct {
	r     *bufio.Reader
	order binary.ByteOrder
	unit  int64 // nanoseconds
	link  int
	skip  int // of the packet that was lent
	n     int64
}

func newPcap(r *bufio.Reader, order binary.ByteOrder, nano bool) (*pcap, error) {
	p := &pcap{r: r, order: order, unit: 1000}
	if nano {
		p.unit = 1
	}
	head, err := r.Peek(24)
	if err != nil {
		return nil, fmt.Errorf("capture: the head of pcap: %w", unexpected(err))
	}
	p.link = int(order.Uint32(head[20:]) & 0x0fffffff) // above are the flags of a checksum
	r.Discard(24)
	return p, nil
}

func (p *pcap) format() string { return "pcap" }

func (p *pcap) next() (packet, error) {
	p.r.Discard(p.skip)
	p.skip = 0
	p.n++
	head, err := p.r.Peek(16)
	if err != nil {
		return packet{}, endOf(head, err)
	}
	seconds, fraction := p.order.Uint32(head), p.order.Uint32(head[4:])
	size := p.order.Uint32(head[8:])
	if size > maxPacket {
		return packet{}, fmt.Errorf("capture: damaged: packet %d claims %d bytes", p.n, size)
	}
	all, err := p.r.Peek(16 + int(size))
	if err != nil {
		return packet{}, unexpected(err)
	}
	p.skip = len(all)
	return packet{time.Unix(int64(seconds), int64(fraction)*p.unit).UTC(), p.link, all[16:]}, nil
}

// endOf returns what an error at the border of packets means.
func endOf(got []byte, err error) error {
	if err == io.EOF && len(got) > 0 {
		return io.ErrUnexpectedEOF
	}
	return err
}

// unexpected returns what an error inside a packet means.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Types of blocks of pcapng.
const (
	blockSection   = 0x0a0d0d0a
	blockInterface = 1
	blockOldPacket = 2
	blockSimple    = 3
	blockPacket    = 6
	blockSecrets   = 10
)

// maxInterfaces is how many interfaces a section may have.
const maxInterfaces = 4096

// secretsTLS is the type of secrets that are a key log.
const secretsTLS = 0x544c534b

// netInterface is what a block of pcapng says of an interface.
type netInterface struct {
	link   int
	snap   uint32
	binary bool  // the unit of time is a power of 2, not of 10
	power  uint8 // and this is the power, of 1/base
	offset int64 // seconds to add
}

// pcapng is the format of Wireshark: blocks, in sections that may have different byte orders.
type pcapng struct {
	r     *bufio.Reader
	keys  *KeyLog
	order binary.ByteOrder
	faces []netInterface
	skip  int64 // of the current block
	n     int64
}

func (p *pcapng) format() string { return "pcapng" }

func (p *pcapng) next() (packet, error) {
	for {
		if err := p.pass(); err != nil {
			return packet{}, err
		}
		pk, found, err := p.block()
		if err != nil || found {
			return pk, err
		}
	}
}

// pass goes to the end of the current block.
func (p *pcapng) pass() error {
	for p.skip > 0 {
		n, err := p.r.Discard(int(min(p.skip, 1<<20)))
		p.skip -= int64(n)
		if err != nil {
			return unexpected(err)
		}
	}
	return nil
}

// block reads one block, as far as that is of use.
func (p *pcapng) block() (pk packet, found bool, err error) {
	head, err := p.r.Peek(12)
	if err != nil {
		return packet{}, false, endOf(head, err)
	}
	p.n++
	kind := p.order.Uint32(head)
	if kind == blockSection {
		if err := p.section(head[8:]); err != nil {
			return packet{}, false, err
		}
	}
	size := p.order.Uint32(head[4:])
	if size < 12 || size%4 != 0 {
		return packet{}, false, fmt.Errorf("capture: damaged: block %d claims %d bytes", p.n, size)
	}
	p.skip = int64(size)
	switch kind {
	case blockInterface:
		return packet{}, false, p.netInterface(size)
	case blockPacket, blockOldPacket, blockSimple:
		pk, err = p.packet(kind, size)
		return pk, err == nil, err
	case blockSecrets:
		return packet{}, false, p.secrets(size)
	}
	return packet{}, false, nil
}

// section begins a section, whose interfaces are its own.
func (p *pcapng) section(magic []byte) error {
	switch {
	case binary.LittleEndian.Uint32(magic) == 0x1a2b3c4d:
		p.order = binary.LittleEndian
	case binary.BigEndian.Uint32(magic) == 0x1a2b3c4d:
		p.order = binary.BigEndian
	default:
		return fmt.Errorf("capture: damaged: block %d begins a section without its byte order", p.n)
	}
	p.faces = p.faces[:0]
	return nil
}

// body returns the first bytes of a block behind its type and length: at most n.
func (p *pcapng) body(size uint32, n int) ([]byte, error) {
	n = min(n, int(size)-12)
	all, err := p.r.Peek(8 + n)
	if err != nil {
		return nil, unexpected(err)
	}
	return all[8:], nil
}

func (p *pcapng) netInterface(size uint32) error {
	if len(p.faces) >= maxInterfaces {
		return fmt.Errorf("capture: more than %d interfaces", maxInterfaces)
	}
	// Options beyond this are comments.
	b, err := p.body(size, maxPacket)
	if err != nil {
		return err
	}
	if len(b) < 8 {
		return fmt.Errorf("capture: damaged: block %d is too short for an interface", p.n)
	}
	face := netInterface{link: int(p.order.Uint16(b)), snap: p.order.Uint32(b[4:]), power: 6}
	for b = b[8:]; len(b) >= 4; {
		code, n := p.order.Uint16(b), int(p.order.Uint16(b[2:]))
		padded := (n + 3) &^ 3
		if code == 0 || padded > len(b)-4 {
			break
		}
		value := b[4 : 4+n]
		switch {
		case code == 9 && n == 1: // if_tsresol
			face.binary, face.power = value[0]&0x80 != 0, value[0]&0x7f
		case code == 14 && n == 8: // if_tsoffset
			face.offset = int64(p.order.Uint64(value))
		}
		b = b[4+padded:]
	}
	p.faces = append(p.faces, face)
	return nil
}

// packet reads a packet of the three kinds of blocks that have one.
func (p *pcapng) packet(kind, size uint32) (packet, error) {
	fixed := 20
	if kind == blockSimple {
		fixed = 4
	}
	b, err := p.body(size, fixed)
	if err != nil {
		return packet{}, err
	}
	if len(b) < fixed {
		return packet{}, fmt.Errorf("capture: damaged: block %d is too short for a packet", p.n)
	}
	var face, length uint32
	var stamp uint64
	switch kind {
	case blockSimple:
		length = p.order.Uint32(b)
		if len(p.faces) > 0 && p.faces[0].snap > 0 {
			length = min(length, p.faces[0].snap)
		}
		length = min(length, size-16)
	case blockOldPacket:
		face = uint32(p.order.Uint16(b))
	default:
		face = p.order.Uint32(b)
	}
	if kind != blockSimple {
		stamp = uint64(p.order.Uint32(b[4:]))<<32 | uint64(p.order.Uint32(b[8:]))
		length = p.order.Uint32(b[12:])
	}
	switch {
	case int64(face) >= int64(len(p.faces)):
		return packet{}, fmt.Errorf("capture: damaged: block %d is of interface %d, of which nothing was said", p.n, face)
	case length > maxPacket || int64(length) > int64(size)-12-int64(fixed):
		return packet{}, fmt.Errorf("capture: damaged: the packet of block %d claims %d bytes", p.n, length)
	}
	all, err := p.body(size, fixed+int(length))
	if err != nil {
		return packet{}, err
	}
	f := &p.faces[face]
	pk := packet{link: f.link, data: all[fixed:]}
	if kind != blockSimple {
		pk.at = f.time(stamp)
	}
	return pk, nil
}

// time returns the time of a stamp; the zero time if no calendar has it.
func (f *netInterface) time(stamp uint64) time.Time {
	var seconds, nanos uint64
	switch {
	case f.binary && f.power < 64:
		seconds = stamp >> f.power
		hi, lo := bits.Mul64(stamp&(1<<f.power-1), 1e9)
		nanos = lo >> f.power
		if f.power > 0 {
			nanos |= hi << (64 - f.power)
		}
	case !f.binary && f.power <= 19:
		unit := pow10(f.power)
		seconds, nanos = stamp/unit, stamp%unit
		if f.power <= 9 {
			nanos *= pow10(9 - f.power)
		} else {
			nanos /= pow10(f.power - 9)
		}
	default:
		return time.Time{}
	}
	const last = 253402300799 // of the year 9999
	if seconds > last || f.offset > last || f.offset < -last || int64(seconds)+f.offset > last || int64(seconds)+f.offset < 0 {
		return time.Time{}
	}
	return time.Unix(int64(seconds)+f.offset, int64(nanos)).UTC()
}

func pow10(n uint8) uint64 {
	p := uint64(1)
	for range n {
		p *= 10
	}
	return p
}

// secrets adds the key log of a block.
func (p *pcapng) secrets(size uint32) error {
	b, err := p.body(size, 8)
	if err != nil {
		return err
	}
	if len(b) < 8 {
		return fmt.Errorf("capture: damaged: block %d is too short for secrets", p.n)
	}
	kind, length := p.order.Uint32(b), int64(p.order.Uint32(b[4:]))
	if kind != secretsTLS || length > int64(size)-20 {
		return nil
	}
	p.r.Discard(16)
	p.skip -= 16
	log := &io.LimitedReader{R: p.r, N: length}
	_, err = p.keys.Add(log)
	p.skip -= length - log.N
	return err
}
