package main

import (
	"net/http"
	"sync"
	"time"

	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/usage"
	"github.com/draftwire/draftwire/wire"
	"github.com/sirupsen/logrus"
)

// book is what a process of the gateway writes its visits into: the ledger in its file, or one
// in memory as long as another process of the gateway has the file, or if there is no file.
type book struct {
	cfg     gateway.Ledger
	name    string // of the gateway in reports; "" for the host's
	log     *logrus.Logger
	failing func(bool) // is told whether the file cannot be written

	mu     sync.RWMutex // held for writing while l is replaced
	l      *usage.Ledger
	inFile bool
	batch  int             // the number of given
	given  *usage.Snapshot // was given to the successor, which may not have got it
}

// newBook returns a book in memory.
func newBook(cfg gateway.Ledger, name string, log *logrus.Logger) *book {
	b := &book{cfg: cfg, name: name, log: log, failing: func(bool) {}}
	b.l = b.inMemory()
	return b
}

func (b *book) inMemory() *usage.Ledger {
	l, _ := usage.Open("", &usage.Options{Name: b.name, Clients: b.cfg.Clients}) // which does not fail without a file
	return l
}

// options are those of a ledger in the file.
func (b *book) options() *usage.Options {
	return &usage.Options{
		Name: b.name, Clients: b.cfg.Clients, Aside: true,
		Failed: func(err error) {
			b.failing(true)
			b.log.WithFields(logrus.Fields{"event": "ledger.write", "error": err.Error()}).Error("the ledger cannot be written; its changes wait in memory")
		},
		Recovered: func() {
			b.failing(false)
			b.log.WithField("event", "ledger.write").Info("the ledger is written again, with all that waited in memory")
		},
	}
}

// open opens the file, if there is one, and adds to it what is in memory.
func (b *book) open() error {
	if b.cfg.File == "" || b.inFile {
		return nil
	}
	l, err := usage.Open(b.cfg.File, b.options())
	if err != nil {
		return configf("ledger: %w", err)
	}
	if why := l.Damage(); why != nil {
		b.log.WithFields(logrus.Fields{"error": why.Error(), "aside": l.Aside()}).Error("the ledger was damaged and is now set aside")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	l.Add(b.l.Snapshot())
	b.l.Close()
	b.l, b.inFile = l, true
	return nil
}

// release writes the file and closes it, so that another process can open it.
func (b *book) release() error {
	if !b.inFile {
		return nil
	}
	if err := b.l.Flush(); err != nil {
		return err // nothing is lost: the file stays open
	}
	b.mu.Lock()
	file := b.l
	b.l, b.inFile = b.inMemory(), false
	b.mu.Unlock()
	return file.Close()
}

// give returns what has been counted in memory since the batch of that number, and the number
// of the new batch. The batch before it is given again if it did not arrive.
func (b *book) give(after int) (int, *usage.Snapshot) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.given == nil || after >= b.batch {
		b.given = b.l.Snapshot()
		b.l.Close()
		b.l = b.inMemory()
		b.batch++
	}
	return b.batch, b.given
}

// snapshot copies the ledger. whole reports whether it is all that this gateway has: while another process has its
// file, it is not.
func (b *book) snapshot() (s *usage.Snapshot, whole bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.l.Snapshot(), b.inFile || b.cfg.File == ""
}

// use calls f with the ledger that is in use.
func (b *book) use(f func(*usage.Ledger)) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	f(b.l)
}

func (b *book) opened(v usage.Visit)  { b.use(func(l *usage.Ledger) { l.Opened(v) }) }
func (b *book) refused(v usage.Visit) { b.use(func(l *usage.Ledger) { l.Refused(v) }) }

func (b *book) traffic(v wire.Version, client string, x usage.Traffic) {
	b.use(func(l *usage.Ledger) { l.Traffic(v, client, x) })
}

func (b *book) mirrored(v wire.Version, client, name string, x usage.Mirror) {
	b.use(func(l *usage.Ledger) { l.Mirrored(v, client, name, x) })
}

func (b *book) add(s *usage.Snapshot) { b.use(func(l *usage.Ledger) { l.Add(s) }) }

func (b *book) counts(since time.Duration) (n []usage.Count) {
	b.use(func(l *usage.Ledger) { n = l.Counts(since) })
	return n
}

// ServeHTTP implements http.Handler: it answers with an export.
func (b *book) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.RLock()
	l := b.l
	b.mu.RUnlock()
	l.ServeHTTP(w, r)
}

// close writes what is left, and says whom the file does not have if that fails.
func (b *book) close() error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	err := b.l.Close()
	if err != nil {
		b.log.WithFields(logrus.Fields{"event": "ledger.write", "error": err.Error(), "clients": b.l.Unwritten()}).
			Error("the ledger could not be written at the end: what these clients did since it was last written is lost")
	}
	return err
}
