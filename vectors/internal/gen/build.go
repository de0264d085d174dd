// Package gen makes the vector files. It computes every byte by itself: of the
// module it uses package wire for the names of versions, faults and reasons,
// and nothing that reads or writes the protocol.
//
// There is one file of Go for each file of vectors, two for detect, and some
// with the rows that several versions have in common.
package gen

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/draftwire/draftwire/vectors"
	"github.com/draftwire/draftwire/wire"
)

// Files returns every file, in the order of vectors.Names.
func Files() []vectors.File {
	return []vectors.File{
		file(wire.Hixie75.String(), hixie75()),
		file(wire.Hixie76.String(), hixie76()),
		file(wire.Hybi07.String(), hybi07()),
		file(wire.Hybi08.String(), hybi08()),
		file(wire.RFC6455.String(), rfc6455()),
		file("detect", detect()),
	}
}

func file(version string, vs []vectors.Vector) vectors.File {
	return vectors.File{Format: vectors.Format, License: "0BSD", Version: version, Vectors: vs}
}

// Encode returns the file's text: two spaces of indent, a newline at the end.
func Encode(f vectors.File) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(f)
	return b.Bytes(), err
}

// cat joins pieces of input.
func cat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// lots returns n bytes 'a'.
func lots(n int) []byte { return bytes.Repeat([]byte{'a'}, n) }

// Frames of hybi-07 and later.

// The opcodes.
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xA
)

// sampleMask is the mask of the RFC's own examples.
var sampleMask = []byte{0x37, 0xFA, 0x21, 0x3D}

// frame returns one frame. rsv is the three bits as a number, RSV1 is 4. A nil
// mask leaves the frame unmasked.
func frame(fin bool, rsv, opcode byte, mask, payload []byte) []byte {
	return cat(head(fin, rsv, opcode, mask, len(payload), shortest(len(payload))), masked(mask, payload))
}

// head returns a frame's head. width is the number of bytes of the extended
// length: 0, 2 or 8.
func head(fin bool, rsv, opcode byte, mask []byte, length, width int) []byte {
	b0, b1 := rsv<<4|opcode, byte(0)
	if fin {
		b0 |= 0x80
	}
	if mask != nil {
		b1 = 0x80
	}
	var h []byte
	switch width {
	case 0:
		h = []byte{b0, b1 | byte(length)}
	case 2:
		h = binary.BigEndian.AppendUint16([]byte{b0, b1 | 126}, uint16(length))
	default:
		h = binary.BigEndian.AppendUint64([]byte{b0, b1 | 127}, uint64(length))
	}
	return append(h, mask...)
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
			out[i] ^= mask[i%4]
		}
	}
	return out
}

// closeBody returns the body of a close frame.
func closeBody(code int, reason string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...)
}

// Frames of hixie-75 and hixie-76.

// hixieText returns a text frame: 00, the text, FF.
func hixieText(text string) []byte { return hixieMarked(0x00, text) }

// hixieMarked returns a frame that ends with FF.
func hixieMarked(typ byte, data string) []byte {
	return cat([]byte{typ}, []byte(data), []byte{0xFF})
}

// hixieLength returns a frame with a length in front of its payload.
func hixieLength(typ byte, payload []byte) []byte {
	return cat([]byte{typ}, base128(len(payload)), payload)
}

// base128 returns n in groups of seven bits, highest first; all bytes but the
// last have the top bit.
func base128(n int) []byte {
	out := []byte{byte(n & 0x7F)}
	for n >>= 7; n > 0; n >>= 7 {
		out = append([]byte{0x80 | byte(n&0x7F)}, out...)
	}
	return out
}

// Heads and proofs.

// message returns a request or response head from its lines.
func message(lines ...string) string { return strings.Join(lines, "\r\n") + "\r\n\r\n" }

// with returns lines and more, without touching lines.
func with(lines []string, more ...string) []string {
	return append(append([]string(nil), lines...), more...)
}

// guid is what a key is hashed with (RFC 6455 1.3).
const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// acceptFor returns the proof for a key of hybi-07 and later.
func acceptFor(key string) string {
	sum := sha1.Sum([]byte(key + guid))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// challenge returns the sixteen bytes that answer two keys and eight bytes
// (hixie-76 5.2).
func challenge(key1, key2 string, key3 []byte) []byte {
	in := binary.BigEndian.AppendUint32(nil, part(key1))
	in = binary.BigEndian.AppendUint32(in, part(key2))
	sum := md5.Sum(append(in, key3...))
	return sum[:]
}

// part returns a key's digits as a number, divided by its count of spaces.
func part(key string) uint32 {
	digits := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, key)
	n, err := strconv.ParseUint(digits, 10, 64)
	spaces := uint64(strings.Count(key, " "))
	if err != nil || spaces == 0 || n%spaces != 0 || n/spaces > 1<<32-1 {
		panic("gen: not a key: " + key)
	}
	return uint32(n / spaces)
}
