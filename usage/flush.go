package usage

import (
	"time"
)

// idle is how often the watched time is written when nothing else has changed. It is shorter
// than restart, so that a crash leaves no gap in it.
const idle = time.Minute

// batch is how many records are copied while the lock is held.
const batch = 512

// flushEvery writes the changes at intervals until Close. err is the result of the first
// flush.
func (l *Ledger) flushEvery(err error) {
	defer close(l.stopped)
	tick := time.NewTicker(l.o.Every)
	defer tick.Stop()
	var when time.Time
	for {
		if err == nil {
			l.recovered()
		} else if l.o.Failed != nil && (err.Error() != l.failing || l.now().Sub(when) >= time.Hour) {
			l.failing, when = err.Error(), l.now()
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

// recovered tells that the file is written again, if it was told that it was not.
func (l *Ledger) recovered() {
	if l.failing != "" && l.o.Recovered != nil {
		l.o.Recovered()
	}
	l.failing = ""
}

// Unwritten returns how many records have changes that are not in the file. After Close has
// failed these changes are lost.
func (l *Ledger) Unwritten() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.dirty {
		if !s.gone {
			n++
		}
	}
	return n
}

// changes are what Flush has to write.
type changes struct {
	seats  []*seat
	totals []Totals
	drop   map[seatKey]struct{}
	source Source
}

// Flush writes the changes to the file. Changes that cannot be written are kept for the next
// time.
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

// take returns the changes and marks them as written.
func (l *Ledger) take() (c changes, any bool) {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	c.seats, l.dirty = l.dirty, nil
	for _, s := range c.seats {
		s.dirty = false // here and not in write, which may fail before it comes to them
	}
	c.drop, l.drop = l.drop, map[seatKey]struct{}{}
	for _, t := range l.versions {
		if t.dirty {
			t.dirty = false
			c.totals = append(c.totals, t.copy())
		}
	}
	c.source = l.source(now)
	any = len(c.seats)+len(c.drop)+len(c.totals) > 0 || now.Sub(l.written) >= idle || l.finished
	return c, any
}

// giveBack marks changes that could not be written as unwritten.
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

// write writes the changes in one transaction. It copies the records in batches, so that
// goroutines that count do not wait for the disk.
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

// Close writes the remaining changes and closes the file. The ledger counts nothing after
// it. A second call returns the result of the first.
func (l *Ledger) Close() error {
	l.closing.Do(func() {
		if l.store == nil {
			l.finish()
			return
		}
		close(l.stop)
		<-l.stopped
		l.finish()
		if l.closeErr = l.Flush(); l.closeErr == nil {
			l.recovered()
		}
		err := l.store.close()
		if l.closeErr == nil {
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
	l.finished = true
}
