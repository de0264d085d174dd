package load

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"io"
)

// script is a batch of messages, ready to be sent, and what has to come back.
type script struct {
	out   []byte
	reply []byte   // every byte of the reply; nil where the messages are compressed
	text  []byte   // of a compressed message
	said  [][]byte // the payloads, where the reply may come in fragments
	seen  []byte   // a compressed reply that was expanded and found right
}

// scriptsEach is how many different batches there are: with one alone, a server
// that sent an old buffer again would pass.
const scriptsEach = 2

func newScripts(s *Spec) ([]script, error) {
	if s.Kind == Handshake || s.Kind == Hold {
		return nil, nil
	}
	all := make([]script, scriptsEach)
	for i := range all {
		for j := range max(1, s.Batch) {
			if err := all[i].add(s, i*s.Batch+j); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// add adds a message.
func (t *script) add(s *Spec, seed int) error {
	b0, p := byte(finBinary), []byte(nil)
	if s.Text || s.Deflate {
		b0, p = finText, sampleText(s.Size, seed)
	} else {
		p = sampleBytes(s.Size, seed)
	}
	if s.Deflate {
		z, err := deflate(p)
		if err != nil {
			return err
		}
		t.out, t.text = append(t.out, clientFrame(s.Version, b0|rsv1, z)...), p
		return nil
	}
	frame := clientFrame(s.Version, b0, p)
	t.out = append(t.out, frame...)
	if !s.Raw {
		frame = serverFrame(s.Version, b0, p)
	}
	t.reply = append(t.reply, frame...)
	if s.Fragments && !hixie(s.Version) {
		t.said = append(t.said, p)
	}
	return nil
}

// emptyBlock ends what a flush wrote; permessage-deflate leaves it out.
const emptyBlock = "\x00\x00\xff\xff"

func deflate(p []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestSpeed)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(p); err != nil {
		return nil, err
	}
	if err := w.Flush(); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte(emptyBlock)), nil
}

// finalBlock is an empty block that ends the stream.
const finalBlock = "\x01\x00\x00\xff\xff"

func inflate(p []byte, limit int) ([]byte, error) {
	all := io.MultiReader(bytes.NewReader(p), bytes.NewReader([]byte(emptyBlock+finalBlock)))
	return io.ReadAll(io.LimitReader(flate.NewReader(all), int64(limit)+1))
}

// reply gathers the frames of a compressed message.
type reply struct {
	head    []byte // of the frame, as far as it came
	left    int    // payload bytes of the frame that are still to come
	payload []byte
	begun   bool // the first frame's head is there
	last    bool // the frame is the message's last
	packed  bool // the message is compressed
	wire    int  // bytes of the message, with its heads
}

// take takes bytes and tells whether they end the message. Nothing may come
// behind it.
func (r *reply) take(p []byte) (done bool, err error) {
	r.wire += len(p)
	for len(p) > 0 {
		if done {
			return false, fmt.Errorf("%d bytes behind the reply", len(p))
		}
		if r.left == 0 {
			r.head, p = append(r.head, p[0]), p[1:]
			whole, err := r.parse()
			if err != nil {
				return false, err
			}
			if !whole {
				continue
			}
			r.head = r.head[:0]
		}
		n := min(r.left, len(p))
		r.payload, r.left, p = append(r.payload, p[:n]...), r.left-n, p[n:]
		done = r.left == 0 && r.last
	}
	return done, nil
}

// parse looks at the head of a frame, of which one more byte has come.
func (r *reply) parse() (whole bool, err error) {
	h := r.head
	if len(h) < 2 {
		return false, nil
	}
	length, room := int(h[1]), 2
	switch h[1] {
	case 126:
		room = 4
	case 127:
		room = 10
	}
	if len(h) < room {
		return false, nil
	}
	if room > 2 {
		length = 0
		for _, b := range h[2:] {
			length = length<<8 | int(b)
		}
	}
	want := byte(finText & 0x0F)
	if r.begun {
		want = 0
	}
	if h[0]&0x3F != want || r.begun && h[0]&rsv1 != 0 || h[1]&0x80 != 0 {
		return false, fmt.Errorf("a frame begins %x", h)
	}
	if !r.begun {
		r.begun, r.packed = true, h[0]&rsv1 != 0
	}
	r.last, r.left = h[0]&0x80 != 0, length
	return true, nil
}

// check compares the whole message with the one that was sent, and makes room
// for the next. A reply that equals one that was right is not expanded again.
func (r *reply) check(t *script) error {
	defer func() { *r = reply{head: r.head[:0], payload: r.payload[:0]} }()
	switch {
	case !r.packed && bytes.Equal(r.payload, t.text):
		return nil
	case r.packed && t.seen != nil && bytes.Equal(r.payload, t.seen):
		return nil
	case !r.packed:
		return fmt.Errorf("the reply is %q, not %q", short(r.payload), short(t.text))
	}
	p, err := inflate(r.payload, len(t.text))
	if err != nil {
		return fmt.Errorf("the reply does not inflate: %w", err)
	}
	if !bytes.Equal(p, t.text) {
		return fmt.Errorf("the reply inflates to %q, not %q", short(p), short(t.text))
	}
	t.seen = append(t.seen[:0], r.payload...)
	return nil
}

func short(p []byte) []byte { return p[:min(len(p), 40)] }

// parts gathers the frames of messages that a gateway may have passed on in fragments.
type parts []byte

// take adds bytes of a reply, and reports whether they end it.
func (f *parts) take(p []byte, want [][]byte) (bool, error) {
	*f = append(*f, p...)
	rest, at, got := []byte(*f), 0, 0
	for len(rest) >= 2 {
		n, head := int(rest[1]), 2
		switch {
		case n == 126:
			head = 4
		case n > 126:
			return false, fmt.Errorf("a frame with the head %x", short(rest))
		}
		if len(rest) < head {
			break
		}
		if n == 126 {
			n = int(binary.BigEndian.Uint16(rest[2:]))
		}
		if len(rest) < head+n {
			break
		}
		payload, b0 := rest[head:head+n], rest[0]
		rest = rest[head+n:]
		if at == len(want) || len(want[at])-got < n || !bytes.Equal(payload, want[at][got:got+n]) || (b0&0x0F == 0) != (got > 0) {
			return false, fmt.Errorf("message %d of the reply has %x at %d", at, short(payload), got)
		}
		if got += n; b0&0x80 != 0 {
			if got != len(want[at]) {
				return false, fmt.Errorf("message %d of the reply has %d bytes, not %d", at, got, len(want[at]))
			}
			at, got = at+1, 0
		}
	}
	return at == len(want) && len(rest) == 0, nil
}
