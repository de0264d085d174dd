package usage_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire/usage"
	"github.com/draftwire/draftwire/wire"
)

const pageSize = 4096

// images returns the file of a ledger after each of some flushes, and what it had counted by
// then.
func images(t *testing.T) (files [][]byte, held []string) {
	t.Helper()
	c := &clock{newYear}
	path := filepath.Join(t.TempDir(), "ledger")
	l := open(t, path, c, usage.Options{Clients: 60}) // some records are evicted
	for i, e := range someEvents(rand.New(rand.NewPCG(7, 8)), 500, 60*aDay) {
		c.t = e.at
		e.tell(l)
		if i%100 != 99 {
			continue
		}
		if err := l.Flush(); err != nil {
			t.Fatal(err)
		}
		file, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files, held = append(files, file), append(held, counts(t, l.Snapshot()))
	}
	return files, held
}

// changed returns the pages in which two files differ, in the order in which they are
// written: the two meta pages come last.
func changed(before, after []byte) (pages []int) {
	for p := 2; p < len(after)/pageSize; p++ {
		if from := p * pageSize; from >= len(before) || !bytes.Equal(before[from:from+pageSize], after[from:from+pageSize]) {
			pages = append(pages, p)
		}
	}
	return append(pages, 0, 1)
}

// crashed returns a file in which only some bytes of some changed pages have reached the
// disk.
func crashed(before, after []byte, pages []int, bytes func(i int) int) []byte {
	file := append(slices.Clone(before), make([]byte, max(0, len(after)-len(before)))...)
	for i, p := range pages {
		if n := bytes(i); n > 0 {
			copy(file[p*pageSize:p*pageSize+n], after[p*pageSize:])
		}
	}
	return file
}

// holds checks that a file holds one of the wanted states and can be used further.
func holds(t *testing.T, what string, file []byte, want ...string) {
	t.Helper()
	path := writeFile(t, file)
	s, err := usage.ReadFile(path, 0)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if got := counts(t, s); !slices.Contains(want, got) {
		t.Fatalf("%s: other numbers\n%.2000s", what, got)
	}
	os.Remove(path)
}

// If a process is killed between any two writes of a flush or within one, or if the system
// crashes with the writes done in any order, the file holds the state before the flush or,
// after its last write, the state after it.
func TestCrashAtEveryWrite(t *testing.T) {
	files, held := images(t)
	rnd := rand.New(rand.NewPCG(9, 10))
	for i := 1; i < len(files); i++ {
		before, after := files[i-1], files[i]
		pages := changed(before, after)
		data := len(pages) - 2
		for n := range data + 1 {
			holds(t, fmt.Sprintf("flush %d, %d pages", i, n), crashed(before, after, pages, upTo(n, 0)), held[i-1])
			holds(t, fmt.Sprintf("flush %d, %d pages and a half", i, n), crashed(before, after, pages[:data], upTo(n, 512*rnd.IntN(8))), held[i-1])
		}
		for range 20 {
			some := crashed(before, after, pages[:data], func(int) int { return pageSize * rnd.IntN(2) })
			holds(t, fmt.Sprintf("flush %d, some pages", i), some, held[i-1])
		}
		for n := range 90 { // a meta page is shorter than that
			torn := crashed(before, after, pages, func(j int) int { return pageSize - (pageSize-n)*(j/data) })
			holds(t, fmt.Sprintf("flush %d, %d bytes of the last", i, n), torn, held[i-1], held[i])
		}
		holds(t, "the whole flush", crashed(before, after, pages, upTo(len(pages), 0)), held[i])
	}
}

// upTo returns n whole pages and some bytes of the next one.
func upTo(n, rest int) func(int) int {
	return func(i int) int {
		switch {
		case i < n:
			return pageSize
		case i == n:
			return rest
		}
		return 0
	}
}

// With Aside a gateway starts whatever has happened to its file, and never with numbers that
// it never had: a file that is too damaged is set aside, with the reason.
func TestStartsWithAnyDamage(t *testing.T) {
	good, held := sample(t)
	rnd := rand.New(rand.NewPCG(11, 12))
	kept, lost := 0, 0
	start := func(what string, bad []byte) {
		path := writeFile(t, bad)
		l, err := usage.Open(path, &usage.Options{Aside: true, LockWait: time.Millisecond, Every: time.Hour})
		if err != nil {
			if len(bad) >= 512 || !errors.Is(err, usage.ErrDamaged) { // otherwise nothing shows that it was a ledger
				t.Fatalf("%s: %v", what, err)
			}
			return
		}
		defer os.RemoveAll(filepath.Dir(path))
		switch n := len(l.Snapshot().Clients); {
		case !held[counts(t, l.Snapshot())]:
			t.Fatalf("%s: other numbers, %v", what, l.Damage())
		case n > 0:
			kept++
		case l.Damage() == nil && len(bad) > 0:
			t.Fatalf("%s: it began anew, and did not say so", what)
		default:
			lost++
		}
		l.Opened(usage.Visit{Version: wire.Hybi05, Client: "new"})
		if err := l.Flush(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if err := l.Close(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if s, err := usage.ReadFile(path, 0); err != nil {
			t.Fatalf("%s: %v", what, err)
		} else {
			find(t, s, wire.Hybi05, "new")
		}
	}
	for _, n := range []int{0, 1, 20, 100, pageSize - 1, pageSize, 2 * pageSize, 3*pageSize + 1, 4 * pageSize, 8 * pageSize, len(good) - pageSize, len(good) - 1} {
		start(fmt.Sprintf("cut to %d", n), good[:n])
	}
	for range 10 {
		n := rnd.IntN(len(good))
		start(fmt.Sprintf("cut to %d", n), good[:n])
	}
	for i := range 30 {
		bad := bytes.Clone(good)
		at := rnd.IntN(len(bad))
		if i%2 == 0 { // where the pages of the tree and of the free list are
			at = at%(8*pageSize)/pageSize*pageSize + rnd.IntN(90)
		}
		bad[at] ^= byte(1 + rnd.IntN(255))
		start(fmt.Sprintf("byte %d is %#x", at, bad[at]), bad)
	}
	if kept < 10 || lost < 10 {
		t.Errorf("%d kept, %d lost", kept, lost)
	}
}

func init() { children["writes"] = writeUntilKilled }

// writeUntilKilled counts and flushes, and prints a line after each flush.
func writeUntilKilled(path string) {
	l, err := usage.Open(path, &usage.Options{Name: "gw-1", Every: time.Hour, Clients: 500})
	if err != nil {
		fmt.Println("open:", err)
		return
	}
	for i := len(l.Snapshot().Clients); ; i++ {
		for range 5 {
			l.Opened(usage.Visit{Version: wire.Hybi05, Client: fmt.Sprint(i), UserAgent: strings.Repeat("x", i%200)})
		}
		if err := l.Flush(); err != nil {
			fmt.Println("flush:", err)
			return
		}
		fmt.Println("written", i)
	}
}

func child(t *testing.T, name, path string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "LEDGER_CHILD="+name, "LEDGER_FILE="+path)
	return cmd
}

// Whenever kill -9 comes, what was flushed is in the file.
func TestKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	rnd := rand.New(rand.NewPCG(13, 14))
	for range 12 {
		cmd := child(t, "writes", path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines, last, most := bufio.NewScanner(out), -1, 1+rnd.IntN(8)
		for n := 0; lines.Scan(); n++ {
			word, num, _ := strings.Cut(lines.Text(), " ")
			if last, err = strconv.Atoi(num); err != nil || word != "written" {
				t.Fatalf("%q", lines.Text())
			}
			if n == most {
				cmd.Process.Kill()
			}
		}
		cmd.Wait()
		s, err := usage.ReadFile(path, 0)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(s.Clients); n < last+1 || n > last+2 {
			t.Fatalf("%d clients, and %d were flushed", n, last+1)
		}
		for _, c := range s.Clients {
			if c.Opened != 5 {
				t.Fatalf("half a flush: %+v", c)
			}
		}
	}
}

// A device that is always full is reported, and nothing else happens.
func TestDevFull(t *testing.T) {
	if _, err := os.Stat("/dev/full"); errors.Is(err, os.ErrNotExist) {
		return // no such system
	}
	told := make(chan error, 1)
	l, err := usage.Open("/dev/full", &usage.Options{Every: time.Hour, Failed: func(err error) { told <- err }})
	if err != nil {
		t.Fatal(err)
	}
	l.Opened(usage.Visit{Version: wire.Hybi05, Client: "a"})
	if err := <-told; !strings.Contains(err.Error(), "no space left") {
		t.Errorf("told %v", err)
	}
	if err := l.Close(); err == nil || len(l.Snapshot().Clients) != 1 || l.Unwritten() != 1 {
		t.Errorf("close: %v, %d unwritten", err, l.Unwritten())
	}
}
