package draftwire

import (
	"math"

	"github.com/draftwire/draftwire/internal/pool"
)

// backlog are the frames that Post has left to wait behind a write. They are not copied:
// of a broadcast that a thousand members do not take there is one frame, not a thousand.
// While there is a backlog somebody writes or is on the way to. It comes behind what the
// queue holds.
type backlog struct {
	frames []*[]byte
	bytes  int
	gone   int // how many have been taken for writing
}

// posted is the beginning of a backlog: so much of it goes before something else, which
// does not wait for what is posted later, as that may never stop.
type posted struct {
	in *backlog
	n  int
}

// posted returns what was posted, for what goes behind it. Where frames are compressed they
// go in the order in which they were made, so that it is all, whenever it was posted.
func (c *Conn) posted(behind bool) posted {
	p := c.out.posts
	switch {
	case !behind:
		return posted{}
	case c.ses.Compresses():
		return everything
	case p == nil:
		return posted{}
	}
	return posted{p, p.gone + len(p.frames)}
}

// everything is all that is posted, now and later.
var everything = posted{n: math.MaxInt}

// has reports whether something of before has not gone.
func (p *backlog) has(before posted) bool {
	return before == everything || before.in == p && p.gone < before.n
}

// backlogMost is how many frames may wait, as each costs eight bytes.
const backlogMost = 4096

// waiting returns how many bytes wait to be written.
func (o *outbox) waiting() (n int) {
	if o.queue != nil {
		n = len(o.queue.B)
	}
	if o.posts != nil {
		n += o.posts.bytes
	}
	return n
}

// leave puts a frame behind what waits. It is not to be changed any more.
func (o *outbox) leave(f *[]byte) {
	if o.posts == nil {
		o.posts = new(backlog)
	}
	o.posts.frames = append(o.posts.frames, f)
	o.posts.bytes += len(*f)
	o.queued += uint64(len(*f))
}

// takePosts gives v, which has the queue, what is to go with it: small frames together,
// a large one from where it is.
func (o *outbox) takePosts(v *vector) {
	p := o.posts
	for len(p.frames) > 0 {
		f := *p.frames[0]
		if len(f) >= directSize {
			v.parts[1] = f
			p.drop()
			break
		}
		if v.queue == nil {
			v.queue = pool.Get(min(p.bytes, holdMost))
		}
		if have := len(v.queue.B); have > 0 && have+len(f) > holdMost {
			break
		}
		v.queue.B = append(v.queue.B, f...)
		v.parts[0] = v.queue.B
		p.drop()
	}
	v.goal -= uint64(p.bytes)
	if len(p.frames) == 0 {
		o.posts = nil
	} else {
		o.due = true
	}
}

// drop takes the first frame off.
func (p *backlog) drop() {
	p.gone++
	p.bytes -= len(*p.frames[0])
	p.frames[0] = nil
	p.frames = p.frames[1:]
}
