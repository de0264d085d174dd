package load

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// secret is a connection over TLS. Only idle connections have it: their load is not
// measured, so it may be that of the standard library.
type secret struct {
	*tls.Conn
	script int
}

// openSecret opens n connections over TLS, side by side.
func (g *generator) openSecret(n int) error {
	for n > 0 {
		part := min(n, together)
		faults := make(chan error, part)
		fresh := make([]*secret, part)
		for i := range fresh {
			fresh[i] = &secret{script: i % len(g.scripts)}
			request, accept := bytes.Clone(g.opening.request), g.opening.accept
			g.opening.renew()
			go func() { faults <- fresh[i].open(g, request, accept) }()
		}
		var first error
		for range part {
			if err := <-faults; err != nil && first == nil {
				first = err
			}
		}
		for _, s := range fresh {
			if s.Conn != nil {
				g.secrets = append(g.secrets, s)
			}
		}
		if first != nil {
			return fmt.Errorf("handshake: %w", first)
		}
		n -= part
	}
	return nil
}

func (s *secret) open(g *generator, request []byte, accept string) error {
	fd, err := g.connect()
	if err != nil {
		return err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), "")
	nc, err := net.FileConn(f)
	f.Close()
	if err != nil {
		return err
	}
	nc.SetDeadline(time.Now().Add(stallAfter))
	s.Conn = tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
	if _, err := s.Write(request); err != nil {
		return err
	}
	var answer []byte
	for {
		b := make([]byte, 1024)
		n, err := s.Read(b)
		if err != nil {
			return err
		}
		answer = append(answer, b[:n]...)
		if done, err := g.opening.check(answer, accept); done || err != nil {
			nc.SetDeadline(time.Time{})
			return err
		}
	}
}

// saySecret has each connection over TLS echo a message.
func (g *generator) saySecret() error {
	for _, s := range g.secrets {
		t := &g.scripts[s.script]
		s.SetDeadline(time.Now().Add(stallAfter))
		if _, err := s.Write(t.out); err != nil {
			return err
		}
		reply := make([]byte, len(t.reply))
		if _, err := io.ReadFull(s, reply); err != nil {
			return err
		}
		if !bytes.Equal(reply, t.reply) {
			return mismatch(0, reply, t.reply)
		}
		s.SetDeadline(time.Time{})
	}
	return nil
}
