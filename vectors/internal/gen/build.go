// Package gen makes the vector files. It computes every byte by itself: of the
// module it uses package wire for the names of versions, faults and reasons,
// and nothing that reads or writes the protocol.
//
// There is one file of Go for each file of vectors, two for detect, and some
// with the rows that several versions have in common. dialect.go writes the
// frames of hybi-02 and later, deflate.go compressed data.
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
		file(wire.Hybi02.String(), hybi02()),
		file(wire.Hybi04.String(), hybi04()),
		file(wire.Hybi05.String(), hybi05()),
		file(wire.Hybi06.String(), hybi06()),
		file(wire.Hybi07.String(), hybi07()),
		file(wire.Hybi08.String(), hybi08()),
		file(wire.RFC6455.String(), rfc6455()),
		file("rfc7692", rfc7692()),
		file("deflate-frame", deflateFrame()),
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

// acceptFor returns the proof for a key of hybi-04 and later.
func acceptFor(key string) string {
	sum := sha1.Sum([]byte(key + guid))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// connectionKey returns what the frames of a hybi-04 connection are masked
// with, from the two values as they stand in the handshake (hybi-04 4.2).
func connectionKey(key, nonce string) []byte {
	sum := sha1.Sum([]byte(key + nonce + "61AC5F19-FBBA-4540-B96F-6561F1AB40A8"))
	return sum[:]
}

// challenge returns the sixteen bytes that answer two keys and eight bytes
// (hixie-76 5.2).
func challenge(key1, key2 string, key3 []byte) []byte { return proof(part(key1), part(key2), key3) }

func proof(part1, part2 uint32, key3 []byte) []byte {
	in := binary.BigEndian.AppendUint32(nil, part1)
	in = binary.BigEndian.AppendUint32(in, part2)
	sum := md5.Sum(append(in, key3...))
	return sum[:]
}

// part returns a key's digits as a number, divided by its count of spaces.
func part(key string) uint32 {
	n, spaces := hidden(key)
	if n%spaces != 0 {
		panic("gen: not a key: " + key)
	}
	return uint32(n / spaces)
}

// quotient is part of a key whose division leaves a remainder, which is dropped.
func quotient(key string) uint32 {
	n, spaces := hidden(key)
	return uint32(n / spaces)
}

func hidden(key string) (n, spaces uint64) {
	digits := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, key)
	n, err := strconv.ParseUint(digits, 10, 64)
	spaces = uint64(strings.Count(key, " "))
	if err != nil || spaces == 0 || n/spaces > 1<<32-1 {
		panic("gen: not a key: " + key)
	}
	return n, spaces
}
