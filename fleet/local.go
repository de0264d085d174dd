package fleet

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Local is a Bus within a process: for tests, and for gateways that share one. A Local is the way of one process
// to the bus; Port makes that of another one, and Break interrupts one of them. Its zero value is not
// usable.
type Local struct {
	hub *localHub

	mu    sync.Mutex
	how   Break
	again chan struct{} // closed when how changes
}

// Break is how a Local is interrupted.
type Break int

// The ways in which a Local is interrupted.
const (
	// Whole is not at all.
	Whole Break = iota
	// Cut fails each call at once, with ErrAway, and loses what others send.
	Cut
	// Hung lets each call wait until its context ends or the bus is whole again, and loses what others send.
	Hung
	// Deaf carries out each call, and loses what comes back: the call fails with ErrAway.
	Deaf
)

// localHub is what all ports share.
type localHub struct {
	mu       sync.Mutex
	handlers map[string][]*localHandler
	values   map[string]localValue
	last     uint64 // revision
}

type localValue struct {
	data     []byte
	revision uint64
}

// localQueue is how many messages wait for a handler; more are lost.
const localQueue = 1024

// localHandler calls f: in its own goroutine for what is sent, one by one, and in a goroutine each for what is
// asked.
type localHandler struct {
	port    *Local
	f       func([]byte) []byte
	queue   chan []byte
	stop    chan struct{}
	calling sync.WaitGroup
	mu      sync.Mutex
	over    bool
}

// NewLocal returns a Local of a bus of its own.
func NewLocal() *Local {
	return (&localHub{handlers: map[string][]*localHandler{}, values: map[string]localValue{}}).port()
}

func (h *localHub) port() *Local { return &Local{hub: h, again: make(chan struct{})} }

// Port returns the way of another process to the same bus.
func (l *Local) Port() *Local { return l.hub.port() }

// Break interrupts this way to the bus, or with Whole makes it whole again. It holds for calls from now on and
// for those that wait.
func (l *Local) Break(how Break) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.how = how
	close(l.again)
	l.again = make(chan struct{})
}

func (l *Local) state() (Break, chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.how, l.again
}

// hears reports whether this way lets in what others send.
func (l *Local) hears() bool {
	how, _ := l.state()
	return how == Whole
}

// enter waits until a call may have its effect. lost tells that its answer does not come back.
func (l *Local) enter(ctx context.Context) (lost bool, err error) {
	for {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		how, again := l.state()
		switch how {
		case Cut:
			return false, ErrAway
		case Hung:
			select {
			case <-again:
			case <-ctx.Done():
			}
			continue
		}
		return how == Deaf, nil
	}
}

// away is the error of a call whose answer is lost.
func away(lost bool) error {
	if lost {
		return ErrAway
	}
	return nil
}

// Send implements Bus.
func (l *Local) Send(ctx context.Context, subject string, data []byte) error {
	if len(data) > MaxValue {
		return ErrTooLarge
	}
	lost, err := l.enter(ctx)
	if err != nil {
		return err
	}
	for _, h := range l.hub.of(subject) {
		if h.port != l && !h.port.hears() || h.port == l && lost {
			continue
		}
		select {
		case h.queue <- bytes.Clone(data):
		default: // as a bus loses what is not taken
		}
	}
	return away(lost)
}

func (h *localHub) of(subject string) []*localHandler {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.handlers[subject])
}

// Handle implements Bus.
func (l *Local) Handle(subject string, f func(data []byte) []byte) (cancel func(), err error) {
	h := &localHandler{port: l, f: f, queue: make(chan []byte, localQueue), stop: make(chan struct{})}
	l.hub.mu.Lock()
	l.hub.handlers[subject] = append(l.hub.handlers[subject], h)
	l.hub.mu.Unlock()
	h.calling.Go(h.run)
	return sync.OnceFunc(func() {
		l.hub.mu.Lock()
		l.hub.handlers[subject] = slices.DeleteFunc(slices.Clone(l.hub.handlers[subject]), func(x *localHandler) bool { return x == h })
		l.hub.mu.Unlock()
		h.mu.Lock()
		h.over = true
		h.mu.Unlock()
		close(h.stop)
		h.calling.Wait()
	}), nil
}

func (h *localHandler) run() {
	for {
		select {
		case <-h.stop:
			return
		case data := <-h.queue:
			h.f(data)
		}
	}
}

// ask calls f, and gives what it returns to answers.
func (h *localHandler) ask(data []byte, answers chan<- []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over {
		return
	}
	h.calling.Go(func() {
		a := h.f(bytes.Clone(data))
		if a == nil || len(a) > MaxValue || !h.port.hears() {
			return
		}
		select {
		case answers <- a:
		default:
		}
	})
}

// Ask implements Bus.
func (l *Local) Ask(ctx context.Context, subject string, data []byte, n int) (list [][]byte, err error) {
	if len(data) > MaxValue {
		return nil, ErrTooLarge
	}
	lost, err := l.enter(ctx)
	if err != nil {
		return nil, err
	}
	answers := make(chan []byte, localQueue)
	for _, h := range l.hub.of(subject) {
		if h.port == l || h.port.hears() {
			h.ask(data, answers)
		}
	}
	if lost {
		return nil, ErrAway
	}
	for len(list) < n {
		select {
		case a := <-answers:
			if l.hears() {
				list = append(list, a)
			}
		case <-ctx.Done():
			return list, nil
		}
	}
	return list, nil
}

// Load implements Bus.
func (l *Local) Load(ctx context.Context, key string) ([]byte, uint64, error) {
	lost, err := l.enter(ctx)
	if err != nil || lost {
		return nil, 0, cmpErr(err, ErrAway)
	}
	l.hub.mu.Lock()
	defer l.hub.mu.Unlock()
	v, ok := l.hub.values[key]
	if !ok {
		return nil, 0, ErrNone
	}
	return bytes.Clone(v.data), v.revision, nil
}

// cmpErr returns the first that is not nil.
func cmpErr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// Store implements Bus.
func (l *Local) Store(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	if len(value) > MaxValue {
		return 0, ErrTooLarge
	}
	lost, err := l.enter(ctx)
	if err != nil {
		return 0, err
	}
	h := l.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.values[key].revision != revision:
		return 0, cmpErr(away(lost), ErrChanged)
	case len(value) == 0:
		delete(h.values, key)
		return 0, away(lost)
	}
	h.last++
	h.values[key] = localValue{bytes.Clone(value), h.last}
	if lost {
		return 0, ErrAway
	}
	return h.last, nil
}

// Keys implements Bus. They are sorted.
func (l *Local) Keys(ctx context.Context, prefix string) ([]string, error) {
	lost, err := l.enter(ctx)
	if err != nil || lost {
		return nil, cmpErr(err, ErrAway)
	}
	l.hub.mu.Lock()
	defer l.hub.mu.Unlock()
	list := slices.Sorted(maps.Keys(l.hub.values))
	return slices.DeleteFunc(list, func(key string) bool { return !strings.HasPrefix(key, prefix) }), nil
}
