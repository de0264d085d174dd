package main

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"net"
	"strings"
)

// oddKey is eight bytes in base64, as a charger sends it.
const oddKey = "qjaovfzeqzo="

// firmware is a connection whose handshake has a head as some charger sends it. What gorilla
// sent and expects is put right on the way, so that it knows nothing of it.
type firmware struct {
	net.Conn
	change func(head string) string
	sent   bool
	accept []byte // the line that gorilla expects, until it has come
	rest   []byte // of what came with the head of the answer
}

func (f *firmware) Write(p []byte) (int, error) {
	if f.sent {
		return f.Conn.Write(p)
	}
	f.sent = true
	head := string(p) // gorilla writes it in one go
	_, key, _ := strings.Cut(head, "Sec-WebSocket-Key: ")
	key, _, _ = strings.Cut(key, "\r\n")
	changed := f.change(head)
	if !strings.Contains(changed, key) {
		f.accept = acceptOf(key)
	}
	if _, err := f.Conn.Write([]byte(changed)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Read gives gorilla the answer to its own key, if the answer is right for the one that was
// sent.
func (f *firmware) Read(p []byte) (int, error) {
	for f.accept != nil {
		part := make([]byte, 4096)
		n, err := f.Conn.Read(part)
		if err != nil {
			return 0, err
		}
		f.rest = append(f.rest, part[:n]...)
		if bytes.Contains(f.rest, []byte("\r\n\r\n")) {
			f.rest = bytes.Replace(f.rest, acceptOf(oddKey), f.accept, 1)
			f.accept = nil
		}
	}
	if len(f.rest) > 0 {
		n := copy(p, f.rest)
		f.rest = f.rest[n:]
		return n, nil
	}
	return f.Conn.Read(p)
}

// acceptOf is what RFC 6455 1.3 answers to a key.
func acceptOf(key string) []byte {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return []byte("Sec-WebSocket-Accept: " + base64.StdEncoding.EncodeToString(sum[:]))
}
