// Package intern lets connections share what is equal in the heads of their
// handshakes. The heads of one make of client differ in a line or two, a key or a
// cookie, so a connection holds those lines and a pointer to a base, a head that
// another connection came with.
package intern

import (
	"iter"
	"math/bits"
	"strings"
	"sync/atomic"
	"unsafe"

	"github.com/draftwire/draftwire/wire"
)

// Head is the head of a request or of an answer as a connection holds it. The zero
// value is the empty head.
type Head struct {
	base  *string // nil where own is the whole head
	own   string  // the lines that differ from base, one behind the other
	lines uint64  // which lines those are: bit 0 is the first line of the head
}

// Whole returns a head that shares nothing.
func Whole(head string) Head { return Head{own: head} }

// String returns the head, byte by byte.
func (h *Head) String() string {
	switch {
	case h.base == nil:
		return h.own
	case h.lines == 0:
		return *h.base
	}
	var b strings.Builder
	own, rest := h.own, *h.base
	for lines := h.lines; rest != ""; lines >>= 1 {
		line := cutLine(&rest)
		if lines&1 != 0 {
			line = cutLine(&own)
		}
		b.WriteString(line)
	}
	return b.String()
}

// Lines returns the lines of the head, with their ends, one after the other. It puts nothing
// together.
func (h *Head) Lines() iter.Seq[string] {
	return func(yield func(string) bool) {
		own, rest, lines := h.own, h.own, h.lines
		if h.base != nil {
			rest = *h.base
		}
		for ; rest != ""; lines >>= 1 {
			line := cutLine(&rest)
			if lines&1 != 0 {
				line = cutLine(&own)
			}
			if line != "" && !yield(line) {
				return
			}
		}
	}
}

// Slice returns s, a part of the head, as a slice of what the connection holds
// anyway. Where it holds s in no single string, Slice returns a copy.
func (h *Head) Slice(s string) string {
	if i := strings.Index(h.own, s); i >= 0 {
		return h.own[i : i+len(s)]
	}
	if h.base != nil {
		if i := strings.Index(*h.base, s); i >= 0 {
			return (*h.base)[i : i+len(s)]
		}
	}
	return strings.Clone(s)
}

// cutLine takes the first line off s, with its end.
func cutLine(s *string) string {
	n := strings.IndexByte(*s, '\n') + 1
	if n == 0 {
		n = len(*s)
	}
	line := (*s)[:n]
	*s = (*s)[n:]
	return line
}

// Table holds the bases, one for each of the fingerprints that came lately. Its zero
// value is empty, and its methods may be called by many goroutines.
type Table [64]atomic.Pointer[string]

// Intern makes h the head whole, from a client with that fingerprint. It keeps no
// reference to the bytes of whole.
func (t *Table) Intern(fingerprint uint, whole string, h *Head) {
	slot := &t[fingerprint%uint(len(t))]
	h.base = slot.Load()
	if h.base != nil {
		if lines, n, ok := differ(whole, *h.base); ok {
			h.lines, h.own = lines, pick(whole, lines, n)
			return
		}
	}
	h.base, h.lines, h.own = cloned(whole), 0, ""
	slot.Store(h.base)
}

// noinline: keeps a cold frame off the 2 KiB stack (ARCHITECTURE.md, "Stacks")
//
//go:noinline
func cloned(s string) *string {
	s = strings.Clone(s)
	return &s
}

// differ returns the lines in which whole differs from base, and how many bytes they
// have. ok is false where more than half of whole would differ, and where base is more
// than twice as long: a client with a short head must not hold what another client sent.
func differ(whole, base string) (lines uint64, n int, ok bool) {
	if len(base) > 2*len(whole) {
		return 0, 0, false
	}
	a, b := whole, base
	for i := 0; a != "" && b != ""; i++ {
		line := cutLine(&a)
		if line == cutLine(&b) {
			continue
		}
		if i >= 64 {
			return 0, 0, false
		}
		lines |= 1 << i
		n += len(line)
		if a == b { // as for most clients: only the key differs
			break
		}
	}
	return lines, n, a == b && 2*n <= len(whole)
}

// pick returns these lines of whole, n bytes in all.
//
// noinline: keeps a cold frame off the 2 KiB stack (ARCHITECTURE.md, "Stacks")
//
//go:noinline
func pick(whole string, lines uint64, n int) string {
	if n == 0 {
		return ""
	}
	own := make([]byte, 0, n)
	for ; lines != 0; lines >>= 1 {
		if line := cutLine(&whole); lines&1 != 0 {
			own = append(own, line...)
		}
	}
	return unsafe.String(&own[0], n) // nobody changes own any more
}

// Fingerprint tells makes of clients apart, by the lengths of the names of their
// fields in their order.
func Fingerprint(f wire.Fields) (fingerprint uint) {
	for i := range f {
		fingerprint = bits.RotateLeft(fingerprint, 5) ^ uint(len(f[i].Name))
	}
	return fingerprint
}
