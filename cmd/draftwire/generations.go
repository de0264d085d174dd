package main

import (
	"context"
	"net/http"
	"os"
	"time"

	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/metrics"
	dto "github.com/prometheus/client_model/go"
)

// What the processes that are one gateway show as one.

// status is the state of this process and those before it.
func (r *runningGateway) status() gateway.Status {
	s := r.Status()
	own := gateway.Generation{PID: os.Getpid(), Version: readBuild().Version, Started: s.Started, Connections: s.Connections}
	if until := r.until.Load(); until != 0 {
		own.Until = time.UnixMilli(until)
	}
	s.Generations, s.Hub = []gateway.Generation{own}, r.broker.status(r.Config().Hub)
	r.before.addStatus(&s)
	return s
}

// gather returns the metrics of this process and those before it.
func (r *runningGateway) gather() ([]*dto.MetricFamily, error) {
	own, err := r.registry.Gather()
	if err != nil {
		return own, err
	}
	return r.before.addCounts(own), nil
}

// rooms returns what the metrics tell of rooms.
func (r *runningGateway) rooms() (list []metrics.Rooms) {
	for _, s := range r.RoomStats() {
		list = append(list, metrics.Rooms{
			Route: s.Route, Rooms: s.Rooms, Members: s.Members, Lagging: s.Lagging, Upstreams: s.Upstreams,
			Deliveries: map[string]uint64{"delivered": s.Delivered, "missed": s.Missed, "unsupported": s.Unsupported},
			Messages: map[string]uint64{
				"published": s.Published, "unpublished": s.Unpublished, "heard": s.Heard, "unheard": s.Unheard, "ignored": s.Ignored,
			},
			Disconnected: s.Disconnected,
		})
	}
	return list
}

// usage answers with the ledger.
func (r *runningGateway) usage(w http.ResponseWriter, q *http.Request) {
	r.before.pull() // without an answer: as of the last time
	r.watch.book.ServeHTTP(w, q)
}

// sweep does what is to be done now and then, until ctx ends.
func (r *runningGateway) sweep(ctx context.Context) {
	t := time.NewTicker(sweepEvery)
	defer t.Stop()
	for {
		r.watch.sweep(r.Gateway)
		if r.successor.Load() == 0 {
			r.before.pull()
			r.before.count(askTimeout)
			if r.upgrading.TryLock() {
				r.takeBack() // where an upgrade that failed has left the ledger closed
				r.upgrading.Unlock()
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// orderDrain makes the main loop drain the gateway.
func (r *runningGateway) orderDrain() {
	select {
	case r.drain <- struct{}{}:
	default:
	}
}

func (r *runningGateway) isEnding() bool {
	select {
	case <-r.ending:
		return true
	default:
		return false
	}
}
