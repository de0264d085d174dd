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

// A disk that is full, at whatever size of the file, ends nothing: the ledger starts, says
// so, keeps counting, and writes all of it once there is room. What was there before stays.
func TestFullDisk(t *testing.T) {
	out, err := child(t, "full", filepath.Join(t.TempDir(), "ledger")).CombinedOutput()
	if err != nil || string(out) != "done\n" {
		t.Errorf("%v\n%.4000s", err, out)
	}
}

func init() { children["full"] = fillUp }

// room lets files of this process grow up to n bytes. That is a process of its own.
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

// fullFrom is a disk that has n bytes at the beginning.
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

// fullLater is a disk that has n bytes when there is a ledger already, and a gateway that
// is started anew meanwhile.
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
