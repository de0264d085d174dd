package usage_test

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire/usage"
	"go.etcd.io/bbolt"
)

// stored returns the file of a small ledger.
func stored(f *testing.F) []byte {
	path := filepath.Join(f.TempDir(), "ledger")
	c := &clock{newYear}
	l := open(f, path, c, usage.Options{})
	for _, e := range someEvents(rand.New(rand.NewPCG(1, 1)), 60, 20*aDay) {
		c.t = e.at
		e.tell(l)
	}
	if err := l.Close(); err != nil {
		f.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	return b
}

// FuzzStored fuzzes the file of a ledger: some bytes are changed, and its end is cut off. The
// file is read and holds only clients that it held before, or it counts as damaged. If the
// newest meta page is damaged, the database goes back to the state before the last flush, so
// their texts may be older ones. A ledger that is opened on the file goes on, with what it
// could read or with a new file.
func FuzzStored(f *testing.F) {
	whole := stored(f)
	was := map[string]bool{}
	before, err := usage.ReadFile(writeFile(f, whole), time.Second)
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range before.Clients {
		was[c.Version.String()+" "+c.Key] = true
	}
	f.Add([]byte{}, uint32(0))
	f.Add([]byte{}, uint32(4096))
	f.Add([]byte{}, uint32(len(whole)-1))
	for page := range len(whole) / os.Getpagesize() {
		for _, at := range []int{0, 8, 10, 12, 16, 24, 40, 200} {
			at += page * os.Getpagesize()
			f.Add([]byte{byte(at), byte(at >> 8), byte(at >> 16), 1}, uint32(0))
			f.Add([]byte{byte(at), byte(at >> 8), byte(at >> 16), 0xFF}, uint32(0))
		}
	}
	path := filepath.Join(f.TempDir(), "ledger")
	f.Fuzz(func(t *testing.T, patches []byte, cut uint32) {
		b := []byte(string(whole))
		for ; len(patches) >= 4; patches = patches[4:] {
			at := int(patches[0]) | int(patches[1])<<8 | int(patches[2])<<16
			b[at%len(b)] ^= patches[3]
		}
		b = b[:len(b)-int(cut)%(len(b)+1)]
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := usage.ReadFile(path, time.Second)
		if err != nil && !strings.HasPrefix(err.Error(), "usage: ledger ") {
			t.Fatalf("%v", err)
		}
		if err == nil {
			for _, c := range s.Clients {
				if !was[c.Version.String()+" "+c.Key] {
					t.Fatalf("a client that never was: %+v", c)
				}
			}
			export(t, s)
		}
		l, err := usage.Open(path, &usage.Options{Name: "gw", Now: (&clock{newYear.Add(30 * aDay)}).now, Every: time.Hour})
		if err == nil {
			l.Opened(usage.Visit{Version: 1, Client: "new"})
			l.Flush() // fails if a part that was not read is damaged too
			l.Close()
		}
		left, _ := filepath.Glob(path + "*")
		for _, name := range left {
			os.Remove(name)
		}
	})
}

// FuzzRecord fuzzes the records in a ledger's file, with their checksums: a record is
// refused, or it is read and can be exported and imported again.
func FuzzRecord(f *testing.F) {
	for _, s := range []string{
		`{"version":"rfc6455","client":"a","first":"2026-01-01T00:00:00Z","last":"2026-01-02T00:00:00Z","opened":1,"tls":"none","days":[[20454,1]]}`,
		`{"version":"hixie-76","client":"\u0000","days":[[1,18446744073709551615,3,1],[1,1]]}`, `{}`, `[]`, `{"version":"rfc6455","days":[[9,1],[3,1]]}`,
	} {
		f.Add(byte(0), "rfc6455\x00a", []byte(s))
	}
	f.Add(byte(0), "hixie-76\x00unknown", []byte(`{"version":"hixie-76","client":"\u0000","days":[[1,18446744073709551615,3,1],[1,1]]}`))
	f.Add(byte(1), "rfc6455", []byte(`{"version":"rfc6455","opened":5,"days":[[20454,1,2,1,3,4]]}`))
	f.Add(byte(2), "about", []byte(`{"format":1,"source":{"id":"a","name":"b","watched":[{"from":"2026-01-01T00:00:00Z","to":"2025-01-01T00:00:00Z"}]}}`))
	f.Add(byte(2), "about", []byte(`{"format":2}`))
	f.Add(byte(3), "about", []byte(`x`))
	path := filepath.Join(f.TempDir(), "ledger")
	f.Fuzz(func(t *testing.T, bucket byte, key string, record []byte) {
		os.Remove(path)
		db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoSync: true, NoGrowSync: true, NoFreelistSync: true})
		if err != nil {
			t.Fatal(err)
		}
		err = db.Update(func(tx *bbolt.Tx) error {
			about := []byte(`{"format":1,"source":{"id":"a","name":"b"}}`)
			for i, name := range []string{"clients", "versions", "ledger"} {
				b, err := tx.CreateBucket([]byte(name))
				if err != nil {
					return err
				}
				if i == 2 {
					err = b.Put([]byte("about"), summed("about", about))
				}
				if i == int(bucket)%3 && len(key) > 0 && len(key) < bbolt.MaxKeySize && err == nil {
					err = b.Put([]byte(key), summed(key, record))
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || db.Close() != nil {
			t.Fatal(err)
		}
		s, err := usage.ReadFile(path, time.Second)
		if err != nil {
			return
		}
		out := export(t, s)
		again, err := usage.Import(strings.NewReader(out))
		if err != nil {
			t.Fatalf("%v:\n%s", err, out)
		}
		if b := export(t, again); b != out {
			t.Fatalf("they differ:\n%s\n%s", out, b)
		}
	})
}

// summed returns the checksum of key and record, followed by the record.
func summed(key string, record []byte) []byte {
	sum := crc32.Update(crc32.ChecksumIEEE([]byte(key)), crc32.IEEETable, record)
	return append(binary.LittleEndian.AppendUint32(nil, sum), record...)
}

// FuzzMerge fuzzes the merging of exports: neither their order nor their grouping matters,
// and merging does not change its operands.
func FuzzMerge(f *testing.F) {
	one := export(f, someSnapshot(f, 3))
	const head = `{"format":"draftwire-usage/1","clients":[`
	f.Add(one, one, one)
	f.Add(head+`{"version":"rfc6455","client":"a","days":[[1,18446744073709551615,3,1]],"opened":18446744073709551615}]}`, head+`{"version":"rfc6455","client":"a","opened":1,"days":[[1,1],[500,2]]}]}`,
		head+`{"version":"rfc6455","client":"a","days":[[320,7]]}]}`)
	seen := func(first, last, visited, agent string) string {
		return fmt.Sprintf(head+`{"version":"hixie-76","client":"a","first":"2026-01-0%sT00:00:00Z","last":"2026-01-0%sT00:00:00Z","visited":"2026-01-0%sT00:00:00Z","user_agent":%q,"opened":1,"days":[[20454,1]]}]}`, first, last, visited, agent)
	}
	mirrored := func(name string, n int) string {
		return fmt.Sprintf(head+`{"version":"hixie-76","client":"a","mirrors":[{"name":"b","first":"2026-01-01T00:00:00Z","last":"2026-01-02T00:00:00Z","equal":%d},{"name":%q,"missing":18446744073709551615}]}]}`, n, name)
	}
	f.Add(mirrored("c", 1), mirrored("d", 2), mirrored("c", 3))
	f.Add(mirrored("b", 1), mirrored("a", 2), mirrored("c", 3)) // the first two are not in order
	f.Add(seen("1", "9", "2", "x"), seen("2", "5", "4", "y"), seen("3", "7", "4", "z"))
	f.Add(`{"format":"draftwire-usage/1","sources":[{"id":"a","watched":[{"from":"2026-01-01T00:00:00Z","to":"2026-01-03T00:00:00Z"}]}]}`,
		`{"format":"draftwire-usage/1","sources":[{"id":"a","name":"x","watched":[{"from":"2026-01-02T00:00:00Z","to":"2026-01-05T00:00:00Z"}]}]}`, `{"format":"draftwire-usage/1"}`)
	f.Fuzz(func(t *testing.T, a, b, c string) {
		var s [3]*usage.Snapshot
		for i, text := range []string{a, b, c} {
			var err error
			if s[i], err = usage.Import(strings.NewReader(text)); err != nil {
				return
			}
		}
		before := export(t, s[0])
		want := export(t, usage.Merge(s[:]...))
		for name, m := range map[string]*usage.Snapshot{
			"backwards": usage.Merge(s[2], s[1], s[0]), "the first two first": usage.Merge(usage.Merge(s[0], s[1]), s[2]), "the last two first": usage.Merge(s[0], usage.Merge(s[1], s[2])),
		} {
			if got := export(t, m); got != want {
				t.Fatalf("%s:\n%.3000s\nand not\n%.3000s", name, got, want)
			}
		}
		for _, c := range usage.Merge(s[:]...).Clients {
			var first, last time.Time
			for _, x := range slices.Concat(s[0].Clients, s[1].Clients, s[2].Clients) {
				if x.Version != c.Version || x.Key != c.Key {
					continue
				}
				if first.IsZero() || !x.First.IsZero() && x.First.Before(first) {
					first = x.First
				}
				if x.Last.After(last) {
					last = x.Last
				}
			}
			if !c.Last.Equal(last) || !c.First.Equal(first) {
				t.Fatalf("%s is seen from %v to %v, not from %v to %v", c.Key, c.First, c.Last, first, last)
			}
		}
		if after := export(t, s[0]); after != before {
			t.Fatalf("merging changed\n%.3000s\nto\n%.3000s", before, after)
		}
	})
}
