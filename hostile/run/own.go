package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/draftwire/draftwire/hostile"
)

// own is the player's own server: the honest backend of a proxy on the side front, the
// hostile one on the side behind, and the hostile server of a client.
type own struct {
	l      net.Listener
	side   string
	certs  *certs
	secure atomic.Bool          // the target was told to come with TLS
	now    atomic.Pointer[play] // the case; nil between two
	wg     sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool
}

func startOwn(listen, side string, c *certs) (*own, error) {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, err
	}
	o := &own{l: l, side: side, certs: c, conns: map[net.Conn]bool{}}
	o.wg.Go(o.accept)
	return o, nil
}

func (o *own) addr() string { return o.l.Addr().String() }

func (o *own) end() {
	o.l.Close()
	o.mu.Lock()
	for c := range o.conns {
		c.Close()
	}
	o.mu.Unlock()
	o.wg.Wait()
}

func (o *own) accept() {
	for {
		c, err := o.l.Accept()
		if err != nil {
			return
		}
		p := o.now.Load()
		o.mu.Lock()
		o.conns[c] = true
		o.mu.Unlock()
		o.wg.Go(func() {
			o.serve(p, c)
			c.Close()
			o.mu.Lock()
			delete(o.conns, c)
			o.mu.Unlock()
		})
	}
}

// patience is how long the player's own server waits for the head of a request.
const patience = 30 * time.Second

// serve tells by the request who has come: the probe, through the proxy, or the attack.
func (o *own) serve(p *play, raw net.Conn) {
	if p != nil && p.accepted != nil {
		p.accepted()
	}
	if p != nil && o.hostile() && speaksBelowTLS(p.c) {
		p.attackVisitor(raw, raw, nil)
		return
	}
	c := raw
	raw.SetDeadline(time.Now().Add(patience))
	if o.secure.Load() {
		conf := &tls.Config{Certificates: []tls.Certificate{o.certs.own}}
		if p != nil {
			conf.NextProtos = p.c.ALPN
		}
		t := tls.Server(raw, conf)
		if err := t.HandshakeContext(context.Background()); err != nil {
			if p != nil && o.hostile() {
				p.noHandshake(err)
			}
			return
		}
		c = t
	}
	pre := readFirst(c)
	raw.SetDeadline(time.Time{})
	switch {
	case len(pre) == 0: // a proxy looks whether somebody listens
	case strings.HasPrefix(targetOf(pre), probeTarget), p == nil:
		echoes(c, pre, nil)
	case o.side == hostile.Front:
		echoes(c, pre, p.beyond)
	case o.side == hostile.Pages:
		records(c, pre, p.beyond)
	default:
		p.attackVisitor(c, raw, pre)
	}
}

// hostile: it is the attacker that the target comes to.
func (o *own) hostile() bool { return o.side == hostile.Client || o.side == hostile.Behind }

// speaksBelowTLS: the target comes with TLS, and the case's bytes are in its place.
func speaksBelowTLS(c *hostile.Case) bool { return !c.TLS && needsTLS(c) }

// readFirst reads until the end of a request's head has come.
func readFirst(c net.Conn) (pre []byte) {
	buf := make([]byte, 4<<10)
	for len(pre) < mostHead {
		n, err := c.Read(buf)
		pre = append(pre, buf[:n]...)
		if bytes.Contains(pre, []byte("\r\n\r\n")) {
			return pre
		}
		if err != nil {
			break
		}
	}
	return pre
}
