package usage_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire/usage"
	"github.com/draftwire/draftwire/wire"
	"go.etcd.io/bbolt"
)

// export returns a snapshot as text, for comparison.
func export(t testing.TB, s *usage.Snapshot) string {
	t.Helper()
	var b bytes.Buffer
	if err := s.Export(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func copyFile(t testing.TB, from string) string {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	return writeFile(t, b)
}

func writeFile(t testing.TB, b []byte) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	if err := os.WriteFile(to, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return to
}

// A ledger is the same after it was closed and opened. After a crash it is as it was at the
// last flush.
func TestRestart(t *testing.T) {
	c := &clock{newYear}
	path := filepath.Join(t.TempDir(), "ledger")
	events := someEvents(rand.New(rand.NewPCG(1, 2)), 4000, 300*aDay)
	whole := open(t, "", c, usage.Options{})
	l := open(t, path, c, usage.Options{})
	tell := func(events []event) {
		for _, e := range events {
			c.t = e.at
			e.tell(l)
			e.tell(whole)
		}
	}
	same := func(when string, a, b *usage.Snapshot) {
		t.Helper()
		a.Sources, b.Sources = nil, nil
		if x, y := export(t, a), export(t, b); x != y {
			t.Fatalf("%s: they differ:\n%.2000s\n%.2000s", when, x, y)
		}
	}
	tell(events[:1500])
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	flushed := whole.Snapshot()
	tell(events[1500:1600])
	crash := open(t, copyFile(t, path), &clock{flushed.Made}, usage.Options{})
	same("crash", crash.Snapshot(), flushed)

	id := l.Snapshot().Sources[0].ID
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := usage.ReadFile(path, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	same("file", file, whole.Snapshot())
	l = open(t, path, c, usage.Options{})
	if got := l.Snapshot().Sources[0]; got.ID != id || len(got.Watched) != 1 || got.Watched[0].From != newYear {
		t.Errorf("source %+v", got)
	}
	tell(events[1600:])
	same("open", l.Snapshot(), whole.Snapshot())
	if i, err := os.Stat(path); err != nil || i.Mode() != 0o600 {
		t.Errorf("mode %v, %v", i.Mode(), err)
	}
}

// A ledger knows the time that was not watched.
func TestWatched(t *testing.T) {
	c := &clock{newYear}
	path := filepath.Join(t.TempDir(), "ledger")
	for _, run := range []struct{ open, close time.Duration }{{0, 10}, {10, 12}, {22, 30}} { // the second is a restart
		c.t = newYear.Add(run.open*aDay + time.Minute)
		l := open(t, path, c, usage.Options{})
		c.t = newYear.Add(run.close * aDay)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s, err := usage.ReadFile(path, 0)
	if err != nil {
		t.Fatal(err)
	}
	if w := s.Sources[0].Watched; len(w) != 2 || w[0].To != newYear.Add(12*aDay) || !s.Made.Equal(newYear.Add(30*aDay)) {
		t.Errorf("%v", w)
	}
	for since, want := range map[time.Duration]string{8: "safe to disable", 9: "too early: watched 7 of 9 days (gw-1)", 30: "too early: watched 19 of 30 days (gw-1)"} {
		if v := rowOf(t, s.Report(usage.ReportOptions{Since: since*aDay - time.Hour}), wire.Hixie75).Verdict; v.Text != want {
			t.Errorf("%d days: %+v", since, v)
		}
	}
}

// The ledger writes by itself, and only what has changed.
func TestEvery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "ledger")
		l, err := usage.Open(path, &usage.Options{Every: 10 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		size := func() (changed time.Time) {
			i, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			return i.ModTime()
		}
		opened := size()
		l.Opened(usage.Visit{Version: wire.Hybi05, Client: "a"})
		time.Sleep(9 * time.Second)
		synctest.Wait()
		if size() != opened {
			t.Error("written before its time")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		s, err := usage.ReadFile(copyFile(t, path), 0)
		if err != nil || len(s.Clients) != 1 {
			t.Fatalf("after 10s: %+v, %v", s, err)
		}
		written := size()
		time.Sleep(40 * time.Second)
		synctest.Wait()
		if size() != written {
			t.Error("written though nothing changed")
		}
		time.Sleep(40 * time.Second) // the watched time is written too
		synctest.Wait()
		if size() == written {
			t.Error("not written for a minute")
		}
	})
}

func TestLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	l := open(t, path, &clock{newYear}, usage.Options{})
	_, err := usage.Open(path, &usage.Options{LockWait: 10 * time.Millisecond})
	if !errors.Is(err, usage.ErrLocked) || !strings.Contains(err.Error(), path) {
		t.Errorf("open: %v", err)
	}
	if _, err := usage.Open(path, &usage.Options{LockWait: 10 * time.Millisecond, Aside: true}); !errors.Is(err, usage.ErrLocked) {
		t.Errorf("open, aside: %v", err)
	}
	if _, err := usage.ReadFile(path, 10*time.Millisecond); !errors.Is(err, usage.ErrLocked) {
		t.Errorf("read: %v", err)
	}
	l.Close()
	if _, err := usage.ReadFile(path, 10*time.Millisecond); err != nil {
		t.Error(err)
	}
	if _, err := usage.ReadFile(filepath.Join(t.TempDir(), "none"), 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("read nothing: %v", err)
	}
	if _, err := usage.ReadFile(writeFile(t, nil), 0); !errors.Is(err, usage.ErrDamaged) {
		t.Errorf("read an empty file: %v", err)
	}
	if _, err := usage.Open(t.TempDir(), nil); err == nil || errors.Is(err, usage.ErrDamaged) {
		t.Errorf("open a folder: %v", err)
	}
}

// counts returns what a snapshot counts: its export without the watched times.
func counts(t *testing.T, s *usage.Snapshot) string {
	t.Helper()
	_, text, _ := strings.Cut(export(t, s), `"versions":`)
	return text
}

// sample returns a ledger's file of some pages, and what it held after each flush: the
// database falls back to an older state if the newest meta page is damaged.
func sample(t *testing.T) (file []byte, held map[string]bool) {
	t.Helper()
	c := &clock{newYear}
	path := filepath.Join(t.TempDir(), "ledger")
	l := open(t, path, c, usage.Options{})
	held = map[string]bool{counts(t, l.Snapshot()): true}
	for i, e := range someEvents(rand.New(rand.NewPCG(3, 4)), 600, 60*aDay) {
		c.t = e.at
		e.tell(l)
		if i%100 == 0 {
			l.Flush()
			held[counts(t, l.Snapshot())] = true
		}
	}
	held[counts(t, l.Snapshot())] = true
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return file, held
}

// A file that was cut or changed is an error, or the damage is of no importance. It is never
// a panic, and never gives other numbers. The file stays as it is.
func TestDamaged(t *testing.T) {
	good, held := sample(t)
	rnd := rand.New(rand.NewPCG(5, 6))
	found, harmless := 0, 0
	for i := range 160 {
		bad := bytes.Clone(good)
		if i%4 == 0 {
			bad = bad[:rnd.IntN(len(bad)-1)+1]
		} else {
			for range 1 + rnd.IntN(8) {
				bad[rnd.IntN(len(bad))] ^= byte(1 + rnd.IntN(255))
			}
		}
		path := writeFile(t, bad)
		s, err := usage.ReadFile(path, 0)
		switch {
		case err == nil:
			harmless++
			if got := counts(t, s); !held[got] {
				t.Fatalf("%d: other numbers\n%.3000s", i, got)
			}
			if i%4 == 1 {
				goOn(t, path)
			}
		case errors.Is(err, usage.ErrDamaged) && strings.Contains(err.Error(), path):
			found++
			_, err := usage.Open(path, &usage.Options{LockWait: time.Millisecond})
			if !errors.Is(err, usage.ErrDamaged) {
				t.Errorf("%d: open: %v", i, err)
			}
		default:
			t.Errorf("%d: %v", i, err)
		}
		if now, _ := os.ReadFile(path); err != nil && !bytes.Equal(now, bad) {
			t.Fatalf("%d: the file was changed", i)
		}
	}
	if found < 40 || harmless == 0 {
		t.Errorf("%d found, %d harmless", found, harmless)
	}
}

// goOn uses a file that could be read. Whatever else is wrong with it ends in an error.
func goOn(t *testing.T, path string) {
	t.Helper()
	for range 2 {
		l, err := usage.Open(path, &usage.Options{LockWait: time.Millisecond, Every: time.Hour})
		if err != nil {
			if !errors.Is(err, usage.ErrDamaged) {
				t.Error(err)
			}
			return
		}
		for i := range 300 {
			l.Opened(usage.Visit{Version: wire.Hybi05, Client: fmt.Sprint(i)})
		}
		if err := l.Close(); err != nil && !errors.Is(err, usage.ErrDamaged) {
			t.Error(err)
		}
	}
}

func TestAside(t *testing.T) {
	good, _ := sample(t)
	for name, bad := range map[string][]byte{"cut": good[:3*4096], "first page lost": append(make([]byte, 4096), good[4096:3*4096]...), "zeros": make([]byte, 64<<10)} {
		path := writeFile(t, bad)
		c := &clock{newYear}
		l := open(t, path, c, usage.Options{Aside: true, LockWait: time.Millisecond})
		l.Opened(usage.Visit{Version: wire.Hixie75, Client: "a"})
		if got, _ := os.ReadFile(l.Aside()); l.Aside() != path+".damaged-20260101T000000Z" || !bytes.Equal(got, bad) {
			t.Errorf("%s: %q", name, l.Aside())
		}
		if !errors.Is(l.Damage(), usage.ErrDamaged) {
			t.Errorf("%s: %v", name, l.Damage())
		}
		if err := l.Close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		l = open(t, path, c, usage.Options{Aside: true})
		if l.Aside() != "" || len(l.Snapshot().Clients) != 1 {
			t.Errorf("%s: %q, %d clients", name, l.Aside(), len(l.Snapshot().Clients))
		}
		l.Close()
		os.WriteFile(path, bad, 0o600)
		if _, err := usage.Open(path, &usage.Options{Aside: true, LockWait: time.Millisecond, Now: c.now}); !errors.Is(err, usage.ErrDamaged) {
			t.Errorf("%s: the first is overwritten: %v", name, err)
		}
	}
}

// The file of another program, or one that is not a ledger at all, is not touched.
func TestForeign(t *testing.T) {
	path := filepath.Join(t.TempDir(), "other")
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket([]byte("mine"))
		return err
	})
	db.Close()
	for _, aside := range []bool{false, true} {
		if _, err := usage.Open(path, &usage.Options{Aside: aside}); !errors.Is(err, usage.ErrDamaged) || !strings.Contains(err.Error(), "another program") {
			t.Errorf("%v", err)
		}
	}
	text := writeFile(t, []byte("listen: 127.0.0.1\n"))
	if _, err := usage.Open(text, &usage.Options{Aside: true}); !errors.Is(err, usage.ErrDamaged) {
		t.Errorf("%v", err)
	}
	if got, err := os.ReadFile(text); err != nil || string(got) != "listen: 127.0.0.1\n" {
		t.Errorf("it holds %q, %v", got, err)
	}
}

// A file that is cut while it is open does not end the program: the ledger goes on in memory
// and reports it once.
func TestCutWhileOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "ledger")
		var said []string
		l, err := usage.Open(path, &usage.Options{Failed: func(err error) { said = append(said, err.Error()) }})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 500 {
			l.Opened(usage.Visit{Version: wire.Hybi08, Client: fmt.Sprint(i), UserAgent: strings.Repeat("x", 200)})
		}
		if err := l.Flush(); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, 4096); err != nil {
			t.Fatal(err)
		}
		for range 10 {
			l.Opened(usage.Visit{Version: wire.Hybi08, Client: "7"})
			time.Sleep(time.Minute)
			synctest.Wait()
		}
		if len(said) != 1 || !strings.Contains(said[0], "damaged") {
			t.Errorf("said %q", said)
		}
		if n := len(l.Snapshot().Clients); n != 500 {
			t.Errorf("%d clients", n)
		}
		if err := l.Close(); !errors.Is(err, usage.ErrDamaged) {
			t.Errorf("close: %v", err)
		}
	})
}
