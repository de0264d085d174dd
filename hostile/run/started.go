package main

import (
	"context"
	"sync"
	"time"

	"github.com/draftwire/draftwire/hostile"
)

// playClient plays a case of the side client: the target is a program that is started
// for each connection.
func (p *player) playClient(ctx context.Context, c *hostile.Case, r *result) {
	p.own.secure.Store(c.TLS)
	v := values{host: p.own.addr()}
	_, v.port = splitHostPort(v.host)
	pl, cancel := newPlay(ctx, c, p.s.budgetOf(c), v, "/")
	defer cancel()
	s := &started{player: p, play: pl}
	pl.accepted = s.rebase
	p.setNow(pl)
	s.run(ctx)
	p.setNow(nil)
	p.judge(ctx, pl, r, s.cost)
	r.LogLines = s.lines
	if most := pl.budget.LogLines * max(s.programs, 1); s.lines > most {
		r.fail("%d lines of log, budget %d for each of %d programs", s.lines, pl.budget.LogLines, s.programs)
	}
}

// started are the programs of a case.
type started struct {
	*player
	*play

	mu       sync.Mutex
	first    *watch // of the first program
	cost     cost
	lines    int // of all
	programs int
}

// run starts the programs and waits for them. With cuts each is cut at another byte,
// until the steps have no more.
func (s *started) run(ctx context.Context) {
	for {
		var wg sync.WaitGroup
		pace := newPace(s.c.PerSecond)
		for range s.clientsOf(s.c) {
			if !pace.wait(s.play.ctx) {
				break
			}
			wg.Go(func() {
				for range max(s.c.Rounds, 1) {
					s.one(ctx)
				}
			})
		}
		wg.Wait()
		if s.c.Cut == "" || s.isWhole() || s.play.ctx.Err() != nil {
			break
		}
	}
	s.needsSomebody("the client has made no connection")
}

// rebase: what the first program has used until it connects is not the attack's.
func (s *started) rebase() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.first != nil {
		s.first.rebase()
	}
}

// one starts a program and waits until it has ended by itself, which it has to when
// its connection has.
func (s *started) one(ctx context.Context) {
	before := s.played()
	proc, err := startProcess(s.fill(s.c, "", schemeOf(s.c)+s.own.addr()+"/"), s.s.crash)
	if err != nil {
		s.fail("%v", err)
		return
	}
	s.mu.Lock()
	var own *watch
	if s.first == nil {
		own = startWatch(proc.pid())
		s.first = own
	}
	s.mu.Unlock()
	s.untilChange(func() bool { return s.active == 0 && s.judged() > before }, proc.exited)
	s.settle()
	recover := time.Duration(s.budget.Recover)
	if !proc.exitsWithin(ctx, recover) && ctx.Err() == nil {
		s.fail("the client had not ended %v after its connection", recover)
	}
	var c cost
	if own != nil {
		c = own.end(ctx, 0)
	}
	proc.end()
	s.mu.Lock()
	defer s.mu.Unlock()
	if own != nil {
		s.cost = c
		s.cost.descriptors = 0
	}
	s.cost.cpu = max(s.cost.cpu, proc.cmd.ProcessState.UserTime()+proc.cmd.ProcessState.SystemTime())
	s.lines += proc.log.count()
	s.programs++
	if mark := proc.log.crashed(); mark != "" {
		s.fail("its log says %q", mark)
	}
	if proc.killed() {
		s.fail("the client was ended by a signal: %v; %s", proc.err, proc.log.recent())
	}
}
