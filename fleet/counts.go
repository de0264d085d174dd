package fleet

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
)

// Count is how many connections a client has at one node.
type Count struct {
	Client netip.Prefix // an IPv4 address, or an IPv6 /64
	N      int
}

// MaxCounts is how many clients a node announces: those with the most connections. The others' connections
// count at their own node alone.
const MaxCounts = 16384

// counts are what the other nodes have announced. It is read in handshakes, so without a lock.
type counts struct {
	mu     sync.Mutex
	byNode map[string]map[netip.Prefix]int
	list   atomic.Pointer[[]map[netip.Prefix]int]
}

func (c *counts) set(name string, of map[netip.Prefix]int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byNode == nil {
		c.byNode = map[string]map[netip.Prefix]int{}
	}
	c.byNode[name] = of
	c.publish()
}

func (c *counts) drop(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.byNode[name]; ok {
		delete(c.byNode, name)
		c.publish()
	}
}

func (c *counts) publish() {
	list := make([]map[netip.Prefix]int, 0, len(c.byNode))
	for _, of := range c.byNode {
		list = append(list, of)
	}
	c.list.Store(&list)
}

func (c *counts) of(client netip.Prefix) (n int) {
	list := c.list.Load()
	if list == nil {
		return 0
	}
	for _, of := range *list {
		n += of[client] // at most 64 times 2^31
	}
	return n
}

// announceCounts tells the others how many connections each client has here.
func (n *Node) announceCounts(ctx context.Context) {
	if n.o.Counts == nil {
		return
	}
	list := n.o.Counts()
	if len(list) > MaxCounts {
		slices.SortFunc(list, func(a, b Count) int { return cmp.Compare(b.N, a.N) })
		list = list[:MaxCounts]
	}
	if len(list) == 0 && !n.sentAny { // and else once more, that there are none
		return
	}
	n.sentAny = len(list) > 0
	n.bus.Send(ctx, n.subject("counts"), appendCounts(nil, n.o.Name, n.id, list))
}

// countsFormat is the first byte of announced counts. The name and the process follow, each with its length, and
// then for each client the length of its address, 4 or 8 bytes, the address and a number.
const countsFormat = 1

func appendCounts(p []byte, name, id string, list []Count) []byte {
	p = append(p, countsFormat)
	for _, s := range []string{name, id} {
		p = append(p, byte(len(s)))
		p = append(p, s...)
	}
	for _, c := range list {
		a := c.Client.Addr().AsSlice()
		a = a[:min(len(a), 8)]
		if c.N <= 0 || len(a) == 0 {
			continue
		}
		p = append(append(p, byte(len(a))), a...)
		p = binary.AppendUvarint(p, uint64(min(c.N, math.MaxInt32)))
	}
	return p
}

var errCounts = errors.New("fleet: these are no counts")

func parseCounts(p []byte) (name, id string, of map[netip.Prefix]int, err error) {
	if len(p) == 0 || len(p) > MaxValue || p[0] != countsFormat {
		return "", "", nil, errCounts
	}
	p = p[1:]
	for _, to := range []*string{&name, &id} {
		if len(p) == 0 || len(p) < 1+int(p[0]) {
			return "", "", nil, errCounts
		}
		*to, p = string(p[1:1+int(p[0])]), p[1+int(p[0]):]
		if err := CheckName(*to); err != nil {
			return "", "", nil, err
		}
	}
	of = make(map[netip.Prefix]int)
	for len(p) > 0 {
		size := int(p[0])
		if size != 4 && size != 8 || len(p) < 1+size || len(of) == MaxCounts {
			return "", "", nil, errCounts
		}
		var a netip.Addr
		if size == 4 {
			a = netip.AddrFrom4([4]byte(p[1:5]))
		} else {
			a = netip.AddrFrom16([16]byte(append(slices.Clone(p[1:9]), make([]byte, 8)...)))
		}
		count, used := binary.Uvarint(p[1+size:])
		if used <= 0 || count == 0 || count > math.MaxInt32 {
			return "", "", nil, errCounts
		}
		p = p[1+size+used:]
		bits := size * 8
		of[netip.PrefixFrom(a, bits)] = int(count)
	}
	return name, id, of, nil
}

// heardCounts takes what another node has announced: only of one that is known, and alive.
func (n *Node) heardCounts(data []byte) []byte {
	name, id, of, err := parseCounts(data)
	if err != nil {
		n.tell(BadPeers, "", err)
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if m := n.members[name]; m != nil && !m.Self && m.State == Alive && m.ID == id {
		n.elsewhere.set(name, of)
	}
	return nil
}
