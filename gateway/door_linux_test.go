package gateway

import (
	"net"
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
