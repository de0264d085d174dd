package gorillafuzz

import (
	"bytes"
	"compress/flate"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// acceptOf is the answer to a key (RFC 6455 4.2.2).
func acceptOf(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// keyOf returns the key in a request's head, "" while that is not whole.
func keyOf(head []byte) string {
	if !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		return ""
	}
	for line := range strings.SplitSeq(string(head), "\r\n") {
		if name, value, ok := strings.Cut(line, ": "); ok && strings.EqualFold(name, "Sec-WebSocket-Key") {
			return value
		}
	}
	return ""
}

// accepting answers a request as a server does, with more fields.
func accepting(compression bool, more string) func([]byte) []byte {
	return func(sent []byte) []byte {
		key := keyOf(sent)
		if key == "" {
			return nil
		}
		if compression {
			more += "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n"
		}
		return []byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
			"Sec-WebSocket-Accept: " + acceptOf(key) + "\r\n" + more + "\r\n")
	}
}

// frame appends a frame (RFC 6455 5.2) with its shortest length.
func frame(b []byte, first byte, masked bool, payload []byte) []byte {
	b = append(b, first)
	mask := byte(0)
	if masked {
		mask = 0x80
	}
	switch n := len(payload); {
	case n < 126:
		b = append(b, mask|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, mask|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, mask|127), uint64(n))
	}
	if !masked {
		return append(b, payload...)
	}
	key := [4]byte{1, 2, 3, 4}
	b = append(b, key[:]...)
	for i, p := range payload {
		b = append(b, p^key[i%4])
	}
	return b
}

const tail = "\x00\x00\xff\xff" // RFC 7692 7.2.1

func deflated(p []byte) []byte {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestSpeed)
	if err != nil {
		panic(err)
	}
	w.Write(p)
	w.Flush()
	return bytes.TrimSuffix(b.Bytes(), []byte(tail))
}

func inflated(p []byte) string {
	out, err := inflate(p)
	if err != nil {
		return fmt.Sprintf("%q, and then %v", out, err)
	}
	return fmt.Sprintf("%q", out)
}

func inflate(p []byte) ([]byte, error) {
	r := flate.NewReader(io.MultiReader(bytes.NewReader(p), strings.NewReader(tail+"\x01\x00\x00\xff\xff")))
	return io.ReadAll(r)
}

// said is what a side has said: a line for each whole message and control frame. How a message is cut
// into frames is not in it, nor whether it is compressed, and without words neither is what a library says with the codes of its own.
func said(b []byte, words bool) []string {
	var lines []string
	var message []byte
	var kind byte
	for len(b) > 0 {
		if len(b) < 2 {
			return append(lines, "half a head")
		}
		first, n, masked, at := b[0], uint64(b[1]&0x7f), b[1]&0x80 != 0, 2
		switch {
		case n == 126 && len(b) >= 4:
			n, at = uint64(binary.BigEndian.Uint16(b[2:])), 4
		case n == 127 && len(b) >= 10:
			n, at = binary.BigEndian.Uint64(b[2:]), 10
		}
		var key [4]byte
		if masked {
			at += copy(key[:], b[min(at, len(b)):])
		}
		if uint64(len(b)-min(at, len(b))) < n {
			return append(lines, fmt.Sprintf("half a frame %x", first))
		}
		p := bytes.Clone(b[at : at+int(n)])
		b = b[at+int(n):]
		if masked {
			for i := range p {
				p[i] ^= key[i%4]
			}
		}
		switch op := first & 0xf; {
		case op == 8 && len(p) >= 2 && !words && strings.Contains("\x03\xea \x03\xef", string(p[:2])):
			lines = append(lines, "close 1002 or 1007") // compat/gorilla has the latter for text
		case op == 8 && len(p) >= 2 && !words && string(p[:2]) == "\x03\xf1":
			lines = append(lines, "close 1009")
		case op >= 8:
			lines = append(lines, fmt.Sprintf("%x %x %q", first, op, p))
		default:
			if op != 0 {
				kind = first &^ 0x80
			}
			message = append(message, p...)
			if first&0x80 == 0 {
				continue
			}
			if kind&0x40 != 0 {
				lines = append(lines, fmt.Sprintf("message %x %s", kind&^0x40, inflated(message)))
			} else {
				lines = append(lines, fmt.Sprintf("message %x %q", kind, message))
			}
			message = nil
		}
	}
	return lines
}

// fieldsOf are the fields of a head as a map, without the key and its answer.
func fieldsOf(h http.Header) map[string]string {
	m := map[string]string{}
	for name, values := range h {
		if name != "Sec-Websocket-Key" && name != "Sec-Websocket-Accept" && len(values) > 0 {
			m[http.CanonicalHeaderKey(name)] = strings.Join(values, "|")
		}
	}
	return m
}
