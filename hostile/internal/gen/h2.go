package gen

import (
	"encoding/binary"

	"github.com/draftwire/draftwire/hostile"
)

// h2Preface is how a client of HTTP/2 begins (RFC 9113 3.4).
const h2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// The types of frames of HTTP/2 (RFC 9113 6).
const (
	h2Data = iota
	h2Headers
	h2Priority
	h2Reset
	h2SettingsType
	h2Push
	h2Ping
	h2GoAway
	h2Window
	h2Continuation
)

// The flags of frames of HTTP/2.
const (
	h2EndStream  = 0x1
	h2Ack        = 0x1
	h2EndHeaders = 0x4
	h2Padded     = 0x8
	h2HasWeight  = 0x20
)

// h2Frame returns a frame of HTTP/2.
func h2Frame(typ, flags byte, stream uint32, payload []byte) []byte {
	return append(h2Head(len(payload), typ, flags, stream), payload...)
}

// h2Head returns a frame's head, which says a length.
func h2Head(n int, typ, flags byte, stream uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{byte(n >> 16), byte(n >> 8), byte(n), typ, flags}, stream)
}

// h2Settings returns a SETTINGS frame of pairs of a number and a value.
func h2Settings(pairs ...uint32) []byte {
	var p []byte
	for i := 0; i+1 < len(pairs); i += 2 {
		p = binary.BigEndian.AppendUint16(p, uint16(pairs[i]))
		p = binary.BigEndian.AppendUint32(p, pairs[i+1])
	}
	return h2Frame(h2SettingsType, 0, 0, p)
}

// h2Fields returns a field block: each field is a literal that is never indexed, without
// Huffman's code (RFC 7541 6.2.3).
func h2Fields(pairs ...string) []byte {
	var b []byte
	for i := 0; i+1 < len(pairs); i += 2 {
		b = append(b, 0x10)
		b = h2String(h2String(b, pairs[i]), pairs[i+1])
	}
	return b
}

// h2String appends a string literal (RFC 7541 5.2).
func h2String(b []byte, s string) []byte {
	return append(h2Int(b, 0, 7, uint64(len(s))), s...)
}

// h2Int appends an integer with a prefix of n bits (RFC 7541 5.1).
func h2Int(b []byte, first byte, n int, v uint64) []byte {
	limit := uint64(1)<<n - 1
	if v < limit {
		return append(b, first|byte(v))
	}
	b = append(b, first|byte(limit))
	for v -= limit; v >= 0x80; v >>= 7 {
		b = append(b, 0x80|byte(v))
	}
	return append(b, byte(v))
}

// h2Get returns a HEADERS frame that asks for a page, and h2Post one that begins a POST
// of a page. The fields that HPACK's own table has are told by their numbers (RFC 7541 A).
func h2Get(stream uint32, path string) []byte {
	return h2Frame(h2Headers, h2EndStream|h2EndHeaders, stream, h2Page(0x82, path))
}

func h2Post(stream uint32) []byte {
	return h2Frame(h2Headers, h2EndHeaders, stream, h2Page(0x83, "/"))
}

// h2Page is the block of a request: method, https, localhost and a path.
func h2Page(method byte, path string) []byte {
	b := h2String([]byte{method, 0x87, 0x01}, "localhost")
	if path == "/" {
		return append(b, 0x84)
	}
	return h2String(append(b, 0x04), path)
}

// h2Long is a frame of HTTP/2 whose payload is some bytes and then others, so many times
// over.
func h2Long(typ, flags byte, stream uint32, before []byte, n int, again []byte) []hostile.Part {
	return cat(h2Head(len(before)+n*len(again), typ, flags, stream), before, over(int64(n), again))
}
