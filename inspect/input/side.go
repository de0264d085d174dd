package input

import (
	"bytes"
	"strings"

	"github.com/draftwire/draftwire/detect"
	"github.com/draftwire/draftwire/internal/ascii"
	"github.com/draftwire/draftwire/internal/hybi"
)

// assign finds who has sent each piece. from is for those of which nothing tells it.
func (c *Conn) assign(from Side) {
	relative := c.relative()
	var version []byte // the number in Sec-WebSocket-Version
	for i := range c.Pieces {
		p := &c.Pieces[i]
		switch {
		case p.From == In:
			p.From = relative
		case p.From == Out:
			p.From = other(relative)
		case p.From == Unknown && from != Unknown:
			p.From = from
		case p.From == Unknown:
			if p.From = sideOf(p.Bytes, version); p.From == Unknown {
				p.From = Client
				if i > 0 {
					p.From = c.Pieces[i-1].From
				}
			}
		}
		if v := numberIn(p.Bytes); v != nil {
			version = v
		}
	}
}

// relative returns who has sent what came in to the program that wrote the input.
func (c *Conn) relative() Side {
	for _, p := range c.Pieces {
		if p.From != In && p.From != Out || len(p.Bytes) == 0 {
			continue
		}
		side := sideOf(p.Bytes, nil)
		switch {
		case side == Unknown:
		case p.From == In:
			return side
		default:
			return other(side)
		}
	}
	return Client
}

func other(s Side) Side {
	if s == Client {
		return Server
	}
	return Client
}

// numberIn returns the value of Sec-WebSocket-Version in a request; nil if there is none.
func numberIn(p []byte) []byte {
	const name = "\nsec-websocket-version:"
	i := strings.Index(ascii.ToLower(string(p[:min(len(p), 16<<10)])), name)
	if i < 0 {
		return nil
	}
	value, _, _ := bytes.Cut(p[i+len(name):], []byte("\n"))
	return bytes.TrimSpace(value)
}

// sideOf finds who has sent bytes, by their form. version is the number of the version, if one
// is known.
func sideOf(p, version []byte) Side {
	switch {
	case len(p) == 0:
		return Unknown
	case bytes.HasPrefix(p, []byte("HTTP/1.")):
		return Server
	case isRequest(p):
		return Client
	case len(version) == 1 && version[0] >= '4' && version[0] <= '6':
		if isClear(p) {
			return Server
		}
		return Client
	case len(p) >= 2 && p[0]&0x30 == 0 && p[0] != 0 && len(version) > 0:
		if p[1]&0x80 != 0 {
			return Client
		}
		return Server
	case len(p) >= 6 && p[0]&0xB0 == 0x80 && p[1]&0x80 != 0 && hybi.Opcodes07.Knows(p[0]&15):
		return Client
	case len(p) >= 2 && p[0]&0xB0 == 0x80 && isClear(p):
		return Server
	}
	return Unknown
}

// isRequest reports whether bytes begin with the line of a request.
func isRequest(p []byte) bool {
	line, _, _ := bytes.Cut(p[:min(len(p), 8<<10)], []byte("\n"))
	return detect.Preface(p) == detect.HTTP1 && strings.Contains(string(line), " HTTP/1.")
}

// isClear reports whether bytes are whole frames without masks.
func isClear(p []byte) bool {
	for len(p) > 0 {
		if len(p) < 2 || p[0]&0x70 != 0 || p[1]&0x80 != 0 {
			return false
		}
		n, head := int(p[1]), hybi.HeadSize(p[1])
		switch {
		case len(p) < head:
			return false
		case n == 126:
			n = int(p[2])<<8 | int(p[3])
		case n == 127:
			n = int(p[6])<<24 | int(p[7])<<16 | int(p[8])<<8 | int(p[9])
		}
		if len(p)-head < n {
			return false
		}
		p = p[head+n:]
	}
	return true
}

func firstBytes(pieces []Piece) []byte {
	for _, p := range pieces {
		if len(p.Bytes) > 0 {
			return p.Bytes
		}
	}
	return nil
}

func firstIsRequest(pieces []Piece) bool { return isRequest(firstBytes(pieces)) }

// marks are the words with which a line says who has sent what follows, without the colon.
var marks = map[string]Side{
	">": Client, "->": Client, "-->": Client, ">>>": Client, "c": Client, "client": Client, "c>s": Client, "c->s": Client,
	"<": Server, "<-": Server, "<--": Server, "<<<": Server, "s": Server, "server": Server, "s>c": Server, "s->c": Server,
	"i": In, "in": In, "rx": In, "recv": In, "received": In, "read": In,
	"o": Out, "out": Out, "tx": Out, "send": Out, "sent": Out, "write": Out, "wrote": Out,
}

// marked returns the mark at the front of a line, and what follows it. A line that is only a
// mark leaves nothing.
func marked(line string) (side Side, rest string) {
	trimmed := strings.TrimLeft(line, " \t")
	word, rest, _ := strings.Cut(trimmed, " ")
	word = strings.ToLower(strings.TrimSuffix(word, ":"))
	if side, ok := marks[word]; ok {
		return side, rest
	}
	return Unknown, line
}
