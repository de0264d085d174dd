package nats

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strconv"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/hub"
	natsgo "github.com/nats-io/nats.go"
)

// batch is a message of NATS: messages of a room that follow each other. On the wire it is
//
//	format     1 byte: 1
//	epoch      8 bytes, big endian
//	writer     16 bytes, which no other batch has
//	first      uvarint: the number of its first message
//	time       uvarint: microseconds since 1970
//	messages   each: 't' or 'b', length as a uvarint, payload
//
// One without messages opens an epoch: whoever joins then has a place to come back to.
type batch struct {
	epoch    uint64
	first    uint64 // the number of its first message
	writer   [16]byte
	stream   uint64 // its number in the stream; 0: not stored yet
	foreign  bool   // it is no batch: another program has written it, and its number alone counts
	subject  string // of one that was asked for
	at       time.Time
	messages []hub.Message
}

const batchFormat = 1

// maxNumber is above the number of each message: what says more was not written by a program of these.
const maxNumber = 1 << 62

// batchRoom is what a batch has besides its messages, and messageRoom what a message has besides its payload, at most.
const (
	batchRoom   = 1 + 8 + 16 + 2*binary.MaxVarintLen64
	messageRoom = 1 + binary.MaxVarintLen64
)

var errBatch = errors.New("hub/nats: a message of the stream is not one of a room")

// last is the place of the last message, or of that before it, if it has none.
func (b *batch) last() hub.Position {
	return hub.Position{Epoch: b.epoch, Seq: b.first + uint64(len(b.messages)) - 1}
}

// append appends the batch as it is on the wire.
func (b *batch) append(p []byte) []byte {
	p = append(p, batchFormat)
	p = binary.BigEndian.AppendUint64(p, b.epoch)
	p = append(p, b.writer[:]...)
	p = binary.AppendUvarint(p, b.first)
	p = binary.AppendUvarint(p, uint64(max(0, b.at.UnixMicro())))
	for _, m := range b.messages {
		op := byte('t')
		if m.Op == draftwire.OpBinary {
			op = 'b'
		}
		p = append(p, op)
		p = binary.AppendUvarint(p, uint64(len(m.Data)))
		p = append(p, m.Data...)
	}
	return p
}

// parseBatch reads a batch. The payload of its messages stays in p.
func parseBatch(p []byte) (*batch, error) {
	if len(p) < 1+8+16 || p[0] != batchFormat {
		return nil, errBatch
	}
	b := &batch{epoch: binary.BigEndian.Uint64(p[1:])}
	copy(b.writer[:], p[9:])
	p = p[25:]
	var n int
	if b.first, n = binary.Uvarint(p); n <= 0 || b.first == 0 || b.first > maxNumber || b.epoch == 0 {
		return nil, errBatch
	}
	p = p[n:]
	micro, n := binary.Uvarint(p)
	if n <= 0 {
		return nil, errBatch
	}
	p = p[n:]
	b.at = time.UnixMicro(int64(min(micro, 1<<56)))
	for seq := b.first; len(p) > 0; seq++ {
		op := draftwire.OpText
		switch p[0] {
		case 't':
		case 'b':
			op = draftwire.OpBinary
		default:
			return nil, errBatch
		}
		size, n := binary.Uvarint(p[1:])
		if n <= 0 || size > uint64(len(p)-1-n) {
			return nil, errBatch
		}
		end := 1 + n + int(size)
		b.messages = append(b.messages, hub.Message{Position: hub.Position{Epoch: b.epoch, Seq: seq}, At: b.at, Op: op, Data: p[1+n : end : end]})
		p = p[end:]
	}
	return b, nil
}

// stored reads a batch of the stream, which has that number there.
func stored(p []byte, number uint64) *batch {
	b, err := parseBatch(p)
	if err != nil {
		b = &batch{foreign: true}
	}
	b.stream = number
	return b
}

// received reads a batch that the stream has sent, with its number there.
func received(m *natsgo.Msg) (*batch, error) {
	number, err := strconv.ParseUint(m.Header.Get("Nats-Sequence"), 10, 64)
	if err != nil || number == 0 {
		return nil, errBatch
	}
	return stored(m.Data, number), nil
}

// token is the name of a room, or of something else, as a part of a subject.
func token(name string) string { return base64.RawURLEncoding.EncodeToString([]byte(name)) }
