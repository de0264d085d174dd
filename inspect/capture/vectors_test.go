package capture

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/draftwire/draftwire/vectors"
)

// exchange is what both sides of a vector send.
func exchange(v *vectors.Vector) (sent [2][]byte) {
	reader := FromServer
	if v.Role == "server" {
		reader = FromClient
	}
	switch v.Kind {
	case vectors.KindFrames:
		sent[reader] = v.Payload()
	case vectors.KindClose:
		sent[reader] = v.Output
	case vectors.KindSession:
		for _, s := range v.Steps {
			from := FromClient
			if s.From == "server" {
				from = FromServer
			}
			sent[from] = append(sent[from], s.Bytes...)
		}
	default:
		sent[FromClient] = append(vectors.Latin1(v.Request), v.Tail...)
		sent[FromServer] = append(vectors.Latin1(v.Response), v.ResponseTail...)
	}
	for i := range sent {
		sent[i] = sent[i][:min(len(sent[i]), 64<<10)]
	}
	return sent
}

// All vectors, each a connection, 500 at a time: cut anywhere, out of order and twice, they
// give the same bytes; and where packets are lost, nothing else than gaps.
func TestVectors(t *testing.T) {
	files, err := vectors.All()
	if err != nil {
		t.Fatal(err)
	}
	for _, lossy := range []bool{false, true} {
		r := rand.New(rand.NewPCG(4, 4))
		var want [][2][]byte
		var queues [][][]byte
		var head []byte
		for _, f := range files {
			for i := range f.Vectors {
				sent := exchange(&f.Vectors[i])
				if len(sent[0])+len(sent[1]) == 0 {
					continue
				}
				want = append(want, sent)
				n := len(want)
				c := Conn{Client: netip.AddrPortFrom(v4client.Addr(), uint16(10000+n)), Server: v4server, Number: n}
				if n%2 == 0 {
					c.Client, c.Server = netip.AddrPortFrom(v6client.Addr(), uint16(10000+n)), v6server
				}
				var file bytes.Buffer
				w := NewWriter(&file)
				w.isn = func(Conn, Direction) uint32 { return -uint32(r.IntN(1000)) }
				conversation(r, w, c, sent, true)
				var packets [][]byte
				head, packets = split(file.Bytes())
				queues = append(queues, mangle(r, packets, lossy))
			}
		}
		if len(want) < 2000 {
			t.Fatalf("only %d vectors", len(want))
		}
		var all [][]byte
		for len(queues) > 0 {
			i := r.IntN(min(len(queues), 500))
			all = append(all, queues[i][0])
			if queues[i] = queues[i][1:]; len(queues[i]) == 0 {
				queues[i] = queues[len(queues)-1]
				queues = queues[:len(queues)-1]
			}
		}
		conns, rep := read(t, join(head, all), Options{})
		if len(conns) != len(want) || rep.Evicted > 0 {
			t.Fatalf("%d connections of %d, %+v", len(conns), len(want), rep)
		}
		for _, k := range conns {
			n := int(k.Client.Port()) - 10000
			for from, sent := range want[n-1] {
				if got := k.bytes(Direction(from)); !lossy && !bytes.Equal(got, sent) {
					t.Fatalf("vector %d, %v: %d bytes, expected %d; they differ at %d", n, Direction(from), len(got), len(sent), differ(got, sent))
				}
				for _, p := range k.pieces[from] {
					if p.gap == 0 && !bytes.Equal(p.data, sent[p.off:p.off+int64(len(p.data))]) {
						t.Fatalf("vector %d, %v: other bytes at %d", n, Direction(from), p.off)
					}
				}
			}
		}
	}
}

// mangle repeats packets, changes their order, and loses some; but not the first two.
func mangle(r *rand.Rand, packets [][]byte, lossy bool) [][]byte {
	out := append([][]byte{}, packets[:2]...)
	for i, p := range packets[2:] {
		if lossy && r.IntN(10) == 0 {
			continue
		}
		out = append(out, p)
		if r.IntN(8) == 0 {
			out = append(out, packets[2+r.IntN(i+1)])
		}
	}
	for i := 2; i+6 <= len(out); i += 6 {
		r.Shuffle(6, func(a, b int) { out[i+a], out[i+b] = out[i+b], out[i+a] })
	}
	return out
}
