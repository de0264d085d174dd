package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// earlyLook is how long the honest backend keeps its answer back to see whether the
// proxy sends on what it may not send yet.
const earlyLook = 100 * time.Millisecond

// recorder reads from a proxy and looks at what comes.
type recorder struct {
	c     net.Conn
	pre   []byte
	raw   *anyOf // bytes as they come
	clear *anyOf // messages
	b     *beyond
}

func (r *recorder) Read(p []byte) (n int, err error) {
	if len(r.pre) > 0 {
		n = copy(p, r.pre)
		r.pre = r.pre[n:]
	} else {
		n, err = r.c.Read(p)
	}
	r.feed(r.raw, p[:n])
	return n, err
}

func (r *recorder) feed(a *anyOf, p []byte) {
	a.feed(p)
	if a.hit != nil {
		r.b.note(func(b *beyond) { b.hit = a.hit })
	}
}

// echoes is an honest backend that sends each message back. What it sees goes to b,
// which may be nil.
func echoes(c net.Conn, pre []byte, b *beyond) {
	r := &recorder{c: c, pre: pre, raw: b.search(), clear: b.search(), b: b}
	b.note(func(b *beyond) { b.connections++ })
	in := bufio.NewReaderSize(r, 4<<10)
	head, err := readHead(in)
	if err != nil {
		return
	}
	if !strings.EqualFold(fieldOf(head, "Upgrade"), "websocket") {
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 8\r\nConnection: close\r\n\r\nbackend\n")
		return
	}
	if status := refuses(head); status != 0 {
		fmt.Fprintf(c, "HTTP/1.1 %d Refused\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", status)
		return
	}
	d := dialectOfRequest(head)
	if b != nil && b.c.Verdict.Beyond.Early && !d.digest {
		c.SetReadDeadline(time.Now().Add(earlyLook))
		if _, err := in.Peek(1); err == nil {
			b.note(func(b *beyond) { b.early = true })
		}
		c.SetReadDeadline(time.Time{})
		in = bufio.NewReaderSize(io.MultiReader(bytes.NewReader(peeked(in)), r), 4<<10)
	}
	v, err := accepts(c, in, d, head)
	for err == nil {
		if d.name == "rfc6455" {
			err = echoFrame(c, in, r)
		} else {
			err = echoOld(c, in, d, v)
		}
	}
}

// accepts answers a request and reads the eight bytes of the versions that have them.
func accepts(c net.Conn, in *bufio.Reader, d *dialect, head []byte) (*values, error) {
	v := &values{}
	_, secure := c.(*tls.Conn)
	v.request(head, secure)
	var fields []byte
	if v.protocol != "" {
		name := "Sec-WebSocket-Protocol"
		if d.name == "hixie-75" {
			name = "WebSocket-Protocol"
		}
		fields = []byte(name + ": " + v.protocol + "\r\n")
	}
	if _, err := c.Write(d.answer(v, fields)); err != nil || !d.digest {
		return v, err
	}
	var key3 [8]byte
	if _, err := io.ReadFull(in, key3[:]); err != nil {
		return v, err
	}
	digest, err := challenge(fieldOf(head, "Sec-WebSocket-Key1"), fieldOf(head, "Sec-WebSocket-Key2"), string(key3[:]))
	if err == nil {
		_, err = io.WriteString(c, digest)
	}
	return v, err
}

// echoOld reads a short message of a version before RFC 6455 and sends it back. It is
// there for the probe.
func echoOld(c net.Conn, in *bufio.Reader, d *dialect, v *values) error {
	if d.hixie {
		return echoHixie(c, in, d)
	}
	op, payload, err := d.readClientFrame(in, v)
	switch op {
	case d.ops.pong:
		return err
	case d.ops.ping:
		op = d.ops.pong
	}
	if err != nil {
		return err
	}
	clear := *d
	clear.masking = maskNone
	if _, err := c.Write(clear.clientFrame(op, payload, "", "")); err != nil || op == d.ops.close {
		return io.EOF
	}
	return nil
}

// echoHixie answers the closing handshake of hixie-76 too: a proxy would wait for it.
func echoHixie(c net.Conn, in *bufio.Reader, d *dialect) error {
	text, err := in.ReadBytes(0xFF)
	if err != nil {
		return err
	}
	if d.digest && len(text) == 1 {
		if b, err := in.ReadByte(); err != nil || b != 0 {
			return io.EOF
		}
		c.Write([]byte{0xFF, 0x00})
		return io.EOF
	}
	_, err = c.Write(text)
	return err
}

// readClientFrame reads a frame of at most 125 bytes.
func (d *dialect) readClientFrame(in *bufio.Reader, v *values) (op byte, payload []byte, err error) {
	mask, size := []byte{0}, 0 // of what hides the head too
	if d.masking == maskHash || d.masking == maskFrame {
		size = 4
	}
	frame := make([]byte, size+2)
	if _, err := io.ReadFull(in, frame); err != nil {
		return 0, nil, err
	}
	switch d.masking {
	case maskHash:
		sum := hashMask(v.key, v.nonce, frame[:4])
		mask = sum[:]
	case maskFrame:
		mask = bytes.Clone(frame[:4])
	}
	frame = frame[size:]
	n := int(xored(frame, mask)[1] & 0x7F)
	if n > 125 {
		return 0, nil, errors.New("the frame is long")
	}
	start := 2
	if d.masking == maskPayload {
		start = 6
	}
	frame = append(frame, make([]byte, n+start-2)...)
	if _, err := io.ReadFull(in, frame[2:]); err != nil {
		return 0, nil, err
	}
	if d.masking == maskPayload {
		return frame[0] & 0xF, xored(frame[6:], frame[2:6]), nil
	}
	frame = xored(frame, mask)
	return frame[0] & 0xF, frame[2:], nil
}

// peeked returns what a reader has in its buffer.
func peeked(in *bufio.Reader) []byte {
	p, _ := in.Peek(in.Buffered())
	return bytes.Clone(p)
}

// echoFrame reads a frame and sends it back, piece by piece.
func echoFrame(c net.Conn, in *bufio.Reader, r *recorder) error {
	op, head, mask, n, err := frameHead(in)
	if err != nil {
		return err
	}
	switch op & 0xF {
	case laterOps.pong:
		_, err := io.CopyN(io.Discard, in, int64(n))
		return err
	case laterOps.ping:
		head[0] = head[0]&0xF0 | laterOps.pong
	}
	if _, err := c.Write(head); err != nil {
		return err
	}
	buf := pieces.Get().(*[32 << 10]byte)
	defer pieces.Put(buf)
	for at := uint64(0); at < n; {
		m, err := in.Read(buf[:min(uint64(len(buf)), n-at)])
		if err != nil {
			return err
		}
		for i := range buf[:m] {
			buf[i] ^= mask[(at+uint64(i))%4]
		}
		at += uint64(m)
		r.feed(r.clear, buf[:m])
		if _, err := c.Write(buf[:m]); err != nil {
			return err
		}
	}
	if op&0xF == laterOps.close {
		return io.EOF
	}
	return nil
}

// frameHead reads a client's head and returns the head of the echo.
func frameHead(in *bufio.Reader) (op byte, head, mask []byte, n uint64, err error) {
	head = make([]byte, 2, 10)
	if _, err = io.ReadFull(in, head); err != nil {
		return 0, nil, nil, 0, err
	}
	mask = make([]byte, 4)
	masked := head[1]&0x80 != 0
	head[1] &= 0x7F
	n = uint64(head[1])
	if n > 125 {
		width := 2
		if n == 127 {
			width = 8
		}
		head = head[:2+width]
		if _, err = io.ReadFull(in, head[2:]); err != nil {
			return 0, nil, nil, 0, err
		}
		n = binary.BigEndian.Uint64(append(make([]byte, 8-width, 8), head[2:]...))
	}
	if masked {
		_, err = io.ReadFull(in, mask)
	}
	return head[0], head, mask, n, err
}
