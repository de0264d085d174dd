package input

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// unescape reads the escapes of Go and of C in s, up to the quote that ends it; 0 for none. It
// returns what follows that.
func unescape(s string, quote byte) (p []byte, rest string, closed bool) {
	for i := 0; i < len(s); {
		c := s[i]
		if quote != 0 && c == quote {
			return p, s[i+1:], true
		}
		if c != '\\' || i+1 == len(s) {
			p = append(p, c)
			i++
			continue
		}
		n := 2
		switch e := s[i+1]; e {
		case 'x':
			digits := 0
			for digits < 2 && i+2+digits < len(s) && isHex(s[i+2+digits]) {
				digits++
			}
			v, err := strconv.ParseUint(s[i+2:i+2+digits], 16, 8)
			if err != nil {
				p = append(p, 'x')
				break
			}
			p, n = append(p, byte(v)), 2+digits
		case 'u', 'U':
			digits := 4
			if e == 'U' {
				digits = 8
			}
			if i+2+digits > len(s) {
				p = append(p, e)
				break
			}
			v, err := strconv.ParseUint(s[i+2:i+2+digits], 16, 32)
			if err != nil || v > utf8.MaxRune {
				p = append(p, e)
				break
			}
			p, n = utf8.AppendRune(p, rune(v)), 2+digits
		case '0', '1', '2', '3', '4', '5', '6', '7':
			digits := 1
			for digits < 3 && i+1+digits < len(s) && s[i+1+digits] >= '0' && s[i+1+digits] <= '7' {
				digits++
			}
			v, _ := strconv.ParseUint(s[i+1:i+1+digits], 8, 16)
			p, n = append(p, byte(v)), 1+digits
		default:
			if at := strings.IndexByte("abfnrtve", e); at >= 0 {
				e = "\a\b\f\n\r\t\v\x1b"[at]
			}
			p = append(p, e)
		}
		i += n
	}
	return p, "", quote == 0
}

// quotedIn returns all strings in quotes of a line, one behind the other, and whether there are
// any. cut says that one of them goes on, as strace says it by points.
func quotedIn(line string) (p []byte, found, cut bool) {
	for {
		at := strings.IndexByte(line, '"')
		if at < 0 {
			return p, found, cut
		}
		part, rest, closed := unescape(line[at+1:], '"')
		if !closed {
			return p, found, cut
		}
		p = append(p, part...)
		found, line = true, rest
		cut = strings.HasPrefix(rest, "...")
	}
}

func looksQuoted(text string) bool {
	escapes := 0
	ok := mostly(text, func(line string) bool {
		p, found, _ := quotedIn(line)
		if found && strings.Contains(line, `\`) {
			escapes++
		}
		return found && len(p) > 0
	})
	return ok && (escapes > 0 || strings.Contains(text, `"GET `))
}

// readQuoted reads strings in quotes. Of lines behind each other the strings go together, as
// in C, unless a mark stands before them or a line ends the statement.
func readQuoted(text string) (*Recording, error) {
	var d dump
	for line := range lines(text) {
		p, found, _ := quotedIn(line)
		mark, _ := marked(line[:max(0, strings.IndexByte(line, '"'))])
		if mark != Unknown {
			d.mark, d.fresh = mark, true
		}
		if !found {
			d.fresh = d.fresh || strings.TrimSpace(line) == ""
			continue
		}
		d.add(p)
		if strings.HasSuffix(strings.TrimSpace(line), ";") {
			d.fresh = true
		}
	}
	d.end()
	return &Recording{Conns: d.conns}, nil
}

var escapeIn = regexp.MustCompile(`\\x[0-9a-fA-F]{2}|\\[0-7]{3}|\\r\\n`)

func looksEscapes(text string) bool {
	return mostly(text, func(line string) bool { return escapeIn.MatchString(line) })
}

// readEscapes reads escapes without quotes: each line is one piece, if marks or blank lines say
// so, and otherwise all of them are.
func readEscapes(text string) (*Recording, error) {
	var d dump
	for line := range lines(text) {
		mark, rest := marked(line)
		if mark != Unknown {
			d.mark, d.fresh = mark, true
		}
		if strings.TrimSpace(rest) == "" {
			d.fresh = true
			continue
		}
		p, _, _ := unescape(rest, 0)
		d.add(p)
	}
	d.end()
	return &Recording{Conns: d.conns}, nil
}

var arrayStart = regexp.MustCompile(`(?:char|uint8_t|u8)\s+(?:peer([01])_\d+|\w+)\s*\[[^\]]*\]\s*=\s*\{`)

func looksArray(text string) bool {
	return arrayStart.MatchString(text[:min(len(text), 64<<10)]) && strings.Contains(text, "0x")
}

// readArray reads the arrays of Wireshark's Follow Stream, peer0 being the client, and those
// that xxd -i writes.
func readArray(text string) (*Recording, error) {
	var c Conn
	for {
		m := arrayStart.FindStringSubmatchIndex(text)
		if m == nil {
			break
		}
		if len(c.Pieces) == MaxPieces {
			return nil, fmt.Errorf("more than the %d arrays that are read", MaxPieces)
		}
		from := Unknown
		if m[2] >= 0 {
			from = Client
			if text[m[2]] == '1' {
				from = Server
			}
		}
		text = text[m[1]:]
		body, rest, _ := strings.Cut(text, "}")
		text = rest
		p := Piece{From: from}
		for _, word := range strings.FieldsFunc(withoutComments(body), func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\r' || r == '\t' }) {
			v, err := strconv.ParseUint(word, 0, 8)
			if err == nil {
				p.Bytes = append(p.Bytes, byte(v))
			}
		}
		c.Pieces = append(c.Pieces, p)
	}
	return &Recording{Conns: []Conn{c}}, nil
}

// withoutComments leaves out what stands between /* and */.
func withoutComments(s string) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(s, "/*")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		_, s, _ = strings.Cut(rest, "*/")
	}
}

var yamlPeer = regexp.MustCompile(`^\s*-?\s*peer:\s*([01])\s*$`)
var yamlData = regexp.MustCompile(`^\s*-?\s*data:\s*!!binary\s*\|\s*$`)

func looksYAML(text string) bool {
	return strings.Contains(text[:min(len(text), 64<<10)], "!!binary")
}

// readYAML reads Wireshark's Follow Stream as YAML, peer 0 being the client.
func readYAML(text string) (*Recording, error) {
	var d dump
	inData := false
	for line := range lines(text) {
		if m := yamlPeer.FindStringSubmatch(line); m != nil {
			inData = false
			d.mark = Client
			if m[1] == "1" {
				d.mark = Server
			}
			continue
		}
		if yamlData.MatchString(line) {
			inData, d.fresh = true, true
			continue
		}
		if !inData || d.mark == Unknown {
			continue
		}
		p, err := unbase64(line)
		if err != nil {
			inData = false
			continue
		}
		d.add(p)
	}
	d.end()
	return &Recording{Conns: d.conns}, nil
}

// unbase64 reads base64 of both alphabets, with or without padding and blanks.
func unbase64(s string) ([]byte, error) {
	s = strings.NewReplacer(" ", "", "\t", "", "\n", "", "\r", "", "-", "+", "_", "/").Replace(s)
	return base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
}

func looksBase64(text string) bool {
	n := 0
	for line := range lines(text[:min(len(text), 64<<10)]) {
		_, rest := marked(line)
		for i := range len(rest) {
			c := rest[i]
			if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("+/=-_ \t", c) >= 0) {
				return false
			}
		}
		n += len(strings.TrimSpace(rest))
	}
	return n >= 8 && !strings.Contains(strings.TrimSpace(text), " ") || n >= 8 && hasMarks(text)
}

func hasMarks(text string) bool {
	return mostly(text, func(line string) bool { side, _ := marked(line); return side != Unknown })
}

// readBase64 reads base64. A mark or a blank line begins a piece.
func readBase64(text string) (*Recording, error) {
	var c Conn
	var b strings.Builder
	side := Unknown
	var failed error
	flush := func() {
		if b.Len() == 0 {
			return
		}
		p, err := unbase64(b.String())
		if err != nil && failed == nil {
			failed = err
		}
		c.Pieces = append(c.Pieces, Piece{From: side, Bytes: p})
		b.Reset()
	}
	for line := range lines(text) {
		mark, rest := marked(line)
		if mark != Unknown || strings.TrimSpace(rest) == "" {
			flush()
		}
		if mark != Unknown {
			side = mark
		}
		b.WriteString(strings.TrimSpace(rest))
		if strings.HasSuffix(b.String(), "=") {
			flush()
		}
	}
	flush()
	return &Recording{Conns: []Conn{c}}, failed
}

// readRaw takes the bytes as they are. A request that an answer follows in the same bytes is two
// pieces.
func readRaw(text string) (*Recording, error) {
	c := Conn{Pieces: []Piece{{Bytes: []byte(text)}}}
	if at := strings.Index(text, "HTTP/1.1 101 "); at > 0 && isRequest([]byte(text)) {
		c.Pieces = []Piece{{From: Client, Bytes: []byte(text[:at])}, {From: Server, Bytes: []byte(text[at:])}}
		c.Notes = []string{"both sides are in the same bytes: what follows the answer's first line is taken as the server's"}
	}
	return &Recording{Conns: []Conn{c}}, nil
}
