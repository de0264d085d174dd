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

// What is read at once.
const (
	readBatches = 256
	readBytes   = 2 << 20
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
	list, err = b.get(ctx, &request{Seq: from, NextFor: subject, Batch: readBatches, MaxBytes: readBytes})
	if err != nil {
		return nil, false, err
	}
	size := 0
	for _, x := range list {
		size += x.size
	}
	return list, len(list) >= readBatches || size >= readBytes, nil
}

// last returns the last batch of each subject that has one.
func (b *Broker) last(ctx context.Context, subjects ...string) ([]*batch, error) {
	return b.get(ctx, &request{MultiLast: subjects, Batch: len(subjects), MaxBytes: readBytes})
}

// get asks the stream. What is not a batch is left out.
func (b *Broker) get(ctx context.Context, q *request) (list []*batch, err error) {
	ctx, cancel := context.WithTimeout(ctx, b.o.Timeout)
	defer cancel()
	body, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	inbox := b.nc.NewInbox()
	sub, err := b.nc.SubscribeSync(inbox)
	if err != nil {
		return nil, away(ctx, err)
	}
	defer sub.Unsubscribe()
	if err := b.nc.PublishRequest("$JS.API.DIRECT.GET."+b.stream(), inbox, body); err != nil {
		return nil, away(ctx, err)
	}
	for {
		m, err := sub.NextMsgWithContext(ctx)
		if errors.Is(err, natsgo.ErrNoResponders) {
			b.lost() // there is no such stream, or nobody leads it
		}
		if err != nil {
			return nil, away(ctx, err)
		}
		switch status := m.Header.Get("Status"); status {
		case "":
		case "204", "404": // the end of the answers; there are none
			return list, nil
		default:
			b.lost()
			return nil, away(ctx, fmt.Errorf("status %s: %s", status, m.Header.Get("Description")))
		}
		if x, err := received(m); err == nil {
			x.size, x.subject = len(m.Data), m.Header.Get("Nats-Subject")
			list = append(list, x)
		}
	}
}

// answer is what the leader of a stream says of one message.
type answer struct {
	Message *struct {
		Seq  uint64 `json:"seq"`
		Data []byte `json:"data"`
	} `json:"message"`
	Error *struct {
		Code        int    `json:"code"`
		Description string `json:"description"`
	} `json:"error"`
}

// ask asks the leader of the stream for one batch: nil where there is none. Other servers may not know
// yet what the leader has stored.
func (b *Broker) ask(ctx context.Context, q *request) (*batch, error) {
	body, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	m, err := b.nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+b.stream(), body)
	if err != nil {
		return nil, away(ctx, err)
	}
	var a answer
	if err := json.Unmarshal(m.Data, &a); err != nil {
		return nil, away(ctx, err)
	}
	switch {
	case a.Error != nil && a.Error.Code == 404 && strings.Contains(a.Error.Description, "no message"):
		return nil, nil
	case a.Error != nil:
		b.lost()
		return nil, away(ctx, errors.New(a.Error.Description))
	case a.Message == nil:
		return nil, away(ctx, errBatch)
	}
	x, err := parseBatch(a.Message.Data)
	if err != nil {
		return nil, away(ctx, err)
	}
	x.stream = a.Message.Seq
	return x, nil
}
