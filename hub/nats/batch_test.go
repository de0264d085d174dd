package nats

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/hub"
)

func sample(n int) *batch {
	b := &batch{epoch: 7, first: 40, at: time.UnixMicro(1790000000000001)}
	b.writer[3] = 9
	for i := range n {
		b.messages = append(b.messages, hub.Message{Position: hub.Position{Epoch: 7, Seq: 40 + uint64(i)}, At: b.at, Op: []draftwire.Op{draftwire.OpText, draftwire.OpBinary}[i%2], Data: bytes.Repeat([]byte{'x'}, i*100)})
	}
	return b
}

func TestBatchComesBack(t *testing.T) {
	for n := range 4 {
		b := sample(n)
		got, err := parseBatch(b.append(nil))
		if err != nil || !reflect.DeepEqual(got, b) {
			t.Errorf("%d messages: %+v, %v, want %+v", n, got, err, b)
		}
		if last := got.last(); last != (hub.Position{Epoch: 7, Seq: 39 + uint64(n)}) {
			t.Errorf("the last of %d is %v", n, last)
		}
	}
}

// FuzzBatch: whatever comes is a batch or an error, and a batch is the same when it is written again and read.
func FuzzBatch(f *testing.F) {
	for n := range 4 {
		p := sample(n).append(nil)
		f.Add(p)
		f.Add(p[:len(p)-1])
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		b, err := parseBatch(p)
		if err != nil {
			return
		}
		again, err := parseBatch(b.append(nil))
		if err != nil || !reflect.DeepEqual(again, b) {
			t.Errorf("%+v, %v, want %+v", again, err, b)
		}
	})
}
