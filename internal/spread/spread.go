// Package spread does something with each element of a long list, on all processors.
package spread

import (
	"runtime"
	"sync"
	"sync/atomic"
)

const (
	// share is how many elements a goroutine takes at a time.
	share = 16
	// writers is how many goroutines there are for each processor. Where the kernel puts one
	// aside in a system call, the runtime gives its processor to another.
	writers = 4
)

// Each calls do with the bounds of parts of a list of n elements, from several goroutines, and returns
// when all calls have.
func Each(n int, do func(from, to int)) {
	var next atomic.Int64
	some := func() {
		for {
			end := int(next.Add(share))
			if from := min(end-share, n); from < n {
				do(from, min(end, n))
			}
			if end >= n {
				return
			}
		}
	}
	var others sync.WaitGroup
	for range min(writers*runtime.GOMAXPROCS(0), (n+share-1)/share) - 1 {
		others.Go(some)
	}
	some()
	others.Wait()
}
