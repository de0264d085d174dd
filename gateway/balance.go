package gateway

import (
	"cmp"
	"errors"
	"hash/fnv"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/draftwire/draftwire"
)

// balance says by what the backends of a route are chosen: the fewest connections, or a hash
// of something that a client sends again, so that it comes to the same backend each time.
type balance struct {
	kind string // "" (the fewest), address, path or sent
	sent sent
}

var errBalance = errors.New("it is not least, hash address, hash path, or hash with one of " + sentForms)

// parseBalance reads the value of a route's balance.
func parseBalance(s string) (b balance, err error) {
	words := strings.Join(strings.Fields(s), " ")
	if words == "" || words == "least" {
		return b, nil
	}
	what, ok := strings.CutPrefix(words, "hash ")
	b.kind = what
	if ok && what != "address" && what != "path" {
		b.kind = "sent"
		b.sent, ok = parseSent(what)
	}
	if !ok {
		return balance{}, errBalance
	}
	return b, nil
}

// key returns what is hashed for a client; "" where it has not sent it, or where nothing is
// hashed: then the backend with the fewest connections takes it.
func (b *balance) key(h *draftwire.Handshake, client netip.Prefix) string {
	switch b.kind {
	case "address":
		if client.IsValid() {
			return client.String()
		}
	case "path":
		path, _, _ := strings.Cut(h.Target(), "?")
		return path
	case "sent":
		return b.sent.of(h.Target(), h.Fields())
	}
	return ""
}

// order returns the backends in the order in which they are tried for a key: available ones
// first. Without a key those with the fewest connections are next, and equal ones take turns.
// With one the order is that of the hashes of key and backend (rendezvous hashing): all
// gateways agree on it, and where a backend is gone only its own clients move.
func (b *backends) order(key string) []*backend {
	now, n := time.Now(), len(b.list)
	turn := int(b.next.Add(1))
	list := make([]*backend, n)
	for i := range list {
		list[i] = b.list[(turn+i)%n]
	}
	rank := func(x *backend) float64 { return x.pressure(now, time.Duration(b.health.SlowStart)) }
	if key != "" {
		rank = func(x *backend) float64 { return -float64(x.hash(key) >> 11) } // as much as a float64 holds
	}
	slices.SortStableFunc(list, func(x, y *backend) int {
		if xa, ya := x.available(now), y.available(now); xa != ya {
			if xa {
				return -1
			}
			return 1
		}
		return cmp.Compare(rank(x), rank(y))
	})
	return list
}

// hash returns the hash of a key and the backend.
func (b *backend) hash(key string) uint64 {
	f := fnv.New64a()
	f.Write([]byte(key))
	f.Write([]byte{0})
	f.Write([]byte(b.addr))
	if b.url != nil {
		f.Write([]byte(b.url.Path))
	}
	h := f.Sum64() // FNV mixes its last bytes too little: this is the end of MurmurHash3
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// leastShare is the share of its clients with which a backend begins that has come up.
const leastShare = 0.05

// pressure is what backends are compared by: their connections, the next one included. For a
// backend that has come up within slowStart they weigh more, the more the shorter that is ago.
func (b *backend) pressure(now time.Time, slowStart time.Duration) float64 {
	n := float64(b.load() + 1)
	if since := now.Sub(time.Unix(0, b.risen.Load())); slowStart > 0 && since < slowStart {
		n /= max(float64(since)/float64(slowStart), leastShare)
	}
	return n
}

// take counts a connection that is being opened, unless the backend has as many as it may.
func (b *backend) take() bool {
	if n := b.dialing.Add(1) + b.open.Load(); b.max > 0 && n > int64(b.max) {
		b.dialing.Add(-1)
		return false
	}
	return true
}

// give ends the count of take.
func (b *backend) give() { b.dialing.Add(-1) }
