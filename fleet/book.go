package fleet

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/draftwire/draftwire/usage"
)

// A node's ledger stands in the bus as a book: a head under book.NAME, and its chunks. The head has all but the
// clients, and says where the chunks are. A client is always in the same chunk, as long as there are as many. Each chunk
// has two places, and is written to the one that the head does not name; then the head is exchanged. So
// whoever reads finds the book as it was before a change or behind it, also if the writer dies within it.

const (
	// MaxBooks is how many books a fleet has at most; a node that would be one more cannot store its own.
	MaxBooks = 256

	bookFormat  = "draftwire-fleet-book/1"
	perChunk    = 256      // clients, about
	maxChunks   = 4096     // a power of two
	maxUnzipped = 16 << 20 // of a chunk or a head, in bytes
	maxBooks    = 1 << 30  // unzipped, of all books that are read together, in bytes
	bookReads   = 4        // tries to read a book that is being written
	bookReaders = 8        // chunks that are read at a time
)

// bookHead is the value under book.NAME.
type bookHead struct {
	Format string     `json:"format"`
	Name   string     `json:"name"`
	ID     string     `json:"id"` // of the process that has written it
	Made   time.Time  `json:"made"`
	Ledger []byte     `json:"ledger"` // an export without clients, as a chunk
	Chunks []chunkRef `json:"chunks"` // their number is a power of two
}

// chunkRef is where a chunk is. An empty one has no sum, and is nowhere.
type chunkRef struct {
	Place int    `json:"place"` // 0 or 1
	Sum   string `json:"sum,omitempty"`
}

func (h *bookHead) check(name string) error {
	n := len(h.Chunks)
	if h.Format != bookFormat || h.Name != name || n == 0 || n > maxChunks || n&(n-1) != 0 {
		return errors.New("fleet: this is no book of " + name)
	}
	for _, c := range h.Chunks {
		if c.Place != 0 && c.Place != 1 || len(c.Sum) > 64 {
			return errors.New("fleet: a chunk is nowhere")
		}
	}
	if y := h.Made.Year(); y < 1970 || y > 9999 {
		return errors.New("fleet: the book was made at no time")
	}
	return nil
}

func parseBook(data []byte, name string, left *atomic.Int64) (*bookHead, *usage.Snapshot, error) {
	h := &bookHead{}
	if err := json.Unmarshal(data, h); err != nil {
		return nil, nil, err
	}
	if err := h.check(name); err != nil {
		return nil, nil, err
	}
	s, err := unzip(h.Ledger, left)
	return h, s, err
}

func (n *Node) bookKey(name string) string { return n.subject("book." + name) }

func (n *Node) chunkKey(name string, chunk, place int) string {
	return fmt.Sprintf("%s.%d.%d", n.subject("chunk."+name), chunk, place)
}

// zip is a part of a snapshot as it is stored.
func zip(s *usage.Snapshot) ([]byte, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if err := s.Export(z); err != nil {
		return nil, err
	}
	err := z.Close()
	return b.Bytes(), err
}

// errBooks is why a book is not read any more.
var errBooks = fmt.Errorf("fleet: the books have more than %d bytes", maxBooks)

// allowance is a reader that takes what it reads off left.
type allowance struct {
	r    io.Reader
	left *atomic.Int64
}

func (a *allowance) Read(p []byte) (int, error) {
	n, err := a.r.Read(p)
	if a.left.Add(-int64(n)) < 0 {
		return 0, errBooks
	}
	return n, err
}

// allowed returns what may be unzipped in one call.
func allowed() *atomic.Int64 {
	left := new(atomic.Int64)
	left.Store(maxBooks)
	return left
}

// unzip reads what zip makes, or what a peer says that it is.
func unzip(p []byte, left *atomic.Int64) (*usage.Snapshot, error) {
	z, err := gzip.NewReader(bytes.NewReader(p))
	if err != nil {
		return nil, err
	}
	return usage.Import(io.LimitReader(&allowance{z, left}, maxUnzipped))
}

func sumOf(p []byte) string {
	sum := sha256.Sum256(p)
	return hex.EncodeToString(sum[:16])
}

// chunkOf is the chunk of a client.
func chunkOf(c *usage.Client, chunks int) int {
	h := fnv.New32a()
	io.WriteString(h, c.Key)
	h.Write([]byte{0, byte(c.Version)})
	return int(h.Sum32()) & (chunks - 1)
}

// trace is a number that changes when a record does. A record that has counted something has other counts, or another
// last time; what a mirror did is counted too.
func trace(c *usage.Client, into io.Writer) {
	var b []byte
	for _, x := range []uint64{
		uint64(c.First.Unix()), uint64(c.Last.Unix()), uint64(c.Visited.Unix()), c.Opened, c.Refused, c.In, c.Out,
		c.MessagesIn, c.MessagesOut, uint64(c.Tolerated), uint64(c.TLS), uint64(c.Version),
	} {
		b = binary.LittleEndian.AppendUint64(b, x)
	}
	into.Write(b)
	io.WriteString(into, c.Key)
	io.WriteString(into, c.UserAgent)
	io.WriteString(into, c.Path)
	if len(c.Mirrors) > 0 {
		json.NewEncoder(into).Encode(c.Mirrors)
	}
}

// writer writes the node's book.
type writer struct {
	n    *Node
	mu   sync.Mutex // held while the book is written
	head *bookHead  // that stands in the bus; nil: it is not known
	at   uint64     // its revision
	// revisions are those of the places of chunks, as far as they are known.
	revisions map[string]uint64
	traces    []uint64 // of the chunks that the head names

	state     sync.Mutex
	stored    time.Time // when the book was stored last
	lastError error
}

func (w *writer) init(n *Node) { w.n, w.revisions = n, map[string]uint64{} }

// forget makes the next Put look at what stands in the bus.
func (w *writer) forget() {
	w.head, w.at = nil, 0
	clear(w.revisions)
	w.traces = nil
}

// Put stores what the node's ledger has counted, in place of what stands under the node's name: only what has
// changed since the last Put. If it fails, what stood there still does, and the next one stores it all. A
// node whose name another process claims, which has begun before it, stores nothing, so that nobody's counts take
// the place of others'.
func (n *Node) Put(ctx context.Context, s *usage.Snapshot) error {
	w := &n.book
	w.mu.Lock()
	defer w.mu.Unlock()
	err := w.put(ctx, s)
	if err != nil {
		w.forget()
	}
	w.state.Lock()
	defer w.state.Unlock()
	w.lastError = err
	if err == nil {
		w.stored = time.Now()
	}
	return err
}

// Stored returns when Put has succeeded last, zero for never, and the error of the last one.
func (n *Node) Stored() (time.Time, error) {
	w := &n.book
	w.state.Lock()
	defer w.state.Unlock()
	return w.stored, w.lastError
}

func (w *writer) put(ctx context.Context, s *usage.Snapshot) error {
	if w.n.yields() {
		return errClaimed
	}
	if err := w.find(ctx); err != nil {
		return err
	}
	chunks := len(w.head.Chunks)
	for chunks < maxChunks && len(s.Clients) > 2*perChunk*chunks || chunks == 0 {
		chunks = max(1, chunks*2)
	}
	for ; ; chunks *= 2 {
		err := w.write(ctx, s, chunks)
		if !errors.Is(err, ErrTooLarge) || chunks >= maxChunks {
			return err
		}
	}
}

// find looks for the book that stands in the bus, if it is not known.
func (w *writer) find(ctx context.Context) error {
	if w.head != nil {
		return nil
	}
	n := w.n
	data, at, err := n.load(ctx, n.bookKey(n.o.Name))
	switch {
	case errors.Is(err, ErrNone):
		keys, err := n.bus.Keys(ctx, n.bookKey(""))
		if err != nil {
			return err
		}
		if len(keys) >= MaxBooks {
			return fmt.Errorf("fleet: there are %d books already: take away those of gateways that are no more (draftwire fleet forget)", len(keys))
		}
		w.head, w.at = &bookHead{}, at
		return nil
	case err != nil:
		return err
	}
	h, _, err := parseBook(data, n.o.Name, allowed())
	if err != nil { // it is replaced
		h = &bookHead{}
	}
	w.head, w.at = h, at
	return nil
}

// write stores the chunks that have changed, and then the head.
func (w *writer) write(ctx context.Context, s *usage.Snapshot, chunks int) error {
	n := w.n
	parts := make([][]usage.Client, chunks)
	for _, c := range s.Clients {
		i := chunkOf(&c, chunks)
		parts[i] = append(parts[i], c)
	}
	same := len(w.head.Chunks) == chunks
	h := &bookHead{Format: bookFormat, Name: n.o.Name, ID: n.id, Made: s.Made, Chunks: make([]chunkRef, chunks)}
	traces := make([]uint64, chunks)
	var old chunkRef
	for i, part := range parts {
		sum := fnv.New64a()
		for j := range part {
			trace(&part[j], sum)
		}
		traces[i] = sum.Sum64()
		old = chunkRef{}
		if i < len(w.head.Chunks) {
			old = w.head.Chunks[i]
		}
		if same && w.traces != nil && w.traces[i] == traces[i] {
			h.Chunks[i] = old
			continue
		}
		ref, err := w.chunk(ctx, i, old, part)
		if err != nil {
			return err
		}
		h.Chunks[i] = ref
	}
	var err error
	if h.Ledger, err = zip(&usage.Snapshot{Made: s.Made, Sources: s.Sources, Versions: s.Versions}); err != nil {
		return err
	}
	data, err := json.Marshal(h)
	if err != nil {
		return err
	}
	if len(data) > MaxValue {
		return fmt.Errorf("fleet: the head of the book has %d bytes", len(data))
	}
	at, err := n.bus.Store(ctx, n.bookKey(n.o.Name), data, w.at)
	if errors.Is(err, ErrChanged) {
		return fmt.Errorf("fleet: somebody else has written this node's book: %w", err)
	}
	if err != nil {
		return err
	}
	w.head, w.at, w.traces = h, at, traces
	return nil
}

// chunk stores the clients of a chunk at the place that the head does not name.
func (w *writer) chunk(ctx context.Context, i int, old chunkRef, part []usage.Client) (chunkRef, error) {
	if len(part) == 0 {
		return chunkRef{}, nil
	}
	data, err := zip(&usage.Snapshot{Clients: part})
	if err != nil {
		return chunkRef{}, err
	}
	if len(data) > MaxValue {
		return chunkRef{}, ErrTooLarge
	}
	ref := chunkRef{Place: 1 - old.Place, Sum: sumOf(data)}
	if ref.Sum == old.Sum {
		return old, nil
	}
	key := w.n.chunkKey(w.n.o.Name, i, ref.Place)
	at, known := w.revisions[key]
	for range 2 {
		if !known {
			if _, at, err = w.n.load(ctx, key); err != nil && !errors.Is(err, ErrNone) {
				return ref, err
			}
		}
		at, err = w.n.bus.Store(ctx, key, data, at)
		if err == nil {
			w.revisions[key] = at
			return ref, nil
		}
		known = false
		if !errors.Is(err, ErrChanged) {
			break
		}
	}
	return ref, err
}

// Kept is a node's book, as it stands in the bus.
type Kept struct {
	Name string
	// State is that of the node: what stands in the book of one that is Left or Gone is all that it had stored, at Made.
	State    State
	Made     time.Time
	Snapshot *usage.Snapshot // nil if Err is not
	Err      error
}

// Books reads the books of all nodes, of those too that are no more. The error is that of the bus; a book that cannot
// be read has its own.
func (n *Node) Books(ctx context.Context) ([]Kept, error) {
	prefix := n.bookKey("")
	keys, err := n.bus.Keys(ctx, prefix)
	if err != nil {
		return nil, err
	}
	states := map[string]State{}
	for _, m := range n.Members() {
		states[m.Name] = m.State
	}
	slices.Sort(keys)
	left := allowed()
	var list []Kept
	for _, key := range keys {
		name := strings.TrimPrefix(key, prefix)
		if CheckName(name) != nil {
			continue
		}
		if len(list) == MaxBooks {
			return list, fmt.Errorf("fleet: there are more than %d books", MaxBooks)
		}
		k := Kept{Name: name, State: cmp.Or(states[name], Gone)}
		k.Snapshot, k.Err = n.readBook(ctx, name, left)
		if errors.Is(k.Err, ErrNone) {
			continue // it was taken away meanwhile
		}
		if k.Err == nil {
			k.Made = k.Snapshot.Made
		}
		list = append(list, k)
	}
	return list, nil
}

var errTorn = errors.New("fleet: the book is written faster than it can be read, or two gateways write it")

// readBook reads a book, again if it has changed meanwhile.
func (n *Node) readBook(ctx context.Context, name string, left *atomic.Int64) (s *usage.Snapshot, err error) {
	for range bookReads {
		if s, err = n.tryBook(ctx, name, left); !errors.Is(err, errTorn) {
			break
		}
	}
	return s, err
}

func (n *Node) tryBook(ctx context.Context, name string, left *atomic.Int64) (*usage.Snapshot, error) {
	data, _, err := n.load(ctx, n.bookKey(name))
	if err != nil {
		return nil, err
	}
	h, s, err := parseBook(data, name, left)
	if err != nil {
		return nil, err
	}
	parts, errs := make([]*usage.Snapshot, len(h.Chunks)), make([]error, len(h.Chunks))
	var all sync.WaitGroup
	turn := make(chan struct{}, bookReaders)
	for i, c := range h.Chunks {
		if c.Sum == "" {
			continue
		}
		turn <- struct{}{}
		all.Go(func() {
			defer func() { <-turn }()
			parts[i], errs[i] = n.readChunk(ctx, n.chunkKey(name, i, c.Place), c.Sum, left)
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	seen := map[string]bool{}
	for i, part := range parts {
		if part == nil {
			continue
		}
		for _, c := range part.Clients {
			id := c.Version.String() + " " + c.Key
			if seen[id] || chunkOf(&c, len(parts)) != i {
				return nil, fmt.Errorf("fleet: the book of %s has client %.80q where it is not to be", name, c.Key)
			}
			seen[id] = true
		}
		s.Clients = append(s.Clients, part.Clients...)
	}
	return usage.Merge(s), nil // which sorts
}

func (n *Node) readChunk(ctx context.Context, key, sum string, left *atomic.Int64) (*usage.Snapshot, error) {
	data, _, err := n.load(ctx, key)
	switch {
	case errors.Is(err, ErrNone):
		return nil, errTorn
	case err != nil:
		return nil, err
	case sumOf(data) != sum:
		return nil, errTorn
	}
	return unzip(data, left)
}

// Sum merges books: each ledger is counted once, also where a gateway was renamed, so that it stands under two
// names; the newer book of a ledger is then the one that counts.
func Sum(books []Kept) *usage.Snapshot {
	newest := map[string]int{} // source to its book
	for i, k := range books {
		if k.Snapshot == nil {
			continue
		}
		for _, src := range k.Snapshot.Sources {
			if j, ok := newest[src.ID]; !ok || books[j].Made.Before(k.Made) {
				newest[src.ID] = i
			}
		}
	}
	var all []*usage.Snapshot
	for i, k := range books {
		if k.Snapshot != nil && !slices.ContainsFunc(k.Snapshot.Sources, func(src usage.Source) bool { return newest[src.ID] != i }) {
			all = append(all, k.Snapshot)
		}
	}
	return usage.Merge(all...)
}

// ErrAlive is the error of Forget for a node that is there.
var ErrAlive = errors.New("fleet: this gateway is there")

// Forget takes away the book of a node that is no more: what it has counted is in no report any more. Its chunks go
// with it. A node that is Gone is Left then, for all. An error of ErrNone says that there is nothing of that name.
func (n *Node) Forget(ctx context.Context, name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	n.mu.Lock()
	var known Member
	if m := n.members[name]; m != nil {
		known = m.Member
	}
	n.mu.Unlock()
	if known.State == Alive {
		return ErrAlive
	}
	_, at, err := n.load(ctx, n.bookKey(name))
	if errors.Is(err, ErrNone) && known.State == Gone { // it died before it had stored anything
		return n.bury(ctx, &known)
	}
	if err != nil {
		return err
	}
	if _, err := n.bus.Store(ctx, n.bookKey(name), nil, at); err != nil {
		return err
	}
	chunks, err := n.bus.Keys(ctx, n.subject("chunk."+name+"."))
	if err != nil {
		return err
	}
	for _, key := range chunks {
		if _, at, err := n.load(ctx, key); err == nil {
			n.bus.Store(ctx, key, nil, at)
		}
	}
	if known.State == Gone {
		return n.bury(ctx, &known)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if m := n.members[name]; m != nil && m.State != Alive {
		delete(n.members, name)
	}
	return nil
}

// bury says farewell for a node that has died without one, so that no node waits for it any more.
func (n *Node) bury(ctx context.Context, m *Member) error {
	h := hello{Name: m.Name, ID: m.ID, Started: m.Started, Bye: true}
	data, err := json.Marshal(h)
	if err != nil {
		return err
	}
	if err := n.bus.Send(ctx, n.subject("hello"), data); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if x := n.members[m.Name]; x != nil && x.State == Gone {
		x.State, x.Heard = Left, time.Now()
	}
	return nil
}

func newToken() string {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
