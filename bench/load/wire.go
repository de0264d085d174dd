package load

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
)

// Versions that the generator speaks, by the names that the cells use.
const (
	V75 = "75" // hixie-75
	V76 = "76" // hixie-76
	V07 = "7"  // hybi-07
	V08 = "8"  // hybi-08
	V13 = "13" // RFC 6455
)

// The first handshake has the keys of the documents' examples, as those of hixie-76
// and those with raw always have, whose answers are known beforehand.
const (
	sampleKey    = "dGhlIHNhbXBsZSBub25jZQ=="
	sampleAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
	sampleKey1   = "4 @1  46546xW%0l 1 5"
	sampleKey2   = "12998 5 Y3 1  .P00"
	sampleKey3   = "^n:ds[4U"
	sampleTail   = "8jKS'y:G*Co,Wxa-"
)

const deflateOffer = "permessage-deflate; client_no_context_takeover; server_no_context_takeover"

// mask is that of every frame. It is not zero, so that unmasking is done.
var mask = [4]byte{0x37, 0xFA, 0x21, 0x3D}

// opening is what a connection sends first, and the bytes that end the answer
// behind its head.
type opening struct {
	request []byte
	tail    string
	has     []string // of the head of the answer
	key     []byte   // in request; nil where it is not renewed
	accept  string   // what the answer to it has
	random  *rand.Rand
}

// renew makes a key that was not used yet, as every client does.
func (o *opening) renew() {
	if o.key == nil {
		return
	}
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], o.random.Uint64())
	binary.LittleEndian.PutUint64(b[8:], o.random.Uint64())
	base64.StdEncoding.Encode(o.key, b[:])
	sum := sha1.Sum(append(o.key[:len(o.key):len(o.key)], "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"...))
	o.accept = base64.StdEncoding.EncodeToString(sum[:])
}

func newOpening(version, host, path string, deflate bool) (*opening, error) {
	line := "GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\n"
	o := opening{random: rand.New(rand.NewPCG(1, 2))}
	var fields, behind string
	switch version {
	case V75:
		fields = "Upgrade: WebSocket\r\nConnection: Upgrade\r\nOrigin: http://" + host + "\r\n"
	case V76:
		fields = "Upgrade: WebSocket\r\nConnection: Upgrade\r\nOrigin: http://" + host + "\r\n" +
			"Sec-WebSocket-Key1: " + sampleKey1 + "\r\nSec-WebSocket-Key2: " + sampleKey2 + "\r\n"
		behind, o.tail = sampleKey3, sampleTail
	case V07, V08, V13:
		origin := "Sec-WebSocket-Origin"
		if version == V13 {
			origin = "Origin"
		}
		fields = "Upgrade: websocket\r\nConnection: Upgrade\r\n" + origin + ": http://" + host + "\r\n" +
			"Sec-WebSocket-Key: " + sampleKey + "\r\nSec-WebSocket-Version: " + version + "\r\n"
		o.accept = sampleAccept
	default:
		return nil, fmt.Errorf("no version %q", version)
	}
	if deflate {
		fields += "Sec-WebSocket-Extensions: " + deflateOffer + "\r\n"
		o.has = append(o.has, "permessage-deflate", "server_no_context_takeover")
	}
	o.request = []byte(line + fields + "\r\n" + behind)
	if at := bytes.Index(o.request, []byte(sampleKey)); at >= 0 {
		o.key = o.request[at : at+len(sampleKey)]
	}
	return &o, nil
}

// check looks at what came of the answer to a handshake whose accept is to be that.
// It is done when all has come.
func (o *opening) check(p []byte, accept string) (done bool, err error) {
	const status = "HTTP/1.1 101 "
	if n := min(len(p), len(status)); string(p[:n]) != status[:n] {
		return false, fmt.Errorf("the answer begins %q", p[:min(len(p), 60)])
	}
	end := bytes.Index(p, []byte("\r\n\r\n"))
	if end < 0 || len(p) < end+4+len(o.tail) {
		return false, nil
	}
	for _, s := range append(o.has[:len(o.has):len(o.has)], accept) {
		if !bytes.Contains(p[:end], []byte(s)) {
			return false, fmt.Errorf("the answer lacks %q: %q", s, p[:end])
		}
	}
	if got := string(p[end+4:]); got != o.tail {
		return false, fmt.Errorf("behind the head of the answer is %q, not %q", got, o.tail)
	}
	return true, nil
}

// clientFrame is a whole message as a client of the version sends it.
func clientFrame(version string, b0 byte, p []byte) []byte {
	if hixie(version) {
		return hixieFrame(p)
	}
	out := frameHead(b0, 0x80, len(p))
	out = append(out, mask[:]...)
	for i, c := range p {
		out = append(out, c^mask[i%4])
	}
	return out
}

// serverFrame is a whole message as a server of the version sends it.
func serverFrame(version string, b0 byte, p []byte) []byte {
	if hixie(version) {
		return hixieFrame(p)
	}
	return append(frameHead(b0, 0, len(p)), p...)
}

func hixie(version string) bool { return version == V75 || version == V76 }

func hixieFrame(p []byte) []byte {
	out := append(make([]byte, 0, len(p)+2), 0x00)
	return append(append(out, p...), 0xFF)
}

func frameHead(b0, masked byte, n int) []byte {
	out := make([]byte, 0, n+14)
	switch {
	case n <= 125:
		return append(out, b0, masked|byte(n))
	case n <= 0xFFFF:
		return binary.BigEndian.AppendUint16(append(out, b0, masked|126), uint16(n))
	}
	return binary.BigEndian.AppendUint64(append(out, b0, masked|127), uint64(n))
}

// First bytes of a frame that is a whole message.
const (
	finText   = 0x81
	finBinary = 0x82
	rsv1      = 0x40
)

// sampleText is JSON of n bytes as programs send it: names that come again,
// values that do not. seed makes it another text.
func sampleText(n, seed int) []byte {
	words := strings.Fields("order shipped berlin pending invoice amount warehouse customer blue returned lisbon express")
	x := uint32(seed)*2654435761 + 1
	next := func(n int) int {
		x = x*1664525 + 1013904223
		return int(x>>8) % n
	}
	var b bytes.Buffer
	b.WriteByte('[')
	for b.Len() < n {
		fmt.Fprintf(&b, `{"id":%d,"state":%q,"price":%d.%02d,"note":"%s %s %s","open":%t},`,
			next(1e6), words[next(len(words))], next(1000), next(100),
			words[next(len(words))], words[next(len(words))], words[next(len(words))], next(2) == 0)
	}
	return b.Bytes()[:n]
}

// sampleBytes is n bytes without any order.
func sampleBytes(n, seed int) []byte {
	x := uint64(seed)*0x9E3779B97F4A7C15 + 1
	p := make([]byte, n)
	for i := range p {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		p[i] = byte(x >> 32)
	}
	return p
}
