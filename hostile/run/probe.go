package main

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	probeTarget  = "/hostile-probe" // what the probe asks for, so that the player's other end knows it
	echoEvery    = 50 * time.Millisecond
	shakeEvery   = 250 * time.Millisecond
	probePatient = 10 * time.Second
)

// probe is an honest client beside the attacks: one connection that echoes all the
// time, and new ones that shake hands, echo once and leave.
type probe struct {
	to     address
	d      *dialect
	host   string
	target string
	stop   context.CancelFunc
	wg     sync.WaitGroup
	ask    chan chan struct{} // for an echo at once

	shaking sync.Mutex // held while a new connection is there

	mu      sync.Mutex
	slowest time.Duration
	pending map[string]time.Time // what has begun and is not done
	fault   string
	shakes  int // new connections, in all
}

func startProbe(ctx context.Context, to address, d *dialect, host, target string) *probe {
	p := &probe{to: to, d: d, host: host, target: target, ask: make(chan chan struct{}), pending: map[string]time.Time{}}
	ctx, p.stop = context.WithCancel(ctx)
	p.wg.Go(func() { p.echoes(ctx) })
	p.wg.Go(func() { p.handshakes(ctx) })
	return p
}

func (p *probe) end() {
	p.stop()
	p.wg.Wait()
}

// reset begins a new measurement.
func (p *probe) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.slowest, p.fault = 0, ""
}

// result asks for an echo at once, and returns the slowest of all since reset.
func (p *probe) result(ctx context.Context) (slowest time.Duration, fault string) {
	done := make(chan struct{})
	patient := time.NewTimer(probePatient)
	defer patient.Stop()
	select {
	case p.ask <- done:
		<-done
	case <-patient.C:
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	slowest = p.slowest
	for _, begin := range p.pending {
		slowest = max(slowest, time.Since(begin))
	}
	return slowest, p.fault
}

// timed measures one try.
func (p *probe) timed(name string, f func() error) error {
	begin := time.Now()
	p.mu.Lock()
	p.pending[name] = begin
	p.mu.Unlock()
	err := f()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.pending, name)
	p.slowest = max(p.slowest, time.Since(begin))
	return err
}

func (p *probe) failed(ctx context.Context, what string, err error) {
	if ctx.Err() != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fault == "" {
		p.fault = fmt.Sprintf("%s of an honest client failed: %v", what, err)
	}
}

// echoes keeps one connection, and makes a new one when it breaks.
func (p *probe) echoes(ctx context.Context) {
	var h *honest
	defer func() {
		if h != nil {
			h.c.Close()
		}
	}()
	tick := time.NewTicker(echoEvery)
	defer tick.Stop()
	for n := 0; ; n++ {
		var done chan struct{}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case done = <-p.ask:
		}
		err := p.timed("echo", func() (err error) {
			if h == nil {
				h, err = dialHonest(ctx, p.to, p.d, p.host, p.target, probePatient)
			}
			if err == nil {
				h.c.SetDeadline(time.Now().Add(probePatient))
				err = h.echo(fmt.Sprintf("probe %d", n))
			}
			return err
		})
		if err != nil {
			p.failed(ctx, "an echo", err)
			if h != nil {
				h.c.Close()
			}
			h = nil
		}
		if done != nil {
			close(done)
		}
	}
}

// handshakes makes new connections.
func (p *probe) handshakes(ctx context.Context) {
	tick := time.NewTicker(shakeEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		p.shaking.Lock()
		err := p.timed("handshake", func() error { return p.once(ctx) })
		p.mu.Lock()
		p.shakes++
		p.mu.Unlock()
		p.shaking.Unlock()
		if err != nil {
			p.failed(ctx, "a handshake", err)
		}
	}
}

// once is a connection that echoes once.
func (p *probe) once(ctx context.Context) error {
	h, err := dialHonest(ctx, p.to, p.d, p.host, p.target, probePatient)
	if err != nil {
		return err
	}
	defer h.c.Close()
	return h.echo("new here")
}

func (p *probe) hasFailed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fault != ""
}

func (p *probe) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.shakes
}
