package hub_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/hub"
)

// listener is a member of the model: it stays for a while, comes back through some hub with the last
// message that it has had, and so on until it has the last one of all.
type listener struct {
	rnd   *rand.Rand
	open  func(draftwire.Version) (client, server *draftwire.Conn)
	hubs  []*hub.Hub
	told  func(*draftwire.Conn) uint64 // how much a member was told to have missed
	after hub.Position
}

// Of what is published from its first joining on, each member gets every message once, in order, or
// is told that it has missed it: with several hubs, members of all versions that stall, leave, come
// back through another hub with the position that they have had, and rooms of which little is kept.
func TestModel(t *testing.T) {
	rounds := 60
	if testing.Short() {
		rounds = 10
	}
	for seed := range rounds {
		synctest.Test(t, func(t *testing.T) { modelRound(t, rand.New(rand.NewPCG(17, uint64(seed)))) })
		if t.Failed() {
			t.Fatalf("in round %d", seed)
		}
	}
}

const messages = 600

func modelRound(t *testing.T, rnd *rand.Rand) {
	broker := hub.NewMemory(&hub.MemoryOptions{History: rnd.IntN(200), Bytes: 1 << 20})
	var mu sync.Mutex
	missed := map[*draftwire.Conn]uint64{}
	var hubs []*hub.Hub
	for range 3 {
		hubs = append(hubs, newHub(t, hub.Options{Broker: broker, Behind: 1 + rnd.IntN(30), Lag: hub.Lag(rnd.IntN(2)), Missed: func(c *draftwire.Conn, _ string, n uint64) error {
			mu.Lock()
			missed[c] += n
			mu.Unlock()
			return nil
		}}))
	}
	open := newMembers(t, draftwire.Limits{PostLimit: 16 << 10, WriteTimeout: time.Hour}).open
	ctx, stop := context.WithCancel(bg)
	defer stop()
	var playing, publishing sync.WaitGroup
	var all []*listener
	told := func(c *draftwire.Conn) uint64 {
		mu.Lock()
		defer mu.Unlock()
		return missed[c]
	}
	for i := range 6 {
		x := &listener{rnd: rand.New(rand.NewPCG(rnd.Uint64(), uint64(i))), open: open, hubs: hubs, told: told}
		all = append(all, x)
		playing.Go(func() {
			for x.after.Seq < messages && ctx.Err() == nil {
				x.visit(ctx, t)
			}
		})
	}
	synctest.Wait()
	var seq uint64
	var order sync.Mutex
	for range 3 {
		h := hubs[rnd.IntN(3)]
		rnd := rand.New(rand.NewPCG(rnd.Uint64(), 1))
		publishing.Go(func() {
			for {
				order.Lock()
				if seq == messages {
					order.Unlock()
					return
				}
				seq++
				if _, err := h.Publish(bg, "r", draftwire.OpText, fmt.Appendf(nil, "%d %s", seq, strings.Repeat("x", rnd.IntN(2000)))); err != nil {
					t.Error(err)
				}
				order.Unlock()
				if rnd.IntN(10) == 0 {
					time.Sleep(time.Duration(rnd.IntN(30)) * time.Millisecond)
				}
			}
		})
	}
	publishing.Wait()
	time.Sleep(10 * time.Minute) // all have read what there is
	stop()
	playing.Wait()
	for i, x := range all {
		if x.after.Seq != messages {
			t.Errorf("listener %d has come to %d of %d", i, x.after.Seq, messages)
		}
	}
}

// visit is a membership. What it does not get, it was told to have missed before.
func (x *listener) visit(ctx context.Context, t *testing.T) {
	versions := draftwire.ServedVersions().List()
	client, server := x.open(versions[x.rnd.IntN(len(versions))])
	h := x.hubs[x.rnd.IntN(len(x.hubs))]
	joined := make(chan hub.Joined, 1)
	var left atomic.Bool
	go func() {
		j, err := h.Join(ctx, server, "r", hub.JoinOptions{After: x.after})
		if (err != nil || j.Unknown) && !left.Load() && ctx.Err() == nil {
			t.Errorf("%+v, %v", j, err)
		}
		joined <- j
	}()
	if x.after.Epoch == 0 { // it begins where it has joined
		j := <-joined
		x.after = j.Position
		joined <- hub.Joined{}
	}
	var holes uint64
	stay := 1 + x.rnd.IntN(200)
	for n := 0; x.after.Seq < messages && (n < stay || messages-x.after.Seq < 10); n++ {
		if x.rnd.IntN(20) == 0 {
			time.Sleep(time.Duration(x.rnd.IntN(100)) * time.Millisecond)
		}
		_, p, err := client.Read(ctx)
		if err != nil {
			break
		}
		var seq uint64
		fmt.Sscanf(string(p), "%d", &seq)
		if seq <= x.after.Seq {
			t.Errorf("%d comes behind %d", seq, x.after.Seq)
			break
		}
		holes += seq - x.after.Seq - 1
		x.after.Seq = seq
	}
	left.Store(true)
	h.LeaveAll(server)
	client.CloseNow()
	server.CloseNow()
	if j := <-joined; holes > j.Missed+x.told(server) {
		t.Errorf("%d did not come, and it was told of %d and %d", holes, j.Missed, x.told(server))
	}
}
