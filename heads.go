package draftwire

import (
	"math/bits"
	"strings"
	"sync/atomic"
	"unsafe"

	"github.com/draftwire/draftwire/wire"
)

// head is the head of a request or an answer as a connection holds it. Those of one
// kind of client are alike but for a line or two, a key, a cookie: so it is another
// one's, and the lines in which it differs.
type head struct {
	like  *string // the other's; nil where own is all
	own   string  // the lines of its own, one behind the other
	lines uint64  // which those are: bit 0 is the first line of the head
}

var noHead head

// String returns the head, byte by byte.
func (h *head) String() string {
	switch {
	case h.like == nil:
		return h.own
	case h.lines == 0:
		return *h.like
	}
	var b strings.Builder
	own, rest := h.own, *h.like
	for lines := h.lines; rest != ""; lines >>= 1 {
		line := cutLine(&rest)
		if lines&1 != 0 {
			line = cutLine(&own)
		}
		b.WriteString(line)
	}
	return b.String()
}

// part returns s, which stood in the head, as a part of what is held of it.
func (h *head) part(s string) string {
	if i := strings.Index(h.own, s); i >= 0 {
		return h.own[i : i+len(s)]
	}
	if h.like != nil {
		if i := strings.Index(*h.like, s); i >= 0 {
			return (*h.like)[i : i+len(s)]
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

// heads are such as have come lately, one for each kind of client.
type heads [64]atomic.Pointer[string]

// share makes h whole, the head of a client of that kind. It keeps nothing of whole
// itself.
func (t *heads) share(kind uint, whole string, h *head) {
	slot := &t[kind%uint(len(t))]
	h.like = slot.Load()
	if h.like != nil {
		if lines, n, ok := differ(whole, *h.like); ok {
			h.lines, h.own = lines, pick(whole, lines, n)
			return
		}
	}
	h.like, h.lines, h.own = cloned(whole), 0, ""
	slot.Store(h.like)
}

//go:noinline
func cloned(s string) *string { // apart, as stacks are short
	s = strings.Clone(s)
	return &s
}

// differ returns the lines in which whole differs from another head, and how long they
// are. ok is false where they have less than half in common, and where the other one
// is much longer: nobody is to hold what others have sent.
func differ(whole, like string) (lines uint64, n int, ok bool) {
	if len(like) > 2*len(whole) {
		return 0, 0, false
	}
	a, b := whole, like
	for i := 0; a != "" && b != ""; i++ {
		if line := cutLine(&a); line != cutLine(&b) {
			if i >= 64 {
				return 0, 0, false
			}
			lines |= 1 << i
			if n += len(line); a == b {
				break // as most: a key is all
			}
		}
	}
	return lines, n, a == b && 2*n <= len(whole)
}

// pick returns these lines, n bytes in all.
//
//go:noinline
func pick(whole string, lines uint64, n int) string { // apart, as stacks are short
	if n == 0 {
		return ""
	}
	own := make([]byte, 0, n)
	for ; lines != 0; lines >>= 1 {
		if line := cutLine(&whole); lines&1 != 0 {
			own = append(own, line...)
		}
	}
	return unsafe.String(&own[0], n)
}

// kindOf tells clients of one kind from others: by the names of their fields.
func kindOf(f wire.Fields) (kind uint) {
	for i := range f {
		kind = bits.RotateLeft(kind, 5) ^ uint(len(f[i].Name))
	}
	return kind
}
