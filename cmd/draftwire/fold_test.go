package main

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestFolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		f := newFolder(time.Minute, func(k foldKey, n int) { told = append(told, fmt.Sprint(k.topic, " ", n)) })
		pass := func(key string, want bool) {
			t.Helper()
			if got := f.pass(key); got != want {
				t.Errorf("pass(%q) = %v", key, got)
			}
		}
		after := func(d time.Duration, want ...string) {
			t.Helper()
			<-time.After(d)
			synctest.Wait()
			if !slices.Equal(told, want) {
				t.Errorf("told %q, want %q", told, want)
			}
			told = nil
		}
		pass("a", true)
		pass("a", false)
		pass("b", true)
		pass("a", false)
		after(59 * time.Second)
		pass("a", false)
		after(2*time.Second, "a 3")
		pass("a", true)
		pass("b", true)
		pass("b", false)
		f.flush()
		after(0, "b 1")
		pass("b", true)
		pass("b", false)
		after(time.Hour, "b 1")
	})
}

// A device has a line of its own, however noisy the others are; but however many there are,
// or seem to be, the lines are bounded.
func TestFolderOfPeers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		more := map[foldKey]int{}
		f := newFolder(time.Minute, func(k foldKey, n int) {
			mu.Lock()
			defer mu.Unlock()
			more[k] += n
		})
		for range 1000 {
			f.passPeer(foldKey{"a", "192.0.2.1", "TV 1"})
		}
		for _, k := range []foldKey{{"a", "192.0.2.1", "TV 2"}, {"a", "192.0.2.2", "TV 1"}, {"b", "192.0.2.1", "TV 1"}, {"a", "192.0.2.3", ""}} {
			if !f.passPeer(k) || f.passPeer(k) {
				t.Errorf("%v is hidden, or told twice", k)
			}
		}
		lines := 0
		for i := range 100 {
			if f.passPeer(foldKey{"a", "192.0.2.1", fmt.Sprint("agent ", i)}) {
				lines++
			}
		}
		if lines != foldAgents-2+1 {
			t.Errorf("one address with many agents has %d lines", lines)
		}
		for i := range 10_000 {
			f.passPeer(foldKey{fmt.Sprint("topic ", i%10), fmt.Sprint("192.0.2.", i/10), "TV"})
		}
		f.mu.Lock()
		if n := len(f.held); n > foldPeers+12 || len(f.peers) > 2*foldPeers+12 {
			t.Errorf("%d keys are held, %d counts", n, len(f.peers))
		}
		f.mu.Unlock()
		<-time.After(time.Hour)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		f.mu.Lock()
		defer f.mu.Unlock()
		if more[foldKey{"a", "192.0.2.1", "TV 1"}] != 999 || more[foldKey{topic: "topic 9"}] == 0 {
			t.Errorf("told %v", more)
		}
		if len(f.held) != 0 || len(f.peers) != 0 {
			t.Errorf("kept %v, %v", f.held, f.peers)
		}
	})
}
