package console

import (
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/usage"
)

// The history has what happened in each sample, in three spans that are bounded.
func TestHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var now Totals
		watching := []bool{}
		set := func(x Totals) {
			mu.Lock()
			defer mu.Unlock()
			now = x
		}
		c := New(Options{
			Prefix: "/", Totals: func() Totals {
				mu.Lock()
				defer mu.Unlock()
				return now
			}, Watching: func(on bool) {
				mu.Lock()
				defer mu.Unlock()
				watching = append(watching, on)
			},
		})
		w := &world{T: t, console: c, o: Options{Prefix: "/"}}
		defer c.Close()
		v := uint8(draftwire.Hixie76)
		c.opened.versions[v].Store(3)
		set(Totals{Losses: map[string]uint64{"abnormal": 2}, MessagesIn: 10, MessagesOut: 20})
		time.Sleep(sampleEvery)
		synctest.Wait()
		c.opened.versions[v].Store(1)
		set(Totals{Losses: map[string]uint64{"abnormal": 2, "close_cut": 1}, MessagesIn: 15, MessagesOut: 20})
		time.Sleep(sampleEvery)
		synctest.Wait()
		var h told
		w.get("history", &h)
		if fmt.Sprint(h.Versions["hixie-76"], h.Messages.In, h.Messages.Out, h.Losses["abnormal"], h.Losses["close_cut"]) != "[0 3 1] [0 10 5] [0 20 0] [0 2 0] [0 0 1]" ||
			h.Step != 10_000 || len(h.Times) != 3 || h.Times[2]-h.Times[1] != 10_000 {
			t.Errorf("%+v", h)
		}
		for _, s := range spans {
			w.get("history?span="+s.name, &h)
		}
		if h.Step != 30*60*1000 || h.Versions["hixie-76"][0] != 3 || h.Messages.In[0] != 15 { // the most, and all
			t.Errorf("%+v", h)
		}
		time.Sleep(8 * 24 * time.Hour)
		synctest.Wait()
		for _, s := range spans {
			h = told{}
			w.get("history?span="+s.name, &h)
			if len(h.Times) != s.most || len(h.Versions["hixie-76"]) != s.most || len(h.Messages.In) != s.most || len(h.Losses["close_cut"]) != s.most {
				t.Errorf("%s: %d samples, %d, %d", s.name, len(h.Times), len(h.Versions["hixie-76"]), len(h.Messages.In))
			}
			for i := range h.Times[1:] {
				if step := h.Times[i+1] - h.Times[i]; step != h.Step && i+2 < len(h.Times) {
					t.Fatalf("%s: a step of %d ms", s.name, step)
				}
			}
		}
		if rec := w.ask("GET", "api/history?span=2h", ""); rec.Code != 400 {
			t.Error(rec.Code)
		}
		for i := range 3 * maxSeries {
			set(Totals{Losses: map[string]uint64{fmt.Sprint("loss ", i): 1}})
			c.sample(time.Now())
		}
		if n := len(c.histories[0].losses); n > maxSeries {
			t.Errorf("%d series", n)
		}
		mu.Lock()
		defer mu.Unlock()
		if fmt.Sprint(watching) != "[true false true]" {
			t.Errorf("watching: %v", watching)
		}
	})
}

// Refusals are counted by reason and version, with what would admit them.
func TestRefusals(t *testing.T) {
	w := newWorld(t, func(c *gateway.Config) { c.Listen[0].Versions = "modern" })
	say := func(head string) {
		nc, err := net.Dial("tcp", strings.TrimPrefix(w.url, "ws://"))
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		fmt.Fprint(nc, head)
		nc.SetDeadline(time.Now().Add(patience))
		nc.Read(make([]byte, 1000))
	}
	for range 3 {
		say("GET /feed?token=secret HTTP/1.1\r\nHost: a\r\nUser-Agent: TV/9\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nOrigin: http://a\r\n\r\n")
	}
	say("nonsense\r\n\r\n")
	var l struct{ Rows []refusal }
	w.until(func() bool { w.get("refusals", &l); return len(l.Rows) == 2 && l.Rows[0].Count == 3 })
	x := l.Rows[0]
	if x.Reason != "version_disabled" || x.Version != "hixie-75" || x.Example.Path != "/feed" || x.Example.UserAgent != "TV/9" || !strings.HasPrefix(x.Example.Client, "127.0.0.1:") || x.Hint == "" || x.Last == 0 {
		t.Errorf("%+v", x)
	}
	w.console.sample(time.Now())
	if h := w.console.historyOf(0); h.Refused["version_disabled"][len(h.Times)-1] != 3 {
		t.Errorf("%+v", h.Refused)
	}
	// What a detail quotes is for those alone who may see what users say.
	say("GET http://me:s3cret@a/x?token=s3cret HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n")
	w.until(func() bool { w.get("refusals", &l); return len(l.Rows) == 3 })
	here, away := w.ask("GET", "api/refusals", "").Body.String(), w.ask("GET", "api/refusals", "", "from", "192.0.2.1:5").Body.String()
	if !strings.Contains(here, "token=s3cret") || strings.Contains(away, "s3cret") || !strings.Contains(away, `"path":"http://a/x"`) {
		t.Errorf("%s\n%s", here, away)
	}
	for i := range 3 * maxRefusals {
		w.console.refused.note("192.0.2.1:3", []byte("GET / HTTP/1.1\r\n"), &draftwire.HandshakeError{Reason: draftwire.Reason(fmt.Sprint("reason ", i)), Status: 400})
	}
	if n := len(w.console.refused.all); n > maxRefusals {
		t.Errorf("%d kinds of refusals", n)
	}
}

// Losses, plan, report and what-if say what the gateway knows.
func TestRetirement(t *testing.T) {
	from := time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC)
	w := newWorld(t, func(c *gateway.Config) {
		c.Versions = map[string][]gateway.Stage{"hixie-76": {{Mode: "warn"}, {Mode: "off", From: from}}, "hixie-75": {{Mode: "sample 10%"}}}
	})
	ledger, _ := usage.Open("", nil)
	defer ledger.Close()
	made := 0
	w.console.o.Report = func() *usage.Report {
		made++
		return ledger.Snapshot().Report(usage.ReportOptions{Plan: w.o.Plan()})
	}
	for i, v := range []draftwire.Version{draftwire.Hixie76, draftwire.Hixie76, draftwire.RFC6455} {
		w.dial(v, "/", draftwire.DialOptions{Fields: draftwire.Fields{{Name: "User-Agent", Value: fmt.Sprintf("Mozilla/5.0 Version/5.%d Safari", i/2)}}})
		ledger.Opened(usage.Visit{Version: v, Client: fmt.Sprint(i)})
	}
	var x whatif
	w.get("whatif?off=hixie-76,hybi-04", &x)
	if x.Connections != 2 || x.Of != 3 || len(x.Clients) != 2 || len(x.ByKind) != 1 || x.ByKind[0] != (kinds{"Safari/5.0", 2}) || x.LastSeen == "" || !strings.Contains(x.Verdict, "hixie-76: ") {
		t.Errorf("%+v", x)
	}
	for _, bad := range []string{"", "off=", "off=x"} {
		if rec := w.ask("GET", "api/whatif?"+bad, ""); rec.Code != 400 {
			t.Errorf("%s: %d", bad, rec.Code)
		}
	}
	var r usage.Report
	for range 3 {
		rec := w.ask("GET", "api/report", "")
		if err := json.Unmarshal(rec.Body.Bytes(), &struct{ Format *string }{&r.Format}); err != nil || r.Format != "draftwire-report/1" {
			t.Fatal(rec.Body, err)
		}
	}
	if made != 1 {
		t.Errorf("%d reports were made", made)
	}
	var p struct{ Stages []stage }
	w.get("plan", &p)
	if len(p.Stages) != 3 || p.Stages[2].Version != "hixie-76" || p.Stages[2].Mode != "off" || p.Stages[2].From != "2027-03-01T00:00:00Z" || p.Stages[0].Mode != "sample 10%" || p.Stages[0].From != "" {
		t.Errorf("%+v", p)
	}
	w.totals = (Totals{Losses: map[string]uint64{"close_code": 2, "abnormal": 5}})
	var l struct{ Rows []loss }
	w.get("losses", &l)
	if len(l.Rows) != 2 || l.Rows[0].Loss != "abnormal" || l.Rows[0].Count != 5 || l.Rows[1].Meaning == "" || l.Rows[1].From == "" {
		t.Errorf("%+v", l)
	}
	var s struct {
		gateway.Status
		TLS tlsState
	}
	w.get("status", &s)
	if !s.Ready || s.Connections != 3 || s.TLS.Connections[""] != 3 || s.TLS.Profile == nil {
		t.Errorf("%+v", s)
	}
}
