package inspect

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"strings"

	"github.com/draftwire/draftwire/detect"
	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/wire"
)

// atStart expects a head.
func atStart(c *conversation, s *side) bool {
	if len(s.buf) == 0 {
		return false
	}
	if c.isClient(s) {
		return c.clientStart(s)
	}
	return c.serverStart(s)
}

// clientStart explains what stands before a request, and the request.
func (c *conversation) clientStart(s *side) bool {
	kind := detect.Preface(s.buf)
	if kind == detect.NeedMore && s.ended {
		kind = detect.Unknown
	}
	switch kind {
	case detect.NeedMore:
		return false
	case detect.HTTP1:
		if c.conn.Midway && !bytes.Contains(s.buf, []byte(" HTTP/1.")) {
			if len(s.buf) < maxLine && !s.ended {
				return false
			}
			break // text of a frame may begin with a word
		}
		return c.head(s, c.request)
	case detect.BlankLine:
		n := len(s.buf) - len(bytes.TrimLeft(s.buf, "\r\n"))
		c.preface(s, n, "blank lines before a request")
		return true
	case detect.FlashPolicy:
		c.preface(s, len(detect.PolicyRequest), "the request for a policy of Flash, which comes before its socket")
		c.other(s).state = flashPolicy
		return true
	case detect.Proxy:
		return c.proxyHeader(s)
	case detect.SSLv2:
		if c.conn.Midway || len(s.buf) >= 5 && s.buf[3] != 3 && !bytes.Equal(s.buf[3:5], []byte{0, 2}) {
			break // a frame may begin so
		}
		c.sealed(s, "TLS that was not opened: without its keys nothing is known of it")
		return true
	case detect.TLS:
		if c.conn.Midway {
			break // so may any bytes begin; a hello there is none
		}
		c.sealed(s, "TLS that was not opened: without its keys nothing is known of it")
		return true
	case detect.HTTP2:
		c.sealed(s, "HTTP/2, which is not explained here")
		return true
	}
	s.search()
	return true
}

// preface tells of n bytes before a request.
func (c *conversation) preface(s *side, n int, what string) {
	e := c.event(s, KindPreface, int64(n))
	e.Text, e.Bytes = what, bytes.Clone(s.buf[:min(n, 256)])
	c.say(e)
	s.take(n)
}

// sealed gives both directions up.
func (c *conversation) sealed(s *side, why string) {
	c.lose(s, why)
	o := c.other(s)
	c.lose(o, why)
}

// proxyHeader explains a header of the PROXY protocol.
func (c *conversation) proxyHeader(s *side) bool {
	const v2head, v1most = 16, 108
	n := bytes.IndexByte(s.buf, '\n') + 1
	if s.buf[0] == '\r' {
		if len(s.buf) < v2head {
			return false
		}
		n = v2head + int(binary.BigEndian.Uint16(s.buf[14:]))
		if n > len(s.buf) {
			return false
		}
	}
	switch {
	case n > 0:
		c.preface(s, n, "a header of the PROXY protocol: a proxy in front says who the client is")
		return true
	case len(s.buf) < v1most:
		return false
	}
	c.lose(s, "a header of the PROXY protocol without end")
	return true
}

// flashPolicy expects the policy file that answers a request of Flash.
func flashPolicy(c *conversation, s *side) bool {
	n := bytes.IndexByte(s.buf, 0) + 1
	if n == 0 {
		return false
	}
	c.preface(s, n, "the policy of Flash: "+textOf(whole(s.buf[:min(n-1, 256)], n > 256)))
	s.state = atStart
	return true
}

// serverStart explains an answer, once its request is known or cannot be known any more.
func (c *conversation) serverStart(s *side) bool {
	const begin = "HTTP/1."
	if len(c.requests) == 0 && c.mayAsk() {
		return false
	}
	switch n := min(len(begin), len(s.buf)); {
	case string(s.buf[:n]) == begin[:n]:
		return c.head(s, c.response)
	case len(c.requests) > 0:
		c.lose(s, "this is no answer of HTTP")
	default:
		s.search()
	}
	return true
}

// mayAsk reports whether a request of the client may still come.
func (c *conversation) mayAsk() bool {
	o := &c.sides[0]
	return !o.ended && !o.lost && o.reader == nil && !c.conn.Midway && len(o.buf) < maxWaiting
}

// answerAlone expects an answer whose request is not known.
func answerAlone(c *conversation, s *side) bool {
	s.state = atStart
	if bytes.HasPrefix(s.buf, []byte("HTTP/1.")) {
		return c.head(s, c.response)
	}
	s.search()
	return true
}

// head gives a whole head to explain, which takes it.
func (c *conversation) head(s *side, explain func(*side, string)) bool {
	n := httphead.End(s.buf, s.seen)
	if n >= 0 {
		explain(s, string(s.buf[:n]))
		return true
	}
	s.seen = len(s.buf)
	if len(s.buf) > maxHead || s.ended {
		c.lose(s, "a head without its end, the blank line")
		return true
	}
	return false
}

// maxLines is how many lines of a head are told apart. No server reads that many, and lines of a
// few bytes each would take many times their size.
const maxLines = 256

// headLines returns the lines of a head, up to maxLines; the last one, which is blank, is left out.
func headLines(raw string, offset int64) (out []Line) {
	for text := range strings.Lines(raw) {
		if len(out) == maxLines {
			return append(out, Line{Offset: offset, Text: "..."})
		}
		l := Line{Offset: offset, Text: textOf([]byte(strings.TrimRight(text, "\r\n")))}
		offset += int64(len(text))
		if l.Text == "" {
			continue
		}
		if name, _, ok := strings.Cut(l.Text, ":"); ok && len(out) > 0 {
			l.Name = strings.TrimSpace(name)
		}
		out = append(out, l)
	}
	return out
}

// expectBody sets up what follows the head of an ordinary request or answer.
func (s *side) expectBody(f wire.Fields, untilEnd bool) {
	s.state, s.body = inBody, nil
	s.chunks = f.HasToken("Transfer-Encoding", "chunked")
	s.skip = 0
	if s.chunks {
		return
	}
	n, err := strconv.ParseInt(f.Get("Content-Length"), 10, 64)
	switch {
	case err == nil && n >= 0:
		s.skip = n
	case untilEnd:
		s.skip = -1
	}
}

// inBody takes the body of an ordinary request or answer. Its chunks are shown as they are on
// the wire.
func inBody(c *conversation, s *side) bool {
	n, more := s.bodyPiece()
	if n > 0 {
		if s.bodyLength == 0 {
			s.bodyOffset = s.offset
		}
		s.bodyLength += int64(n)
		s.body = append(s.body, s.buf[:min(n, max(0, c.o.payload()-len(s.body)))]...)
		s.take(n)
	}
	if more {
		return n > 0
	}
	c.finishBody(s)
	s.state = atStart
	return true
}

// bodyPiece returns how much of what has come belongs to the body, and whether more follows.
func (s *side) bodyPiece() (n int, more bool) {
	const last = "\r\n0\r\n\r\n"
	switch {
	case s.chunks && s.bodyLength == 0 && bytes.HasPrefix(s.buf, []byte(last[2:])):
		return len(last) - 2, false
	case s.chunks:
		if end := bytes.Index(s.buf, []byte(last)); end >= 0 {
			return end + len(last), false
		}
		return max(0, len(s.buf)-len(last)), true
	case s.skip < 0:
		return len(s.buf), true
	}
	n = int(min(int64(len(s.buf)), s.skip))
	s.skip -= int64(n)
	return n, s.skip > 0
}

// finishBody tells of a body.
func (c *conversation) finishBody(s *side) {
	if s.bodyLength == 0 {
		return
	}
	e := c.event(s, KindBody, s.bodyLength)
	e.Offset, e.Bytes = s.bodyOffset, s.body
	e.Text = textOf(whole(e.Bytes, s.bodyLength > int64(len(e.Bytes))))
	s.bodyLength, s.body = 0, nil
	c.say(e)
}
