package draftwire

import (
	"math/bits"
	"strings"
	"sync/atomic"

	"github.com/draftwire/draftwire/wire"
)

// head is the head of a request or an answer as a connection holds it. Those of one
// kind of client are alike but for a line or two, a key, a cookie: so it is another
// one's, and the lines in which it differs.
type head struct {
	like  *string // the other's; nil where own is all
	own   string  // the lines of its own
	lines uint64  // which they are, from the lowest bit on
}

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

// share returns whole, of a client of that kind, as a head. It keeps nothing of
// whole itself.
func (t *heads) share(kind uint, whole string) head {
	slot := &t[kind%uint(len(t))]
	if like := slot.Load(); like != nil {
		if h, ok := alike(whole, like); ok {
			return h
		}
	}
	own := strings.Clone(whole)
	slot.Store(&own)
	return head{like: &own}
}

// alike returns whole as a head like another. ok is false where they have less than
// half in common, and where the other one is much longer: nobody is to hold what
// others have sent.
func alike(whole string, like *string) (h head, ok bool) {
	if len(*like) > 2*len(whole) {
		return h, false
	}
	h.like = like
	n := 0
	a, b := whole, *like
	for i := 0; a != "" && b != ""; i++ {
		if line := cutLine(&a); line != cutLine(&b) {
			if i >= 64 {
				return h, false
			}
			h.lines |= 1 << i
			n += len(line)
		}
	}
	if a != "" || b != "" || 2*n > len(whole) {
		return h, false
	}
	own := make([]byte, 0, n)
	for a, i := whole, 0; len(own) < n; i++ {
		if line := cutLine(&a); h.lines>>i&1 != 0 {
			own = append(own, line...)
		}
	}
	h.own = string(own)
	return h, true
}

// kindOf tells clients of one kind from others: by the names of their fields.
func kindOf(f wire.Fields) (kind uint) {
	for i := range f {
		kind = bits.RotateLeft(kind, 5) ^ uint(len(f[i].Name))
	}
	return kind
}
