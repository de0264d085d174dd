package input

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/draftwire/draftwire/inspect/capture"
)

// MaxSize is the largest input that is read, in bytes.
const MaxSize = 64 << 20

// MaxPieces is how many lines a text may have, and how many arrays of C: each of them may become
// a Piece, which takes far more memory than a short line.
const MaxPieces = 2 << 20

// Side is who has sent something, as far as an input says it.
type Side uint8

// The sides. In and Out are as the program that wrote the input sees it.
const (
	Unknown Side = iota
	Client
	Server
	In
	Out
)

// Piece is what was sent at once.
type Piece struct {
	From  Side
	At    time.Time // zero where the input has no times
	Lost  int64     // bytes before it that the input has lost
	Bytes []byte
}

// Conn is a connection of an input.
type Conn struct {
	Client, Server netip.AddrPort // zero where the input has no addresses
	Midway         bool
	Secure         bool // the client's URL was wss
	Notes          []string
	Pieces         []Piece
}

// Recording is what an input holds.
type Recording struct {
	Format string
	Conns  []Conn
	// Packets is a pcap file with the packets that a text holds; nil where it holds streams.
	Packets []byte
	// Timed says that the packets have their times.
	Timed bool
}

// Format is a format of inputs.
type Format struct {
	Name  string // as Read takes it
	About string // what writes it
	looks func(text string) bool
	read  func(text string) (*Recording, error)
}

// formats are tried in this order.
var formats = []Format{
	{"har", "HAR of Chrome and others, with _webSocketMessages", looksHAR, readHAR},
	{"mitmproxy", "flows that mitmproxy saves", looksFlows, readFlows},
	{"strace", "strace -xx", looksStrace, readStrace},
	{"tcpdump-x", "tcpdump -X, and Wireshark's text export of packets", looksPackets, readPackets},
	{"tcpdump-a", "tcpdump -A, which loses all bytes that are no text", looksTcpdumpA, readTcpdumpA},
	{"lws", "the log of libwebsockets", looksLws, readLws},
	{"wireshark-hex", "Wireshark's Follow Stream as hex dump, and dumps with the marks I and O", looksFollow, readDump},
	{"xxd", "xxd", looksXxd, readDump},
	{"hexdump", "hexdump -C, od -A x -t x1z", looksDump, readDump},
	{"wireshark-yaml", "Wireshark's Follow Stream as YAML", looksYAML, readYAML},
	{"c-array", "Wireshark's Follow Stream as C arrays, and xxd -i", looksArray, readArray},
	{"quoted", "strings of Go (%q) and of C, one or several", looksQuoted, readQuoted},
	{"escapes", "C escapes without quotes", looksEscapes, readEscapes},
	{"hex", "hexadecimal digits", looksHex, readHex},
	{"base64", "base64", looksBase64, readBase64},
	{"head", "a head as it is pasted, also of curl -v and of a browser's tools", looksHead, readHead},
	{"raw", "the bytes of one side", func(string) bool { return true }, readRaw},
}

// Formats returns the formats, in the order in which they are tried.
func Formats() []Format { return append([]Format(nil), formats...) }

// ErrEmpty is for an input in which nothing is found.
var ErrEmpty = errors.New("input: there are no bytes of a connection in it")

// Read reads an input in the format of that name; "" finds the format by looking.
func Read(p []byte, format string) (*Recording, error) {
	if len(p) > MaxSize {
		return nil, fmt.Errorf("input: %d bytes are more than the %d MiB that are read", len(p), MaxSize>>20)
	}
	text := decodeText(p)
	for i := range formats {
		f := &formats[i]
		if format != f.Name && (format != "" || !f.looks(text)) {
			continue
		}
		if f.Name == "raw" {
			text = string(p)
		} else if n := strings.Count(text, "\n"); n > MaxPieces {
			return nil, fmt.Errorf("input: %s: %d lines are more than the %d that are read", f.Name, n, MaxPieces)
		}
		r, err := f.read(text)
		if err == nil && len(r.Packets) == 0 && !r.holds() {
			err = ErrEmpty
		}
		if err != nil {
			return nil, fmt.Errorf("input: %s: %w", f.Name, err)
		}
		r.Format = f.Name
		return r, nil
	}
	var names []string
	for _, f := range formats {
		names = append(names, f.Name)
	}
	return nil, fmt.Errorf("input: unknown format %q; known are %s", format, strings.Join(names, ", "))
}

// holds reports whether there is anything in the connections.
func (r *Recording) holds() bool {
	for _, c := range r.Conns {
		for _, p := range c.Pieces {
			if len(p.Bytes) > 0 || p.Lost > 0 {
				return true
			}
		}
	}
	return false
}

// decodeText returns a text that an editor of Windows may have written in UTF-16, and without
// the mark of its order of bytes.
func decodeText(p []byte) string {
	if len(p) >= 2 && len(p)%2 == 0 && (p[0] == 0xFF && p[1] == 0xFE || p[0] == 0xFE && p[1] == 0xFF) {
		low, high := 0, 1
		if p[0] == 0xFE {
			low, high = 1, 0
		}
		out := make([]byte, 0, len(p)/2)
		for i := 2; i+1 < len(p); i += 2 {
			if p[i+high] != 0 {
				return string(p) // no ASCII, so no text of these formats
			}
			out = append(out, p[i+low])
		}
		return string(out)
	}
	return strings.TrimPrefix(string(p), "\xef\xbb\xbf")
}

// Play gives the connections to a sink. number is that of the first. from is who has sent what
// does not say it; Unknown finds it by looking.
func (r *Recording) Play(sink capture.Sink, number int, from Side) error {
	if r.Packets != nil {
		if !r.Timed {
			sink = timeless{sink}
		}
		_, err := capture.Read(strings.NewReader(string(r.Packets)), sink, capture.Options{})
		return err
	}
	for i := range r.Conns {
		r.Conns[i].play(sink, number+i, from)
	}
	return nil
}

// play gives a connection to a sink.
func (c *Conn) play(sink capture.Sink, number int, from Side) {
	c.assign(from)
	conn := capture.Conn{Client: c.Client, Server: c.Server, Number: number, Midway: c.Midway}
	if c.Secure {
		conn.TLS = new(capture.TLS)
	}
	s := sink.Open(conn)
	if s == nil {
		return
	}
	if n, ok := s.(capture.Noted); ok {
		for _, note := range c.Notes {
			n.Note(time.Time{}, capture.FromClient, 0, note)
		}
	}
	var at [2]int64
	var last time.Time
	for _, p := range c.Pieces {
		d := capture.FromClient
		if p.From == Server {
			d = capture.FromServer
		}
		if p.Lost > 0 {
			s.Gap(p.At, d, at[d], p.Lost)
			at[d] += p.Lost
		}
		last = p.At
		if len(p.Bytes) > 0 {
			s.Data(p.At, d, at[d], p.Bytes)
			at[d] += int64(len(p.Bytes))
		}
	}
	s.End(last, capture.FromClient, capture.Cut)
	s.End(last, capture.FromServer, capture.Cut)
}

// Join makes one connection of two recordings, each of which is one side: the first is the
// client's unless it says something else.
func Join(a, b *Recording) (*Recording, error) {
	if a.Packets != nil || b.Packets != nil || len(a.Conns) != 1 || len(b.Conns) != 1 {
		return nil, errors.New("input: two inputs are the two sides of one connection, without packets and with one connection each")
	}
	sides := [2][]Piece{a.Conns[0].Pieces, b.Conns[0].Pieces}
	names := [2]Side{Client, Server}
	if sideOf(firstBytes(sides[0]), nil) == Server || sideOf(firstBytes(sides[1]), nil) == Client {
		names = [2]Side{Server, Client}
		if firstIsRequest(sides[0]) {
			names = [2]Side{Client, Server}
		}
	}
	out := Conn{Notes: append(a.Conns[0].Notes, b.Conns[0].Notes...)}
	for i, side := range sides {
		for k := range side {
			side[k].From = names[i]
		}
		sides[i] = cut(side)
	}
	first := 0
	if names[0] == Server {
		first = 1
	}
	for k := 0; k < len(sides[0]) || k < len(sides[1]); k++ {
		for _, i := range [2]int{first, 1 - first} {
			if k < len(sides[i]) {
				out.Pieces = append(out.Pieces, sides[i][k])
			}
		}
	}
	return &Recording{Format: a.Format, Conns: []Conn{out}}, nil
}

// cut cuts long pieces, so that two sides without times take turns.
func cut(pieces []Piece) (out []Piece) {
	const most = 4 << 10
	for _, p := range pieces {
		for len(p.Bytes) > most {
			head := p
			head.Bytes = p.Bytes[:most]
			out = append(out, head)
			p.Bytes, p.Lost = p.Bytes[most:], 0
		}
		out = append(out, p)
	}
	return out
}

// timeless leaves out the times of a text that has none.
type timeless struct{ capture.Sink }

// Open implements capture.Sink.
func (t timeless) Open(c capture.Conn) capture.Stream {
	if s := t.Sink.Open(c); s != nil {
		return timelessStream{s}
	}
	return nil
}

type timelessStream struct{ capture.Stream }

func (t timelessStream) Data(_ time.Time, from capture.Direction, offset int64, p []byte) {
	t.Stream.Data(time.Time{}, from, offset, p)
}

func (t timelessStream) Gap(_ time.Time, from capture.Direction, offset, n int64) {
	t.Stream.Gap(time.Time{}, from, offset, n)
}

func (t timelessStream) End(_ time.Time, from capture.Direction, how capture.End) {
	t.Stream.End(time.Time{}, from, how)
}
