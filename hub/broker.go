package hub

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/draftwire/draftwire"
)

// Position is the place of a message in its room. Messages of a room are numbered from 1 on, without
// holes, in an epoch; a new epoch begins when a broker has forgotten the room. The zero value is no
// place.
type Position struct {
	Epoch uint64
	Seq   uint64 // 0: before the first message of the epoch
}

// String returns the position as ParsePosition reads it: 16 digits of the epoch in hexadecimal, a
// hyphen, and the number. It is safe in a URL and in a cookie.
func (p Position) String() string { return fmt.Sprintf("%016x-%d", p.Epoch, p.Seq) }

// ParsePosition reads a position as String writes it.
func ParsePosition(s string) (Position, error) {
	epoch, seq, ok := strings.Cut(s, "-")
	e, err := strconv.ParseUint(epoch, 16, 64)
	n, err2 := strconv.ParseUint(seq, 10, 64)
	if !ok || len(epoch) != 16 || err != nil || err2 != nil {
		return Position{}, fmt.Errorf("hub: %.40q is not a position", s)
	}
	return Position{e, n}, nil
}

// Message is a message of a room.
type Message struct {
	Position
	At   time.Time // when it was published
	Op   draftwire.Op
	Data []byte // must not be changed
}

// Feed is what a hub gives a broker for a room. Its functions are called one at a time.
type Feed struct {
	// Message takes the next message of the room. It returns soon, but may wait while the hub
	// is busy with earlier ones.
	Message func(Message)
	// Members returns how many members the room has in this hub. It may be called at any time.
	Members func() int
}

// Broker carries messages between hubs. Its methods may be called from many goroutines.
type Broker interface {
	// Subscribe begins to give each message of a room to a feed, in order. What comes behind the
	// position that is returned comes to the feed. A hole in the numbers tells what was lost.
	// cancel ends it: no function of the feed is called after it has returned. No function of the feed may call it,
	// nor Close of the broker: both wait for it.
	Subscribe(ctx context.Context, room string, f Feed) (at Position, cancel func(), err error)
	// Publish appends a message to a room. data must not be changed afterwards.
	Publish(ctx context.Context, room string, op draftwire.Op, data []byte) (Position, error)
	// History returns the messages of a room behind a position, at most limit of them, the
	// oldest first. Those that are no longer kept are left out, which shows by their numbers. With
	// a position of another epoch, or none, it begins with the oldest message that is kept.
	History(ctx context.Context, room string, after Position, limit int) ([]Message, error)
	// Members returns how many members a room has in all hubs. It counts none to whom a message that is
	// published then would not come: whoever has seen one may publish for it.
	Members(ctx context.Context, room string) (int, error)
}

// Elector chooses one of all processes for a thing. Brokers that reach several processes are one, and so
// is Memory.
type Elector interface {
	// Lead waits until nobody else holds a name, and calls f, whose context ends when the name may not be
	// held any longer: f must then stop at once, as another one takes it over. The name is free when f has returned.
	// The error is what f has returned, or that of ctx.
	Lead(ctx context.Context, name string, f func(ctx context.Context) error) error
}

// Errors of hubs and brokers.
var (
	ErrName     = errors.New("hub: the name of a room is empty or too long")
	ErrRooms    = errors.New("hub: there are as many rooms as there may be")
	ErrMembers  = errors.New("hub: there are as many members as there may be")
	ErrJoined   = errors.New("hub: the connection is a member of the room already")
	ErrTooLarge = errors.New("hub: the message is too large")
	ErrClosed   = errors.New("hub: the hub is closed")
)
