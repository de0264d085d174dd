package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
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

// echoes is an honest backend that speaks RFC 6455 and sends each message back. What it
// sees goes to b, which may be nil.
func echoes(c net.Conn, pre []byte, b *beyond) {
	r := &recorder{c: c, pre: pre, raw: b.search(), clear: b.search(), b: b}
	b.note(func(b *beyond) { b.connections++ })
	in := bufio.NewReaderSize(r, 4<<10)
	head, err := readHead(in)
	if err != nil {
		return
	}
	key := fieldOf(head, "Sec-WebSocket-Key")
	if key == "" || !strings.EqualFold(fieldOf(head, "Upgrade"), "websocket") {
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 8\r\nConnection: close\r\n\r\nbackend\n")
		return
	}
	if b != nil && b.c.Verdict.Beyond.Early {
		c.SetReadDeadline(time.Now().Add(earlyLook))
		if _, err := in.Peek(1); err == nil {
			b.note(func(b *beyond) { b.early = true })
		}
		c.SetReadDeadline(time.Time{})
		in = bufio.NewReaderSize(io.MultiReader(bytes.NewReader(peeked(in)), r), 4<<10)
	}
	protocol := ""
	if p, _, _ := strings.Cut(fieldOf(head, "Sec-WebSocket-Protocol"), ","); p != "" {
		protocol = "Sec-WebSocket-Protocol: " + p + "\r\n"
	}
	if _, err := fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n%s\r\n",
		accept(key), protocol); err != nil {
		return
	}
	for echoFrame(c, in, r) == nil {
	}
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
