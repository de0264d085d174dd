package recorder

import (
	"os"
	"sync"
	"sync/atomic"
)

// spool holds what waits to be written to a file. Its Write does not wait.
type spool struct {
	n       atomic.Int64 // bytes that wait, with those that are being written
	mu      sync.Mutex
	waiting [][]byte
	free    [][]byte
	writing [][]byte // what drain writes
}

// spoolChunk is how much is waited with in one piece, and spoolKept how many pieces are kept for
// later.
const (
	spoolChunk = 256 << 10
	spoolKept  = 16
)

func (s *spool) len() int { return int(s.n.Load()) }

// Write implements io.Writer.
func (s *spool) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for rest := p; len(rest) > 0; {
		i := len(s.waiting) - 1
		if i < 0 || len(s.waiting[i]) == spoolChunk {
			s.waiting = append(s.waiting, s.chunk())
			i++
		}
		n := min(len(rest), spoolChunk-len(s.waiting[i]))
		s.waiting[i] = append(s.waiting[i], rest[:n]...)
		rest = rest[n:]
	}
	s.n.Add(int64(len(p)))
	return len(p), nil
}

// chunk returns an empty piece. The caller holds the lock.
func (s *spool) chunk() []byte {
	n := len(s.free)
	if n == 0 {
		return make([]byte, 0, spoolChunk)
	}
	c := s.free[n-1]
	s.free = s.free[:n-1]
	return c
}

// drain writes what waits. One goroutine may call it.
func (s *spool) drain(f *os.File) (err error) {
	s.mu.Lock()
	s.waiting, s.writing = s.writing[:0], s.waiting
	s.mu.Unlock()
	for i, c := range s.writing {
		if err == nil {
			_, err = f.Write(c)
		}
		s.n.Add(-int64(len(c)))
		s.writing[i] = nil
		s.mu.Lock()
		if len(s.free) < spoolKept {
			s.free = append(s.free, c[:0])
		}
		s.mu.Unlock()
	}
	return err
}
