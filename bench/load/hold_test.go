package load

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
)

// Pings are answered, the borders of reads notwithstanding, and what ends or says anything
// else counts as dropped.
func TestHeld(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	open, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		var conns []net.Conn
		for range 3 {
			nc, err := l.Accept()
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(func() { nc.Close() })
			if _, err := http.ReadRequest(bufio.NewReader(nc)); err != nil {
				t.Error(err)
				return
			}
			io.WriteString(nc, "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: "+sampleAccept+"\r\n\r\n")
			conns = append(conns, nc)
		}
		<-open
		conns[1].Close()
		io.WriteString(conns[2], "\x81\x02hi")
		io.WriteString(conns[0], "\x89\x00\x89\x02hi")
		pongs := make([]byte, 6+8)
		if _, err := io.ReadFull(conns[0], pongs); err != nil || pongs[0] != pongHead || pongs[6] != pongHead {
			t.Errorf("%x, %v", pongs, err)
		}
	}()
	one := Spec{Kind: Hold, Addr: l.Addr().String(), Version: V13, Conns: 1, Raw: true}
	two := one
	two.Conns = 2
	h, err := OpenHeld([]Spec{one, two})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	close(open)
	res, err := h.Watch(ended)
	if err != nil || res[Held] != 1 || res[Dropped] != 2 || res[Pings] != 2 {
		t.Errorf("%v, %v", res, err)
	}
}
