// Package load is the benchmark's load generator: one thread, raw system calls,
// frames made beforehand. It speaks for itself and shares no code with the
// library, and it compares every reply with what it has to be. It runs in its own
// process and reads the server's counters itself, right where its clock starts
// and stops.
package load

import (
	"errors"
	"fmt"
	"time"
)

// Kinds of cells.
const (
	Echo      = "echo"
	Handshake = "handshake"
	Idle      = "idle"
	Broadcast = "broadcast"
)

// Spec is one measurement.
type Spec struct {
	Kind    string
	Addr    string // of the server, on 127.0.0.1
	PID     int    // of the server
	Version string
	Conns   int
	Size    int  // payload bytes of a message
	Batch   int  // messages that go out with one write
	Text    bool // messages are text; else binary
	Deflate bool
	Raw     bool          // the server gives back the very bytes it got
	Silent  bool          // the server closes each connection without a word
	Warm    time.Duration // of the server's CPU time
	For     time.Duration
	Settle  time.Duration // between two looks at the memory
}

// Names of the numbers in a Result.
const (
	PerCPU     = "per_cpu"        // messages for a second of the server's CPU time
	PerSecond  = "per_second"     // messages for a second of time
	Busy       = "busy"           // the server's CPU time for a second of time
	LoadBusy   = "load_busy"      // the generator's CPU time for a second of time
	Reads      = "reads"          // system calls that read, for a message
	Writes     = "writes"         // system calls that write, for a message
	ReplyBytes = "reply_bytes"    // bytes on the wire for a compressed reply
	CPUMicros  = "cpu_us"         // server CPU time for a handshake or a delivery
	LastMillis = "last_ms"        // from a broadcast to its last delivery
	OpenBytes  = "open_bytes"     // resident for a connection after the handshake
	UsedBytes  = "used_bytes"     // resident for a connection after a message each
	baseConns  = 200              // connections that come and go before memory is read
	stallAfter = 10 * time.Second // without any byte
)

// Result is what was measured, by the names above.
type Result map[string]float64

// Run does the measurement. Any fault of the server is an error.
func Run(s *Spec) (Result, error) {
	g, err := newGenerator(s)
	if err != nil {
		return nil, err
	}
	defer g.close()
	switch s.Kind {
	case Echo:
		return g.echo()
	case Handshake:
		return g.handshakes()
	case Idle:
		return g.idle()
	case Broadcast:
		return g.broadcast()
	}
	return nil, fmt.Errorf("no kind %q", s.Kind)
}

// span is what passed between two readings of the counters.
type span struct {
	time, cpu, own time.Duration
	reads, writes  int64
}

// measure runs do between two readings. The server has nothing to do before and
// after, so that its counters are whole.
func (g *generator) measure(do func() error) (span, error) {
	before, err := ReadUsage(g.PID)
	if err != nil {
		return span{}, err
	}
	own, began := ownCPU(), time.Now()
	if err := do(); err != nil {
		return span{}, err
	}
	s := span{time: time.Since(began), own: ownCPU() - own}
	time.Sleep(settleCPU)
	after, err := ReadUsage(g.PID)
	if err != nil {
		return span{}, err
	}
	s.cpu = after.CPU - before.CPU
	s.reads, s.writes = after.Reads-before.Reads, after.Writes-before.Writes
	return s, nil
}

// settleCPU lets the server go to sleep: the kernel accounts for a thread's
// time when it stops running.
const settleCPU = 3 * time.Millisecond

func (s span) result(messages int) (Result, error) {
	if messages == 0 || s.cpu <= 0 {
		return nil, errors.New("nothing was measured: the time is too short")
	}
	n := float64(messages)
	return Result{
		PerCPU:    n / s.cpu.Seconds(),
		PerSecond: n / s.time.Seconds(),
		Busy:      s.cpu.Seconds() / s.time.Seconds(),
		LoadBusy:  s.own.Seconds() / s.time.Seconds(),
		Reads:     float64(s.reads) / n,
		Writes:    float64(s.writes) / n,
		CPUMicros: s.cpu.Seconds() * 1e6 / n,
	}, nil
}

// warmUp runs do, for a time, until the server has had its share of CPU time:
// on a busy machine that takes longer, up to a bound.
func (g *generator) warmUp(do func(d time.Duration) error) error {
	first, err := cpuTime(g.PID)
	if err != nil {
		return err
	}
	for until := time.Now().Add(10 * g.Warm); time.Now().Before(until); {
		if err := do(g.Warm / 4); err != nil {
			return err
		}
		if now, err := cpuTime(g.PID); err != nil || now-first >= g.Warm {
			return err
		}
	}
	return nil
}

// rest waits until the server uses no time any more: it has then seen all that
// was sent, also what it does not answer, such as the end of a connection.
func (g *generator) rest() error {
	const look, quiet, looks = 20 * time.Millisecond, time.Millisecond, 100
	var last time.Duration
	for calm, n := 0, 0; calm < 2 && n < looks; n++ {
		now, err := cpuTime(g.PID)
		if err != nil {
			return err
		}
		if calm++; now-last > quiet {
			calm = 0
		}
		last = now
		time.Sleep(look)
	}
	return nil
}
