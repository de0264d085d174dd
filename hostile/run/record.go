package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/draftwire/draftwire/hostile"
)

// lingers is how long the recording backend waits for more behind a request: what a proxy
// took for a part of the body comes at once.
const lingers = 150 * time.Millisecond

// records is the honest backend of the side pages. It reads requests as strictly as can be:
// what another program could read in another way is a fault of the proxy, and so is a request
// too many. It answers each, and says that it ends the connection; what comes all the same is
// read.
func records(c net.Conn, pre []byte, b *beyond) {
	r := &recorder{c: c, pre: pre, raw: &anyOf{}, clear: b.search(), b: b}
	b.note(func(b *beyond) { b.connections++ })
	in := bufio.NewReaderSize(r, 4<<10)
	for first := true; ; first = false {
		if !first {
			c.SetReadDeadline(time.Now().Add(lingers))
			if _, err := in.Peek(1); err != nil {
				return
			}
		}
		c.SetReadDeadline(time.Now().Add(patience))
		head, err := readHead(in)
		b.note(func(b *beyond) { b.requests++ })
		r.feed(r.clear, head)
		if err == nil {
			err = readBody(in, head)
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return // the proxy has cut it, and it is no request
		}
		if err != nil {
			b.note(func(b *beyond) { b.unclear = fmt.Sprintf("%.200q: %v", head, err) })
			return
		}
		status := http.StatusOK
		if fieldOf(head, "Upgrade") != "" {
			status = http.StatusUpgradeRequired
		}
		if strings.HasPrefix(string(head), "HEAD ") {
			fmt.Fprintf(c, "HTTP/1.1 %d Recorded\r\nContent-Length: 8\r\nConnection: close\r\n\r\n", status)
		} else {
			fmt.Fprintf(c, "HTTP/1.1 %d Recorded\r\nContent-Length: 8\r\nConnection: close\r\n\r\nbackend\n", status)
		}
	}
}

// readBody reads the body that a head announces. Its error says why another program could
// find another end of the request.
func readBody(in *bufio.Reader, head []byte) error {
	length, chunked, err := framing(head)
	if err != nil || !chunked {
		if err == nil {
			_, err = io.CopyN(io.Discard, in, length)
		}
		return err
	}
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return err
		}
		digits, ok := strings.CutSuffix(line, "\r\n")
		n, err := strconv.ParseInt(digits, 16, 63)
		if !ok || err != nil {
			return fmt.Errorf("the line of a chunk is %.80q", line)
		}
		if n == 0 {
			break
		}
		if _, err := io.CopyN(io.Discard, in, int64(n)); err != nil {
			return err
		}
		if end, err := in.Peek(2); err != nil {
			return err
		} else if string(end) != "\r\n" {
			return fmt.Errorf("a chunk ends with %q", end)
		}
		in.Discard(2)
	}
	trailers, err := readTrailers(in)
	if err == nil {
		_, _, err = framing(trailers)
	}
	return err
}

// readTrailers reads lines to the empty one.
func readTrailers(in *bufio.Reader) (lines []byte, err error) {
	lines = []byte("trailers\r\n")
	for {
		line, err := in.ReadBytes('\n')
		lines = append(lines, line...)
		if err != nil || len(line) <= 2 || len(lines) > mostHead {
			return lines, err
		}
	}
}

// framing returns what a head, or trailers behind a first line, say of the body. Each line
// has to be one for every program.
func framing(head []byte) (length int64, chunked bool, err error) {
	text, ok := strings.CutSuffix(string(head), "\r\n\r\n")
	if !ok {
		text, ok = strings.CutSuffix(string(head), "\r\n")
	}
	if !ok || strings.ContainsAny(strings.ReplaceAll(text, "\r\n", ""), "\r\n\x00") {
		return 0, false, fmt.Errorf("a line does not end in CR LF")
	}
	lines := strings.Split(text, "\r\n")
	said := 0
	for _, line := range lines[1:] {
		if line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		value = strings.Trim(value, " \t")
		if !ok || name == "" || strings.ContainsAny(name, " \t\x0b\x0c\"(),/;<=>?@[\\]{}") {
			return 0, false, fmt.Errorf("the line %.80q", line)
		}
		switch strings.ToLower(strings.ReplaceAll(name, "_", "-")) {
		case "content-length":
			said++
			if length, err = strconv.ParseInt(value, 10, 60); err != nil || strings.Trim(value, "0123456789") != "" || strings.Contains(name, "_") {
				return 0, false, fmt.Errorf("the length %.80q", line)
			}
		case "transfer-encoding":
			said++
			if chunked = value == "chunked"; !chunked || strings.Contains(name, "_") {
				return 0, false, fmt.Errorf("the coding %.80q", line)
			}
		}
	}
	if said > 1 || said > 0 && bytes.HasPrefix(head, []byte("trailers\r\n")) {
		return 0, false, fmt.Errorf("%d lengths", said)
	}
	if said == 0 && !bytes.HasPrefix(head, []byte("trailers\r\n")) && strings.Count(lines[0], " ") != 2 {
		return 0, false, fmt.Errorf("the request line %.80q", lines[0])
	}
	return length, chunked, nil
}

// tooMany says whether more requests came than may.
func (b *beyond) tooMany(may *hostile.Beyond) string {
	switch {
	case b.unclear != "":
		return "beyond: a request that two programs read in two ways: " + b.unclear
	case may.Requests != nil && b.requests > *may.Requests:
		return fmt.Sprintf("beyond: %d requests came, expected at most %d", b.requests, *may.Requests)
	}
	return ""
}
