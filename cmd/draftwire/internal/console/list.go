package console

import (
	"cmp"
	"container/heap"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/draftwire/draftwire/internal/ascii"
	"github.com/draftwire/draftwire/wire"
)

// Bounds of a page of the list.
const (
	defaultLimit = 100
	maxLimit     = 500
	maxText      = 200 // of q, in bytes
)

// query is what a page of the list is chosen by.
type query struct {
	version       wire.Version // Unknown: all
	route         string       // "": all
	text          string       // "": all; in lower case
	sort          string
	desc          bool
	offset, limit int
}

// sorts are what a list can be sorted by.
var sorts = []string{"opened", "client", "version", "route", "in", "out", "messages_in", "messages_out", "last"}

// parseQuery reads the parameters of a list.
func parseQuery(v url.Values) (query, error) {
	q := query{sort: "opened", desc: true, limit: defaultLimit}
	var err error
	if name := v.Get("version"); name != "" {
		if q.version, err = wire.ParseVersion(name); err != nil || q.version == wire.Unknown {
			return q, fmt.Errorf("version: %.40q is none", name)
		}
	}
	q.route, q.text = v.Get("route"), ascii.ToLower(v.Get("q"))
	if len(q.text) > maxText {
		return q, fmt.Errorf("q: it has more than %d bytes", maxText)
	}
	if s := v.Get("sort"); s != "" {
		q.sort, q.desc = s, false
		if !slices.Contains(sorts, s) {
			return q, fmt.Errorf("sort: %.40q is not one of %s", s, strings.Join(sorts, ", "))
		}
	}
	if s := v.Get("desc"); s != "" {
		if q.desc, err = strconv.ParseBool(s); err != nil {
			return q, fmt.Errorf("desc: %.40q is not 0 or 1", s)
		}
	}
	if q.offset, err = number(v.Get("offset"), 0, 1<<30); err != nil {
		return q, fmt.Errorf("offset: %w", err)
	}
	if q.limit, err = number(v.Get("limit"), defaultLimit, maxLimit); err != nil {
		return q, fmt.Errorf("limit: %w", err)
	}
	return q, nil
}

// number reads a number from 0 to most; without one it is other.
func number(s string, other, most int) (int, error) {
	if s == "" {
		return other, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > most {
		return 0, fmt.Errorf("%.40q is not a number from 0 to %d", s, most)
	}
	return n, nil
}

// list is the work of one answer. It is used again, as it has room for every connection.
type list struct {
	all   []Live
	found []place
}

// place is a connection among those that match, with what it is sorted by: two numbers, so that
// no text is made of those that are not shown.
type place struct {
	major, minor uint64
	id           uint64
	i            int32 // in list.all
}

func (a place) compare(b place) int {
	return cmp.Or(cmp.Compare(a.major, b.major), cmp.Compare(a.minor, b.minor), cmp.Compare(a.id, b.id))
}

// listed is the answer with a page of the list.
type listed struct {
	Total    int            `json:"total"`    // connections of this process
	Replaced int            `json:"replaced"` // connections of processes that this one has replaced, which are not listed
	Matched  int            `json:"matched"`
	Versions map[string]int `json:"versions"` // of all
	Routes   map[string]int `json:"routes"`
	Now      int64          `json:"now_ms"`
	Rows     []Row          `json:"rows"`
}

func (c *Console) connections(w http.ResponseWriter, r *http.Request) {
	q, err := parseQuery(r.URL.Query())
	if err != nil {
		(&problem{http.StatusBadRequest, "The list cannot be chosen so: " + err.Error(), ""}).answer(w)
		return
	}
	send(w, http.StatusOK, c.page(&q))
}

// page chooses a page of the list.
func (c *Console) page(q *query) *listed {
	l := c.lend()
	defer c.giveBack(l)
	out := &listed{Total: len(l.all), Versions: map[string]int{}, Routes: map[string]int{}, Now: time.Now().UnixMilli(), Rows: []Row{}}
	if c.o.Replaced != nil {
		out.Replaced = c.o.Replaced()
	}
	l.match(c, q, out)
	out.Matched = len(l.found)
	for _, p := range l.choose(q) {
		out.Rows = append(out.Rows, c.row(&l.all[p.i]))
	}
	return out
}

// lend returns a list of the open connections. The caller gives it back.
func (c *Console) lend() *list {
	l, _ := c.lists.Get().(*list)
	if l == nil {
		l = new(list)
	}
	l.all, l.found = c.o.Live(l.all[:0]), l.found[:0]
	return l
}

func (c *Console) giveBack(l *list) {
	clear(l.all) // the pool holds no connection
	c.lists.Put(l)
}

// match counts all connections, and finds those that a query wants.
func (l *list) match(c *Console, q *query, out *listed) {
	var versions [256]int
	key := keys[q.sort]
	var has func(*Live) bool
	if q.text != "" {
		search := c.searches.of(q.text)
		search.begin(len(l.all))
		defer search.end()
		has = search.memo.of
	}
	if q.sort == "client" {
		c.addresses.begin(len(l.all))
		defer c.addresses.end()
	}
	route, inRoute := "", 0 // most sessions have the route of the one before
	for i := range l.all {
		x := &l.all[i]
		v := x.Conn.Version()
		versions[uint8(v)]++
		if s := x.Session; s != nil {
			if s.Route != route {
				out.count(route, inRoute)
				route, inRoute = s.Route, 0
			}
			inRoute++
		}
		if q.version != wire.Unknown && v != q.version || q.route != "" && (x.Session == nil || x.Session.Route != q.route) ||
			has != nil && !has(x) {
			continue
		}
		p := place{id: x.ID, i: int32(i)}
		if key != nil {
			p.major, p.minor = key(c, x)
		}
		l.found = append(l.found, p)
	}
	out.count(route, inRoute)
	for v, n := range versions {
		if n > 0 {
			out.Versions[wire.Version(v).String()] = n
		}
	}
	if q.sort == "route" {
		l.rankRoutes(out.Routes)
	}
}

// count counts connections of a route.
func (l *listed) count(route string, n int) {
	if n > 0 {
		l.Routes[route] += n
	}
}

// keys are what connections are sorted by, beside the order in which they were opened and the
// routes, whose names are ranked.
var keys = map[string]func(*Console, *Live) (uint64, uint64){
	"client": func(c *Console, x *Live) (uint64, uint64) {
		a := c.addresses.of(x)
		return a[0], a[1]
	},
	"version":      func(_ *Console, x *Live) (uint64, uint64) { return uint64(x.Conn.Version()), 0 },
	"in":           func(_ *Console, x *Live) (uint64, uint64) { return x.Conn.Stats().BytesIn, 0 },
	"out":          func(_ *Console, x *Live) (uint64, uint64) { return x.Conn.Stats().BytesOut, 0 },
	"messages_in":  func(_ *Console, x *Live) (uint64, uint64) { return x.Conn.Stats().MessagesIn, 0 },
	"messages_out": func(_ *Console, x *Live) (uint64, uint64) { return x.Conn.Stats().MessagesOut, 0 },
	"last":         func(c *Console, x *Live) (uint64, uint64) { return uint64(c.last(x).UnixMilli()), 0 },
}

// addressKey is the address of a client, as two numbers.
func addressKey(x *Live) [2]uint64 {
	b := address(x.Conn.Handshake().Remote()).Addr().As16()
	return [2]uint64{binary.BigEndian.Uint64(b[:]), binary.BigEndian.Uint64(b[8:])}
}

// rankRoutes sorts by the names of routes.
func (l *list) rankRoutes(routes map[string]int) {
	var names []string
	for name := range routes {
		names = append(names, name)
	}
	slices.Sort(names)
	rank := map[string]uint64{}
	for i, name := range names {
		rank[name] = uint64(i) + 1
	}
	for i := range l.found {
		if s := l.all[l.found[i].i].Session; s != nil {
			l.found[i].major = rank[s.Route]
		}
	}
}

// choose returns those of a page, in order. It sorts what the page and those before it need, and
// not all.
func (l *list) choose(q *query) []place {
	order := place.compare
	if q.desc {
		order = func(a, b place) int { return b.compare(a) }
	}
	n := min(q.offset+q.limit, len(l.found))
	if q.offset >= n {
		return nil
	}
	first := l.found
	if n < len(l.found)/8 {
		h := &worst{l.found[:n], order}
		heap.Init(h)
		for _, p := range l.found[n:] {
			if order(p, h.of[0]) < 0 {
				h.of[0] = p
				heap.Fix(h, 0)
			}
		}
		first = h.of
	}
	slices.SortFunc(first, order)
	return first[q.offset:n]
}

// worst is a heap whose first is the last in order.
type worst struct {
	of    []place
	order func(a, b place) int
}

func (h *worst) Len() int           { return len(h.of) }
func (h *worst) Less(i, j int) bool { return h.order(h.of[i], h.of[j]) > 0 }
func (h *worst) Swap(i, j int)      { h.of[i], h.of[j] = h.of[j], h.of[i] }
func (h *worst) Push(any)           {}
func (h *worst) Pop() any           { return nil }

// last is when a message last ended, or when the connection was opened.
func (c *Console) last(x *Live) time.Time {
	began := x.Conn.Handshake().Began()
	var at time.Time
	if c.o.Last != nil {
		at = c.o.Last(x)
	} else if x.Session != nil {
		at = x.Session.Last()
	}
	if at.After(began) {
		return at
	}
	return began
}

// idText writes the number of a connection, as readID reads it.
func idText(id uint64) string { return strconv.FormatUint(id, 36) }

func readID(s string) (uint64, bool) {
	id, err := strconv.ParseUint(s, 36, 64)
	return id, err == nil && idText(id) == s
}

// find returns an open connection.
func (c *Console) find(id uint64) (Live, bool) {
	l := c.lend()
	defer c.giveBack(l)
	i := slices.IndexFunc(l.all, func(x Live) bool { return x.ID == id })
	if i < 0 {
		return Live{}, false
	}
	return l.all[i], true
}
