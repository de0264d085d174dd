package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/draftwire/draftwire/usage"
	"github.com/draftwire/draftwire/wire"
)

// ledgerOf is a ledger that has watched for 70 days: a television in hixie-76
// until now, one in hixie-75 until 50 days ago. It is closed with the test.
func ledgerOf(t *testing.T, path, name string) *usage.Ledger {
	t.Helper()
	now := time.Now()
	at := now.Add(-70 * 24 * time.Hour)
	l, err := usage.Open(path, &usage.Options{Name: name, Now: func() time.Time { return at }, Every: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	for day := range 71 {
		at = now.Add(time.Duration(day-70) * 24 * time.Hour)
		l.Opened(usage.Visit{Version: wire.Hixie76, Client: "tv-1", UserAgent: "HbbTV/1.1.1", Path: "/epg"})
		if day < 20 {
			l.Opened(usage.Visit{Version: wire.Hixie75, Client: "tv-2"})
		}
	}
	return l
}

func adminOf(t *testing.T, l *usage.Ledger) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("/usage", l)
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL
}

func TestReport(t *testing.T) {
	path := filepath.Join(t.TempDir(), "usage.db")
	today := usage.DateOf(time.Now())
	ledgerOf(t, path, "gw-1").Close()
	url := adminOf(t, ledgerOf(t, "", "gw-2"))
	for _, x := range []struct {
		args []string
		code int
		want []string
	}{
		{[]string{"--ledger", path}, 0, []string{"\nhixie-76  1  ", "keep: 1 client\n", "by gw-1\n", "safe to disable"}},
		{[]string{"--admin", url}, 0, []string{"HbbTV/1.1 (1)", "by gw-2\n"}},
		{[]string{"--admin", strings.TrimPrefix(url, "http://")}, 0, []string{"by gw-2\n"}},
		{[]string{"--admin", url + "/usage", "--ledger", path, "--fleet", "--list", "hixie-76"}, 0, []string{"gw-1", "gw-2", "\nClients of hixie-76:\n", "142 "}},
		{[]string{"--ledger", path, "--since", "60d"}, 0, []string{"TREND 60d", "\nhixie-75  1  "}},
		{[]string{"--ledger", path, "--on", (today - 40).String()}, 0, []string{"\nhixie-75  1  11 days ", "\nhixie-76  1  now ", (today - 40).String() + " UTC"}},
		{[]string{"--ledger", path, "--on", today.String()}, 0, []string{"\nhixie-75  0  51 days "}},
		{[]string{"--ledger", path, "--since", "1h"}, 0, []string{"TREND 1d"}},
		{[]string{"--ledger", path, "--format", "csv"}, 0, []string{"version,clients,", "hixie-75,0,"}},
		{[]string{"--ledger", path, "--format", "csv", "--list", "76"}, 0, []string{"version,client,", "hixie-76,tv-1,"}},
		{[]string{"--ledger", path, "--format", "html"}, 0, []string{"<!doctype html>", "<polyline"}},
		{[]string{"--ledger", path, "--plan", "hixie-76=off@2099-01-01"}, 0, []string{"keep: 1 client; off from 2099-01-01"}},
		{[]string{"--ledger", path, "--require", "hixie-75,hybi-08"}, 0, []string{"keep: 1 client\n"}},
		{[]string{"--ledger", path, "--require", "hixie-75,hixie-76"}, exitCondition, []string{"keep: 1 client\n"}},
		{[]string{"--ledger", path, "--dry-run", "--plan", "76=off,75=sample 10%"}, 0, []string{"hixie-76  off         1           1        1 ", "100 %", "hixie-75  sample 10%  0 "}},
		{[]string{"--ledger", path, "--dry-run", "--plan", "76=warn,76=off@2099-01-01", "--json"}, 0, []string{`"mode": "warn"`, `"expected": 0`}},
		{[]string{"--ledger", path, "--dry-run", "--plan", "76=warn,76=off@2099-01-01", "--on", "2099-01-01", "--format", "csv"}, 0, []string{"hixie-76,off,tv-1,1,1.0000"}},
		{[]string{"--ledger", path, "--dry-run", "--plan", "76=off", "--day", "2001-01-01"}, 0, []string{"2001-01-01", "hixie-76  off   0 "}},
	} {
		code, out, err := call(t, "", append([]string{"report"}, x.args...)...)
		if code != x.code || (err != "") != (code != 0) {
			t.Errorf("%q: exit %d, %s", x.args, code, err)
		}
		for _, w := range x.want {
			if !strings.Contains(strings.Join(strings.Fields(out), " "), strings.Join(strings.Fields(w), " ")) { // widths are the table's own
				t.Errorf("%q: no %q in\n%s", x.args, w, out)
			}
		}
		if x.code == exitCondition && err != "draftwire: hixie-76: keep: 1 client\n" {
			t.Errorf("%q: %s", x.args, err)
		}
	}
}

func TestReportJSON(t *testing.T) {
	url := adminOf(t, ledgerOf(t, "", "gw"))
	for _, args := range [][]string{{"--json"}, {"--format", "json"}, {"--json", "--format", "json"}} {
		code, out, _ := call(t, "", append([]string{"report", "--admin", url}, args...)...)
		var r struct {
			Versions []struct {
				Version string
				Verdict struct{ Code string }
			}
		}
		if err := json.Unmarshal([]byte(out), &r); err != nil || code != 0 || len(r.Versions) != 9 || r.Versions[0].Verdict.Code != "safe" || r.Versions[1].Verdict.Code != "keep" {
			t.Errorf("%q: exit %d, %v: %s", args, code, err, out)
		}
	}
}

// An export that was saved is as good as the ledger, and nothing is counted
// twice.
func TestReportExport(t *testing.T) {
	dir := t.TempDir()
	path, saved := filepath.Join(dir, "usage.db"), filepath.Join(dir, "usage.json")
	l := ledgerOf(t, path, "gw")
	f, err := os.Create(saved)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Export(f); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if code, out, _ := call(t, "", "report", "--ledger", saved); code != 0 || !strings.Contains(out, "keep: 1 client") {
		t.Errorf("exit %d: %s", code, out)
	}
	code, _, say := call(t, "", "report", "--ledger", path)
	if code != exitFailure || !strings.Contains(say, "in use by another process; a gateway has it open: ask the gateway, with --admin http://") {
		t.Errorf("open elsewhere: exit %d: %s", code, say)
	}
	l.Close()
	code, _, say = call(t, "", "report", "--ledger", path, "--ledger", saved)
	if code != exitUsage || !strings.Contains(say, "are the same ledger, gw") {
		t.Errorf("twice: exit %d: %s", code, say)
	}
}

func TestReportErrors(t *testing.T) {
	dir := t.TempDir()
	text, cut := filepath.Join(dir, "text"), filepath.Join(dir, "cut")
	os.WriteFile(text, []byte("listen: 127.0.0.1\n"), 0o600)
	os.WriteFile(cut, []byte(`{"format":"draftwire-usage/1","clients":[`), 0o600)
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("<html>")) }))
	defer page.Close()
	dead := httptest.NewServer(nil)
	dead.Close()
	for _, x := range []struct {
		code int
		want string
		args []string
	}{
		{exitFailure, "no such file", []string{"--ledger", filepath.Join(dir, "none")}},
		{exitFailure, "damaged, or not a ledger", []string{"--ledger", text}},
		{exitFailure, "ends too early", []string{"--ledger", cut}},
		{exitFailure, "404 Not Found; is that the admin listener", []string{"--admin", other.URL}},
		{exitFailure, "/usage: usage: export:", []string{"--admin", page.URL}},
		{exitConnect, "no answer from the gateway", []string{"--admin", dead.URL}},
		{exitUsage, "is not a URL", []string{"--admin", "ftp://x"}},
		{exitUsage, "is not a URL", []string{"--admin", "http://"}},
		{exitUsage, "is not a time", []string{"--since", "30"}},
		{exitUsage, "is not a time", []string{"--since", "-3d"}},
		{exitUsage, "is not a time", []string{"--since", "9999999999999d"}},
		{exitUsage, "is above 180d", []string{"--since", "181d"}},
		{exitUsage, "unknown version", []string{"--list", "hixie-77"}},
		{exitUsage, "unknown version", []string{"--require", "x"}},
		{exitUsage, "is not a mode", []string{"--plan", "76=of"}},
		{exitUsage, "needs --plan", []string{"--dry-run"}},
		{exitUsage, "belongs to --dry-run", []string{"--day", "2026-01-01"}},
		{exitUsage, "is in the future", []string{"--on", "2999-01-01"}},
		{exitUsage, "more than 179 days ago", []string{"--on", "2001-01-01"}},
		{exitUsage, "the 30 days before it (--since) begin more than 179 days ago", []string{"--on", (usage.DateOf(time.Now()) - 150).String()}},
		{exitUsage, "is not a date", []string{"--on", "yesterday"}},
		{exitUsage, "is not a date", []string{"--dry-run", "--plan", "76=off", "--on", "1.1.2027"}},
		{exitUsage, "is not a date", []string{"--dry-run", "--plan", "76=off", "--day", "x"}},
		{exitUsage, "neither --list nor --require", []string{"--dry-run", "--plan", "76=off", "--list", "76"}},
		{exitUsage, "text, json or csv", []string{"--dry-run", "--plan", "76=off", "--format", "html"}},
		{exitUsage, "not one of text, json, csv, html", []string{"--format", "xml"}},
		{exitUsage, "exclude each other", []string{"--format", "csv", "--json"}},
		{exitUsage, "not from 1 to 1000", []string{"--few", "0"}},
		{exitUsage, "not above 0", []string{"--timeout", "0s"}},
		{exitUsage, "unexpected argument", []string{"x"}},
	} {
		code, out, err := call(t, "", append([]string{"report"}, x.args...)...)
		if code != x.code || out != "" || !strings.Contains(err, x.want) || strings.Count(err, "\n") != 1 {
			t.Errorf("%q: exit %d, %q, %q", x.args, code, out, err)
		}
	}
}

// A gateway that does not answer can be given up.
func TestReportInterrupted(t *testing.T) {
	asked, done := make(chan struct{}), make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(asked)
		<-done
	}))
	defer s.Close()
	defer close(done)
	p := start(t, "report", "--admin", s.URL)
	<-asked
	p.signals <- syscall.SIGINT
	if code := p.wait(t); code != exitInterrupted || p.out.String() != "" {
		t.Errorf("exit %d: %s", code, p.out)
	}
}

func TestParseDays(t *testing.T) {
	for in, want := range map[string]time.Duration{"30d": 720 * time.Hour, "1d": 24 * time.Hour, "12h": 12 * time.Hour, "": 0, "d": 0, "1.5d": 0, "0d": 0, "-1h": 0, "40000d": 0} {
		if got, err := parseDays(in); got != want || (err == nil) != (want > 0) {
			t.Errorf("%q: %s, %v", in, got, err)
		}
	}
}
