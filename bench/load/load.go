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
	Paced     = "paced" // echo, so many messages a second
	Hold      = "hold"  // sessions that several processes open and keep: see OpenHeld
)

// Spec is one measurement.
type Spec struct {
	Name      string // of the server, for faults
	Kind      string
	Addr      string // of the server, on 127.0.0.1
	PID       int    // of the server
	Others    []int  // the processes that the server has started
	Version   string
	Conns     int
	Size      int  // payload bytes of a message
	Batch     int  // messages that go out with one write
	Rate      int  // of Paced: messages a second, of all connections
	Text      bool // messages are text; else binary
	Deflate   bool
	TLS       bool          // of idle connections
	Fragments bool          // messages may come back in fragments
	Raw       bool          // the server gives back the very bytes it got
	Silent    bool          // the server closes each connection without a word
	Warm      time.Duration // of the server's CPU time
	For       time.Duration
	Settle    time.Duration // between two looks at the memory
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
	P50Micros  = "p50_us"         // of Paced: half of the replies are there by then
	P99Micros  = "p99_us"         // and 99 % of them
	OpenBytes  = "open_bytes"     // resident for a connection after the handshake
	UsedBytes  = "used_bytes"     // resident for a connection after a message each
	Held       = "held"           // sessions that were open at the end
	Dropped    = "dropped"        // sessions that ended before
	Pings      = "pings"          // pings that were answered
	Processes  = "processes"      // that held the sessions
	baseConns  = 200              // connections that come and go before memory is read
	stallAfter = 10 * time.Second // without any byte
)

// pids are all processes of the server.
func (s *Spec) pids() []int { return append([]int{s.PID}, s.Others...) }

// Result is what was measured, by the names above.
type Result map[string]float64

// Run measures servers that are alive at once, each so many times: in each turn, one
// server after the other; which one is first changes from turn to turn. What it returns
// has, for each server, the results of its turns. Any fault of a server is an error.
func Run(specs []Spec, turns int) ([][]Result, error) {
	all := make([]*generator, len(specs))
	for i := range specs {
		g, err := newGenerator(&specs[i])
		if err == nil {
			defer g.close()
			err = g.prepare()
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", specs[i].Name, err)
		}
		all[i] = g
	}
	results := make([][]Result, len(specs))
	for turn := range turns {
		for i := range all {
			i = (i + turn) % len(all)
			res, err := all[i].turn()
			if err != nil {
				return nil, fmt.Errorf("%s: %w", specs[i].Name, err)
			}
			results[i] = append(results[i], res)
		}
	}
	return results, nil
}

// prepare opens the connections and warms the server up. Idle connections are opened
// where their memory is measured.
func (g *generator) prepare() error {
	if g.Kind == Idle {
		return nil
	}
	if g.Kind != Handshake {
		if err := g.open(g.Conns); err != nil {
			return err
		}
	}
	// A connection may join only after its handshake was answered.
	if g.Kind == Broadcast {
		if err := g.rest(); err != nil {
			return err
		}
	}
	if err := g.warmUp(); err != nil || g.Kind != Handshake {
		return err
	}
	return g.rest()
}

// work keeps the server busy for a time, and counts the messages.
func (g *generator) work(d time.Duration) (int, error) {
	switch g.Kind {
	case Echo:
		return g.echoes(d)
	case Handshake:
		return g.handshakes(d)
	case Broadcast:
		return g.broadcasts(d)
	case Paced:
		return g.paced(d)
	}
	return 0, fmt.Errorf("no kind %q", g.Kind)
}

// longest is how many times its time a turn may take, where nothing was to be measured.
const longest = 16

// span keeps the server busy for a time between two readings.
func (g *generator) span(d time.Duration) (count int, s span, err error) {
	g.wire = 0
	s, err = g.measure(func() (err error) {
		if count, err = g.work(d); err == nil && g.Kind == Handshake {
			err = g.rest()
		}
		return err
	})
	return count, s, err
}

// turn measures once.
func (g *generator) turn() (Result, error) {
	if g.Kind == Idle {
		return g.idle()
	}
	var count int
	var s span
	var r Result
	for d := g.For; ; d *= 2 {
		var err error
		if count, s, err = g.span(d); err != nil {
			return nil, err
		}
		// A machine that is busy with other things may give the server no time at all, or less than
		// the kernel counts: then it takes longer.
		if r, err = s.result(count); err == nil {
			break
		}
		if d > longest*g.For {
			return nil, err
		}
	}
	if g.Deflate {
		r[ReplyBytes] = float64(g.wire) / float64(count)
	}
	if g.Kind == Paced {
		r[P50Micros], r[P99Micros] = g.percentile(50), g.percentile(99)
	}
	if g.Kind == Broadcast {
		r[LastMillis] = s.time.Seconds() * 1e3 * float64(g.Conns) / float64(count)
	}
	return r, nil
}

// span is what passed between two readings of the counters.
type span struct {
	time, cpu, own time.Duration
	reads, writes  int64
}

// measure runs do between two readings. The server has nothing to do before and
// after, so that its counters are whole.
func (g *generator) measure(do func() error) (span, error) {
	before, err := ReadUsage(g.pids()...)
	if err != nil {
		return span{}, err
	}
	own, began := ownCPU(), time.Now()
	if err := do(); err != nil {
		return span{}, err
	}
	s := span{time: time.Since(began), own: ownCPU() - own}
	time.Sleep(settleCPU)
	after, err := ReadUsage(g.pids()...)
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

// warmUp keeps the server busy until it has had its share of CPU time: on a busy
// machine that takes longer, up to a bound.
func (g *generator) warmUp() error {
	first, err := cpuTime(g.pids()...)
	if err != nil {
		return err
	}
	for until := time.Now().Add(10 * g.Warm); time.Now().Before(until); {
		if _, err := g.work(g.Warm / 4); err != nil {
			return err
		}
		if now, err := cpuTime(g.pids()...); err != nil || now-first >= g.Warm {
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
		now, err := cpuTime(g.pids()...)
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
