// Command frames holds package inspect against Wireshark: it reads a capture with both, and
// compares every frame of RFC 6455, and of 7 and 8 whose frames are the same, and every text.
//
//	frames CAPTURE...
//
// It prints what was compared, and what was not, with the reason. Exit status 1 means that
// something differs, or that there was nothing to compare.
package main

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/draftwire/draftwire/inspect"
	"github.com/draftwire/draftwire/inspect/capture"
	"github.com/draftwire/draftwire/wire"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: frames CAPTURE...")
		os.Exit(2)
	}
	r := report{left: map[string]int{}}
	for _, name := range os.Args[1:] {
		if err := r.compare(name); err != nil {
			fmt.Fprintf(os.Stderr, "frames: %s: %v\n", name, err)
			os.Exit(2)
		}
	}
	if !r.print() {
		os.Exit(1)
	}
}

// report is what was compared.
type report struct {
	conns, compressed, frames, texts int
	odd, parts                       int            // texts and directions that were not
	left                             map[string]int // connections that were not
	differ                           [2][]string    // of frames, of texts
}

// print prints the report, for test/interop, and reports whether all is the same.
func (r *report) print() bool {
	fmt.Printf("1..2\n# %d connections, %d of them compressed: %d frames and %d texts\n", r.conns, r.compressed, r.frames, r.texts)
	fmt.Printf("# not compared: %d texts with characters that Wireshark writes in another way\n", r.odd)
	// In Wireshark 4.0 a message of several frames is compressed if the last one has RSV1, in
	// RFC 7692 6.1 if the first one has it; so what it shows of such messages, and of those behind
	// them, is not their text.
	fmt.Printf("# not compared: the texts of %d directions with a message of several frames\n", r.parts)
	for _, why := range slices.Sorted(maps.Keys(r.left)) {
		fmt.Printf("# not compared: %d connections: %s\n", r.left[why], why)
	}
	same := true
	for i, what := range []string{"frames", "texts"} {
		n := []int{r.frames, r.texts}[i]
		switch {
		case len(r.differ[i]) > 0:
			fmt.Printf("not ok %s # in %d directions: %s\n", what, len(r.differ[i]), r.differ[i][0])
		case n == 0 || r.compressed == 0:
			fmt.Printf("not ok %s # there was nothing to compare\n", what)
		default:
			fmt.Printf("ok %s\n", what)
			continue
		}
		same = false
	}
	return same
}

// way is one direction of a connection.
type way struct{ from, to netip.AddrPort }

// frame is what both say of a frame.
type frame struct {
	fin, rsv, opcode int
	length           int64
	mask             string
}

// said is what one of both says of a direction.
type said struct {
	frames []frame
	texts  []string // of whole messages, expanded, as far as most
	parts  bool     // a message has several frames
}

// most is how much of a text both give.
const most = 16 << 10

// conn is what package inspect says of a connection.
type conn struct {
	client, server netip.AddrPort
	version        wire.Version
	deflate        string // the extension
	whole          bool   // it was closed, nothing is missing and no rule was broken
	ways           map[way]*said
}

// compare compares what both say of a capture.
func (r *report) compare(name string) error {
	ours, err := explain(name)
	if err != nil {
		return err
	}
	theirs, err := tshark(name, ours)
	if err != nil {
		return err
	}
	times := map[way]int{} // a client's port may be used again
	for _, c := range ours {
		times[way{c.client, c.server}]++
	}
	for _, c := range ours {
		why := c.leftOut()
		if why == "" && times[way{c.client, c.server}] > 1 {
			why = "another one has the same addresses"
		}
		if why != "" {
			r.left[why]++
			continue
		}
		r.conns++
		if c.deflate != "" {
			r.compressed++
		}
		for w, a := range c.ways {
			b := theirs[w]
			if b == nil {
				b = new(said)
			}
			r.direction(fmt.Sprintf("%v, %v to %v", c.version, w.from, w.to), a, b)
		}
	}
	return nil
}

// direction compares what both say of a direction.
func (r *report) direction(which string, ours, theirs *said) {
	differs := func(i int, a, b any) {
		r.differ[i] = append(r.differ[i], fmt.Sprintf("%s: %.150q, Wireshark: %.150q", which, fmt.Sprint(a), fmt.Sprint(b)))
	}
	r.frames += len(ours.frames)
	if !slices.Equal(ours.frames, theirs.frames) {
		differs(0, first(ours.frames, theirs.frames), first(theirs.frames, ours.frames))
	}
	if ours.parts {
		r.parts++
		return
	}
	a, b := plain(ours.texts), plain(theirs.texts)
	r.texts, r.odd = r.texts+len(a), r.odd+len(ours.texts)-len(a)
	if !slices.Equal(a, b) {
		differs(1, first(a, b), first(b, a))
	}
}

// first returns a from about where it differs from b.
func first[T comparable](a, b []T) []T {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	return a[min(i, len(a)):min(i+3, len(a))]
}

// leftOut says why a connection is not compared, "" where it is.
func (c *conn) leftOut() string {
	switch {
	case c.version == wire.Unknown:
		return "over TLS, or no WebSocket"
	case c.version != wire.RFC6455 && c.version != wire.Hybi08 && c.version != wire.Hybi07:
		return "Wireshark does not know their version"
	case !c.whole:
		return "refused, cut off, or a rule is broken"
	case strings.Contains(c.deflate, "deflate-frame"):
		return "Wireshark takes deflate-frame for permessage-deflate"
	}
	return ""
}

// plain returns the texts that Wireshark prints as they are: those without control characters
// and the like, and not empty.
func plain(texts []string) (out []string) {
	for _, t := range texts {
		t = t[:min(len(t), most)]
		if t != "" && !strings.ContainsFunc(t, func(r rune) bool { return !unicode.IsPrint(r) || r == '\\' || r > unicode.MaxASCII }) {
			out = append(out, t)
		}
	}
	return out
}

// explain reads a capture with package inspect.
func explain(name string) ([]*conn, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var list []*conn
	known := map[int]*conn{}
	sink := inspect.New(inspect.Options{Payload: 1 << 20}, func(e *inspect.Event) {
		c := known[e.Conn]
		if c == nil {
			c = &conn{whole: true, ways: map[way]*said{}}
			known[e.Conn] = c
			list = append(list, c)
		}
		c.add(e)
	})
	_, err = capture.Read(f, sink, capture.Options{})
	return list, err
}

// add adds an event.
func (c *conn) add(e *inspect.Event) {
	if v := e.Version(); v != wire.Unknown {
		c.version = v
	}
	c.whole = c.whole && e.Fault == "" && e.Kind != inspect.KindGap && e.Kind != inspect.KindUnknown
	switch e.Kind {
	case inspect.KindConnection:
		c.client, _ = netip.ParseAddrPort(e.Client)
		c.server, _ = netip.ParseAddrPort(e.Server)
		c.ways[way{c.client, c.server}] = new(said)
		c.ways[way{c.server, c.client}] = new(said)
	case inspect.KindResponse:
		for _, l := range e.Lines {
			if l.Name == "Sec-WebSocket-Extensions" {
				c.deflate = l.Text
			}
		}
	case inspect.KindFrame:
		if f := e.Frame; f.Opcode != nil { // nil in the versions that are not compared
			s := c.side(e.From)
			s.frames = append(s.frames, frame{btoi(f.Fin), f.RSV, *f.Opcode, f.Size, hex.EncodeToString(f.Mask)})
		}
	case inspect.KindMessage:
		s := c.side(e.From)
		s.parts = s.parts || e.Message.Frames > 1
		if e.Message.Op == "text" {
			s.texts = append(s.texts, e.Message.Text)
		}
	case inspect.KindClosing:
		c.whole = c.whole && e.Closing.Result == "clean"
	}
}

func (c *conn) side(from string) *said {
	if from == "client" {
		return c.ways[way{c.client, c.server}]
	}
	return c.ways[way{c.server, c.client}]
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// between stands between the values of a field that a packet has several times.
const between = "\x01"

// fields are what tshark is asked for.
var fields = []string{
	"ip.src", "tcp.srcport", "ip.dst", "tcp.dstport",
	"websocket.fin", "websocket.rsv", "websocket.opcode", "websocket.payload_length", "websocket.payload_length_ext_16",
	"websocket.payload_length_ext_64", "websocket.mask", "websocket.masking_key", "websocket.payload.text",
}

// tshark reads a capture with Wireshark, which is told that the servers speak HTTP.
func tshark(name string, conns []*conn) (map[way]*said, error) {
	args := []string{"-r", name, "-Y", "websocket", "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=" + between}
	seen := map[uint16]bool{}
	for _, c := range conns {
		if p := c.server.Port(); !seen[p] {
			seen[p] = true
			args = append(args, "-d", fmt.Sprintf("tcp.port==%d,http", p))
		}
	}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	cmd := exec.Command("tshark", args...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("tshark: %w: %s", err, errs.String())
	}
	all := map[way]*said{}
	for line := range strings.Lines(string(out)) {
		if err := addPacket(all, strings.TrimSuffix(line, "\n")); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// addPacket adds a line of tshark: the frames that end in a packet.
func addPacket(all map[way]*said, line string) error {
	f := map[string][]string{}
	for i, value := range strings.Split(line, "\t") {
		if i < len(fields) && value != "" {
			f[fields[i]] = strings.Split(value, between)
		}
	}
	var w way
	for i, at := range []*netip.AddrPort{&w.from, &w.to} {
		names := [][2]string{{"ip.src", "tcp.srcport"}, {"ip.dst", "tcp.dstport"}}[i]
		if len(f[names[0]]) != 1 || len(f[names[1]]) != 1 {
			return fmt.Errorf("tshark: a packet without addresses: %q", line)
		}
		*at, _ = netip.ParseAddrPort(f[names[0]][0] + ":" + f[names[1]][0])
	}
	s := all[w]
	if s == nil {
		s = new(said)
		all[w] = s
	}
	take := func(name string) (value string) {
		if len(f[name]) > 0 {
			value, f[name] = f[name][0], f[name][1:]
		}
		return value
	}
	number := func(name string) int64 {
		n, _ := strconv.ParseInt(take(name), 0, 64)
		return n
	}
	for range f["websocket.opcode"] {
		x := frame{fin: int(number("websocket.fin")), rsv: int(number("websocket.rsv")), opcode: int(number("websocket.opcode"))}
		switch x.length = number("websocket.payload_length"); x.length {
		case 126:
			x.length = number("websocket.payload_length_ext_16")
		case 127:
			x.length = number("websocket.payload_length_ext_64")
		}
		if number("websocket.mask") == 1 {
			x.mask = take("websocket.masking_key")
		}
		s.frames = append(s.frames, x)
	}
	s.texts = append(s.texts, f["websocket.payload.text"]...)
	return nil
}
