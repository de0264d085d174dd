package main

import (
	"net"
	"sync"
	"time"
)

// visitors are the honest clients that come through a proxy to the hostile backend.
type visitors struct {
	*play
	to   address
	d    *dialect
	most int
	rate *pace
}

func newVisitors(p *play, to address, d *dialect, most int, rate *pace) *visitors {
	return &visitors{p, to, d, most, rate}
}

func (v *visitors) run() {
	for {
		var wg sync.WaitGroup
		own := newPace(v.c.PerSecond)
		for range min(max(v.c.Clients, 1), v.most) {
			if !own.wait(v.ctx) {
				break
			}
			wg.Go(func() {
				for range max(v.c.Rounds, 1) {
					v.one()
				}
			})
		}
		wg.Wait()
		if v.c.Cut == "" || v.isWhole() || v.ctx.Err() != nil {
			break
		}
	}
	v.needsSomebody("the proxy has made no connection to its backend")
}

// one comes, says hello and looks at what it gets, until its connection ends or the
// backend's is judged.
func (v *visitors) one() {
	if !v.rate.wait(v.ctx) {
		return
	}
	c, err := dial(v.ctx, v.to, false, time.Until(v.deadline))
	if err != nil {
		v.fail("an honest client could not connect: %v", err)
		return
	}
	before := v.played()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		defer c.Close() // a client that has got nowhere leaves, and does not hold its proxy
		v.visit(c)
	}()
	v.untilChange(func() bool { return v.active == 0 && v.judged() > before }, gone)
	v.settle()
	if v.c.Verdict.Beyond != nil {
		sleep(v.ctx, afterwards)
	}
	c.Close()
	<-gone
}

func (v *visitors) visit(c net.Conn) {
	c.SetDeadline(v.deadline)
	search := v.beyond.search()
	look := func(p []byte) {
		if search.feed(p); search.hit != nil {
			v.beyond.note(func(b *beyond) { b.hit = search.hit })
		}
	}
	h, status, err := openHonest(watched{c, look}, v.d, v.values.host, "/")
	v.beyond.note(func(b *beyond) {
		b.connections++
		b.opened = b.opened || status == 101
	})
	if err != nil || h.say("hello") != nil {
		return
	}
	buf := make([]byte, 4<<10)
	for {
		if _, err := h.r.Read(buf); err != nil {
			return
		}
	}
}

// watched is a connection whose incoming bytes are looked at.
type watched struct {
	net.Conn
	look func([]byte)
}

func (w watched) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	w.look(p[:n])
	return n, err
}
