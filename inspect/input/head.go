package input

import (
	"regexp"
	"strings"
)

var (
	requestLine = regexp.MustCompile(`^[A-Z]+ \S.* HTTP/1\.[01]$`)
	statusLine  = regexp.MustCompile(`^HTTP/1\.[01] \d{3}( |$)`)
	fieldLine   = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]*:( |$|\S)`)
)

// pastedLine returns a line without what curl -v writes before it.
func pastedLine(line string) string {
	for _, mark := range []string{"> ", "< ", "* "} {
		if rest, ok := strings.CutPrefix(line, mark); ok {
			return rest
		}
	}
	if line == ">" || line == "<" {
		return ""
	}
	return line
}

func looksHead(text string) bool {
	first, _, whole := strings.Cut(text, "\r\n\r\n")
	if whole && (isRequest([]byte(first)) || statusLine.MatchString(first[:min(len(first), 20)])) && !strings.Contains(strings.ReplaceAll(first, "\r\n", ""), "\n") {
		return false // the bytes themselves
	}
	fields := 0
	start := false
	for line := range lines(text[:min(len(text), 64<<10)]) {
		line = strings.TrimRight(pastedLine(line), " \t")
		start = start || requestLine.MatchString(line) || statusLine.MatchString(line)
		if fieldLine.MatchString(line) {
			fields++
		}
	}
	return start && fields > 0 || fields > 2 && strings.Contains(strings.ToLower(text), "sec-websocket-")
}

// readHead reads heads that somebody has pasted, whose ends of lines are lost, and what curl and
// browsers write around them.
func readHead(text string) (*Recording, error) {
	c := Conn{Notes: []string{"pasted text: the ends of lines are made, and white space may be lost"}}
	var b strings.Builder
	side, challenge := Unknown, false
	flush := func() {
		if b.Len() > 0 {
			c.Pieces = append(c.Pieces, Piece{From: side, Bytes: []byte(b.String() + "\r\n")})
			b.Reset()
		}
	}
	for line := range lines(text) {
		if strings.HasPrefix(line, "* ") {
			continue
		}
		line = strings.TrimRight(pastedLine(line), "\r")
		bare := strings.TrimRight(line, " \t")
		switch {
		case requestLine.MatchString(bare), statusLine.MatchString(bare):
			flush()
			side = Client
			if statusLine.MatchString(bare) {
				side = Server
			}
			line = bare
		case bare == "":
			flush()
			continue
		case b.Len() == 0 && side != Unknown && challenge && (len(line) == 8 && side == Client || len(line) == 16 && side == Server):
			last := &c.Pieces[len(c.Pieces)-1]
			last.Bytes = append(last.Bytes, line...)
			continue
		case b.Len() == 0 && fieldLine.MatchString(line):
			side = Client
			b.WriteString("GET / HTTP/1.1\r\n")
			c.Notes = append(c.Notes, "there is no first line: GET / HTTP/1.1 stands for it")
		case b.Len() == 0:
			continue
		}
		challenge = challenge || strings.HasPrefix(strings.ToLower(line), "sec-websocket-key1")
		b.WriteString(line + "\r\n")
	}
	flush()
	return &Recording{Conns: []Conn{c}}, nil
}
