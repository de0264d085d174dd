package inspect

import (
	"encoding/binary"
	"fmt"

	"github.com/draftwire/draftwire/wire"
)

// partsOf says what the bytes of a frame mean.
func (r *reader) partsOf(e *Event, x *Frame) {
	v := r.c.version
	add := func(n int, format string, args ...any) {
		at := 0
		if k := len(e.Parts); k > 0 {
			at = e.Parts[k-1].Offset + int(e.Parts[k-1].Length)
		}
		if n = min(n, len(e.Bytes)-at); n > 0 {
			e.Parts = append(e.Parts, Part{at, int64(n), fmt.Sprintf(format, args...)})
		}
	}
	if len(e.Bytes) == 0 {
		return
	}
	if v <= wire.Hixie76 {
		r.hixieParts(e, x, add)
		return
	}
	second := byte(0)
	if x.Masked && v < wire.Hybi07 {
		add(4, "four random bytes in the clear, of which the mask is made (%s)", cite(v, sections[v].mask))
		if clear, _ := r.clearHead(); len(clear) > 1 {
			second = clear[1]
		}
	} else if len(e.Bytes) > 1 {
		second = e.Bytes[1]
	}
	fin := "FIN"
	if v == wire.Hybi02 {
		fin = "MORE"
	}
	if x.Opcode != nil {
		add(1, "%s %d, RSV %03b, opcode %d, which is %s (%s)", fin, x.Type>>7, x.RSV, *x.Opcode, opcodeName(x), cite(v, sections[v].frame))
	}
	lengthBytes := 0
	switch second & 0x7F {
	case 126:
		lengthBytes = 2
	case 127:
		lengthBytes = 8
	}
	if v >= wire.Hybi07 {
		add(1, "MASK %d, length %d", second>>7, second&0x7F)
	} else {
		add(1, "length %d", second&0x7F)
	}
	if lengthBytes > 0 {
		add(lengthBytes, "the length, %d", longLength(e, x, lengthBytes))
	}
	if x.Masked && v >= wire.Hybi07 {
		add(4, "the mask (%s)", cite(v, sections[v].mask))
	}
	if n := int(e.Length) - x.Head; n > 0 {
		r.payloadParts(e, x, add, n)
	}
}

// longLength returns the length that stands in several bytes of a head; of a masked one it is
// the length of the payload.
func longLength(e *Event, x *Frame, n int) uint64 {
	at := 2
	switch {
	case x.Masked && len(x.Mask) > 0 && x.Head == 4+2+n && len(e.Parts) > 0 && e.Parts[0].Length == 4:
		return uint64(max(x.Size, e.Length-int64(x.Head)))
	case len(e.Bytes) < at+n:
		return uint64(x.Size)
	case n == 2:
		return uint64(binary.BigEndian.Uint16(e.Bytes[at:]))
	}
	return binary.BigEndian.Uint64(e.Bytes[at:])
}

func opcodeName(x *Frame) string {
	if x.Op == wire.OpNone.String() {
		return "not known here"
	}
	return x.Op
}

// payloadParts says what the payload of a frame is.
func (r *reader) payloadParts(e *Event, x *Frame, add func(int, string, ...any), n int) {
	masked := ""
	if x.Masked {
		masked = ", masked"
	}
	switch {
	case x.Op == "close" && x.Code != 0 && x.Code != int(wire.CodeNoStatus):
		add(2, "the code, %s%s", wire.CloseCode(x.Code), masked)
		add(n-2, "the reason%s", masked)
	case x.Packed:
		add(n, "the payload, compressed%s", masked)
	default:
		add(n, "the payload%s", masked)
	}
}

// hixieParts says what the bytes of a frame of hixie-75 and hixie-76 mean.
func (r *reader) hixieParts(e *Event, x *Frame, add func(int, string, ...any)) {
	v := r.c.version
	where := cite(v, sections[v].frame)
	switch {
	case x.Type == 0:
		add(1, "the frame type 00: text, up to FF (%s)", where)
		n := int(e.Length) - 1
		if x.Unfinished {
			add(n, "the text")
			return
		}
		add(n-1, "the text")
		add(1, "FF ends the text")
	case x.Type < 0x80:
		add(1, "the frame type %02X: reserved, up to FF, and discarded (%s)", x.Type, where)
		add(int(e.Length)-1, "what is discarded")
	default:
		add(1, "the frame type %02X: a length follows (%s)", x.Type, where)
		add(x.Head-1, "the length, seven bits a byte")
		add(int(e.Length)-x.Head, "what is discarded")
	}
}
