package load

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Usage is what a process has used so far.
type Usage struct {
	CPU           time.Duration
	Reads, Writes int64 // system calls of the kinds read, readv, write, writev
}

// ReadUsage reads a process's counters from /proc.
func ReadUsage(pid int) (Usage, error) {
	var u Usage
	io, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	if err != nil {
		return u, err
	}
	if u.Reads, err = field(io, "syscr:"); err != nil {
		return u, err
	}
	if u.Writes, err = field(io, "syscw:"); err != nil {
		return u, err
	}
	u.CPU, err = cpuTime(pid)
	return u, err
}

// field returns the number behind a name at the beginning of a line.
func field(file []byte, name string) (int64, error) {
	for line := range bytes.Lines(file) {
		if rest, ok := bytes.CutPrefix(line, []byte(name)); ok {
			return strconv.ParseInt(strings.Fields(string(rest))[0], 10, 64)
		}
	}
	return 0, fmt.Errorf("no %s in %q", name, file)
}

// cpuTime adds up what the threads ran, in nanoseconds. A kernel without
// schedstat counts in ticks, for the process.
func cpuTime(pid int) (time.Duration, error) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	var sum time.Duration
	for _, name := range tasks {
		b, err := os.ReadFile(name)
		if os.IsNotExist(err) {
			continue // the thread has ended meanwhile
		}
		if err != nil {
			return 0, err
		}
		ns, err := strconv.ParseInt(strings.Fields(string(b))[0], 10, 64)
		if err != nil {
			return 0, err
		}
		sum += time.Duration(ns)
	}
	if len(tasks) > 0 {
		return sum, nil
	}
	return cpuTicks(pid)
}

// tick is that of USER_HZ, which is 100 on every Linux of today.
const tick = 10 * time.Millisecond

func cpuTicks(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The name in parentheses may have blanks; utime and stime are the 12th
	// and 13th fields behind it.
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(f) < 13 {
		return 0, fmt.Errorf("stat of %d is %q", pid, b)
	}
	user, err := strconv.ParseInt(f[11], 10, 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseInt(f[12], 10, 64)
	return time.Duration(user+system) * tick, err
}

// resident returns the bytes of memory that a process has.
func resident(pid int) (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	kb, err := field(b, "VmRSS:")
	return kb << 10, err
}

func ownCPU() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
