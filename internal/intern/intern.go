// Package intern lets connections share what is equal in the heads of their
// handshakes. The heads of one make of client differ in a line or two, a key or a
// cookie, so a connection holds the values of those lines and a pointer to a base, a head that
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
	own   string  // the lines that differ from base, without the names of their fields, one behind the other
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
	for shared, own := range h.Lines() {
		b.WriteString(shared)
		b.WriteString(own)
	}
	return b.String()
}

// Lines returns the lines of the head, with their ends, one after the other, each in two parts as it is held: what it
// may share with other heads, a whole line or the name of a field, and what is its own behind that.
func (h *Head) Lines() iter.Seq2[string, string] {
	return func(yield func(shared, own string) bool) {
		own, rest, lines := h.own, h.own, h.lines
		if h.base != nil {
			rest = *h.base
		}
		for i := 0; rest != ""; i++ {
			shared, mine := cutLine(&rest), ""
			if lines>>i&1 != 0 {
				shared, mine = nameOf(shared, i), cutLine(&own)
			}
			if !yield(shared, mine) {
				return
			}
		}
	}
}

// nameOf returns the name of a field with its colon and the blank behind it, "" where line i of a base is none. A line
// in its place that begins so too is held without it.
func nameOf(line string, i int) string {
	name, value, ok := strings.Cut(line, ":")
	if i == 0 || !ok { // the first line may have colons too
		return ""
	}
	if strings.HasPrefix(value, " ") {
		return line[:len(name)+2]
	}
	return line[:len(name)+1]
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
			h.lines, h.own = lines, pick(whole, *h.base, lines, n)
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

// differ returns the lines in which whole differs from base, and how many bytes are its
// own. ok is false where more than half of whole would be, where a name differs, and where base is more
// than twice as long: a client with a short head must not hold what another client sent.
func differ(whole, base string) (lines uint64, n int, ok bool) {
	if len(base) > 2*len(whole) {
		return 0, 0, false
	}
	a, b := whole, base
	for i := 0; a != "" && b != ""; i++ {
		line, other := cutLine(&a), cutLine(&b)
		if line == other {
			continue
		}
		name := nameOf(other, i)
		if i >= 64 || !strings.HasPrefix(line, name) {
			return 0, 0, false
		}
		lines |= 1 << i
		n += len(line) - len(name)
		if a == b { // as for most clients: only the key differs
			break
		}
	}
	return lines, n, a == b && 2*n <= len(whole)
}

// pick returns what these lines of whole have of their own, n bytes in all.
//
// noinline: keeps a cold frame off the 2 KiB stack (ARCHITECTURE.md, "Stacks")
//
//go:noinline
func pick(whole, base string, lines uint64, n int) string {
	if n == 0 {
		return ""
	}
	own := make([]byte, 0, n)
	for i := 0; lines>>i != 0; i++ {
		if line, other := cutLine(&whole), cutLine(&base); lines>>i&1 != 0 {
			own = append(own, line[len(nameOf(other, i)):]...)
		}
	}
	return unsafe.String(&own[0], n) // nobody changes own any more
}

// Fingerprint tells makes of clients apart, by the lengths of the names of their
// fields in their order, and by what these end in.
func Fingerprint(f wire.Fields) (fingerprint uint) {
	for i := range f {
		name := f[i].Name
		fingerprint = bits.RotateLeft(fingerprint, 5) ^ uint(len(name))
		if name != "" { // hixie-76 has two names of one length
			fingerprint += uint(name[len(name)-1])
		}
	}
	return fingerprint
}
