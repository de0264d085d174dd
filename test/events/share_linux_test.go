package events_test

import (
	"bytes"
	"testing"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
)

// Frames of a byte and less, of which a read brings many thousands, do not keep a loop from its other connections: a turn
// takes a part of them.
func TestTinyFramesInTurns(t *testing.T) {
	const frames, most = 60_000, 8 << 10
	sent, all := make(chan struct{}), make(chan struct{})
	parts, inTurn, longest := 0, 0, 0
	e := &draftwire.Events{
		Part: func(c *draftwire.Conn, p draftwire.Part) error {
			if parts == 0 {
				<-sent // so that all the rest is there, and reads bring as much as they may
			}
			parts++
			inTurn++
			return nil
		},
		Read: func(c *draftwire.Conn) error {
			longest, inTurn = max(longest, inTurn), 0
			if parts == frames+1 { // one begins, one ends
				close(all)
			}
			return nil
		},
	}
	s := &draftwire.Server{Events: e, Options: wstest.Options()}
	l := wstest.ListenTCP(t)
	wstest.ServeOn(t, s, l)
	p := open(t, l.Addr().String(), draftwire.RFC6455)
	wstest.Send(t, p, wstest.Frame(0x02, "x", true))
	wstest.Send(t, p, bytes.Repeat(wstest.Frame(0x00, "x", true), frames-1))
	wstest.Send(t, p, wstest.Frame(0x80, "x", true))
	close(sent)
	wstest.Soon(t, "all parts", all)
	if longest > most || longest < most/2 {
		t.Errorf("%d parts in a turn", longest)
	}
}
