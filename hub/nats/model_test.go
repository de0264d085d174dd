package nats_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/hub"
	"github.com/draftwire/draftwire/hub/nats"
)

// node is a machine: a hub, its way to the broker, and a server for its members.
type node struct {
	broker *nats.Broker
	hub    *hub.Hub
	way    *way
	url    string

	mu     sync.Mutex
	missed map[*draftwire.Conn]uint64
	joined map[string]chan joined // by the query of the client
}

type joined struct {
	c   *draftwire.Conn
	j   hub.Joined
	err error
}

func newNode(t *testing.T, b *nats.Broker, w *way) *node {
	n := &node{broker: b, way: w, missed: map[*draftwire.Conn]uint64{}, joined: map[string]chan joined{}}
	n.hub = hub.New(&hub.Options{Broker: b, Missed: func(c *draftwire.Conn, _ string, lost uint64) error {
		n.mu.Lock()
		defer n.mu.Unlock()
		if lost == 0 {
			t.Error("a member was told that nobody knows what it has missed")
		}
		n.missed[c] += lost
		return nil
	}})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n.url = "ws://" + l.Addr().String()
	srv := &draftwire.Server{Options: draftwire.AcceptOptions{Versions: draftwire.ServedVersions()}, WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
		room, query, _ := strings.Cut(c.Handshake().Target(), "?")
		j, err := n.hub.Join(ctx, c, room, hub.JoinOptions{})
		n.mu.Lock()
		n.joined[query] <- joined{c, j, err}
		n.mu.Unlock()
		defer n.hub.LeaveAll(c)
		for _, err := range c.Messages(ctx) {
			if err != nil {
				return err
			}
		}
		return nil
	}}
	go srv.Serve(l)
	t.Cleanup(func() {
		srv.Close()
		n.hub.Close()
	})
	return n
}

// listener is a member on a node.
type listener struct {
	node   *node
	joined joined
	client *draftwire.Conn
	got    []string
}

// join lets a client of some version be a member.
func (n *node) join(t *testing.T, room, id string, v draftwire.Version) *listener {
	came := make(chan joined, 1)
	n.mu.Lock()
	n.joined[id] = came
	n.mu.Unlock()
	x := &listener{node: n}
	var err error
	ctx, cancel := context.WithTimeout(bg, 20*time.Second)
	defer cancel()
	if x.client, _, err = draftwire.Dial(ctx, n.url+room+"?"+id, &draftwire.DialOptions{Version: v}); err != nil {
		t.Fatal(err)
	}
	if x.joined = <-came; x.joined.err != nil {
		t.Fatalf("%s joins %s: %v", id, room, x.joined.err)
	}
	return x
}

const over = "over"

// listen reads until the last message.
func (x *listener) listen(t *testing.T) {
	ctx, cancel := context.WithTimeout(bg, 60*time.Second)
	defer cancel()
	for len(x.got) == 0 || x.got[len(x.got)-1] != over {
		_, p, err := x.client.Read(ctx)
		if err != nil {
			t.Errorf("after %d messages: %v", len(x.got), err)
			return
		}
		x.got = append(x.got, string(p))
	}
	x.client.CloseNow()
}

// judge compares what a member has got with what was in the room.
func (x *listener) judge(t *testing.T, said []hub.Message) {
	x.node.mu.Lock()
	told := x.node.missed[x.joined.c] + x.joined.j.Missed
	x.node.mu.Unlock()
	at, holes := x.joined.j.Seq, uint64(0)
	place := map[string]uint64{}
	for _, m := range said {
		place[string(m.Data)] = m.Seq
	}
	for _, p := range x.got {
		seq := place[p]
		if seq <= at {
			t.Errorf("%v: %s (%d) comes behind %d", x.joined.c.Version(), p, seq, at)
			return
		}
		holes += seq - at - 1
		at = seq
	}
	if holes != told {
		t.Errorf("%v: %d messages did not come, and it was told of %d", x.joined.c.Version(), holes, told)
	}
}

// rounds is how many rounds of the model are played: those of MODEL_ROUNDS, or few.
func rounds(few int) int {
	if n, err := strconv.Atoi(os.Getenv("MODEL_ROUNDS")); err == nil {
		return n
	}
	return few
}

// With three machines whose ways to the broker are cut and stalled, and a broker that is killed and comes back,
// each member gets what is published, in order and once, or is told how much it has missed; and what was said to be
// published stands in the room at its place.
func TestModel(t *testing.T) {
	dir, port := t.TempDir(), freePort(t)
	serve := func() *nats.Server {
		s, err := nats.StartServer(nats.ServerOptions{Dir: dir, Listen: port, Token: "t"})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	server := serve()
	t.Cleanup(func() { server.Close() })
	var nodes []*node
	for range 3 {
		w := newWay(t, port)
		nodes = append(nodes, newNode(t, connect(t, nats.Options{URL: "nats://t@" + w.addr(), Disk: true, History: 20}), w))
	}
	watch := connect(t, nats.Options{URL: "nats://t@" + port, Disk: true, History: 20})
	m := &model{nodes: nodes, watch: watch, restart: func() {
		server.Close()
		server = serve()
	}}
	m.play(t, rounds(15))
}

func freePort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// model plays rounds on nodes.
type model struct {
	nodes                 []*node
	watch                 *nats.Broker // whose way is never cut
	restart               func()       // of the broker
	acked, doubtful, told int
}

func (m *model) play(t *testing.T, n int) {
	seed := uint64(time.Now().UnixNano())
	for i := range n {
		began := time.Now()
		m.round(t, fmt.Sprintf("/r%d", i), rand.New(rand.NewPCG(seed, uint64(i))))
		if t.Failed() {
			t.Fatalf("in round %d of seed %d", i, seed)
		}
		if testing.Verbose() && i%20 == 0 {
			t.Logf("round %d: %v", i, time.Since(began))
		}
	}
	t.Logf("%d rounds: %d messages were published, of %d more nobody knows, %d times a message was told as missed", n, m.acked, m.doubtful, m.told)
}

func (m *model) round(t *testing.T, room string, rnd *rand.Rand) {
	e := newEar()
	_, cancel, err := m.watch.Subscribe(bg, room, e.feed(0))
	if err != nil {
		t.Fatal(err)
	}
	defer cancel()
	versions := draftwire.ServedVersions().List()
	var members []*listener
	for i := range 6 {
		members = append(members, m.nodes[i%3].join(t, room, fmt.Sprint(room, i), versions[rnd.IntN(len(versions))]))
	}
	var playing, publishing sync.WaitGroup
	for _, x := range members {
		playing.Go(func() { x.listen(t) })
	}
	var mu sync.Mutex
	acked := map[string]hub.Position{}
	doubtful := 0
	for i, n := range m.nodes {
		rnd := rand.New(rand.NewPCG(rnd.Uint64(), 1))
		publishing.Go(func() {
			for k := range 30 {
				p := fmt.Sprintf("%d.%d", i, k)
				ctx, cancel := context.WithTimeout(bg, time.Duration(100+rnd.IntN(3000))*time.Millisecond)
				at, err := n.hub.Publish(ctx, room, draftwire.OpText, []byte(p))
				cancel()
				mu.Lock()
				if err == nil {
					acked[p] = at
				} else {
					doubtful++
				}
				mu.Unlock()
				if rnd.IntN(4) == 0 {
					time.Sleep(time.Duration(rnd.IntN(40)) * time.Millisecond)
				}
			}
		})
	}
	for range 1 + rnd.IntN(3) {
		m.fault(t, room, rnd)
	}
	publishing.Wait()
	for _, n := range m.nodes {
		n.way.set(false, false)
	}
	var end hub.Position
	for {
		if end, err = m.watch.Publish(bg, room, draftwire.OpText, []byte(over)); err == nil {
			break
		}
	}
	playing.Wait()
	said := e.until(t, func(list []hub.Message) bool { return len(list) > 0 && list[len(list)-1].Seq >= end.Seq })
	seen := map[string]uint64{}
	for i, x := range said {
		if x.Seq != uint64(i+1) || seen[string(x.Data)] > 0 && string(x.Data) != over {
			t.Errorf("%s has the number %d, as message %d; it was %d before", x.Data, x.Seq, i+1, seen[string(x.Data)])
		}
		seen[string(x.Data)] = x.Seq
	}
	for p, at := range acked {
		if seen[p] != at.Seq {
			t.Errorf("%s was published as %d, and is %d", p, at.Seq, seen[p])
		}
	}
	for _, x := range members {
		x.judge(t, said)
		x.node.mu.Lock()
		m.told += int(x.node.missed[x.joined.c])
		x.node.mu.Unlock()
	}
	m.acked += len(acked)
	m.doubtful += doubtful
}

// fault does something to a way or the broker.
func (m *model) fault(t *testing.T, room string, rnd *rand.Rand) {
	w := m.nodes[rnd.IntN(len(m.nodes))].way
	d := time.Duration(rnd.IntN(300)) * time.Millisecond
	switch rnd.IntN(7) {
	case 0, 1:
		w.set(true, false)
		time.Sleep(d)
		w.set(false, false)
	case 2, 3:
		w.set(false, true)
		time.Sleep(d)
		w.set(false, false)
	case 4:
		for _, n := range m.nodes {
			n.way.set(true, false)
		}
		time.Sleep(d)
		for _, n := range m.nodes {
			n.way.set(false, false)
		}
	case 5:
		m.restart()
	case 6: // more is said meanwhile than is kept
		w.set(false, true)
		for k := range 150 {
			if _, err := m.watch.Publish(bg, room, draftwire.OpText, fmt.Appendf(nil, "w%d.%d", rnd.Uint32(), k)); err != nil {
				t.Error(err)
			}
		}
		w.set(false, false)
	}
}
