package fleet

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"testing"
	"time"

	"github.com/draftwire/draftwire/usage"
	"github.com/draftwire/draftwire/wire"
)

// FuzzHello: what a peer announces is bounded, and what is taken of it is announced the same again.
func FuzzHello(f *testing.F) {
	f.Add([]byte(`{"name":"gw-1","id":"0011223344556677","started":"2026-11-30T20:00:00Z","plan":7,"about":{"version":"1","listeners":[":80"],"ready":true,"connections":3,"versions":{"rfc6455":3}}}`))
	f.Add([]byte(`{"name":"a","id":"b","bye":true,"about":{"connections":-1,"why":"\u0000\ud800"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := parseHello(data)
		if err != nil {
			return
		}
		if CheckName(h.Name) != nil || len(h.About.Listeners) > maxList || len(h.About.Versions) > maxVersions || h.About.Connections < 0 {
			t.Fatalf("%+v", h)
		}
		again, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		if len(again) > maxHello {
			return
		}
		if h2, err := parseHello(again); err != nil || h2.Name != h.Name || h2.About.Why != h.About.Why || !h2.Started.Equal(h.Started) {
			t.Fatalf("%+v, %v", h2, err)
		}
		n := &Node{o: Options{Name: "own", Every: time.Second}, id: "1", members: map[string]*member{"own": {Member: Member{Name: "own", ID: "1", Self: true}}}}
		for range 3 {
			n.note(&h, time.Now())
		}
		n.Members()
	})
}

// FuzzCounts: counts of a peer are bounded, and read as they are written.
func FuzzCounts(f *testing.F) {
	f.Add(appendCounts(nil, "a", "b", []Count{{netip.MustParsePrefix("10.0.0.1/32"), 3}, {netip.MustParsePrefix("2001:db8::/64"), 70000}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		name, id, of, err := parseCounts(data)
		if err != nil {
			return
		}
		if len(of) > MaxCounts || CheckName(name) != nil || CheckName(id) != nil {
			t.Fatal(name, id, len(of))
		}
		var list []Count
		for client, n := range of {
			list = append(list, Count{client, n})
		}
		_, _, again, err := parseCounts(appendCounts(nil, name, id, list))
		if err != nil || len(again) != len(of) {
			t.Fatal(again, err)
		}
		for client, n := range of {
			if again[client] != n {
				t.Fatal(client, n, again[client])
			}
		}
	})
}

// FuzzPlans: a history of plans that is taken is one that can be stored again.
func FuzzPlans(f *testing.F) {
	p, _ := usage.ParsePlan("hixie-76=off@2027-01-01,hybi-08=sample 10%")
	data, err := json.Marshal(planFile{planFormat, []Plan{
		{Number: 1, At: time.Unix(1e9, 0).UTC(), Node: "a", Who: "b", Own: true}, {Number: 2, At: time.Unix(2e9, 0).UTC(), Stages: p, token: "x"},
	}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		plans, err := parsePlans(data)
		if err != nil {
			return
		}
		again, err := json.Marshal(planFile{planFormat, plans})
		if err != nil {
			t.Fatal(err)
		}
		if p2, err := parsePlans(again); err != nil || number(p2) != number(plans) {
			t.Fatalf("%s: %v", again, err)
		}
	})
}

// FuzzBook: the head of a book and a chunk, which may be bombs.
func FuzzBook(f *testing.F) {
	z, err := zip(&usage.Snapshot{Clients: []usage.Client{{Version: wire.Hixie76, Key: "k"}}})
	if err != nil {
		f.Fatal(err)
	}
	head, err := json.Marshal(bookHead{Format: bookFormat, Name: "a", ID: "b", Made: time.Unix(1e9, 0).UTC(), Ledger: z, Chunks: []chunkRef{{1, "x"}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(head, z)
	f.Fuzz(func(t *testing.T, head, chunk []byte) {
		if h, s, err := parseBook(head, "a", allowed()); err == nil && (s == nil || len(h.Chunks) == 0 || len(h.Chunks) > maxChunks) {
			t.Fatalf("%+v", h)
		}
		if s, err := unzip(chunk, allowed()); err == nil {
			if _, err := zip(s); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// FuzzFrame: a question and an answer.
func FuzzFrame(f *testing.F) {
	p, _ := frame(question{"a", "status"}, []byte("x"))
	f.Add(p)
	f.Fuzz(func(t *testing.T, data []byte) {
		var q question
		if body, err := unframe(data, &q); err == nil && len(body) >= len(data) {
			t.Fatal("a body as long as all")
		}
		var a answer
		if _, err := unframe(data, &a); err == nil && len(cleanLines(a.Error)) > maxError {
			t.Fatal("a long error")
		}
	})
}

// A bomb of gzip ends at its bound.
func TestBomb(t *testing.T) {
	s := &usage.Snapshot{}
	for i := range 60000 {
		s.Clients = append(s.Clients, usage.Client{Version: wire.Hixie76, Key: string(bytes.Repeat([]byte{byte('a' + i%26)}, 60)) + time.Duration(i).String(), First: time.Unix(1e9, 0), Last: time.Unix(1e9, 0)})
	}
	z, err := zip(s)
	if err != nil {
		t.Fatal(err)
	}
	if len(z) > MaxValue {
		t.Fatalf("%d bytes are no bomb", len(z))
	}
	if _, err := unzip(z, allowed()); err != nil {
		t.Logf("%d bytes: %v", len(z), err)
	}
	left := allowed()
	left.Store(1000)
	if _, err := unzip(z, left); err == nil {
		t.Error("more was read than was allowed")
	}
}
