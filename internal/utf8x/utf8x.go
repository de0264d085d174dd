// Package utf8x validates and repairs UTF-8 text that arrives in parts.
package utf8x

import (
	"encoding/binary"
	"unicode/utf8"
)

// Valid is utf8.Valid, but faster for ASCII: it takes 32 bytes at a time, and the last eight
// at once.
func Valid(p []byte) bool {
	const high = 0x8080808080808080
	rest := p
	for len(rest) >= 32 {
		q := rest[:32:32]
		if (binary.LittleEndian.Uint64(q)|binary.LittleEndian.Uint64(q[8:])|
			binary.LittleEndian.Uint64(q[16:])|binary.LittleEndian.Uint64(q[24:]))&high != 0 {
			return utf8.Valid(rest)
		}
		rest = rest[32:]
	}
	for len(rest) >= 8 {
		if binary.LittleEndian.Uint64(rest)&high != 0 {
			return utf8.Valid(rest)
		}
		rest = rest[8:]
	}
	if len(p) >= 8 && binary.LittleEndian.Uint64(p[len(p)-8:])&high == 0 {
		return true
	}
	return utf8.Valid(rest)
}

// Validator validates a text that arrives in parts. The zero value is ready for a text, and
// Reset makes it ready for the next one.
type Validator struct {
	need   uint8 // continuation bytes that the character still needs
	lo, hi uint8 // the range of the next one
}

// Reset makes v ready for the next text.
func (v *Validator) Reset() { *v = Validator{} }

// Done reports whether the text may end here.
func (v *Validator) Done() bool { return v.need == 0 }

// Write validates the next part. It returns false as soon as no continuation makes the text
// valid; v must then be Reset.
func (v *Validator) Write(p []byte) bool {
	for v.need > 0 {
		if len(p) == 0 {
			return true
		}
		if !v.step(p[0]) {
			return false
		}
		p = p[1:]
	}
	cut := len(p) - tail(p)
	if !Valid(p[:cut]) {
		return false
	}
	for _, b := range p[cut:] {
		if !v.step(b) {
			return false
		}
	}
	return true
}

// tail returns how many bytes at the end of p may begin a character that is not complete.
func tail(p []byte) int {
	for k := 1; k <= 3 && k <= len(p); k++ {
		switch b := p[len(p)-k]; {
		case b >= 0xF0 && k < 4, b >= 0xE0 && k < 3, b >= 0xC0 && k < 2:
			return k
		case b < 0x80 || b >= 0xC0:
			return 0
		}
	}
	return 0
}

// step validates one byte (Unicode 15, table 3-7).
func (v *Validator) step(b byte) bool {
	if v.need > 0 {
		if b < v.lo || b > v.hi {
			return false
		}
		v.need--
		v.lo, v.hi = 0x80, 0xBF
		return true
	}
	v.lo, v.hi = 0x80, 0xBF
	switch {
	case b < 0x80:
	case b < 0xC2:
		return false
	case b < 0xE0:
		v.need = 1
	case b < 0xF0:
		v.need = 2
		if b == 0xE0 {
			v.lo = 0xA0
		} else if b == 0xED {
			v.hi = 0x9F
		}
	case b < 0xF5:
		v.need = 3
		if b == 0xF0 {
			v.lo = 0x90
		} else if b == 0xF4 {
			v.hi = 0x8F
		}
	default:
		return false
	}
	return true
}

// Replacer copies a text that arrives in parts, with U+FFFD for each maximal subpart that is
// not UTF-8. The zero value is ready for a text, and after the last part for the next one.
type Replacer struct {
	v     Validator
	carry [4]byte
	n     int
	put   bool
}

const replacement = "\uFFFD"

// Append appends the part p of a text, of which p is the last part if last is true. A
// character that is cut at the end of p is kept for the next part.
func (r *Replacer) Append(dst, p []byte, last bool) []byte {
	r.put = false
	for _, b := range p {
		if !r.v.step(b) {
			open := r.n > 0
			r.v.Reset()
			r.n, r.put = 0, true
			dst = append(dst, replacement...)
			if !open {
				continue
			}
			if !r.v.step(b) { // b neither continues the character nor begins one
				r.v.Reset()
				dst = append(dst, replacement...)
				continue
			}
		}
		r.carry[r.n] = b
		r.n++
		if r.v.Done() {
			dst = append(dst, r.carry[:r.n]...)
			r.n = 0
		}
	}
	if last {
		if r.n > 0 {
			dst = append(dst, replacement...)
			r.put = true
		}
		*r = Replacer{put: r.put}
	}
	return dst
}

// Replaced reports whether the last Append replaced anything.
func (r *Replacer) Replaced() bool { return r.put }

// Clean reports whether r has kept nothing and p is valid UTF-8, so that p needs no copy.
func (r *Replacer) Clean(p []byte) bool { return r.n == 0 && utf8.Valid(p) }
