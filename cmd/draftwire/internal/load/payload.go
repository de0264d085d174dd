package load

import (
	"bytes"
	"fmt"
	"math/rand/v2"
)

// stampLen is the part of a payload that tells it from all others: the message's number
// and the connection's, as far as they fit.
const stampLen = 16 + 8

func writeStamp(p []byte, number uint64, id uint32) {
	const digits = "0123456789abcdef" // the lowest first: they fit into the shortest payload
	for i := range min(len(p), stampLen) {
		if i < 16 {
			p[i] = digits[number>>(4*i)&15]
		} else {
			p[i] = digits[id>>(4*(i-16))&15]
		}
	}
}

// newFiller makes text that compresses about as JSON does.
func newFiller(size int) []byte {
	const most = 64 << 10 // more than any compression looks back
	r := rand.New(rand.NewPCG(1, 2))
	var block []byte
	for len(block) < min(size, most) {
		block = fmt.Appendf(block, `{"id":%d,"name":"sensor-%03d","value":%.3f,"ok":%t},`, r.Uint32(), r.IntN(1000), r.NormFloat64(), r.IntN(8) > 0)
	}
	out := make([]byte, 0, size)
	for len(out) < size {
		out = append(out, block[:min(len(block), size-len(out))]...)
	}
	return out
}

func (w *worker) sizeOf(number uint64) int { return w.o.Sizes[number%uint64(len(w.o.Sizes))] }

// payload is that of the message with this number. The next call overwrites it.
func (w *worker) payload(number uint64) []byte {
	p := w.buf[:w.sizeOf(number)]
	writeStamp(p, number, w.id)
	return p
}

// isNext reports whether data is the payload of the message that is to come back next.
func (w *worker) isNext(data []byte) bool {
	size := w.sizeOf(w.wants)
	if len(data) != size {
		return false
	}
	n := min(size, stampLen)
	var want [stampLen]byte
	writeStamp(want[:], w.wants, w.id)
	return bytes.Equal(data[:n], want[:n]) && bytes.Equal(data[n:], w.filler[n:size])
}
