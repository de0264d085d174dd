package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// honest is a client that does what its version's document says.
type honest struct {
	c     net.Conn
	r     *bufio.Reader
	d     *dialect
	nonce string
}

// openHonest shakes hands. The status is that of the answer, 0 where none came.
func openHonest(c net.Conn, d *dialect, host, target string) (h *honest, status int, err error) {
	if _, err := c.Write(d.request(host, target, nil)); err != nil {
		return nil, 0, err
	}
	h = &honest{c: c, r: bufio.NewReaderSize(c, 4<<10), d: d}
	head, err := readHead(h.r)
	if err != nil {
		return nil, 0, fmt.Errorf("no answer to the handshake: %w", err)
	}
	status = statusOf(head)
	if status != 101 {
		line, _, _ := strings.Cut(string(head), "\r\n")
		return nil, status, fmt.Errorf("the handshake was refused: %q", line)
	}
	var proof [16]byte
	if d.digest {
		if _, err := io.ReadFull(h.r, proof[:]); err != nil {
			return nil, status, fmt.Errorf("no digest: %w", err)
		}
	}
	if !d.proofOf(head, string(proof[:])) {
		return nil, status, errors.New("the proof of the handshake is wrong")
	}
	if fault := unasked(head); fault != "" {
		return nil, status, errors.New(fault)
	}
	h.nonce = fieldOf(head, "Sec-WebSocket-Nonce")
	return h, status, nil
}

// unasked says what is wrong in the fields of an answer to a client that has offered
// neither a subprotocol nor an extension, or nothing.
func unasked(head []byte) string {
	if !asksFor(head) {
		return "the answer's Upgrade or Connection is wrong"
	}
	for _, name := range []string{"Sec-WebSocket-Protocol", "WebSocket-Protocol", "Sec-WebSocket-Extensions"} {
		if v := fieldsOf(head, name); len(v) > 0 {
			return fmt.Sprintf("the answer has %s, which nobody has asked for: %q", name, v)
		}
	}
	return ""
}

// dialHonest connects and shakes hands; until is for all that.
func dialHonest(ctx context.Context, a address, d *dialect, host, target string, until time.Duration) (*honest, error) {
	c, err := dial(ctx, a, false, until)
	if err != nil {
		return nil, err
	}
	c.SetDeadline(time.Now().Add(until))
	h, _, err := openHonest(c, d, host, target)
	if err != nil {
		c.Close()
		return nil, err
	}
	return h, nil
}

// readHead reads up to the empty line, at most mostHead bytes.
func readHead(r *bufio.Reader) ([]byte, error) {
	var head []byte
	for len(head) < mostHead {
		line, err := r.ReadSlice('\n')
		head = append(head, line...)
		if err != nil && err != bufio.ErrBufferFull { // a line may be longer than r's buffer
			return head, err
		}
		if bytes.HasSuffix(head, []byte("\r\n\r\n")) {
			return head, nil
		}
	}
	return head, errors.New("the head is too long")
}

func (h *honest) say(text string) error {
	_, err := h.c.Write(h.d.clientText(text, h.nonce))
	return err
}

// hear returns the next text message, and answers pings.
func (h *honest) hear() (string, error) {
	if h.d.hixie {
		return h.hearHixie()
	}
	for {
		op, payload, err := h.frame()
		switch {
		case err != nil:
			return "", err
		case op == h.d.ops.text:
			return string(payload), nil
		case op == h.d.ops.close:
			return "", fmt.Errorf("a close frame came: %q", payload)
		case op == h.d.ops.ping:
			if _, err := h.c.Write(h.d.clientFrame(h.d.ops.pong, payload, sampleKey, h.nonce)); err != nil {
				return "", err
			}
		}
	}
}

func (h *honest) hearHixie() (string, error) {
	typ, err := h.r.ReadByte()
	if err != nil {
		return "", err
	}
	if typ != 0 {
		return "", fmt.Errorf("a frame of type %#x came", typ)
	}
	text, err := h.r.ReadString(0xFF)
	return strings.TrimSuffix(text, "\xff"), err
}

// mostFrame is the longest frame that an honest client of the player is sent.
const mostFrame = 64 << 10

func (h *honest) frame() (op byte, payload []byte, err error) {
	var head [2]byte
	if _, err := io.ReadFull(h.r, head[:]); err != nil {
		return 0, nil, err
	}
	n := uint64(head[1] & 0x7F)
	if n > 125 {
		var ext [8]byte
		width := 2
		if n == 127 {
			width = 8
		}
		if _, err := io.ReadFull(h.r, ext[8-width:]); err != nil {
			return 0, nil, err
		}
		n = binary.BigEndian.Uint64(ext[:])
	}
	if n > mostFrame {
		return 0, nil, fmt.Errorf("a frame of %d bytes came", n)
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(h.r, payload)
	return head[0] & 0xF, payload, err
}

// echo sends a text and waits until it comes back.
func (h *honest) echo(text string) error {
	if err := h.say(text); err != nil {
		return err
	}
	got, err := h.hear()
	if err == nil && got != text {
		err = fmt.Errorf("the echo of %q is %q", text, got)
	}
	return err
}
