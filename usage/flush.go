package usage

import (
	"time"
)

// idle is how often the times of watching are written when nothing else
// changes. It is shorter than restart, so that a crash makes no gap.
const idle = time.Minute

// batch is how many records are copied at a time while the lock is held.
const batch = 512

// flushEvery writes what changed until Close. err is how the first flush ended.
func (l *Ledger) flushEvery(err error) {
	defer close(l.stopped)
	tick := time.NewTicker(l.o.Every)
	defer tick.Stop()
	var said string
	var when time.Time
	for {
		if err == nil {
			said = ""
		} else if l.o.Failed != nil && (err.Error() != said || l.now().Sub(when) >= time.Hour) {
			said, when = err.Error(), l.now()
			l.o.Failed(err)
		}
		select {
		case <-l.stop:
			return
		case <-tick.C:
		}
		err = l.Flush()
	}
}

// changes is what Flush has to write.
type changes struct {
	seats  []*seat
	totals []Totals
	drop   map[seatKey]struct{}
	source Source
}

// Flush writes what changed to the file. What cannot be written is kept for
// the next time.
func (l *Ledger) Flush() error {
	if l.store == nil {
		return nil
	}
	l.flushing.Lock()
	defer l.flushing.Unlock()
	c, any := l.take()
	if !any {
		return nil
	}
	err := l.store.reopen(l.o.LockWait)
	if err == nil {
		err = l.store.update(func(w *writer) error { return l.write(w, c) })
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.giveBack(c)
		return err
	}
	l.written = c.source.Watched[len(c.source.Watched)-1].To
	return nil
}

// take takes the marks of what is to be written.
func (l *Ledger) take() (c changes, any bool) {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	c.seats, l.dirty = l.dirty, nil
	for _, s := range c.seats {
		s.dirty = false // here: a write that fails early comes to none of them
	}
	c.drop, l.drop = l.drop, map[seatKey]struct{}{}
	for _, t := range l.versions {
		if t.dirty {
			t.dirty = false
			c.totals = append(c.totals, t.copy())
		}
	}
	c.source = l.source(now)
	any = len(c.seats)+len(c.drop)+len(c.totals) > 0 || now.Sub(l.written) >= idle || l.full
	return c, any
}

// giveBack marks what could not be written.
func (l *Ledger) giveBack(c changes) {
	for _, s := range c.seats {
		if !s.gone {
			l.mark(s)
		}
	}
	for key := range c.drop {
		if s := l.seats[key]; s != nil {
			s.stored = true
		} else {
			l.drop[key] = struct{}{}
		}
	}
	for _, t := range c.totals {
		l.versions[t.Version].dirty = true
	}
}

// write writes the changes in one transaction. Records are copied in batches:
// those who count must not wait for the disk.
func (l *Ledger) write(w *writer, c changes) error {
	for key := range c.drop {
		if err := w.drop(key); err != nil {
			return err
		}
	}
	copies := make([]Client, 0, batch)
	for todo := c.seats; len(todo) > 0; {
		n := min(batch, len(todo))
		copies = copies[:0]
		l.mu.Lock()
		for _, s := range todo[:n] {
			if !s.gone {
				s.stored = true
				copies = append(copies, s.Client)
			}
		}
		l.mu.Unlock()
		for i := range copies {
			if err := w.client(&copies[i]); err != nil {
				return err
			}
		}
		todo = todo[n:]
	}
	for i := range c.totals {
		if err := w.totals(&c.totals[i]); err != nil {
			return err
		}
	}
	return w.source(&c.source)
}

// Close writes what is left and closes the file. The ledger counts nothing
// from then on. A second call returns what the first did.
func (l *Ledger) Close() error {
	l.closing.Do(func() {
		if l.store == nil {
			l.finish()
			return
		}
		close(l.stop)
		<-l.stopped
		l.finish()
		l.closeErr = l.Flush()
		if err := l.store.close(); l.closeErr == nil {
			l.closeErr = err
		}
	})
	return l.closeErr
}

// finish ends the counting.
func (l *Ledger) finish() {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.source(now)
	l.full = true
}
