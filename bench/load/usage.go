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

// ReadUsage reads the counters of processes from /proc, and adds them up.
func ReadUsage(pids ...int) (Usage, error) {
	var u Usage
	for _, pid := range pids {
		io, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
		if err != nil {
			return u, err
		}
		reads, err := field(io, "syscr:")
		if err != nil {
			return u, err
		}
		writes, err := field(io, "syscw:")
		if err != nil {
			return u, err
		}
		u.Reads, u.Writes = u.Reads+reads, u.Writes+writes
	}
	var err error
	u.CPU, err = cpuTime(pids...)
	return u, err
}

// Descendants are the processes that a process has started, and those that these have.
func Descendants(pid int) []int {
	var all []int
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, name := range lists {
		b, _ := os.ReadFile(name)
		for _, f := range strings.Fields(string(b)) {
			if child, err := strconv.Atoi(f); err == nil {
				all = append(append(all, child), Descendants(child)...)
			}
		}
	}
	return all
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

// cpuTime adds up what processes ran.
func cpuTime(pids ...int) (time.Duration, error) {
	var sum time.Duration
	for _, pid := range pids {
		d, err := cpuTimeOf(pid)
		if err != nil {
			return 0, err
		}
		sum += d
	}
	return sum, nil
}

// cpuTimeOf adds up what the threads ran, in nanoseconds. A kernel without
// schedstat counts in ticks, for the process.
func cpuTimeOf(pid int) (time.Duration, error) {
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

// Resident returns the bytes of memory that processes have.
func Resident(pids ...int) (int64, error) {
	var sum int64
	for _, pid := range pids {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			return 0, err
		}
		kb, err := field(b, "VmRSS:")
		if err != nil {
			return 0, err
		}
		sum += kb << 10
	}
	return sum, nil
}

func ownCPU() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
