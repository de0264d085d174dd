// Package utf8x checks and repairs UTF-8 that comes in pieces.
package utf8x

import (
	"encoding/binary"
	"unicode/utf8"
)

// Valid is utf8.Valid, faster where the text is ASCII: 32 bytes a step, and the
// last eight at once.
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

// Validator checks a text that comes in pieces. The zero value is ready, and
// ready again after Reset.
type Validator struct {
	need   uint8 // continuation bytes still to come
	lo, hi uint8 // range of the next one
}

// Reset makes v ready for the next text.
func (v *Validator) Reset() { *v = Validator{} }

// Done reports whether the text may end here.
func (v *Validator) Done() bool { return v.need == 0 }

// Write takes the next piece. It is false as soon as no continuation could
// make the text valid; v must then be Reset.
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

// tail returns how many bytes at the end of p may be the start of a character
// that is not complete.
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

// step takes one byte (Unicode 15, table 3-7).
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

// Replacer copies a text that comes in pieces and puts U+FFFD for each maximal
// part that is not UTF-8. The zero value is ready, and ready again after a
// last piece.
type Replacer struct {
	v     Validator
	carry [4]byte
	n     int
	put   bool
}

const replacement = "\uFFFD"

// Append appends what p makes known of the text; last tells that the text ends
// with p. A character cut at the end of p is held back for the next piece.
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
			if !r.v.step(b) { // b did not continue the part, nor does it start one
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

// Replaced reports whether the last Append put a U+FFFD.
func (r *Replacer) Replaced() bool { return r.put }

// Clean reports whether r holds nothing back and p is valid UTF-8, so that p
// may be passed on as it is.
func (r *Replacer) Clean(p []byte) bool { return r.n == 0 && utf8.Valid(p) }
