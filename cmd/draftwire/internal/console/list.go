package console

import (
	"cmp"
	"container/heap"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

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
	q.route, q.text = v.Get("route"), strings.ToLower(v.Get("q"))
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
	l, _ := c.lists.Get().(*list)
	if l == nil {
		l = new(list)
	}
	l.all = c.o.Live(l.all[:0])
	out := &listed{Total: len(l.all), Versions: map[string]int{}, Routes: map[string]int{}, Now: time.Now().UnixMilli(), Rows: []Row{}}
	if c.o.Replaced != nil {
		out.Replaced = c.o.Replaced()
	}
	l.match(c, q, out)
	out.Matched = len(l.found)
	for _, p := range l.choose(q) {
		out.Rows = append(out.Rows, c.row(&l.all[p.i]))
	}
	clear(l.all) // the pool holds no connection
	c.lists.Put(l)
	return out
}

// match counts all connections, and finds those that a query wants.
func (l *list) match(c *Console, q *query, out *listed) {
	var versions [256]int
	l.found = l.found[:0]
	key := keys[q.sort]
	for i := range l.all {
		x := &l.all[i]
		v := x.Conn.Version()
		versions[uint8(v)]++
		if x.Session != nil {
			out.Routes[x.Session.Route]++
		}
		if q.version != wire.Unknown && v != q.version || q.route != "" && (x.Session == nil || x.Session.Route != q.route) ||
			q.text != "" && !x.has(q.text) {
			continue
		}
		p := place{id: x.ID, i: int32(i)}
		if key != nil {
			p.major, p.minor = key(c, x)
		}
		l.found = append(l.found, p)
	}
	for v, n := range versions {
		if n > 0 {
			out.Versions[wire.Version(v).String()] = n
		}
	}
	if q.sort == "route" {
		l.rankRoutes(out.Routes)
	}
}

// keys are what connections are sorted by, beside the order in which they were opened and the
// routes, whose names are ranked.
var keys = map[string]func(*Console, *Live) (uint64, uint64){
	"client": func(_ *Console, x *Live) (uint64, uint64) {
		a, err := netip.ParseAddrPort(x.Conn.Handshake().Remote())
		if err != nil {
			return 0, 0
		}
		b := a.Addr().As16()
		return binary.BigEndian.Uint64(b[:]), binary.BigEndian.Uint64(b[8:])
	},
	"version":      func(_ *Console, x *Live) (uint64, uint64) { return uint64(x.Conn.Version()), 0 },
	"in":           func(_ *Console, x *Live) (uint64, uint64) { return x.Conn.Stats().BytesIn, 0 },
	"out":          func(_ *Console, x *Live) (uint64, uint64) { return x.Conn.Stats().BytesOut, 0 },
	"messages_in":  func(_ *Console, x *Live) (uint64, uint64) { return x.Conn.Stats().MessagesIn, 0 },
	"messages_out": func(_ *Console, x *Live) (uint64, uint64) { return x.Conn.Stats().MessagesOut, 0 },
	"last":         func(c *Console, x *Live) (uint64, uint64) { return uint64(c.last(x).UnixMilli()), 0 },
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

// has reports whether a text, in lower case, is in one of the fields that are searched.
func (x *Live) has(text string) bool {
	h := x.Conn.Handshake()
	path, _, _ := strings.Cut(h.Target(), "?")
	return containsFold(path, text) || containsFold(h.Host(), text) || containsFold(h.Origin(), text) ||
		x.Session != nil && containsFold(x.Session.Backend, text) ||
		containsFold(h.Field("User-Agent"), text) || mayBeAddress(text) && strings.Contains(h.Remote(), text)
}

// mayBeAddress reports whether a text can be a part of an address: for all others no address is
// put into words.
func mayBeAddress(s string) bool { return strings.Trim(s, "0123456789abcdef.:[]") == "" }

// containsFold reports whether s has a text that is in lower case. Letters beyond ASCII have to
// agree.
func containsFold(s, text string) bool {
	for i := 0; i+len(text) <= len(s); i++ {
		j := 0
		for j < len(text) && lower(s[i+j]) == text[j] {
			j++
		}
		if j == len(text) {
			return true
		}
	}
	return false
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

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
	all := c.o.Live(nil)
	i := slices.IndexFunc(all, func(x Live) bool { return x.ID == id })
	if i < 0 {
		return Live{}, false
	}
	return all[i], true
}
