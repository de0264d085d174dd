package metrics

import (
	"github.com/draftwire/draftwire/wire"
	"github.com/prometheus/client_golang/prometheus"
)

// The directions of messages.
const (
	In  = "in"
	Out = "out"
)

// The indexes of Metrics.meters.
const (
	rowIn = iota
	rowOut
	rowOther
	numDirections
)

// metered are the types of messages by their operation. Any other operation is "other".
var metered = [...]string{wire.OpText: "text", wire.OpBinary: "binary", wire.OpPing: "ping", wire.OpPong: "pong", wire.OpClose: "close"}

// Meter counts the messages of one version in one direction. It is made once and shared, so
// that counting neither allocates nor looks anything up.
type Meter struct {
	types [len(metered)]prometheus.Counter
	rest  prometheus.Counter
	bytes prometheus.Counter
	size  *sizesOf
}

// Meter returns the counter of messages of a version in a direction, In or Out from the
// program's point of view.
func (m *Metrics) Meter(v wire.Version, direction string) *Meter {
	row := rowOther
	switch direction {
	case In:
		row = rowIn
	case Out:
		row = rowOut
	default:
		direction = other
	}
	slot := &m.meters[index(v)][row]
	if got := slot.Load(); got != nil {
		return got
	}
	made := &Meter{
		rest:  m.messages.WithLabelValues(draft(v), direction, other),
		bytes: m.messageBytes.WithLabelValues(draft(v), direction),
		size:  &m.messageSize.of[row],
	}
	made.size.used.Store(true)
	for op, name := range metered {
		made.types[op] = made.rest
		if name != "" {
			made.types[op] = m.messages.WithLabelValues(draft(v), direction, name)
		}
	}
	slot.Store(made) // another goroutine may have stored one: it has the same counters
	return made
}

// Message counts a message, a ping, a pong or a close with n bytes of payload.
func (m *Meter) Message(op wire.Op, n int) { m.Messages(op, n, 1) }

// Messages counts several that have n bytes of payload each.
func (m *Meter) Messages(op wire.Op, n, times int) {
	c := m.rest
	if int(op) < len(m.types) {
		c = m.types[op]
	}
	c.Add(float64(times))
	if n > 0 {
		m.bytes.Add(float64(n) * float64(times))
	}
	if op.IsData() {
		m.size.add(n, times)
	}
}
