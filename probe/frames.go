package probe

import (
	"crypto/rand"
	"encoding/binary"
	"io"

	"github.com/draftwire/draftwire/internal/hybi"
	"github.com/draftwire/draftwire/wire"
)

// frame returns one whole frame of this client.
func (l *link) frame(op wire.Op, payload []byte) []byte { return l.fragment(op, true, payload) }

// fragment returns a frame of this client.
func (l *link) fragment(op wire.Op, fin bool, payload []byte) []byte {
	if !l.draft.Version.Supports(wire.CapFragments) { // hixie has text alone
		b, _ := l.draft.NewCodec(wire.CodecConfig{Role: wire.Client}).AppendFrame(nil, op, fin, payload)
		return b
	}
	return l.mask(l.bare(op, fin, payload))
}

// bare returns a frame without a mask, as a server sends it.
func (l *link) bare(op wire.Op, fin bool, payload []byte) []byte {
	b, err := l.draft.NewCodec(wire.CodecConfig{Role: wire.Server, MaskKey: l.key}).AppendFrame(nil, op, fin, payload)
	if err != nil {
		panic("probe: a frame that cannot be: " + err.Error()) // the callers know what the version has
	}
	return b
}

// closing returns what the version closes with; nothing where it has no close.
func (l *link) closing(code wire.CloseCode, reason string) []byte {
	b, _ := l.draft.NewCodec(wire.CodecConfig{Role: wire.Client, MaskKey: l.key, Rand: l.p.o.Rand}).AppendClose(nil, code, reason)
	return b
}

// mask makes a client's frame of a bare one, which may be wrong in any way but for the place of
// its length.
func (l *link) mask(bare []byte) []byte {
	var key [4]byte
	random := l.p.o.Rand
	if random == nil {
		random = rand.Reader
	}
	io.ReadFull(random, key[:]) // a source that ends gives a mask of zeros, which is one
	switch v := l.draft.Version; v {
	case wire.Hybi02:
		return bare
	case wire.Hybi04:
		hash := hybi.FrameKey(key[:], l.key)
		out := append(key[:], bare...)
		for i := range bare {
			out[4+i] ^= hash[i%len(hash)]
		}
		return out
	case wire.Hybi05, wire.Hybi06:
		out := append(key[:], bare...)
		hybi.Mask(out[4:], key, 0)
		return out
	}
	n := hybi.HeadSize(bare[1] &^ 0x80)
	out := append([]byte{}, bare[:n]...)
	out[1] |= 0x80
	out = append(append(out, key[:]...), bare[n:]...)
	hybi.Mask(out[n+4:], key, 0)
	return out
}

// withLength returns a bare frame whose length takes 2 or 8 bytes though it needs fewer.
func withLength(bare []byte, size int, length uint64) []byte {
	n := hybi.HeadSize(bare[1])
	out := []byte{bare[0], 126}
	if size == 8 {
		out[1] = 127
		out = binary.BigEndian.AppendUint64(out, length)
	} else {
		out = binary.BigEndian.AppendUint16(out, uint16(length))
	}
	return append(out, bare[n:]...)
}
