package draftwire

import (
	"hash/maphash"
	"math/bits"
	"slices"
	"strings"
	"sync/atomic"
)

// outline is what the handshakes of many clients have in common, the same page on the same
// host for example: the connections of a Server share it.
type outline struct {
	facts
	offered []string
	usual   string // the target of the handshake that made the outline; those of others are often the same
}

// facts are what can be compared.
type facts struct {
	version   Version
	secure    bool
	exact     bool
	tolerated Tolerances
	rule      string
	host      string
	origin    string
	protocol  string
	deflate   string
}

// outlines holds the outlines that came lately, by what is in them. Its zero value is empty,
// and its methods may be called by many goroutines.
type outlines [64]atomic.Pointer[outline]

// outlineMost bounds the text of an outline that is kept for others, in bytes.
const outlineMost = 1 << 10

var outlineSeed = maphash.MakeSeed()

// slot is where an outline like o is, if there is one.
func (t *outlines) slot(o *outline) *atomic.Pointer[outline] {
	h := maphash.String(outlineSeed, o.host)
	h = bits.RotateLeft64(h, 9) ^ maphash.String(outlineSeed, o.origin)
	h = bits.RotateLeft64(h, 9) ^ maphash.String(outlineSeed, o.protocol)
	return &t[(h^uint64(o.version)^uint64(o.tolerated))%uint64(len(t))]
}

// share makes h hold the outline of another handshake that has the same one, or its own for
// others.
func (t *outlines) share(h *Handshake) {
	slot := t.slot(h.outline)
	other := slot.Load()
	if other != nil && other.facts == h.facts && slices.Equal(other.offered, h.offered) {
		h.outline = other
		return
	}
	h.detach()
	if h.textLen() <= outlineMost {
		h.usual = strings.Clone(h.target)
		slot.Store(h.outline)
	}
}

// textLen is how much text an outline has, with the target that it would get.
func (h *Handshake) textLen() int {
	n := len(h.target) + len(h.rule) + len(h.host) + len(h.origin) + len(h.protocol) + len(h.deflate)
	for _, s := range h.offered {
		n += len(s)
	}
	return n
}

// detach gives the outline memory of its own for what were slices of the whole heads.
func (o *outline) detach() {
	for _, s := range []*string{&o.host, &o.origin, &o.protocol, &o.deflate} {
		*s = strings.Clone(*s)
	}
	offered := make([]string, len(o.offered))
	for i, s := range o.offered {
		offered[i] = strings.Clone(s)
	}
	o.offered = offered
}
