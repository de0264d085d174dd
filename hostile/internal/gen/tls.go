package gen

import (
	"encoding/binary"
)

// hello is what stands in the first record of TLS. Zero fields are what a client sends.
type hello struct {
	record    uint16 // version of the record
	version   uint16 // of the message
	session   int    // bytes of the session's ID
	suites    []byte
	methods   []byte // compression
	name      string // of the server; "" is localhost
	protocols []string
	more      []byte // extensions as they are sent
	only12    bool   // no extension of TLS 1.3
}

// clientHello returns a record with a client's first message (RFC 8446 4.1.2), which a
// server of TLS 1.2 or 1.3 answers. Its key share is a point of X25519 that is as good as
// any other.
func clientHello(h hello) []byte {
	body := binary.BigEndian.AppendUint16(nil, or(h.version, 0x0303))
	body = append(body, noise(1, 32)...)
	body = append(body, vector(1, noise(2, h.session))...)
	if h.suites == nil {
		h.suites = []byte{0x13, 0x01, 0xC0, 0x2B, 0xC0, 0x2F, 0x00, 0x2F}
	}
	body = append(body, vector(2, h.suites)...)
	if h.methods == nil {
		h.methods = []byte{0}
	}
	body = append(body, vector(1, h.methods)...)
	body = append(body, vector(2, h.extensions())...)
	return tlsRecord(0x16, or(h.record, 0x0301), handshake(1, body))
}

func or(v, other uint16) uint16 {
	if v == 0 {
		return other
	}
	return v
}

func (h hello) extensions() []byte {
	if h.name == "" {
		h.name = "localhost"
	}
	e := extension(0, vector(2, append([]byte{0}, vector(2, []byte(h.name))...)))
	e = append(e, extension(10, vector(2, []byte{0x00, 0x1D, 0x00, 0x17}))...)
	e = append(e, extension(11, vector(1, []byte{0}))...)
	e = append(e, extension(13, vector(2, []byte{0x04, 0x03, 0x08, 0x04, 0x04, 0x01}))...)
	if h.protocols != nil {
		var names []byte
		for _, p := range h.protocols {
			names = append(names, vector(1, []byte(p))...)
		}
		e = append(e, extension(16, vector(2, names))...)
	}
	if !h.only12 {
		e = append(e, extension(43, vector(1, []byte{0x03, 0x04, 0x03, 0x03}))...)
		e = append(e, extension(51, vector(2, append([]byte{0x00, 0x1D}, vector(2, append([]byte{9}, make([]byte, 31)...))...)))...)
	}
	return append(e, h.more...)
}

func extension(typ uint16, body []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, typ), vector(2, body)...)
}

// vector returns bytes with their length in n bytes before them.
func vector(n int, body []byte) []byte {
	var out []byte
	for i := n - 1; i >= 0; i-- {
		out = append(out, byte(len(body)>>(8*i)))
	}
	return append(out, body...)
}

// handshake returns a message of the handshake, and tlsRecord a record.
func handshake(typ byte, body []byte) []byte { return append([]byte{typ}, vector(3, body)...) }

func tlsRecord(typ byte, version uint16, body []byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{typ}, version), vector(2, body)...)
}
