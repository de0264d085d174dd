package server_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
)

// crowd opens n connections, of all versions in turn, and notes when each ends
// and how.
type crowd struct {
	conns []*draftwire.Conn
	wait  sync.WaitGroup
	mu    sync.Mutex
	ends  []time.Duration // since the crowd came
	began time.Time
}

func newCrowd(t *testing.T, s *draftwire.Server, n int) *crowd {
	l := wstest.Serve(t, s)
	w := &crowd{began: time.Now()}
	served := draftwire.ServedVersions().List()
	for i := range n {
		v := served[i%len(served)]
		c := wstest.Dial(t, l, v, draftwire.DialOptions{})
		w.conns = append(w.conns, c)
		w.wait.Go(func() {
			for {
				_, _, err := c.Read(bg)
				if err == nil {
					continue
				}
				w.mu.Lock()
				defer w.mu.Unlock()
				if errors.Is(err, draftwire.ErrClosed) { // it left by itself
					return
				}
				w.ends = append(w.ends, time.Since(w.began))
				if want := wstest.Heard(v, draftwire.CodeGoingAway, "").Code; draftwire.CloseStatus(err) != want {
					t.Errorf("%s was told %v", v, err)
				}
				return
			}
		})
	}
	synctest.Wait()
	return w
}

func seconds(from, to, step int) (d []time.Duration) {
	for i := from; i <= to; i += step {
		d = append(d, time.Duration(i)*time.Second)
	}
	return d
}

// Farewells are spread evenly, the first at once and the last at the end.
func TestFarewellOver(t *testing.T) {
	for _, tt := range []struct {
		n    int
		over time.Duration
		want []time.Duration
	}{
		{11, 10 * time.Second, seconds(0, 10, 1)},
		{1, 10 * time.Second, seconds(0, 0, 1)},
		{2, 10 * time.Second, seconds(0, 10, 10)},
		{3, 0, slices.Repeat(seconds(0, 0, 1), 3)},
		{0, 10 * time.Second, nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &draftwire.Server{Options: wstest.Options(), WebSocket: wstest.Echo, FarewellOver: tt.over}
			w := newCrowd(t, s, tt.n)
			if err := s.Shutdown(bg); err != nil {
				t.Error(err)
			}
			w.wait.Wait()
			if !slices.Equal(w.ends, tt.want) {
				t.Errorf("%d over %v: told at %v", tt.n, tt.over, w.ends)
			}
			// A client may take a second or two to end the stream.
			if d := time.Since(w.began); d < tt.over && tt.n > 1 || d > tt.over+3*time.Second {
				t.Errorf("%d over %v: took %v", tt.n, tt.over, d)
			}
		})
	}
}

// A connection that waits for its farewell still works, costs no goroutine, and
// may end by itself; the shutdown does not wait for its turn then.
func TestFarewellMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 90
		s := &draftwire.Server{Options: wstest.Options(), WebSocket: wstest.Echo, FarewellOver: time.Hour}
		w := newCrowd(t, s, n)
		before := runtime.NumGoroutine()
		done := make(chan error, 1)
		go func() { done <- s.Shutdown(bg) }()
		<-time.After(3 * time.Second) // the first has ended
		if more := runtime.NumGoroutine() - before; more > 5 {
			t.Errorf("%d more goroutines for %d connections that wait", more, n)
		}
		if got := s.Counts(); got != (draftwire.ServerCounts{Open: n - 1}) {
			t.Errorf("counts %+v", got)
		}
		var left sync.WaitGroup
		for _, c := range w.conns {
			left.Go(func() {
				c.Write(bg, draftwire.OpText, []byte("still here?"))
				c.Close(draftwire.CodeNormal, "")
			})
		}
		left.Wait()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if d := time.Since(w.began); d > time.Minute {
			t.Errorf("the shutdown took %v", d)
		}
		w.wait.Wait()
	})
}

// The end of the context cuts those whose turn has not come.
func TestFarewellCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &draftwire.Server{Options: wstest.Options(), WebSocket: wstest.Echo, FarewellOver: time.Hour}
		l := wstest.Serve(t, s)
		ended := make(chan error)
		for range 4 {
			c := wstest.Dial(t, l, draftwire.RFC6455, draftwire.DialOptions{})
			go func() {
				_, _, err := c.Read(bg)
				ended <- err
			}()
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(bg, 30*time.Minute)
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- s.Shutdown(ctx) }()
		told := 0
		for range 4 {
			if draftwire.CloseStatus(<-ended) == draftwire.CodeGoingAway {
				told++
			}
		}
		if err := <-done; !errors.Is(err, context.DeadlineExceeded) || told != 2 {
			t.Errorf("%v; %d were told, want 2", err, told)
		}
	})
}
