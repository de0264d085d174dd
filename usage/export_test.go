package usage_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/draftwire/draftwire/usage"
	"github.com/draftwire/draftwire/wire"
)

func someSnapshot(t testing.TB, n int) *usage.Snapshot {
	c := &clock{newYear}
	l := open(t, "", c, usage.Options{Clients: 100})
	for _, e := range someEvents(rand.New(rand.NewPCG(1, 1)), n, 200*aDay) {
		c.t = e.at
		e.tell(l)
	}
	return l.Snapshot()
}

func TestExport(t *testing.T) {
	want := export(t, someSnapshot(t, 2000))
	if !json.Valid([]byte(want)) {
		t.Fatalf("no JSON: %.500s", want)
	}
	s, err := usage.Import(strings.NewReader(want))
	if err != nil {
		t.Fatal(err)
	}
	if got := export(t, s); got != want {
		t.Errorf("they differ:\n%.2000s\n%.2000s", got, want)
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, []byte(want), " ", "\t"); err != nil {
		t.Fatal(err)
	}
	if s, err := usage.Import(&pretty); err != nil || export(t, s) != want {
		t.Errorf("pretty: %v", err)
	}
	// Keys that a later program has added are ignored.
	more := strings.Replace(want, `"sources":`, `"later":{"a":[1,{}]},"sources":`, 1)
	if s, err := usage.Import(strings.NewReader(more)); err != nil || export(t, s) != want {
		t.Errorf("later: %v", err)
	}
}

func TestImportRefuses(t *testing.T) {
	head := `{"format":"draftwire-usage/1","made":"2026-01-01T00:00:00Z"`
	client := `{"version":"hybi-08","client":"a","first":"2026-01-01T00:00:00Z","last":"2026-01-01T00:00:00Z","tls":"none","days":[]}`
	for name, in := range map[string]string{
		"empty": "", "no object": "[]", "text": "<html>", "another": `{"status":"ok"}`, "nothing": "{}", "later format": `{"format":"draftwire-usage/2"}`,
		"cut": head + `,"clients":[` + client, "twice": head + `,"clients":[` + client + `,` + client + `]}`, "member twice": head + `,"clients":[],"clients":[]}`,
		"version":    head + `,"clients":[` + strings.Replace(client, "hybi-08", "hybi-99", 1) + `]}`,
		"unknown":    head + `,"versions":[{"version":"hybi-99"}]}`,
		"no name":    head + `,"sources":[{}]}`,
		"days":       head + `,"clients":[` + strings.Replace(client, `"days":[]`, `"days":[[20000,1],[20000,1]]`, 1) + `]}`,
		"many days":  head + `,"clients":[` + strings.Replace(client, `"days":[]`, `"days":[[20000,1],[20180,1]]`, 1) + `]}`,
		"late day":   head + `,"versions":[{"version":"hybi-08","days":[[99999999,1]]}]}`,
		"long day":   head + `,"versions":[{"version":"hybi-08","days":[[1,2,3,4,5,6,7]]}]}`,
		"days, not":  head + `,"clients":[` + strings.Replace(client, `"days":[]`, `"days":[[20000,-1]]`, 1) + `]}`,
		"days, text": head + `,"clients":[` + strings.Replace(client, `"days":[]`, `"days":"[[1]]"`, 1) + `]}`,
		"days, deep": head + `,"clients":[` + strings.Replace(client, `"days":[]`, `"days":[[[1]]]`, 1) + `]}`,
		"old":        head + `,"clients":[` + strings.Replace(client, "2026", "1026", 1) + `]}`,
		"tls":        head + `,"clients":[` + strings.Replace(client, "none", "9.9", 1) + `]}`,
		"tolerance":  head + `,"clients":[` + strings.Replace(client, `"tls"`, `"tolerated":"all","tls"`, 1) + `]}`,
		"huge":       head + `,"clients":[{"client":"` + strings.Repeat("x", 2<<20) + `"}]}`,
		"spaces":     head + strings.Repeat(" ", 3<<20) + "}",
	} {
		if s, err := usage.Import(strings.NewReader(in)); err == nil || len(err.Error()) > 300 {
			t.Errorf("%s: %+v, %.400v", name, s, err)
		}
	}
	if s, err := usage.Import(strings.NewReader(head + `,"clients":[` + client + `]}`)); err != nil || len(s.Clients) != 1 || len(s.Versions) != 9 {
		t.Errorf("a small one: %+v, %v", s, err)
	}
}

// endless is an export without an end.
type endless struct{ n int }

func (e *endless) Read(p []byte) (int, error) {
	if e.n++; e.n == 1 {
		return copy(p, `{"format":"draftwire-usage/1","sources":[`), nil
	}
	return copy(p, fmt.Sprintf(`{"id":"%d"},`, e.n)), nil
}

func TestImportEnds(t *testing.T) {
	if _, err := usage.Import(&endless{}); err == nil || !strings.Contains(err.Error(), "more than 1000") {
		t.Errorf("%v", err)
	}
}

func TestServeHTTP(t *testing.T) {
	c := &clock{newYear}
	l := open(t, "", c, usage.Options{})
	l.Opened(usage.Visit{Version: wire.Hixie76, Client: "a"})
	for method, status := range map[string]int{http.MethodGet: 200, http.MethodHead: 200, http.MethodPost: 405} {
		w := httptest.NewRecorder()
		l.ServeHTTP(w, httptest.NewRequest(method, "/usage", nil))
		if w.Code != status {
			t.Errorf("%s: %d", method, w.Code)
		}
		if method == http.MethodGet {
			s, err := usage.Import(w.Body)
			if err != nil || len(s.Clients) != 1 || w.Header().Get("Content-Type") != "application/json" {
				t.Errorf("%v, %v", err, w.Header())
			}
		}
	}
}

// Whatever can be imported can be exported and comes back the same, can be merged with
// itself, and makes a report.
func FuzzImport(f *testing.F) {
	f.Add([]byte(export(f, someSnapshot(f, 4))))
	f.Add([]byte(`{"format":"draftwire-usage/1","clients":[{"version":"rfc6455","client":"\u0000","days":[[1,18446744073709551615,3,1]]}]}`))
	f.Add([]byte(`{"format":"draftwire-usage/1","sources":[{"id":"a","watched":[{"from":"2026-01-01T00:00:00Z","to":"2025-01-01T00:00:00Z"}]}]}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		s, err := usage.Import(bytes.NewReader(in))
		if err != nil {
			return
		}
		out := export(t, s)
		again, err := usage.Import(strings.NewReader(out))
		if err != nil {
			t.Fatalf("%v:\n%s", err, out)
		}
		if b := export(t, again); b != out {
			t.Fatalf("they differ:\n%s\n%s", out, b)
		}
		r := usage.Merge(s, again).Report(usage.ReportOptions{List: wire.AllVersions})
		for _, write := range []func(io.Writer) error{r.Text, r.JSON, r.CSV, r.HTML} {
			if err := write(io.Discard); err != nil {
				t.Error(err)
			}
		}
		plan := usage.Plan{wire.RFC6455: {{Mode: usage.Off}}}
		if err := s.DryRun(usage.DryRunOptions{Plan: plan, First: 1, Last: 1 << 20}).JSON(io.Discard); err != nil {
			t.Error(err)
		}
	})
}
