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
	// ErrLocked is the error if another process has locked the file.
	ErrLocked = errors.New("in use by another process")
	// ErrDamaged is the error if a file is damaged, or not a ledger.
	ErrDamaged = errors.New("damaged, or not a ledger")
)

// errForeign is the error for an intact database of another program.
var errForeign = fmt.Errorf("%w: it belongs to another program", ErrDamaged)

func isDamaged(err error) bool { return errors.Is(err, ErrDamaged) }

// isFull reports whether a write failed because the disk was full.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

// fileFormat is the number of the format, which each file has.
const fileFormat = 1

// The buckets of the database. Each value is a checksum of key and record, and then the record
// in JSON: the database finds damage to its meta pages, but neither to the values, nor to a
// number of a page, by which a bucket gets the records of another.
var (
	clientsBucket  = []byte("clients")  // version, zero byte, client's key
	versionsBucket = []byte("versions") // version
	ledgerBucket   = []byte("ledger")   // "about"
)

// record is what a bucket holds, under its own key.
type record[T any] interface {
	*T
	stored() (key []byte)
	check() error
}

type about struct {
	Format int    `json:"format"`
	Source Source `json:"source"`
}

func (a *about) stored() []byte  { return []byte("about") }
func (t *Totals) stored() []byte { return []byte(t.Version.String()) }
func (c *Client) stored() []byte { return seatKey{c.Version, c.Key}.bytes() }

func (a *about) check() error {
	if a.Format != fileFormat {
		return fmt.Errorf("the format is %d, but this program reads only %d", a.Format, fileFormat)
	}
	return a.Source.check()
}

// store is the file.
type store struct {
	db     *bbolt.DB // nil if it could not be opened
	file   *os.File  // of db, to be closed if db fails
	path   string
	broken error // the database has panicked and is not used any more
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
		s.file.Close() // which also unlocks it; after an error of Open it is closed already
	}
	s.db = nil
	if fresh && !readOnly && isFull(err) {
		os.Truncate(path, 0) // otherwise the beginning of a ledger would pass for a damaged one
	}
	if i, e := os.Stat(path); e == nil && !fresh && i.Mode().IsRegular() && i.Size() < minSize {
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return s, s.explain(err)
}

// reopen opens a file that could not be opened before because the disk was full.
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

// wasLedger reports whether a file was a ledger once: one of its first two pages begins like
// that of a ledger, or the file is all zeros, as a crash of the system can leave it.
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

// minSize is less than the size of any whole file.
const minSize = 8 << 10

// boltMagic is the number that follows the header of a meta page of bbolt.
const boltMagic = 0xed0cdaed

// explain translates an error of bbolt.
func (s *store) explain(err error) error {
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		err = ErrLocked
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch):
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return fmt.Errorf("usage: ledger %s: %w", s.path, err)
}

// guard makes an error of a panic of bbolt, and of a memory fault while the mapped file is
// read: a truncated file must not end the program.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", ErrDamaged, p)
		}
	}()
	return f()
}

// close closes the file. s may be nil or not open.
func (s *store) close() error {
	if s == nil || s.db == nil {
		return nil
	}
	if s.broken != nil { // the database may hold its own locks for ever
		return s.file.Close()
	}
	err := guard(s.db.Close)
	if err != nil {
		err = s.explain(err)
	}
	return err
}

// load checks the whole file and reads it.
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
				return nil // a new file
			}
			return out.read(tx)
		})
	})
	if err != nil {
		return nil, s.explain(err)
	}
	return out, nil
}

// check finds a truncated file. It does not use bbolt's own check, which runs in a goroutine
// of its own: there a page that points outside the file ends the program. The records have
// checksums.
func (s *store) check(tx *bbolt.Tx) error {
	i, err := s.file.Stat()
	if err != nil {
		return err
	}
	if i.Size() < tx.Size() {
		return fmt.Errorf("%w: it has %d bytes, not %d", ErrDamaged, i.Size(), tx.Size())
	}
	return nil
}

func (s *Snapshot) read(tx *bbolt.Tx) error {
	err := each(tx, ledgerBucket, func(a *about) { s.Sources = append(s.Sources, a.Source) })
	if err != nil {
		return err
	}
	if len(s.Sources) != 1 {
		return fmt.Errorf("%w: the record of its source is missing", ErrDamaged)
	}
	if err := each(tx, versionsBucket, func(t *Totals) { s.Versions = append(s.Versions, *t) }); err != nil {
		return err
	}
	return each(tx, clientsBucket, func(c *Client) { s.Clients = append(s.Clients, *c) })
}

// each reads and checks the records of a bucket.
func each[T any, R record[T]](tx *bbolt.Tx, bucket []byte, f func(R)) error {
	b := tx.Bucket(bucket)
	if b == nil {
		return fmt.Errorf("%w: the bucket %q is missing", ErrDamaged, bucket)
	}
	var before []byte
	return b.ForEach(func(k, v []byte) error {
		if bytes.Compare(before, k) >= 0 {
			return fmt.Errorf("%w: record %.60q of %s is out of order", ErrDamaged, k, bucket)
		}
		before = k
		if len(v) < 4 || binary.LittleEndian.Uint32(v) != checksum(k, v[4:]) {
			return fmt.Errorf("%w: the checksum of record %.60q of %s is wrong", ErrDamaged, k, bucket)
		}
		r := R(new(T))
		if err := json.Unmarshal(v[4:], r); err != nil {
			return fmt.Errorf("record %.60q of %s: %w", k, bucket, err)
		}
		if err := r.check(); err != nil {
			return err
		}
		if !bytes.Equal(k, r.stored()) {
			return fmt.Errorf("%w: record %.60q of %s is another's", ErrDamaged, k, bucket)
		}
		f(r)
		return nil
	})
}

func checksum(key, record []byte) uint32 {
	return crc32.Update(crc32.ChecksumIEEE(key), crc32.IEEETable, record)
}

// writer writes to the file in one transaction.
type writer struct {
	clients, versions, ledger *bbolt.Bucket
}

// update runs f in a transaction and commits it.
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
	return put(w.clients, c.stored(), c)
}

func (w *writer) totals(t *Totals) error { return put(w.versions, t.stored(), t) }

func (w *writer) source(s *Source) error {
	a := &about{fileFormat, *s}
	return put(w.ledger, a.stored(), a)
}

func (w *writer) drop(k seatKey) error { return w.clients.Delete(k.bytes()) }

// setAside renames the file of old, which is damaged as why says, and makes a new one. A file
// that was never a ledger stays where it is: somebody may have named the wrong file.
func setAside(old *store, why error, now time.Time, wait time.Duration) (*store, string, error) {
	path := old.path
	if errors.Is(why, errForeign) || !wasLedger(path) {
		return old, "", why
	}
	name := path + ".damaged-" + now.Format("20060102T150405Z")
	if _, err := os.Lstat(name); err == nil {
		return old, "", fmt.Errorf("%w, and it cannot be renamed as %s exists", why, name)
	}
	if err := os.Rename(path, name); err != nil {
		return old, "", fmt.Errorf("%w, and it cannot be renamed: %w", why, err)
	}
	old.close()
	s, err := openStore(path, false, wait)
	return s, name, err
}

// ReadFile reads a ledger without changing it. If a gateway has the file open, ReadFile waits
// for wait, by default 2s, and then returns an error that matches ErrLocked. That gateway can
// be asked for an export instead.
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

// complete adds totals for the versions that have none.
func (s *Snapshot) complete() {
	have := map[wire.Version]bool{}
	for _, t := range s.Versions {
		have[t.Version] = true
	}
	for _, v := range wire.AllVersions.List() {
		if !have[v] {
			s.Versions = append(s.Versions, Totals{Version: v})
		}
	}
	s.sort()
}
