package nats_test

import (
	"encoding/binary"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/hub"
	"github.com/draftwire/draftwire/hub/nats"
	"github.com/draftwire/draftwire/internal/wstest"
)

// look reads messages of 125 bytes, which have a head of 2 bytes.
func look(r io.Reader, took func(time.Duration)) {
	p := make([]byte, 127)
	for {
		if _, err := io.ReadFull(r, p); err != nil {
			return
		}
		took(time.Duration(time.Now().UnixNano() - int64(binary.BigEndian.Uint64(p[2:]))))
	}
}

// Ten messages in a row to 5,000 members of one of two programs, published in the other one: it must not
// take long until the last one has come.
func BenchmarkCrowd(b *testing.B) {
	const members, row = 5000, 10
	s, err := nats.StartServer(nats.ServerOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	var brokers []*nats.Broker
	for range 2 {
		x, err := nats.Connect(nats.Options{Server: s})
		if err == nil {
			err = x.Wait(bg)
		}
		if err != nil {
			b.Fatal(err)
		}
		defer x.Close()
		brokers = append(brokers, x)
	}
	var mu sync.Mutex
	var all []time.Duration
	took := func(d time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, d)
	}
	conns := wstest.Crowd(b, members, func(i int, nc net.Conn) {
		if i%100 == 0 { // it looks how long messages took, which begin with their time
			look(nc, took)
		}
		io.Copy(io.Discard, nc)
	})
	h := hub.New(&hub.Options{Broker: brokers[0]})
	defer h.Close()
	for _, c := range conns {
		if _, err := h.Join(bg, c, "r", hub.JoinOptions{}); err != nil {
			b.Fatal(err)
		}
	}
	sent := uint64(0)
	for b.Loop() {
		var wg sync.WaitGroup
		for range row {
			wg.Go(func() {
				data := make([]byte, 125)
				binary.BigEndian.PutUint64(data, uint64(time.Now().UnixNano()))
				if _, err := brokers[1].Publish(bg, "r", draftwire.OpBinary, data); err != nil {
					b.Error(err)
				}
			})
		}
		wg.Wait()
		for sent += members * row; h.Stats().Delivered+h.Stats().Missed < sent; {
			time.Sleep(100 * time.Microsecond)
		}
	}
	if x := h.Stats(); x.Missed > 0 {
		b.Errorf("%+v", x)
	}
	b.ReportMetric(float64(b.N)*members*row/b.Elapsed().Seconds(), "deliveries/s")
	mu.Lock()
	defer mu.Unlock()
	slices.Sort(all)
	if len(all) > 0 {
		b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "p99-ms")
	}
}
