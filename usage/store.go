package usage

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/draftwire/draftwire/wire"
	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

var (
	// ErrLocked is the error when another process has the file.
	ErrLocked = errors.New("in use by another process")
	// ErrDamaged is the error when a file is damaged, or no ledger.
	ErrDamaged = errors.New("damaged, or no ledger")
)

// errForeign is the error for a file that is in order, but another program's.
var errForeign = fmt.Errorf("%w: it belongs to another program", ErrDamaged)

func isDamaged(err error) bool { return errors.Is(err, ErrDamaged) }

// isFull reports whether there was no room to write.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

// fileFormat is written into each file.
const fileFormat = 1

// The buckets. Each value is a record in JSON behind a checksum of key and
// record: a B+ tree of pages finds out what is wrong with itself, but not with
// what it holds.
var (
	clientsBucket  = []byte("clients")  // version, zero byte, client's key
	versionsBucket = []byte("versions") // version
	ledgerBucket   = []byte("ledger")   // "about"
)

type about struct {
	Format int    `json:"format"`
	Source Source `json:"source"`
}

// store is the file.
type store struct {
	db     *bbolt.DB // nil if it could not be opened
	file   *os.File  // of db, to be closed if db fails
	path   string
	broken error // the tree fell over; it is not touched again
}

func openStore(path string, readOnly bool, wait time.Duration) (*store, error) {
	s := &store{path: path}
	fresh := false
	o := &bbolt.Options{Timeout: wait, ReadOnly: readOnly, FreelistType: bbolt.FreelistMapType, NoStatistics: true}
	o.OpenFile = func(name string, flag int, mode fs.FileMode) (f *os.File, err error) {
		if f, err = os.OpenFile(name, flag, mode); err == nil {
			s.file = f
			i, err := f.Stat()
			if fresh = err == nil && i.Size() == 0; fresh && readOnly {
				f.Close()
				return nil, bolterrors.ErrInvalid
			}
		}
		return f, err
	}
	err := guard(func() (err error) {
		s.db, err = bbolt.Open(path, 0o600, o)
		return err
	})
	if err == nil {
		return s, nil
	}
	if s.file != nil {
		s.file.Close() // with it the lock; after an error of Open it is closed already
	}
	s.db = nil
	if fresh && !readOnly && isFull(err) {
		os.Truncate(path, 0) // else the beginning of one would pass for a damaged ledger
	}
	if i, e := os.Stat(path); e == nil && !fresh && i.Mode().IsRegular() && i.Size() < leastSize {
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return s, s.explain(err)
}

// reopen opens a file that could not be opened for want of room.
func (s *store) reopen(wait time.Duration) error {
	if s.db != nil {
		return nil
	}
	again, err := openStore(s.path, false, wait)
	if err == nil {
		*s = *again
	}
	return err
}

// wasLedger reports whether a file was one once: it begins as one does, in one of its two
// first pages, or is all zeros, as a crash of the system can leave it.
func wasLedger(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	for _, page := range []int64{0, 4096, int64(os.Getpagesize())} {
		var magic [4]byte
		if _, err := f.ReadAt(magic[:], page+16); err == nil && binary.LittleEndian.Uint32(magic[:]) == boltMagic {
			return true
		}
	}
	begin := make([]byte, 64<<10)
	n, err := f.ReadAt(begin, 0)
	return (err == nil || err == io.EOF) && len(bytes.Trim(begin[:n], "\x00")) == 0
}

// leastSize is shorter than any whole file.
const leastSize = 8 << 10

// boltMagic is what a page that describes the file has behind its head.
const boltMagic = 0xed0cdaed

// explain says what an error means for the ledger.
func (s *store) explain(err error) error {
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		err = ErrLocked
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch):
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return fmt.Errorf("usage: ledger %s: %w", s.path, err)
}

// guard turns a panic of the tree into an error, and a fault in reading the
// mapped file too: a file that was cut must not end the program.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", ErrDamaged, p)
		}
	}()
	return f()
}

// close closes the file; s may be nil or not open.
func (s *store) close() error {
	if s == nil || s.db == nil {
		return nil
	}
	if s.broken != nil { // it may hold its own locks for ever
		return s.file.Close()
	}
	err := guard(s.db.Close)
	if err != nil {
		err = s.explain(err)
	}
	return err
}

// load checks the file and reads all of it.
func (s *store) load() (*Snapshot, error) {
	out := &Snapshot{}
	err := guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			if err := s.check(tx); err != nil {
				return err
			}
			if tx.Bucket(ledgerBucket) == nil && tx.Bucket(clientsBucket) == nil && tx.Bucket(versionsBucket) == nil {
				if k, _ := tx.Cursor().First(); k != nil {
					return errForeign
				}
				return nil // new
			}
			return out.read(tx)
		})
	})
	if err != nil {
		return nil, s.explain(err)
	}
	return out, nil
}

// check looks for a file that was cut. The tree's own check is not asked: it
// runs in a goroutine of its own, where a page that points outside the file ends
// the program. What is read has checksums.
func (s *store) check(tx *bbolt.Tx) error {
	i, err := s.file.Stat()
	if err != nil {
		return err
	}
	if i.Size() < tx.Size() {
		return fmt.Errorf("%w: %d bytes are left of %d", ErrDamaged, i.Size(), tx.Size())
	}
	return nil
}

func (s *Snapshot) read(tx *bbolt.Tx) error {
	err := each(tx, ledgerBucket, func(a *about) error {
		if a.Format != fileFormat {
			return fmt.Errorf("it has format %d; this program knows %d", a.Format, fileFormat)
		}
		err := a.Source.check()
		s.Sources = append(s.Sources, a.Source)
		return err
	})
	if err != nil {
		return err
	}
	if len(s.Sources) != 1 {
		return fmt.Errorf("%w: it does not say whose it is", ErrDamaged)
	}
	if err := each(tx, versionsBucket, func(t *Totals) error {
		err := t.check()
		s.Versions = append(s.Versions, *t)
		return err
	}); err != nil {
		return err
	}
	return each(tx, clientsBucket, func(c *Client) error {
		err := c.check()
		s.Clients = append(s.Clients, *c)
		return err
	})
}

// each reads the records of a bucket.
func each[T any](tx *bbolt.Tx, bucket []byte, f func(*T) error) error {
	b := tx.Bucket(bucket)
	if b == nil {
		return fmt.Errorf("%w: no bucket %q", ErrDamaged, bucket)
	}
	return b.ForEach(func(k, v []byte) error {
		if len(v) < 4 || binary.LittleEndian.Uint32(v) != checksum(k, v[4:]) {
			return fmt.Errorf("%w: record %.60q of %s", ErrDamaged, k, bucket)
		}
		x := new(T)
		if err := json.Unmarshal(v[4:], x); err != nil {
			return fmt.Errorf("record %.60q of %s: %w", k, bucket, err)
		}
		return f(x)
	})
}

func checksum(key, record []byte) uint32 {
	return crc32.Update(crc32.ChecksumIEEE(key), crc32.IEEETable, record)
}

// writer writes into the file, in one transaction.
type writer struct {
	clients, versions, ledger *bbolt.Bucket
}

// update runs f in a transaction, and makes it last.
func (s *store) update(f func(*writer) error) error {
	if s.broken != nil {
		return s.broken
	}
	finished := false
	err := guard(func() error {
		err := s.db.Update(func(tx *bbolt.Tx) (err error) {
			var w writer
			for _, b := range []struct {
				to   **bbolt.Bucket
				name []byte
			}{{&w.clients, clientsBucket}, {&w.versions, versionsBucket}, {&w.ledger, ledgerBucket}} {
				if *b.to, err = tx.CreateBucketIfNotExists(b.name); err != nil {
					return err
				}
			}
			return f(&w)
		})
		finished = true
		return err
	})
	if err == nil {
		return nil
	}
	err = s.explain(err)
	if !finished {
		s.broken = err
	}
	return err
}

func put(b *bbolt.Bucket, key []byte, x any) error {
	record, err := json.Marshal(x)
	if err != nil {
		return err
	}
	v := make([]byte, 4, 4+len(record))
	binary.LittleEndian.PutUint32(v, checksum(key, record))
	return b.Put(key, append(v, record...))
}

func (k seatKey) bytes() []byte { return []byte(k.version.String() + "\x00" + k.client) }

func (w *writer) client(c *Client) error {
	return put(w.clients, seatKey{c.Version, c.Key}.bytes(), c)
}

func (w *writer) totals(t *Totals) error { return put(w.versions, []byte(t.Version.String()), t) }

func (w *writer) source(s *Source) error {
	return put(w.ledger, []byte("about"), about{fileFormat, *s})
}

func (w *writer) drop(k seatKey) error { return w.clients.Delete(k.bytes()) }

// setAside renames the file of old, which is damaged as why says, and makes a new one. What
// was never a ledger stays where it is: somebody may have named the wrong file.
func setAside(old *store, why error, now time.Time, wait time.Duration) (*store, string, error) {
	path := old.path
	if errors.Is(why, errForeign) || !wasLedger(path) {
		return old, "", why
	}
	name := path + ".damaged-" + now.Format("20060102T150405Z")
	if _, err := os.Lstat(name); err == nil {
		return old, "", fmt.Errorf("%w, and %s is there already", why, name)
	}
	if err := os.Rename(path, name); err != nil {
		return old, "", fmt.Errorf("%w, and cannot be renamed: %w", why, err)
	}
	old.close()
	s, err := openStore(path, false, wait)
	return s, name, err
}

// ReadFile reads a ledger without changing it. It waits for wait, by default
// 2s, and returns an error that matches ErrLocked if a gateway has the file open:
// that gateway can be asked for an export instead.
func ReadFile(path string, wait time.Duration) (*Snapshot, error) {
	if wait <= 0 {
		wait = DefaultLockWait
	}
	st, err := openStore(path, true, wait)
	if err != nil {
		return nil, err
	}
	defer st.close()
	s, err := st.load()
	if err != nil {
		return nil, err
	}
	s.complete()
	for _, src := range s.Sources {
		for _, w := range src.Watched {
			s.Made = latest(s.Made, w.To)
		}
	}
	return s, nil
}

// complete gives each version its row.
func (s *Snapshot) complete() {
	have := map[wire.Version]bool{}
	for _, t := range s.Versions {
		have[t.Version] = true
	}
	for _, v := range wire.Every.List() {
		if !have[v] {
			s.Versions = append(s.Versions, Totals{Version: v})
		}
	}
	s.sort()
}
