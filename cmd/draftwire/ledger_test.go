package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/draftwire/draftwire/gateway"
	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
)

// A gateway with a damaged ledger starts, and says what was wrong and where the file is;
// with what was never a ledger it does not, and leaves that alone.
func TestDamagedLedger(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	cfg := &gateway.Config{Ledger: gateway.Ledger{File: path}}
	log, hook := logtest.NewNullLogger()
	open := func() error {
		l, err := openLedger(cfg, log)
		if err == nil {
			err = l.Close()
		}
		return err
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
