package input

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
)

// maxLine is the most bytes of a line of a dump.
const maxLine = 64

// dumpLine parses a line of a dump: an offset, bytes, and perhaps what they are as text.
func dumpLine(s string) (offset int64, p []byte, ok bool) {
	s = strings.TrimLeft(s, " \t")
	s = strings.TrimPrefix(s, "0x")
	digits := 0
	for digits < len(s) && isHex(s[digits]) {
		digits++
	}
	if digits < 4 || digits > 16 {
		return 0, nil, false
	}
	n, err := strconv.ParseInt(s[:digits], 16, 63)
	if err != nil {
		return 0, nil, false
	}
	rest := strings.TrimPrefix(s[digits:], ":")
	if rest == "" || rest[0] != ' ' && rest[0] != '\t' {
		return n, nil, rest == "" && strings.HasSuffix(s, ":") || rest == ""
	}
	p = columns(strings.TrimLeft(rest, " \t"))
	return n, p, len(p) > 0
}

// columns parses the bytes of a line, in groups of one or more. Two blanks end them, or
// what stands between bars, but for the gap in the middle of sixteen.
func columns(s string) (p []byte) {
	for len(p) < maxLine {
		n := 0
		for n < len(s) && isHex(s[n]) {
			n++
		}
		if n == 0 || n%2 != 0 || n > 16 || n < len(s) && s[n] != ' ' && s[n] != '\t' && s[n] != '-' {
			return p
		}
		for i := 0; i < n; i += 2 {
			p = append(p, unhex(s[i])<<4|unhex(s[i+1]))
		}
		s = s[n:]
		blanks := len(s) - len(strings.TrimLeft(s, " \t-"))
		middle := blanks == 2 && len(p) == 8 && n == 2 && len(s) > 4 && isHex(s[2]) && isHex(s[3]) && s[4] == ' '
		if blanks != 1 && !middle && !(blanks == 3 && s[1] == '-') {
			return p
		}
		s = s[blanks:]
	}
	return p
}

func isHex(c byte) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' }

func unhex(c byte) byte {
	switch {
	case c >= 'a':
		return c - 'a' + 10
	case c >= 'A':
		return c - 'A' + 10
	}
	return c - '0'
}

// dump gathers the lines of a dump to pieces.
type dump struct {
	conn   Conn
	conns  []Conn
	next   [5]int64 // offset that is expected, of each side
	last   []byte   // bytes of the line before
	repeat bool     // a line was left out, as it is the one before again
	mark   Side     // of what follows
	fresh  bool     // the next line begins a piece
	made   int64    // bytes of lines that were left out, of all connections
}

// line adds a line with an offset.
func (d *dump) line(from Side, offset int64, p []byte) {
	n := len(d.conn.Pieces)
	missing := offset - d.next[from]
	switch {
	case missing == 0 && n > 0 && d.conn.Pieces[n-1].From == from && !d.fresh && !(offset == 0):
	case missing > 0 && d.repeat && len(d.last) > 0 && missing <= MaxSize-d.made && n > 0:
		d.made += missing
		again := bytes.Repeat(d.last, int(missing)/len(d.last)+1)
		d.conn.Pieces[n-1].Bytes = append(d.conn.Pieces[n-1].Bytes, again[:missing]...)
	case missing > 0 && n > 0 && d.next[from] > 0:
		d.conn.Pieces = append(d.conn.Pieces, Piece{From: from, Lost: missing})
	default:
		d.conn.Pieces = append(d.conn.Pieces, Piece{From: from})
	}
	d.fresh, d.repeat = false, false
	n = len(d.conn.Pieces)
	d.conn.Pieces[n-1].Bytes = append(d.conn.Pieces[n-1].Bytes, p...)
	d.next[from] = offset + int64(len(p))
	d.last = p
}

// end ends a connection.
func (d *dump) end() {
	if len(d.conn.Pieces) > 0 {
		d.conns = append(d.conns, d.conn)
	}
	*d = dump{conns: d.conns, made: d.made}
}

// connectionLine is the line that stands before a connection in what --write hex writes.
var connectionLine = regexp.MustCompile(`^# connection \d+`)

// readDump reads dumps of one side or of both: of both, lines of the server are indented, as in
// Wireshark's Follow Stream, or a mark stands before them.
func readDump(text string) (*Recording, error) {
	var d dump
	follow := looksFollow(text)
	for line := range lines(text) {
		switch {
		case connectionLine.MatchString(line):
			d.end()
			continue
		case strings.TrimSpace(line) == "*":
			d.repeat = true
			continue
		}
		mark, rest := marked(line)
		if mark != Unknown {
			d.mark, d.fresh = mark, true
		}
		offset, p, ok := dumpLine(rest)
		if !ok || len(p) == 0 {
			if strings.TrimSpace(line) == "" {
				d.fresh = true
			}
			continue
		}
		from := d.mark
		if follow && mark == Unknown && d.mark == Unknown {
			from = Client
			if indented(line) {
				from = Server
			}
		}
		d.line(from, offset, p)
	}
	d.end()
	return &Recording{Conns: d.conns}, nil
}

func indented(line string) bool {
	return strings.HasPrefix(line, "    ") || strings.HasPrefix(line, "\t")
}

// lines returns the lines of a text without their ends.
func lines(text string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for line := range strings.Lines(text) {
			if !yield(strings.TrimRight(line, "\r\n")) {
				return
			}
		}
	}
}

// sniffLines is how many lines of a text are looked at.
const sniffLines = 200

// share returns how many of the first lines that are not blank are as they should be.
func share(text string, is func(string) bool) (yes, all int) {
	for line := range lines(text[:min(len(text), 64<<10)]) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		if all++; all > sniffLines {
			break
		}
		if len(line) < 4<<10 && is(line) {
			yes++
		}
	}
	return yes, all
}

// mostly reports whether at least half of the first lines are as they should be.
func mostly(text string, is func(string) bool) bool {
	yes, all := share(text, is)
	return yes > 0 && 2*yes >= all
}

func isDumpLine(line string) bool {
	_, rest := marked(line)
	_, p, ok := dumpLine(rest)
	return ok && len(p) > 0 || strings.TrimSpace(line) == "*"
}

func looksDump(text string) bool { return mostly(text, isDumpLine) }

var xxdLine = regexp.MustCompile(`^\s*(\S+\s+)?[0-9a-f]{8}: [0-9a-f]{2}`)

func looksXxd(text string) bool {
	return mostly(text, func(line string) bool { return xxdLine.MatchString(line) && isDumpLine(line) })
}

// looksFollow finds the two sides of Wireshark's Follow Stream: lines of both with eight digits
// and without a colon, the server's with four blanks more. A dump with marks is one too.
func looksFollow(text string) bool {
	left, right, markedLines := false, false, false
	ok := mostly(text, func(line string) bool {
		side, rest := marked(line)
		markedLines = markedLines || side != Unknown
		if !isDumpLine(rest) {
			return side != Unknown
		}
		if at := strings.TrimLeft(rest, " \t"); len(at) < 9 || at[8] != ' ' || strings.HasPrefix(at, "0x") {
			return side != Unknown || markedLines
		}
		if indented(rest) {
			right = true
		} else {
			left = true
		}
		return true
	})
	return ok && (right || markedLines && left)
}

// lwsDump is a line of libwebsockets' log that holds bytes. Its prefix has the time and the
// level.
var lwsPrefix = regexp.MustCompile(`^\[?\d{4}[/-]\d\d[/-]\d\d[ T][\d:.]+\]? +(?:\[?[A-Za-z]+\]?:? )?|^(?:N|NOTICE|I|INFO|D|DEBUG|W|WARN|E|ERR|lws_\w+): `)

func lwsLine(line string) (rest string, ok bool) {
	at := lwsPrefix.FindStringIndex(line)
	if at == nil {
		return line, false
	}
	return line[at[1]:], true
}

func looksLws(text string) bool {
	dumps := 0
	ok := mostly(text, func(line string) bool {
		rest, ok := lwsLine(line)
		if ok && isLwsDump(rest) {
			dumps++
		}
		return ok
	})
	return ok && dumps > 0
}

func isLwsDump(rest string) bool {
	offset := strings.TrimSpace(rest)
	return len(offset) > 5 && offset[4] == ':' && isDumpLine(rest)
}

// readLws reads the log of libwebsockets, which dumps what comes and goes with offsets from 0.
// Between two dumps it may have said which of the two.
func readLws(text string) (*Recording, error) {
	var d dump
	for line := range lines(text) {
		rest, _ := lwsLine(line)
		offset, p, ok := dumpLine(rest)
		if ok && len(p) > 0 && isLwsDump(rest) {
			if offset == 0 {
				d.fresh, d.next[d.mark] = true, 0
			}
			d.line(d.mark, offset, p)
			continue
		}
		words := " " + strings.ToLower(strings.NewReplacer(":", " ", ",", " ", "_", " ", "(", " ").Replace(rest)) + " "
		switch {
		case strings.Contains(words, " rx ") || strings.Contains(words, " recv ") || strings.Contains(words, " received ") || strings.Contains(words, " read "):
			d.mark, d.fresh = In, true
		case strings.Contains(words, " tx ") || strings.Contains(words, " write ") || strings.Contains(words, " send ") || strings.Contains(words, " sent "):
			d.mark, d.fresh = Out, true
		}
	}
	d.end()
	return &Recording{Conns: d.conns}, nil
}

// looksHex finds digits alone, perhaps with blanks and marks.
func looksHex(text string) bool {
	digits, other := 0, 0
	for line := range lines(text[:min(len(text), 64<<10)]) {
		_, rest := marked(line)
		for i := range len(rest) {
			switch c := rest[i]; {
			case isHex(c):
				digits++
			case c != ' ' && c != '\t' && c != ':' && c != '-' && c != ',':
				other++
			}
		}
	}
	return digits >= 4 && other == 0
}

// readHex reads digits. Each line with a mark, and each behind a blank one, begins a piece.
func readHex(text string) (*Recording, error) {
	var d dump
	for line := range lines(text) {
		mark, rest := marked(line)
		if mark != Unknown {
			d.mark, d.fresh = mark, true
		}
		var p []byte
		high, half := byte(0), false
		for i := range len(rest) {
			if c := rest[i]; isHex(c) {
				if half {
					p = append(p, high<<4|unhex(c))
				}
				high, half = unhex(c), !half
			}
		}
		if len(p) == 0 {
			d.fresh = true
			continue
		}
		d.add(p)
	}
	d.end()
	return &Recording{Conns: d.conns}, nil
}

// add adds bytes without an offset.
func (d *dump) add(p []byte) {
	n := len(d.conn.Pieces)
	if n == 0 || d.fresh {
		d.conn.Pieces = append(d.conn.Pieces, Piece{From: d.mark})
		n++
	}
	d.fresh = false
	d.conn.Pieces[n-1].Bytes = append(d.conn.Pieces[n-1].Bytes, p...)
}
