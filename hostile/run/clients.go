package main

import (
	"context"
	"crypto/tls"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/draftwire/draftwire/hostile"
)

// address is where something listens.
type address struct{ network, addr string }

// attackers are the attacker's connections to a server or to the front of a proxy.
type attackers struct {
	*play
	to      address
	most    int // clients at a time
	rate    *pace
	dialing chan struct{} // so that the player does not fill the target's backlog by itself
}

// dialings is how many connections are made at a time.
const dialings = 256

func newAttackers(p *play, to address, most int, rate *pace) *attackers {
	return &attackers{play: p, to: to, most: most, rate: rate, dialing: make(chan struct{}, dialings)}
}

// run makes the case's connections and returns when all are judged.
func (a *attackers) run() {
	if a.c.Cut != "" {
		a.cuts()
		return
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	own := newPace(a.c.PerSecond)
	for range min(max(a.c.Clients, 1), a.most) {
		if !own.wait(a.ctx) {
			a.fail("the time was over before all clients had been started")
			return
		}
		wg.Go(func() {
			for range max(a.c.Rounds, 1) {
				if a.ctx.Err() != nil {
					a.fail("the time was over before all rounds had been played")
					return
				}
				a.one(-1)
			}
		})
	}
}

// cutters is how many connections a case with cuts has at a time.
const cutters = 16

// cuts plays the case once for each byte of its steps.
func (a *attackers) cuts() {
	offsets := make(chan int64)
	var wg sync.WaitGroup
	for range cutters {
		wg.Go(func() {
			for at := range offsets {
				a.one(at)
			}
		})
	}
	for at := range a.length() {
		select {
		case offsets <- at:
			continue
		case <-a.ctx.Done():
			a.fail("the time was over at byte %d", at)
		}
		break
	}
	close(offsets)
	wg.Wait()
}

// length is how many bytes the steps send. Masks change none of it.
func (a *attackers) length() (n int64) {
	for _, s := range a.c.Steps {
		switch s.Do {
		case hostile.Open:
			n += int64(len(dialectOf(a.c.Version).request(a.values.host, a.path, a.values.render(s.Fields))))
		case hostile.Send:
			n += lengthOf(a.values.compile(s.Parts), s.Times)
		}
	}
	return n
}

// one plays the steps on a new connection.
func (a *attackers) one(cutAt int64) {
	c, raw, err := a.connect()
	if err != nil {
		a.refusedAtOnce(err)
		return
	}
	a.attack(c, raw, false, cutAt, nil)
}

func (a *attackers) connect() (c, raw net.Conn, err error) {
	if !a.rate.wait(a.ctx) {
		return nil, nil, a.ctx.Err()
	}
	a.dialing <- struct{}{}
	defer func() { <-a.dialing }()
	left := time.Until(a.deadline)
	raw, err = dial(a.ctx, a.to, a.c.Unread, left)
	for i := 0; isWant(err) && i < 50 && a.ctx.Err() == nil; i++ { // ports come back
		sleep(a.ctx, 20*time.Millisecond)
		raw, err = dial(a.ctx, a.to, a.c.Unread, left)
	}
	if err != nil || !a.c.TLS {
		return raw, raw, err
	}
	t := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, NextProtos: a.c.ALPN})
	if err := t.HandshakeContext(a.ctx); err != nil {
		raw.Close()
		return nil, nil, err
	}
	return t, raw, nil
}

// refusedAtOnce judges a connection that did not come about.
func (a *attackers) refusedAtOnce(err error) {
	if isWant(err) {
		a.fail("the player has no port or descriptor left: %v", err)
		return
	}
	s := seen{ended: true, how: err.Error(), found: true}
	a.count(s.name(), a.verdict(&s, slices.ContainsFunc(a.c.Verdict.Outcomes, s.is)))
}

// pace lets so many pass a second.
type pace struct {
	mu   sync.Mutex
	gap  time.Duration // 0: all
	next time.Time
}

func newPace(perSecond int) *pace {
	if perSecond <= 0 {
		return &pace{}
	}
	return &pace{gap: time.Second / time.Duration(perSecond)}
}

// wait waits for the caller's turn. It is false where the time is over.
func (p *pace) wait(ctx context.Context) bool {
	if p.gap == 0 {
		return ctx.Err() == nil
	}
	p.mu.Lock()
	now := time.Now()
	if p.next.Before(now) {
		p.next = now
	}
	turn := p.next
	p.next = p.next.Add(p.gap)
	p.mu.Unlock()
	return sleep(ctx, time.Until(turn))
}

// sleep is false where the time was over before.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
