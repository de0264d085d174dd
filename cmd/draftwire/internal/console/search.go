package console

import (
	"strings"
	"sync"
)

// memo remembers of each connection what never changes and is put into words, or looked for, at
// some cost: the page asks again every two seconds.
type memo[T any] struct {
	make func(*Live) T

	mu    sync.Mutex // held from begin to end
	known map[uint64]T
}

// begin is called before of, for n connections, and end behind it.
func (m *memo[T]) begin(n int) {
	m.mu.Lock()
	if m.known == nil || len(m.known) > 2*n+1000 { // most of them have ended
		m.known = make(map[uint64]T, n)
	}
}

func (m *memo[T]) end() { m.mu.Unlock() }

// forget forgets all.
func (m *memo[T]) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.known = nil
}

// of returns what is remembered of a connection.
func (m *memo[T]) of(x *Live) T {
	v, ok := m.known[x.ID]
	if !ok {
		v = m.make(x)
		m.known[x.ID] = v
	}
	return v
}

// searches are the texts that are searched for.
type searches struct {
	mu   sync.Mutex
	last []*search // the latest first
}

// maxSearches is how many texts are remembered.
const maxSearches = 4

// search is which connections have a text.
type search struct {
	text string
	memo[bool]
}

// of returns the search of a text.
func (s *searches) of(text string) *search {
	s.mu.Lock()
	defer s.mu.Unlock()
	var x *search
	for i, old := range s.last {
		if old.text == text {
			x = old
			s.last = append(s.last[:i], s.last[i+1:]...)
			break
		}
	}
	if x == nil {
		x = &search{text: text, memo: memo[bool]{make: func(x *Live) bool { return x.has(text) }}}
	}
	s.last = append([]*search{x}, s.last...)
	s.last = s.last[:min(maxSearches, len(s.last))]
	return x
}

// forget forgets all.
func (s *searches) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = nil
}

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
