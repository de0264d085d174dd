package wsconn

import (
	"math"

	"github.com/draftwire/draftwire/internal/pool"
)

// backlog are the frames that Post has left behind a write. They are not copied: of a
// broadcast that a thousand members do not take there is one frame, not a thousand. While
// there is a backlog a goroutine is writing. It goes behind what the queue holds.
type backlog struct {
	frames []*[]byte
	bytes  int
	begun  int // how many have been taken for writing
}

// posted is the beginning of a backlog: so much of it goes before something else, which
// does not wait for what is posted later, as that may never stop.
type posted struct {
	in *backlog
	n  int
}

// backlogSoFar returns what is posted at the moment. Where frames are compressed they go
// in the order in which they were made, so that it is all, whenever it is posted.
func (w *writer) backlogSoFar() posted {
	b := w.backlog()
	switch {
	case w.c.ses.Compresses():
		return everything
	case b == nil:
		return nothing
	}
	return posted{b, b.begun + len(b.frames)}
}

// everything is all that is posted, now and later; nothing is none of it.
var everything, nothing = posted{n: math.MaxInt}, posted{}

// has reports whether some of the beginning p has not gone.
func (b *backlog) has(p posted) bool {
	return p == everything || p.in == b && b.begun < p.n
}

// backlogMost is how many frames may wait, as each costs eight bytes.
const backlogMost = 4096

// waiting returns how many bytes wait to be written.
func (w *writer) waiting() (n int) {
	if w.queue != nil {
		n = len(w.queue.B)
	}
	if b := w.backlog(); b != nil {
		n += b.bytes
	}
	return n
}

// post puts a frame into the backlog. It is not to be changed any more.
func (w *writer) post(f *[]byte) {
	x := w.needRare()
	if x.backlog == nil {
		x.backlog = new(backlog)
	}
	x.backlog.frames = append(x.backlog.frames, f)
	x.backlog.bytes += len(*f)
	w.queued += uint64(len(*f))
}

// takeBacklog gives op, which has the queue, what is to go with it: small frames together,
// a large one from where it is.
func (w *writer) takeBacklog(op *writeOp) {
	b := w.rare.backlog
	for len(b.frames) > 0 {
		f := *b.frames[0]
		if len(f) >= directSize {
			op.Bufs[1] = f
			b.drop()
			break
		}
		if op.queue == nil {
			op.queue = pool.Get(min(b.bytes, holdMost))
		}
		if have := len(op.queue.B); have > 0 && have+len(f) > holdMost {
			break
		}
		op.queue.B = append(op.queue.B, f...)
		op.Bufs[0] = op.queue.B
		b.drop()
	}
	op.goal -= uint64(b.bytes)
	if len(b.frames) == 0 {
		w.rare.backlog = nil
	} else {
		w.again = true
	}
}

// drop takes the first frame off.
func (b *backlog) drop() {
	b.begun++
	b.bytes -= len(*b.frames[0])
	b.frames[0] = nil
	b.frames = b.frames[1:]
}
