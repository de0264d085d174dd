package gateway

import (
	"bytes"
	"net"
	"runtime"
	"testing"
	"testing/synctest"
)

// What a loop has accepted while the door was handed over is the new holder's, also where this one asks for loops only
// later.
func TestHandOverWhileAccepted(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		d := openDoor(l, false)
		to := d.lease()
		d.handOver(to)
		nc, client := net.Pipe()
		defer client.Close()
		d.take(nc) // as the holder before had asked for loops
		synctest.Wait()
		var served bool
		go func() { served = to.ServeOnLoops(func(nc net.Conn) { nc.Close() }) }()
		if _, err := client.Read(make([]byte, 1)); err == nil {
			t.Error("a byte has come")
		}
		to.Close()
		synctest.Wait()
		if !served {
			t.Error("loops do not accept")
		}
	})
}

// A server has all that was accepted when its Serve returns, behind the end of the socket.
func TestShutWhileAccepted(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := openDoor(l, false)
	lease := d.lease()
	d.handOver(lease)
	accepts, goOn, over := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		lease.ServeOnLoops(func(nc net.Conn) {
			close(accepts)
			<-goOn
			nc.Close()
		})
	}()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	<-accepts
	d.close()
	for waits := false; !waits; {
		select {
		case <-over:
			t.Fatal("the server lets go of the door before it has what was accepted")
		default:
			stacks := make([]byte, 1<<20)
			waits = bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte(").awaitGiven("))
		}
	}
	close(goOn)
	<-over
	lease.Close()
}
