package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
)

// A ledger that cannot be written is told by the log and by a metric while the gateway runs, and
// at its end the log says how many clients are lost. When it is written again, both say so.
func TestLedgerThatCannotBeWritten(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("this system has no /dev/full")
	}
	back, _ := serveOn(t)
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	os.WriteFile(file, []byte("listen: [{address: '127.0.0.1:0'}]\nadmin: {address: '127.0.0.1:0'}\nledger: {file: /dev/full}\nroutes: [{backends: ['"+back+"']}]\n"), 0o600)
	p := start(t, "gateway", "--config", file, "--log-format", "json")
	admin := p.err.await(t, `"admin":"([^"]+)"`)[1]
	gw := p.err.await(t, `"addr":"([^"]+)"`)[1]
	p.err.await(t, `"msg":"the ledger cannot be written; its changes wait in memory".*no space left`)
	if text := fetch(t, admin+"/metrics"); !strings.Contains(text, "\ndraftwire_ledger_failing 1\n") {
		t.Errorf("the metric: %s", text)
	}
	dial(t, "ws://"+gw, draftwire.Hixie76).CloseNow()
	p.stop(t)
	p.err.await(t, `"msg":"the ledger could not be written at the end: [^"]*is lost","clients":1,.*no space left`)

	log, hook := logtest.NewNullLogger()
	b := newBook(gateway.Ledger{File: filepath.Join(t.TempDir(), "ledger")}, "", log)
	registry := prometheus.NewRegistry()
	newWatch(log, registry, b, &gateway.Config{})
	o := b.options()
	o.Failed(errors.New("no space left"))
	o.Recovered()
	if list, _ := registry.Gather(); !slices.ContainsFunc(list, func(f *dto.MetricFamily) bool {
		return f.GetName() == "draftwire_ledger_failing" && f.Metric[0].Gauge.GetValue() == 0
	}) {
		t.Error("the metric does not say that the ledger is written again")
	}
	if e := hook.LastEntry(); len(hook.Entries) != 2 || e.Level != logrus.InfoLevel || !strings.Contains(e.Message, "is written again") {
		t.Errorf("told: %+v", e)
	}
}

// A gateway with a damaged ledger starts, and says what was wrong and where the file is;
// with what was never a ledger it does not, and leaves that alone.
func TestDamagedLedger(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	cfg := &gateway.Config{Ledger: gateway.Ledger{File: path}}
	log, hook := logtest.NewNullLogger()
	open := func() error {
		b := newBook(cfg.Ledger, "", log)
		defer b.close()
		return b.open()
	}
	if err := open(); err != nil || len(hook.Entries) != 0 {
		t.Fatalf("new: %v, %d lines", err, len(hook.Entries))
	}
	if err := os.Truncate(path, 10000); err != nil {
		t.Fatal(err)
	}
	if err := open(); err != nil {
		t.Fatalf("damaged: %v", err)
	}
	e := hook.LastEntry()
	if e == nil || e.Level != logrus.ErrorLevel || !strings.Contains(e.Data["error"].(string), "damaged") {
		t.Fatalf("told: %+v", e)
	}
	if i, err := os.Stat(e.Data["aside"].(string)); err != nil || i.Size() != 10000 {
		t.Errorf("%v: %v", e.Data["aside"], err)
	}
	os.WriteFile(path, []byte("listen: 127.0.0.1:80\n"), 0o600)
	if err := open(); err == nil {
		t.Error("a file that is no ledger is taken")
	}
	if b, _ := os.ReadFile(path); string(b) != "listen: 127.0.0.1:80\n" {
		t.Errorf("it holds %q", b)
	}
}
