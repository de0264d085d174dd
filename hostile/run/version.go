package main

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// dialect is what the player has to know of a version: enough to shake hands, to say
// a few honest words, and to find a close code in what the target sends.
type dialect struct {
	name    string
	number  string // of Sec-WebSocket-Version; empty before hybi-04
	origin  string // the request's field for the origin
	digest  bool   // two keys and eight bytes, answered with sixteen
	nonce   bool   // the answer has a nonce
	hixie   bool   // frames of hixie-75 and hixie-76
	more    bool   // the top bit of a frame means that more follows
	codes   bool   // close frames have codes
	masking masking
	ops     opcodes
}

// masking is how a client of a version hides its frames.
type masking int

const (
	maskNone    masking = iota
	maskHash            // hybi-04: by a hash of the connection's key and a nonce, the head too
	maskFrame           // hybi-05, hybi-06: by four bytes that come first, the head too
	maskPayload         // hybi-07 and later
)

type opcodes struct{ text, close, ping, pong byte }

var (
	earlyOps = opcodes{text: 4, close: 1, ping: 2, pong: 3} // until hybi-06
	laterOps = opcodes{text: 1, close: 8, ping: 9, pong: 10}
)

var dialects = []*dialect{
	{name: "hixie-75", origin: "Origin", hixie: true},
	{name: "hixie-76", origin: "Origin", hixie: true, digest: true},
	{name: "hybi-02", origin: "Origin", digest: true, more: true, ops: earlyOps},
	{name: "hybi-04", number: "4", origin: "Sec-WebSocket-Origin", nonce: true, masking: maskHash, ops: earlyOps},
	{name: "hybi-05", number: "5", origin: "Sec-WebSocket-Origin", nonce: true, masking: maskFrame, ops: earlyOps},
	{name: "hybi-06", number: "6", origin: "Sec-WebSocket-Origin", codes: true, masking: maskFrame, ops: earlyOps},
	{name: "hybi-07", number: "7", origin: "Sec-WebSocket-Origin", codes: true, masking: maskPayload, ops: laterOps},
	{name: "hybi-08", number: "8", origin: "Sec-WebSocket-Origin", codes: true, masking: maskPayload, ops: laterOps},
	{name: "rfc6455", number: "13", origin: "Origin", codes: true, masking: maskPayload, ops: laterOps},
}

// dialectOf returns the version of that name; without a name it is RFC 6455.
func dialectOf(name string) *dialect {
	for _, d := range dialects {
		if d.name == name {
			return d
		}
	}
	return dialects[len(dialects)-1]
}

func isVersion(name string) bool { return dialectOf(name).name == name }

// What the player sends as a client and as a server is the same each time, so that a
// case is too. The keys of hixie-76 are those of its own example.
const (
	sampleKey    = "dGhlIHNhbXBsZSBub25jZQ=="
	sampleNonce  = "AQIDBAUGBwgJCgsMDQ4PEA=="
	sampleKey1   = "4 @1  46546xW%0l 1 5"
	sampleKey2   = "12998 5 Y3 1  .P00"
	sampleKey3   = "^n:ds[4U"
	acceptSuffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
	maskSuffix   = "61AC5F19-FBBA-4540-B96F-6561F1AB40A8"
)

// request is the opening handshake of a client. Fields are more lines, each with CR LF.
func (d *dialect) request(host, target string, fields []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "GET %s HTTP/1.1\r\n", target)
	if d.number == "" {
		fmt.Fprintf(&b, "Upgrade: WebSocket\r\nConnection: Upgrade\r\nHost: %s\r\n%s: http://%s\r\n", host, d.origin, host)
	} else {
		fmt.Fprintf(&b, "Host: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: %s\r\n%s: http://%s\r\nSec-WebSocket-Version: %s\r\n",
			host, sampleKey, d.origin, host, d.number)
	}
	if d.digest {
		fmt.Fprintf(&b, "Sec-WebSocket-Key1: %s\r\nSec-WebSocket-Key2: %s\r\n", sampleKey1, sampleKey2)
	}
	if d.name == "hybi-02" {
		b.WriteString("Sec-WebSocket-Draft: 2\r\n")
	}
	b.Write(fields)
	b.WriteString("\r\n")
	if d.digest {
		b.WriteString(sampleKey3)
	}
	return b.Bytes()
}

// proofOf checks a server's answer to request: whether its proof, in the head or
// behind it, is the one of the keys above.
func (d *dialect) proofOf(head []byte, behind string) bool {
	switch {
	case d.digest:
		want, err := challenge(sampleKey1, sampleKey2, sampleKey3)
		return err == nil && behind == want
	case d.number != "":
		return fieldOf(head, "Sec-WebSocket-Accept") == accept(sampleKey)
	}
	return true
}

// answer is the head with which a server opens. For hixie-76 and hybi-02 the digest
// comes behind it, when the client's eight bytes are there.
func (d *dialect) answer(v *values, fields []byte) []byte {
	var b bytes.Buffer
	switch {
	case d.number != "":
		fmt.Fprintf(&b, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n", v.accept)
		if d.nonce {
			fmt.Fprintf(&b, "Sec-WebSocket-Nonce: %s\r\n", sampleNonce)
		}
	case d.digest:
		fmt.Fprintf(&b, "HTTP/1.1 101 WebSocket Protocol Handshake\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nSec-WebSocket-Origin: %s\r\nSec-WebSocket-Location: %s\r\n",
			v.origin, v.location)
	default:
		fmt.Fprintf(&b, "HTTP/1.1 101 Web Socket Protocol Handshake\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nWebSocket-Origin: %s\r\nWebSocket-Location: %s\r\n",
			v.origin, v.location)
	}
	b.Write(fields)
	b.WriteString("\r\n")
	return b.Bytes()
}

// dialectOfRequest tells which version a request speaks.
func dialectOfRequest(head []byte) *dialect {
	if n := fieldOf(head, "Sec-WebSocket-Version"); n != "" {
		for _, d := range dialects {
			if d.number == n {
				return d
			}
		}
	}
	switch {
	case fieldOf(head, "Sec-WebSocket-Key1") == "":
		return dialectOf("hixie-75")
	case fieldOf(head, "Sec-WebSocket-Draft") != "":
		return dialectOf("hybi-02")
	}
	return dialectOf("hixie-76")
}

// accept is the proof of hybi-04 and later.
func accept(key string) string {
	sum := sha1.Sum([]byte(key + acceptSuffix))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// challenge is the proof of hixie-76 and hybi-02: sixteen bytes.
func challenge(key1, key2, key3 string) (string, error) {
	b := make([]byte, 0, 16)
	for _, k := range []string{key1, key2} {
		n, spaces := uint64(0), uint64(0)
		for _, c := range []byte(k) {
			switch {
			case c >= '0' && c <= '9':
				n = n*10 + uint64(c-'0')
			case c == ' ':
				spaces++
			}
		}
		if spaces == 0 {
			return "", fmt.Errorf("the key %q has no space", k)
		}
		b = binary.BigEndian.AppendUint32(b, uint32(n/spaces))
	}
	sum := md5.Sum(append(b, key3...))
	return string(sum[:]), nil
}

// hashMask returns what masks a frame of hybi-04: the SHA-1 of the frame's nonce and
// the connection's key, which is a SHA-1 itself (hybi-04 4.2).
func hashMask(key, nonce string, frameNonce []byte) [20]byte {
	connection := sha1.Sum([]byte(key + nonce + maskSuffix))
	return sha1.Sum(append(bytes.Clone(frameNonce), connection[:]...))
}

// clientFrame is a final frame as a client sends it.
func (d *dialect) clientFrame(op byte, payload []byte, key, nonce string) []byte {
	head := []byte{op | 0x80, byte(len(payload))}
	if d.more {
		head[0] = op
	}
	if len(payload) > 125 {
		head = binary.BigEndian.AppendUint16([]byte{head[0], 126}, uint16(len(payload)))
	}
	var mask []byte
	switch d.masking {
	case maskHash:
		mask = []byte{0, 0, 0, 1}
		sum := hashMask(key, nonce, mask)
		return append(mask, xored(append(head, payload...), sum[:])...)
	case maskFrame:
		mask = []byte{0x37, 0xFA, 0x21, 0x3D}
		return append(bytes.Clone(mask), xored(append(head, payload...), mask)...)
	case maskPayload:
		mask = []byte{0x37, 0xFA, 0x21, 0x3D}
		head[1] |= 0x80
		return append(append(head, mask...), xored(payload, mask)...)
	}
	return append(head, payload...)
}

// clientText is a text message of a client, of at most 65,535 bytes.
func (d *dialect) clientText(text, nonce string) []byte {
	if d.hixie {
		return []byte("\x00" + text + "\xff")
	}
	return d.clientFrame(d.ops.text, []byte(text), sampleKey, nonce)
}

// xored returns p under a mask that begins anew behind its end.
func xored(p, mask []byte) []byte {
	out := bytes.Clone(p)
	for i := range out {
		out[i] ^= mask[i%len(mask)]
	}
	return out
}

// fieldOf returns the first value of a field of a head, or nothing.
func fieldOf(head []byte, name string) string {
	if all := fieldsOf(head, name); len(all) > 0 {
		return all[0]
	}
	return ""
}

// fieldsOf returns the values of the fields of a name.
func fieldsOf(head []byte, name string) (values []string) {
	lines := strings.Split(string(head), "\r\n")
	for _, line := range lines[1:] {
		n, v, ok := strings.Cut(line, ":")
		if ok && strings.EqualFold(n, name) {
			values = append(values, strings.Trim(v, " \t"))
		}
	}
	return values
}

// asksFor tells whether the fields of an upgrade are there: one Upgrade, which is
// websocket, and a Connection that names it.
func asksFor(head []byte) bool {
	upgrade := fieldsOf(head, "Upgrade")
	return len(upgrade) == 1 && strings.EqualFold(upgrade[0], "websocket") &&
		slices.ContainsFunc(fieldsOf(head, "Connection"), func(v string) bool {
			return slices.ContainsFunc(strings.Split(v, ","), func(token string) bool {
				return strings.EqualFold(strings.Trim(token, " \t"), "upgrade")
			})
		})
}

// refuses returns the status with which an honest server refuses a request that is no
// opening handshake of any version; 0 is that it is one.
func refuses(head []byte) int {
	count := func(name string) int { return len(fieldsOf(head, name)) }
	keys, version := count("Sec-WebSocket-Key"), fieldOf(head, "Sec-WebSocket-Version")
	keys1, keys2 := count("Sec-WebSocket-Key1"), count("Sec-WebSocket-Key2")
	switch {
	case !bytes.HasPrefix(head, []byte("GET ")):
		return 405
	case !asksFor(head), count("Host") != 1, count("Sec-WebSocket-Version") > 1:
		return 400
	case version != "" && !slices.ContainsFunc(dialects, func(d *dialect) bool { return d.number == version }):
		return 426
	case version != "":
		key, err := base64.StdEncoding.DecodeString(fieldOf(head, "Sec-WebSocket-Key"))
		if keys != 1 || err != nil || len(key) != 16 {
			return 400
		}
	case keys > 0, keys1 > 1, keys1 != keys2:
		return 400
	}
	return 0
}

// statusOf returns the status of an answer's first line, or 0.
func statusOf(line []byte) int {
	rest, ok := bytes.CutPrefix(line, []byte("HTTP/1."))
	if !ok || len(rest) < 5 || rest[1] != ' ' {
		return 0
	}
	n, err := strconv.Atoi(string(rest[2:5]))
	if err != nil {
		return 0
	}
	return n
}
