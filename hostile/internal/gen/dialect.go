package gen

import (
	"bytes"
	"encoding/binary"

	"github.com/draftwire/draftwire/hostile"
)

// dialect is how a version speaks.
type dialect struct {
	name     string // as in Case.Version
	version  string // the value of Sec-WebSocket-Version; hybi-04 and later
	body     string // the eight bytes behind the head of hixie-76 and hybi-02
	origin   string // the field with the request's origin
	protocol string // the field with the subprotocols

	hixie      bool // frames of hixie-75 and hixie-76
	binary     bool // binary messages; so do fragments, pings and pongs come
	closeFrame bool // a closing handshake
	closeCode  bool // with a status code
	deflate    bool // compressed messages

	op      opcodes
	more    bool // the top bit of a frame says that more follows, not that this is all
	masking masking
}

// opcodes are the numbers of the kinds of frames.
type opcodes struct{ continuation, text, binary, close, ping, pong byte }

var (
	earlyOps = opcodes{continuation: 0x0, text: 0x4, binary: 0x5, close: 0x1, ping: 0x2, pong: 0x3} // until hybi-06
	laterOps = opcodes{continuation: 0x0, text: 0x1, binary: 0x2, close: 0x8, ping: 0x9, pong: 0xA}
)

// reserved returns the numbers that mean nothing, those of data first.
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
	maskNone    masking = iota
	maskHash            // hybi-04: a nonce comes first; its SHA-1 with the connection's key masks head and payload
	maskFrame           // hybi-05 and hybi-06: the mask comes first, head and payload are masked
	maskPayload         // hybi-07 and later: the mask ends the head, the payload is masked
)

// dialects are the nine versions, oldest first.
var dialects = []dialect{
	{name: "hixie-75", hixie: true, origin: "Origin", protocol: "WebSocket-Protocol"},
	{name: "hixie-76", hixie: true, body: "^n:ds[4U", origin: "Origin", protocol: "Sec-WebSocket-Protocol", closeFrame: true},
	{name: "hybi-02", body: "^n:ds[4U", origin: "Origin", protocol: "Sec-WebSocket-Protocol", binary: true, closeFrame: true,
		op: earlyOps, more: true},
	{name: "hybi-04", version: "4", origin: "Sec-WebSocket-Origin", protocol: "Sec-WebSocket-Protocol", binary: true, closeFrame: true,
		op: earlyOps, masking: maskHash},
	{name: "hybi-05", version: "5", origin: "Sec-WebSocket-Origin", protocol: "Sec-WebSocket-Protocol", binary: true, closeFrame: true,
		op: earlyOps, masking: maskFrame},
	{name: "hybi-06", version: "6", origin: "Sec-WebSocket-Origin", protocol: "Sec-WebSocket-Protocol", binary: true, closeFrame: true, closeCode: true,
		op: earlyOps, masking: maskFrame},
	{name: "hybi-07", version: "7", origin: "Sec-WebSocket-Origin", protocol: "Sec-WebSocket-Protocol", binary: true, closeFrame: true, closeCode: true,
		deflate: true, op: laterOps, masking: maskPayload},
	{name: "hybi-08", version: "8", origin: "Sec-WebSocket-Origin", protocol: "Sec-WebSocket-Protocol", binary: true, closeFrame: true, closeCode: true,
		deflate: true, op: laterOps, masking: maskPayload},
	{name: "rfc6455", version: "13", origin: "Origin", protocol: "Sec-WebSocket-Protocol", binary: true, closeFrame: true, closeCode: true,
		deflate: true, op: laterOps, masking: maskPayload},
}

// rfc is the last version, for what does not depend on one.
var rfc = dialects[len(dialects)-1]

// hidesHead: not even the head of a client's frame can be read without the mask.
func (d dialect) hidesHead() bool { return d.masking == maskHash || d.masking == maskFrame }

// sampleMask is the mask of the RFC's own examples.
var sampleMask = []byte{0x37, 0xFA, 0x21, 0x3D}

// frame is a frame of hybi-02 and later. Its zero value is a continuation that is the
// last of its message.
type frame struct {
	op      byte
	open    bool   // not the last of its message
	rsv     byte   // RSV1 is 4, RSV2 is 2, RSV3 is 1, and RSV4, until hybi-06, is 8
	payload []byte // once, or
	times   int64  // so many times over. With hybi-04's mask and above 4 KiB a binary frame has other bytes instead
	says    uint64 // the length that the head tells; 0 is the payload's
	width   int    // bits of the length: 7, 16 or 64; 0 is the least
	mask    []byte // of a client's frame; nil is sampleMask
	turned  bool   // a client does not mask it, or a server of hybi-07 or later does
}

// up returns the frames as a client sends them, and down as a server does.
func (d dialect) up(fs ...frame) []hostile.Part   { return d.frames(true, fs) }
func (d dialect) down(fs ...frame) []hostile.Part { return d.frames(false, fs) }

func (d dialect) frames(client bool, fs []frame) []hostile.Part {
	var out []hostile.Part
	for _, f := range fs {
		out = cat(out, d.frame(client, f))
	}
	return out
}

// mostHashed is how many bytes of a frame of hybi-04 are written out.
const mostHashed = 4 * kib

func (d dialect) frame(client bool, f frame) []hostile.Part {
	if d.hixie {
		panic("gen: " + d.name + " has no such frames")
	}
	n := int64(len(f.payload)) * max(f.times, 1)
	hides := client != f.turned && d.masking != maskNone && (client || d.masking == maskPayload)
	head := d.frameHead(f, n, hides)
	switch {
	case !hides:
		return cat(head, fill(nil, f.payload, f.times))
	case d.masking == maskHash && n <= mostHashed:
		whole := append(head, bytes.Repeat(f.payload, int(max(f.times, 1)))...)
		return []hostile.Part{{Hex: whole, Mask: true}}
	case d.masking == maskHash:
		return cat(hostile.Part{Hex: head, Mask: true}, hostile.Part{Hex: make([]byte, kib), Times: n / kib}, make([]byte, n%kib))
	}
	mask := f.mask
	if mask == nil {
		mask = sampleMask
	}
	if d.masking == maskPayload {
		return cat(head, mask, fill(mask, f.payload, f.times))
	}
	used := len(head) % len(mask)
	return cat(mask, masked(mask, head), fill(append(bytes.Clone(mask[used:]), mask[:used]...), f.payload, f.times))
}

// frameHead returns a frame's head in clear, without its mask.
func (d dialect) frameHead(f frame, n int64, hides bool) []byte {
	b0, b1 := f.rsv&7<<4|f.op&0xF, f.rsv>>3<<7
	if f.open == d.more {
		b0 |= 0x80
	}
	if hides && d.masking == maskPayload {
		b1 |= 0x80
	}
	length := f.says
	if length == 0 {
		length = uint64(n)
	}
	width := f.width
	switch {
	case width != 0:
	case length <= 125:
		width = 7
	case length <= 0xFFFF:
		width = 16
	}
	switch width {
	case 7:
		return []byte{b0, b1 | byte(length)}
	case 16:
		return binary.BigEndian.AppendUint16([]byte{b0, b1 | 126}, uint16(length))
	}
	return binary.BigEndian.AppendUint64([]byte{b0, b1 | 127}, length)
}

// fill returns a payload, so many times over, behind a mask of four bytes.
func fill(mask, payload []byte, n int64) []hostile.Part {
	n = max(n, 1)
	if int64(len(payload))*n <= 256 {
		return cat(masked(mask, bytes.Repeat(payload, int(n))))
	}
	unit := int64(1) // payloads, behind which the mask begins anew
	for mask != nil && unit*int64(len(payload))%int64(len(mask)) != 0 {
		unit++
	}
	for unit*int64(len(payload)) < 64 && n >= 4*unit { // so that a player need not copy bytes one by one
		unit *= 2
	}
	part := func(n int64) []byte { return masked(mask, bytes.Repeat(payload, int(n))) }
	if n < 2*unit {
		return cat(part(n))
	}
	return cat(hostile.Part{Hex: part(unit), Times: n / unit}, part(n%unit))
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

// Messages in any version.

// text returns a text message of a client, and textDown one of a server.
func (d dialect) text(s string) []hostile.Part {
	if d.hixie {
		return cat(hixieText(s))
	}
	return d.up(frame{op: d.op.text, payload: []byte(s)})
}

// long returns a message of a client of n times 128 bytes, and of any kind.
func (d dialect) long(n int64) []hostile.Part {
	if d.hixie {
		return cat([]byte{0x00}, over(n, strings128), []byte{0xFF})
	}
	return d.up(frame{op: d.op.binary, payload: make([]byte, 64), times: 2 * n, mask: make([]byte, 4)})
}

func (d dialect) textDown(s string) []hostile.Part {
	if d.hixie {
		return cat(hixieText(s))
	}
	return d.down(frame{op: d.op.text, payload: []byte(s)})
}

// bye returns a client's closing handshake, and byeDown a server's; hixie-75 has none.
// The code and the reason are told where the version has them.
func (d dialect) bye(code int, reason string) []hostile.Part     { return d.leave(true, code, reason) }
func (d dialect) byeDown(code int, reason string) []hostile.Part { return d.leave(false, code, reason) }

func (d dialect) leave(client bool, code int, reason string) []hostile.Part {
	switch {
	case !d.closeFrame:
		return nil
	case d.hixie:
		return cat([]byte{0xFF, 0x00})
	}
	return d.frame(client, frame{op: d.op.close, payload: d.closeBody(client, code, reason)})
}

// closeBody returns what a close frame has in it: hybi-05 says who sends it.
func (d dialect) closeBody(client bool, code int, reason string) []byte {
	switch {
	case d.closeCode:
		return append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...)
	case d.version == "5" && client:
		return []byte("C")
	case d.version == "5":
		return []byte("S")
	}
	return nil
}

// Frames of hixie-75 and hixie-76.

// hixieText returns a text frame: 00, the text, FF.
func hixieText(text string) []byte { return hixieMarked(0x00, text) }

// hixieMarked returns a frame that ends with FF.
func hixieMarked(typ byte, data string) []byte {
	return append(append([]byte{typ}, data...), 0xFF)
}

// hixieLength returns a frame's type and length, with more bytes of a length of zeros
// before it.
func hixieLength(typ byte, n uint64, zeros int) []byte {
	length := []byte{byte(n & 0x7F)}
	for n >>= 7; n > 0; n >>= 7 {
		length = append([]byte{0x80 | byte(n&0x7F)}, length...)
	}
	return append(append([]byte{typ}, bytes.Repeat([]byte{0x80}, zeros)...), length...)
}
