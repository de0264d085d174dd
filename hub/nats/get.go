package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	natsgo "github.com/nats-io/nats.go"
)

// request asks a stream for messages (ADR-31 of NATS, direct get).
type request struct {
	Seq       uint64   `json:"seq,omitempty"`
	NextFor   string   `json:"next_by_subj,omitempty"`
	LastFor   string   `json:"last_by_subj,omitempty"`
	MultiLast []string `json:"multi_last,omitempty"`
	Batch     int      `json:"batch,omitempty"`
	MaxBytes  int      `json:"max_bytes,omitempty"`
}

// What is read at once, and by how many at a time: when a connection is there again, all rooms may want to.
const (
	readBatches = 256
	readBytes   = 2 << 20
	maxReading  = 16
)

// away is the error of a question that was not answered.
func away(ctx context.Context, err error) error {
	if ctx.Err() != nil && context.Cause(ctx) == context.Canceled {
		return context.Canceled
	}
	return fmt.Errorf("%w: %w", ErrAway, err)
}

// after returns batches of a subject, from a number of the stream on. rest says that there are more.
func (b *Broker) after(ctx context.Context, subject string, from uint64) (list []*batch, rest bool, err error) {
	return b.get(ctx, &request{Seq: from, NextFor: subject, Batch: readBatches, MaxBytes: readBytes})
}

// last returns the last batch of each subject that has one. rest says that it was too much: not of all.
func (b *Broker) last(ctx context.Context, subjects ...string) (list []*batch, rest bool, err error) {
	return b.get(ctx, &request{MultiLast: subjects, Batch: len(subjects), MaxBytes: readBytes})
}

// get asks the stream. rest says that it has more than it has sent. With an error, the list is what came before it.
func (b *Broker) get(ctx context.Context, q *request) (list []*batch, rest bool, err error) {
	select {
	case b.reading <- struct{}{}:
		defer func() { <-b.reading }()
	case <-ctx.Done():
		return nil, false, away(ctx, context.Cause(ctx))
	}
	ctx, cancel := context.WithTimeout(ctx, b.o.Timeout)
	defer cancel()
	body, err := json.Marshal(q)
	if err != nil {
		return nil, false, err
	}
	inbox := b.nc.NewInbox()
	sub, err := b.nc.SubscribeSync(inbox)
	if err != nil {
		return nil, false, away(ctx, b.reason(err))
	}
	defer sub.Unsubscribe()
	if err := b.nc.PublishRequest("$JS.API.DIRECT.GET."+b.stream(), inbox, body); err != nil {
		return nil, false, away(ctx, b.reason(err))
	}
	for {
		m, err := sub.NextMsgWithContext(ctx)
		if errors.Is(err, natsgo.ErrNoResponders) {
			b.lost() // there is no such stream, or nobody leads it
		}
		if err != nil {
			return list, rest, away(ctx, b.reason(err))
		}
		switch status := m.Header.Get("Status"); status {
		case "":
		case "204", "404": // the end of the answers; there are none
			return list, rest, nil
		default:
			b.lost()
			return list, rest, away(ctx, fmt.Errorf("status %s: %s", status, m.Header.Get("Description")))
		}
		if x, err := received(m); err == nil {
			x.subject = m.Header.Get("Nats-Subject")
			list = append(list, x)
			pending := m.Header.Get("Nats-Num-Pending")
			rest = pending != "" && pending != "0"
		}
	}
}

// answer is what the leader of a stream says of one message.
type answer struct {
	Message *struct {
		Seq    uint64 `json:"seq"`
		Header []byte `json:"hdrs"`
		Data   []byte `json:"data"`
	} `json:"message"`
	Error *struct {
		Code        int    `json:"code"`
		Description string `json:"description"`
	} `json:"error"`
}

// ask asks the leader of the stream for one batch: nil where there is none. Other servers may not know
// yet what the leader has stored.
func (b *Broker) ask(ctx context.Context, q *request) (*batch, error) {
	a, err := b.askLeader(ctx, b.stream(), q)
	if err != nil || a.Message == nil {
		return nil, err
	}
	return stored(a.Message.Data, a.Message.Seq), nil
}

// askLeader asks the leader of a stream for one message. The answer has none where the stream has none.
func (b *Broker) askLeader(ctx context.Context, stream string, q *request) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, b.o.Timeout)
	defer cancel()
	body, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	m, err := b.nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+stream, body)
	if err != nil {
		if errors.Is(err, natsgo.ErrNoResponders) {
			b.lost()
		}
		return nil, away(ctx, b.reason(err))
	}
	var a answer
	if err := json.Unmarshal(m.Data, &a); err != nil {
		return nil, away(ctx, err)
	}
	switch {
	case a.Error != nil && a.Error.Code == 404 && strings.Contains(a.Error.Description, "no message"):
		return &answer{}, nil
	case a.Error != nil:
		b.lost()
		return nil, away(ctx, errors.New(a.Error.Description))
	case a.Message == nil:
		return nil, away(ctx, errBatch)
	}
	return &a, nil
}
