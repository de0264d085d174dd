//go:build faults

package events_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/faultnet"
	"github.com/draftwire/draftwire/internal/wstest"
)

// faulty lets the sockets of loops suffer what decide says, until the test ends. calls returns
// how many calls there were since it was called last.
func faulty(t *testing.T, decide func(n int, op faultnet.Op, room int) faultnet.Action) (calls func() int) {
	var mu sync.Mutex
	n := 0
	f := func(op faultnet.Op, room int) faultnet.Action {
		mu.Lock()
		defer mu.Unlock()
		n++
		return decide(n, op, room)
	}
	faultnet.Real.Store(&f)
	t.Cleanup(func() { faultnet.Real.Store(nil) })
	return func() int {
		mu.Lock()
		defer mu.Unlock()
		was := n
		n = 0
		return was
	}
}

// session is a whole connection: messages small and large, and a close. It reports whether
// all came back.
func session(t *testing.T, addr string, v draftwire.Version) bool {
	p := peer{wstest.NewClient(v), dial(t, addr)}
	defer p.Close()
	script := []string{"hello", "", wstest.Words(20 << 10), wstest.Words(100 << 10), "bye"}
	wstest.Send(t, p, []byte(p.Head+p.Key3))
	var head []byte
	for b := make([]byte, 1); !bytes.HasSuffix(head, []byte("\r\n\r\n")); {
		if _, err := io.ReadFull(p, b); err != nil {
			return false
		}
		head = append(head, b[0])
	}
	if p.Learn != nil {
		p.Learn(string(head))
	}
	go func() {
		p.Write(wstest.Texts(p.Text, script...))
		if p.CloseFrame != nil {
			p.Write(p.CloseFrame())
		}
		p.CloseWrite()
	}()
	got, err := io.ReadAll(p)
	want := append([]byte(p.Tail), wstest.Texts(p.Echo, script...)...)
	want = append(want, p.CloseAnswer...)
	if err == nil && bytes.Equal(got, want) {
		return true
	}
	if !bytes.HasPrefix(want, got) {
		t.Errorf("%s: got %d bytes, which are no beginning of what it should be", v, len(got))
	}
	return false
}

// A fault at one call of a loop's socket, at each in turn: a soft one makes no difference, and
// behind a hard one the connection ends, once, and nothing stays.
func TestFaultsAtEachCall(t *testing.T) {
	soft := []faultnet.Fault{faultnet.Interrupt, faultnet.Short, faultnet.Again}
	hard := []faultnet.Fault{faultnet.Reset, faultnet.Pipe, faultnet.TimedOut}
	for _, v := range families {
		var fault faultnet.Fault
		at := 0
		calls := faulty(t, func(n int, _ faultnet.Op, room int) faultnet.Action {
			if n == at {
				return faultnet.Action{Fault: fault, Bytes: room / 3, After: time.Millisecond}
			}
			return faultnet.Action{}
		})
		e := wstest.EchoEvents()
		s, addr := serve(t, e, limits(draftwire.Limits{WriteTimeout: 5 * time.Second, CloseTimeout: 5 * time.Second}))
		if !session(t, addr, v) {
			t.Fatalf("%s: without faults it fails", v)
		}
		n := calls()
		t.Logf("%s: %d calls", v, n)
		for _, fault = range append(soft, hard...) {
			for at = 1; at <= n; at++ {
				calls()
				whole := session(t, addr, v)
				if !whole && fault <= faultnet.Again {
					t.Errorf("%s: %v at call %d of %d", v, fault, at, n)
				}
				for began := time.Now(); s.Counts() != (draftwire.ServerCounts{}) && time.Since(began) < wstest.Patience; {
					time.Sleep(time.Millisecond)
				}
				if c := s.Counts(); c != (draftwire.ServerCounts{}) {
					t.Errorf("%s: %v at call %d of %d: counts %+v", v, fault, at, n, c)
				}
				if t.Failed() {
					return
				}
			}
		}
	}
}

// The model, on sockets whose calls are interrupted, short, or in vain by chance; in every second round some fail, too.
func TestModelOfFaults(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	certified = sync.OnceValues(func() (tls.Certificate, *x509.CertPool) { return wstest.SelfSigned(t) })
	rounds := 0
	for began := time.Now(); time.Since(began) < modelTime(t) && !t.Failed(); seed++ {
		rnd := rand.New(rand.NewPCG(seed, 3))
		soft := faultnet.Random(rnd, 2+rnd.IntN(6), faultnet.Interrupt, faultnet.Short, faultnet.Again)
		hard := faultnet.Random(rnd, 300, faultnet.Reset, faultnet.Pipe, faultnet.TimedOut)
		cut := rounds%2 == 1
		faulty(t, func(n int, op faultnet.Op, room int) faultnet.Action {
			call := faultnet.Call{N: n, Op: op, Room: room}
			if a := hard(call); cut && a.Fault != faultnet.None {
				return a
			}
			return soft(call)
		})
		round(t, seed, cut)
		rounds++
	}
	t.Logf("%d rounds", rounds)
}
