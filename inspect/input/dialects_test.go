package input_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/draftwire/draftwire/inspect/capture"
	"github.com/draftwire/draftwire/internal/vectest"
)

// dialect writes a recording in a format. It returns one text, or one for each side.
type dialect struct {
	name, format string
	write        func(pieces []vectest.Recorded) []string
}

// dialects are the formats that hold all bytes, as programs write them.
var dialects = []dialect{
	{"raw", "raw", perSide(func(p []byte) string { return string(p) })},
	{"xxd", "xxd", perSide(func(p []byte) string { return dumped(p, 0, xxdStyle) })},
	{"xxd -a", "xxd", perSide(func(p []byte) string { return squeezed(dumped(p, 0, xxdStyle), 10) })},
	{"hexdump -C", "hexdump", perSide(func(p []byte) string { return squeezed(dumped(p, 0, hexdumpStyle), 10) })},
	{"follow stream", "wireshark-hex", follow},
	{"marked dump", "wireshark-hex", marked},
	{"lws", "lws", lws},
	{"strace", "strace", strace},
	{"tcpdump -X", "tcpdump-x", func(p []vectest.Recorded) []string { return packets(p, 14, tcpdumpStyle) }},
	{"tcpdump -XX", "tcpdump-x", func(p []vectest.Recorded) []string { return packets(p, 0, tcpdumpStyle) }},
	{"packet bytes", "tcpdump-x", func(p []vectest.Recorded) []string { return packets(p, 0, wiresharkStyle) }},
	{"yaml", "wireshark-yaml", yaml},
	{"arrays", "c-array", arrays},
	{"%q", "quoted", eachPiece(func(p []byte) string { return strconv.Quote(string(p)) })},
	{"C string", "quoted", eachPiece(func(p []byte) string { return `"` + escaped(p) + `"` })},
	{"escapes", "escapes", eachPiece(escaped)},
	{"hex", "hex", eachPiece(func(p []byte) string { return fmt.Sprintf("%x", p) })},
	{"base64", "base64", eachPiece(func(p []byte) string { return base64.StdEncoding.EncodeToString(p) })},
}

// sides returns the bytes of the client and of the server.
func sides(pieces []vectest.Recorded) (client, server []byte) {
	for _, p := range pieces {
		if p.Client {
			client = append(client, p.Bytes...)
		} else {
			server = append(server, p.Bytes...)
		}
	}
	return client, server
}

func perSide(write func([]byte) string) func([]vectest.Recorded) []string {
	return func(pieces []vectest.Recorded) []string {
		client, server := sides(pieces)
		if len(server) == 0 {
			return []string{write(client)}
		}
		return []string{write(client), write(server)}
	}
}

// eachPiece writes a line for each piece, with a mark.
func eachPiece(write func([]byte) string) func([]vectest.Recorded) []string {
	return func(pieces []vectest.Recorded) []string {
		var b strings.Builder
		for _, p := range pieces {
			mark := "< "
			if p.Client {
				mark = "> "
			}
			b.WriteString(mark + write(p.Bytes) + "\n")
		}
		return []string{b.String()}
	}
}

func escaped(p []byte) string {
	var b strings.Builder
	for _, c := range p {
		fmt.Fprintf(&b, `\x%02x`, c)
	}
	return b.String()
}

// style writes a line of a dump.
type style func(b *strings.Builder, offset int, p []byte)

func ascii(p []byte) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '.'
		}
		return r
	}, string(bytes.Map(func(r rune) rune { return r }, []byte(latin(p)))))
}

func latin(p []byte) string {
	out := make([]byte, len(p))
	for i, c := range p {
		if out[i] = c; c > '~' {
			out[i] = '.'
		}
	}
	return string(out)
}

func xxdStyle(b *strings.Builder, offset int, p []byte) {
	var cols strings.Builder
	for i, c := range p {
		fmt.Fprintf(&cols, "%02x", c)
		if i%2 == 1 {
			cols.WriteByte(' ')
		}
	}
	fmt.Fprintf(b, "%08x: %-40s %s\n", offset, cols.String(), ascii(p))
}

func hexdumpStyle(b *strings.Builder, offset int, p []byte) {
	fmt.Fprintf(b, "%08x  %-49s |%s|\n", offset, spaced(p, true), ascii(p))
}

func wiresharkStyle(b *strings.Builder, offset int, p []byte) {
	fmt.Fprintf(b, "%04x  %-48s   %s\n", offset, spaced(p, true), ascii(p))
}

func followStyle(b *strings.Builder, offset int, p []byte) {
	fmt.Fprintf(b, "%08X  %-48s   %s\n", offset, spaced(p, true), ascii(p))
}

func lwsStyle(b *strings.Builder, offset int, p []byte) {
	fmt.Fprintf(b, "[2026/11/29 10:00:00:0123] I: %04X: %-48s   %s\n", offset, strings.ToUpper(spaced(p, false)), ascii(p))
}

func tcpdumpStyle(b *strings.Builder, offset int, p []byte) {
	var cols strings.Builder
	for i, c := range p {
		fmt.Fprintf(&cols, "%02x", c)
		if i%2 == 1 {
			cols.WriteByte(' ')
		}
	}
	fmt.Fprintf(b, "\t0x%04x:  %-40s %s\n", offset, cols.String(), ascii(p))
}

// spaced writes bytes with a blank between, and two in the middle where that is asked for.
func spaced(p []byte, middle bool) string {
	var b strings.Builder
	for i, c := range p {
		if i == 8 && middle {
			b.WriteByte(' ')
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%02x", c)
	}
	return b.String()
}

func dumped(p []byte, offset int, write style) string {
	var b strings.Builder
	for i := 0; i < len(p); i += 16 {
		write(&b, offset+i, p[i:min(i+16, len(p))])
	}
	return b.String()
}

// squeezed writes a star for lines that repeat the one before, whose bytes begin at a column.
func squeezed(text string, column int) string {
	var b strings.Builder
	last, star := "", false
	all := strings.SplitAfter(text, "\n")
	for i, line := range all {
		if len(line) > column && line[column:] == last && i < len(all)-2 {
			if !star {
				b.WriteString("*\n")
			}
			star = true
			continue
		}
		star = false
		if len(line) > column {
			last = line[column:]
		}
		b.WriteString(line)
	}
	return b.String()
}

func follow(pieces []vectest.Recorded) []string {
	var b strings.Builder
	var at [2]int
	for _, p := range pieces {
		side, indent := 0, ""
		if !p.Client {
			side, indent = 1, "    "
		}
		for line := range strings.Lines(dumped(p.Bytes, at[side], followStyle)) {
			b.WriteString(indent + line)
		}
		at[side] += len(p.Bytes)
	}
	return []string{b.String()}
}

func marked(pieces []vectest.Recorded) []string {
	var b strings.Builder
	for _, p := range pieces {
		if p.Client {
			b.WriteString("I\n")
		} else {
			b.WriteString("O\n")
		}
		b.WriteString(dumped(p.Bytes, 0, followStyle))
	}
	return []string{b.String()}
}

func lws(pieces []vectest.Recorded) []string {
	var b strings.Builder
	for _, p := range pieces {
		word := "rx"
		if !p.Client {
			word = "tx"
		}
		fmt.Fprintf(&b, "[2026/11/29 10:00:00:0123] I: lws_%s: %s %d\n", word, word, len(p.Bytes))
		b.WriteString(dumped(p.Bytes, 0, lwsStyle))
	}
	return []string{b.String()}
}

func strace(pieces []vectest.Recorded) []string {
	var b strings.Builder
	b.WriteString("[pid 77] openat(AT_FDCWD, \"/etc/hosts\", O_RDONLY) = 3\n[pid 77] read(3, \"\\x31\\x32\", 4096) = 2\n")
	for i, p := range pieces {
		switch {
		case p.Client && i%2 == 0:
			fmt.Fprintf(&b, "[pid 77] recvfrom(5,  <unfinished ...>\n[pid 78] futex(0x1, FUTEX_WAIT, 0) = 0\n[pid 77] <... recvfrom resumed>\"%s\", 65536, 0, NULL, NULL) = %d\n", escaped(p.Bytes), len(p.Bytes))
		case p.Client:
			fmt.Fprintf(&b, "[pid 77] 10:00:00.123456 read(5, \"%s\", 65536) = %d\n", escaped(p.Bytes), len(p.Bytes))
		default:
			half := len(p.Bytes) / 2
			fmt.Fprintf(&b, "[pid 77] writev(5<TCP:[1.2.3.4:80]>, [{iov_base=\"%s\", iov_len=%d}, {iov_base=\"%s\", iov_len=%d}], 2) = %d\n",
				escaped(p.Bytes[:half]), half, escaped(p.Bytes[half:]), len(p.Bytes)-half, len(p.Bytes))
		}
	}
	return []string{b.String()}
}

func yaml(pieces []vectest.Recorded) []string {
	var b strings.Builder
	b.WriteString("peers:\n  - peer: 0\n    host: 127.0.0.1\n    port: 50000\n  - peer: 1\n    host: 127.0.0.1\n    port: 80\npackets:\n")
	for i, p := range pieces {
		peer := 1
		if p.Client {
			peer = 0
		}
		fmt.Fprintf(&b, "  - packet: %d\n    peer: %d\n    index: 0\n    timestamp: 1.5\n    data: !!binary |\n", i, peer)
		for s := base64.StdEncoding.EncodeToString(p.Bytes); s != ""; {
			n := min(76, len(s))
			b.WriteString("      " + s[:n] + "\n")
			s = s[n:]
		}
	}
	return []string{b.String()}
}

func arrays(pieces []vectest.Recorded) []string {
	var b strings.Builder
	for i, p := range pieces {
		peer := 1
		if p.Client {
			peer = 0
		}
		fmt.Fprintf(&b, "char peer%d_%d[] = { /* Packet %d */\n", peer, i, i+1)
		for i, c := range p.Bytes {
			if i > 0 {
				b.WriteString(", ")
			}
			fmt.Fprintf(&b, "0x%02x", c)
		}
		b.WriteString(" };\n")
	}
	return []string{b.String()}
}

// packets writes the packets of a connection as dumps, without the first skip bytes of each.
func packets(pieces []vectest.Recorded, skip int, write style) []string {
	var file bytes.Buffer
	s := capture.NewWriter(&file).Open(capture.Conn{Number: 1})
	var at [2]int64
	for _, p := range pieces {
		from := capture.FromServer
		if p.Client {
			from = capture.FromClient
		}
		s.Data(time.Unix(1, 0), from, at[from], p.Bytes)
		at[from] += int64(len(p.Bytes))
	}
	s.End(time.Unix(2, 0), capture.FromClient, capture.Cut)
	s.End(time.Unix(2, 0), capture.FromServer, capture.Cut)
	var b strings.Builder
	for q := file.Bytes()[24:]; len(q) >= 16; {
		n := int(binary.LittleEndian.Uint32(q[8:]))
		if skip > 0 {
			b.WriteString("10:00:01.000000 IP 127.0.0.1.49153 > 127.0.0.1.80: Flags [P.], seq 1:2, ack 1, win 512, length 1\n")
		}
		b.WriteString(dumped(q[16+skip:16+n], 0, write) + "\n")
		q = q[16+n:]
	}
	return []string{b.String()}
}
