package nats

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/draftwire/draftwire/fleet"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// bus is a fleet.Bus. Its values stand in the table, behind "bus.".
type bus struct{ b *Broker }

// Bus returns a bus for what gateways say to each other. It ends with the broker.
func (b *Broker) Bus() fleet.Bus { return bus{b} }

func (u bus) subject(s string) string { return u.b.o.Prefix + ".bus." + s }
func (u bus) key(k string) string     { return "bus." + k }

func (u bus) Send(ctx context.Context, subject string, data []byte) error {
	if len(data) > fleet.MaxValue {
		return fleet.ErrTooLarge
	}
	if err := u.b.nc.Publish(u.subject(subject), data); err != nil {
		return away(ctx, err)
	}
	return nil
}

func (u bus) Handle(subject string, f func(data []byte) []byte) (cancel func(), err error) {
	done := make(chan struct{})
	var asked sync.WaitGroup
	room := make(chan struct{}, maxAsked)
	sub, err := u.b.nc.Subscribe(u.subject(subject), func(m *natsgo.Msg) {
		if m.Reply == "" {
			f(m.Data) // in order
			return
		}
		room <- struct{}{}
		asked.Go(func() {
			defer func() { <-room }()
			if answer := f(m.Data); answer != nil && len(answer) <= fleet.MaxValue {
				m.Respond(answer)
			}
		})
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAway, err)
	}
	sub.SetClosedHandler(func(string) { close(done) })
	if u.b.nc.IsConnected() { // so that it hears what is sent from here on; else, what is sent from then on
		u.b.nc.FlushTimeout(u.b.o.Timeout)
	}
	return func() {
		if sub.Unsubscribe() == nil {
			<-done
		}
		asked.Wait()
	}, nil
}

// maxAsked is how many questions of a subject are answered at a time; more wait.
const maxAsked = 64

func (u bus) Ask(ctx context.Context, subject string, data []byte, n int) ([][]byte, error) {
	if len(data) > fleet.MaxValue {
		return nil, fleet.ErrTooLarge
	}
	return u.b.all(ctx, u.subject(subject), data, n)
}

func (u bus) Load(ctx context.Context, key string) (value []byte, revision uint64, err error) {
	t, err := u.b.table(ctx)
	if err != nil {
		return nil, 0, away(ctx, err)
	}
	e, err := t.Get(ctx, u.key(key))
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound):
		return nil, 0, fleet.ErrNone
	case err != nil:
		u.b.lost()
		return nil, 0, away(ctx, err)
	}
	return e.Value(), e.Revision(), nil
}

func (u bus) Store(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	if len(value) > fleet.MaxValue {
		return 0, fleet.ErrTooLarge
	}
	t, err := u.b.table(ctx)
	if err != nil {
		return 0, away(ctx, err)
	}
	switch {
	case len(value) == 0:
		return u.remove(ctx, t, key, revision)
	case revision == 0:
		revision, err = t.Create(ctx, u.key(key), value)
	default:
		revision, err = t.Update(ctx, u.key(key), value, revision)
	}
	switch {
	case errors.Is(err, jetstream.ErrKeyExists), errors.Is(err, jetstream.ErrKeyRevisionMismatch):
		return 0, fleet.ErrChanged
	case err != nil:
		u.b.lost()
		return 0, away(ctx, err)
	}
	return revision, nil
}

// remove takes away a value of a revision; of 0, where there is none, there is nothing to do.
func (u bus) remove(ctx context.Context, t jetstream.KeyValue, key string, revision uint64) (uint64, error) {
	if revision == 0 {
		if _, _, err := u.Load(ctx, key); errors.Is(err, fleet.ErrNone) {
			return 0, nil
		} else if err != nil {
			return 0, err
		}
		return 0, fleet.ErrChanged
	}
	err := t.Delete(ctx, u.key(key), jetstream.LastRevision(revision))
	if wrongRevision(err) || errors.Is(err, jetstream.ErrKeyRevisionMismatch) {
		return 0, fleet.ErrChanged
	}
	if err != nil {
		u.b.lost()
		return 0, away(ctx, err)
	}
	return 0, nil
}

func (u bus) Keys(ctx context.Context, prefix string) (keys []string, err error) {
	t, err := u.b.table(ctx)
	if err != nil {
		return nil, away(ctx, err)
	}
	lister, err := t.ListKeysFiltered(ctx, "bus.>")
	if err != nil {
		u.b.lost()
		return nil, away(ctx, err)
	}
	defer lister.Stop()
	for key := range lister.Keys() {
		if k, of := strings.CutPrefix(key, u.key(prefix)); of {
			keys = append(keys, prefix+k)
		}
	}
	if ctx.Err() != nil {
		return nil, away(ctx, ctx.Err())
	}
	return keys, nil
}

// wrongRevision reports whether a value has another revision than the one that was to be replaced.
func wrongRevision(err error) bool {
	e, ok := errors.AsType[*jetstream.APIError](err)
	return ok && e.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence
}
