package fleet

import (
	"context"
	"errors"
)

// Bus carries short messages between processes. Its methods may be called from many goroutines. Subjects
// and keys are of letters, digits, '-' and '.'. What comes out of it is a peer's: whoever reads it checks it.
//
// Each call ends when its context ends, also where the bus hangs. An error says that a call may have had no
// effect, not that it had none: a Store whose answer was lost has stored.
type Bus interface {
	// Send gives data to all that handle a subject, in each process, this one too. Each gets it once or, where
	// it cannot be reached, not at all. What one process sends to a subject comes in order.
	Send(ctx context.Context, subject string, data []byte) error
	// Handle calls f for what is sent to a subject, or asked of it; what f returns goes to who has
	// asked, if it is not nil. f may be called by several goroutines at a time: what is asked does not wait for
	// the f of another question. cancel ends it: f is not called after it has returned. f must not call it. Where
	// the bus is away Handle fails or, better, holds from when it is back.
	Handle(subject string, f func(data []byte) []byte) (cancel func(), err error)
	// Ask sends data and returns the answers: as soon as there are n, and what has come when ctx ends, which
	// is no error.
	Ask(ctx context.Context, subject string, data []byte, n int) ([][]byte, error)
	// Load returns a value that is kept for all, and its revision: ErrNone where there is none.
	Load(ctx context.Context, key string) (value []byte, revision uint64, err error)
	// Store keeps a value, if revision is that of the value that stands there, 0 for none. Otherwise
	// its error is ErrChanged. A value is at most MaxValue long. An empty value is none: Store takes away what
	// stands there, Load says ErrNone, and Keys leaves the key out.
	Store(ctx context.Context, key string, value []byte, revision uint64) (uint64, error)
	// Keys returns the keys that begin with a prefix.
	Keys(ctx context.Context, prefix string) ([]string, error)
}

// MaxValue is how long a value, a message or an answer of a Bus is at most, in bytes.
const MaxValue = 512 << 10

// Errors of a Bus.
var (
	ErrNone     = errors.New("fleet: there is no such value")
	ErrChanged  = errors.New("fleet: the value was changed meanwhile")
	ErrTooLarge = errors.New("fleet: the value is too large")
	ErrAway     = errors.New("fleet: the bus cannot be reached")
)
