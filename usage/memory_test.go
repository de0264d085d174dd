package usage_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire/internal/memnet"
	"github.com/draftwire/draftwire/usage"
	"github.com/draftwire/draftwire/wire"
)

// live returns how much memory is in use.
func live() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// stranger is a client that sends in every field more than is kept, and nothing that another
// client sends.
func stranger(i int) usage.Visit {
	long := func(n int) string { return fmt.Sprintf("%d-%d-", i, n) + strings.Repeat("x", 250) }
	return usage.Visit{Version: wire.Hixie76, Client: long(0), UserAgent: long(1), Path: long(2), Host: long(3), Origin: long(4)}
}

// kiosk is one of many equal clients.
func kiosk(i int) usage.Visit {
	return usage.Visit{Version: wire.Hixie76, Client: fmt.Sprint("10.0.", i), Path: "/feed", Host: "kiosk.example:8080", Origin: "http://kiosk.example",
		UserAgent: "Mozilla/5.0 (iPad; CPU OS 5_1_1 like Mac OS X) AppleWebKit/534.46 (KHTML, like Gecko) Version/5.1 Mobile/9B206 Safari/7534.48.3"}
}

// The cost of a record on the day of its first visit. Each further day costs three or four
// bytes.
func TestMemoryOfARecord(t *testing.T) {
	const clients = 5000
	for _, tt := range []struct {
		name  string
		visit func(i int) usage.Visit
		most  int
	}{{"of one make", kiosk, 500}, {"strangers", stranger, 1600}} {
		// The least of some rounds: what goroutines of bbolt and of the runtime allocate in
		// the meantime counts in one of them.
		least := math.MaxInt
		for range 5 {
			before := live()
			l := open(t, "", &clock{newYear}, usage.Options{})
			for i := range clients {
				l.Opened(tt.visit(i))
			}
			least = min(least, (live()-before)/clients)
			l.Close()
		}
		if least > tt.most {
			t.Errorf("%s: a record takes %d bytes, %d are said", tt.name, least, tt.most)
		}
	}
}

// When a crowd comes and goes between two writes of the file, evicted records hold no memory.
func TestACrowdBetweenTwoFlushesIsNotHeld(t *testing.T) {
	const clients = 500
	before := live()
	l := open(t, filepath.Join(t.TempDir(), "ledger"), &clock{newYear}, usage.Options{Clients: clients, Every: time.Hour})
	for i := range 40 * clients {
		l.Opened(stranger(i))
	}
	if n := (live() - before) / clients; n > 3*1600 {
		t.Errorf("%d bytes are held for each record", n)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// Many exports hold no copy of the ledger, however slowly they are read.
func TestAnExportHoldsNoCopy(t *testing.T) {
	const clients, exports = 5000, 10
	l := open(t, "", &clock{newYear}, usage.Options{})
	for i := range clients {
		l.Opened(kiosk(i))
	}
	before := live()
	for range exports {
		r, w := io.Pipe()
		done := make(chan error, 1)
		go func() { done <- l.Export(w) }()
		io.ReadFull(r, make([]byte, 100)) // and no more while the others come
		t.Cleanup(func() {
			r.Close()
			if err := <-done; !errors.Is(err, io.ErrClosedPipe) {
				t.Errorf("export: %v", err)
			}
		})
	}
	if n := (live() - before) / exports; n > 300<<10 {
		t.Errorf("an export under way holds %d KiB", n>>10)
	}
	runtime.KeepAlive(l)
}

// usageServer serves a ledger on a network in memory.
func usageServer(t *testing.T, l *usage.Ledger) *http.Client {
	n := memnet.Listen(4 << 10)
	srv := &http.Server{Handler: l}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(n) }()
	tr := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return n.Dial() }}
	t.Cleanup(func() {
		tr.CloseIdleConnections()
		srv.Close()
		<-done
	})
	return &http.Client{Transport: tr}
}

// One export is written at a time. The next one waits for a while and is then told to come
// back. A reader that reads nothing is cut off and makes room.
func TestExportsOverHTTPTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, "", &clock{newYear}, usage.Options{})
		for i := range 2000 {
			l.Opened(kiosk(i))
		}
		c := usageServer(t, l)
		get := func() *http.Response {
			t.Helper()
			resp, err := c.Get("http://admin/usage")
			if err != nil {
				t.Fatal(err)
			}
			return resp
		}
		began := time.Now()
		stuck := get() // its body is not read
		defer stuck.Body.Close()
		second := get()
		second.Body.Close()
		if second.StatusCode != 503 || second.Header.Get("Retry-After") != "5" || time.Since(began) != 5*time.Second {
			t.Errorf("%d after %s, %v", second.StatusCode, time.Since(began), second.Header)
		}
		<-time.After(time.Until(began.Add(29 * time.Second)))
		third := get()
		defer third.Body.Close()
		s, err := usage.Import(third.Body)
		if third.StatusCode != 200 || err != nil || len(s.Clients) != 2000 || time.Since(began) != 30*time.Second {
			t.Errorf("%d after %s, %v", third.StatusCode, time.Since(began), err)
		}
		if _, err := io.Copy(io.Discard, stuck.Body); err == nil {
			t.Error("who read nothing for 30 seconds has it all")
		}
	})
}

// A client that goes away while it waits for its turn does not take it.
func TestAWaitingExportThatIsGivenUpTakesNoTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, "", &clock{newYear}, usage.Options{})
		block := &blocked{httptest.NewRecorder(), make(chan struct{})}
		done := make(chan struct{})
		go func() { defer close(done); l.ServeHTTP(block, httptest.NewRequest("GET", "/usage", nil)) }()
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			l.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/usage", nil))
		}()
		synctest.Wait()
		cancel()
		<-gone
		close(block.until)
		<-done
		w := httptest.NewRecorder()
		l.ServeHTTP(w, httptest.NewRequest("GET", "/usage", nil))
		if w.Code != 200 {
			t.Errorf("%d", w.Code)
		}
	})
}

// blocked is an answer that is not read for a while.
type blocked struct {
	*httptest.ResponseRecorder
	until chan struct{}
}

func (b *blocked) Write(p []byte) (int, error) {
	<-b.until
	return b.ResponseRecorder.Write(p)
}
