//go:build linux

package usage_test

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/draftwire/draftwire/usage"
	"github.com/draftwire/draftwire/wire"
)

// A disk that is full at any size of the file ends nothing: the ledger starts, reports it,
// goes on counting, and writes everything once there is room. What was in the file stays.
func TestFullDisk(t *testing.T) {
	out, err := child(t, "full", filepath.Join(t.TempDir(), "ledger")).CombinedOutput()
	if err != nil || string(out) != "done\n" {
		t.Errorf("%v\n%.4000s", err, out)
	}
}

func init() { children["full"], children["recovers"] = fillUp, recovers }

// A ledger that cannot be written says so once, and once that it is written again, be it with
// the next flush or only when it is closed.
func TestRecovers(t *testing.T) {
	out, err := child(t, "recovers", filepath.Join(t.TempDir(), "ledger")).CombinedOutput()
	if want := "failed\nrecovered\nfailed\nclosing 300\nrecovered\n0 unwritten\n"; err != nil || string(out) != want {
		t.Errorf("%v\n%.4000s", err, out)
	}
}

func recovers(path string) {
	signal.Ignore(syscall.SIGXFSZ)
	failed, recovered := make(chan struct{}), make(chan struct{}, 1)
	options := func(every time.Duration) *usage.Options {
		return &usage.Options{Every: every,
			Failed:    func(error) { fmt.Println("failed"); failed <- struct{}{} },
			Recovered: func() { fmt.Println("recovered"); recovered <- struct{}{} },
		}
	}
	l, err := usage.Open(path, options(10*time.Millisecond))
	if err != nil {
		fmt.Println(err)
		return
	}
	room(4 << 10)
	crowd(l, 0, 300)
	<-failed
	room(1 << 40)
	<-recovered
	l.Close()

	room(1 << 10)
	if l, err = usage.Open(path+"2", options(time.Hour)); err != nil {
		fmt.Println(err)
		return
	}
	<-failed
	crowd(l, 0, 300)
	fmt.Println("closing", l.Unwritten())
	room(1 << 40)
	l.Close()
	fmt.Println(l.Unwritten(), "unwritten")
}

// room lets the files of this process grow up to n bytes. The test does it in a child
// process.
func room(n uint64) {
	lim := syscall.Rlimit{Cur: n, Max: 1 << 40}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &lim); err != nil {
		fmt.Println("setrlimit:", err)
	}
}

func fillUp(path string) {
	signal.Ignore(syscall.SIGXFSZ) // the write then fails
	for n := uint64(0); n <= 160<<10; n += 6 << 10 {
		if err := fullFrom(fmt.Sprint(path, n), n); err != nil {
			fmt.Println(n, "bytes from the beginning:", err)
		}
		if err := fullLater(fmt.Sprint(path, "-", n), n); err != nil {
			fmt.Println(n, "bytes later:", err)
		}
	}
	fmt.Println("done")
}

func crowd(l *usage.Ledger, from, n int) {
	for i := range n {
		l.Opened(usage.Visit{Version: wire.Hybi05, Client: fmt.Sprint(from + i), UserAgent: strings.Repeat("x", 100)})
	}
}

func clientsIn(path string, want int) error {
	s, err := usage.ReadFile(path, 0)
	if err == nil && len(s.Clients) != want {
		err = fmt.Errorf("%d clients instead of %d", len(s.Clients), want)
	}
	return err
}

// fullFrom has a disk with n bytes of room from the beginning.
func fullFrom(path string, n uint64) error {
	room(n)
	defer room(1 << 40)
	l, err := usage.Open(path, &usage.Options{Every: time.Hour})
	if err != nil {
		return err
	}
	crowd(l, 0, 300)
	failed := l.Flush()
	room(1 << 40)
	crowd(l, 300, 100)
	if err := l.Flush(); err != nil {
		return fmt.Errorf("with room again, after %v: %w", failed, err)
	}
	if err := l.Close(); err != nil {
		return err
	}
	defer os.Remove(path)
	return clientsIn(path, 400)
}

// fullLater has a disk with n bytes of room when a ledger exists already, and a gateway that
// is restarted meanwhile.
func fullLater(path string, n uint64) error {
	defer room(1 << 40)
	l, err := usage.Open(path, &usage.Options{Every: time.Hour})
	if err != nil {
		return err
	}
	crowd(l, 0, 100)
	if err := l.Close(); err != nil {
		return err
	}
	room(n)
	if l, err = usage.Open(path, &usage.Options{Every: time.Hour}); err != nil {
		return err
	}
	crowd(l, 100, 200)
	have := 300
	if l.Close() != nil {
		have = 100
	}
	if err := clientsIn(path, have); err != nil {
		return fmt.Errorf("while it is full: %w", err)
	}
	if l, err = usage.Open(path, &usage.Options{Every: time.Hour}); err != nil {
		return err
	}
	crowd(l, 300, 50)
	room(1 << 40)
	if err := l.Close(); err != nil {
		return fmt.Errorf("with room again: %w", err)
	}
	defer os.Remove(path)
	return clientsIn(path, have+50)
}
