package drafts

import (
	"fmt"
	"html"
	"strings"

	"github.com/draftwire/draftwire/wire"
)

// Drawing is a frame, in rows of 32 bits or fewer.
type Drawing struct {
	Title string  `json:"title"`
	Rows  [][]Box `json:"rows"`
}

// Box is a field of a frame.
type Box struct {
	Label  string `json:"label"` // of a field of one bit letters, one below the other
	Bits   int    `json:"bits"`
	Masked bool   `json:"masked,omitempty"` // it is sent under the mask
}

// Drawings returns the frames of a version: what a client sends, and where a server's differ
// those too.
func Drawings(v wire.Version) []Drawing {
	switch v {
	case wire.Hixie75, wire.Hixie76:
		out := []Drawing{
			{"text", [][]Box{{{Label: "00", Bits: 8}, {Label: "UTF-8 ...", Bits: 16}, {Label: "FF", Bits: 8}}}},
			{"other types", [][]Box{{{Label: "80 to FE", Bits: 8}, {Label: "length, 7 bits a byte", Bits: 14}, {Label: "payload", Bits: 10}}}},
		}
		if v == wire.Hixie76 {
			out = append(out, Drawing{"close", [][]Box{{{Label: "FF", Bits: 8}, {Label: "00", Bits: 8}}}})
		}
		return out
	case wire.Hybi02:
		return []Drawing{{"a frame of either side", lengthFrame("MORE", "RSV4", 0)}}
	case wire.Hybi04:
		return []Drawing{
			{"a frame of a client", append([][]Box{{{Label: "nonce", Bits: 32}}}, lengthFrame("FIN", "RSV4", maskAll)...)},
			{"a frame of a server", lengthFrame("FIN", "RSV4", 0)},
		}
	case wire.Hybi05, wire.Hybi06:
		return []Drawing{
			{"a frame of a client", append([][]Box{{{Label: "mask", Bits: 32}}}, lengthFrame("FIN", "RSV4", maskAll)...)},
			{"a frame of a server", lengthFrame("FIN", "RSV4", 0)},
		}
	}
	return []Drawing{{"a frame of a client; that of a server has MASK 0 and no mask", lengthFrame("FIN", "MASK", maskPayload)}}
}

const (
	maskPayload = 1 + iota
	maskAll
)

// lengthFrame is the frame of hybi-01 and later. last is the first bit, and other that before the
// length.
func lengthFrame(last, other string, mask int) [][]Box {
	all, payload := mask == maskAll, mask != 0
	rows := [][]Box{
		{
			{last, 1, all}, {"RSV1", 1, all}, {"RSV2", 1, all}, {"RSV3", 1, all}, {"opcode", 4, all}, {other, 1, all}, {"length", 7, all},
			{"length, 16 bits,\nif it was 126", 16, all},
		},
		{{"length, 64 bits in place of the 16, if it was 127 ...", 32, all}},
	}
	if mask == maskPayload {
		rows = append(rows, []Box{{"mask, if MASK is 1", 32, false}})
	}
	return append(rows, []Box{{"payload ...", 32, payload}})
}

// Text draws it in the style of an RFC. What is sent under the mask is said below it.
func (d Drawing) Text() string {
	var b strings.Builder
	if d.width() == 32 && len(d.Rows) > 1 {
		b.WriteString(" 0                   1                   2                   3\n " + strings.Repeat("0 1 2 3 4 5 6 7 8 9 ", 3) + "0 1\n")
	}
	for i := range d.Rows {
		var above []Box
		if i > 0 {
			above = d.Rows[i-1]
		}
		b.WriteString(borderLine(above, d.Rows[i]))
		for _, line := range rowLines(d.Rows[i]) {
			b.WriteString(line)
		}
	}
	b.WriteString(borderLine(d.Rows[len(d.Rows)-1], nil))
	if under := d.masked(); under != "" {
		b.WriteString("under the mask: " + under + "\n")
	}
	return b.String()
}

func (d Drawing) width() (most int) {
	for _, row := range d.Rows {
		n := 0
		for _, x := range row {
			n += x.Bits
		}
		most = max(most, n)
	}
	return most
}

// masked says what is sent under the mask.
func (d Drawing) masked() string {
	n, all := 0, 0
	for _, row := range d.Rows {
		for _, x := range row {
			all++
			if x.Masked {
				n++
			}
		}
	}
	switch n {
	case 0:
		return ""
	case all - 1:
		return "all but the first row"
	}
	return "the payload"
}

// borderLine is the line between two rows, with a cross where a field of either begins.
func borderLine(above, below []Box) string {
	cross := map[int]bool{}
	width := 0
	for _, row := range [][]Box{above, below} {
		at := 0
		for _, x := range row {
			cross[at] = true
			at += x.Bits
		}
		cross[at] = true
		width = max(width, at)
	}
	var b strings.Builder
	for i := range width + 1 {
		if cross[i] {
			b.WriteByte('+')
		} else {
			b.WriteByte('-')
		}
		if i < width {
			b.WriteByte('-')
		}
	}
	return b.String() + "\n"
}

// rowLines are the lines of a row of boxes.
func rowLines(row []Box) (lines []string) {
	cells := make([][]string, len(row))
	height := 1
	for i, x := range row {
		if x.Bits == 1 {
			cells[i] = strings.Split(x.Label, "")
		} else {
			cells[i] = strings.Split(x.Label, "\n")
		}
		height = max(height, len(cells[i]))
	}
	for n := range height {
		var b strings.Builder
		for i, x := range row {
			text, wide := "", 2*x.Bits-1
			if n < len(cells[i]) {
				text = cells[i][n]
			}
			left := max(0, wide-len(text)) / 2
			fmt.Fprintf(&b, "|%s%-*s", strings.Repeat(" ", left), wide-left, text)
		}
		lines = append(lines, b.String()+"|\n")
	}
	return lines
}

// The measures of a drawing, in pixels.
const (
	bitWide = 22
	rowHigh = 46
	margin  = 12
)

// svgStyle holds in light and in dark.
const svgStyle = `<style>
text{font:13px ui-monospace,Menlo,Consolas,monospace;fill:#1f2328;text-anchor:middle;dominant-baseline:central}
.t{text-anchor:start;font-weight:bold}
.n{text-anchor:start;fill:#59636e}
.s{font-size:10px}
rect{fill:#fff;stroke:#59636e}
rect.m{fill:#ffd8b5}
@media (prefers-color-scheme:dark){
text{fill:#e6edf3}.n{fill:#9198a1}
rect{fill:#0d1117;stroke:#9198a1}
rect.m{fill:#6e3b12}
}
</style>
`

// SVG draws frames one below the other. It is readable on a light ground and on a dark one.
func SVG(drawings []Drawing) string {
	var b strings.Builder
	width := 0
	for _, d := range drawings {
		width = max(width, d.width()*bitWide)
	}
	y := margin
	for _, d := range drawings {
		y += 20
		fmt.Fprintf(&b, "<text class=\"t\" x=\"%d\" y=\"%d\">%s</text>\n", margin, y-8, html.EscapeString(d.Title))
		width = max(width, 8*len(d.Title))
		y += 6
		for _, row := range d.Rows {
			svgRow(&b, row, y)
			y += rowHigh
		}
		if under := d.masked(); under != "" {
			y += 18
			fmt.Fprintf(&b, "<text class=\"n\" x=\"%d\" y=\"%d\">coloured: under the mask</text>\n", margin, y-6)
		}
		y += margin
	}
	return svgHead(width+2*margin, y, "frames") + b.String() + "</svg>\n"
}

func svgHead(width, height int, title string) string {
	return fmt.Sprintf("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" role=\"img\">\n<title>%s</title>\n%s",
		width, height, width, height, html.EscapeString(title), svgStyle)
}

func svgRow(b *strings.Builder, row []Box, y int) {
	x := margin
	for _, f := range row {
		wide := f.Bits * bitWide
		svgRect(b, x, y, wide, rowHigh, f.Masked)
		cx, cy := x+wide/2, y+rowHigh/2
		lines := strings.Split(f.Label, "\n")
		switch {
		case f.Bits == 1:
			fmt.Fprintf(b, "<text class=\"s\" transform=\"translate(%d %d) rotate(-90)\">%s</text>\n", cx, cy, f.Label)
		default:
			for i, line := range lines {
				fmt.Fprintf(b, "<text x=\"%d\" y=\"%d\">%s</text>\n", cx, cy+16*i-8*(len(lines)-1), html.EscapeString(line))
			}
		}
		x += wide
	}
}

func svgRect(b *strings.Builder, x, y, wide, high int, masked bool) {
	class := ""
	if masked {
		class = ` class="m"`
	}
	fmt.Fprintf(b, "<rect%s x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>\n", class, x, y, wide, high)
}

// byteWide is the width of a byte in StripSVG.
const byteWide = 34

// StripSVG draws frames of an exchange byte by byte, each part with its meaning below it, and
// the bytes that a mask hides with what they are without it.
func StripSVG(moves []Move) string {
	var b strings.Builder
	y, width := margin, 0
	for _, m := range moves {
		if m.Kind != MoveFrame {
			continue
		}
		y += 20
		fmt.Fprintf(&b, "<text class=\"t\" x=\"%d\" y=\"%d\">%s</text>\n", margin, y-8, m.From)
		y += 4
		x := margin
		for _, p := range m.Parts {
			svgBytes(&b, p, x, y)
			x += len(p.Bytes) * byteWide
		}
		y += rowHigh
		for i, p := range m.Parts {
			y += 17
			text := meaning(p)
			fmt.Fprintf(&b, "<text class=\"n\" x=\"%d\" y=\"%d\">%s</text>\n", margin, y, html.EscapeString(text))
			width = max(width, 8*len(text))
			if i == len(m.Parts)-1 {
				y += margin + 6
			}
		}
		width = max(width, x-margin)
	}
	return svgHead(width+2*margin, y, "the frames of the exchange, byte by byte") + b.String() + "</svg>\n"
}

// meaning is the line below a part.
func meaning(p Part) string {
	text := spaced(p.Bytes)
	if p.Clear != nil {
		text += " is " + spaced(p.Clear)
	}
	return text + ": " + p.Means
}

func svgBytes(b *strings.Builder, p Part, x, y int) {
	for i := range p.Bytes {
		svgRect(b, x, y, byteWide, rowHigh, p.Clear != nil)
		cx, cy := x+byteWide/2, y+rowHigh/2
		if p.Clear != nil {
			fmt.Fprintf(b, "<text x=\"%d\" y=\"%d\">%02x</text>\n<text class=\"s\" x=\"%d\" y=\"%d\">%02x</text>\n", cx, cy-8, p.Bytes[i], cx, cy+10, p.Clear[i])
		} else {
			fmt.Fprintf(b, "<text x=\"%d\" y=\"%d\">%02x</text>\n", cx, cy, p.Bytes[i])
		}
		x += byteWide
	}
}
