package live

import (
	"bytes"
	"cmp"
	"sync"
	"time"

	"github.com/draftwire/draftwire/inspect/capture"
)

// news is the queue between the connections, which must not wait, and the Sink.
type news struct {
	mu     sync.Mutex
	more   sync.Cond // of list and over
	list   []item
	bytes  int // of list
	most   int // of bytes
	over   bool
	stats  Stats
	done   chan struct{} // closed when the Sink knows all
	sink   capture.Sink
	idle   func()
	number int
}

// item is something that happened on a connection.
type item struct {
	of   *conn
	what happening
	at   time.Time
	from capture.Direction
	lost int64  // bytes before it that are not told
	p    []byte // of data
	how  capture.End
}

type happening uint8

const (
	opened happening = iota
	passed
	ended
)

// itemSize is what an item counts beside its bytes.
const itemSize = 128

// conn is a connection that is carried.
type conn struct {
	news   *news
	about  capture.Conn
	hidden bool     // the Sink is not told of it
	lost   [2]int64 // bytes of each direction since the last item of it

	// For the goroutine that tells.
	stream capture.Stream
	at     [2]int64
}

func (n *news) begin(r *Relay) {
	n.more.L = &n.mu
	n.most, n.sink, n.idle = cmp.Or(r.MaxBehind, DefaultMaxBehind), r.Sink, r.Idle
	n.done = make(chan struct{})
	go n.tell()
}

// end waits until the Sink knows all.
func (n *news) end() Stats {
	n.mu.Lock()
	n.over = true
	n.more.Signal()
	n.mu.Unlock()
	<-n.done
	return n.stats
}

// open begins a connection. Where the queue is full, all of it stays untold.
func (n *news) open(about capture.Conn) *conn {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.number++
	about.Number = n.number
	c := &conn{news: n, about: about}
	n.stats.Conns++
	if c.hidden = n.bytes >= n.most; c.hidden {
		n.stats.Hidden++
		return c
	}
	n.add(item{of: c, what: opened})
	return c
}

// add adds an item. The caller holds the lock.
func (n *news) add(i item) {
	i.at = time.Now()
	n.list = append(n.list, i)
	n.bytes += itemSize + len(i.p)
	n.more.Signal()
}

// data tells of bytes, which are lent.
func (c *conn) data(from capture.Direction, p []byte) {
	n := c.news
	n.mu.Lock()
	defer n.mu.Unlock()
	n.stats.Bytes += int64(len(p))
	switch {
	case c.hidden:
		n.stats.Gaps += int64(len(p))
	case n.bytes+itemSize+len(p) > n.most:
		n.stats.Gaps += int64(len(p))
		c.lost[from] += int64(len(p))
	default:
		n.add(item{of: c, what: passed, from: from, lost: c.lost[from], p: bytes.Clone(p)})
		c.lost[from] = 0
	}
}

// end tells of the end of a direction. It has a place in any case: there are two for each
// connection that has one.
func (c *conn) end(from capture.Direction, how capture.End) {
	n := c.news
	n.mu.Lock()
	defer n.mu.Unlock()
	if !c.hidden {
		n.add(item{of: c, what: ended, from: from, lost: c.lost[from], how: how})
	}
}

// tell tells the Sink.
func (n *news) tell() {
	defer close(n.done)
	var list []item
	for {
		n.mu.Lock()
		for len(n.list) == 0 {
			if n.over {
				n.mu.Unlock()
				return
			}
			n.more.Wait()
		}
		list, n.list = n.list, list[:0]
		n.mu.Unlock()
		for i := range list {
			list[i].tell(n.sink)
			size := itemSize + len(list[i].p)
			list[i] = item{}
			n.mu.Lock()
			n.bytes -= size
			n.mu.Unlock()
		}
		n.mu.Lock()
		quiet := len(n.list) == 0
		n.mu.Unlock()
		if quiet && n.idle != nil {
			n.idle()
		}
	}
}

// tell tells the Sink of an item.
func (i *item) tell(sink capture.Sink) {
	c := i.of
	if i.what == opened {
		c.stream = sink.Open(c.about)
		return
	}
	if c.stream == nil {
		return
	}
	if i.lost > 0 {
		c.stream.Gap(i.at, i.from, c.at[i.from], i.lost)
		c.at[i.from] += i.lost
	}
	if i.what == passed {
		c.stream.Data(i.at, i.from, c.at[i.from], i.p)
		c.at[i.from] += int64(len(i.p))
		return
	}
	c.stream.End(i.at, i.from, i.how)
}
