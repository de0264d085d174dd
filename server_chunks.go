package draftwire

import (
	"bytes"
	"slices"
	"strings"

	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/wire"
)

// How a gate follows the chunks of a body (server_request.go has the rest of it).

// seeLine takes bytes of a line between the chunks of a body (RFC 9112 7.1).
func (t *gate) seeLine(p []byte) (n int, err error) {
	for n < len(p) {
		c := p[n]
		t.buf = append(t.buf, c)
		n++
		if c == '\n' {
			break
		}
	}
	if len(t.buf) > t.limit {
		return n, &badRequest{"a line of a chunk that is too long"}
	}
	if t.buf[len(t.buf)-1] != '\n' {
		return n, nil
	}
	if t.phase == inTrailer {
		return n, t.seeTrailer()
	}
	line := string(t.buf)
	t.buf = t.buf[:0]
	line, ok := strings.CutSuffix(line, "\r\n")
	if !ok || strings.IndexByte(line, '\r') >= 0 {
		return n, &badRequest{"a line of a chunk that does not end in CR LF"}
	}
	if t.phase == inChunkEnd {
		if line != "" {
			return n, &badRequest{"a chunk that is longer than it says"}
		}
		t.phase = inChunkSize
		return n, nil
	}
	size, extension, _ := strings.Cut(line, ";") // which means nothing here
	if strings.Count(extension, `"`)%2 != 0 || strings.IndexFunc(extension, isControl) >= 0 {
		return n, &badRequest{"the extension of a chunk"}
	}
	if t.left, ok = number(strings.TrimRight(size, " \t"), 16); !ok {
		return n, &badRequest{"the size of a chunk"}
	}
	t.phase = inChunk
	if t.left == 0 {
		t.phase = inTrailer
	}
	return n, nil
}

// seeTrailer looks at the trailers where the blank line behind them has come.
func (t *gate) seeTrailer() error {
	if string(t.buf) != "\r\n" && !bytes.HasSuffix(t.buf, []byte("\r\n\r\n")) {
		return nil
	}
	var req wire.Request
	err := httphead.ParseRequest("GET / HTTP/1.1\r\n"+string(t.buf), &req)
	if err != nil || slices.ContainsFunc(req.Fields, func(f wire.Field) bool { return strings.IndexFunc(f.Value, isControl) >= 0 }) {
		return &badRequest{"trailers"}
	}
	t.phase, t.buf = inHead, nil
	return nil
}
