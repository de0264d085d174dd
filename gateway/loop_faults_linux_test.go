//go:build faults && (amd64 || arm64) && !msan && !asan

package gateway_test

import (
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/internal/faultnet"
	"github.com/draftwire/draftwire/internal/sock"
)

// Calls of the gateway's sockets that are interrupted, short or in vain by chance make no difference to what a session on loops
// passes on, between every two versions, in clear or over TLS in front.
func TestFaultsOnLoops(t *testing.T) {
	loops := sock.NewLoops()
	if loops == nil {
		t.Skip("no loops here")
	}
	defer loops.Close()
	rnd := rand.New(rand.NewPCG(uint64(*socketSeed), 4))
	var mu sync.Mutex // of rnd
	soft := faultnet.Random(rnd, 3, faultnet.Interrupt, faultnet.Short, faultnet.Again)
	suffers := func(op faultnet.Op, room int) faultnet.Action {
		mu.Lock()
		defer mu.Unlock()
		return soft(faultnet.Call{Op: op, Room: room})
	}
	faultnet.Real.Store(&suffers)
	defer faultnet.Real.Store(nil)
	cert := certificate(t)
	ways := []*gateway.KeyPair{nil, &cert}
	players := make(chan struct{}, 8)
	var all sync.WaitGroup
	pairs(func(front, back draftwire.Version, n int) {
		players <- struct{}{}
		all.Go(func() {
			defer func() { <-players }()
			seed := *socketSeed + n
			p := drawn(front, back, seed)
			for p.policy.Binary == "drop" { // a player cannot wait until what is dropped has come
				seed += 81
				p = drawn(front, back, seed)
			}
			if wrong := p.playSockets(false, ways[n%2]); wrong != "" {
				t.Errorf("%s\n%v\nseed %d", wrong, p, seed)
			}
		})
	})
	all.Wait()
}
