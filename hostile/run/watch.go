package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"
)

// usage is what a process uses at a moment.
type usage struct {
	resident    int64 // bytes
	cpu         time.Duration
	descriptors int
}

// tick is the unit of the processor times of /proc, which is the same on all Linux.
const tick = 10 * time.Millisecond

// usageOf reads /proc; ok is false where the process has none.
func usageOf(pid int) (u usage, ok bool) {
	resident, ok := residentOf(pid)
	if !ok {
		return u, false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return u, false
	}
	// The name, in parentheses, may have any bytes in it.
	f := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(f) < 13 {
		return u, false
	}
	user, _ := strconv.ParseInt(string(f[11]), 10, 64)
	system, _ := strconv.ParseInt(string(f[12]), 10, 64)
	n, err := countDescriptors(pid)
	return usage{resident, time.Duration(user+system) * tick, n}, err == nil
}

func residentOf(pid int) (int64, bool) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, false
	}
	_, rest, ok := bytes.Cut(status, []byte("\nVmRSS:"))
	if !ok {
		return 0, false
	}
	f := bytes.Fields(rest)
	kib, err := strconv.ParseInt(string(f[0]), 10, 64)
	return kib << 10, err == nil
}

func countDescriptors(pid int) (int, error) {
	d, err := os.Open(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return 0, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	return len(names), err
}

const sampleEvery = 20 * time.Millisecond

// watch looks at a process while a case is played.
type watch struct {
	pid    int
	before usage
	ok     bool
	stop   context.CancelFunc
	wg     sync.WaitGroup

	mu   sync.Mutex
	peak int64
	cpu  time.Duration
}

func startWatch(pid int) *watch {
	w := &watch{pid: pid}
	if pid != 0 {
		w.before, w.ok = usageOf(pid)
	}
	w.peak, w.cpu = w.before.resident, w.before.cpu
	ctx, stop := context.WithCancel(context.Background())
	w.stop = stop
	if w.ok {
		w.wg.Go(func() {
			for sleep(ctx, sampleEvery) {
				w.sample()
			}
		})
	}
	return w
}

// rebase begins anew with what the process uses now.
func (w *watch) rebase() {
	if u, ok := usageOf(w.pid); ok {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.before, w.peak, w.cpu = u, u.resident, u.cpu
	}
}

func (w *watch) sample() (usage, bool) {
	u, ok := usageOf(w.pid)
	if !ok {
		return u, false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.peak, w.cpu = max(w.peak, u.resident), max(w.cpu, u.cpu)
	return u, true
}

// cost is what a case has cost the target.
type cost struct {
	known       bool // of what a process tells
	memory      int64
	cpu         time.Duration
	descriptors int // that were not given back
	recovered   time.Duration
}

// end waits until the target has given its descriptors back, most at the longest.
func (w *watch) end(ctx context.Context, most time.Duration) cost {
	defer w.wg.Wait()
	defer w.stop()
	if !w.ok {
		return cost{}
	}
	begin := time.Now()
	left := 0
	for gap := time.Millisecond; ; gap = min(2*gap, sampleEvery) {
		u, ok := w.sample()
		left = u.descriptors - w.before.descriptors
		if !ok || left <= 0 || time.Since(begin) >= most || !sleep(ctx, gap) {
			break
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return cost{true, w.peak - w.before.resident, w.cpu - w.before.cpu, max(0, left), time.Since(begin)}
}
