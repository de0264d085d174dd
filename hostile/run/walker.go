package main

import "bytes"

// walker goes over what comes behind the handshake to find the closing handshake and
// its code.
type walker struct {
	d      *dialect
	v      *values // of the connection, for the masks of hybi-04
	client bool    // the frames are a client's
	head   []byte
	mask   []byte
	index  int    // of the masked byte that comes next
	left   uint64 // of the payload
	close  bool
	body   []byte // of a close frame, up to two bytes
	last   byte   // of hixie: the byte before

	code   int // 0: no close frame with a code has come
	closed bool
}

func (w *walker) feed(p []byte) {
	if w.d.hixie {
		w.feedHixie(p)
		return
	}
	for len(p) > 0 && !w.closed {
		if w.left == 0 {
			w.head = append(w.head, p[0])
			p = p[1:]
			w.begin()
			continue
		}
		n := int(min(uint64(len(p)), w.left))
		w.payload(p[:n])
		p = p[n:]
	}
}

// feedHixie looks for FF 00 (hixie-76 5.3); hixie-75 has no closing handshake.
func (w *walker) feedHixie(p []byte) {
	for _, b := range p {
		w.closed = w.closed || w.d.digest && w.last == 0xFF && b == 0
		w.last = b
	}
}

// begin looks whether a frame's head is complete.
func (w *walker) begin() {
	prefix := 0
	if w.client && (w.d.masking == maskFrame || w.d.masking == maskHash) {
		prefix = 4
	}
	if len(w.head) < prefix+2 {
		return
	}
	head := w.head[prefix:]
	hiding := bytes.Clone(w.head[:prefix])
	if prefix > 0 && w.d.masking == maskHash {
		sum := hashMask(w.v.key, w.v.nonce, hiding)
		hiding = sum[:]
	}
	if prefix > 0 {
		head = xored(head, hiding)
	}
	size := 2
	switch head[1] & 0x7F {
	case 126:
		size = 4
	case 127:
		size = 10
	}
	masked := w.d.masking == maskPayload && head[1]&0x80 != 0
	whole := size
	if masked {
		whole += 4
	}
	if len(head) < whole {
		return
	}
	w.left = uint64(head[1] & 0x7F)
	if size > 2 {
		w.left = 0
		for _, b := range head[2:size] {
			w.left = w.left<<8 | uint64(b)
		}
	}
	w.mask, w.index = hiding, size
	if masked {
		w.mask, w.index = bytes.Clone(head[size:whole]), 0
	}
	w.close = head[0]&0xF == w.d.ops.close
	w.closed = w.close && w.left == 0
	w.head = w.head[:0]
}

func (w *walker) payload(p []byte) {
	if w.close {
		for i := 0; i < len(p) && len(w.body) < 2; i++ {
			b := p[i]
			if len(w.mask) > 0 {
				b ^= w.mask[(w.index+i)%len(w.mask)]
			}
			w.body = append(w.body, b)
		}
	}
	w.index += len(p)
	w.left -= uint64(len(p))
	if w.close && len(w.body) == 2 && w.d.codes {
		w.code = int(w.body[0])<<8 | int(w.body[1])
	}
	w.closed = w.close && (len(w.body) == 2 || w.left == 0)
}
