package console

import (
	"fmt"
	"maps"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/draftwire/draftwire"
)

// Totals are what a program has counted since its start.
type Totals struct {
	Losses                  map[string]uint64
	MessagesIn, MessagesOut uint64
}

// sampleEvery is how often the counters are looked at. Nothing is counted for the history alone.
const sampleEvery = 10 * time.Second

// spans are the times that a history can be asked for, each with samples of its own.
var spans = []struct {
	name  string
	every int // samples of sampleEvery in one of these
	most  int
}{{"1h", 1, 360}, {"24h", 24, 360}, {"7d", 180, 336}}

// maxSeries bounds how many names a history has, of each kind.
const maxSeries = 64

// history has what was, in samples, of one span.
type history struct {
	every, most int
	n           int // samples of sampleEvery in the sample that is not whole
	times       []int64
	open        series // the most of each version in a sample
	refused     series
	losses      series
	messages    series
}

// series are numbers by name, as many of each as there are times.
type series map[string][]uint64

// begin begins a sample. Its numbers are 0.
func (s series) begin(most int) {
	for name, list := range s {
		s[name] = cut(append(list, 0), most)
	}
}

func cut[T any](list []T, most int) []T {
	if len(list) > most {
		return append(list[:0], list[len(list)-most:]...)
	}
	return list
}

// at returns the number of the last sample, of n; nil where there are too many names.
func (s series) at(name string, n int) *uint64 {
	list, ok := s[name]
	if !ok {
		if len(s) >= maxSeries {
			return nil
		}
		list = make([]uint64, n)
		s[name] = list
	}
	return &list[n-1]
}

func (s series) add(from map[string]uint64, n int) {
	for name, x := range from {
		if p := s.at(name, n); p != nil {
			*p += x
		}
	}
}

// delta is what has happened since the last sample.
type delta struct {
	at                        time.Time
	open                      map[string]uint64
	refused, losses, messages map[string]uint64
}

func (h *history) note(d *delta) {
	if h.n == 0 {
		h.times = cut(append(h.times, 0), h.most)
		for _, s := range []series{h.open, h.refused, h.losses, h.messages} {
			s.begin(h.most)
		}
	}
	n := len(h.times)
	h.times[n-1] = d.at.UnixMilli()
	for name, x := range d.open {
		if p := h.open.at(name, n); p != nil {
			*p = max(*p, x)
		}
	}
	h.refused.add(d.refused, n)
	h.losses.add(d.losses, n)
	h.messages.add(map[string]uint64{"in": d.messages["in"], "out": d.messages["out"]}, n)
	if h.n++; h.n == h.every {
		h.n = 0
	}
}

// since returns what of each counter is new, and keeps what there is now.
func since(now map[string]uint64, before *map[string]uint64) map[string]uint64 {
	out := map[string]uint64{}
	for name, n := range now {
		if n > (*before)[name] {
			out[name] = n - (*before)[name]
		}
	}
	*before = maps.Clone(now)
	return out
}

// sample looks at the counters.
func (c *Console) sample(now time.Time) {
	d := &delta{at: now, open: c.openByVersion(), refused: c.refused.byReason()}
	var t Totals
	if c.o.Totals != nil {
		t = c.o.Totals()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forgetWatches() // also where nobody asks any more: they hold what users have said
	d.refused = since(d.refused, &c.before[0])
	d.losses = since(t.Losses, &c.before[1])
	d.messages = since(map[string]uint64{"in": t.MessagesIn, "out": t.MessagesOut}, &c.before[2])
	for i := range c.histories {
		c.histories[i].note(d)
	}
}

// run samples, and tells the program when nobody looks at the console any more, until the end.
func (c *Console) run() {
	t := time.NewTicker(sampleEvery)
	defer t.Stop()
	for {
		select {
		case <-c.done:
			return
		case now := <-t.C:
			c.sample(now)
			if c.asked.Load() < now.Add(-unasked).UnixNano() {
				c.setWatching(false)
				c.searches.forget()
				c.addresses.forget()
				c.kinds.forget()
			}
		}
	}
}

// unasked is how long nobody has asked a console that nobody looks at.
const unasked = 30 * time.Second

// setWatching tells the program whether somebody looks at the console.
func (c *Console) setWatching(on bool) {
	if c.watching.Swap(on) != on && c.o.Watching != nil {
		c.o.Watching(on)
	}
}

// told is the answer with a history. All of its lists have as many numbers as there are times.
type told struct {
	Step     int64    `json:"step_ms"`
	Times    []int64  `json:"times"`    // when each sample ended, in milliseconds since 1970
	Versions series   `json:"versions"` // open connections, at most in the sample
	Refused  series   `json:"refused"`  // by reason, in the sample
	Losses   series   `json:"losses"`
	Messages messages `json:"messages"`
}

type messages struct {
	In  []uint64 `json:"in"`
	Out []uint64 `json:"out"`
}

func (c *Console) history(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Query().Get("span")
	if name == "" {
		name = spans[0].name
	}
	for i, s := range spans {
		if s.name == name {
			send(w, http.StatusOK, c.historyOf(i))
			return
		}
	}
	(&problem{http.StatusBadRequest, fmt.Sprintf("There is no history of %.20q.", name), "ask for 1h, 24h or 7d"}).answer(w)
}

func (c *Console) historyOf(i int) *told {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := &c.histories[i]
	copied := func(s series) series {
		out := series{}
		for name, list := range s {
			out[name] = append([]uint64{}, list...)
		}
		return out
	}
	m := copied(h.messages)
	return &told{
		Step: int64(h.every) * sampleEvery.Milliseconds(), Times: append([]int64{}, h.times...),
		Versions: copied(h.open), Refused: copied(h.refused), Losses: copied(h.losses),
		Messages: messages{append([]uint64{}, m["in"]...), append([]uint64{}, m["out"]...)},
	}
}

// opened counts connections that are open.
type opened struct {
	versions [256]atomic.Int64
	tls      [6]atomic.Int64 // without, SSL 3, TLS 1.0 to 1.3
}

const tlsBase = 0x0300 // of SSL 3 in handshakes

func (o *opened) count(c *draftwire.Conn, n int64) {
	o.versions[uint8(c.Version())].Add(n)
	row := 0
	if t := c.Handshake().TLS(); t != nil {
		row = min(max(int(t.Version)-tlsBase+1, 1), len(o.tls)-1)
	}
	o.tls[row].Add(n)
}

func (c *Console) openByVersion() map[string]uint64 {
	out := map[string]uint64{}
	for _, v := range draftwire.ServedVersions().List() {
		out[v.String()] = uint64(max(c.opened.versions[uint8(v)].Load(), 0))
	}
	return out
}

// Observer tells the console of the connections of a listener. That of nil tells nobody.
func (c *Console) Observer() *draftwire.Observer {
	if c == nil {
		return nil
	}
	return &draftwire.Observer{
		Opened:  func(x *draftwire.Conn) { c.opened.count(x, 1) },
		Closed:  func(x *draftwire.Conn, _ error) { c.opened.count(x, -1) },
		Refused: c.refused.note,
	}
}
