package gen

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
)

// dialect is how a version from hybi-02 on writes frames.
type dialect struct {
	op         opcodes
	more       bool // the top bit says that more follows, not that this is all
	masking    masking
	connection []byte // the connection's key, with maskHash
}

// opcodes are the numbers of the kinds of frames.
type opcodes struct{ continuation, text, binary, close, ping, pong byte }

var (
	earlyOps = opcodes{continuation: 0x0, text: 0x4, binary: 0x5, close: 0x1, ping: 0x2, pong: 0x3} // until hybi-06
	laterOps = opcodes{continuation: 0x0, text: 0x1, binary: 0x2, close: 0x8, ping: 0x9, pong: 0xA}
)

// reserved returns the numbers that mean nothing.
func (o opcodes) reserved() []byte {
	var out []byte
	for c := range byte(16) {
		switch c {
		case o.continuation, o.text, o.binary, o.close, o.ping, o.pong:
		default:
			out = append(out, c)
		}
	}
	return out
}

// masking is how a client hides what it sends.
type masking int

const (
	maskPayload masking = iota // the mask ends the head, the payload is masked
	maskFrame                  // the mask comes first, head and payload are masked
	maskHash                   // a nonce comes first; SHA-1 of it and the connection's key masks head and payload
	maskNone
)

// sampleMask is the mask of the RFC's own examples, and otherMask another one.
var (
	sampleMask = []byte{0x37, 0xFA, 0x21, 0x3D}
	otherMask  = []byte{0x01, 0x02, 0x03, 0x04}
)

// clientMask is the mask, or nonce, of a client's frames.
func (d dialect) clientMask() []byte {
	switch d.masking {
	case maskNone:
		return nil
	case maskHash:
		return []byte("ABCD")
	}
	return sampleMask
}

// hidden: not even the head can be read without the mask.
func (d dialect) hidden() bool { return d.masking == maskFrame || d.masking == maskHash }

// fourBits: the second byte has a fourth reserved bit where hybi-07 put the
// one that says mask.
func (d dialect) fourBits() bool { return d.masking != maskPayload }

// frame returns one frame. rsv is the reserved bits as a number: RSV1 is 4,
// RSV2 is 2, RSV3 is 1, and RSV4 is 8. A nil mask leaves the frame unmasked.
func (d dialect) frame(fin bool, rsv, opcode byte, mask, payload []byte) []byte {
	width := shortest(len(payload))
	return cat(d.head(fin, rsv, opcode, mask, uint64(len(payload)), width), masked(d.cover(mask, width), payload))
}

// head returns a frame's head, with what comes before it. width is the number
// of bytes of the extended length: 0, 2 or 8.
func (d dialect) head(fin bool, rsv, opcode byte, mask []byte, length uint64, width int) []byte {
	b0, b1 := rsv&7<<4|opcode, rsv>>3<<7
	if fin != d.more {
		b0 |= 0x80
	}
	if mask != nil && d.masking == maskPayload {
		b1 |= 0x80
	}
	var h []byte
	switch width {
	case 0:
		h = []byte{b0, b1 | byte(length)}
	case 2:
		h = binary.BigEndian.AppendUint16([]byte{b0, b1 | 126}, uint16(length))
	default:
		h = binary.BigEndian.AppendUint64([]byte{b0, b1 | 127}, length)
	}
	if d.hidden() {
		return cat(mask, masked(d.period(mask), h))
	}
	return append(h, mask...)
}

// period returns the bytes that mask a frame, over and over.
func (d dialect) period(mask []byte) []byte {
	if d.masking == maskHash && mask != nil {
		sum := sha1.Sum(cat(mask, d.connection))
		return sum[:]
	}
	return mask
}

// cover returns the period as the payload meets it: a head that is masked has
// used some of it.
func (d dialect) cover(mask []byte, width int) []byte {
	p := d.period(mask)
	if p == nil || !d.hidden() {
		return p
	}
	used := (2 + width) % len(p)
	return cat(p[used:], p[:used])
}

// shortest returns the width of the shortest length field.
func shortest(length int) int {
	switch {
	case length <= 125:
		return 0
	case length <= 0xFFFF:
		return 2
	}
	return 8
}

// masked returns a masked copy of the payload.
func masked(mask, payload []byte) []byte {
	out := bytes.Clone(payload)
	for i := range out {
		if mask != nil {
			out[i] ^= mask[i%len(mask)]
		}
	}
	return out
}

// closeBody returns the body of a close frame that has a code.
func closeBody(code int, reason string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...)
}
